"""One number a point from what a model answers; higher means member.

Common to the scores. `g` is (N, K), logits on benign or on adversarial inputs; `y` (N,) int64 the
true labels. The result is (N,) on g's device. Logits that are not finite, labels of a wrong type
or outside 0..K - 1: ValueError, naming the value. The worst-case scores take the worst-case
logits of `bounds` in the place of g.
"""

from collections.abc import Callable
from functools import partial
from math import isfinite
from types import MappingProxyType

import torch
from torch import Tensor, nn

from privrob import attacks, evaluate
from privrob.evaluate import check_labels, check_logits, log_odds

Score = Callable[[Tensor, Tensor], Tensor]

STEP_SHARE = 2.5  # the evaluation attack's step is this share of eps / steps (authors' code)


# -- from logits --------------------------------------------------------------------------------


def confidence(g: Tensor, y: Tensor) -> Tensor:
    """The softmax probability of the true label, in [0, 1]; the official score.

    In float32 it rounds to 1 for many points, which `log_odds` keeps apart in the same order.
    """
    check(g, y)
    return g.softmax(1).gather(1, y.to(g.device)[:, None]).squeeze(1)


def correctness(g: Tensor, y: Tensor) -> Tensor:
    """1 where the largest logit is the label's, else 0.

    The threshold attack on it is the gap attack: its accuracy is
    (1 + training accuracy - test accuracy) / 2, or 1/2 where that is less.
    """
    check(g, y)
    return (g.argmax(1) == y.to(g.device)).to(g.dtype)


def entropy(g: Tensor, y: Tensor) -> Tensor:
    """sum_j p_j log p_j, in [-log K, 0]: minus the entropy of the answer, blind to the label."""
    check(g, y)
    logs = g.log_softmax(1)
    return (logs.exp() * logs).sum(1)


def modified_entropy(g: Tensor, y: Tensor) -> Tensor:
    """(1 - p_y) log p_y + sum over j != y of p_j log(1 - p_j), at most 0 (Song and Mittal 2021).

    Minus the modified entropy, which is 0 for a sure and right answer and grows for one that is
    sure and wrong.
    """
    check(g, y)
    index = y.to(g.device)[:, None]
    logs, others = g.log_softmax(1), _log_complement(g)
    terms = (logs.exp() * others).scatter(1, index, 0)
    mine = others.gather(1, index).exp() * logs.gather(1, index)
    return terms.sum(1) + mine.squeeze(1)


def _log_complement(g: Tensor) -> Tensor:
    """log(1 - p_j) for every class, (N, K), exact also where p_j rounds to 1."""
    top = g.argmax(1, keepdim=True)
    rest = g.scatter(1, top, -torch.inf).logsumexp(1, keepdim=True)
    exact = rest - g.logsumexp(1, keepdim=True)
    # Only the largest probability can be near 1; log1p is exact for all others.
    return torch.log1p(-g.softmax(1).scatter(1, top, 0)).scatter(1, top, exact)


SCORES = MappingProxyType(
    {
        "confidence": confidence,
        "log_odds": log_odds,
        "entropy": entropy,
        "modified_entropy": modified_entropy,
        "correctness": correctness,
    }
)


def tempered(g: Tensor, *, temperature: float) -> Tensor:
    """The logits whose softmax is the answer at a temperature, g / T: (N, K), of any float type.

    Above 1 answers grow more even, below 1 more extreme; the largest stays the largest. For two
    classes the log-odds are divided by T, so no order of points changes. For more it may: the
    log-odds at T go to (g_y - largest of the others) / T as T falls to 0, and for large T order
    points by g_y - mean of the others. ValueError unless T is finite and above 0.
    """
    _check_temperature(temperature)
    check_logits(g, examples=len(g))
    return g / temperature


def untempered(p: Tensor, *, temperature: float) -> Tensor:
    """Answers at temperature 1 from those at T, p^T made to sum to 1: (N, K) to (N, K).

    With it an adversary who sees all K probabilities takes a known temperature back. Exact but
    for rounding: a probability that rounded to 0 stays 0.
    """
    _check_temperature(temperature)
    return (temperature * p.log()).softmax(1)


def _check_temperature(temperature: float) -> None:
    if not (temperature > 0 and isfinite(temperature)):
        raise ValueError(f"temperature must be finite and above 0, got {temperature}")


