"""The network of tursynbek2020, section 3.6: convolutions that stay frozen, and a head on them.

Two submodules, `features` and `head`, by whose names their weights are kept. `models` puts
the layers in front that all networks share, and has the table of them.
"""

from collections import OrderedDict
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

from torch import nn


@dataclass(frozen=True)
class Images:
    """What a network takes: (C, H, W), and mean and deviation of each channel in [0, 1]."""

    shape: tuple[int, int, int]
    mean: tuple[float, ...]
    std: tuple[float, ...]


CIFAR = Images((3, 32, 32), (0.4914, 0.4822, 0.4465), (0.2023, 0.1994, 0.2010))  # facts, section 0
DIGITS = Images((1, 28, 28), (0.1307,), (0.3081,))

# Network -> the same without a head: two that have the same one share their convolutions.
FEATURES = {
    "cifar_cnn": "cifar_features",
    "cifar100_cnn": "cifar_features",
    "digits_head_cnn": "digits_features",
}
SHAPES = {"cifar_features": CIFAR.shape, "digits_features": DIGITS.shape}


def two_parts(
    front: Sequence[nn.Module],
    shape: tuple[int, int, int],
    classes: int,
    *,
    width: float,
    hidden: tuple[int, ...],
) -> nn.Sequential:
    """`features` and `head` for images (N, *shape) in [0, 1]; facts, section 5, decision 14.

    Features: the layers `front`, then two convolutions 3x3 of 64 channels without a border, each
    with ReLU and max-pooling 3x3 of stride 2: 1600 numbers of a CIFAR image. Head: the `hidden`
    layers and the last one, all without biases. `width` scales every layer but the last. With 0
    `classes` there is no head, and ValueError for hidden layers then.
    """
    if hidden and not classes:
        raise ValueError(f"features alone have no hidden layers, got {hidden}")
    channels, outputs = shape[0], max(1, round(64 * width))
    features = nn.Sequential(
        *front,
        *block(channels, outputs),
        *block(outputs, outputs),
        nn.Flatten(),
    )
    units = [outputs * _positions(shape), *(max(1, round(n * width)) for n in hidden)]
    return nn.Sequential(OrderedDict(features=features, head=_head(units, classes)))


def block(inputs: int, outputs: int) -> list[nn.Module]:
    """Convolution 3x3, max-pool 3x3 of stride 2, ReLU; the last two commute."""
    return [nn.Conv2d(inputs, outputs, 3), nn.MaxPool2d(3, 2), nn.ReLU()]


def _positions(shape: tuple[int, int, int]) -> int:
    """Height times width behind two blocks."""
    height, width = (((n - 4) // 2 - 4) // 2 for n in shape[1:])
    return height * width


def _head(units: list[int], classes: int) -> nn.Module:
    if not classes:
        return nn.Identity()
    hidden = (m for a, b in pairwise(units) for m in (nn.Linear(a, b, bias=False), nn.ReLU()))
    return nn.Sequential(*hidden, nn.Linear(units[-1], classes, bias=False))
