"""A training step through interval bounds, and one through the dual by projections.

Both beside a plain step. Interval: the mean of clean and worst-case cross-entropy, as in Gowal et
al. 2018. Dual: worst-case cross-entropy alone, as in Wong et al. 2018; its forwards are one per
projection, one of the centre and one per class on the way back.
"""

from collections.abc import Callable

import networks
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from privrob import bounds
from privrob.bounds import dual, interval
from privrob.lab.benchmarks import Contestant, Run
from privrob.training import loop, losses

TITLE = "Training steps through bounds"
GAP = "largest difference of a gradient at eps 0, where all losses are one, float64"
GAP_LIMIT = 1e-10
ROUNDS = 9
SETTINGS = {"batch": 100, "width": 1.0}
GROWTH = {"batch": (25, 100, 400), "width": (0.5, 1.0, 2.0)}
GROWTH_AT: dict[str, int] = {}
GROWTH_OF = ("IBP step", "plain step")
LR, EPS, CLASSES = 0.05, 0.1, 10
PROJECTIONS = (10, 20)

Loss = Callable[[nn.Module, Tensor, Tensor], Tensor]


def contestants(device: torch.device, *, batch: int, width: float) -> dict[str, Contestant]:
    """Interval bounds, the dual with fewer and more projections, and plain descent."""
    draw = torch.Generator().manual_seed(0)
    x = torch.rand(batch, 1, 28, 28, generator=draw).to(device)
    y = torch.randint(CLASSES, (batch,), generator=draw).to(device)

    def timed(loss: Loss) -> Callable[[], Run]:
        def prepare() -> Run:
            step = loop.sgd_step(networks.ours(device, width=width), lr=LR, loss=loss)
            return lambda: step(x, y)

        return prepare

    everyone = {"IBP step": Contestant(timed(_interval(EPS)), ours=True)}
    for n in PROJECTIONS:
        name = f"dual step, {n} projections, {n + 1 + CLASSES} forwards"
        make = timed(_dual(EPS, n, device))
        everyone[name] = Contestant(
            make, lambda n=n: _gap(_dual(0.0, n, torch.device("cpu"))), ours=True
        )
    plain = Contestant(timed(losses.natural), lambda: _gap(losses.natural))
    return {**everyone, "plain step": plain}


def _interval(eps: float) -> Loss:
    def loss(model: nn.Module, x: Tensor, y: Tensor) -> Tensor:
        corners = bounds.ball(x, eps=eps, clip_input=True)
        worst = interval.worst_case(bounds.chain(model), *corners, y)
        return (F.cross_entropy(model(x), y) + F.cross_entropy(worst, y)) / 2

    return loss


def _dual(eps: float, projections: int, device: torch.device) -> Loss:
    draw = torch.Generator(device).manual_seed(0)

    def loss(model: nn.Module, x: Tensor, y: Tensor) -> Tensor:
        corners = bounds.ball(x, eps=eps, clip_input=True)
        how = {"projections": projections, "generator": draw}
        return F.cross_entropy(dual.estimate(bounds.chain(model), *corners, y, **how), y)

    return loss


def _gap(loss: Loss) -> float:
    """How far the gradient of a loss is from the interval loss' where the ball is a point."""
    draw = torch.Generator().manual_seed(1)
    model = networks.ours(torch.device("cpu"), width=1.0, dtype=torch.float64)
    x = torch.rand(8, 1, 28, 28, generator=draw, dtype=torch.float64)
    y = torch.randint(CLASSES, (8,), generator=draw)
    weights = list(model.parameters())
    ours = torch.autograd.grad(_interval(0.0)(model, x, y), weights)
    other = torch.autograd.grad(loss(model, x, y), weights)
    return max((a - b).abs().max().item() for a, b in zip(ours, other, strict=True))
