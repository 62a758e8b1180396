"""The lower bound on epsilon: where epsilon is known, where points hang together, where nothing is.

The check of the DP engine itself is in tests/training/test_private_audit.py.
"""

from dataclasses import replace

import numpy as np
import pytest
from scipy import optimize, stats

from privrob import data
from privrob.membership import audit, lira
from privrob.stats import proportion_interval

LEVEL = 0.9
BOUNDS = ("guesses", "rates")
REPEATS = 200


def gaussian_epsilon(sigma, delta):
    """Epsilon of N(0, sigma^2) against N(1, sigma^2): Balle and Wang (2018), theorem 8."""

    def excess(epsilon):
        far, near = 1 / (2 * sigma) - epsilon * sigma, -1 / (2 * sigma) - epsilon * sigma
        return stats.norm.cdf(far) - np.exp(epsilon) * stats.norm.cdf(near) - delta

    return optimize.brentq(excess, 0, 50)


def gaussian_bound(rng, runs, *, sigma, delta, level=LEVEL):
    """One canary, in or out by a coin of each run's own; the run tells it under noise."""
    members = rng.random((runs, 1)) < 0.5
    scores = members + rng.normal(0, sigma, members.shape)
    half = np.arange(runs) % 2 == 0
    asked = {"delta": delta, "level": level, "by": "rates"}
    return audit.epsilon_lower_bound(scores, members, chosen_on=half, **asked)


def often(bounds, truth):
    """How many lie above the truth, and how many may by chance."""
    return int((np.array(bounds) > truth).sum()), stats.binom.isf(1e-4, len(bounds), 1 - LEVEL)


# -- where epsilon is known ---------------------------------------------------------------------


@pytest.mark.parametrize(("sigma", "delta"), [(1.0, 0.05), (2.0, 0.01)])
def test_a_gaussian_mechanism_is_rarely_said_to_leak_more_than_it_does(sigma, delta):
    truth, rng = gaussian_epsilon(sigma, delta), np.random.default_rng(0)
    found = [gaussian_bound(rng, 1000, sigma=sigma, delta=delta) for _ in range(REPEATS)]
    above, allowed = often([each.epsilon for each in found], truth)
    assert above <= allowed
    above, allowed = often([log_ratio_seen(each) for each in found], truth)
    assert above > allowed  # the same rates without their intervals break the level


def log_ratio_seen(found):
    seen = max(found.right / found.positives - found.delta, 1e-9)
    return np.log(seen / (max(found.wrong, 1) / found.negatives))


@pytest.mark.parametrize("sigma", [1.0, 2.0])
def test_with_many_runs_the_bound_comes_near(sigma):
    truth = gaussian_epsilon(sigma, 0.01)
    found = gaussian_bound(np.random.default_rng(1), 1_000_000, sigma=sigma, delta=0.01)
    assert 0.85 * truth < found.epsilon < truth


def randomised_response(rng, epsilon, shape):
    """Members, and for each an answer that is true with probability e^eps / (1 + e^eps)."""
    members = rng.random(shape) < 0.5
    true = rng.random(shape) < 1 / (1 + np.exp(-epsilon))
    return members, np.where(true, members, ~members)


@pytest.mark.parametrize("by", BOUNDS)
def test_randomised_response_is_met_from_below(by):
    truth, rng, bounds = 1.5, np.random.default_rng(2), []
    for _ in range(REPEATS):
        members, answers = randomised_response(rng, truth, (8, 2000))
        bounds.append(found_in(answers, members, delta=0.0, by=by).epsilon)
    above, allowed = often(bounds, truth)
    assert above <= allowed
    assert np.median(bounds) > 0.9 * truth


@pytest.mark.parametrize("by", BOUNDS)
def test_what_delta_allows_is_no_evidence(by):
    """Now and then the truth is told aloud: of that, epsilon is not to blame."""
    truth, delta, rng, blind, bounds = 0.5, 3e-3, np.random.default_rng(6), [], []
    for _ in range(100):
        members, answers = randomised_response(rng, truth, (8, 2000))
        aloud = rng.random(members.shape) < delta
        scores = np.where(aloud, 10.0 * members - 5, answers)
        blind.append(found_in(scores, members, delta=0.0, by=by).epsilon)
        bounds.append(found_in(scores, members, delta=delta, by=by).epsilon)
    above, allowed = often(bounds, truth)
    assert above <= allowed
    above, allowed = often(blind, truth)
    assert above > allowed


def found_in(scores, members, *, delta, by, level=LEVEL):
    half = np.arange(len(scores)) % 2 == 0
    asked = {"delta": delta, "level": level, "by": by}
    return audit.epsilon_lower_bound(scores, members, chosen_on=half, **asked)


