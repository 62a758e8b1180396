"""Intervals against scipy's own tests, closed forms and their coverage in simulation."""

from math import inf, isnan, nan

import numpy as np
import pytest
from scipy import stats as reference

from privrob import stats


@pytest.fixture
def rng() -> np.random.Generator:
    return np.random.default_rng(0)


def covers(interval: stats.Interval | stats.Summary, truth: float) -> bool:
    return interval.low <= truth <= interval.high


# -- seeds --------------------------------------------------------------------------------------


@pytest.mark.parametrize("level", [0.9, 0.95])
def test_seed_summary_is_the_t_interval(level):
    values = [96.1, 96.5, 95.9, 96.8]
    summary = stats.seed_summary(values, level=level)
    expected = reference.ttest_1samp(values, 0).confidence_interval(level)
    assert (summary.low, summary.high) == pytest.approx((expected.low, expected.high))
    assert (summary.mean, summary.sd) == pytest.approx((np.mean(values), np.std(values, ddof=1)))
    assert summary.n == 4
    assert summary.note == ""


def test_one_seed_has_no_interval_and_says_so():
    summary = stats.seed_summary([96.5])
    assert summary.mean == 96.5
    assert all(isnan(v) for v in (summary.low, summary.high, summary.sd))
    assert summary.note == "n = 1: no interval"


def test_equal_seeds_have_an_interval_of_no_width():
    summary = stats.seed_summary([2.0, 2.0, 2.0])
    assert (summary.low, summary.mean, summary.high) == (2, 2, 2)


def test_paired_contrast_is_the_paired_t_test():
    a, b = [3.0, 5.0, 9.0], [1.0, 4.0, 5.0]
    contrast = stats.paired_contrast(a, b)
    expected = reference.ttest_rel(a, b).confidence_interval(0.95)
    assert (contrast.low, contrast.high) == pytest.approx((expected.low, expected.high))


def test_seed_summary_covers(rng):
    """Of 2000 samples of three; the share that covers has a deviation of 0.5 %."""
    hits = [covers(stats.seed_summary(v), 1) for v in rng.normal(1, 2, (2000, 3))]
    assert np.mean(hits) == pytest.approx(0.95, abs=0.02)


# -- examples -----------------------------------------------------------------------------------


def test_accuracy_contrast_by_hand():
    """40 right under both, 30 under a alone, 10 under b alone, 20 under none."""
    a = np.repeat([True, True, False, False], [40, 30, 10, 20])
    b = np.repeat([True, False, True, False], [40, 30, 10, 20])
    contrast = stats.accuracy_contrast(a, b)
    cells = np.array([40, 30, 10, 20]) + 0.5
    p_a, p_b = cells[1] / 102, cells[2] / 102
    half = 1.959964 * np.sqrt((p_a + p_b - (p_a - p_b) ** 2) / 102)
    assert contrast.mean == pytest.approx(0.2)
    assert contrast.n == 100
    assert (contrast.low, contrast.high) == pytest.approx((p_a - p_b - half, p_a - p_b + half))


@pytest.mark.parametrize("cells", [(0.80, 0.15, 0.05, 0.0), (0.97, 0.01, 0.01, 0.01)])
def test_accuracy_contrast_covers(cells, rng):
    """Of 2000 samples of 300 examples; the share that covers has a deviation of 0.5 %."""
    drawn = rng.choice(4, p=cells, size=(2000, 300))
    hits = [
        covers(stats.accuracy_contrast(d <= 1, (d == 0) | (d == 2)), cells[1] - cells[2])
        for d in drawn
    ]
    assert 0.935 < np.mean(hits) < 0.985


def test_accuracy_contrast_of_equal_masks_still_has_width():
    mask = np.ones(100, dtype=bool)
    contrast = stats.accuracy_contrast(mask, mask)
    assert contrast.low < 0 < contrast.high
    assert contrast.mean == 0


# -- proportions --------------------------------------------------------------------------------


def test_wilson_interval_by_its_formula():
    k, n, z = 9653, 10000, reference.norm.ppf(0.975)
    centre, half = (k + z**2 / 2) / (n + z**2), z * np.sqrt(k * (n - k) / n + z**2 / 4) / (n + z**2)
    interval = stats.proportion_interval(k, n)
    assert (interval.low, interval.high) == pytest.approx((centre - half, centre + half))


