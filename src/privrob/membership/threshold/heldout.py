"""Thresholds that never see the points they are scored on, and the interval of such an accuracy."""

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

from privrob.membership.threshold.rule import (
    Floats,
    Ints,
    advantage,
    both,
    fit_classes,
    labelled,
)

_CHUNK = 1_000_000  # counts held at once, in a few copies of 8 MB


class HeldOutInterval(NamedTuple):
    """Both ends included."""

    low: float
    high: float


@dataclass(frozen=True, eq=False)
class CrossFitted:
    """Means over the two ways round. `thresholds` is (2,), or (2, classes): fitted on either half.

    The accuracy is an honest estimate of what a threshold from half of the points reaches on
    other points. It may fall below 1/2.
    """

    accuracy: float
    thresholds: Floats
    tpr: float
    fpr: float

    @property
    def advantage(self) -> float:
        """2 (accuracy - 1/2)."""
        return advantage(self.accuracy)


def cross_fitted(members: ArrayLike, nonmembers: ArrayLike, *, seed: int) -> CrossFitted:
    """The threshold attack fitted on a random half and scored on the other, both ways.

    Halves of members and of non-members are drawn apart; each side needs two points at least.
    """
    inside, outside = both(members, nonmembers)
    y_in, y_out = np.zeros(len(inside), np.int64), np.zeros(len(outside), np.int64)
    found = _cross_fitted(inside, outside, y_in, y_out, 1, seed)
    return CrossFitted(found.accuracy, found.thresholds[:, 0], found.tpr, found.fpr)


def class_cross_fitted(
    members: ArrayLike,
    nonmembers: ArrayLike,
    *,
    member_labels: ArrayLike,
    nonmember_labels: ArrayLike,
    classes: int,
    seed: int,
) -> CrossFitted:
    """The same with one threshold for each class; each half has half of each class."""
    inside, outside = both(members, nonmembers)
    y_in = labelled(member_labels, inside, classes)
    y_out = labelled(nonmember_labels, outside, classes)
    return _cross_fitted(inside, outside, y_in, y_out, classes, seed)


def _cross_fitted(
    inside: Floats, outside: Floats, y_in: Ints, y_out: Ints, classes: int, seed: int
) -> CrossFitted:
    rng = np.random.default_rng(seed)
    first_in, first_out = first_half(y_in, rng, "members"), first_half(y_out, rng, "nonmembers")
    thresholds, tpr, fpr = [], [], []
    for fit_in, fit_out in ((first_in, first_out), (~first_in, ~first_out)):
        limits = fit_classes(
            inside[fit_in], outside[fit_out], y_in[fit_in], y_out[fit_out], classes
        )
        thresholds.append(limits)
        tpr.append((inside >= limits[y_in])[~fit_in].mean())
        fpr.append((outside >= limits[y_out])[~fit_out].mean())
    rates = float(np.mean(tpr)), float(np.mean(fpr))
    return CrossFitted(0.5 + 0.5 * (rates[0] - rates[1]), np.stack(thresholds), *rates)


def first_half(labels: Ints, rng: np.random.Generator, name: str) -> NDArray[np.bool_]:
    """A random half of the points, as a mask; half of each class, odd ones rounded either way."""
    if len(labels) < 2:
        raise ValueError(f"cross-fitting needs at least 2 {name}, got {len(labels)}")
    order = rng.permutation(len(labels))
    order = order[np.argsort(labels[order], kind="stable")]
    mask = np.zeros(len(labels), dtype=bool)
    mask[order[::2]] = True  # every second one, class after class
    return mask


# -- the interval -------------------------------------------------------------------------------


def cross_fitted_interval(
    members: ArrayLike, nonmembers: ArrayLike, *, resamples: int, level: float, seed: int
) -> HeldOutInterval:
    """Percentile bootstrap interval of `cross_fitted(members, nonmembers, seed=seed).accuracy`.

    Members and non-members are drawn with replacement within the halves of that very split: drawn
    before the split, copies of one point would stand in both halves, and the threshold would have
    seen the points that it is scored on. The interval covers the draw of the points, not another
    training, and is wide, as thresholds are fitted anew on points that repeat: of some hundreds of
    points it holds the accuracy of the fitted thresholds clearly more often than `level`. Raises
    ValueError also for resamples < 1 and a level outside (0, 1).
    """
    _check(resamples, level)
    inside, outside = both(members, nonmembers)
    rng = np.random.default_rng(seed)
    return _interval(_resampled(inside, outside, resamples, rng), level)


