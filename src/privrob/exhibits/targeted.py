"""Membership inference by targeted examples: one towards each wrong label, so K - 1 scores a point.

Computed live from the weights, as no record holds so many answers.
"""

from collections.abc import Sequence
from functools import lru_cache

import torch
from numpy.typing import NDArray

from privrob import plot
from privrob.exhibits.adversary import Rates
from privrob.exhibits.check import model
from privrob.exhibits.leak_sweeps import SCORE
from privrob.exhibits.leaks import AUDIT_SEED, Leak, TableRow
from privrob.lab.context import Splits
from privrob.lab.spec import Membership
from privrob.membership import scores, targeted

PERMUTATIONS, BATCH = 200, 100
Sides = tuple[NDArray, NDArray]


@lru_cache(maxsize=8)
def targeted_sides(leak: Leak) -> Sides:
    """Log-odds of the true label at the targeted examples: members (n, K - 1), others (m, K - 1).

    Radius and steps are those of the model's record of scores.
    """
    spec = leak.row.variant.spec
    assert isinstance(spec, Membership)
    network, splits = model(leak.row), Splits(torch.device("cpu"))
    found = []
    for part in ("train", "test"):
        split = splits.get(spec.data, part)
        x, y = split.batch(torch.arange(len(split)))
        g = scores.targeted_logits(network, x, y, eps=spec.eps, steps=spec.steps, batch_size=BATCH)
        found.append(scores.targeted_scores(g, y, scores.SCORES[SCORE]).numpy())
    return found[0], found[1]


def targeted_rows(shown: Sequence[Leak]) -> list[TableRow]:
    """For each model: I_A, the best wrong label, and a small classifier for each class."""
    return [row for leak in shown for row in (_untargeted(leak), _best(leak), _classifiers(leak))]


def _row(
    leak: Leak, attack: str, chosen: float | None, high: float | None, held: plot.Value
) -> TableRow:
    return {
        "model": leak.name,
        "adversary": attack,
        "chosen on\nits points": None if chosen is None else leak.value(100 * chosen),
        "95 %\nof chance": None if high is None else leak.value(100 * high),
        "held out": held,
    }


def _untargeted(leak: Leak) -> TableRow:
    a = leak.audit("adversarial", score=SCORE)
    ends = 100 * a.held_out.accuracy, 100 * a.interval.low, 100 * a.interval.high
    held = leak.value(*ends)
    return _row(leak, "away from the label", a.official.accuracy, a.null.high, held)


def _best(leak: Leak) -> TableRow:
    sides = targeted_sides(leak)
    found = targeted.best_column(*sides, seed=AUDIT_SEED)
    null = targeted.best_column_null(*sides, permutations=PERMUTATIONS, seed=AUDIT_SEED)
    held = leak.value(100 * found.held_out)
    return _row(leak, "towards the best label", found.official.accuracy, null.high, held)


def _classifiers(leak: Leak) -> TableRow:
    inside, outside = targeted_sides(leak)
    y_in, y_out = leak.sides("labels")
    found = targeted.class_classifiers(
        inside,
        outside,
        member_labels=y_in,
        nonmember_labels=y_out,
        classes=1 + int(max(y_in.max(), y_out.max())),
        seed=AUDIT_SEED,
    )
    reached = Rates(found.tpr, found.fpr, len(inside), len(outside)).reached("", leak)
    held = leak.value(reached.value, reached.low, reached.high)
    return _row(leak, "a classifier a class", None, None, held)
