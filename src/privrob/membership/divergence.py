"""How far the scores of members and of non-members lie apart, with what chance alone would give.

The distance of Kolmogorov and Smirnov, one-sided, is the advantage of the best threshold, and
`threshold` has it. Here are the area under the ROC curve's null, and a divergence of histograms.
Nulls deal membership anew over the pooled points; what is random comes from `seed` alone.
"""

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.stats import rankdata

from privrob.membership.threshold.chance import Null, null_of
from privrob.membership.threshold.rule import Floats, both

Counts = NDArray[np.int64]


def histogram(values: ArrayLike, edges: ArrayLike) -> Counts:
    """How many of the values (n,) lie in each bin between `edges` (B + 1,), as (B,).

    The first and the last bin also take what lies outside, so that no point is lost. A bin has
    its left edge, the last one both.
    """
    v, limits = np.asarray(values, dtype=np.float64), np.asarray(edges, dtype=np.float64)
    if v.ndim != 1 or np.isnan(v).any():
        raise ValueError(f"values must be (n,) and no NaN, got shape {v.shape}")
    if limits.ndim != 1 or len(limits) < 2 or not (np.diff(limits) > 0).all():
        raise ValueError(f"edges must rise and be two at least, got {limits}")
    return np.histogram(np.clip(v, limits[0], limits[-1]), limits)[0].astype(np.int64)


def jensen_shannon(members: ArrayLike, nonmembers: ArrayLike) -> float:
    """The Jensen-Shannon divergence of two histograms in bits: 0 where the shares agree, at most 1.

    `members` and `nonmembers` (B,) are counts over the same bins. It is what one draw, from either
    side with even odds, tells on average about the side it came from.
    """
    inside, outside = _counts(members, "members"), _counts(nonmembers, "nonmembers")
    if inside.shape != outside.shape:
        raise ValueError(f"both need the same bins, got {len(inside)} and {len(outside)}")
    return float(_divergence(inside / inside.sum(), outside / outside.sum()))


def jensen_shannon_null(
    members: ArrayLike, nonmembers: ArrayLike, *, permutations: int, seed: int
) -> Null:
    """The null of `jensen_shannon` for these counts: above 0, as chance fills bins unevenly.

    Of the pooled points the bins are known, so a deal of membership is a multivariate
    hypergeometric draw of counts.
    """
    inside, outside = _counts(members, "members"), _counts(nonmembers, "nonmembers")
    pooled = inside + outside
    rng = np.random.default_rng(seed)
    dealt = rng.multivariate_hypergeometric(
        pooled, int(inside.sum()), size=_enough(permutations), method="marginals"
    )
    return null_of(_divergence(dealt / inside.sum(), (pooled - dealt) / outside.sum()))


def auc_null(members: ArrayLike, nonmembers: ArrayLike, *, permutations: int, seed: int) -> Null:
    """The null of `threshold.roc(members, nonmembers).auc` for these very scores, ties included."""
    inside, outside = both(members, nonmembers)
    n, m = len(inside), len(outside)
    ranks = rankdata(np.concatenate([inside, outside]))
    rng = np.random.default_rng(seed)
    sums = np.array([ranks[rng.permutation(n + m)[:n]].sum() for _ in range(_enough(permutations))])
    return null_of((sums - n * (n + 1) / 2) / (n * m))  # Mann and Whitney's statistic


def _divergence(p: Floats, q: Floats) -> Floats:
    """Of shares (..., B)."""
    middle = (p + q) / 2
    return np.asarray(_entropy(middle) - (_entropy(p) + _entropy(q)) / 2).clip(0)


def _entropy(p: Floats) -> Floats:
    logs = np.log2(p, where=p > 0, out=np.zeros_like(p))
    return np.asarray(-(p * logs).sum(-1))


def _counts(values: ArrayLike, name: str) -> Counts:
    counts = np.asarray(values)
    if counts.ndim != 1 or counts.dtype.kind not in "iu" or (counts < 0).any():
        got = f"{counts.dtype} of shape {counts.shape}"
        raise ValueError(f"{name} must be counts, (bins,) integers of 0 or more, got {got}")
    if counts.sum() == 0:
        raise ValueError(f"{name} must not be empty, got 0 points in {len(counts)} bins")
    return counts.astype(np.int64)


def _enough(permutations: int) -> int:
    if permutations < 1:
        raise ValueError(f"permutations must be at least 1, got {permutations}")
    return permutations
