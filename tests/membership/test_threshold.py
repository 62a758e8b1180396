"""The threshold attack against a slow scan, and its refusals."""

from math import inf, nan

import numpy as np
import pytest
import torch

from privrob.lab import benchmarks
from privrob.membership import threshold as t


def slow(members, nonmembers):
    """Every pooled score tried, in exact integers: (gain, threshold, hits, alarms)."""
    found = []
    for at in [*members, *nonmembers]:
        hits = sum(score >= at for score in members)
        alarms = sum(score >= at for score in nonmembers)
        found.append((hits * len(nonmembers) - alarms * len(members), at, hits, alarms))
    return max(found)  # of equal gains the largest threshold


def draw(rng, n, m, *, values=None, shift=0.0):
    """Scores of both sides; with `values` only so many distinct ones."""
    if values is None:
        return rng.normal(shift, 1, n), rng.normal(0, 1, m)
    return rng.integers(0, values, n) + round(shift), rng.integers(0, values, m)


@pytest.mark.parametrize("values", [None, 1, 2, 4, 30])
@pytest.mark.parametrize("shift", [-1.0, 0.0, 1.0])
def test_it_is_the_slow_scan(values, shift):
    rng = np.random.default_rng(1)
    for n, m in [(1, 1), (1, 9), (7, 1), (20, 20), (31, 12), (12, 31)]:
        for _ in range(5):
            members, nonmembers = draw(rng, n, m, values=values, shift=shift)
            gain, at, hits, alarms = slow(members, nonmembers)
            found = t.threshold_attack(members, nonmembers)
            assert (found.threshold, found.tpr, found.fpr) == (at, hits / n, alarms / m)
            assert found.accuracy == pytest.approx(0.5 + gain / (2 * n * m), abs=1e-15)


def test_it_never_falls_below_one_half_and_says_which_threshold_reaches_it():
    rng = np.random.default_rng(2)
    for n, m in [(3, 7), (49, 10), (100, 3)]:
        worse = t.threshold_attack(rng.uniform(-2, -1, n), rng.uniform(0, 1, m))
        assert worse.accuracy == 0.5
        assert (worse.tpr, worse.fpr) == (1, 1)
    same = t.threshold_attack([0.0, 1.0, 2.0], [0.0, 1.0, 2.0])
    assert same == t.ThresholdAttack(0.5, 2.0, 1 / 3, 1 / 3)


def test_of_equally_good_thresholds_it_takes_the_largest():
    # 3 and 1 both gain a half; in floats 2/3 - 1/6 and 3/3 - 3/6 differ in the last place.
    found = t.threshold_attack([1, 3, 3], [0, 0, 0, 1, 1, 3])
    assert (found.threshold, found.accuracy) == (3, 0.75)


def test_only_the_order_counts():
    rng = np.random.default_rng(3)
    members, nonmembers = draw(rng, 60, 40, values=9, shift=1)
    plain = t.threshold_attack(members, nonmembers)
    cubed = t.threshold_attack(members**3.0 - 5, nonmembers**3.0 - 5)
    assert (cubed.accuracy, cubed.tpr, cubed.fpr) == (plain.accuracy, plain.tpr, plain.fpr)
    assert cubed.threshold == plain.threshold**3 - 5


def test_infinite_scores_are_legal():
    found = t.threshold_attack([inf, inf, -inf], [0.0, -inf])
    assert found == t.ThresholdAttack(0.5 + 1 / 3, inf, 2 / 3, 0.0)


def test_copies_of_all_points_and_other_number_types_change_nothing():
    rng = np.random.default_rng(4)
    members, nonmembers = draw(rng, 30, 20, values=6, shift=1)
    once = t.threshold_attack(members, nonmembers)
    assert t.threshold_attack(np.repeat(members, 3), np.repeat(nonmembers, 5)) == once
    assert t.threshold_attack(members.astype(np.float16), nonmembers.tolist()) == once
    assert t.threshold_attack(torch.from_numpy(members), torch.from_numpy(nonmembers)) == once


def test_on_correctness_it_is_the_gap_attack():
    train, test = np.repeat([True, False], [95, 5]), np.repeat([True, False], [30, 20])
    gap = t.threshold_attack(train, test)
    assert gap == t.ThresholdAttack(pytest.approx(0.5 * (1 + 0.95 - 0.6)), 1.0, 0.95, 0.6)
    assert t.threshold_attack(test, train).accuracy == 0.5


def test_the_advantage_is_tpr_minus_fpr():
    found = t.threshold_attack([1.0, 2.0, 3.0, 4.0], [0.0, 1.5])
    assert found.advantage == pytest.approx(found.tpr - found.fpr)
    assert t.advantage(0.75) == 0.5


# -- thresholds from elsewhere ------------------------------------------------------------------


