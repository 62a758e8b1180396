"""Accuracy on MNIST-C (Table 2), and how far it lies below that on clean images.

Records hold the answers under each corruption, in the order of `CORRUPTIONS`, beside those on
clean images. Where a generated texture stood in for the benchmark's, nothing is judged.
"""

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from privrob.corruptions import CORRUPTIONS
from privrob.lab.measures.base import MeasureError, Number, Pair, gap_of, percent
from privrob.lab.spec import known


def corruption_accuracies(pair: Pair, *, model: str) -> Number:
    """Accuracy under each of CORRUPTIONS, percent, stand-ins included."""
    found = percent(pair, model, "correct").astype(float)  # resamples are float32
    if found.shape[-1] != len(CORRUPTIONS):
        raise ValueError(f"the record has {found.shape[-1]} corruptions, not {len(CORRUPTIONS)}")
    return found


def corruption_gaps(pair: Pair) -> Number:
    """SGD minus DP-SGD under each of CORRUPTIONS, points, stand-ins included."""
    sgd, dpsgd = (corruption_accuracies(pair, model=model) for model in ("sgd", "dpsgd"))
    return sgd - dpsgd


def corruption_accuracy(pair: Pair, *, model: str, corruption: str) -> Number:
    """Accuracy under one corruption, 'gaussian-noise', percent."""
    k = _place(corruption)
    _refuse_stand_ins(pair, [k])
    return corruption_accuracies(pair, model=model)[..., k][()]


def corruption_gap(pair: Pair, *, corruption: str) -> Number:
    """Accuracy under one corruption of SGD minus that of DP-SGD, points."""
    k = _place(corruption)
    _refuse_stand_ins(pair, [k])
    return corruption_gaps(pair)[..., k][()]


def corrupted_accuracy(pair: Pair, *, model: str) -> Number:
    """The mean accuracy over all corruptions, percent."""
    _refuse_stand_ins(pair)
    return corruption_accuracies(pair, model=model).mean(-1)[()]


def corrupted_gap(pair: Pair) -> Number:
    """The mean over all corruptions of SGD minus DP-SGD, points."""
    _refuse_stand_ins(pair)
    return corruption_gaps(pair).mean(-1)[()]


def corrupted_excess_gap(pair: Pair) -> Number:
    """The mean gap over all corruptions beyond that on clean images, points."""
    return corrupted_gap(pair) - gap_of(pair, "correct_test")


def gap_grows_excess(pair: Pair, *, least: float) -> Number:
    """The share of the corruptions with a gap above that on clean images, minus `least`."""
    _refuse_stand_ins(pair)
    clean = gap_of(pair, "correct_test")
    return ((corruption_gaps(pair) > clean[..., None]).mean(-1) - least)[()]


def gap_lead(pair: Pair, *, corruptions: Sequence[str]) -> Number:
    """The smallest gap under some corruptions minus the largest under all others, points."""
    _refuse_stand_ins(pair)
    first = np.isin(np.arange(len(CORRUPTIONS)), [_place(name) for name in corruptions])
    gaps = corruption_gaps(pair)
    return (gaps[..., first].min(-1) - gaps[..., ~first].max(-1))[()]


def corruption_drop(pair: Pair, *, model: str) -> Number:
    """Accuracy on clean images minus the mean over all corruptions, points."""
    return percent(pair, model, "correct_test") - corrupted_accuracy(pair, model=model)


def smallest_corruption_drop_step(pair: Pair) -> Number:
    """The smallest step of `corruption_drop` from one DP-SGD model to the next, in the pair's
    order: positive where it grows."""
    drops = [corruption_drop(pair, model=name) for name in pair if name != "sgd"]
    return np.diff(np.stack(drops, -1), axis=-1).min(-1)[()]


def _place(name: str) -> int:
    corruption = name.replace("-", "_")
    known("corruption", corruption, CORRUPTIONS)
    return CORRUPTIONS.index(corruption)


def stand_ins(pair: Pair) -> NDArray[Any]:
    """For which of CORRUPTIONS a stand-in was used in any record of the pair, (31,) bool."""
    return np.any([record["stand_in"] for record in pair.values()], axis=0)


def _refuse_stand_ins(pair: Pair, places: Sequence[int] = range(len(CORRUPTIONS))) -> None:
    found = [CORRUPTIONS[k] for k in places if stand_ins(pair)[k]]
    if found:
        raise MeasureError(f"a stand-in replaced the files of the benchmark: {', '.join(found)}")


ALL = (
    corruption_accuracy, corruption_gap, corrupted_accuracy, corrupted_gap,
    corrupted_excess_gap, gap_grows_excess, gap_lead, smallest_corruption_drop_step,
)  # fmt: skip
