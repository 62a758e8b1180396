"""The networks that the subjects share, as the book has them and as one usually writes them, and
images that one of them has right.
"""

from copy import deepcopy

import torch
from torch import Tensor, nn

from privrob import data, evaluate, models, zoo

FEATURES = 1600  # of a CIFAR image, behind the frozen convolutions


def ours(device: torch.device, *, width: float, dtype: torch.dtype = torch.float32) -> nn.Module:
    """The network of tursynbek2020 in channels_last memory, with fresh weights."""
    model = models.build("mnist_cnn", seed=0, width=width, hidden=(500,), normalize=False)
    return model.to(device, dtype)


def trained(device: torch.device) -> nn.Module:
    """The same network, trained by plain SGD, from the zoo."""
    return zoo.load("tursynbek2020/sgd", seed=0).to(device)


def right(model: nn.Module, batch: int) -> tuple[Tensor, Tensor]:
    """The first `batch` images that the model classifies correctly, and their labels."""
    test, device = data.load("mnist_slice").test, next(model.parameters()).device
    x, y = test.x.to(device).float() / 255, test.y.to(device)
    kept = (evaluate.logits(model, x).argmax(1) == y).nonzero()[:batch, 0]
    return x[kept], y[kept]


def usual(model: nn.Module) -> nn.Module:
    """A copy as one would write it: convolution, ReLU, then max-pool, in NCHW memory."""
    layers = [deepcopy(m) for m in model if not isinstance(m, models.ChannelsLast)]
    for i in [i for i, m in enumerate(layers) if isinstance(m, nn.MaxPool2d)]:
        layers[i : i + 2] = layers[i + 1], layers[i]
    return nn.Sequential(*layers).to(memory_format=torch.contiguous_format)


def head(device: torch.device) -> nn.Module:
    """The layers of tursynbek2020's CIFAR-10 network that stand on frozen features."""
    model = models.build("cifar_cnn", seed=0, width=1.0, hidden=(500, 500), normalize=True)
    return model.get_submodule("head").to(device)
