"""Attacks with K - 1 scores a point, one from each targeted adversarial example.

Common to both. `members` (n, F) and `nonmembers` (m, F) are finite numbers, such as
`scores.targeted_scores` with log-odds gives them. Both are cross-fitted: what is chosen or trained
on a random half of the points, drawn from `seed`, is scored on the other, both ways. Accuracies
are balanced.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from privrob.membership.threshold import CrossFitted, Null, ThresholdAttack, threshold_attack
from privrob.membership.threshold.chance import deal, null_of
from privrob.membership.threshold.heldout import first_half
from privrob.membership.threshold.rule import labelled

Floats = NDArray[np.float64]


@dataclass(frozen=True)
class ColumnAttack:
    """The best threshold attack of any column: `official` by the official rule, and `column`.

    The best of F attacks on the points that chose it: its chance level lies above that of one
    attack. `tpr` and `fpr` are those with column and threshold chosen on the other half.
    """

    official: ThresholdAttack
    column: int
    tpr: float
    fpr: float

    @property
    def held_out(self) -> float:
        """The balanced accuracy at `tpr` and `fpr`."""
        return 0.5 + 0.5 * (self.tpr - self.fpr)


def best_column(members: ArrayLike, nonmembers: ArrayLike, *, seed: int) -> ColumnAttack:
    """A threshold attack on every column, and the best of them (the first of equal ones)."""
    inside, outside = _features(members, nonmembers)
    official, column = _choose(inside, outside)
    rng = np.random.default_rng(seed)
    first_in = first_half(np.zeros(len(inside), np.int64), rng, "members")
    first_out = first_half(np.zeros(len(outside), np.int64), rng, "nonmembers")
    rates = []
    for fit_in, fit_out in ((first_in, first_out), (~first_in, ~first_out)):
        chosen, k = _choose(inside[fit_in], outside[fit_out])
        tpr = (inside[~fit_in, k] >= chosen.threshold).mean()
        fpr = (outside[~fit_out, k] >= chosen.threshold).mean()
        rates.append((tpr, fpr))
    return ColumnAttack(official, column, *np.mean(rates, axis=0).tolist())


def best_column_null(
    members: ArrayLike, nonmembers: ArrayLike, *, permutations: int, seed: int
) -> Null:
    """What the official accuracy of `best_column` is where there is nothing to infer.

    Membership is dealt anew among the points, for all their scores at once.
    """
    inside, outside = _features(members, nonmembers)
    n, m = len(inside), len(outside)
    if permutations < 1:
        raise ValueError(f"permutations must be at least 1, got {permutations}")
    dealt = deal(permutations, n, m, np.random.default_rng(seed))
    best = np.full(permutations, 0.5)
    for column in np.concatenate([inside, outside]).T:
        order = np.argsort(column)[::-1]
        ends = np.append(np.flatnonzero(np.diff(column[order])), n + m - 1)  # last of each tie
        hits = dealt[:, order].cumsum(axis=1)[:, ends]
        gains = hits / n - (ends + 1 - hits) / m
        best = np.maximum(best, 0.5 + 0.5 * gains.max(axis=1))
    return null_of(best)


def _choose(inside: Floats, outside: Floats) -> tuple[ThresholdAttack, int]:
    found = [threshold_attack(a, b) for a, b in zip(inside.T, outside.T, strict=True)]
    best = max(range(len(found)), key=lambda k: found[k].accuracy)
    return found[best], best


def class_classifiers(
    members: ArrayLike,
    nonmembers: ArrayLike,
    *,
    member_labels: ArrayLike,
    nonmember_labels: ArrayLike,
    classes: int,
    seed: int,
) -> CrossFitted:
    """A logistic regression for each class on its standardised scores, the two sides balanced.

    "Member" is a probability of at least 1/2, so `thresholds` are all 1/2. Each class that occurs
    needs two members and two non-members at least; ValueError names one that has fewer.
    """
    inside, outside = _features(members, nonmembers)
    y_in = labelled(member_labels, inside[:, 0], classes)
    y_out = labelled(nonmember_labels, outside[:, 0], classes)
    x, y = np.concatenate([inside, outside]), np.concatenate([y_in, y_out])
    truth = np.arange(len(x)) < len(inside)
    first = _stratified(y_in, y_out, seed)
    said = np.zeros(len(x), dtype=bool)
    for label in np.unique(y):
        mine = y == label
        _check_class(int(label), truth[mine])
        for fit in (mine & first, mine & ~first):
            held = mine & ~fit
            said[held] = _classifier().fit(x[fit], truth[fit]).predict(x[held])
    return _rates(said, truth, first)


def _stratified(y_in: NDArray[np.int64], y_out: NDArray[np.int64], seed: int) -> NDArray[np.bool_]:
    rng = np.random.default_rng(seed)
    return np.concatenate([first_half(y_in, rng, "members"), first_half(y_out, rng, "nonmembers")])


def _classifier() -> LogisticRegression:
    model = LogisticRegression(class_weight="balanced", max_iter=1000)
    return make_pipeline(StandardScaler(), model)


def _rates(
    said: NDArray[np.bool_], truth: NDArray[np.bool_], first: NDArray[np.bool_]
) -> CrossFitted:
    """Rates as `cross_fitted` has them: each half is scored, and the two are averaged."""
    tpr = float(np.mean([said[truth & half].mean() for half in (first, ~first)]))
    fpr = float(np.mean([said[~truth & half].mean() for half in (first, ~first)]))
    return CrossFitted(0.5 + 0.5 * (tpr - fpr), np.full(2, 0.5), tpr, fpr)


def _check_class(label: int, truth: NDArray[np.bool_]) -> None:
    n, m = int(truth.sum()), int((~truth).sum())
    if n < 2 or m < 2:
        counts = f"{n} members and {m} non-members"
        raise ValueError(f"class {label} needs at least two points on each side, got {counts}")


def _features(members: ArrayLike, nonmembers: ArrayLike) -> tuple[Floats, Floats]:
    sides = []
    for values, name in ((members, "members"), (nonmembers, "nonmembers")):
        side = np.asarray(values, dtype=np.float64)
        if side.ndim != 2 or side.size == 0:
            raise ValueError(f"{name} must be (points, scores), got shape {side.shape}")
        if count := int((~np.isfinite(side)).sum()):
            raise ValueError(f"{name} must be finite, got {count} scores that are not")
        sides.append(side)
    if sides[0].shape[1] != sides[1].shape[1]:
        widths = f"{sides[0].shape[1]} and {sides[1].shape[1]}"
        raise ValueError(f"members and nonmembers must have as many scores, got {widths}")
    return sides[0], sides[1]
