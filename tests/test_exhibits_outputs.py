"""The page of song2019's results: stored outputs against the facts, ours on made-up models."""

from types import SimpleNamespace

import numpy as np
import pytest

from privrob import exhibits, plot
from privrob.exhibits import contributions, outputs, ties
from privrob.exhibits.leaks import Leak
from privrob.lab.verdicts import Verdict

# The ratios of the best advantage to the natural model's, worked out apart from this package.
RATIOS = {
    "Yale Face": [1.00, 3.22, 2.40, 2.66, 1.78, 2.67, 2.78],
    "Fashion-MNIST": [1.00, 2.04, 1.33, 1.24, 0.08, 0.11, 0.30],
    "CIFAR-10": [1.00, 3.46, 2.31, 2.30],
}
BEST = "best over\nnatural's"


@pytest.fixture(autouse=True, scope="module")
def no_records(tmp_path_factory):
    """An empty folder of records: what is recorded on this machine plays no part."""
    outputs.entries.cache_clear()
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("PRIVROB_RECORDS", str(tmp_path_factory.mktemp("records")))
        yield
    outputs.entries.cache_clear()


def leak(model: str, *, shift: float, source: str = "quick", verified: bool = False) -> Leak:
    """A model whose members score higher by `shift` standard deviations."""
    rng = np.random.default_rng(len(model))
    arrays = {}
    for part, size, up in (("train", 300, shift), ("test", 120, 0.0)):
        arrays[f"labels_{part}"] = np.arange(size, dtype=np.int16) % 3
        for kind in ("benign", "adversarial", "verified")[: 3 if verified else 2]:
            score = rng.normal(up, 1, size).astype(np.float32)
            arrays[f"confidence_{kind}_{part}"] = arrays[f"log_odds_{kind}_{part}"] = score
        for kind in ("benign", "adversarial"):
            arrays[f"correct_{kind}_{part}"] = np.arange(size) < size / 2
    scale = "reduced" if source else "paper"
    train = SimpleNamespace(scale=scale, data=SimpleNamespace(name="faces"))
    variant = SimpleNamespace(model=model, note="", seed=0, train=train)
    manifest = {"created": "2026-01-01T00:00:00", "device": "made up"}
    result = SimpleNamespace(arrays=arrays, manifest=manifest, key="k" * 16, state="fresh")
    tier = "executed" if source else "recorded"
    return Leak(SimpleNamespace(variant=variant, result=result), tier, source)  # type: ignore[arg-type]


# -- the stored outputs -------------------------------------------------------------------------


def test_the_ratios_are_those_of_the_facts():
    for title, ratios in RATIOS.items():
        rows = [r for r in outputs.advantages() if r["data set"] == title]
        found = [round(r[BEST].mean, 2) for r in rows]
        assert found == ratios
        assert {r[BEST].tier for r in rows} == {"derived"}


def test_the_headline_ratios_stand_beside_the_printed_ones():
    rows = {r["data set"]: r for r in outputs.ratios()}
    assert [r["printed"].mean for r in rows.values()] == [4.5, 2, 3.5]
    words = [r["verdict on the stored outputs"].split(" (")[0] for r in rows.values()]
    assert words == ["not reproduced", "reproduced", "reproduced"]
    assert "76.05 to 76.63" in rows["Yale Face"]["verdict on the stored outputs"]
    assert {r["verdict by our records"] for r in rows.values()} == {"not attempted"}


@pytest.mark.parametrize(
    ("name", "line"),
    [
        ("yale", "37.65 / 11.71 = 3.22."),
        ("fashion-mnist", "I_A on the PGD model, 2 × (64.49 − 50) = 28.98;"),
        ("cifar10", "I_B on the natural model, 2 × (57.43 − 50) = 14.85;"),
    ],
)
def test_the_arithmetic_is_worked_out_in_a_line(name, line):
    assert line in outputs.worked(name)


def test_every_model_has_its_six_stored_outputs():
    assert {n: len(outputs.stored(n)) for n in outputs.SETS} == {
        "yale": 7,
        "fashion-mnist": 7,
        "cifar10": 4,
    }
    row = outputs.stored("yale")["ibp"]
    assert len(row) == 6
    assert row["infer-adversarial"] == 66.2777


# -- where a statement fails --------------------------------------------------------------------


