"""One update of each defence on the Yale network, beside a plain update and a naive PGD one.

The naive step is what one writes first: the usual memory order, and `loss.backward()` in the inner
loop, which also sums up gradients of the weights that nobody wants.
"""

from collections.abc import Callable
from copy import deepcopy
from functools import partial

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from privrob import models
from privrob.lab.benchmarks import Contestant, Run
from privrob.training import loop, losses

TITLE = "Training step of each defence, Yale network"
GAP = "largest difference of a weight after one update, float64"
GAP_LIMIT = 1e-10
ROUNDS = 9
SETTINGS = {"batch": 20, "width": 1.0}
GROWTH = {"batch": (5, 10, 20), "width": (0.5, 1.0, 2.0)}
GROWTH_AT = {"batch": 5}
GROWTH_OF = ("PGD-10 step", "naive PGD-10 step", "plain step")
EPS, STEPS, LR, WEIGHT_DECAY = 8 / 255, 10, 1e-4, 1e-5
STEP_SIZE = 2 * EPS / STEPS

Step = Callable[[Tensor, Tensor], None]


def contestants(device: torch.device, *, batch: int, width: float) -> dict[str, Contestant]:
    """Every defence at the settings of song2019's Yale runs; then the plain and the naive step."""
    x, y = (t.to(device) for t in _images(batch, torch.float32))

    def timed(make: Callable[[nn.Module], Step]) -> Callable[[], Run]:
        def prepare() -> Run:
            step = make(_network(width).to(device))
            return lambda: step(x, y)

        return prepare

    def ours(loss: Callable[..., Tensor]) -> Contestant:
        return Contestant(timed(lambda model: _ours(model, loss)), ours=True)

    return {
        "PGD-10 step": ours(_pgd(device)),
        "distributional step, 10 inner": ours(
            partial(losses.distributional, step_size=1.5, steps=STEPS, attack_mode="train")
        ),
        "TRADES-10 step": ours(_trades(device)),
        "interval step": ours(
            partial(losses.interval, eps=EPS, w_nom=0.5, w_ver=0.5, clip_input=True)
        ),
        "abstract step, box": ours(
            partial(
                losses.abstract, eps=EPS, method="interval", w_nom=1.0, w_ver=0.2, clip_input=True
            )
        ),
        "plain step": Contestant(timed(_plain), lambda: _gap(_plain, losses.natural, width)),
        "naive PGD-10 step": Contestant(
            timed(_naive), lambda: _gap(_naive, _pgd(torch.device("cpu")), width)
        ),
    }


# -- steps --------------------------------------------------------------------------------------


def _network(width: float) -> nn.Sequential:
    return models.build("yale_vgg", seed=0, width=width, hidden=(200,), normalize=False)


def _images(batch: int, dtype: torch.dtype) -> tuple[Tensor, Tensor]:
    draw = torch.Generator().manual_seed(0)
    x = torch.rand(batch, 1, 192, 168, generator=draw, dtype=dtype)
    return x, torch.randint(38, (batch,), generator=draw)


def _pgd(device: torch.device) -> Callable[..., Tensor]:
    return partial(
        losses.pgd,
        eps=EPS,
        step_size=STEP_SIZE,
        steps=STEPS,
        random_start=True,
        attack_mode="train",
        fraction=1.0,
        generator=torch.Generator(device).manual_seed(1),
    )


def _trades(device: torch.device) -> Callable[..., Tensor]:
    return partial(
        losses.trades,
        eps=EPS,
        step_size=STEP_SIZE,
        steps=STEPS,
        start_std=0.001,
        beta=1.0,
        detach_clean=True,
        generator=torch.Generator(device).manual_seed(1),
    )


def _ours(model: nn.Module, loss: Callable[..., Tensor]) -> Step:
    return loop.ScheduledStep(
        model,
        optimizer=loop.adam(model, weight_decay=WEIGHT_DECAY, decay_biases=True),
        lr=lambda progress: LR,
        loss=lambda model, x, y, progress: loss(model, x, y),
        updates=10**9,
        clip_grad_norm=None,
        zero_nan=False,
    )


def _plain(model: nn.Module) -> Step:
    """The natural update on our network, by PyTorch alone."""
    optimizer = torch.optim.Adam(model.parameters(), lr=LR, weight_decay=WEIGHT_DECAY)

    def step(x: Tensor, y: Tensor) -> None:
        optimizer.zero_grad()
        F.cross_entropy(model(x), y).backward()
        optimizer.step()

    return step


def _naive(model: nn.Module) -> Step:
    """Adversarial training as one writes it first."""
    layers = [m for m in model if not isinstance(m, models.ChannelsLast)]
    model = nn.Sequential(*layers).to(memory_format=torch.contiguous_format)
    update, draw = _plain(model), {}

    def step(x: Tensor, y: Tensor) -> None:
        generator = draw.setdefault(x.device, torch.Generator(x.device).manual_seed(1))
        noise = torch.rand(x.shape, generator=generator, device=x.device, dtype=x.dtype)
        x_adv = (x + (2 * noise - 1) * EPS).clamp(0, 1)
        for _ in range(STEPS):
            x_adv.requires_grad_()
            F.cross_entropy(model(x_adv), y).backward()
            moved = x_adv.detach() + STEP_SIZE * x_adv.grad.sign()
            x_adv = (x + (moved - x).clamp(-EPS, EPS)).clamp(0, 1)
        update(x_adv, y)

    return step


# -- the same answers? --------------------------------------------------------------------------


def _gap(make: Callable[[nn.Module], Step], loss: Callable[..., Tensor], width: float) -> float:
    """How far the weights are from ours after one update of two images, in float64 on the CPU."""
    x, y = _images(2, torch.float64)
    mine = _network(width).double()
    other = deepcopy(mine)
    _ours(mine, loss)(x, y)
    make(other)(x, y)
    pairs = zip(mine.parameters(), other.parameters(), strict=True)
    return max((a - b).detach().abs().max().item() for a, b in pairs)
