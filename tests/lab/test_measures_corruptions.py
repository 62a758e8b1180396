"""Measures of Table 2 against sums by hand; stand-ins are refused."""

import numpy as np
import pytest

from privrob.corruptions import CORRUPTIONS
from privrob.lab import joined, registry, run, spec
from privrob.lab.measures import MEASURES, MeasureError
from privrob.lab.store import Store

N = 20


def record(right, *, clean: int = 19, replaced: tuple[str, ...] = ()) -> dict:
    """Answers of which the first k are right, for each of the corruptions."""
    counts = np.broadcast_to(right, len(CORRUPTIONS))[:, None]
    return {
        "correct": np.arange(N) < counts,
        "stand_in": np.isin(CORRUPTIONS, replaced),
        "correct_test": np.arange(N) < clean,
    }


def at(**counts: int) -> np.ndarray:
    """Ten right everywhere but under the corruptions named."""
    return np.array([counts.get(name, 10) for name in CORRUPTIONS])


def test_accuracies_gaps_and_means():
    pair = {"sgd": record(at(fog=16)), "dpsgd": record(at(fog=4), clean=17)}
    call = {name: MEASURES[name] for name in MEASURES}
    assert call["corruption_accuracy"](pair, model="sgd", corruption="fog") == 80
    alone = {"dpsgd": pair["dpsgd"]}
    found = call["corruption_accuracy"](alone, model="dpsgd", corruption="gaussian-noise")
    assert found == 50
    assert call["corruption_gap"](pair, corruption="fog") == pytest.approx(60)
    assert call["corrupted_accuracy"](pair, model="dpsgd") == pytest.approx((30 * 50 + 20) / 31)
    assert call["corrupted_gap"](pair) == pytest.approx(60 / 31)


def test_the_gap_grows_where_it_is_above_the_clean_one_and_not_where_it_equals():
    gaps = at(fog=6, snow=7)  # 30 rows: SGD 13, so gaps of 15 points but for 35 and 30
    pair = {"sgd": record(13), "dpsgd": record(gaps, clean=16)}  # clean gap 15 points
    assert MEASURES["gap_grows_excess"](pair, least=0.05) == pytest.approx(2 / 31 - 0.05)


def test_the_mean_gap_is_counted_beyond_the_clean_one():
    pair = {"sgd": record(at(fog=16), clean=19), "dpsgd": record(at(fog=4), clean=18)}
    assert MEASURES["corrupted_excess_gap"](pair) == pytest.approx(60 / 31 - 5)


def test_the_lead_is_of_the_smallest_named_over_the_largest_other():
    pair = {"sgd": record(20), "dpsgd": record(at(brightness=1, fog=2, frost=3, snow=5))}
    names = ["brightness", "fog", "frost"]
    assert MEASURES["gap_lead"](pair, corruptions=names) == pytest.approx(10)
    pair["dpsgd"] = record(at(brightness=1, fog=2, frost=3, snow=0))
    assert MEASURES["gap_lead"](pair, corruptions=names) == pytest.approx(-15)


def test_the_drop_takes_its_steps_in_the_order_of_the_pair():
    sgd, low, middle, high = record(18), record(12), record(10), record(9)
    pair = {"sgd": sgd, "a": low, "": middle, "b": high}
    assert MEASURES["smallest_corruption_drop_step"](pair) == pytest.approx(5)
    back = {"sgd": sgd, "a": low, "b": high, "": middle}
    assert MEASURES["smallest_corruption_drop_step"](back) == pytest.approx(-5)


def test_a_stand_in_is_not_judged_and_is_named():
    pair = {"sgd": record(15), "dpsgd": record(12, replaced=("frost",))}
    assert MEASURES["corruption_gap"](pair, corruption="fog") == pytest.approx(15)
    with pytest.raises(MeasureError, match="replaced the files of the benchmark: frost"):
        MEASURES["corruption_gap"](pair, corruption="frost")
    with pytest.raises(MeasureError, match="frost"):
        MEASURES["corrupted_gap"](pair)
    # The record of SGD alone is whole.
    assert MEASURES["corruption_accuracy"]({"sgd": pair["sgd"]}, model="sgd", corruption="frost")


def test_a_misspelt_corruption_and_a_record_of_others_are_refused():
    pair = {m: record(15) for m in ("sgd", "dpsgd")}
    with pytest.raises(ValueError, match="gaussian_noise"):
        MEASURES["corruption_gap"](pair, corruption="gaussian-nose")
    pair["sgd"]["correct"] = pair["sgd"]["correct"][:3]
    with pytest.raises(ValueError, match="has 3 corruptions, not 31"):
        MEASURES["corrupted_gap"](pair)


# -- joined with the clean answers --------------------------------------------------------------


def test_a_record_is_joined_with_the_clean_answers_of_its_model(tmp_path):
    store = Store(tmp_path)
    lab = run.Lab(store, on="cpu")
    variant = registry.experiment("tursynbek2020/corruptions").variants("paper", seed=0)[0]

    def save(one, arrays):
        kind = spec.kind(one)
        store.save(kind, {"key": run.key_of(one), "kind": kind, "fingerprint": "x"}, arrays)

    own = record(7)
    own.pop("correct_test")
    save(variant.spec, own)
    assert joined.lookup(lab, variant) is None  # nothing is judged without them
    clean = np.arange(3 * N) % 3 == 0
    save(variant.train, {"correct_test": clean})
    found = joined.lookup(lab, variant)
    assert (found.arrays["correct_test"] == clean[:N]).all()
    assert found.arrays["correct"].sum() == 7 * 31
    assert found.key == run.key_of(variant.spec)