def test_points_that_hang_together_do_not_raise_the_bound_by_guesses():
    """Randomised response, all of a run's answers told as surely as one throw for the run says.

    In a third of the runs all answers are loud, so that a high threshold sees whole runs or none.
    """
    truth, rng, bounds = 1.0, np.random.default_rng(3), []
    for _ in range(REPEATS):
        members, answers = randomised_response(rng, truth, (8, 300))
        loud = np.where(rng.random((8, 1)) < 1 / 3, 5.0, 1.0)
        told = loud * (answers * 2 - 1)
        bounds.append(found_in(told, members, delta=0.0, by="guesses").epsilon)
    above, allowed = often(bounds, truth)
    assert above <= allowed
    assert np.median(bounds) > 0.5 * truth


@pytest.mark.parametrize("by", BOUNDS)
def test_both_sides_are_tried(by):
    rng = np.random.default_rng(4)
    members = rng.random((8, 3000)) < 0.5
    known = members & (rng.random(members.shape) < 0.1)
    scores = np.where(known, 9.0, rng.random(members.shape))
    found = found_in(scores, members, delta=1e-5, by=by)
    assert (found.by, found.called, found.threshold) == (by, "member", 9.0)
    assert (found.right, found.wrong) == (known[1::2].sum(), 0)
    assert found.epsilon > 3
    mirrored = found_in(-scores, ~members, delta=1e-5, by=by)
    assert mirrored == replace(found, called="non-member", threshold=-9.0)


def test_the_bound_comes_from_models_that_the_threshold_has_not_seen():
    rng = np.random.default_rng(5)
    members = rng.random((8, 500)) < 0.5
    scores = rng.random(members.shape)
    scores[::2] += members[::2]  # only those that the point is chosen on leak
    assert found_in(scores, members, delta=1e-5, by="rates").epsilon == 0
    turned = found_in(scores[::-1], members[::-1], delta=1e-5, by="rates")
    assert turned.negatives == (~members[::2]).sum()


@pytest.mark.parametrize("by", BOUNDS)
def test_each_bound_has_the_operating_point_that_is_best_for_it(by):
    """Against every threshold tried on the same models; few are told at the best one by rates."""
    rng = np.random.default_rng(7)
    members = rng.random((8, 2000)) < 0.5
    loud = members & (rng.random(members.shape) < 0.01)
    scores = np.round(rng.normal(size=members.shape) + 0.5 * members + 9 * loud, 1)
    found, asked = found_in(scores, members, delta=1e-3, by=by), {"delta": 1e-3, "level": LEVEL}
    s, held = scores[::2], members[::2]
    slow = {}
    for called, sign in (("member", 1), ("non-member", -1)):
        for threshold in np.unique(s):
            told, truth = sign * s >= sign * threshold, held if sign > 0 else ~held
            right, wrong = int((told & truth).sum()), int((told & ~truth).sum())
            slow[called, threshold] = (
                audit.epsilon_by_guesses(right, wrong, coins=truth.size, **asked)
                if by == "guesses"
                else audit.epsilon_by_rates(right, truth.sum(), wrong, (~truth).sum(), **asked)
            )
    assert slow[found.called, found.threshold] == max(slow.values())


# -- where nothing is shown ---------------------------------------------------------------------


@pytest.mark.parametrize("by", BOUNDS)
def test_halves_that_leak_nothing_show_nothing(by):
    """The whole way of the book's audit: halves in pairs, likelihood ratios, one of each pair."""
    bounds = []
    for seed in range(20):
        members = data.halves(np.arange(2000) % 10, models=16, seed=seed)
        scores = np.random.default_rng(seed).normal(0, 1, members.shape)
        ratios = lira.online_without_partner(scores, members, variance="pooled")
        bounds.append(found_in(ratios, members, delta=1e-5, level=0.95, by=by).epsilon)
    assert sum(bound > 0 for bound in bounds) <= stats.binom.isf(1e-3, 20, 0.05)
    assert max(bounds) < 0.5


@pytest.mark.parametrize("by", BOUNDS)
def test_equal_scores_show_nothing(by):
    members = np.arange(40).reshape(4, 10) % 2 == 0
    found = found_in(np.zeros((4, 10)), members, delta=1e-5, by=by)
    assert found.epsilon == 0
    assert found.right + found.wrong == 20  # all were called


# -- from counts to epsilon ---------------------------------------------------------------------

COUNTS = [(0, 10, 0, 10), (10, 10, 0, 10), (7, 10, 10, 10), (90, 1000, 3, 900), (500, 500, 1, 9)]


@pytest.mark.parametrize("counts", COUNTS)
@pytest.mark.parametrize("delta", [0.0, 1e-3, 0.5])
def test_rates_bound_is_that_of_two_exact_intervals(counts, delta):
    right, positives, wrong, negatives = counts
    low = proportion_interval(right, positives, level=LEVEL, method="exact").low
    high = proportion_interval(wrong, negatives, level=LEVEL, method="exact").high
    expected = max(0.0, np.log((low - delta) / high)) if low > delta else 0.0
    found = audit.epsilon_by_rates(*counts, delta=delta, level=LEVEL)
    assert found == pytest.approx(expected, abs=1e-9)


