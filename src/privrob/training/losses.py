"""What is minimised, as functions (model, x, y) -> scalar mean over the batch.

`x` is (N, C, H, W), floating in [0, 1], `y` (N,) int64, both on the model's device; `eps` and
step sizes are in pixel units of [0, 1]. Settings are bound by the caller (`functools.partial`), who
also checks them: a loss runs in every update and never waits for the device.

Attacks go up the cross-entropy of each example, with the parameters frozen, so that neither work
nor gradients are left in them. `attack_mode` is the model's mode meanwhile: 'eval', or 'train',
where batch normalisation uses the attack's own batch, and its running statistics see it too.
"""

from collections.abc import Callable, Iterator
from contextlib import contextmanager

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from privrob import bounds
from privrob.attacks import walk
from privrob.evaluate import eval_mode, frozen

Loss = Callable[[nn.Module, Tensor, Tensor], Tensor]


def natural(model: nn.Module, x: Tensor, y: Tensor) -> Tensor:
    """Cross-entropy of the clean images: no defence."""
    return F.cross_entropy(model(x), y)


# -- empirical defences -------------------------------------------------------------------------


def pgd(
    model: nn.Module,
    x: Tensor,
    y: Tensor,
    *,
    eps: float,
    step_size: float,
    steps: int,
    random_start: bool,
    attack_mode: str,
    fraction: float,
    generator: torch.Generator | None,
) -> Tensor:
    """Cross-entropy of PGD examples: adversarial training (Madry et al. 2018).

    The first round(fraction * N) images of the batch are attacked, the others stay clean; with
    `fraction` 1 this is the mean of E[max CE]. The start is uniform in the ball, drawn from
    `generator`, or x itself.
    """
    count = round(fraction * len(x))
    if count == 0:
        return natural(model, x, y)
    part, labels = x[:count], y[:count]
    with _attacking(model, attack_mode):
        start = walk.random_start(part, eps=eps, generator=generator) if random_start else part
        x_adv = walk.ascend(
            model, part, labels, start=start, eps=eps, step_size=step_size, steps=steps
        )
    return natural(model, x_adv if count == len(x) else torch.cat([x_adv, x[count:]]), y)


def distributional(
    model: nn.Module, x: Tensor, y: Tensor, *, step_size: float, steps: int, attack_mode: str
) -> Tensor:
    """Cross-entropy of examples pushed against a penalty on their distance (Sinha et al. 2018).

    No radius: `step_size`, the a of song2019's code, sets how far an image may go, by the
    l_inf proximal step of `walk.proximal_step`, whose mean is taken over the batch.
    """
    with _attacking(model, attack_mode):
        x_adv = walk.ascend_lagrangian(model, x, y, step_size=step_size, steps=steps)
    return natural(model, x_adv, y)


def trades(
    model: nn.Module,
    x: Tensor,
    y: Tensor,
    *,
    eps: float,
    step_size: float,
    steps: int,
    start_std: float,
    beta: float,
    detach_clean: bool,
    generator: torch.Generator | None,
) -> Tensor:
    """CE(clean) + beta * KL(clean || adversarial): difference-based training (Zhang et al. 2019).

    The adversarial images maximise the same divergence from x + N(0, start_std^2), in eval mode.
    `detach_clean` holds the clean probabilities of the divergence fixed, as song2019's code does;
    False lets the gradient through, as the public TRADES does.
    """
    with _attacking(model, "eval"):
        with torch.no_grad():
            clean = F.log_softmax(model(x), 1)
        x_adv = walk.ascend(
            model,
            x,
            y,
            start=x + start_std * _normal(x, generator),
            eps=eps,
            step_size=step_size,
            steps=steps,
            loss=lambda g, _: divergence(clean, F.log_softmax(g, 1)),
        )
    g = model(x)
    clean = F.log_softmax(g.detach() if detach_clean else g, 1)
    gap = divergence(clean, F.log_softmax(model(x_adv), 1)).mean()
    return F.cross_entropy(g, y) + beta * gap


