"""The official rule (authors' code of song2019), with one threshold or one for each class."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]


@dataclass(frozen=True)
class ThresholdAttack:
    """What "member iff score >= threshold" reaches; accuracy, tpr and fpr in [0, 1]."""

    accuracy: float
    threshold: float
    tpr: float
    fpr: float

    @property
    def advantage(self) -> float:
        """TPR - FPR, in [-1, 1]: 0 is guessing, 1 is certainty."""
        return advantage(self.accuracy)


@dataclass(frozen=True, eq=False)
class ClassAttack:
    """The same with `thresholds` (classes,), one for each label; rates are over all points."""

    accuracy: float
    thresholds: Floats
    tpr: float
    fpr: float


def advantage(accuracy: float) -> float:
    """2 (accuracy - 1/2): the membership inference advantage of song2019."""
    return 2 * (accuracy - 0.5)


# -- one threshold ------------------------------------------------------------------------------


def threshold_attack(members: ArrayLike, nonmembers: ArrayLike) -> ThresholdAttack:
    """The best of all pooled scores as threshold, by balanced accuracy, in O(n log n).

    Scores that are equal fall on the same side. Of equally good thresholds it is the largest.
    The smallest score calls everyone a member and so reaches 1/2: where no score beats that, the
    threshold is the largest score that has as great a share of the members at or above it as of
    the non-members. The accuracy is never below 1/2, and by chance above it: see `chance`.
    """
    return best_threshold(*both(members, nonmembers))


def best_threshold(members: Floats, nonmembers: Floats) -> ThresholdAttack:
    """`threshold_attack` of checked scores."""
    # A non-member's score that no member shares is never the largest of the best: the next score
    # above it keeps all members and drops that non-member. So the members' scores are enough.
    n, m = len(members), len(nonmembers)
    ordered = np.sort(members)
    # Too few where a score repeats, but right at the first of its copies, which gains the most.
    hits = np.arange(n, 0, -1)
    alarms = m - np.searchsorted(np.sort(nonmembers), ordered)
    gain = hits * m - alarms * n  # n m (TPR - FPR) as integers: ties are exact
    best = n - 1 - int(gain[::-1].argmax())
    return rated(float(ordered[best]), int(hits[best]) / n, int(alarms[best]) / m)


def apply_threshold(members: ArrayLike, nonmembers: ArrayLike, threshold: float) -> ThresholdAttack:
    """What a threshold found elsewhere reaches here, by shadow models or at another eps.

    The accuracy may fall below 1/2. Infinite thresholds are legal, NaN is refused.
    """
    if np.isnan(threshold):
        raise ValueError(f"threshold must be a number, got {threshold}")
    inside, outside = both(members, nonmembers)
    tpr, fpr = float((inside >= threshold).mean()), float((outside >= threshold).mean())
    return rated(float(threshold), tpr, fpr)


def rated(threshold: float, tpr: float, fpr: float) -> ThresholdAttack:
    """The accuracy in a form that is exactly 1/2 where the two rates agree."""
    return ThresholdAttack(0.5 + 0.5 * (tpr - fpr), threshold, tpr, fpr)


# -- one threshold for each class ---------------------------------------------------------------


def class_thresholds(
    members: ArrayLike,
    nonmembers: ArrayLike,
    *,
    member_labels: ArrayLike,
    nonmember_labels: ArrayLike,
    classes: int,
) -> ClassAttack:
    """The best threshold of each class by that class' own balanced accuracy, and what all reach.

    A class that lacks members or non-members gets the threshold that is best over all classes.
    The rates are aggregated: TPR over all members, FPR over all non-members.
    """
    inside, outside = both(members, nonmembers)
    y_in = labelled(member_labels, inside, classes)
    y_out = labelled(nonmember_labels, outside, classes)
    found = fit_classes(inside, outside, y_in, y_out, classes)
    return _class_rates(inside, outside, y_in, y_out, found)


def apply_class_thresholds(
    members: ArrayLike,
    nonmembers: ArrayLike,
    thresholds: ArrayLike,
    *,
    member_labels: ArrayLike,
    nonmember_labels: ArrayLike,
) -> ClassAttack:
    """What thresholds (classes,) found elsewhere reach here."""
    limits = np.asarray(thresholds, dtype=np.float64)
    if limits.ndim != 1 or np.isnan(limits).any():
        raise ValueError(f"thresholds must be (classes,) and no NaN, got {limits}")
    inside, outside = both(members, nonmembers)
    y_in = labelled(member_labels, inside, len(limits))
    y_out = labelled(nonmember_labels, outside, len(limits))
    return _class_rates(inside, outside, y_in, y_out, limits)


def fit_classes(inside: Floats, outside: Floats, y_in: Ints, y_out: Ints, classes: int) -> Floats:
    """The thresholds of `class_thresholds`, from checked arrays."""
    found = np.full(classes, best_threshold(inside, outside).threshold)
    for label in range(classes):
        mine, theirs = inside[y_in == label], outside[y_out == label]
        if len(mine) and len(theirs):
            found[label] = best_threshold(mine, theirs).threshold
    return found


def _class_rates(
    inside: Floats, outside: Floats, y_in: Ints, y_out: Ints, thresholds: Floats
) -> ClassAttack:
    tpr = float((inside >= thresholds[y_in]).mean())
    fpr = float((outside >= thresholds[y_out]).mean())
    return ClassAttack(0.5 + 0.5 * (tpr - fpr), thresholds, tpr, fpr)


# -- the door -----------------------------------------------------------------------------------


def both(members: ArrayLike, nonmembers: ArrayLike) -> tuple[Floats, Floats]:
    """Both sides as float64; the errors that all functions share."""
    return _scores(members, "members"), _scores(nonmembers, "nonmembers")


def _scores(values: ArrayLike, name: str) -> Floats:
    scores = np.asarray(values, dtype=np.float64)
    if scores.ndim != 1:
        raise ValueError(f"{name} must be one-dimensional, got shape {scores.shape}")
    if len(scores) == 0:
        raise ValueError(f"{name} must not be empty, got 0 scores")
    if count := int(np.isnan(scores).sum()):
        raise ValueError(f"{name} must not hold NaN, got {count} of {len(scores)} scores")
    return scores


def labelled(labels: ArrayLike, scores: Floats, classes: int) -> Ints:
    """The labels of checked scores, one each, as int64 within 0..classes - 1."""
    y = np.asarray(labels)
    if y.shape != scores.shape or y.dtype.kind not in "iu":
        wanted = f"({len(scores)},) integers"
        raise ValueError(f"labels must be {wanted}, one a score, got {y.dtype} of shape {y.shape}")
    wrong = y[(y < 0) | (y >= classes)]
    if len(wrong):
        raise ValueError(f"labels must lie in 0..{classes - 1}, got {wrong[0]}")
    return y.astype(np.int64)
