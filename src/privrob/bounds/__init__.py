"""Deterministic sound bounds of a model's logits over the l_inf ball around each image.

Common to all: `x` is (B, C, H, W), floating in [0, 1] or uint8; the ball has radius `eps` in
pixel units of [0, 1] and is cut to [0, 1] if `clip_input`. Models are chains of the layers that
`chain` knows. The batch is one piece; results are in the model's dtype and on its device, and
differentiable in its parameters. ValueError, naming the value, for images outside [0, 1], wrong
labels, an eps that is below 0 or not finite, and a layer without bounds.

A training step uses `chain`, `ball` and the `worst_case` of a module, which look at no value:
nothing there waits for the device.
"""

from collections.abc import Callable
from functools import partial

import torch
from torch import Tensor, nn

from privrob import evaluate
from privrob.bounds import dual, interval, zonotope
from privrob.bounds.layers import MEMORY_LIMIT, ball, chain, door, slack, verified

__all__ = [
    "METHODS",
    "ball",
    "chain",
    "dual_bounds",
    "dual_estimate",
    "interval_bounds",
    "slack",
    "verified",
    "worst_case_logits",
    "zonotope_bounds",
]
METHODS = ("interval", "zonotope", "dual")


def interval_bounds(
    model: nn.Module, x: Tensor, *, eps: float, clip_input: bool = True
) -> tuple[Tensor, Tensor]:
    """Lower and upper logits (B, K) by interval bound propagation."""
    return interval.propagate(*door(model, x, eps=eps, clip_input=clip_input))


def zonotope_bounds(
    model: nn.Module,
    x: Tensor,
    *,
    eps: float,
    clip_input: bool = True,
    memory_limit: int = MEMORY_LIMIT,
) -> tuple[Tensor, Tensor]:
    """Lower and upper logits (B, K) by the hybrid zonotope, for small nets.

    ValueError, with the estimate, where it would take more than `memory_limit` bytes.
    """
    parts = door(model, x, eps=eps, clip_input=clip_input)
    return zonotope.propagate(*parts, memory_limit=memory_limit).bounds()


def dual_bounds(
    model: nn.Module, x: Tensor, *, eps: float, clip_input: bool = True, intermediate: str = "dual"
) -> tuple[Tensor, Tensor]:
    """Lower and upper logits (B, K) by the dual network; `intermediate` as `worst_case_logits`."""
    parts = door(model, x, eps=eps, clip_input=clip_input)
    return dual.logits(*parts, intermediate=intermediate)


def worst_case_logits(
    model: nn.Module,
    x: Tensor,
    y: Tensor,
    *,
    eps: float,
    method: str,
    clip_input: bool = True,
    intermediate: str = "dual",
    memory_limit: int = MEMORY_LIMIT,
) -> Tensor:
    """(B, K): entry y is exactly 0, entry j an upper bound of g_j - g_y over the ball.

    Their softmax at y is the verified confidence. The last layer is elided. `method` is one of
    METHODS. For the dual, `intermediate` says where bounds of hidden units come from: "dual", or
    "interval" for large nets (CROWN-interval). ValueError, with the estimate, where the zonotope,
    or a gradient of the dual's hidden bounds, would take more than `memory_limit` bytes.
    """
    methods: dict[str, Callable[..., Tensor]] = {
        "interval": interval.worst_case,
        "zonotope": partial(zonotope.worst_case, memory_limit=memory_limit),
        "dual": partial(dual.worst_case, memory_limit=memory_limit, intermediate=intermediate),
    }
    if method not in methods:
        raise ValueError(f"no method {method!r}; there are {', '.join(METHODS)}")
    parts, y = _labelled(model, x, y, eps, clip_input)
    return methods[method](*parts, y)


def dual_estimate(
    model: nn.Module,
    x: Tensor,
    y: Tensor,
    *,
    eps: float,
    projections: int,
    generator: torch.Generator,
    clip_input: bool = True,
) -> Tensor:
    """The dual's worst-case logits (B, K) guessed from random projections: an estimate, no bound.

    For training alone; nothing may be called verified by it. `generator` is of the model's device.
    """
    parts, y = _labelled(model, x, y, eps, clip_input)
    return dual.estimate(*parts, y, projections=projections, generator=generator)


def _labelled(
    model: nn.Module, x: Tensor, y: Tensor, eps: float, clip_input: bool
) -> tuple[tuple[list[nn.Module], Tensor, Tensor], Tensor]:
    """The ball as `door` gives it, and the labels, checked and on the model's device."""
    layers, lower, upper = door(model, x, eps=eps, clip_input=clip_input)
    classes = int(layers[-1].out_features)  # type: ignore[arg-type]
    evaluate.check_labels(y, examples=len(x), classes=classes)
    return (layers, lower, upper), y.to(lower.device)
