"""How many PGD steps fool each model (Figure 4).

An image that is wrong to begin with needs no attack and is left out. One that is never fooled has
no number of steps: it counts as the last step looked at, which is the least that it could need,
and its share stands beside every mean.
"""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from privrob.lab import questions
from privrob.lab.measures.base import (
    MODELS,
    Arrays,
    MeasureError,
    Number,
    Pair,
    at,
    feature,
    grid,
    mean,
)


@feature("first_success", "step_sizes")
def standing(record: Arrays) -> NDArray[Any]:
    """Not fooled within s steps, for s = 0, 1, ..., (E, A, S, N)."""
    first = record["first_success"][..., None, :]
    after = np.arange(questions.MOST_STEPS + 1)[:, None]
    return (first < 0) | (first > after)


def standing_share(pair: Pair, *, model: str, eps: float) -> Number:
    """Of the images right to begin with, the share not fooled within s steps, (A, S)."""
    left = mean(pair, model, "standing").astype(float)[..., at(pair, "eps", eps), :, :]
    if not (left[..., 0] > 0).all():
        raise MeasureError(f"{model} has no image right to begin with")
    return left / left[..., :1]


def capped_steps(pair: Pair, *, model: str, eps: float) -> Number:
    """Mean steps to success by step size, (A,); an image never fooled counts as the last step."""
    # The mean of a number of steps is the sum over s of the share that needs more than s.
    return standing_share(pair, model=model, eps=eps)[..., :-1].sum(-1)


def steps_of_fooled(pair: Pair, *, model: str, eps: float) -> Number:
    """Mean steps to success by step size, (A,), over the images that are fooled at all."""
    left = standing_share(pair, model=model, eps=eps)
    fooled = 1 - left[..., -1]
    if not (fooled > 0).all():
        raise MeasureError(f"{model} is never fooled at eps {eps:g} with some step size")
    return (left[..., :-1] - left[..., -1:]).sum(-1) / fooled


def never_fooled_share(pair: Pair, *, model: str, eps: float) -> Number:
    """Percent of the images right to begin with that no step fools, by step size, (A,)."""
    return 100 * standing_share(pair, model=model, eps=eps)[..., -1]


def extra_steps(pair: Pair, *, eps: float) -> Number:
    """`capped_steps` of SGD minus that of DP-SGD by step size, (A,): positive, SGD needs more."""
    sgd, dpsgd = (capped_steps(pair, model=model, eps=eps) for model in MODELS)
    return sgd - dpsgd


def mean_extra_steps(pair: Pair, *, eps: float) -> Number:
    """`extra_steps`, the mean over the step sizes."""
    return extra_steps(pair, eps=eps).mean(-1)[()]


def extra_steps_of_fooled(pair: Pair, *, eps: float) -> Number:
    """`steps_of_fooled` of SGD minus that of DP-SGD, the mean over the step sizes."""
    sgd, dpsgd = (steps_of_fooled(pair, model=model, eps=eps) for model in MODELS)
    return (sgd - dpsgd).mean(-1)[()]


def extra_never_fooled(pair: Pair, *, small: float, large: float) -> Number:
    """Percent never fooled at a small eps minus that at a large one, the mean over step sizes.

    Of the two models the smaller difference: positive where it is so for both.
    """
    return np.min([_fewer(pair, model, small, large) for model in MODELS], axis=0)[()]


def _fewer(pair: Pair, model: str, small: float, large: float) -> Number:
    shares = (never_fooled_share(pair, model=model, eps=eps).mean(-1) for eps in (small, large))
    first, second = shares
    return first - second


def step_sizes(pair: Pair) -> NDArray[Any]:
    """The step sizes that both models were attacked with."""
    return grid(pair, "step_sizes")


ALL = (mean_extra_steps, extra_steps_of_fooled, extra_never_fooled)