def test_the_verifiable_defences_on_fashion_mnist_do_not_increase_the_risk():
    found = {n: contributions.failing("contribution2", n) for n in outputs.SETS}
    assert found == {"yale": [], "fashion-mnist": ["dual", "abs", "ibp"], "cifar10": []}
    text = contributions.told("contribution2")
    assert "not reproduced for duality, abstract and interval" in text
    assert "CIFAR-10, 3 defences" in text
    assert "duality 75.1 and 74.3" in contributions.underfit("fashion-mnist")


def test_what_the_page_says_follows_the_verdicts(monkeypatch):
    """Another verdict gives another sentence: none of it is typed."""
    real = outputs.entries()
    changed = dict(real)
    for name in ("fashion-mnist-duality", "yale-pgd"):
        old = real[f"contribution2/{name}/stored"]
        word = "reproduced" if "duality" in name else "not reproduced"
        headline = SimpleNamespace(verdict=Verdict(word), evidence=old.headline.evidence)
        changed[f"contribution2/{name}/stored"] = SimpleNamespace(headline=headline)
    monkeypatch.setattr(outputs, "entries", lambda: changed)
    assert contributions.failing("contribution2", "fashion-mnist") == ["abs", "ibp"]
    assert contributions.failing("contribution2", "yale") == ["pgd"]
    assert "Yale Face, 6 defences: not reproduced for PGD;" in contributions.told("contribution2")


def test_a_defence_that_was_not_run_on_a_data_set_has_no_verdict_there():
    rows = {r["model"]: r for r in contributions.statement("song2019/contribution2")}
    assert rows["duality"]["CIFAR-10,\nverdict"] is None
    assert rows["all of them"]["Fashion-MNIST,\nverdict"] == "not reproduced"
    assert rows["PGD"]["Yale Face,\npoints"].low > 0


def test_what_was_not_run_is_listed_with_its_cost():
    rows = contributions.waiting()
    assert len(rows) == 7 + 7 + 4
    for row in rows:
        assert row["recorded"] == "0 of 3 seeds"
        assert float(row["cost"].split()[1]) > 0
    told = contributions.gpu_cost()
    assert told.count("on a GPU") == 2
    assert "Yale" not in told


def test_by_benign_confidences_alone_fewer_defences_raise_the_risk():
    told = contributions.told_by_benign()
    assert "not told apart for difference (+2.20 points) and duality (+0.05 points)." in told
    assert "and difference (-0.10 points); lower for duality" in told
    assert told.endswith("higher for PGD (+17.46 points), distributional (+9.73 points) and "
                         "difference (+3.75 points).")  # fmt: skip


def test_verdicts_on_our_records_have_the_same_rows():
    stored = contributions.statement("song2019/contribution2")
    ours = contributions.statement("song2019/contribution2", part="")
    assert [r["model"] for r in ours] == [r["model"] for r in stored]
    assert {r["Yale Face,\nverdict"] for r in ours} == {"not attempted"}
    assert {r["Yale Face,\npoints"] for r in ours} == {None}
    verified = contributions.statement("song2019/contribution1", part="verified")
    assert [r["model"] for r in verified] == ["duality", "abstract", "interval", "all of them"]


# -- beside our models --------------------------------------------------------------------------


def test_each_model_of_ours_stands_below_the_stored_one():
    models = [leak("natural", shift=0.5), leak("pgd", shift=1.0, source="")]
    rows = outputs.inferences("yale", models)
    assert len(rows) == 7 + 2
    assert [r["evidence"] for r in rows[:4]] == [
        "stored output", "quick, drawn faces", "stored output", "recorded, seed 0",
    ]  # fmt: skip
    assert rows[0]["I_B,\nheld out"] is None
    assert rows[0]["I_B, 95 %\nof chance"].mean == pytest.approx(53.04, abs=0.01)
    assert rows[3]["I_A,\nheld out"].low < rows[3]["I_A"].mean
    accurate = outputs.accuracies("yale", models)
    assert accurate[1]["members,\nbenign"].mean == 50


def test_models_of_reduced_scale_say_so_beside_the_stored_outputs():
    small = leak("natural", shift=0.5, source="")
    small.row.variant.train.scale = "reduced"
    rows = outputs.accuracies("fashion-mnist", [small])
    assert [r["evidence"] for r in rows[:2]] == ["stored output", "recorded, reduced, seed 0"]
    assert outputs.stamp([small], "privrob").tiers == ("published", "recorded")
    assert outputs.stamp([], "privrob", derived=True).tiers == ("published", "derived")
    assert [outputs.recorded(name) for name in outputs.LARGE] == [[], []]


