"""Networks, batches and points of a ball that the tests of the bounds share."""

from collections.abc import Iterator
from itertools import pairwise

import torch
from torch import Tensor, nn

from privrob import attacks, bounds, models

DOUBLE = torch.float64
CLASSES = 5


def conv_net(*, seed: int, dtype: torch.dtype = DOUBLE) -> nn.Sequential:
    """Every layer that has bounds, for (1, 8, 8)."""
    torch.manual_seed(seed)
    return nn.Sequential(
        models.Normalize(0.3, 0.5),
        models.ChannelsLast(),
        nn.ZeroPad2d((0, 2, 1, 0)),
        nn.Conv2d(1, 4, 3, stride=2, padding=1),
        nn.Sequential(nn.ReLU(), nn.Conv2d(4, 6, 3, padding=1, groups=2), nn.MaxPool2d(2)),
        nn.ReLU(),
        nn.AvgPool2d(2, stride=1),
        nn.Identity(),
        nn.Flatten(),
        nn.Linear(6, 7),
        nn.ReLU(),
        nn.Linear(7, CLASSES),
    ).to(dtype)


def dense_net(*units: int, seed: int) -> nn.Sequential:
    """Linear layers with ReLUs between, for (1, 1, units[0])."""
    torch.manual_seed(seed)
    layers: list[nn.Module] = [nn.Flatten()]
    for a, b in pairwise(units):
        layers += [nn.Linear(a, b), nn.ReLU()]
    return nn.Sequential(*layers[:-1]).to(DOUBLE)


def batch(n: int, *, seed: int, shape: tuple[int, ...] = (1, 8, 8)) -> tuple[Tensor, Tensor]:
    draw = torch.Generator().manual_seed(seed)
    x = torch.rand(n, *shape, generator=draw, dtype=DOUBLE)
    return x, torch.randint(CLASSES, (n,), generator=draw)


def points(
    model: nn.Module, x: Tensor, y: Tensor, *, eps: float, clip_input: bool
) -> Iterator[Tensor]:
    """For each image: 10,000 random points of its ball, 1,000 corners, PGD towards each class."""
    lower, upper = bounds.ball(x, eps=eps, clip_input=clip_input)
    draw = torch.Generator().manual_seed(7)
    for n, corners in ((10_000, False), (1_000, True)):
        for i in range(len(x)):
            share = torch.rand(n, *x.shape[1:], generator=draw, dtype=x.dtype)
            share = share.round() if corners else share
            yield i, lower[i] + share * (upper[i] - lower[i])
    clip = (0.0, 1.0) if clip_input else None
    walk = {"eps": eps, "step_size": eps / 4, "steps": 10, "random_start": False, "clip": clip}
    for j in range(CLASSES):
        goal = torch.full_like(y, j)
        x_adv = attacks.pgd(model, x, goal, targeted=True, **walk)
        yield from ((i, x_adv[i : i + 1]) for i in range(len(x)))


def margins(model: nn.Module, x: Tensor, label: Tensor) -> Tensor:
    """g_j - g_label of each point, (N, K)."""
    g = model(x)
    return g - g[:, label, None]
