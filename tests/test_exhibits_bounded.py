"""Private heads on random halves: their scores, and epsilon from below and from above."""

from dataclasses import replace
from types import SimpleNamespace

import numpy as np
import pytest

from privrob import data, privacy
from privrob.exhibits import bounded, lira, shadows
from privrob.exhibits.leaks import Leak
from privrob.lab import cifar, registry
from privrob.lab.budgets import DELTAS
from privrob.lab.spec import Halved, HalvedTraining

VARIANTS = registry.experiment("tursynbek2020/cifar-halves").variants("quick")
HALF = VARIANTS[0].train.data
LABELS = data.load(HALF.name).train.first(HALF.train).y.numpy()
MEMBERS = data.halves(LABELS, models=HALF.models, seed=HALF.draw)


def world(shift):
    """Log-odds (N, P) with a difficulty of each point, raised by `shift` where it was held."""
    rng = np.random.default_rng(0)
    noise = rng.normal(size=MEMBERS.shape) + rng.normal(0, 3, len(LABELS))
    return (noise + shift * MEMBERS).astype(np.float16)


def leaks_of(scores, *, model):
    """Every model of an arm as the record of a head has it: members and others apart."""
    found = []
    for variant in (v for v in VARIANTS if v.model == model):
        k = variant.train.data.half
        arrays = {}
        for side, mask in (("train", MEMBERS[k]), ("test", ~MEMBERS[k])):
            arrays[f"log_odds_{side}"] = scores[k][mask]
            arrays[f"correct_{side}"] = scores[k][mask] > 0
        told = {"created": "2025-01-31T00:00:00+00:00", "device": "a test"}
        result = SimpleNamespace(arrays=arrays, key=f"{model}{k}", manifest=told, state="fresh")
        found.append(Leak(SimpleNamespace(variant=variant, result=result), "executed", "quick"))
    return found


def arm(shift, *, model="dpsgd"):
    (found,) = shadows.arms(leaks_of(world(shift), model=model))
    return found


# -- heads in the place of scores -----------------------------------------------------------------


def test_a_training_says_as_much_as_a_record_of_scores_of_benign_inputs():
    found = arm(1.0)
    assert (found.name, found.inferences, found.enough) == ("DP-SGD", ("benign",), True)
    np.testing.assert_array_equal(found.log_odds("benign"), world(1.0))
    np.testing.assert_array_equal(found.members, MEMBERS)
    leak = found.leaks[3]
    assert leak.name == "DP-SGD, half 3"
    members, others = leak.accuracy("benign")
    assert members == pytest.approx(100 * (world(1.0)[3][MEMBERS[3]] > 0).mean())
    assert others == pytest.approx(100 * (world(1.0)[3][~MEMBERS[3]] > 0).mean())


def test_halves_are_of_training_images_alone():
    assert len(LABELS) == cifar.QUICK_HALVED
    assert MEMBERS.shape[1] == len(LABELS)


def test_who_is_a_member_is_known_where_the_images_are_not_here(monkeypatch):
    shadows._labels_of.cache_clear()
    nowhere = SimpleNamespace(found=False)
    monkeypatch.setattr(shadows.data, "locate", lambda name: nowhere)
    half = registry.experiment("tursynbek2020/cifar-halves").variants("paper")[0].train.data
    np.testing.assert_array_equal(shadows._labels(half), data.train_labels("cifar10"))
    assert shadows._labels(Halved(**whole("cifar10"))) is None  # test images have none here
    assert shadows._labels(HalvedTraining(**whole("mnist"))) is None
    shadows._labels_of.cache_clear()


def whole(name):
    return {"name": name, "train": None, "test": None, "half": 0, "models": 16, "draw": 0}


def test_the_first_points_are_those_of_every_model():
    found, few = arm(1.0), arm(1.0).first(50)
    np.testing.assert_array_equal(few.log_odds("benign"), found.log_odds("benign")[:, :50])
    np.testing.assert_array_equal(few.members, MEMBERS[:, :50])
    assert few.dealt(0).shape == few.members.shape
    assert few.first(20).log_odds("benign").shape == (len(few.leaks), 20)


