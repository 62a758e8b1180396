"""Everything that a table says about one score of one model, in one call."""

from dataclasses import dataclass
from typing import TypedDict

from numpy.typing import ArrayLike

from privrob.membership.threshold.chance import Null, class_permutation_null, permutation_null
from privrob.membership.threshold.heldout import (
    CrossFitted,
    HeldOutInterval,
    class_cross_fitted,
    cross_fitted,
    cross_fitted_interval,
)
from privrob.membership.threshold.roc import roc
from privrob.membership.threshold.rule import (
    ClassAttack,
    ThresholdAttack,
    class_thresholds,
    threshold_attack,
)

LEVEL = 0.95


class _Labels(TypedDict):
    member_labels: ArrayLike
    nonmember_labels: ArrayLike
    classes: int


@dataclass(frozen=True, eq=False)
class Audit:
    """The threshold attack on one score, with its null and its cross-fitted twin.

    `official`: the paper's attack, whose accuracy is to be read against `null`. `held_out`: the
    same with thresholds from other points, and `interval`, the 95 % interval of its accuracy.
    `by_class`, `class_null`, `class_held_out`: one threshold for each class. `auc`, and
    `tpr_at_1_percent` and `tpr_at_1_per_mille`: TPR where FPR is so small, the latter None with
    fewer than 10,000 non-members. `members`, `nonmembers`: how many points.
    """

    official: ThresholdAttack
    null: Null
    held_out: CrossFitted
    interval: HeldOutInterval
    by_class: ClassAttack
    class_null: Null
    class_held_out: CrossFitted
    auc: float
    tpr_at_1_percent: float
    tpr_at_1_per_mille: float | None
    members: int
    nonmembers: int

    @property
    def advantage(self) -> float:
        """2 (accuracy - 1/2) of the official attack; above 0 by chance too."""
        return self.official.advantage

    @property
    def above_chance(self) -> bool:
        """The official accuracy exceeds 95 % of those that chance gives."""
        return self.official.accuracy > self.null.high


def audit(
    members: ArrayLike,
    nonmembers: ArrayLike,
    *,
    member_labels: ArrayLike,
    nonmember_labels: ArrayLike,
    classes: int,
    permutations: int,
    resamples: int,
    seed: int,
) -> Audit:
    """An `Audit` of the scores; see the package for what is common to all its parts.

    Time and precision of the nulls go with `permutations`, of the interval with `resamples`.
    """
    labels = _Labels(
        member_labels=member_labels, nonmember_labels=nonmember_labels, classes=classes
    )
    curve = roc(members, nonmembers)
    return Audit(
        official=threshold_attack(members, nonmembers),
        null=permutation_null(members, nonmembers, permutations=permutations, seed=seed),
        held_out=cross_fitted(members, nonmembers, seed=seed),
        interval=cross_fitted_interval(
            members, nonmembers, resamples=resamples, level=LEVEL, seed=seed
        ),
        by_class=class_thresholds(members, nonmembers, **labels),
        class_null=class_permutation_null(
            members, nonmembers, **labels, permutations=permutations, seed=seed
        ),
        class_held_out=class_cross_fitted(members, nonmembers, **labels, seed=seed),
        auc=curve.auc,
        tpr_at_1_percent=curve.tpr_at(0.01),
        tpr_at_1_per_mille=curve.tpr_at(0.001) if curve.shows(0.001) else None,
        members=curve.members,
        nonmembers=curve.nonmembers,
    )