def check(g: Tensor, y: Tensor) -> None:
    """ValueError unless g is (N, K) and finite and y (N,) int64 within its classes."""
    check_logits(g, examples=len(g))
    check_labels(y, examples=len(g), classes=g.shape[1])


# -- from worst-case logits ---------------------------------------------------------------------


def worst_case_log_odds(bounds: Tensor, y: Tensor) -> Tensor:
    """-logsumexp over j != y of the upper bounds of max(g_j - g_y): verified log-odds, (N,).

    `bounds` (N, K) has entry y equal to 0, as `bounds.worst_case_logits` gives it. No point of the
    ball has smaller log-odds. A bound of +inf, which proves nothing, gives -inf.
    """
    check_labels(y, examples=len(bounds), classes=bounds.shape[1])
    index = y.to(bounds.device)[:, None]
    own = bounds.gather(1, index)
    if (own != 0).any():
        wrong = own[own != 0][0].item()
        raise ValueError(f"worst-case logits must be 0 at the true label, got {wrong:g}")
    if count := int(bounds.isnan().any(1).sum()):
        raise ValueError(f"worst-case logits must not hold NaN, got it for {count} images")
    return -bounds.scatter(1, index, -torch.inf).logsumexp(1)


def worst_case_confidence(bounds: Tensor, y: Tensor) -> Tensor:
    """softmax(bounds)_y in [0, 1], the verified worst-case confidence of I_V; `bounds` as above."""
    return worst_case_log_odds(bounds, y).sigmoid()


# -- what the model answers on adversarial inputs -----------------------------------------------


def adversarial_logits(
    model: nn.Module, x: Tensor, y: Tensor, *, eps: float, steps: int, batch_size: int
) -> Tensor:
    """Logits (N, K) at the evaluation attack's last iterates: PGD from the image itself.

    Steps of 2.5 eps / steps, projected onto the l_inf ball and [0, 1] (official code: 20 steps).
    `eps` 0 gives the benign logits. For I_A, score them with the true labels.
    """
    return _logits_at(model, x, y, eps=eps, steps=steps, batch_size=batch_size, targeted=False)


def targeted_logits(
    model: nn.Module, x: Tensor, y: Tensor, *, eps: float, steps: int, batch_size: int
) -> Tensor:
    """Logits (N, K - 1, K) at K - 1 targeted examples a point, one for each wrong label.

    Row r belongs to the r-th wrong label in ascending order. The same walk as in
    `adversarial_logits`, towards the wrong label; its cost is K - 1 times as much.
    """
    classes = evaluate.logits(model, x[:1]).shape[1]
    check_labels(y, examples=len(x), classes=classes)
    rows = []
    for rank in range(classes - 1):
        goal = rank + (y <= rank)  # skips the true label
        rows.append(
            _logits_at(model, x, goal, eps=eps, steps=steps, batch_size=batch_size, targeted=True)
        )
    return torch.stack(rows, dim=1)


def targeted_scores(g: Tensor, y: Tensor, score: Score) -> Tensor:
    """`score` of the true label at each targeted example: (N, K - 1) from `targeted_logits`."""
    if g.ndim != 3 or g.shape[1] != g.shape[2] - 1:
        raise ValueError(f"targeted logits must be (N, K - 1, K), got shape {tuple(g.shape)}")
    return score(g.flatten(0, 1), y.repeat_interleave(g.shape[1])).view(g.shape[:2])


def _logits_at(
    model: nn.Module,
    x: Tensor,
    goal: Tensor,
    *,
    eps: float,
    steps: int,
    batch_size: int,
    targeted: bool,
) -> Tensor:
    """Logits at the ends of PGD from x, away from the labels `goal` or towards them."""
    if eps == 0:  # a ball of one point, in which no step has a length
        g = evaluate.logits(model, x, batch_size=batch_size)
        check_labels(goal, examples=len(x), classes=g.shape[1])
        return g
    evaluate.check_images(x)
    step_size = STEP_SHARE * eps / max(steps, 1)  # `pgd` refuses fewer
    walk = partial(attacks.pgd, eps=eps, step_size=step_size, steps=steps, random_start=False)
    parts = [
        evaluate.logits(model, walk(model, images, labels, targeted=targeted))
        for images, labels in evaluate.batches(model, x, goal, batch_size=batch_size)
    ]
    return torch.cat(parts)
