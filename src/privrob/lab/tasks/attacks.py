"""Tasks that attack a trained model with FGSM and PGD."""

from collections.abc import Mapping

import numpy as np
import torch
from torch import Tensor, nn

from privrob import evaluate
from privrob.attacks import fgsm_grid, gradient
from privrob.lab.spec import Fgsm, Pgd
from privrob.lab.tasks.base import Context, Output, by_batch, right


def fgsm(spec: Fgsm, upstream: Mapping[str, Output], context: Context) -> Output:
    """FGSM at every eps of the grid.

    Arrays: `eps` (E,); `correct` (E, N) bool with pixels clipped to [0, 1] and
    `correct_unclipped` (E, N) without; `zero_gradient` (N,) bool, where every pixel's is zero.
    """
    correct, free, flat = by_batch(spec, upstream, context, _grid)
    eps = np.array(spec.eps)
    return Output(
        {"eps": eps, "correct": correct, "correct_unclipped": free, "zero_gradient": flat}
    )


def _grid(spec: Fgsm, model: nn.Module, x: Tensor, y: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """correct with and without clipping (E, B), zero gradient (B,) of one batch."""
    grid = list(fgsm_grid(model, x, y, eps=[*spec.eps, 1.0], clip=None))
    attacked, probe = grid[:-1], grid[-1]
    clipped = torch.stack(
        [right(model, x_adv.clamp(*gradient.UNIT), y) for x_adv in attacked]  # type: ignore[misc]
    )
    free = torch.stack([right(model, x_adv, y) for x_adv in attacked])
    return clipped, free, (probe == x).flatten(1).all(1)  # a sign is 0 only where the gradient is


def pgd(spec: Pgd, upstream: Mapping[str, Output], context: Context) -> Output:
    """PGD at every eps, its iterates after each of `steps`, and the first that fooled the model.

    Arrays: `eps` (E,), `steps` (S,); `correct` (E, S, N) bool and `log_odds` (E, S, N) float16 of
    the iterate after so many steps; `first_success` (E, N) int16, 0 for an image that is wrong to
    begin with and -1 for one that was never fooled.
    """
    correct, odds, first = by_batch(spec, upstream, context, _walks)
    return Output(
        {
            "eps": np.array(spec.eps),
            "steps": np.array(spec.steps),
            "correct": correct,
            "log_odds": odds,
            "first_success": first,
        }
    )


def _walks(spec: Pgd, model: nn.Module, x: Tensor, y: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """correct and log-odds (E, S, B), first success (E, B) of one batch."""
    correct, odds, first = [], [], []
    for eps in spec.eps:
        trace = gradient.pgd_trace(
            model, x, y, eps=eps, step_size=spec.step_size, snapshots=spec.steps
        )
        seen = [trace.logits_at[s] for s in spec.steps]
        correct.append(torch.stack([g.argmax(1) == y for g in seen]))
        odds.append(torch.stack([evaluate.log_odds(g, y).half() for g in seen]))
        first.append(trace.first_success.short())
    return torch.stack(correct), torch.stack(odds), torch.stack(first)
