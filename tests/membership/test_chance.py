"""The nulls, the cross-fitted twin, its interval, the curve and the summary."""

import tracemalloc
from math import log, pi, sqrt

import numpy as np
import pytest
from scipy import stats
from sklearn import metrics

from privrob.membership import threshold as t
from privrob.membership.threshold import chance, heldout
from privrob.membership.threshold.heldout import first_half

# -- the null -----------------------------------------------------------------------------------


@pytest.mark.parametrize(("n", "m"), [(1900, 514), (300, 300), (100, 5000)])
def test_for_continuous_scores_the_closed_form_is_the_null(n, m):
    """The mean of 1000 has an error of about 1/30 of a spread of 0.26 / sqrt(N)."""
    rng = np.random.default_rng(0)
    size = n * m / (n + m)
    found = t.permutation_null(rng.normal(size=n), rng.normal(size=m), permutations=1000, seed=1)
    formula = t.closed_form_null(n, m)
    assert found.mean == pytest.approx(formula.mean, abs=0.05 / sqrt(size))
    assert found.high == pytest.approx(formula.high, abs=0.08 / sqrt(size))


def test_the_closed_form_is_the_one_of_the_facts():
    found = t.closed_form_null(1900, 514)
    size = 1900 * 514 / 2414
    assert found.mean == 0.5 + sqrt(pi / (8 * size)) / 2
    assert found.high == 0.5 + sqrt(log(20) / (2 * size)) / 2
    assert (round(found.mean, 3), round(found.high, 3)) == (0.516, 0.530)
    for sides in ((0, 3), (3, 0)):
        with pytest.raises(ValueError, match="points on both sides, got"):
            t.closed_form_null(*sides)


def slow_null(members, nonmembers, permutations, seed):
    rng = np.random.default_rng(seed)
    pooled = np.concatenate([members, nonmembers])
    found = []
    for _ in range(permutations):
        rng.shuffle(pooled)
        found.append(t.threshold_attack(pooled[: len(members)], pooled[len(members) :]).accuracy)
    return np.mean(found), np.quantile(found, 0.95)


@pytest.mark.parametrize(("n", "m", "values"), [(150, 60, 4), (60, 150, 6), (1800, 600, 10)])
def test_for_tied_scores_it_is_the_null_of_an_independent_loop(n, m, values):
    rng = np.random.default_rng(3)
    members, nonmembers = rng.integers(0, values, n) ** 2, rng.integers(0, values, m) ** 2
    found = t.permutation_null(members, nonmembers, permutations=3000, seed=4)
    mean, high = slow_null(members, nonmembers, 3000, 5)
    size = n * m / (n + m)
    assert found.mean == pytest.approx(mean, abs=0.03 / sqrt(size))
    assert found.high == pytest.approx(high, abs=0.06 / sqrt(size))
    assert found.mean < t.closed_form_null(n, m).mean  # fewer thresholds to choose from


def test_for_two_values_it_is_the_hypergeometric_distribution():
    """60 and 150 points, of which 84 score 1: by chance h of the members are among these."""
    scores = np.repeat([1, 0, 1, 0], [20, 40, 64, 86])
    found = t.permutation_null(scores[:60], scores[60:], permutations=4000, seed=0)
    hits = stats.hypergeom(210, 84, 60)
    h = np.arange(61)
    accuracy = np.maximum(0.5, 0.5 + 0.5 * (h / 60 - (84 - h) / 150))
    assert found.mean == pytest.approx(hits.pmf(h) @ accuracy, abs=0.002)
    step = 0.5 * (1 / 60 + 1 / 150)
    assert found.high == pytest.approx(accuracy[int(hits.ppf(0.95))], abs=1.01 * step)


def test_scores_that_are_all_equal_leak_nothing_by_chance_either():
    assert t.permutation_null([1] * 20, [1] * 9, permutations=50, seed=0) == t.Null(0.5, 0.5)


