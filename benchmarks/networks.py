"""The network that the subjects share, as the book has it and as one usually writes it."""

from copy import deepcopy

import torch
from torch import nn

from privrob import models, zoo


def ours(device: torch.device, *, width: float, dtype: torch.dtype = torch.float32) -> nn.Module:
    """The network of tursynbek2020 in channels_last memory, with fresh weights."""
    model = models.build("mnist_cnn", seed=0, width=width, hidden=(500,), normalize=False)
    return model.to(device, dtype)


def trained(device: torch.device) -> nn.Module:
    """The same network, trained by plain SGD, from the zoo."""
    return zoo.load("tursynbek2020/sgd", seed=0).to(device)


def usual(model: nn.Module) -> nn.Module:
    """A copy as one would write it: convolution, ReLU, then max-pool, in NCHW memory."""
    layers = [deepcopy(m) for m in model if not isinstance(m, models.ChannelsLast)]
    for i in [i for i, m in enumerate(layers) if isinstance(m, nn.MaxPool2d)]:
        layers[i : i + 2] = layers[i + 1], layers[i]
    return nn.Sequential(*layers).to(memory_format=torch.contiguous_format)
