"""The hybrid zonotope: values as a centre, shared errors that may cancel, and a box of their own.

Mirman, Gehr and Vechev 2018, "Differentiable abstract interpretation for provably robust neural
networks" (DiffAI), with its ReLU transformer zBox: a unit whose sign is certain keeps its errors,
any other becomes a box of its own. So errors belong to the pixels alone, their number never grows,
and the bounds lie within interval propagation's: |W G| summed is at most |W| times |G| summed, and
zBox is what intervals do. For small nets: an error takes a whole copy of every layer.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from privrob.bounds.interval import spread
from privrob.bounds.layers import MEMORY_LIMIT, check_memory, linear, shapes
from privrob.bounds.pooling import favourite, take


@dataclass(frozen=True)
class Hybrid:
    """centre + box * d + sum over g of errors[:, g] * e_g, with every d and e_g in [-1, 1].

    `centre` and `box` are (B, ...), `errors` (B, G, ...) for G pixels; each entry of the box has
    a d of its own.
    """

    centre: Tensor
    box: Tensor
    errors: Tensor

    def bounds(self) -> tuple[Tensor, Tensor]:
        radius = self.box + self.errors.abs().sum(1)
        return self.centre - radius, self.centre + radius


def propagate(
    layers: Sequence[nn.Module],
    lower: Tensor,
    upper: Tensor,
    *,
    memory_limit: int = MEMORY_LIMIT,
) -> Hybrid:
    """What `layers` return, for inputs between `lower` and `upper`.

    ValueError where the errors of all layers together would take more than `memory_limit` bytes.
    """
    _check_memory(layers, lower, memory_limit)
    radius = (upper - lower) / 2
    pixels = torch.diag_embed(radius.flatten(1)).unflatten(-1, radius.shape[1:])
    z = Hybrid((lower + upper) / 2, torch.zeros_like(lower), pixels)
    for layer in layers:
        z = _through(layer, z)
    return z


def worst_case(
    layers: Sequence[nn.Module],
    lower: Tensor,
    upper: Tensor,
    y: Tensor,
    *,
    memory_limit: int = MEMORY_LIMIT,
) -> Tensor:
    """Upper bounds of g_j - g_y, (B, K) with 0 at y, the last layer elided."""
    _check_memory(layers, lower, memory_limit)
    z = propagate(layers[:-1], lower, upper, memory_limit=memory_limit)
    last, apart = layers[-1], spread(layers[-1], y)
    g = F.linear(z.centre, last.weight, last.bias)  # type: ignore[arg-type]
    shared = (z.errors @ apart.transpose(1, 2)).abs().sum(1)
    own = (apart.abs() @ z.box[:, :, None])[:, :, 0]
    return g - g.gather(1, y[:, None]) + shared + own


def estimate_bytes(layers: Sequence[nn.Module], x: Tensor) -> int:
    """What the errors of x (B, C, H, W) and all layers take, as a gradient would keep them."""
    sizes = [shape.numel() for shape in shapes(layers, x)]
    return len(x) * sizes[0] * sum(sizes) * x.element_size()


def _check_memory(layers: Sequence[nn.Module], x: Tensor, limit: int) -> None:
    what = f"the zonotope of {len(x)} images with {x[0].numel()} pixels"
    check_memory(what, estimate_bytes(layers, x), limit)


def _through(layer: nn.Module, z: Hybrid) -> Hybrid:
    if isinstance(layer, nn.ReLU):
        return _relu(z)
    if isinstance(layer, nn.MaxPool2d):
        return _max_pool(layer, z)
    return Hybrid(layer(z.centre), linear(layer, z.box, size=True), _errors(layer, z.errors))


def _errors(layer: nn.Module, errors: Tensor) -> Tensor:
    """Each error through the layer as an image of its own."""
    return linear(layer, errors.flatten(0, 1)).unflatten(0, errors.shape[:2])


def _relu(z: Hybrid) -> Hybrid:
    """zBox."""
    lower, upper = z.bounds()
    on, half = (lower >= 0).to(upper.dtype), upper / 2
    unsure = (lower < 0) & (upper > 0)
    return Hybrid(
        torch.where(unsure, half, z.centre * on),
        torch.where(unsure, half, z.box * on),
        z.errors * on[:, None],
    )


def _max_pool(layer: nn.MaxPool2d, z: Hybrid) -> Hybrid:
    """A window with a certain winner hands its errors on; any other becomes a box."""
    lower, upper = z.bounds()
    index, rivals = favourite(layer, lower, upper)
    low, high = layer(lower), layer(upper)
    sure = rivals.reshape(low.shape) <= low

    def won(values: Tensor) -> Tensor:
        return take(values, index, low.shape[2:])

    return Hybrid(
        torch.where(sure, won(z.centre), (low + high) / 2),
        torch.where(sure, won(z.box), (high - low) / 2),
        won(z.errors) * sure[:, None],
    )