class HeldOutContrast(NamedTuple):
    """A difference of two held-out accuracies and its interval, both ends included."""

    value: float
    low: float
    high: float


def cross_fitted_contrast(
    before: tuple[ArrayLike, ArrayLike],
    after: tuple[ArrayLike, ArrayLike],
    *,
    resamples: int,
    level: float,
    seed: int,
) -> HeldOutContrast:
    """The cross-fitted accuracy of `after` minus that of `before`, scores of the same points.

    Each is (members, nonmembers). Split and resamples are shared, so what the two attacks owe to
    the draw of the points cancels as far as they agree about them. The interval is that of
    `cross_fitted_interval`, and like it covers no other training. ValueError as there, and where
    the two have different numbers of points.
    """
    _check(resamples, level)
    pairs = [both(*scores) for scores in (before, after)]
    counts = [(len(inside), len(outside)) for inside, outside in pairs]
    if counts[0] != counts[1]:
        raise ValueError(f"before and after need the same points, got {counts[0]} and {counts[1]}")
    # The draws depend on the counts alone: the same seed resamples the same points.
    found = [_resampled(*pair, resamples, np.random.default_rng(seed)) for pair in pairs]
    values = [cross_fitted(*pair, seed=seed).accuracy for pair in pairs]
    return HeldOutContrast(values[1] - values[0], *_interval(found[1] - found[0], level))


def _check(resamples: int, level: float) -> None:
    if resamples < 1:
        raise ValueError(f"resamples must be at least 1, got {resamples}")
    if not 0 < level < 1:
        raise ValueError(f"level must lie in (0, 1), got {level}")


def _interval(accuracies: Floats, level: float) -> HeldOutInterval:
    low, high = np.quantile(accuracies, [(1 - level) / 2, (1 + level) / 2])
    return HeldOutInterval(float(low), float(high))


def _resampled(inside: Floats, outside: Floats, resamples: int, rng: np.random.Generator) -> Floats:
    """Cross-fitted accuracies of resampled points, (resamples,).

    Scores enter as ranks among the members' distinct scores, the only thresholds that can be
    best; a resample is a count for each rank, and sums of counts from above are its hits.
    """
    levels = np.unique(inside)
    ranks = [np.searchsorted(levels, side, side="right") for side in (inside, outside)]
    names = ("members", "nonmembers")
    masks = [
        first_half(np.zeros(len(r), np.int64), rng, name)
        for r, name in zip(ranks, names, strict=True)
    ]
    halves = [
        [r[mask == first] for r, mask in zip(ranks, masks, strict=True)] for first in (True, False)
    ]
    rows, found = max(1, _CHUNK // max(len(inside), len(outside))), []
    for start in range(0, resamples, rows):
        size = min(rows, resamples - start)
        drawn = [[_reach(r, len(levels), size, rng) for r in half] for half in halves]
        ways = [_held_out(drawn[0], drawn[1]), _held_out(drawn[1], drawn[0])]
        found.append(np.mean(ways, axis=0))
    return np.concatenate(found)


def _reach(ranks: Ints, levels: int, rows: int, rng: np.random.Generator) -> tuple[Ints, int]:
    """How many of each resample reach each level, (rows, levels), and how many there are.

    A rank of r reaches the levels 0..r - 1.
    """
    size, bins = len(ranks), levels + 1
    drawn = ranks[rng.integers(0, size, (rows, size))] + bins * np.arange(rows)[:, None]
    counts = np.bincount(drawn.ravel(), minlength=rows * bins).reshape(rows, bins)
    return counts[:, :0:-1].cumsum(axis=1)[:, ::-1], size


def _held_out(fit: list[tuple[Ints, int]], score: list[tuple[Ints, int]]) -> Floats:
    """Accuracies (rows,) on `score` of the thresholds that are best on `fit`."""
    (hits, n), (alarms, m) = fit
    gain = hits * m - alarms * n
    gain[hits == 0] = -1  # above every score that was drawn: no threshold of this resample
    best = gain.shape[1] - 1 - gain[:, ::-1].argmax(axis=1)[:, None]
    tpr, fpr = (np.take_along_axis(reach, best, 1)[:, 0] / size for reach, size in score)
    return np.asarray(0.5 + 0.5 * (tpr - fpr))