def test_a_threshold_from_elsewhere_is_scored_as_it_stands():
    assert t.apply_threshold([1, 2, 3, 4], [2, 3], 3) == t.ThresholdAttack(0.5, 3, 0.5, 0.5)
    assert t.apply_threshold([1, 2], [3, 4], 2.5) == t.ThresholdAttack(0.0, 2.5, 0.0, 1.0)
    assert t.apply_threshold([1, 2], [3, 4], -inf).accuracy == 0.5
    with pytest.raises(ValueError, match="threshold must be a number, got nan"):
        t.apply_threshold([1], [2], nan)


def test_the_official_threshold_applied_at_home_gives_the_official_accuracy():
    rng = np.random.default_rng(5)
    for values in (None, 5):
        members, nonmembers = draw(rng, 40, 23, values=values, shift=1)
        found = t.threshold_attack(members, nonmembers)
        assert t.apply_threshold(members, nonmembers, found.threshold) == found
        others = [t.apply_threshold(members, nonmembers, at).accuracy for at in nonmembers]
        assert max(others) <= found.accuracy


# -- one threshold for each class ---------------------------------------------------------------


def labelled(rng, n, m, classes):
    return {
        "member_labels": rng.integers(0, classes, n),
        "nonmember_labels": rng.integers(0, classes, m),
    }


def test_class_thresholds_are_the_attack_on_each_class():
    rng = np.random.default_rng(6)
    members, nonmembers = draw(rng, 200, 120, values=12, shift=1)
    labels = labelled(rng, 200, 120, 4)
    found = t.class_thresholds(members, nonmembers, **labels, classes=4)
    hits = alarms = 0
    for k in range(4):
        mine = members[labels["member_labels"] == k], nonmembers[labels["nonmember_labels"] == k]
        _, at, caught, wrong = slow(*mine)
        assert found.thresholds[k] == at
        hits, alarms = hits + caught, alarms + wrong
    assert (found.tpr, found.fpr) == (hits / 200, alarms / 120)
    assert found.accuracy == pytest.approx(0.5 * (hits / 200 + 1 - alarms / 120))
    again = t.apply_class_thresholds(members, nonmembers, found.thresholds, **labels)
    assert (again.accuracy, again.tpr, again.fpr) == (found.accuracy, found.tpr, found.fpr)


def test_one_class_is_the_plain_attack():
    rng = np.random.default_rng(7)
    members, nonmembers = draw(rng, 50, 30, shift=1)
    zeros = {"member_labels": np.zeros(50, int), "nonmember_labels": np.zeros(30, int)}
    found = t.class_thresholds(members, nonmembers, **zeros, classes=1)
    plain = t.threshold_attack(members, nonmembers)
    assert found.thresholds == [plain.threshold]
    assert (found.accuracy, found.tpr, found.fpr) == (plain.accuracy, plain.tpr, plain.fpr)


def test_a_class_with_one_side_alone_gets_the_common_threshold():
    labels = {"member_labels": [0, 0, 1, 1], "nonmember_labels": [0, 0, 3]}
    found = t.class_thresholds([5, 6, 7, 8], [1, 5.5, 2], **labels, classes=4)
    common = t.threshold_attack([5, 6, 7, 8], [1, 5.5, 2]).threshold
    assert list(found.thresholds) == [6, common, common, common]


@pytest.mark.parametrize(
    ("labels", "words"),
    [
        ([0, 4], "labels must lie in 0..3, got 4"),
        ([-1, 0], "labels must lie in 0..3, got -1"),
        ([0], "(2,) integers, one a score, got int64 of shape (1,)"),
        ([0.0, 1.0], "got float64 of shape (2,)"),
    ],
)
def test_wrong_labels_are_named(labels, words):
    sides = ([1, 2], labels), ([1, 2], [0, 1])
    for (a, ya), (b, yb) in (sides, sides[::-1]):
        with pytest.raises(ValueError, match="labels must") as error:
            t.class_thresholds(a, b, member_labels=ya, nonmember_labels=yb, classes=4)
        assert words in str(error.value)


@pytest.mark.parametrize("thresholds", [[[0.0, 1.0]], [0.0, nan]])
def test_wrong_class_thresholds_are_named(thresholds):
    with pytest.raises(ValueError, match=r"thresholds must be \(classes,\) and no NaN, got"):
        t.apply_class_thresholds([1], [2], thresholds, member_labels=[0], nonmember_labels=[0])


# -- bad scores ---------------------------------------------------------------------------------

