"""Membership inference by targeted examples, one towards each of the K - 1 wrong labels."""

from collections.abc import Sequence

from numpy.typing import NDArray

from privrob import plot
from privrob.exhibits.adversary import Rates
from privrob.exhibits.leak_sweeps import SCORE
from privrob.exhibits.leaks import AUDIT_SEED, Leak, TableRow, attack_values
from privrob.membership import targeted
from privrob.membership.threshold import CrossFitted

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
    return [row for leak in shown for row in _rows(leak, away)]


def _rows(leak: Leak, away: Sequence[Leak]) -> list[TableRow]:
    return [*_untargeted(leak, away), _best(leak), _classifiers(leak)]


def _row(
    leak: Leak,
    attack: str,
    chosen: plot.Value | None,
    high: plot.Value | None,
    held: plot.Value,
) -> TableRow:
    return {
        "model": leak.name,
        "adversary": attack,
        "chosen on\nits points": chosen,
        "95 %\nof chance": high,
        "held out": held,
    }


def _untargeted(leak: Leak, away: Sequence[Leak]) -> list[TableRow]:
    mine = [k for k in away if k.row.variant.train == leak.row.variant.train]
    found = (attack_values(k, "adversarial", score=SCORE) for k in mine)
    return [_row(leak, "away from the label", *values) for values in found]


def _best(leak: Leak) -> TableRow:
    sides = targeted_sides(leak)
    found = targeted.best_column(*sides, seed=AUDIT_SEED)
    null = targeted.best_column_null(*sides, permutations=PERMUTATIONS, seed=AUDIT_SEED)
    chosen, high = (leak.value(100 * v) for v in (found.official.accuracy, null.high))
    return _row(leak, "towards a label, the best place", chosen, high, _held_out(leak, found))


def _held_out(leak: Leak, found: targeted.ColumnAttack | CrossFitted) -> plot.Value:
    inside, outside = targeted_sides(leak)
    reached = Rates(found.tpr, found.fpr, len(inside), len(outside)).reached("", leak)
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
    return _row(leak, "a classifier a class", None, None, _held_out(leak, found))
