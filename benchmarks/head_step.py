"""One DP-SGD update of fully connected layers on frozen features, beside a plain one.

As `dp_step`, on the head of tursynbek2020's CIFAR-10 network; noise generation is included.
"""

from collections.abc import Callable

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from privrob import models
from privrob.lab.benchmarks import Contestant, Run
from privrob.training import loop, losses, private

TITLE = "DP-SGD update on frozen features"
GAP = "largest difference of a summed gradient, float64, without noise"
GAP_LIMIT = 1e-10
ROUNDS = 40
SETTINGS = {"batch": 200}
GROWTH = {"batch": (50, 200, 800)}
GROWTH_AT: dict[str, int] = {}
GROWTH_OF = ("DP-SGD on features", "SGD on features")
LR, CLIP_NORM, NOISE_STD, FEATURES = 0.01, 3.0, 3.0, 1600

Step = Callable[[Tensor, Tensor], None]


def contestants(device: torch.device, *, batch: int) -> dict[str, Contestant]:
    """Ours, plain SGD, and ours without the noise, which shows what drawing it costs."""
    draw = torch.Generator().manual_seed(0)
    x = torch.rand(batch, FEATURES, generator=draw).to(device)
    y = torch.randint(10, (batch,), generator=draw).to(device)

    def timed(build: Callable[[nn.Module], Step]) -> Callable[[], Run]:
        def prepare() -> Run:
            step = build(_head().to(device))
            return lambda: step(x, y)

        return prepare

    def dp(head: nn.Module) -> Step:
        return private.private_step(
            head,
            lr=LR,
            clip_norm=CLIP_NORM,
            noise_std=NOISE_STD,
            expected_batch=batch,
            engine="fast",
            generator=torch.Generator(device),
        )

    return {
        "DP-SGD on features": Contestant(timed(dp), ours=True),
        "SGD on features": Contestant(timed(_sgd), _plain_gap, ours=True),
        "clipped sum alone": Contestant(timed(_clipped), _clipped_gap, ours=True),
    }


def _head() -> nn.Module:
    settings = {"width": 1.0, "hidden": (500, 500), "normalize": True}
    return models.build("cifar_cnn", seed=0, **settings).get_submodule("head")


def _sgd(head: nn.Module) -> Step:
    return loop.sgd_step(head, lr=LR, loss=losses.natural)


def _clipped(head: nn.Module) -> Step:
    def step(x: Tensor, y: Tensor) -> None:
        private.clipped_gradient(head, x, y, clip_norm=CLIP_NORM)

    return step


def _problem() -> tuple[nn.Module, Tensor, Tensor]:
    """A small batch in float64, where rounding hides no mistake."""
    draw = torch.Generator().manual_seed(1)
    x = torch.rand(24, FEATURES, generator=draw, dtype=torch.float64)
    return _head().double(), x, torch.randint(10, (24,), generator=draw)


def _gap(found: list[Tensor], clip_norm: float) -> float:
    """How far these sums, in the order of the parameters, are from ours."""
    ours = private.clipped_gradient(*_problem(), clip_norm=clip_norm).values()
    return max((a - b).abs().max().item() for a, b in zip(found, ours, strict=True))


def _gradient(head: nn.Module, x: Tensor, y: Tensor) -> list[Tensor]:
    loss = F.cross_entropy(head(x), y, reduction="sum")
    return list(torch.autograd.grad(loss, list(head.parameters())))


def _plain_gap() -> float:
    """Plain SGD has no clipping: its gradient is our sum under a norm that nobody reaches."""
    return _gap(_gradient(*_problem()), clip_norm=1e9)


def _clipped_gap() -> float:
    """Example by example, under a norm that all reach."""
    (head, x, y), small = _problem(), 1e-2
    each = [_gradient(head, x[i : i + 1], y[i : i + 1]) for i in range(len(x))]
    factors = [small / torch.cat([g.flatten() for g in own]).norm() for own in each]
    clipped = ([g * f for g in own] for own, f in zip(each, factors, strict=True))
    return _gap([torch.stack(gs).sum(0) for gs in zip(*clipped, strict=True)], clip_norm=small)