def test_guesses_bound_is_the_published_one():
    """Steinke et al. (2023), arXiv:2305.08846v1: appendix D, page 46, and figure 11, page 28."""
    found = audit.epsilon_by_guesses(75, 25, coins=1000, delta=1e-4, level=0.95)
    assert found == pytest.approx(0.673, abs=5e-4)
    found = audit.epsilon_by_guesses(1439, 71, coins=100_000, delta=1e-5, level=0.95)
    assert found == pytest.approx(2.675, abs=1e-3)  # printed cut, not rounded


@pytest.mark.parametrize(("right", "wrong"), [(1, 0), (50, 0), (60, 40), (900, 700), (40, 60)])
def test_without_delta_guesses_are_one_exact_interval(right, wrong):
    low = proportion_interval(right, right + wrong, level=2 * 0.95 - 1, method="exact").low
    found = audit.epsilon_by_guesses(right, wrong, coins=2000, delta=0.0, level=0.95)
    assert found == pytest.approx(max(0.0, np.log(low / (1 - low))), abs=1e-7)


@pytest.mark.parametrize(("right", "wrong", "coins"), [(30, 5, 60), (400, 20, 9000), (8, 0, 8)])
def test_p_value_is_the_whole_sum(right, wrong, coins):
    r, delta = right + wrong, 1e-4
    for epsilon in (0.0, 0.5, 2.0):
        q = 1 / (1 + np.exp(-epsilon))
        pmf = [stats.binom.pmf(k, r, q) for k in range(r + 1)]
        alpha = max(sum(pmf[right - i : right]) / i for i in range(1, right + 1))
        expected = sum(pmf[right:]) + 2 * coins * delta * alpha
        found = audit._p_value(epsilon, right, wrong, coins, delta)
        assert found == pytest.approx(expected, rel=1e-9)


def test_more_delta_and_more_confidence_ask_for_more():
    rates = [
        audit.epsilon_by_rates(90, 1000, 3, 900, delta=delta, level=level)
        for delta, level in ((0.0, 0.9), (1e-3, 0.9), (1e-3, 0.99))
    ]
    guesses = [
        audit.epsilon_by_guesses(90, 3, coins=1900, delta=delta, level=level)
        for delta, level in ((0.0, 0.9), (1e-5, 0.9), (1e-5, 0.99))
    ]
    for bounds in (rates, guesses):
        assert sorted(bounds, reverse=True) == bounds
        assert len(set(bounds)) == 3
    assert audit.epsilon_by_guesses(90, 3, coins=1900, delta=0.1, level=0.9) == 0


# -- bad input ----------------------------------------------------------------------------------


def test_bad_input_is_named():
    members = np.arange(40).reshape(4, 10) % 2 == 0
    scores, half = np.zeros((4, 10)), np.arange(4) % 2 == 0
    wrong = scores.copy()
    wrong[0, 0] = np.nan
    all_in = members.copy()
    all_in[::2] = True
    cases = {
        "got scores (4, 9) and members (4, 10) bool": (scores[:, :9], members, half),
        "members (4, 10) int64": (scores, members.astype(int), half),
        "chosen_on must be (N,) bool, got (3,) bool for 4 models": (scores, members, half[:3]),
        "got (4,) int64 for 4 models": (scores, members, half.astype(int)),
        "must not be NaN, got 1 that are": (wrong, members, half),
        "models chosen on must have both members and non-members, got 20 members": (
            scores,
            all_in,
            half,
        ),
        "models held out must have both members and non-members, got 0 members": (
            scores,
            members,
            half | True,
        ),
    }
    for words, (s, m, chosen) in cases.items():
        with pytest.raises(ValueError, match="must") as error:
            audit.epsilon_lower_bound(s, m, chosen_on=chosen, delta=1e-5, level=0.95, by="guesses")
        assert words in str(error.value)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"delta": 1.0}, r"delta must lie in \[0, 1\), got 1\.0"),
        ({"delta": float("nan")}, "delta must lie"),
        ({"level": 1.0}, r"level must lie in \(0, 1\), got 1\.0"),
    ],
)
def test_bad_numbers_are_refused(changes, message):
    asked = {"delta": 1e-5, "level": 0.95} | changes
    with pytest.raises(ValueError, match=message):
        audit.epsilon_by_rates(1, 2, 1, 2, **asked)
    with pytest.raises(ValueError, match=message):
        audit.epsilon_by_guesses(1, 1, coins=4, **asked)
    with pytest.raises(ValueError, match=message):
        found_in(np.zeros((4, 2)), np.tile([True, False], (4, 1)), by="rates", **asked)


def test_impossible_counts_are_refused():
    for counts in ((3, 2, 0, 2), (0, 0, 0, 2), (1, 2, -1, 2)):
        with pytest.raises(ValueError, match=f"got {counts[0]} of {counts[1]} and {counts[2]} of"):
            audit.epsilon_by_rates(*counts, delta=0.0, level=0.95)
    with pytest.raises(ValueError, match="3 right and 2 wrong guesses of 4 coins cannot be"):
        audit.epsilon_by_guesses(3, 2, coins=4, delta=0.0, level=0.95)
