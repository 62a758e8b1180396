"""LiRA against a loop over points on scipy's normal distribution, and where the truth is known."""

from math import inf

import numpy as np
import pytest
from scipy import stats

from privrob import data
from privrob.membership import lira
from privrob.membership.threshold import roc, threshold_attack


def world(models, points, *, shift, seed=0):
    """Log-odds with a difficulty of each point, raised by `shift` where the model held it."""
    rng = np.random.default_rng(seed)
    members = data.halves(np.arange(points) % 5, models=models, seed=seed)
    difficulty = rng.normal(0, 4, points)
    return rng.normal(0, 1, (models, points)) + difficulty + shift * members, members


def slow(scores, members, *, variance, with_in):
    """Point by point: the scores of Carlini et al. by scipy, pooled variances by hand."""
    models, points = scores.shape
    result = np.zeros_like(scores)
    for target in range(models):
        others = [k for k in range(models) if k != target]
        sides = {}
        for held in (True, False):
            lists = [[scores[k, i] for k in others if members[k, i] == held] for i in range(points)]
            deviations = np.concatenate([np.subtract(each, np.mean(each)) for each in lists])
            free = sum(len(each) - 1 for each in lists)
            pooled = np.sqrt((deviations**2).sum() / free)
            sides[held] = [
                stats.norm(np.mean(each), pooled if variance == "pooled" else np.std(each, ddof=1))
                for each in lists
            ]
        for i in range(points):
            score, out = scores[target, i], sides[False][i]
            if with_in:
                result[target, i] = sides[True][i].logpdf(score) - out.logpdf(score)
            else:
                result[target, i] = stats.norm.ppf(out.cdf(score))
    return result


@pytest.mark.parametrize("variance", ["per_point", "pooled"])
def test_it_is_the_loop_over_points(variance):
    scores, members = world(16, 12, shift=1)
    members[0, 0] ^= True  # uneven counts
    np.testing.assert_allclose(
        lira.offline(scores, members, variance=variance),
        slow(scores, members, variance=variance, with_in=False),
        rtol=1e-6,
    )
    np.testing.assert_allclose(
        lira.online(scores, members, variance=variance),
        slow(scores, members, variance=variance, with_in=True),
        rtol=1e-6,
        atol=1e-9,
    )


def test_on_normal_scores_it_comes_close_to_the_best_possible_attack():
    """The best test of N(d, 1) against N(d + 2, 1), d known: TPR = sf(isf(FPR) - 2)."""
    scores, members = world(64, 400, shift=2)
    for attack in (lira.offline, lira.online):
        found = attack(scores, members, variance="pooled")
        curve = roc(found[members], found[~members])
        for fpr in (0.01, 0.1):
            best = stats.norm.sf(stats.norm.isf(fpr) - 2)
            assert best - 0.05 < curve.tpr_at(fpr) < best + 0.02
    plain = roc(scores[members], scores[~members])
    assert plain.tpr_at(0.01) < 0.1  # without the shadows the difficulty hides it


def test_where_membership_changes_the_spread_only_online_sees_it():
    rng = np.random.default_rng(1)
    members = data.halves(np.zeros(200, int), models=32, seed=1)
    scores = rng.normal(0, np.where(members, 0.2, 2.0))
    online = lira.online(scores, members, variance="pooled")
    offline = lira.offline(scores, members, variance="pooled")
    assert roc(online[members], online[~members]).auc > 0.85
    assert roc(offline[members], offline[~members]).auc == pytest.approx(0.5, abs=0.05)


def test_where_nothing_leaks_it_finds_nothing():
    scores, members = world(32, 300, shift=0)
    for attack in (lira.offline, lira.online):
        for variance in ("per_point", "pooled"):
            found = attack(scores, members, variance=variance)
            assert roc(found[members], found[~members]).auc == pytest.approx(0.5, abs=0.02)


def test_a_model_is_not_its_own_shadow():
    scores, members = world(16, 30, shift=1)
    before = lira.offline(scores, members, variance="per_point")
    scores[3] += 100
    after = lira.offline(scores, members, variance="per_point")
    moved = (after - before)[3]
    assert (moved > 10).all()  # a target in its own shadows would raise their mean and spread


