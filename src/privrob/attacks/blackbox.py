"""Attacks that never ask for the model's gradient: noise of full size, and Square Attack.

Where one of them leaves less accuracy than PGD of the same eps, or PGD hardly more than noise,
the gradients hide something. `x` is (N, C, H, W), floating in [0, 1] or uint8; `y` (N,) int64;
`eps` in pixel units; results are clipped to [0, 1] and lie on the model's device, as one piece.
`generator` draws on its own device. Adversarial images of another model need no function:
attack that one, evaluate this one.
"""

from math import isfinite, sqrt

import torch
from torch import Tensor, nn

from privrob import evaluate


def sign_noise(
    model: nn.Module, x: Tensor, y: Tensor, *, eps: float, generator: torch.Generator
) -> Tensor:
    """Every pixel moved by eps up or down, at random: a corner of the ball, as FGSM's is."""
    _check_eps(eps)
    evaluate.check_images(x)
    x = evaluate.as_float(x, model)
    return (x + eps * _signs(x.shape, x, generator)).clamp(0, 1)


def square(
    model: nn.Module,
    x: Tensor,
    y: Tensor,
    *,
    eps: float,
    queries: int,
    first_share: float,
    generator: torch.Generator,
) -> Tensor:
    """Square Attack in l_inf (Andriushchenko et al. 2020): random squares, kept where they help.

    Starts from vertical stripes of +-eps. Each of `queries` - 1 proposals sets a random square of
    each image to x +-eps, one sign a channel, and stays where the margin g_y - max of the others
    falls. The square covers `first_share` of the image at first, then less by the paper's
    schedule. Fooled images leave the batch, which waits for the device once a query.

    As in the paper's algorithms. The authors' code counts proposals from 0 and puts no square on
    the last row or column, which with some tens of queries fools a little more.
    """
    _check(eps, queries, first_share)
    evaluate.check_images(x)
    x = evaluate.as_float(x, model)
    y = y.to(x.device)
    evaluate.check_labels(y, examples=len(x), classes=evaluate.logits(model, x[:1]).shape[1])
    n, c, _, w = x.shape
    best = (x + eps * _signs((n, c, 1, w), x, generator)).clamp(0, 1)
    rows = torch.arange(n, device=x.device)
    margin = _margin(model, best, y)
    for query in range(1, queries):
        rows = rows[margin[rows] >= 0]
        if len(rows) == 0:
            break
        side = _side(x, first_share * _shrink(query / queries))
        new = _with_square(best[rows], x[rows], eps, side, generator)
        found = _margin(model, new, y[rows])
        better = found < margin[rows]
        best[rows[better]], margin[rows[better]] = new[better], found[better]
    return best


def _margin(model: nn.Module, x: Tensor, y: Tensor) -> Tensor:
    """Logit of y less the largest other, (N,): below zero where the model is fooled."""
    g = evaluate.logits(model, x)
    others = g.scatter(1, y[:, None], -torch.inf).amax(1)
    return g.gather(1, y[:, None]).squeeze(1) - others


def _signs(shape: tuple[int, ...] | torch.Size, like: Tensor, generator: torch.Generator) -> Tensor:
    """+1 or -1 of that shape, on the device and of the type of `like`."""
    bits = torch.randint(2, tuple(shape), generator=generator, device=generator.device)
    return bits.to(like) * 2 - 1


def _with_square(
    x_adv: Tensor, x: Tensor, eps: float, side: int, generator: torch.Generator
) -> Tensor:
    """x_adv with one square in each image, at a place of its own, set to x +-eps."""
    n, c, h, w = x.shape
    inside = _span(n, h, side, x, generator)[:, None, :, None]
    inside = inside & _span(n, w, side, x, generator)[:, None, None, :]
    moved = (x + eps * _signs((n, c, 1, 1), x, generator)).clamp(0, 1)
    return torch.where(inside, moved, x_adv)


def _span(n: int, size: int, side: int, like: Tensor, generator: torch.Generator) -> Tensor:
    """(n, size) bool: `side` neighbours out of `size`, from a random start in each row."""
    draw = torch.randint(size - side + 1, (n, 1), generator=generator, device=generator.device)
    place = torch.arange(size, device=like.device) - draw.to(like.device)
    return (place >= 0) & (place < side)


def _side(x: Tensor, share: float) -> int:
    h, w = x.shape[-2:]
    return max(1, min(round(sqrt(share * h * w)), h - 1, w - 1))


_HALVINGS = (0.001, 0.005, 0.02, 0.05, 0.1, 0.2, 0.4, 0.6, 0.8)  # of all queries; its section 3


def _shrink(done: float) -> float:
    """What is left of the first share after a share `done` of the queries."""
    return 0.5 ** sum(done > mark for mark in _HALVINGS)


def _check(eps: float, queries: int, first_share: float) -> None:
    _check_eps(eps)
    if isinstance(queries, bool) or not isinstance(queries, int) or queries < 1:
        raise ValueError(f"queries must be an integer of at least 1, got {queries!r}")
    if not 0 < first_share <= 1:
        raise ValueError(f"first_share must lie in (0, 1], got {first_share}")


def _check_eps(eps: float) -> None:
    if not (eps >= 0 and isfinite(eps)):
        raise ValueError(f"eps must be finite and at least 0, got {eps}")
