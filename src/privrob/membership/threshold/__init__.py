"""The threshold attack: member if and only if the score is at least a threshold.

Common to every function here. `members` (n,) and `nonmembers` (m,) are scores, higher meaning
member; only their order counts, so infinities are legal. Accuracies are balanced,
(TPR + 1 - FPR) / 2 with TPR over all members and FPR over all non-members, so n and m need not
agree. `member_labels` (n,) and `nonmember_labels` (m,) are integers in 0..classes - 1. What is
random comes from `seed` alone.

ValueError, naming the value, for scores that hold NaN or are not one-dimensional, for an empty
side, and for a label outside the classes.

`rule` has the attack, `heldout` its cross-fitted twin, `chance` what it reaches where there is
nothing to infer, `roc` the curve, `summary` all of it in one call.
"""

from privrob.membership.threshold.chance import (
    Null,
    class_permutation_null,
    closed_form_null,
    permutation_null,
)
from privrob.membership.threshold.heldout import (
    CrossFitted,
    HeldOutContrast,
    HeldOutInterval,
    class_cross_fitted,
    cross_fitted,
    cross_fitted_contrast,
    cross_fitted_interval,
)
from privrob.membership.threshold.roc import Roc, roc
from privrob.membership.threshold.rule import (
    ClassAttack,
    ThresholdAttack,
    advantage,
    apply_class_thresholds,
    apply_threshold,
    class_thresholds,
    threshold_attack,
)
from privrob.membership.threshold.summary import Audit, audit

__all__ = [
    "Audit",
    "ClassAttack",
    "CrossFitted",
    "HeldOutContrast",
    "HeldOutInterval",
    "Null",
    "Roc",
    "ThresholdAttack",
    "advantage",
    "apply_class_thresholds",
    "apply_threshold",
    "audit",
    "class_cross_fitted",
    "class_permutation_null",
    "class_thresholds",
    "closed_form_null",
    "cross_fitted",
    "cross_fitted_contrast",
    "cross_fitted_interval",
    "permutation_null",
    "roc",
    "threshold_attack",
]
