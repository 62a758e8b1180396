"""Distances between members and non-members, against slow sums and permutations."""

import numpy as np
import pytest
from scipy.spatial.distance import jensenshannon

from privrob.membership import divergence, threshold

RNG = np.random.default_rng(3)
MEMBERS, NONMEMBERS = RNG.normal(0.4, 1, 60), RNG.normal(0, 1, 40)


def test_the_end_bins_take_what_lies_outside():
    found = divergence.histogram([-5.0, 0.0, 0.9, 1.0, 2.0, 7.0], [0.0, 1.0, 2.0])
    assert found.tolist() == [3, 3]  # -5, 0, 0.9; 1, 2, 7


def test_jensen_shannon_is_scipys_in_bits():
    p, q = np.array([5, 0, 3, 9]), np.array([1, 4, 0, 7])
    expected = jensenshannon(p, q, base=2) ** 2
    assert divergence.jensen_shannon(p, q) == pytest.approx(expected)


@pytest.mark.parametrize(("q", "bits"), [([4, 8], 0.0), ([3, 6], 0.0)])
def test_equal_shares_are_no_divergence(q, bits):
    assert divergence.jensen_shannon([2, 4], q) == pytest.approx(bits, abs=1e-12)


def test_no_bin_in_common_is_one_bit():
    assert divergence.jensen_shannon([2, 0], [0, 9]) == pytest.approx(1)


def test_the_null_of_the_divergence_is_that_of_dealt_points():
    edges = np.linspace(-2, 2, 9)
    counts = [divergence.histogram(side, edges) for side in (MEMBERS, NONMEMBERS)]
    found = divergence.jensen_shannon_null(*counts, permutations=4000, seed=0)
    pooled, rng, slow = np.concatenate([MEMBERS, NONMEMBERS]), np.random.default_rng(1), []
    for _ in range(2000):
        dealt = rng.permutation(pooled)
        sides = (divergence.histogram(side, edges) for side in (dealt[:60], dealt[60:]))
        slow.append(divergence.jensen_shannon(*sides))
    assert found.mean == pytest.approx(np.mean(slow), rel=0.05)
    assert found.high == pytest.approx(np.quantile(slow, 0.95), rel=0.08)
    assert found.mean > 0.01  # chance alone is above 0


def test_the_null_of_the_area_is_that_of_dealt_scores():
    members, nonmembers = MEMBERS.round(1), NONMEMBERS.round(1)  # with ties
    found = divergence.auc_null(members, nonmembers, permutations=2000, seed=0)
    pooled, rng = np.concatenate([members, nonmembers]), np.random.default_rng(1)
    deals = (rng.permutation(pooled) for _ in range(1000))
    slow = [threshold.roc(dealt[:60], dealt[60:]).auc for dealt in deals]
    assert found.mean == pytest.approx(0.5, abs=0.005)
    assert found.high == pytest.approx(np.quantile(slow, 0.95), abs=0.012)


def test_the_same_seed_gives_the_same_null():
    first, again, other = (
        divergence.auc_null(MEMBERS, NONMEMBERS, permutations=50, seed=s) for s in (0, 0, 1)
    )
    assert first == again != other


@pytest.mark.parametrize(
    ("call", "words"),
    [
        (lambda: divergence.histogram([np.nan], [0, 1]), "no NaN"),
        (lambda: divergence.histogram([0.5], [1, 1]), r"must rise.*\[1\. 1\.\]"),
        (lambda: divergence.jensen_shannon([1, 2], [1, 2, 3]), "same bins, got 2 and 3"),
        (lambda: divergence.jensen_shannon([0.5, 0.5], [1, 2]), "members must be counts"),
        (lambda: divergence.jensen_shannon([1, 2], [-1, 2]), "nonmembers must be counts"),
        (lambda: divergence.jensen_shannon([0, 0], [1, 2]), "members must not be empty"),
        (lambda: divergence.auc_null([1.0], [2.0], permutations=0, seed=0), "got 0"),
    ],
)
def test_bad_input_is_named(call, words):
    with pytest.raises(ValueError, match=words):
        call()
