"""Measures of membership inference against the rule written out, and one resample at a time."""

import numpy as np
import pytest

from privrob.lab import measures
from privrob.lab.measures import MEASURES, MeasureError, membership
from privrob.lab.measures.base import _counts

N, M = 47, 31  # members and non-members


def record(rng: np.random.Generator, *, shift: float, verified: bool = False, n=N, m=M) -> dict:
    """A record of kind `membership` whose members score higher by `shift`; scores with ties."""
    found = {}
    for k, kind in enumerate(("benign", "adversarial", "verified")[: 3 if verified else 2]):
        for part, size, up in (("train", n, (1 + k) * shift), ("test", m, 0.0)):
            score = np.round(rng.normal(up, 1, size), 1)
            found[f"confidence_{kind}_{part}"] = (1 / (1 + np.exp(-score))).astype(np.float32)
            if kind != "verified":
                found[f"correct_{kind}_{part}"] = rng.random(size) < 0.6 + 0.2 * (part == "train")
    return found


@pytest.fixture
def several() -> dict:
    rng = np.random.default_rng(5)
    found = {
        "natural": record(rng, shift=0.2),
        "pgd": record(rng, shift=0.7),
        "ibp": record(rng, shift=0.3, verified=True),
        "abs": record(rng, shift=0.1, verified=True),
    }
    found["pgd"]["confidence_benign_train"][:9] = 1
    found["natural"]["confidence_benign_test"][:3] = 1
    return found


# -- the slow way -------------------------------------------------------------------------------


def rates(inside, outside, threshold) -> float:
    """Balanced accuracy, percent, counted point by point."""
    hits = sum(float(s) >= threshold for s in inside) / len(inside)
    misses = sum(float(s) < threshold for s in outside) / len(outside)
    return 50 * (hits + misses)


def limit(one: dict, kind: str) -> float:
    """The official threshold: every pooled score tried, the largest of the best kept."""
    sides = [one[f"confidence_{kind}_{part}"] for part in ("train", "test")]
    pooled = sorted({float(s) for side in sides for s in side})
    return max(pooled, key=lambda t: (round(rates(*sides, t), 9), t))


def slow(one: dict, kind: str, *, drawn=None) -> float:
    """The accuracy of the attack; of a resample, `drawn` of each side, at the same threshold."""
    sides = [one[f"confidence_{kind}_{part}"] for part in ("train", "test")]
    if drawn is not None:
        sides = [side[points] for side, points in zip(sides, drawn, strict=True)]
    return rates(*sides, limit(one, kind))


def kinds(one: dict) -> list[str]:
    return [k for k in membership.INFERENCES if f"confidence_{k}_train" in one]


def best(one: dict, **drawn) -> float:
    return max(slow(one, kind, **drawn) for kind in kinds(one))


def slow_accuracy(models, *, model, inference, **drawn):
    return slow(models[model], inference, **drawn)


def slow_part(models, *, model, inputs, part, drawn=None):
    side = ("members", "nonmembers").index(part)
    mask = models[model][f"correct_{inputs}_{('train', 'test')[side]}"]
    points = range(len(mask)) if drawn is None else drawn[side]
    return 100 * sum(bool(mask[i]) for i in points) / len(points)


def slow_increase(several, *, baseline, models, **drawn):
    least = min(best(several[m], **drawn) for m in models)
    return least - best(several[baseline], **drawn)


def slow_gain(several, *, models, inference, over, **drawn):
    first, second = (max(slow(several[m], k, **drawn) for m in models) for k in (inference, over))
    return first - second


def slow_ratio(several, *, baseline, models, **drawn):
    top = max(best(several[m], **drawn) for m in models)
    base = best(several[baseline], **drawn) - 50
    return (top - 50) / base if base > 1e-9 else np.nan


def slow_zero(models, *, model, part, drawn=None):
    side = ("members", "nonmembers").index(part)
    scores = models[model][f"confidence_benign_{('train', 'test')[side]}"]
    points = range(len(scores)) if drawn is None else drawn[side]
    return 100 * sum(float(scores[i]) == 1.0 for i in points) / len(points)


def slow_divergence(models, *, baseline, model, **drawn):
    return 2 * (slow(models[model], "benign", **drawn) - slow(models[baseline], "benign", **drawn))


