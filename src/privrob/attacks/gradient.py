"""FGSM and projected gradient descent in the l_inf ball: one step under all of them.

Common to every function here. `x` is (N, C, H, W), floating within `clip` or uint8; `y` is (N,)
int64: the true labels, or with `targeted=True` the labels to reach. `eps` and `step_size` are in
pixel units of [0, 1]. `loss` maps (logits, y) to (N,) losses, cross-entropy if None. `clip` is
the range of pixels, or None to leave results unclipped. The batch is one piece on the model's
device, where results stay; cut large sets with `evaluate.batches`.

Attacks run in eval mode. The model's parameters get no gradient, and modes and flags are as
before afterwards. ValueError, naming the value, for images outside `clip`, wrong labels, eps < 0,
step_size <= 0, steps < 1, and for a model whose logits or gradients are not finite.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from math import isfinite

import torch
from torch import Tensor, nn

from privrob import evaluate
from privrob.evaluate import Loss, eval_mode, frozen

Clip = tuple[float, float] | None
UNIT: Clip = (0.0, 1.0)


# -- the attacks --------------------------------------------------------------------------------


def fgsm(
    model: nn.Module,
    x: Tensor,
    y: Tensor,
    *,
    eps: float,
    targeted: bool = False,
    loss: Loss | None = None,
    clip: Clip = UNIT,
) -> Tensor:
    """x + eps * sign(gradient of the loss), then clipped (Eq. 3 of tursynbek2020).

    `eps` 0 gives x itself. Equals one step of `pgd` of size eps.
    """
    (x_adv,) = fgsm_grid(model, x, y, eps=[eps], targeted=targeted, loss=loss, clip=clip)
    return x_adv


def fgsm_grid(
    model: nn.Module,
    x: Tensor,
    y: Tensor,
    *,
    eps: Sequence[float],
    targeted: bool = False,
    loss: Loss | None = None,
    clip: Clip = UNIT,
) -> Iterator[Tensor]:
    """`fgsm` at each of `eps`, one after another, all from one gradient.

    The gradient is taken at once, the images one at a time as they are asked for.
    """
    radii = list(eps)
    for radius in radii:
        _check_eps(radius)
    x, goal = _goal(model, x, y, targeted, loss, clip)
    with eval_mode(model), frozen(model):
        gradient, _ = goal.gradient(x)
    goal.require_finite()
    return (_Ball.around(x, r, clip).step(x, gradient, goal.sign * r) for r in radii)


def pgd(
    model: nn.Module,
    x: Tensor,
    y: Tensor,
    *,
    eps: float,
    step_size: float,
    steps: int,
    random_start: bool,
    generator: torch.Generator | None = None,
    targeted: bool = False,
    loss: Loss | None = None,
    clip: Clip = UNIT,
) -> Tensor:
    """The last iterate of x <- project(x + step_size * sign(gradient)) (Eq. 4 of tursynbek2020).

    The projection is onto [x - eps, x + eps] and `clip`. The first iterate is x, or with
    `random_start` uniform in the ball, drawn from `generator` on that generator's device.
    """
    _check_walk(eps, step_size, steps)
    x, goal = _goal(model, x, y, targeted, loss, clip)
    ball = _Ball.around(x, eps, clip)
    x_adv = ball.draw(x, eps, generator) if random_start else x
    with eval_mode(model), frozen(model):
        for _ in range(steps):
            gradient, _ = goal.gradient(x_adv)
            x_adv = ball.step(x_adv, gradient, goal.sign * step_size)
    goal.require_finite()
    return x_adv


@dataclass(frozen=True)
class Trace:
    """One PGD run, looked at on its way.

    `x_at[s]` (N, C, H, W) and `logits_at[s]` (N, K) belong to the iterate after s steps.
    `first_success` (N,) int64 is the first iterate that fooled the model: 0 where x itself does,
    -1 where none did. So `first_success >= 0` is "fooled at some iterate", and
    `logits_at[s].argmax(1) != y` is "fooled at the last of s".
    """

    x_at: dict[int, Tensor]
    logits_at: dict[int, Tensor]
    first_success: Tensor


def pgd_trace(
    model: nn.Module,
    x: Tensor,
    y: Tensor,
    *,
    eps: float,
    step_size: float,
    snapshots: Sequence[int],
    targeted: bool = False,
    loss: Loss | None = None,
    clip: Clip = UNIT,
) -> Trace:
    """`pgd` from x itself for max(snapshots) steps, kept after each number of steps named.

    The forward pass that a step's gradient needs also tells whether its iterate fools the model,
    so the trace costs one forward pass more than the last iterate alone.
    """
    for steps in snapshots or [0]:
        _check_walk(eps, step_size, steps)
    x, goal = _goal(model, x, y, targeted, loss, clip)
    ball, x_adv = _Ball.around(x, eps, clip), x
    trace = Trace({}, {}, torch.full_like(goal.y, -1))
    with eval_mode(model), frozen(model):
        for step in range(max(snapshots)):
            gradient, g = goal.gradient(x_adv)
            _note(trace, step, snapshots, x_adv, g, goal)
            x_adv = ball.step(x_adv, gradient, goal.sign * step_size)
        _note(trace, max(snapshots), snapshots, x_adv, goal.logits(x_adv), goal)
    goal.require_finite()
    return trace


def steps_to_success(
    model: nn.Module,
    x: Tensor,
    y: Tensor,
    *,
    eps: float,
    step_size: float,
    steps: int,
    targeted: bool = False,
    loss: Loss | None = None,
    clip: Clip = UNIT,
) -> Tensor:
    """Number of PGD steps from x until each image first fools the model, (N,) int64.

    0 where x itself does, -1 where none of `steps` steps did. Equals `pgd_trace`'s
    `first_success`, but fooled images leave the batch (and `loss` sees the rest alone), which
    waits for the device once a step.
    """
    _check_walk(eps, step_size, steps)
    x, goal = _goal(model, x, y, targeted, loss, clip)
    ball, x_adv = _Ball.around(x, eps, clip), x
    first = torch.full_like(goal.y, -1)
    rows = torch.arange(len(x), device=x.device)  # of the images still in the batch
    with eval_mode(model), frozen(model):
        for step in range(steps):
            gradient, g = goal.gradient(x_adv)
            x_adv = ball.step(x_adv, gradient, goal.sign * step_size)
            fooled = goal.reached(g)
            first[rows] = torch.where(fooled, step, -1)
            keep = (~fooled | goal.bad.any(0)).nonzero().squeeze(1)
            if len(keep) == 0:
                return first
            if len(keep) < len(rows):
                rows, x_adv, ball, goal = rows[keep], x_adv[keep], ball[keep], goal[keep]
        first[rows] = torch.where(goal.reached(goal.logits(x_adv)), steps, -1)
    goal.require_finite()
    return first


def _note(
    trace: Trace, step: int, snapshots: Sequence[int], x_adv: Tensor, g: Tensor, goal: "_Goal"
) -> None:
    """Enter the iterate after `step` steps into the trace, without waiting for the device."""
    new = (trace.first_success < 0) & goal.reached(g)
    trace.first_success.masked_fill_(new, step)
    if step in snapshots:
        trace.x_at[step], trace.logits_at[step] = x_adv, g


# -- the step under them ------------------------------------------------------------------------


@dataclass(frozen=True)
class _Ball:
    """The box of images allowed: [x - eps, x + eps], cut to the range of pixels."""

    lower: Tensor
    upper: Tensor

    @classmethod
    def around(cls, x: Tensor, eps: float, clip: Clip) -> "_Ball":
        lower, upper = x - eps, x + eps
        return cls(lower, upper) if clip is None else cls(lower.clamp_(*clip), upper.clamp_(*clip))

    def step(self, x: Tensor, gradient: Tensor, size: float) -> Tensor:
        """x + size * sign(gradient), projected: the one home of both."""
        return x.add(gradient.sign(), alpha=size).clamp_(self.lower, self.upper)

    def draw(self, x: Tensor, eps: float, generator: torch.Generator | None) -> Tensor:
        """A point drawn uniformly from [x - eps, x + eps], projected."""
        device = x.device if generator is None else generator.device
        uniform = torch.rand(x.shape, generator=generator, device=device, dtype=x.dtype)
        return x.add(uniform.to(x.device).mul_(2).sub_(1), alpha=eps).clamp_(self.lower, self.upper)

    def __getitem__(self, rows: Tensor) -> "_Ball":
        return _Ball(self.lower[rows], self.upper[rows])


@dataclass(frozen=True)
class _Goal:
    """What an attack is after, and whether everything that it met on the way was finite.

    `sign` is +1 to raise the loss of y, -1 to lower it. `bad` (2, N) marks images whose logits or
    gradient were not finite at some step: read once at the end, since sign(NaN) is 0 and would
    pass for a model that cannot be attacked.
    """

    model: nn.Module
    y: Tensor
    loss: Loss
    sign: int
    bad: Tensor

    def gradient(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """Gradient of the loss at x, like x, and the logits (N, K)."""
        gradient, g = evaluate.input_gradient(self.model, x, self.y, loss=self.loss)
        # A sum is finite only if each term is, at a fraction of the cost of asking each.
        self.bad[0].logical_or_(~g.sum(1).isfinite())
        self.bad[1].logical_or_(~gradient.flatten(1).sum(1).isfinite())
        return gradient, g

    def logits(self, x: Tensor) -> Tensor:
        """The logits (N, K) alone."""
        with torch.no_grad():
            g = self.model(x)
        self.bad[0].logical_or_(~g.sum(1).isfinite())
        return g

    def reached(self, g: Tensor) -> Tensor:
        """(N,) bool: the model says something else than y, or y itself if that is the target."""
        hit = g.argmax(1) == self.y
        return hit if self.sign < 0 else ~hit

    def require_finite(self) -> None:
        for what, count in zip(("logits", "loss gradients"), self.bad.sum(1).tolist(), strict=True):
            if count:
                raise ValueError(f"model gave NaN or infinite {what} for {count} images")

    def __getitem__(self, rows: Tensor) -> "_Goal":
        return replace(self, y=self.y[rows], bad=self.bad[:, rows])


def _goal(
    model: nn.Module, x: Tensor, y: Tensor, targeted: bool, loss: Loss | None, clip: Clip
) -> tuple[Tensor, _Goal]:
    """Check images and labels, once; move them to the model's device."""
    low, high = (None, None) if clip is None else clip
    evaluate.check_images(x, low=low, high=high)
    x = evaluate.as_float(x, model).detach()
    classes = evaluate.logits(model, x[:1], bounded=False).shape[1]
    evaluate.check_labels(y, examples=len(x), classes=classes)
    bad = torch.zeros(2, len(x), dtype=torch.bool, device=x.device)
    sign = -1 if targeted else 1
    return x, _Goal(model, y.to(x.device), loss or evaluate.cross_entropy, sign, bad)


def _check_eps(eps: float) -> None:
    if not (eps >= 0 and isfinite(eps)):
        raise ValueError(f"eps must be finite and at least 0, got {eps}")


def _check_walk(eps: float, step_size: float, steps: int) -> None:
    _check_eps(eps)
    if not (step_size > 0 and isfinite(step_size)):
        raise ValueError(f"step_size must be finite and above 0, got {step_size}")
    if isinstance(steps, bool) or not isinstance(steps, int) or steps < 1:
        raise ValueError(f"steps must be an integer of at least 1, got {steps}")
