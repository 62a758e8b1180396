"""Interval bound propagation: a lower and an upper bound for every value of every layer.

Gowal et al. 2018, "On the effectiveness of interval bound propagation for training verifiably
robust models". An affine layer moves the centre of a box by W and its radius by |W|, every other
layer here is monotone. Differentiable in the parameters; no value is looked at, so that a
training step never waits for the device.
"""

from collections.abc import Sequence

from torch import Tensor, nn
from torch.nn import functional as F

from privrob.bounds.layers import AFFINE, affine


def propagate(layers: Sequence[nn.Module], lower: Tensor, upper: Tensor) -> tuple[Tensor, Tensor]:
    """Bounds of what `layers` return, for inputs between `lower` and `upper`."""
    for layer in layers:
        lower, upper = through(layer, lower, upper)
    return lower, upper


def through(layer: nn.Module, lower: Tensor, upper: Tensor) -> tuple[Tensor, Tensor]:
    """Bounds behind one layer."""
    if not isinstance(layer, AFFINE):
        return layer(lower), layer(upper)
    half = layer.weight / 2  # halving the weights spares halving centre and radius, and is exact
    centre = affine(layer, half, layer.bias, lower + upper)
    radius = affine(layer, half.abs(), None, upper - lower)
    return centre - radius, centre + radius


def worst_case(layers: Sequence[nn.Module], lower: Tensor, upper: Tensor, y: Tensor) -> Tensor:
    """Upper bounds of g_j - g_y, (B, K) with 0 at y, the last layer elided.

    The last layer and the difference are one linear map, bounded as one: bounds of g_j and g_y
    apart would let a hidden unit be high for one and low for the other.
    """
    lower, upper = propagate(layers[:-1], lower, upper)
    return last_layer(layers[-1], (lower + upper) / 2, (upper - lower) / 2, y)


def last_layer(layer: nn.Module, centre: Tensor, radius: Tensor, y: Tensor) -> Tensor:
    """The elided last layer for hidden units (B, n) in a box."""
    g = F.linear(centre, layer.weight, layer.bias)  # type: ignore[arg-type]
    apart = spread(layer, y)
    return g - g.gather(1, y[:, None]) + (apart.abs() @ radius[:, :, None])[:, :, 0]


def spread(layer: nn.Module, y: Tensor) -> Tensor:
    """Weights of g_j - g_y for each example, (B, K, n), of a last Linear."""
    weight = layer.weight
    return weight - weight[y][:, None]  # type: ignore[index, operator]