ROBUST = ["pgd", "ibp"]
CASES = [
    ("zero_loss", slow_zero, {"model": "pgd", "part": "members"}),
    ("zero_loss", slow_zero, {"model": "natural", "part": "nonmembers"}),
    ("loss_divergence", slow_divergence, {"baseline": "natural", "model": "pgd"}),
    ("part_accuracy", slow_part, {"model": "pgd", "inputs": "benign", "part": "members"}),
    ("part_accuracy", slow_part, {"model": "ibp", "inputs": "adversarial", "part": "nonmembers"}),
    ("inference_accuracy", slow_accuracy, {"model": "natural", "inference": "benign"}),
    ("inference_accuracy", slow_accuracy, {"model": "ibp", "inference": "verified"}),
    ("leak_increase", slow_increase, {"baseline": "natural", "models": ["pgd"]}),
    ("leak_increase", slow_increase, {"baseline": "natural", "models": ROBUST}),
    ("leak_gain", slow_gain, {"models": ROBUST, "inference": "adversarial", "over": "benign"}),
    ("leak_gain", slow_gain,
     {"models": ["ibp", "abs"], "inference": "verified", "over": "benign"}),
    ("leak_ratio", slow_ratio, {"baseline": "natural", "models": ROBUST}),
]  # fmt: skip


def test_every_measure_is_checked_here():
    assert {name for name, *_ in CASES} == {f.__name__ for f in membership.ALL}


@pytest.mark.parametrize(("name", "slowly", "arguments"), CASES)
def test_measures_equal_the_rule_written_out(several, name, slowly, arguments):
    found = MEASURES[name](several, **arguments)
    assert found == pytest.approx(slowly(several, **arguments), abs=1e-9)
    assert np.ndim(found) == 0


@pytest.mark.parametrize(("name", "slowly", "arguments"), CASES)
def test_resamples_draw_members_and_nonmembers_apart(several, name, slowly, arguments):
    fast = MEASURES[name](measures.resampled(several), **arguments)
    assert fast.shape == (measures.RESAMPLES,)
    for r in (0, 1, 500):
        drawn = [
            np.repeat(np.arange(size), _counts(size, side)[r].astype(int))
            for size, side in ((N, 1), (M, 0))
        ]
        want = slowly(several, **arguments, drawn=drawn)
        assert fast[r] == pytest.approx(want, abs=1e-3, nan_ok=name == "leak_ratio")


# -- what they do at the edges ------------------------------------------------------------------


def test_the_accuracy_is_never_below_a_half_and_is_whole_where_all_is_told():
    apart = {"natural": record(np.random.default_rng(0), shift=50.0)}
    assert membership.inference_accuracy(apart, model="natural", inference="benign") == 100
    against = {"natural": record(np.random.default_rng(0), shift=-50.0)}
    assert membership.inference_accuracy(against, model="natural", inference="benign") == 50


def test_verified_confidences_that_are_not_there_are_named(several):
    with pytest.raises(MeasureError, match="pgd has no verified confidences"):
        membership.leak_gain(several, models=["pgd"], inference="verified", over="benign")


def test_a_ratio_needs_an_advantage_below(several):
    several["natural"] = record(np.random.default_rng(0), shift=-50.0)
    with pytest.raises(MeasureError, match="no attack has an advantage on natural"):
        membership.leak_ratio(several, baseline="natural", models=["pgd"])


def test_a_ratio_whose_denominator_may_be_zero_has_no_interval(several):
    interval = measures.interval_over_images(
        "leak_ratio", several | {"natural": record(np.random.default_rng(1), shift=-0.5)},
        baseline="natural", models=["pgd"],
    )  # fmt: skip
    assert np.isnan(interval.low)
    assert np.isnan(interval.high)


def test_models_of_other_members_cannot_be_resampled_together(several):
    several["pgd"] = record(np.random.default_rng(0), shift=1.0, n=N + 1)
    with pytest.raises(ValueError, match=rf"same training images, got \[{N}, {N + 1}\]"):
        measures.resampled(several)


@pytest.mark.parametrize("shift", [0.15, 0.5])
def test_the_interval_of_a_difference_covers_what_many_points_give(shift):
    """Of 100 made-up experiments, the interval of an increase misses the truth in few."""
    rng = np.random.default_rng(11)
    shapes = {"natural": shift, "pgd": 2 * shift}
    large = {m: record(rng, shift=s, n=400_000, m=400_000) for m, s in shapes.items()}
    arguments = {"baseline": "natural", "models": ["pgd"]}
    truth = float(membership.leak_increase(large, **arguments))
    covered = 0
    for _ in range(100):
        small = {m: record(rng, shift=s, n=400, m=150) for m, s in shapes.items()}
        found = measures.interval_over_images("leak_increase", small, **arguments)
        covered += found.low <= truth <= found.high
    assert covered >= 90