def test_both_ways_of_dealing_give_every_arrangement_as_often(monkeypatch):
    """One member among four, or three: 4 places, 4000 deals, the count of each within 5 sd."""
    for few in (0, 2000):
        monkeypatch.setattr(chance, "_FEW", few)
        for n, m in ((1, 3), (3, 1)):
            dealt = chance.deal(4000, n, m, np.random.default_rng(0))
            assert (dealt.sum(1) == n).all()
            odd = dealt.sum(0) if n < m else (~dealt).sum(0)
            assert np.abs(odd - 1000).max() < 5 * sqrt(4000 * 3 / 16)


def test_the_class_null_is_that_of_a_loop_that_deals_within_classes():
    rng = np.random.default_rng(6)
    y_in, y_out = np.repeat([0, 1, 2], [60, 30, 30]), np.repeat([0, 1, 2], [20, 15, 25])
    members, nonmembers = rng.normal(size=120), rng.integers(0, 3, 60).astype(float)
    labels = {"member_labels": y_in, "nonmember_labels": y_out, "classes": 3}
    found = t.class_permutation_null(members, nonmembers, **labels, permutations=2000, seed=0)
    pooled, y = np.concatenate([members, nonmembers]), np.concatenate([y_in, y_out])
    accuracies = []
    for _ in range(600):
        for k in range(3):
            pooled[y == k] = rng.permutation(pooled[y == k])
        accuracies.append(t.class_thresholds(pooled[:120], pooled[120:], **labels).accuracy)
    assert found.mean == pytest.approx(np.mean(accuracies), abs=0.006)
    assert found.high == pytest.approx(np.quantile(accuracies, 0.95), abs=0.012)
    plain = t.permutation_null(members, nonmembers, permutations=500, seed=0)
    assert found.mean > plain.mean + 0.02  # more thresholds, more luck


def test_a_class_of_one_side_adds_to_the_class_null_what_it_adds_to_the_attack():
    labels = {"member_labels": [0, 0, 1], "nonmember_labels": [0, 0], "classes": 2}
    found = t.class_permutation_null([1, 1, 1], [1, 1], **labels, permutations=9, seed=0)
    assert found == t.Null(0.5, 0.5)


def test_no_permutations_are_refused():
    labels = {"member_labels": [0], "nonmember_labels": [0], "classes": 1}
    ask = {"permutations": 0, "seed": 0}
    with pytest.raises(ValueError, match="permutations must be at least 1, got 0"):
        t.permutation_null([1], [2], **ask)
    with pytest.raises(ValueError, match="permutations must be at least 1, got 0"):
        t.class_permutation_null([1], [2], **labels, **ask)


# -- cross-fitting ------------------------------------------------------------------------------


def halves(members, nonmembers, seed, y_in=None, y_out=None):
    """The halves that the package draws: its own function, whose fairness is tested below."""
    rng = np.random.default_rng(seed)
    y_in = np.zeros(len(members), int) if y_in is None else y_in
    y_out = np.zeros(len(nonmembers), int) if y_out is None else y_out
    return first_half(y_in, rng, "members"), first_half(y_out, rng, "nonmembers")


@pytest.mark.parametrize(("n", "m", "values"), [(40, 30, None), (41, 17, 5), (2, 3, None)])
def test_cross_fitting_is_fit_here_score_there_and_back(n, m, values):
    rng = np.random.default_rng(8)
    members = rng.normal(1, 1, n) if values is None else rng.integers(1, values + 1, n)
    nonmembers = rng.normal(0, 1, m) if values is None else rng.integers(0, values, m)
    a, b = halves(members, nonmembers, 9)
    first = t.threshold_attack(members[a], nonmembers[b]).threshold
    second = t.threshold_attack(members[~a], nonmembers[~b]).threshold
    there = t.apply_threshold(members[~a], nonmembers[~b], first)
    back = t.apply_threshold(members[a], nonmembers[b], second)
    found = t.cross_fitted(members, nonmembers, seed=9)
    assert list(found.thresholds) == [first, second]
    assert found.accuracy == pytest.approx((there.accuracy + back.accuracy) / 2)
    assert found.tpr == pytest.approx((there.tpr + back.tpr) / 2)
    assert found.fpr == pytest.approx((there.fpr + back.fpr) / 2)


