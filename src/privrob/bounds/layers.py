"""What the bounds understand of a model, the ball around its images, and the slack for rounding.

A model is read as one chain of layers. Inputs of the ball are `lower` and `upper` (B, C, H, W).
"""

from collections.abc import Sequence
from math import isfinite

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from privrob import evaluate
from privrob.models import ChannelsLast, Normalize

# Each acts on every value alone, or on a window, and never falls where an input rises.
MONOTONE = (
    nn.ReLU,
    nn.Flatten,
    nn.Identity,
    nn.MaxPool2d,
    nn.AvgPool2d,
    nn.ZeroPad2d,
    Normalize,
    ChannelsLast,
)
AFFINE = (nn.Linear, nn.Conv2d)


def chain(model: nn.Module) -> list[nn.Module]:
    """The layers of a model in order, nested `Sequential`s opened.

    Raises ValueError, naming the layer, for one that no bound knows, for a model that does not
    end in a Linear, and for a Conv2d that does not pad with a number of zeros.
    """
    layers = list(_open(model))
    for layer in layers:
        _check(layer)
    if not layers or not isinstance(layers[-1], nn.Linear):
        last = type(layers[-1]).__name__ if layers else "nothing"
        raise ValueError(f"bounds need a model that ends in a Linear, this one ends in {last}")
    return layers


def _open(module: nn.Module) -> Sequence[nn.Module]:
    if not isinstance(module, nn.Sequential):
        return [module]
    return [layer for part in module for layer in _open(part)]


def _check(layer: nn.Module) -> None:
    name = type(layer).__name__
    if type(layer) not in (*AFFINE, *MONOTONE):  # a subclass may compute something else
        known = ", ".join(kind.__name__ for kind in (nn.Sequential, *AFFINE, *MONOTONE))
        raise ValueError(f"no bounds for the layer {name}; there are bounds for {known}")
    if isinstance(layer, nn.Conv2d) and (
        layer.padding_mode != "zeros" or isinstance(layer.padding, str)
    ):
        how = f"padding={layer.padding!r}, padding_mode={layer.padding_mode!r}"
        raise ValueError(f"no bounds for a Conv2d with {how}; a number of zeros can be bounded")
    if isinstance(layer, Normalize) and not layer.std > 0:
        raise ValueError(f"no bounds for a Normalize with std {layer.std:g}; it must be above 0")
    if isinstance(layer, nn.MaxPool2d) and layer.return_indices:
        raise ValueError("no bounds for a MaxPool2d with return_indices=True")
    if isinstance(layer, nn.AvgPool2d) and (layer.divisor_override or 1) < 0:
        divisor = layer.divisor_override
        raise ValueError(f"no bounds for an AvgPool2d with divisor_override={divisor}, below 0")


def affine(layer: nn.Module, weight: Tensor, bias: Tensor | None, x: Tensor) -> Tensor:
    """The Linear or Conv2d `layer` with other numbers in it."""
    if isinstance(layer, nn.Conv2d):
        padding = layer.padding
        return F.conv2d(x, weight, bias, layer.stride, padding, layer.dilation, layer.groups)
    return F.linear(x, weight, bias)


def linear(layer: nn.Module, z: Tensor, *, size: bool = False) -> Tensor:
    """A layer that is not kinked without its constant; with `size`, by its absolute weights."""
    if isinstance(layer, AFFINE):
        return affine(layer, layer.weight.abs() if size else layer.weight, None, z)
    return z / layer.std if isinstance(layer, Normalize) else layer(z)


def shapes(layers: Sequence[nn.Module], x: Tensor) -> list[torch.Size]:
    """What goes into each layer and out of the last, without the batch."""
    found, one = [x.shape[1:]], x[:1]
    with torch.no_grad():
        for layer in layers:
            one = layer(one)
            found.append(one.shape[1:])
    return found


# -- the ball -----------------------------------------------------------------------------------


def ball(x: Tensor, *, eps: float, clip_input: bool) -> tuple[Tensor, Tensor]:
    """Lower and upper corner of the l_inf ball of radius eps, within [0, 1] if `clip_input`.

    No value of x is looked at, so nothing waits for the device. ValueError for an eps that is
    below 0 or not finite.
    """
    if not (isfinite(eps) and eps >= 0):
        raise ValueError(f"eps must be finite and at least 0, got {eps}")
    lower, upper = x - eps, x + eps
    return (lower.clamp(min=0), upper.clamp(max=1)) if clip_input else (lower, upper)


def door(
    model: nn.Module, x: Tensor, *, eps: float, clip_input: bool
) -> tuple[list[nn.Module], Tensor, Tensor]:
    """Layers and the corners of the ball, after all checks: for evaluation, not for training."""
    layers = chain(model)
    evaluate.check_images(x)
    x = evaluate.as_float(x, model).to(*evaluate.home(model))
    evaluate.logits(model, x[:1])  # refuses images of a shape that the model does not take
    return layers, *ball(x, eps=eps, clip_input=clip_input)


# -- what would not fit -------------------------------------------------------------------------

MEMORY_LIMIT = 2**32  # bytes


def check_memory(what: str, need: int, limit: int) -> None:
    """ValueError, with the estimate, where `what` would take more than `limit` bytes."""
    if need > limit:
        raise ValueError(
            f"{what} would take about {need / 2**20:,.0f} MiB, the limit is "
            f"{limit / 2**20:,.0f} MiB: take fewer images at a time, a smaller net, method "
            "'interval', or method 'dual' with intermediate 'interval'"
        )


# -- what rounding may hide ---------------------------------------------------------------------

SLACK = {torch.float32: 1e-3, torch.float64: 1e-9}


def slack(worst: Tensor) -> Tensor:
    """How far rounding may have moved worst-case logits (B, K) of each example: (B,).

    1e-3 in float32 and 1e-9 in float64, times the largest entry's size where that is above 1: the
    centre and radius that an entry is the sum of are mostly of that order. Sums of n terms err by
    about sqrt(n) units in the last place (Higham and Mary 2019): 6e-8 * 92 for the widest layer of
    the book. Not a proof: the worst case over all roundings grows with the product of all layers'
    absolute weights, and would verify nothing. Float32 and float64 bounds are within a tenth of
    the slack of each other where they were compared, also by a test. Not so where large terms
    cancel, and for eps below 1e-4, where rounding the corners of the ball alone may cost more: give
    the bounds a model and images in float64 there, as the lab does for all that the book calls
    verified. ValueError for another dtype.
    """
    if worst.dtype not in SLACK:
        raise ValueError(f"a slack is known for float32 and float64, not for {worst.dtype}")
    return SLACK[worst.dtype] * worst.detach().abs().amax(1).clamp(min=1)


def verified(worst: Tensor, y: Tensor) -> Tensor:
    """Whether no point of the ball changes the answer y (B,): (B,) bool, for worst-case logits.

    True where every bound on g_j - g_y, j not y, plus the slack is below 0.
    """
    others = worst.scatter(1, y.to(worst.device)[:, None], -torch.inf)
    return others.amax(1) + slack(worst) < 0