def test_models_of_either_scale_show_once_they_are_recorded(monkeypatch):
    monkeypatch.setattr(outputs, "leaks", lambda name: [name])
    assert outputs.recorded("cifar10") == ["song2019/cifar-membership", "song2019/cifar-reduced"]


def test_a_ratio_is_over_the_natural_model_of_the_same_scale():
    full = [leak("natural", shift=1.0, source=""), leak("pgd", shift=2.0, source="")]
    narrow = leak("natural", shift=3.0, source="")
    narrow.row.variant.train.scale = "reduced"
    rows = outputs.own_advantages([*full, narrow])
    assert [row[BEST].mean for row in (rows[0], rows[2])] == [1, 1]
    assert rows[1][BEST].mean == outputs.own_advantages(full)[1][BEST].mean > 1


def test_an_advantage_stands_beside_chance_and_its_held_out_twin():
    one = leak("natural", shift=0.5)
    (row,) = outputs.own_advantages([one])
    a = one.audit("benign", score="confidence")
    assert row["I_B"].mean == pytest.approx(100 * a.advantage)
    assert row["I_B, 95 %\nof chance"].mean == pytest.approx(200 * (a.null.high - 0.5))
    held_out = row["I_B,\nheld out"]
    assert held_out.mean == pytest.approx(100 * a.held_out.advantage)
    assert held_out.low == pytest.approx(200 * (a.interval.low - 0.5))
    assert row["I_V,\nheld out"] is None


def test_verified_confidences_show_where_a_model_has_them():
    rows = outputs.inferences("yale", [leak("ibp", shift=1.0, verified=True)])
    assert rows[-1]["I_V"].mean > 60
    assert all("I_V" not in row for row in rows[:-1])


def test_a_ratio_needs_a_natural_model_that_leaks_beyond_chance():
    sure = outputs.own_advantages([leak("natural", shift=1.0), leak("pgd", shift=2.0)])
    assert sure[0][BEST].mean == 1
    assert sure[1][BEST].mean > 1.2
    noise = outputs.own_advantages([leak("natural", shift=0.0), leak("pgd", shift=2.0)])
    assert [row[BEST] for row in noise] == [None, None]
    alone = outputs.own_advantages([leak("pgd", shift=2.0)])
    assert alone[0][BEST] is None


# -- ties ---------------------------------------------------------------------------------------


def test_ties_are_counted_and_the_verdicts_that_hang_on_them_told():
    """By log-odds as good as stored; by confidences, most of which are 1, far from it."""
    one = leak("pgd", shift=0.57, source="")
    for part, share in (("train", 0.98), ("test", 0.97)):
        scores = one.arrays[f"confidence_benign_{part}"].copy()
        scores[: int(share * len(scores))] = 1
        one.arrays[f"confidence_benign_{part}"] = scores
    rows = ties.rows([one, leak("natural", shift=1.0)])
    assert len(rows) == 4  # of recorded models alone
    row, untied, *_ = rows
    assert (row["score"], untied["score"]) == ("confidence", "log-odds")
    assert row["members:\nconfidence 1, %"].mean == 98
    assert untied["members:\nconfidence 1, %"] is None
    assert row["official, %"].mean < 56 < untied["official, %"].mean
    a = one.audit("benign", score="log_odds")
    assert untied["95 %\nof chance"].mean == 100 * a.null.high
    assert untied["held out"].low == 100 * a.interval.low
    told = ties.told([one])
    assert told.startswith("I_B on the PGD model is")
    assert "by log-odds it would be reproduced. Ties make the difference: 98.0 %" in told


def test_without_ties_no_verdict_hangs_on_the_score():
    assert ties.told([leak("pgd", shift=0.57, source="")]).startswith("By log-odds no verdict")


def test_captions_and_stamps_name_the_same_tiers():
    models = [leak("natural", shift=0.5), leak("pgd", shift=1.0, source="")]
    for derived in (False, True):
        stamp = outputs.stamp(models, "a command", derived=derived)
        lead = outputs.lead(models, derived=derived)
        assert {t for t in plot.TIERS if t in lead.lower()} == set(stamp.tiers)
    assert exhibits.leak_stamp(models, "a command").tiers == ("executed", "recorded")
