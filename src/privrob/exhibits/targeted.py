"""Membership inference by targeted examples, one towards each of the K - 1 wrong labels."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from privrob import plot
from privrob.exhibits.adversary import Rates
from privrob.exhibits.leak_sweeps import SCORE
from privrob.exhibits.leaks import AUDIT_SEED, Leak, TableRow
from privrob.membership import targeted, threshold
from privrob.membership.threshold.heldout import first_half

PERMUTATIONS = 200
Sides = tuple[NDArray, NDArray]


def targeted_sides(leak: Leak) -> Sides:
    """Log-odds of the true label at targeted examples: members (n, K - 1), others (m, K - 1)."""
    inside, outside = leak.sides("log_odds_targeted")
    return inside.T, outside.T


def targeted_rows(shown: Sequence[Leak], away: Sequence[Leak]) -> list[TableRow]:
    """For each model: I_A, the best wrong label, and a small classifier for each class.

    `shown` are of the experiment `song2019/targeted`; I_A is of the one of `away` that is of the
    same trained model, where there is one.
    """
    return [row for leak in shown for row in (*_untargeted(leak, away), *_targeted(leak))]


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


def _untargeted(leak: Leak, away: Sequence[Leak]) -> list[TableRow]:
    mine = [k for k in away if k.row.variant.train == leak.row.variant.train]
    return [_row(leak, "away from the label", *_audited(k)) for k in mine]


def _audited(leak: Leak) -> tuple[float, float, plot.Value]:
    a = leak.audit("adversarial", score=SCORE)
    ends = 100 * a.held_out.accuracy, 100 * a.interval.low, 100 * a.interval.high
    return a.official.accuracy, a.null.high, leak.value(*ends)


def _targeted(leak: Leak) -> tuple[TableRow, TableRow]:
    return _best(leak), _classifiers(leak)


def _best(leak: Leak) -> TableRow:
    sides = targeted_sides(leak)
    found = targeted.best_column(*sides, seed=AUDIT_SEED)
    null = targeted.best_column_null(*sides, permutations=PERMUTATIONS, seed=AUDIT_SEED)
    held = _held_out(leak, best_rates(*sides))
    return _row(leak, "towards the best label", found.official.accuracy, null.high, held)


def best_rates(inside: NDArray, outside: NDArray) -> Rates:
    """The rates behind `best_column(...).held_out`: label and threshold from the other half."""
    rng, found = np.random.default_rng(AUDIT_SEED), []
    sizes = len(inside), len(outside)
    halves = [first_half(np.zeros(n, np.int64), rng, "a side") for n in sizes]
    for first in (True, False):
        fit = [half == first for half in halves]
        best = targeted.best_column(inside[fit[0]], outside[fit[1]], seed=AUDIT_SEED)
        held = inside[~fit[0], best.column], outside[~fit[1], best.column]
        found.append(threshold.apply_threshold(*held, best.official.threshold))
    tpr, fpr = np.mean([(a.tpr, a.fpr) for a in found], axis=0).tolist()
    return Rates(tpr, fpr, *sizes)


def _held_out(leak: Leak, rates: Rates) -> plot.Value:
    reached = rates.reached("", leak)
    return leak.value(reached.value, reached.low, reached.high)


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
    held = _held_out(leak, Rates(found.tpr, found.fpr, len(inside), len(outside)))
    return _row(leak, "a classifier a class", None, None, held)
