"""The walks of adversarial training: PGD's own step, unchecked, and the Lagrangian one.

They run inside every update, so nothing here waits for the device: images, labels and settings
are the caller's to check, and so is a loss that is not finite. The caller also says in which mode
the model walks, and freezes its parameters (`evaluate.frozen`) so that no work goes into them.
"""

import torch
from torch import Tensor, nn

from privrob import evaluate
from privrob.attacks.gradient import UNIT, Clip, _Ball
from privrob.evaluate import Loss


def random_start(x: Tensor, *, eps: float, generator: torch.Generator | None) -> Tensor:
    """The first iterate of `pgd` with a random start: uniform in the ball, within [0, 1]."""
    return _Ball.around(x, eps, UNIT).draw(x, eps, generator)


def ascend(
    model: nn.Module,
    x: Tensor,
    y: Tensor,
    *,
    start: Tensor,
    eps: float,
    step_size: float,
    steps: int,
    loss: Loss = evaluate.cross_entropy,
    clip: Clip = UNIT,
) -> Tensor:
    """The last iterate of `pgd`'s loop from `start`, within [x - eps, x + eps] and `clip`.

    `x`, `start` (N, C, H, W) floating; `loss` maps (logits, y) to (N,).
    """
    ball = _Ball.around(x, eps, clip)
    x_adv = start
    for _ in range(steps):
        gradient, _ = evaluate.input_gradient(model, x_adv, y, loss=loss)
        x_adv = ball.step(x_adv, gradient, step_size)
    return x_adv


def ascend_lagrangian(
    model: nn.Module, x: Tensor, y: Tensor, *, step_size: float, steps: int
) -> Tensor:
    """`steps` steps up the cross-entropy less a penalty on the distance, from x, within [0, 1].

    A step goes up by u = step_size * gradient of the summed loss, then each pixel goes back
    towards x by the mean of |u| over the whole batch. No ball bounds the result. This is the
    l_inf proximal step of song2019's code, after Sinha et al. 2018.
    """
    x_adv = x
    for _ in range(steps):
        gradient, _ = evaluate.input_gradient(model, x_adv, y)
        x_adv = proximal_step(x_adv, x, gradient.mul_(step_size))
    return x_adv


def proximal_step(x_adv: Tensor, x: Tensor, u: Tensor) -> Tensor:
    """x_adv + u - mean(|u|) * sign(x_adv + u - x), clipped to [0, 1]; all (N, C, H, W)."""
    moved = x_adv + u
    back = (moved - x).sign_().mul_(u.abs().mean())  # the mean stays on the device
    return moved.sub_(back).clamp_(0, 1)