def divergence(log_p: Tensor, log_q: Tensor) -> Tensor:
    """KL(p || q) of each row, (N,), from log-probabilities (N, K)."""
    return F.kl_div(log_q, log_p, reduction="none", log_target=True).sum(1)


# -- verifiable defences ------------------------------------------------------------------------


def interval(
    model: nn.Module,
    x: Tensor,
    y: Tensor,
    *,
    eps: float,
    w_nom: float,
    w_ver: float,
    clip_input: bool,
) -> Tensor:
    """w_nom * CE(clean) + w_ver * CE(worst case by intervals): IBP (Gowal et al. 2018).

    With weights that sum to 1 and w_nom = kappa. A weight of 0 leaves its pass out.
    """
    clean = natural(model, x, y) if w_nom else x.new_zeros(())
    if not w_ver:
        return w_nom * clean
    worst = bounds.interval.worst_case(*_ball(model, x, eps, clip_input), y)
    return w_nom * clean + w_ver * F.cross_entropy(worst, y)


def abstract(
    model: nn.Module,
    x: Tensor,
    y: Tensor,
    *,
    eps: float,
    method: str,
    w_nom: float,
    w_ver: float,
    clip_input: bool,
) -> Tensor:
    """Mean of CE(clean) and softplus(largest bound of g_j - g_y), weighted: DiffAI's mixed loss.

    song2019's code has w_nom 1, w_ver 0.2 and the box domain, `method` 'interval'; the other
    domain is 'zonotope', for small nets.
    """
    worst = DOMAINS[method](*_ball(model, x, eps, clip_input), y)
    largest = worst.scatter(1, y[:, None], -torch.inf).amax(1)
    mixed = w_nom * natural(model, x, y) + w_ver * F.softplus(largest).mean()
    return mixed / (w_nom + w_ver)


def dual(
    model: nn.Module,
    x: Tensor,
    y: Tensor,
    *,
    eps: float,
    projections: int | None,
    clip_input: bool,
    generator: torch.Generator | None,
) -> Tensor:
    """Cross-entropy of the dual's worst case (Wong & Kolter 2018), with no clean part.

    `projections` None takes every l1 norm exactly, for small nets. A number of them estimates the
    hidden ones by that many Cauchy vectors drawn from `generator`, which is the model's device's:
    what is minimised then is no bound.
    """
    ball = _ball(model, x, eps, clip_input)
    if projections is None:
        return F.cross_entropy(bounds.dual.worst_case(*ball, y, intermediate="dual"), y)
    if generator is None:
        raise ValueError(f"{projections} projections need a generator, got None")
    worst = bounds.dual.estimate(*ball, y, projections=projections, generator=generator)
    return F.cross_entropy(worst, y)


DOMAINS: dict[str, Callable[..., Tensor]] = {
    "interval": bounds.interval.worst_case,
    "zonotope": bounds.zonotope.worst_case,
}


def _ball(
    model: nn.Module, x: Tensor, eps: float, clip_input: bool
) -> tuple[list[nn.Module], Tensor, Tensor]:
    """The model's layers and the corners of the ball, no value looked at."""
    return bounds.chain(model), *bounds.ball(x, eps=eps, clip_input=clip_input)


# -- what they share ----------------------------------------------------------------------------


@contextmanager
def _attacking(model: nn.Module, mode: str) -> Iterator[None]:
    """Parameters frozen; eval mode, or the training mode that the model is in."""
    if mode not in ("train", "eval"):
        raise ValueError(f"attack_mode must be 'train' or 'eval', got {mode!r}")
    if mode == "train":
        with frozen(model):
            yield
    else:
        with eval_mode(model), frozen(model):
            yield


def _normal(x: Tensor, generator: torch.Generator | None) -> Tensor:
    device = x.device if generator is None else generator.device
    return torch.randn(x.shape, generator=generator, device=device, dtype=x.dtype).to(x.device)
