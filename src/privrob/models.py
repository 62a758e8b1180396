"""Every network of the project, as plain stacks of layers that return logits.

Inputs are NCHW in [0, 1] for every model: where a network normalises, it does so in its first
layer, so that an attack's `eps` is in pixel units whatever the network.
"""

from collections.abc import Callable
from itertools import pairwise

import torch
from torch import Tensor, nn

MNIST_MEAN, MNIST_STD = 0.1307, 0.3081


class Normalize(nn.Module):
    """(x - mean) / std with fixed numbers: nothing to learn, nothing to save."""

    def __init__(self, mean: float, std: float) -> None:
        super().__init__()
        self.mean, self.std = mean, std

    def forward(self, x: Tensor) -> Tensor:
        return (x - self.mean) / self.std


class ChannelsLast(nn.Module):
    """Hands x on in NHWC memory order, which all layers behind it then keep.

    A tensor of one channel counts as both orders, so without this a convolution would be free to
    choose the slower one. Values and shapes are untouched.
    """

    def forward(self, x: Tensor) -> Tensor:
        return x.contiguous(memory_format=torch.channels_last)


def conv_block(inputs: int, outputs: int) -> list[nn.Module]:
    """Convolution 5x5, max-pool 2x2, ReLU.

    ReLU commutes with the maximum, so this equals the usual order at a quarter of the cost.
    """
    return [nn.Conv2d(inputs, outputs, 5), nn.MaxPool2d(2), nn.ReLU()]


def mnist_cnn(*, width: float, hidden: tuple[int, ...], normalize: bool) -> nn.Sequential:
    """The network of tursynbek2020, section 3, for (N, 1, 28, 28).

    Two convolutions of 20 and 50 channels, then the `hidden` layers: (500,) is 800-500-10 with
    431,080 parameters, (500, 500) the other reading of "two fully-connected layers". `width`
    scales every layer but the last; `normalize` puts MNIST's mean and deviation in front.
    """
    first, second = max(1, round(20 * width)), max(1, round(50 * width))
    units = [second * 16, *(max(1, round(n * width)) for n in hidden)]
    dense = [m for a, b in pairwise(units) for m in (nn.Linear(a, b), nn.ReLU())]
    front: list[nn.Module] = [Normalize(MNIST_MEAN, MNIST_STD)] if normalize else []
    return nn.Sequential(
        *front,
        ChannelsLast(),
        *conv_block(1, first),
        *conv_block(first, second),
        nn.Flatten(),
        *dense,
        nn.Linear(units[-1], 10),
    )


MODELS: dict[str, Callable[..., nn.Module]] = {"mnist_cnn": mnist_cnn}


def build(name: str, *, seed: int, **settings: object) -> nn.Module:
    """The network `name` of MODELS with PyTorch's default initialisation drawn from `seed`.

    The global generator is left as it was. Raises ValueError for an unknown name.
    """
    if name not in MODELS:
        raise ValueError(f"no model {name!r}; there are {', '.join(sorted(MODELS))}")
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        return MODELS[name](**settings).to(memory_format=torch.channels_last)  # type: ignore[call-overload]
