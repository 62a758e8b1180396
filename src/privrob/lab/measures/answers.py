"""Answers to clean test images: by class, and how sure they are (records of kind `logits`)."""

from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.special import softmax

from privrob.lab.measures.base import Arrays, Number, Pair, feature, mean

BINS = 15  # of confidence, as in Guo et al. 2017
Rows = NDArray[Any]


@feature("logits", "labels")
def of_class(record: Arrays) -> Rows:
    """Which images are of each class, (K, N)."""
    return record["labels"] == np.arange(len(record["logits"]))[:, None]


@feature("logits", "labels")
def right_of_class(record: Arrays) -> Rows:
    """Of them, those that the model has right, (K, N)."""
    return of_class(record) & (record["logits"].argmax(0) == record["labels"])


@feature("logits", "labels")
def sure_in_bin(record: Arrays) -> Rows:
    """The confidence of the answer, in the row of its bin, (BINS, N)."""
    sure, inside = _binned(record)
    return sure * inside


@feature("logits", "labels")
def right_in_bin(record: Arrays) -> Rows:
    """Whether the answer is right, in the row of its bin, (BINS, N)."""
    _, inside = _binned(record)
    return inside & (record["logits"].argmax(0) == record["labels"])


@feature("logits", "labels")
def in_bin(record: Arrays) -> Rows:
    """Which answers are in each bin, (BINS, N)."""
    return _binned(record)[1]


def _binned(record: Arrays) -> tuple[Rows, Rows]:
    sure = softmax(record["logits"].astype(np.float64), axis=0).max(0)
    index = np.clip(np.ceil(sure * BINS).astype(int) - 1, 0, BINS - 1)
    return sure, index == np.arange(BINS)[:, None]


def class_accuracy(pair: Pair, *, model: str) -> Number:
    """Accuracy on the images of each class, percent, (K,)."""
    return 100 * mean(pair, model, "right_of_class") / mean(pair, model, "of_class")


def class_gap(pair: Pair) -> Number:
    """Accuracy of SGD minus that of DP-SGD on the images of each class, points, (K,)."""
    return class_accuracy(pair, model="sgd") - class_accuracy(pair, model="dpsgd")


def reliability(pair: Pair, *, model: str) -> Number:
    """Confidence and accuracy of the answers of each bin, percent, (2, BINS); nan where none."""
    inside = mean(pair, model, "in_bin")
    with np.errstate(invalid="ignore", divide="ignore"):
        sides = [100 * mean(pair, model, f) / inside for f in ("sure_in_bin", "right_in_bin")]
    return np.stack(sides, -2)


def calibration_error(pair: Pair, *, model: str) -> Number:
    """Expected calibration error of the answers, points: |accuracy - confidence| over the bins."""
    apart = mean(pair, model, "right_in_bin") - mean(pair, model, "sure_in_bin")
    return 100 * np.abs(apart).sum(-1)
