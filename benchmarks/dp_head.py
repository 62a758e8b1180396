"""One DP-SGD update of a head on frozen features beside a plain one, and its two parts alone.

The head is that of tursynbek2020's CIFAR-10 network. Features are computed once, so that a step is
three matrix products each way, and the noise, a normal number for each weight, is no longer small
beside them.
"""

import networks
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from privrob.lab.benchmarks import Contestant, Run
from privrob.training import loop, losses, private

TITLE = "DP-SGD update of a head on frozen features"
GAP = "largest difference of a summed gradient, float64, without noise"
GAP_LIMIT = 1e-10
ROUNDS = 60
SETTINGS = {"batch": 200}
GROWTH = {"batch": (50, 200, 800)}
GROWTH_AT: dict[str, int] = {}
GROWTH_OF = ("DP-SGD, fast", "SGD", "noise alone")
LR, CLIP_NORM, NOISE_STD = 0.01, 3.0, 3.0


def contestants(device: torch.device, *, batch: int) -> dict[str, Contestant]:
    """Ours whole and without noise, then plain SGD on the same head, and noise for all weights."""
    x, y = _features(batch, torch.float32)
    x, y = x.to(device), y.to(device)

    def dp() -> Run:
        step = private.private_step(
            networks.head(device),
            lr=LR,
            clip_norm=CLIP_NORM,
            noise_std=NOISE_STD,
            expected_batch=batch,
            engine="fast",
            generator=torch.Generator(device),
        )
        return lambda: step(x, y)

    def clipping() -> Run:
        model = networks.head(device)
        return lambda: private.clipped_gradient(model, x, y, clip_norm=CLIP_NORM)

    def sgd() -> Run:
        step = loop.sgd_step(networks.head(device), lr=LR, loss=losses.natural)
        return lambda: step(x, y)

    def noise() -> Run:
        numbers = sum(p.numel() for p in networks.head(device).parameters())
        draw = torch.Generator(device)
        return lambda: torch.randn(numbers, generator=draw, device=device)

    return {
        "DP-SGD, fast": Contestant(dp, ours=True),
        "clipped sum alone": Contestant(clipping, ours=True),
        "SGD": Contestant(sgd, _gap),
        "noise alone": Contestant(noise),
    }


def _features(count: int, dtype: torch.dtype) -> tuple[Tensor, Tensor]:
    """As a ReLU leaves them: half of them 0."""
    draw = torch.Generator().manual_seed(0)
    x = torch.randn(count, networks.FEATURES, generator=draw, dtype=dtype).relu()
    return x, torch.randint(10, (count,), generator=draw)


def _gap() -> float:
    """A plain gradient is our sum under a norm that nobody reaches."""
    model: nn.Module = networks.head(torch.device("cpu")).double()
    x, y = _features(24, torch.float64)
    ours = private.clipped_gradient(model, x, y, clip_norm=1e9)
    F.cross_entropy(model(x), y, reduction="sum").backward()
    return max((p.grad - ours[n]).abs().max().item() for n, p in model.named_parameters())
