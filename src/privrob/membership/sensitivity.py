"""How far a model's answer to a training point hangs on that very point.

The model of all points is compared with one that was trained without k of them, at those k. Two
trainings differ for other reasons as well, so two controls stand beside it: models of other seeds,
which have the same points, and models of the same seed that lack other points. A score is any
number a point, higher where the model is surer of the label.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from privrob import stats

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]


@dataclass(frozen=True, eq=False)
class Changes:
    """Scores of the full model less those of another, at the P points that were left out.

    `points` (P,) are their indices, ordered by `groups` (P,), the model that lacks each.
    `removed` (P,): less that model. `seeds` (P, S): less the models of other seeds, which have all
    points. `kept` (P, G - 1): less the models of the same seed that lack one of the other groups.
    """

    points: Ints
    groups: Ints
    removed: Floats
    seeds: Floats
    kept: Floats

    @property
    def size(self) -> Floats:
        """How far each point moved when it was left out, in either direction, (P,)."""
        return np.abs(self.removed)

    @property
    def seed_size(self) -> Floats:
        """How far another seed moves it, the mean over seeds, (P,): the baseline."""
        return np.abs(self.seeds).mean(axis=1)

    @property
    def excess(self) -> Floats:
        """`size` less `seed_size`, (P,): below 0 where a seed does more than the point itself."""
        return self.size - self.seed_size

    @property
    def kept_mean(self) -> Floats:
        """The mean change where others are left out, (P,); nan where there is one group alone."""
        if not self.kept.shape[1]:
            return np.full(len(self.points), np.nan)
        return self.kept.mean(axis=1)

    @property
    def net(self) -> Floats:
        """`removed` less `kept_mean`, (P,): the full model's own luck is in both, and drops out."""
        return self.removed - self.kept_mean

    def seed_band(self) -> Floats:
        """The changes that P points would show, rising, if leaving out did what a seed does.

        Two seeds are in no order, so their changes count with either sign; of these the middles
        of P equal shares, (P,).
        """
        either = np.concatenate([self.seeds.ravel(), -self.seeds.ravel()])
        count = len(self.points)
        return np.quantile(either, (np.arange(count) + 0.5) / count, method="hazen")


def changes(full: ArrayLike, seeds: ArrayLike, without: ArrayLike, out: ArrayLike) -> Changes:
    """From the scores of all N points by every model.

    `full` (N,): the model trained on all. `seeds` (S, N): S >= 1 such models of other seeds.
    `without` (G, N): model g was trained without the points `out[g]`, `out` (G, k) indices. Scores
    must be finite and no point left out twice; ValueError otherwise.
    """
    whole = _scores(full, "full", 1)
    others, lacking = _scores(seeds, "seeds", 2), _scores(without, "without", 2)
    for name, found in (("seeds", others), ("without", lacking)):
        if not len(found) or found.shape[1] != len(whole):
            raise ValueError(f"{name} must be (1 or more, {len(whole)}), got {found.shape}")
    absent = _groups(out, len(lacking), len(whole))
    points, count = absent.ravel(), len(absent)
    groups = np.repeat(np.arange(count), absent.shape[1])
    moved = (whole - lacking)[:, points].T  # (P, G)
    own = groups[:, None] == np.arange(count)
    return Changes(
        points,
        groups,
        removed=moved[own],
        seeds=(whole - others)[:, points].T,
        kept=moved[~own].reshape(len(points), count - 1),
    )


@dataclass(frozen=True)
class GroupedMean:
    """A mean over points with its 95 % interval, and that mean in each group, (G,)."""

    mean: float
    low: float
    high: float
    by_group: tuple[float, ...]

    @property
    def sign(self) -> int:
        """1 or -1 where the interval and every group lie on that side of 0; else 0: not told."""
        ends = (self.low, self.high, *self.by_group)
        return int(min(ends) > 0) - int(max(ends) < 0)


def grouped_mean(values: ArrayLike, groups: ArrayLike, *, resamples: int, seed: int) -> GroupedMean:
    """The mean of `values` (P,), with a bootstrap interval over the points.

    Points of a group share one model, and its luck: the interval does not have that, the means by
    group show some of it.
    """
    v, of = np.asarray(values, dtype=np.float64), np.asarray(groups)
    if v.shape != of.shape:
        raise ValueError(f"values and groups must pair up, got {v.shape} and {of.shape}")
    ends = stats.bootstrap_interval(v, np.mean, level=stats.LEVEL, resamples=resamples, seed=seed)
    by_group = tuple(float(v[of == g].mean()) for g in np.unique(of))
    return GroupedMean(float(v.mean()), ends.low, ends.high, by_group)


def _scores(values: ArrayLike, name: str, axes: int) -> Floats:
    found = np.asarray(values, dtype=np.float64)
    if found.ndim != axes or not found.size:
        raise ValueError(f"{name} must have {axes} axes and a score, got shape {found.shape}")
    if not np.isfinite(found).all():
        raise ValueError(f"{name} must be finite, got {found[~np.isfinite(found)][0]}")
    return found


def _groups(out: ArrayLike, count: int, size: int) -> Ints:
    found = np.asarray(out)
    if found.ndim != 2 or len(found) != count or found.dtype.kind not in "iu" or not found.size:
        got = f"{found.dtype} of shape {found.shape}"
        raise ValueError(f"out must be indices ({count}, k), got {got}")
    bad = found[(found < 0) | (found >= size)]
    if len(bad):
        raise ValueError(f"out has index {bad[0]}, of {size} points")
    values, times = np.unique(found, return_counts=True)
    if (times > 1).any():
        raise ValueError(f"point {values[times.argmax()]} is left out {times.max()} times")
    return found.astype(np.int64)
