"""Deterministic sound bounds of a model's logits over the l_inf ball around each image.

Common to all: `x` is (B, C, H, W), floating in [0, 1] or uint8; the ball has radius `eps` in
pixel units of [0, 1] and is cut to [0, 1] if `clip_input`. Models are chains of the layers that
`chain` knows. Results are in the model's dtype and differentiable in its parameters. ValueError,
naming the value, for images outside [0, 1], wrong labels, an eps that is below 0 or not finite,
and a layer without bounds.

A training step uses `chain`, `ball` and `interval.worst_case`, which look at no value.
"""

from torch import Tensor, nn

from privrob import evaluate
from privrob.bounds import interval
from privrob.bounds.layers import ball, chain, door, slack, verified

__all__ = ["ball", "chain", "interval_bounds", "slack", "verified", "worst_case_logits"]


def interval_bounds(
    model: nn.Module, x: Tensor, *, eps: float, clip_input: bool = True
) -> tuple[Tensor, Tensor]:
    """Lower and upper logits (B, K) by interval bound propagation."""
    return interval.propagate(*door(model, x, eps=eps, clip_input=clip_input))


METHODS = {"interval": interval.worst_case}


def worst_case_logits(
    model: nn.Module, x: Tensor, y: Tensor, *, eps: float, method: str, clip_input: bool = True
) -> Tensor:
    """(B, K): entry y is exactly 0, entry j an upper bound of g_j - g_y over the ball.

    Their softmax at y is the verified confidence. The last layer is elided. ValueError for a
    method that is not in METHODS.
    """
    if method not in METHODS:
        raise ValueError(f"no method {method!r}; there are {', '.join(METHODS)}")
    layers, lower, upper = door(model, x, eps=eps, clip_input=clip_input)
    classes = int(layers[-1].out_features)  # type: ignore[arg-type]
    evaluate.check_labels(y, examples=len(x), classes=classes)
    return METHODS[method](layers, lower, upper, y.to(lower.device))
