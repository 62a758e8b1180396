"""What the authors' recipes of song2019 share on all data sets (facts, section 7)."""

from math import inf
from typing import Any

from privrob.lab.spec import (
    Abstract,
    Adversarial,
    Distributional,
    Interval,
    Ramp,
    Trades,
)

ADAM: dict[str, Any] = {
    "lr": 1e-4,
    "optimizer": "adam",
    "momentum": 0.0,
    "clip_grad_norm": inf,
    "zero_nan": False,
    "augment": 0,
}
DECAY_ALL: dict[str, Any] = {"weight_decay": 5e-4, "decay_biases": True}  # TRADES and duality
CLIPPED: dict[str, Any] = {"clip_grad_norm": 1.0}  # duality and abstract interpretation


def pgd(eps: Ramp, *, step_share: float, steps: int) -> Adversarial:
    """All of each batch attacked, from a random point, in training mode."""
    return Adversarial(
        eps=eps,
        step_share=step_share,
        steps=steps,
        random_start=True,
        attack_mode="train",
        fraction=1.0,
    )


def distributional(step_size: float, *, steps: int) -> Distributional:
    """In training mode."""
    return Distributional(step_size=step_size, steps=steps, attack_mode="train")


def trades(eps: float, *, step_size: float, steps: int) -> Trades:
    """Their beta, start and detached clean branch."""
    return Trades(
        eps=eps, step_size=step_size, steps=steps, start_std=0.001, beta=1.0, detach_clean=True
    )


def boxes(eps: float, *, epoch: int) -> Abstract:
    """Twenty epochs of `epoch` updates without boxes; the boxes grow to `eps` by epoch 70.

    Of eps, 1/30 up to the 21st epoch with boxes and all of it from the 50th.
    """
    ramp = Ramp(start=41 * epoch, end=70 * epoch, low=eps / 30, high=eps)
    return Abstract(eps=ramp, plain=20 * epoch, weight=0.2, clip_input=True)


def intervals(eps: float, *, start: int, end: int) -> Interval:
    """Radius and share of the worst case rise together; half of the loss is clean in the end."""
    moments = {"start": start, "end": end, "low": 0.0}
    return Interval(eps=Ramp(**moments, high=eps), share=Ramp(**moments, high=0.5))  # type: ignore[arg-type]