LABELS = {"member_labels": [0, 0], "nonmember_labels": [0, 0], "classes": 1}
EVERYONE = [
    t.threshold_attack,
    lambda a, b: t.apply_threshold(a, b, 0.0),
    lambda a, b: t.class_thresholds(a, b, **LABELS),
    lambda a, b: t.cross_fitted(a, b, seed=0),
    lambda a, b: t.class_cross_fitted(a, b, **LABELS, seed=0),
    lambda a, b: t.cross_fitted_interval(a, b, resamples=2, level=0.9, seed=0),
    lambda a, b: t.permutation_null(a, b, permutations=2, seed=0),
    lambda a, b: t.class_permutation_null(a, b, **LABELS, permutations=2, seed=0),
    t.roc,
    lambda a, b: t.audit(a, b, **LABELS, permutations=2, resamples=2, seed=0),
]


@pytest.mark.parametrize("ask", EVERYONE)
@pytest.mark.parametrize(
    ("bad", "words"),
    [
        ([], "must not be empty, got 0 scores"),
        ([1.0, nan], "must not hold NaN, got 1 of 2 scores"),
        ([[1.0], [2.0]], "must be one-dimensional, got shape (2, 1)"),
        (3.0, "must be one-dimensional, got shape ()"),
    ],
)
def test_bad_scores_are_refused_by_everyone_and_the_side_is_named(ask, bad, words):
    for name, sides in (("members", (bad, [1, 2])), ("nonmembers", ([1, 2], bad))):
        with pytest.raises(ValueError, match=f"^{name} must") as error:
            ask(*sides)
        assert words in str(error.value)


# -- two attacks on the same points -------------------------------------------------------------


def _slow_contrast(before, after, *, resamples, seed):
    """Accuracies of both on the same resamples, one resample at a time, with other draws."""
    rng = np.random.default_rng(seed)
    halves = []
    for side in before:
        order = rng.permutation(len(side))
        halves.append((order[::2], order[1::2]))
    found = []
    for _ in range(resamples):
        drawn = [[rng.choice(half, len(half)) for half in side] for side in halves]
        values = []
        for inside, outside in (before, after):
            ways = []
            for fit, score in ((0, 1), (1, 0)):
                a, b = inside[drawn[0][fit]], outside[drawn[1][fit]]
                limit = t.threshold_attack(a, b).threshold
                hits = (inside[drawn[0][score]] >= limit).mean()
                alarms = (outside[drawn[1][score]] >= limit).mean()
                ways.append(0.5 + 0.5 * (hits - alarms))
            values.append(np.mean(ways))
        found.append(values[1] - values[0])
    return np.quantile(found, [0.05, 0.95])


def _two(shift, noise, *, seed=0, n=80, m=60):
    rng = np.random.default_rng(seed)
    before = rng.normal(1, 1, n), rng.normal(0, 1, m)
    after = tuple(s + shift * k + noise * rng.normal(size=len(s))
                  for k, s in zip((1, 0), before, strict=True))  # fmt: skip
    return before, after


def test_a_contrast_is_the_difference_with_its_paired_interval():
    before, after = _two(1.0, 0.3)
    found = t.cross_fitted_contrast(before, after, resamples=2000, level=0.9, seed=3)
    values = [t.cross_fitted(*side, seed=3).accuracy for side in (before, after)]
    assert found.value == values[1] - values[0]
    slow = np.mean(
        [_slow_contrast(before, after, resamples=400, seed=s) for s in range(5)], axis=0
    )  # over splits as well, of which the other has one
    np.testing.assert_allclose([found.low, found.high], slow, atol=0.03)


def test_what_two_attacks_share_cancels():
    before, after = _two(0.0, 0.01)
    found = t.cross_fitted_contrast(before, after, resamples=500, level=0.95, seed=0)
    alone = t.cross_fitted_interval(*after, resamples=500, level=0.95, seed=0)
    assert found.high - found.low < (alone.high - alone.low) / 3
    same = t.cross_fitted_contrast(before, before, resamples=50, level=0.95, seed=0)
    assert same == (0.0, 0.0, 0.0)


def test_a_contrast_needs_the_same_points():
    before, after = _two(0.0, 1.0)
    short = after[0][:-1], after[1]
    with pytest.raises(ValueError, match=r"the same points, got \(80, 60\) and \(79, 60\)"):
        t.cross_fitted_contrast(before, short, resamples=2, level=0.9, seed=0)
    with pytest.raises(ValueError, match="resamples must be at least 1, got 0"):
        t.cross_fitted_contrast(before, after, resamples=0, level=0.9, seed=0)
    with pytest.raises(ValueError, match=r"level must lie in \(0, 1\), got 1"):
        t.cross_fitted_contrast(before, after, resamples=2, level=1, seed=0)


# -- the benchmark ------------------------------------------------------------------------------


def test_in_the_benchmark_all_contestants_give_our_answer():
    subject = benchmarks.load("threshold")
    contestants = subject.contestants(torch.device("cpu"), members=300, nonmembers=50)
    runs, notes = benchmarks.admit(contestants, subject.GAP_LIMIT)
    assert list(runs) == list(notes)
    assert set(subject.GROWTH_OF) <= set(runs)
