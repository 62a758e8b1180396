"""One DP-SGD update beside a plain one and beside opacus, on the MNIST network.

Subjects say: TITLE; what GAP measures and its limit; ROUNDS; SETTINGS, and in GROWTH the values to
take one of them through (the others as in GROWTH_AT, then SETTINGS), for the contestants
GROWTH_OF; `contestants`, which builds everybody.
"""

from collections.abc import Callable

import networks
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from privrob.lab.benchmarks import Contestant, Run
from privrob.training import loop, losses, private

TITLE = "DP-SGD update"
GAP = "largest difference of a summed gradient, float64, without noise"
GAP_LIMIT = 1e-10
ROUNDS = 24
SETTINGS = {"batch": 256, "width": 1.0}
GROWTH = {"batch": (64, 256, 1024), "width": (0.25, 0.5, 1.0, 2.0)}
GROWTH_AT: dict[str, int] = {}
GROWTH_OF = ("DP-SGD, fast", "SGD, our network", "opacus ghost")
LR, CLIP_NORM, NOISE_STD = 0.05, 1.0, 1.3

Step = Callable[[Tensor, Tensor], None]


def contestants(device: torch.device, *, batch: int, width: float) -> dict[str, Contestant]:
    """Ours first; then plain SGD on the usual network and on ours, and both ways of opacus."""
    draw = torch.Generator().manual_seed(0)
    x = torch.rand(batch, 1, 28, 28, generator=draw).to(device)
    y = torch.randint(10, (batch,), generator=draw).to(device)

    def model() -> nn.Module:
        return networks.ours(device, width=width)

    def timed(build: Callable[[], Step]) -> Callable[[], Run]:
        def prepare() -> Run:
            step = build()
            return lambda: step(x, y)

        return prepare

    usual = networks.usual
    return {
        "DP-SGD, fast": Contestant(timed(lambda: _dp(model(), "fast", batch, device)), ours=True),
        "SGD, usual network": Contestant(timed(lambda: _sgd(usual(model()))), _plain_gap(usual)),
        "SGD, our network": Contestant(timed(lambda: _sgd(model())), _plain_gap(lambda m: m)),
        "opacus hooks": Contestant(
            timed(lambda: _dp(usual(model()), "opacus", batch, device)), _hooks_gap
        ),
        "opacus ghost": Contestant(
            timed(lambda: _ghost(usual(model()), batch, device)), _ghost_gap
        ),
    }


# -- steps --------------------------------------------------------------------------------------


def _sgd(model: nn.Module) -> Step:
    return loop.sgd_step(model, lr=LR, loss=losses.natural)


def _dp(model: nn.Module, engine: str, batch: int, device: torch.device) -> Step:
    return private.private_step(
        model,
        lr=LR,
        clip_norm=CLIP_NORM,
        noise_std=NOISE_STD,
        expected_batch=batch,
        engine=engine,
        generator=torch.Generator(device),
    )


def _ghost(model: nn.Module, batch: int, device: torch.device) -> Step:
    wrapped, loss, optimizer = _ghost_parts(model, batch, NOISE_STD, torch.Generator(device))

    def step(x: Tensor, y: Tensor) -> None:
        optimizer.zero_grad()
        loss(wrapped(x), y).backward()
        optimizer.step()

    return step


def _ghost_parts(model: nn.Module, batch: int, noise_std: float, generator: torch.Generator):
    from opacus.grad_sample import GradSampleModuleFastGradientClipping
    from opacus.optimizers import DPOptimizerFastGradientClipping
    from opacus.utils.fast_gradient_clipping_utils import DPLossFastGradientClipping

    wrapped = GradSampleModuleFastGradientClipping(
        model, loss_reduction="sum", max_grad_norm=CLIP_NORM, use_ghost_clipping=True
    )
    optimizer = DPOptimizerFastGradientClipping(
        torch.optim.SGD(model.parameters(), lr=LR / batch),
        noise_multiplier=noise_std / CLIP_NORM,
        max_grad_norm=CLIP_NORM,
        expected_batch_size=None,
        loss_reduction="sum",
        generator=generator,
    )
    entropy = nn.CrossEntropyLoss(reduction="sum")
    return wrapped, DPLossFastGradientClipping(wrapped, optimizer, entropy, "sum"), optimizer


# -- the same answers? --------------------------------------------------------------------------


def _problem() -> tuple[nn.Module, Tensor, Tensor]:
    """A small batch in float64 on the CPU, where rounding hides no mistake."""
    draw = torch.Generator().manual_seed(1)
    model = networks.ours(torch.device("cpu"), width=1.0, dtype=torch.float64)
    x = torch.rand(24, 1, 28, 28, generator=draw, dtype=torch.float64)
    return model, x, torch.randint(10, (24,), generator=draw)


def _gap(found: list[Tensor], clip_norm: float) -> float:
    """How far these sums, in the order of the parameters, are from ours."""
    model, x, y = _problem()
    ours = private.clipped_gradient(model, x, y, clip_norm=clip_norm).values()
    return max((a - b).abs().max().item() for a, b in zip(found, ours, strict=True))


def _plain_gap(form: Callable[[nn.Module], nn.Module]) -> Callable[[], float]:
    """Plain SGD has no clipping: its gradient is our sum under a norm that nobody reaches."""

    def gap() -> float:
        model, x, y = _problem()
        other = form(model)
        F.cross_entropy(other(x), y, reduction="sum").backward()
        return _gap([p.grad for p in other.parameters()], clip_norm=1e9)

    return gap


def _hooks_gap() -> float:
    """opacus clips by C / (norm + 1e-6); here its own per-example gradients, clipped exactly."""
    from opacus import GradSampleModule

    model, x, y = _problem()
    wrapped = GradSampleModule(networks.usual(model), loss_reduction="sum")
    F.cross_entropy(wrapped(x), y, reduction="sum").backward()
    each = [p.grad_sample for p in wrapped.parameters()]
    norms = torch.stack([g.flatten(1).norm(dim=1) for g in each]).norm(dim=0)
    factor = (CLIP_NORM / norms).clamp(max=1)
    return _gap([torch.einsum("b,b...->...", factor, g) for g in each], CLIP_NORM)


def _ghost_gap() -> float:
    """The same, for its ghost clipping: only the 1e-6 is taken away."""
    model, x, y = _problem()
    wrapped, loss, _ = _ghost_parts(networks.usual(model), len(x), 0.0, torch.Generator())
    wrapped.get_clipping_coef = lambda: (CLIP_NORM / wrapped.get_norm_sample()).clamp(max=1)
    loss(wrapped(x), y).backward()
    return _gap([p.grad for p in wrapped.parameters()], CLIP_NORM)