def test_class_cross_fitting_is_the_same_with_class_thresholds():
    rng = np.random.default_rng(10)
    members, nonmembers = rng.normal(1, 1, 90), rng.normal(0, 1, 50)
    y_in, y_out = rng.integers(0, 3, 90), rng.integers(0, 3, 50)
    a, b = halves(members, nonmembers, 11, y_in, y_out)
    accuracies = []
    for fit_in, fit_out in ((a, b), (~a, ~b)):
        fitted = t.class_thresholds(
            members[fit_in], nonmembers[fit_out],
            member_labels=y_in[fit_in], nonmember_labels=y_out[fit_out], classes=3,
        )  # fmt: skip
        scored = t.apply_class_thresholds(
            members[~fit_in], nonmembers[~fit_out], fitted.thresholds,
            member_labels=y_in[~fit_in], nonmember_labels=y_out[~fit_out],
        )  # fmt: skip
        accuracies.append(scored.accuracy)
    labels = {"member_labels": y_in, "nonmember_labels": y_out, "classes": 3}
    found = t.class_cross_fitted(members, nonmembers, **labels, seed=11)
    assert found.accuracy == pytest.approx(np.mean(accuracies))
    assert found.thresholds.shape == (2, 3)


def test_halves_are_halves_of_every_class_and_fair():
    labels = np.repeat([0, 1, 2, 3], [10, 7, 1, 12])
    rng = np.random.default_rng(12)
    masks = np.array([first_half(labels, rng, "members") for _ in range(2000)])
    for label in range(4):
        size = (labels == label).sum()
        assert set(masks[:, labels == label].sum(1)) <= {size // 2, size - size // 2}
    assert set(masks.sum(1)) == {15}
    # Within a class any point is as likely as another: of 2000, within 5 sd of a half or so.
    for label in (0, 1, 3):
        counts = masks[:, labels == label].sum(0)
        assert counts.max() - counts.min() < 5 * sqrt(2000 / 2)


def test_cross_fitting_takes_the_luck_out():
    """200 samples without a difference: the mean has a deviation of 0.003."""
    rng = np.random.default_rng(13)
    samples = [(rng.normal(size=100), rng.normal(size=60)) for _ in range(200)]
    fitted = [t.cross_fitted(a, b, seed=0).accuracy for a, b in samples]
    assert np.mean(fitted) == pytest.approx(0.5, abs=0.012)
    official = [t.threshold_attack(a, b).accuracy for a, b in samples]
    assert np.mean(official) > 0.53


@pytest.mark.parametrize(("sides", "name"), [(([1], [1, 2]), "members"), (([1, 2], [1]), "non")])
def test_a_side_that_cannot_be_halved_is_named(sides, name):
    with pytest.raises(ValueError, match=f"cross-fitting needs at least 2 {name}.*, got 1"):
        t.cross_fitted(*sides, seed=0)


# -- the interval -------------------------------------------------------------------------------


@pytest.mark.parametrize("values", [None, 4])
def test_a_resample_is_scored_as_the_attack_scores_it(values, monkeypatch):
    """The vectorised resamples against `threshold_attack` on the very points that were drawn."""
    rng = np.random.default_rng(14)
    members = rng.normal(1, 1, 13) if values is None else rng.integers(0, values, 13) * 1.0
    nonmembers = rng.normal(0, 1, 8) if values is None else rng.integers(0, values, 8) * 1.0
    found = heldout._resampled(members, nonmembers, 40, np.random.default_rng(15))

    rng = np.random.default_rng(15)
    masks = [heldout.first_half(np.zeros(k, int), rng, "members") for k in (13, 8)]
    groups = [members[masks[0]], nonmembers[masks[1]], members[~masks[0]], nonmembers[~masks[1]]]
    drawn = [group[rng.integers(0, len(group), (40, len(group)))] for group in groups]
    for row in range(40):
        a, b, c, d = (group[row] for group in drawn)
        there = t.apply_threshold(c, d, t.threshold_attack(a, b).threshold).accuracy
        back = t.apply_threshold(a, b, t.threshold_attack(c, d).threshold).accuracy
        assert found[row] == pytest.approx((there + back) / 2)


def test_chunks_of_resamples_are_all_there(monkeypatch):
    monkeypatch.setattr(heldout, "_CHUNK", 100)
    found = heldout._resampled(np.arange(9.0), np.arange(5.0), 25, np.random.default_rng(0))
    assert found.shape == (25,)


def test_many_points_of_few_scores_need_little_memory():
    tracemalloc.start()
    t.cross_fitted_interval([0, 1] * 20_000, [0, 1] * 20_000, resamples=400, level=0.9, seed=0)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak < 60e6


def test_the_interval_covers():
    """120 samples: the accuracy that the fitted thresholds reach on all points there could be."""
    rng = np.random.default_rng(16)
    hits = []
    for sample in range(120):
        members, nonmembers = rng.normal(0.8, 1, 200), rng.normal(0, 1, 150)
        found = t.cross_fitted(members, nonmembers, seed=sample)
        interval = t.cross_fitted_interval(
            members, nonmembers, resamples=200, level=0.95, seed=sample
        )
        truth = np.mean([_normal_accuracy(at, 0.8) for at in found.thresholds])
        hits.append(interval.low <= truth <= interval.high)
    assert np.mean(hits) >= 0.92


def _normal_accuracy(threshold, shift):
    return 0.5 + 0.5 * (stats.norm.sf(threshold - shift) - stats.norm.sf(threshold))


def test_the_interval_is_the_same_for_the_same_seed_and_wider_for_a_higher_level():
    rng = np.random.default_rng(17)
    sides = rng.normal(1, 1, 80), rng.normal(0, 1, 50)
    ask = {"resamples": 300, "seed": 3}
    once = t.cross_fitted_interval(*sides, level=0.9, **ask)
    assert t.cross_fitted_interval(*sides, level=0.9, **ask) == once
    assert t.cross_fitted_interval(*sides, level=0.9, resamples=300, seed=4) != once
    wide = t.cross_fitted_interval(*sides, level=0.99, **ask)
    assert wide.low < once.low < once.high < wide.high


def test_wrong_settings_of_the_interval_are_named():
    for level in (0, 1, -2):
        with pytest.raises(ValueError, match=f"level must lie in \\(0, 1\\), got {level}"):
            t.cross_fitted_interval([1, 2], [1, 2], resamples=9, level=level, seed=0)
    with pytest.raises(ValueError, match="resamples must be at least 1, got 0"):
        t.cross_fitted_interval([1, 2], [1, 2], resamples=0, level=0.9, seed=0)


# -- the curve ----------------------------------------------------------------------------------


@pytest.mark.parametrize("values", [None, 3, 20])
def test_the_curve_is_sklearns(values):
    rng = np.random.default_rng(18)
    members = rng.normal(1, 1, 70) if values is None else rng.integers(0, values, 70)
    nonmembers = rng.normal(0, 1, 40) if values is None else rng.integers(0, values, 40)
    found = t.roc(members, nonmembers)
    truth = np.repeat([1, 0], [70, 40])
    pooled = np.concatenate([members, nonmembers]).astype(float)
    fpr, tpr, thresholds = metrics.roc_curve(truth, pooled, drop_intermediate=False)
    np.testing.assert_allclose(found.fpr, fpr, atol=1e-15)
    np.testing.assert_allclose(found.tpr, tpr, atol=1e-15)
    np.testing.assert_array_equal(found.thresholds, thresholds)
    assert found.auc == pytest.approx(metrics.roc_auc_score(truth, pooled))
    best = 0.5 + 0.5 * (tpr - fpr).max()
    assert t.threshold_attack(members, nonmembers).accuracy == pytest.approx(max(best, 0.5))


def test_tpr_at_a_rate_is_the_best_point_that_does_not_exceed_it():
    rng = np.random.default_rng(19)
    members, nonmembers = rng.normal(1, 1, 300).round(1), rng.normal(0, 1, 100).round(1)
    curve = t.roc(members, nonmembers)
    for percent in (1, 2, 29, 57, 58, 100):  # in floats 0.29 * 100 is below 29
        allowed = [
            (members >= at).mean()
            for at in [np.inf, *members, *nonmembers]
            if (nonmembers >= at).sum() <= percent
        ]
        assert curve.tpr_at(percent / 100) == max(allowed)


def test_rates_that_so_few_points_cannot_show_are_refused():
    few = t.roc(np.arange(9.0), np.arange(9_999.0))
    with pytest.raises(ValueError, match="0.1 % FPR needs 10,000 non-members or more, got 9,999"):
        few.tpr_at(0.001)
    assert t.roc(np.arange(9.0), np.arange(10_000.0)).tpr_at(0.001) == 0
    assert few.tpr_at(0.01) == 0
    for fpr in (0, -0.1, 1.1, float("nan")):
        with pytest.raises(ValueError, match=f"fpr must lie in \\(0, 1\\], got {fpr}"):
            few.tpr_at(fpr)


def test_the_grid_for_logarithmic_axes_runs_along_the_curve():
    rng = np.random.default_rng(20)
    curve = t.roc(rng.normal(1, 1, 500), rng.normal(0, 1, 200))
    fpr, tpr = curve.log_grid(50)
    assert (fpr[0], fpr[-1], tpr[-1]) == (pytest.approx(1 / 200), 1, 1)
    assert len(fpr) == len(tpr) == 50
    assert (np.diff(tpr) >= 0).all()
    assert all(tpr[i] == curve.tpr_at(fpr[i]) for i in range(50) if fpr[i] >= 0.06)


# -- all of it ----------------------------------------------------------------------------------


def test_an_audit_is_its_parts():
    rng = np.random.default_rng(21)
    sides = rng.normal(1, 1, 120), rng.normal(0, 1, 110)
    labels = {
        "member_labels": rng.integers(0, 3, 120),
        "nonmember_labels": rng.integers(0, 3, 110),
        "classes": 3,
    }
    found = t.audit(*sides, **labels, permutations=40, resamples=30, seed=5)
    assert found.official == t.threshold_attack(*sides)
    assert found.advantage == found.official.advantage
    assert found.null == t.permutation_null(*sides, permutations=40, seed=5)
    assert found.held_out.accuracy == t.cross_fitted(*sides, seed=5).accuracy
    assert found.interval == t.cross_fitted_interval(*sides, resamples=30, level=0.95, seed=5)
    assert found.by_class.accuracy == t.class_thresholds(*sides, **labels).accuracy
    assert found.class_null == t.class_permutation_null(*sides, **labels, permutations=40, seed=5)
    by_class = t.class_cross_fitted(*sides, **labels, seed=5)
    assert found.class_held_out.accuracy == by_class.accuracy
    assert (found.auc, found.tpr_at_1_percent) == (t.roc(*sides).auc, t.roc(*sides).tpr_at(0.01))
    assert (found.members, found.nonmembers) == (120, 110)
    assert found.above_chance
    assert found.tpr_at_1_per_mille is None


def test_an_audit_of_many_non_members_goes_to_lower_rates():
    members, nonmembers = np.arange(50.0), np.arange(-9_985.0, 15)
    zeros = {"member_labels": [0] * 50, "nonmember_labels": [0] * 10_000}
    found = t.audit(members, nonmembers, **zeros, classes=1, permutations=2, resamples=2, seed=0)
    assert found.tpr_at_1_per_mille == 45 / 50  # of the members 5 and more, 10 non-members above


def test_an_audit_of_nothing_is_not_above_chance_more_often_than_it_says():
    """100 audits of equal sides, 5 % of them by chance: 13 or more has odds of one in 1000."""
    rng = np.random.default_rng(22)
    zeros = {"member_labels": np.zeros(40, int), "nonmember_labels": np.zeros(30, int)}
    above = [
        t.audit(
            rng.normal(size=40), rng.normal(size=30), **zeros, classes=1,
            permutations=200, resamples=2, seed=seed,
        ).above_chance
        for seed in range(100)
    ]  # fmt: skip
    assert 0 < sum(above) < 13