def test_exact_interval_is_clopper_pearson():
    interval = stats.proportion_interval(3, 40, method="exact")
    low, high = reference.beta.ppf(0.025, 3, 38), reference.beta.ppf(0.975, 4, 37)
    assert (interval.low, interval.high) == pytest.approx((low, high))
    assert stats.proportion_interval(0, 40, method="exact").low == 0
    assert stats.proportion_interval(40, 40).high == 1


def test_difference_interval_is_newcombes():
    # His example: 56 of 70 against 48 of 80, method 10.
    interval = stats.difference_interval(56, 70, 48, 80)
    assert (interval.low, interval.high) == pytest.approx((0.0524, 0.3339), abs=5e-5)
    turned = stats.difference_interval(48, 80, 56, 70)
    assert (turned.low, turned.high) == pytest.approx((-interval.high, -interval.low))


def test_difference_interval_covers_near_the_end(rng):
    a, b = rng.binomial(200, 0.99, 2000), rng.binomial(100, 0.93, 2000)
    found = [stats.difference_interval(int(k), 200, int(m), 100) for k, m in zip(a, b, strict=True)]
    covered = np.mean([i.low <= 0.06 <= i.high for i in found])
    assert 0.93 <= covered <= 0.975


# -- bootstrap ----------------------------------------------------------------------------------


def test_bootstrap_of_a_mean_is_near_normal_theory(rng):
    values = rng.normal(5, 1, 400)
    interval = stats.bootstrap_interval(values, np.mean, level=0.9, resamples=4000, seed=1)
    half = 1.645 * values.std() / 20
    assert interval.low == pytest.approx(values.mean() - half, abs=0.01)
    assert interval.high == pytest.approx(values.mean() + half, abs=0.01)


def test_bootstrap_takes_any_statistic_and_only_its_seed_matters(rng):
    values = rng.exponential(size=50)

    def top(sample: np.ndarray) -> float:
        return float(np.sort(sample)[-10:].mean())

    def interval(seed: int) -> stats.Interval:
        return stats.bootstrap_interval(values, top, level=0.95, resamples=200, seed=seed)

    assert interval(1) == interval(1) != interval(2)
    assert covers(interval(1), top(values))


def test_bootstrap_covers(rng):
    """Of 400 samples of 60; the share that covers has a deviation of 1.5 %."""
    hits = [
        covers(stats.bootstrap_interval(v, np.mean, level=0.9, resamples=500, seed=i), 1)
        for i, v in enumerate(rng.exponential(size=(400, 60)))
    ]
    assert np.mean(hits) == pytest.approx(0.88, abs=0.05)  # skew costs it about 2 %


def test_bootstrap_at_the_rim():
    one = stats.bootstrap_interval([3.0], np.mean, level=0.9, resamples=10, seed=0)
    assert isnan(one.low)
    same = stats.bootstrap_interval([3.0] * 5, np.mean, level=0.9, resamples=10, seed=0)
    assert same == stats.Interval(3, 3)


# -- bad input ----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: stats.seed_summary([]), r"n > 0, got shape \(0,\)"),
        (lambda: stats.seed_summary([[1.0, 2.0]]), r"got shape \(1, 2\)"),
        (lambda: stats.seed_summary([1.0, nan]), "finite, got nan"),
        (lambda: stats.paired_contrast([1.0, 2.0], [1.0, inf]), "b must be finite, got inf"),
        (lambda: stats.paired_contrast([1.0, 2.0], [1.0]), "got 2 and 1 values"),
        (lambda: stats.seed_summary([1.0, 2.0], level=1.0), "level .* got 1.0"),
        (lambda: stats.proportion_interval(5, 4), "got k = 5, n = 4"),
        (lambda: stats.proportion_interval(0, 0), "got k = 0, n = 0"),
        (lambda: stats.difference_interval(1, 2, 3, 2), "got k = 3, n = 2"),
        (lambda: stats.accuracy_contrast([0.5], [0.5]), "masks of bool, got float64"),
        (
            lambda: stats.bootstrap_interval([1.0, 2.0], np.mean, level=0.9, resamples=0, seed=0),
            "resamples .* got 0",
        ),
    ],
)
def test_bad_input_is_refused(call, message):
    with pytest.raises(ValueError, match=message):
        call()
