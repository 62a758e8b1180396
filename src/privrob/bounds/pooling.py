"""Which entry of a max-pool's window is largest, as far as bounds can tell."""

import torch
from torch import Tensor, nn
from torch.nn import functional as F


def favourite(layer: nn.MaxPool2d, lower: Tensor, upper: Tensor) -> tuple[Tensor, Tensor]:
    """Per window, flattened to (B, C, P): the entry with the highest lower bound; the others' top.

    The entry is an index into the flattened plane, its rivals' top the largest upper bound of the
    window's other entries. Where windows overlap it includes the entry's own: larger, still sound.
    """
    size, step, pad, apart = layer.kernel_size, layer.stride, layer.padding, layer.dilation
    _, index = F.max_pool2d(lower, size, step, pad, apart, layer.ceil_mode, return_indices=True)
    index = index.flatten(2)
    if _disjoint(layer):
        upper = upper.flatten(2).scatter(2, index, -torch.inf).reshape(upper.shape)
    return index, layer(upper).flatten(2)


def _disjoint(layer: nn.MaxPool2d) -> bool:
    """No entry is in two windows."""
    pairs = zip(_pair(layer.kernel_size), _pair(layer.stride), strict=True)
    return _pair(layer.dilation) == (1, 1) and all(size <= step for size, step in pairs)


def _pair(value: int | tuple[int, ...]) -> tuple[int, ...]:
    return (value, value) if isinstance(value, int) else tuple(value)


def take(z: Tensor, index: Tensor, shape: torch.Size) -> Tensor:
    """The entries `index` (B, C, P) of z (B, ..., C, H, W), as (B, ..., C, *shape)."""
    planes = z.flatten(-2)
    extra = planes.ndim - index.ndim
    index = index.reshape(len(index), *[1] * extra, *index.shape[1:])
    index = index.expand(*planes.shape[:-1], -1)
    return planes.gather(-1, index).unflatten(-1, shape)


def put(nu: Tensor, index: Tensor, shape: torch.Size) -> Tensor:
    """The adjoint of `take`: nu (B, M, C, h, w) summed into zeros (B, M, C, *shape)."""
    values = nu.flatten(3).expand(len(index), -1, -1, -1)
    index = index[:, None].expand(values.shape)
    zeros = values.new_zeros(*values.shape[:-1], shape[0] * shape[1])
    return zeros.scatter_add(-1, index, values).unflatten(-1, shape)
