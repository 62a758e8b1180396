"""Intervals and summaries, on scipy. Arrays in, frozen records out; `level` is the coverage.

Where a function has no `level` given it is 0.95, the one that verdicts use.
"""

from collections.abc import Callable
from dataclasses import dataclass
from math import hypot, nan, sqrt
from typing import Literal

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy import stats

LEVEL = 0.95
_CHUNK = 10_000_000  # resampled values held at once: 80 MB


@dataclass(frozen=True)
class Interval:
    """A confidence interval, both ends included."""

    low: float
    high: float


@dataclass(frozen=True)
class Summary:
    """Mean of n values, the interval of that mean, and the values' standard deviation (n - 1).

    One seed has a mean alone: `low`, `high` and `sd` are nan then, and `note` says so.
    """

    mean: float
    low: float
    high: float
    sd: float
    n: int

    @property
    def note(self) -> str:
        """Why there is no interval, or the empty string."""
        return "n = 1: no interval" if self.n == 1 else ""


def seed_summary(values: ArrayLike, *, level: float = LEVEL) -> Summary:
    """Mean over seeds with Student's t interval of n - 1 degrees of freedom; values is (n,).

    Raises ValueError for no values, for one that is not finite, and for a level outside (0, 1).
    """
    v = _finite(values, "values")
    _check_level(level)
    n, mean = len(v), float(v.mean())
    if n == 1:
        return Summary(mean, nan, nan, nan, 1)
    sd = float(v.std(ddof=1))
    half = float(stats.t.ppf((1 + level) / 2, n - 1)) * sd / sqrt(n)
    return Summary(mean, mean - half, mean + half, sd, n)


def paired_contrast(a: ArrayLike, b: ArrayLike, *, level: float = LEVEL) -> Summary:
    """`seed_summary` of a - b, where a[i] and b[i] share seed i.

    Raises ValueError as `seed_summary` does, and for a and b of different lengths.
    """
    return seed_summary(_difference(a, b), level=level)


def accuracy_contrast(a: ArrayLike, b: ArrayLike, *, level: float = LEVEL) -> Summary:
    """accuracy(a) - accuracy(b) over the same n examples, for one seed each; a, b: (n,) bool.

    The interval is over examples and says nothing about other seeds. It is Wald's for the matched
    difference with half an example added to each of the four cells (Agresti and Min 2005), which
    keeps its coverage where few examples or none differ. `sd` is that of the differences.
    """
    a, b = np.asarray(a), np.asarray(b)
    if a.dtype != bool or b.dtype != bool:
        raise ValueError(f"accuracy_contrast takes masks of bool, got {a.dtype} and {b.dtype}")
    d = _difference(a, b)
    _check_level(level)
    # Two more examples, of which one is right under both or neither, one counts half either way.
    n = len(d) + 2
    centre, square = d.sum() / n, (np.abs(d).sum() + 1) / n
    half = float(stats.norm.ppf((1 + level) / 2)) * sqrt((square - centre**2) / n)
    sd = float(d.std(ddof=1)) if len(d) > 1 else nan
    return Summary(float(d.mean()), float(centre - half), float(centre + half), sd, len(d))


def proportion_interval(
    k: int, n: int, *, level: float = LEVEL, method: Literal["wilson", "exact"] = "wilson"
) -> Interval:
    """The interval of a proportion of which k in n were seen, within [0, 1].

    `wilson` covers `level` on average, `exact` (Clopper-Pearson) at least. Raises ValueError
    unless 0 <= k <= n and n > 0.
    """
    if not 0 <= k <= n or n == 0:
        raise ValueError(f"a proportion needs 0 <= k <= n and n > 0, got k = {k}, n = {n}")
    _check_level(level)
    interval = stats.binomtest(int(k), int(n)).proportion_ci(level, method=method)
    return Interval(float(interval.low), float(interval.high))


def difference_interval(
    k: int, n: int, others_k: int, others_n: int, *, level: float = LEVEL
) -> Interval:
    """The interval of k/n - others_k/others_n, proportions of two separate samples, in [-1, 1].

    Newcombe's (1998) from the two Wilson intervals, which keeps its coverage near 0 and 1. Raises
    ValueError as `proportion_interval` does.
    """
    first = proportion_interval(k, n, level=level)
    second = proportion_interval(others_k, others_n, level=level)
    a, b = k / n, others_k / others_n
    below = hypot(a - first.low, second.high - b)
    above = hypot(first.high - a, b - second.low)
    return Interval(a - b - below, a - b + above)


def bootstrap_interval(
    values: ArrayLike,
    statistic: Callable[..., float],
    *,
    level: float,
    resamples: int,
    seed: int,
) -> Interval:
    """Percentile bootstrap interval of statistic(values); values is (n,), drawn with replacement.

    `statistic` maps a sample to a number; one that takes `axis`, as numpy's do, runs at once over
    many. The same seed gives the same interval. Raises ValueError as `seed_summary` does, and for
    fewer than 1 resamples.
    """
    v = _finite(values, "values")
    _check_level(level)
    if resamples < 1:
        raise ValueError(f"resamples must be at least 1, got {resamples}")
    if len(v) == 1:
        return Interval(nan, nan)
    result = stats.bootstrap(
        (v,),
        statistic,
        n_resamples=resamples,
        batch=max(1, _CHUNK // len(v)),
        confidence_level=level,
        method="percentile",
        rng=np.random.default_rng(seed),
    ).confidence_interval
    return Interval(float(result.low), float(result.high))


def _difference(a: ArrayLike, b: ArrayLike) -> NDArray[np.float64]:
    left, right = _finite(a, "a"), _finite(b, "b")
    if len(left) != len(right):
        raise ValueError(f"a and b must pair up, got {len(left)} and {len(right)} values")
    return left - right


def _finite(values: ArrayLike, name: str) -> NDArray[np.float64]:
    v = np.asarray(values, dtype=np.float64)
    if v.ndim != 1 or v.size == 0:
        raise ValueError(f"{name} must be (n,) with n > 0, got shape {v.shape}")
    if not np.isfinite(v).all():
        raise ValueError(f"{name} must be finite, got {v[~np.isfinite(v)][0]}")
    return v


def _check_level(level: float) -> None:
    if not 0 < level < 1:
        raise ValueError(f"level must lie in (0, 1), got {level}")
