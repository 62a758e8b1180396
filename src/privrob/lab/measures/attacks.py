"""Clean accuracy, and accuracy under FGSM and PGD."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from privrob.lab.measures.base import (
    MODELS,
    MeasureError,
    Number,
    Pair,
    at,
    gap_of,
    grid,
    percent,
)

# -- clean images; FGSM, pixels clipped to [0, 1] ------------------------------------------------


def clean_accuracy(pair: Pair, *, model: str) -> Number:
    """Accuracy on the test images, percent."""
    return percent(pair, model, "correct_test")[()]


def clean_gap(pair: Pair) -> Number:
    """Clean accuracy of SGD minus that of DP-SGD, points."""
    return gap_of(pair, "correct_test")[()]


def fgsm_gap(pair: Pair, *, eps: float) -> Number:
    """Accuracy under FGSM of SGD minus that of DP-SGD, points."""
    return gap_of(pair, "correct")[..., at(pair, "eps", eps)][()]


def fgsm_excess_gap(pair: Pair, *, eps: float) -> Number:
    """The gap at `eps` minus the gap at eps 0, points."""
    return fgsm_gap(pair, eps=eps) - fgsm_gap(pair, eps=0)


def fgsm_smallest_excess(pair: Pair) -> Number:
    """The smallest `fgsm_excess_gap` over the grid's eps above 0, points."""
    gap = gap_of(pair, "correct")[..., grid(pair) > 0]
    return gap.min(-1) - fgsm_gap(pair, eps=0)


def fgsm_largest_gap_at(pair: Pair) -> Number:
    """The eps of the grid at which the gap is largest, the first where several are."""
    return grid(pair)[gap_of(pair, "correct").argmax(-1)]


def fgsm_eps_to_half(pair: Pair) -> Number:
    """The eps at which SGD first falls to half of the images, minus that of DP-SGD.

    Linear between the points of the grid; MeasureError where a curve stays above a half.
    """
    curves = (percent(pair, model, "correct") for model in MODELS)
    sgd, dpsgd = (np.apply_along_axis(_crossing, -1, curve, grid(pair)) for curve in curves)
    return sgd - dpsgd


def _crossing(accuracy: NDArray[Any], eps: NDArray[Any]) -> float:
    """Where one curve (E,) first comes down to 50 percent."""
    below = np.flatnonzero(accuracy <= 50)
    if not below.size:
        raise MeasureError(f"accuracy stays above one half up to eps {eps[-1]:g}")
    i = below[0]
    return float(np.interp(50, accuracy[[i, i - 1]], eps[[i, i - 1]]) if i else eps[0])


# -- PGD ----------------------------------------------------------------------------------------


def _after(pair: Pair, eps: float, steps: int) -> Any:
    return ..., at(pair, "eps", eps), at(pair, "steps", steps)


def pgd_accuracy(pair: Pair, *, model: str, eps: float, steps: int) -> Number:
    """Accuracy at the last iterate of PGD, percent (Eq. 4)."""
    return percent(pair, model, "correct")[_after(pair, eps, steps)][()]


def pgd_ever_fooled_accuracy(pair: Pair, *, model: str, eps: float, steps: int) -> Number:
    """Percent of the images that no iterate of PGD fools: at most `pgd_accuracy`."""
    return percent(pair, model, "never_fooled")[_after(pair, eps, steps)][()]


def pgd_gap(pair: Pair, *, eps: float, steps: int) -> Number:
    """Accuracy at the last iterate of SGD minus that of DP-SGD, points."""
    return gap_of(pair, "correct")[_after(pair, eps, steps)][()]


def pgd_excess_gap(pair: Pair, *, eps: float, steps: int) -> Number:
    """`pgd_gap` minus the gap on the same images before the attack, points."""
    clean_gap = gap_of(pair, "clean")[..., at(pair, "eps", eps)]
    return pgd_gap(pair, eps=eps, steps=steps) - clean_gap


ALL = (
    clean_accuracy, clean_gap, fgsm_gap, fgsm_excess_gap, fgsm_smallest_excess,
    fgsm_largest_gap_at, fgsm_eps_to_half, pgd_accuracy, pgd_ever_fooled_accuracy, pgd_gap,
    pgd_excess_gap,
)  # fmt: skip