def test_figures_and_tables_have_the_inputs_that_there_are():
    two = [arm(2.0, model="sgd"), arm(0.0)]
    shown = lira.show_reached(two, attacks=(lira.ONE,), command="privrob run it")
    assert "1 attacks on 16 models" in shown.text
    assert "I_A" not in shown.text
    assert shown.text.endswith("privrob run it")
    assert set(lira.rare_rows(two)[0]) == {
        "attack", "I_B,\nTPR at\n1 % FPR", "I_B, TPR at\n1 % FPR,\n95 % of chance",
        "I_B,\narea", "I_B, area,\n95 % of chance",
    }  # fmt: skip
    assert set(shadows.accuracy_rows(two)[0]) == {
        "models", "members", "members,\nbenign", "others,\nbenign",
    }  # fmt: skip


def test_arms_of_several_tiers_are_told_apart():
    here = arm(0.0)
    full = replace(here, leaks=tuple(Leak(m.row, "recorded", "") for m in here.leaks))
    rows = lira.rare_rows([full, here])
    named = [row["attack"].removesuffix(", one threshold") for row in rows[::3]]
    assert named == ["DP-SGD, recorded", "DP-SGD, executed (quick)"]
    first = [row["models"] for row in shadows.accuracy_rows([full, here])]
    assert first == ["DP-SGD, recorded, 16", "DP-SGD, executed (quick), 16"]
    assert lira.rare_rows([here])[0]["attack"] == "DP-SGD, one threshold"


# -- from below and from above --------------------------------------------------------------------


def test_the_upper_bound_is_that_of_the_halves_own_training():
    t = VARIANTS[-1].train.training
    size = cifar.QUICK_HALVED // 2
    updates = t.epochs * -(-size // t.batch_size)
    assert bounded.accounted(arm(0.0)) == pytest.approx(
        privacy.epsilon(
            noise_multiplier=1.0,
            sample_rate=t.batch_size / size,
            updates=updates,
            delta=bounded.DELTA,
            accountant="prv",
        )
    )
    assert bounded.accounted(arm(0.0, model="sgd")) is None


def test_where_nothing_leaks_the_bounds_agree():
    found = bounded.bounded(arm(0.0))
    assert found.holds
    assert found.lower.epsilon < 0.3
    text = bounded.bounds_told([found.arm]).text
    assert "no more than the accounted" in text


def test_a_leak_beyond_the_budget_is_found(monkeypatch):
    """As of a private engine that neither clips nor adds noise."""
    monkeypatch.setattr(bounded, "accounted", lambda arm: 1.0)
    found = bounded.bounded(arm(8.0))
    assert found.lower.epsilon > 1
    assert not found.holds
    assert "MORE THAN the accounted 1.00" in bounded.bounds_told([found.arm]).text


def test_the_bound_by_guesses_alone_is_quoted_and_judged():
    found = bounded.bounded(arm(8.0))
    guesses, rates = found.lower.epsilon, found.heuristic.epsilon
    assert (found.lower.by, found.heuristic.by) == ("guesses", "rates")
    between = sum(sorted((guesses, rates))) / 2
    assert guesses != rates
    assert replace(found, upper=between).holds is (guesses < rates)
    assert f"ε of at least {guesses:.2f}" in bounded.bounds_told([found.arm]).text


def test_what_delta_may_explain_is_less_than_one_coin():
    """Of one model of each pair, and all images that the full-scale halves are of."""
    coins = cifar.HALVES // 2 * cifar.IMAGES
    assert min(DELTAS) == bounded.DELTA < 1 / coins < max(DELTAS)


def test_no_privacy_has_no_upper_bound_and_any_leak_is_allowed():
    plain = arm(8.0, model="sgd")
    assert bounded.bounded(plain).holds
    rows = bounded.bound_rows([plain])
    assert [row["by"] for row in rows] == ["guesses", "rates, a heuristic"]
    assert {row["ε at most,\naccounted"] for row in rows} == {"no bound"}
    assert rows[0]["ε at least"].mean > 1
    assert "no bound to compare" in bounded.bounds_told([plain]).text
    assert bounded.bound_stamp([plain], "a command").tiers == ("executed", "derived")
