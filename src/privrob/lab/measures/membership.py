"""What membership inference reaches on a model (records of kind `membership`), and on several.

The inference accuracy is that of the official rule: its threshold is chosen on the points that it
is scored on, so chance lies above a half, and what is shown of it stands beside that chance. Under
a resample the threshold stays: one chosen anew on points drawn twice would add its optimism a
second time. So an interval is that of the two rates at the threshold, members and non-members
drawn apart; it holds for the difference of two accuracies, not against chance.
"""

from collections.abc import Iterator, Sequence
from functools import reduce

import numpy as np
from numpy.typing import NDArray

from privrob.lab.measures.base import (
    FEATURES,
    Arrays,
    MeasureError,
    Number,
    Pair,
    feature,
    mean,
    percent,
)
from privrob.membership.threshold import threshold_attack

INFERENCES = ("benign", "adversarial", "verified")  # I_B, I_A and I_V
SIDES = {"members": "train", "nonmembers": "test"}


# -- who is called a member ---------------------------------------------------------------------


def _called(inference: str, side: str) -> None:
    """Enter the feature `called_<inference>_<side>`: whom the official threshold calls members."""
    names = [f"confidence_{inference}_{s}" for s in SIDES.values()]

    def called(record: Arrays) -> NDArray[np.bool_]:
        scores = record[f"confidence_{inference}_{side}"].astype(np.float64)
        return np.asarray(scores >= threshold_attack(*(record[n] for n in names)).threshold)

    called.__name__ = f"called_{inference}_{side}"
    feature(*names)(called)


def _certain(side: str) -> None:
    """Enter the feature `certain_<side>`: whose benign confidence is 1 in float32."""

    def certain(record: Arrays) -> NDArray[np.bool_]:
        return np.asarray(record[f"confidence_benign_{side}"] == 1)

    certain.__name__ = f"certain_{side}"
    feature(f"confidence_benign_{side}")(certain)


for _side in SIDES.values():
    _certain(_side)
    for _inference in INFERENCES:
        _called(_inference, _side)


# -- measures of one model ----------------------------------------------------------------------


def part_accuracy(pair: Pair, *, model: str, inputs: str, part: str) -> Number:
    """Accuracy on 'benign' or 'adversarial' inputs of 'members' or 'nonmembers', percent."""
    return percent(pair, model, f"correct_{inputs}_{SIDES[part]}")[()]


def zero_loss(pair: Pair, *, model: str, part: str) -> Number:
    """Images of 'members' or 'nonmembers' on which the loss is zero in float32, percent."""
    return percent(pair, model, f"certain_{SIDES[part]}")[()]


def inference_accuracy(pair: Pair, *, model: str, inference: str) -> Number:
    """Balanced accuracy of the official attack by 'benign', ... confidences, percent."""
    if not _has(pair[model], inference):
        raise MeasureError(f"{model} has no {inference} confidences")
    tpr, fpr = (mean(pair, model, f"called_{inference}_{s}") for s in SIDES.values())
    return (50 + 50 * (tpr - fpr))[()]


def _has(record: Arrays, inference: str) -> bool:
    return set(FEATURES[f"called_{inference}_train"][0]) <= record.keys()


# -- measures of several ------------------------------------------------------------------------


def leak_increase(pair: Pair, *, baseline: str, models: Sequence[str]) -> Number:
    """Accuracy of the best attack on a model minus that of the best on `baseline`, points.

    Of several models the smallest: it is above zero only where every one of them is.
    """
    return reduce(np.minimum, (_best(pair, m) for m in models)) - _best(pair, baseline)


def loss_divergence(pair: Pair, *, baseline: str, model: str) -> Number:
    """How much farther apart the losses of members and others lie than on `baseline`, points.

    The distance is that of Kolmogorov and Smirnov, one-sided: the advantage of the best threshold
    on the loss, and so on the benign confidence.
    """
    own, other = (inference_accuracy(pair, model=m, inference="benign") for m in (model, baseline))
    return 2 * (own - other)


def leak_gain(pair: Pair, *, models: Sequence[str], inference: str, over: str) -> Number:
    """The best accuracy by `inference` on any of the models minus the best by `over`, points."""
    first, second = (
        reduce(np.maximum, (inference_accuracy(pair, model=m, inference=i) for m in models))
        for i in (inference, over)
    )
    return first - second


def leak_ratio(pair: Pair, *, baseline: str, models: Sequence[str]) -> Number:
    """The best advantage on any of the models over the best on `baseline`.

    A resample in which the latter is not above zero has no ratio, and the interval no ends.
    """
    best = reduce(np.maximum, (_best(pair, m) for m in models)) - 50
    base = _best(pair, baseline) - 50
    if not np.ndim(base) and not base > 0:
        raise MeasureError(f"no attack has an advantage on {baseline}")
    return (best / np.where(base > 0, base, np.nan))[()]


def _best(pair: Pair, model: str) -> Number:
    """The accuracy of the best of the attacks that there are on a model, percent."""
    return reduce(np.maximum, _accuracies(pair, model))


def _accuracies(pair: Pair, model: str) -> Iterator[Number]:
    there = [i for i in INFERENCES if _has(pair[model], i)]
    return (inference_accuracy(pair, model=model, inference=i) for i in there)


ALL = (
    part_accuracy,
    zero_loss,
    inference_accuracy,
    leak_increase,
    loss_divergence,
    leak_gain,
    leak_ratio,
)