def test_shadows_that_agree_exactly_give_finite_scores():
    scores, members = world(16, 20, shift=1)
    scores[:, :5] = 7.0
    for attack in (lira.offline, lira.online):
        found = attack(scores, members, variance="per_point")
        assert np.isfinite(found).all()
        assert (found[:, :5] == 0).all()
    scores[0, 0] = 8.0
    assert lira.offline(scores, members, variance="per_point")[0, 0] == 1 / lira.STD_FLOOR


def test_each_target_is_attacked_by_its_row():
    scores, members = world(16, 200, shift=2)
    found = lira.offline(scores.astype(np.float16), members, variance="pooled")
    accuracies = [
        threshold_attack(row[held], row[~held]).accuracy
        for row, held in zip(found, members, strict=True)
    ]
    assert min(accuracies) > 0.7


def test_a_partner_is_no_shadow_and_its_memberships_tell_nothing():
    """Of 16 models in pairs 14 are shadows, 7 in and 7 out, whoever has the point."""
    scores, members = world(16, 100_000, shift=0)
    apart = lira.online_without_partner(scores, members, variance="pooled")
    kept = [k for k in range(16) if k not in (2, 3)]
    few = slow(scores[[2, *kept], :5], members[[2, *kept], :5], variance="pooled", with_in=True)
    wide = lira.online_without_partner(scores[:, :5], members[:, :5], variance="pooled")
    np.testing.assert_allclose(wide[2], few[0], rtol=1e-6, atol=1e-9)

    def excess(found):
        """Members beyond the half among the highest hundredth, in deviations of a fair coin."""
        top = members[found >= np.quantile(found, 0.99)]
        return (top.mean() - 0.5) / (0.5 / len(top) ** 0.5)

    assert abs(excess(apart)) < 3
    assert abs(excess(lira.online(scores, members, variance="pooled"))) > 4


def test_without_partners_it_is_online():
    scores, members = world(16, 30, shift=1)
    members[::2, 0] = members[1::2, 0]  # one point that both of a pair hold, or lack
    np.testing.assert_array_equal(
        lira.online_without_partner(scores, members, variance="pooled"),
        lira.online(scores, members, variance="pooled"),
    )


# -- refusals -----------------------------------------------------------------------------------


def changed(scores, value):
    scores = scores.copy()
    scores[2, 3] = value
    return scores


@pytest.mark.parametrize("attack", [lira.offline, lira.online, lira.online_without_partner])
def test_bad_input_is_named(attack):
    scores, members = world(16, 10, shift=1)
    cases = {
        "at least 16 models, got 15": (scores[:15], members[:15]),
        "got scores (16, 10) and members (16, 9) bool": (scores, members[:, :9]),
        "members (16, 10) int64": (scores, members.astype(int)),
        "scores (10,)": (scores[0], members[0]),
        "got 1 that are not, such as inf": (changed(scores, inf), members),
        "got 1 that are not, such as nan": (changed(scores, np.nan), members),
    }
    for words, arrays in cases.items():
        with pytest.raises(ValueError, match="must be|needs") as error:
            attack(*arrays, variance="pooled")
        assert words in str(error.value)
    with pytest.raises(ValueError, match="variance must be .*, got 'global'"):
        attack(scores, members, variance="global")


def test_a_point_without_enough_shadows_is_named():
    scores, members = world(16, 10, shift=1)
    members[:, 4] = True
    members[:2, 4] = False  # two out-models: one is left where the other is the target
    lira.offline(scores, members, variance="pooled")
    with pytest.raises(ValueError, match=r"needs 2 shadow .*, got 1 at point 4 \(1 such points\)"):
        lira.offline(scores, members, variance="per_point")
    members[1, 4] = True
    with pytest.raises(ValueError, match=r"needs 1 shadow models .*, got 0 at point 4"):
        lira.online(scores, members, variance="pooled")
