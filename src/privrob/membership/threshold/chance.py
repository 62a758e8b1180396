"""What the threshold attack reaches where there is nothing to infer.

The threshold is chosen on the points that it is scored on, so by chance the accuracy lies above
1/2: the fewer the points the more. A null is shown beside every such accuracy.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from math import log, pi, sqrt

import numpy as np
from numpy.typing import ArrayLike, NDArray

from privrob.membership.threshold.rule import Floats, best_threshold, both, labelled

_CHUNK = 1_000_000  # labels dealt at once
_FEW = 2000  # up to here numpy deals all rows at once faster than row by row


@dataclass(frozen=True)
class Null:
    """Accuracies by chance: their mean, and `high`, which 95 % of them do not exceed."""

    mean: float
    high: float


def closed_form_null(members: int, nonmembers: int) -> Null:
    """The null of `threshold_attack` for n and m continuous scores, from n and m alone.

    2 accuracy - 1 is the one-sided Kolmogorov-Smirnov distance D of two samples, and for large
    N = n m / (n + m) the chance that D > d is exp(-2 N d^2).
    """
    if members < 1 or nonmembers < 1:
        raise ValueError(f"a null needs points on both sides, got {members} and {nonmembers}")
    size = members * nonmembers / (members + nonmembers)
    return Null(0.5 + sqrt(pi / (8 * size)) / 2, 0.5 + sqrt(log(20) / (2 * size)) / 2)


def permutation_null(
    members: ArrayLike, nonmembers: ArrayLike, *, permutations: int, seed: int
) -> Null:
    """The null of `threshold_attack` for these very scores, ties included.

    Membership is dealt anew over the pooled scores, `permutations` times.
    """
    inside, outside = both(members, nonmembers)
    deals = _deals(inside, outside, permutations, np.random.default_rng(seed))
    return null_of(np.concatenate([0.5 + 0.5 * (tpr - fpr) for tpr, fpr in deals]))


def class_permutation_null(
    members: ArrayLike,
    nonmembers: ArrayLike,
    *,
    member_labels: ArrayLike,
    nonmember_labels: ArrayLike,
    classes: int,
    permutations: int,
    seed: int,
) -> Null:
    """The null of `class_thresholds`: membership is dealt anew within each class.

    A class with members or non-members alone has nothing to deal: it adds what it adds to the
    attack itself, at the threshold that is best over all classes.
    """
    inside, outside = both(members, nonmembers)
    y_in = labelled(member_labels, inside, classes)
    y_out = labelled(nonmember_labels, outside, classes)
    rng = np.random.default_rng(seed)
    limit = best_threshold(inside, outside).threshold
    excess = np.zeros(permutations)  # TPR - FPR over all classes
    for label in range(classes):
        mine, theirs = inside[y_in == label], outside[y_out == label]
        share = len(mine) / len(inside), len(theirs) / len(outside)
        if len(mine) and len(theirs):
            deals = _deals(mine, theirs, permutations, rng)
            excess += np.concatenate([tpr * share[0] - fpr * share[1] for tpr, fpr in deals])
        else:
            excess += (mine >= limit).sum() / len(inside) - (theirs >= limit).sum() / len(outside)
    return null_of(0.5 + 0.5 * excess)


def null_of(values: Floats) -> Null:
    """Mean and 95th percentile of what memberships dealt anew give."""
    return Null(float(values.mean()), float(np.quantile(values, 0.95, method="higher")))


def _deals(
    inside: Floats, outside: Floats, permutations: int, rng: np.random.Generator
) -> Iterator[tuple[Floats, Floats]]:
    """TPR and FPR of the best threshold, (rows,) each, of one chunk of permutations after another.

    The order of the pooled scores never changes: it is found once, and a permutation is a row of
    labels along it, whose sums from the top are the hits.
    """
    if permutations < 1:
        raise ValueError(f"permutations must be at least 1, got {permutations}")
    n, m = len(inside), len(outside)
    pooled = np.sort(np.concatenate([inside, outside]))[::-1]
    ends = np.append(np.flatnonzero(pooled[1:] != pooled[:-1]), n + m - 1)  # last of each tie
    rows = max(1, _CHUNK // (n + m))
    for start in range(0, permutations, rows):
        dealt = deal(min(rows, permutations - start), n, m, rng)
        hits = dealt.cumsum(axis=1, dtype=np.int64)[:, ends]
        # hits m - alarms n, as alarms = ends + 1 - hits
        best = (hits * (n + m) - (ends + 1) * n).argmax(axis=1)
        reached = np.take_along_axis(hits, best[:, None], 1)[:, 0]
        yield reached / n, (ends[best] + 1 - reached) / m


def deal(rows: int, n: int, m: int, rng: np.random.Generator) -> NDArray[np.bool_]:
    """Rows of n members (True) among n + m points, each arrangement as likely as any other."""
    rare = n < m  # only the smaller side is drawn
    labels = np.full((rows, n + m), not rare)
    if n + m <= _FEW:
        labels[:, : min(n, m)] = rare
        return rng.permuted(labels, axis=1)
    for row in labels:
        row[rng.choice(n + m, min(n, m), replace=False, shuffle=False)] = rare
    return labels
