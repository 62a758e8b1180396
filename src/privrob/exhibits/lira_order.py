"""Which of two arms leaks more, and whether the order of the stored outputs survives LiRA."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

from privrob import plot, stats
from privrob.exhibits import outputs
from privrob.exhibits.leak_sweeps import leak_lead
from privrob.exhibits.leaks import INFERENCES, TableRow, leak_stamp
from privrob.exhibits.lira import (
    ATTACKS,
    COMMAND,
    OFFLINE,
    ONE,
    ONLINE,
    RANKED,
    percent,
    reached,
)
from privrob.exhibits.shadows import Arm, Floats
from privrob.exhibits.thresholds import INPUTS
from privrob.lab import song2019
from privrob.membership import threshold

ACCURACY, AREA = "held-out accuracy", "area under the ROC curve"
ATTACKS_OF = {ACCURACY: ATTACKS, AREA: RANKED}  # those that have the measure


@dataclass(frozen=True)
class Order:
    """A measure of two arms and the second's less the first's, pair by pair; shares."""

    first: stats.Summary
    second: stats.Summary
    contrast: stats.Summary

    @property
    def sign(self) -> int:
        """1 where the second arm leaks more, -1 where the first does, 0 where it cannot be told."""
        return int(self.contrast.low > 0) - int(self.contrast.high < 0)


def order(first: Arm, second: Arm, inference: str, attack: str, *, measure: str) -> Order:
    """Which of two arms leaks more, by ACCURACY or AREA; ValueError for other halves."""
    if first.members.shape != second.members.shape or (first.members != second.members).any():
        raise ValueError(f"{first.name} and {second.name} have different halves: no pairs")
    a, b = (_measured(arm, inference, attack, measure) for arm in (first, second))
    contrast = stats.paired_contrast(second.paired(b), first.paired(a))
    return Order(first.summary(a), second.summary(b), contrast)


def _measured(arm: Arm, inference: str, attack: str, measure: str) -> Floats:
    if attack not in ATTACKS_OF[measure]:
        raise ValueError(f"{attack} has no {measure}: it is no ranking by one score")
    found = reached(arm, inference, attack)
    values = found.held_out if measure == ACCURACY else found.auc
    assert values is not None
    return values


def published_sign(inference: str) -> int:
    """Which of natural and PGD leaks more in the stored outputs of Yale: 1 for PGD."""
    stored = outputs.stored("yale")
    a, b = (stored[model][f"infer-{inference}"] for model in ("natural", "pgd"))
    return int(b > a) - int(b < a)


_MORE = {1: "{1} leaks more", -1: "{0} leaks more", 0: "cannot be told"}


def order_rows(first: Arm, second: Arm, *, measure: str) -> list[TableRow]:
    """Ours under each attack, the stored outputs' accuracies first; percent and points.

    The stored ones have their thresholds chosen on the very points: chance stands beside them.
    """
    rows: list[TableRow] = []
    for inference in INPUTS:
        if measure == ACCURACY:  # all that they have
            rows.append(_stored_row(first, second, inference))
        for attack in ATTACKS_OF[measure]:
            found = order(first, second, inference, attack, measure=measure)
            row: TableRow = {"attack": f"{INFERENCES[inference]}, {attack}"}
            named = {first.name: found.first, second.name: found.second}
            for name, s in (named | {"difference": found.contrast}).items():
                row[name] = percent(first, s)
            rows.append(row | {"order": _said(first, second, found.sign)})
    return rows


def _stored_row(first: Arm, second: Arm, inference: str) -> TableRow:
    stored = outputs.stored("yale")
    row: TableRow = {"attack": f"{INFERENCES[inference]}, stored outputs"}
    a, b = (stored[arm.model][f"infer-{inference}"] for arm in (first, second))
    for name, value in ((first.name, a), (second.name, b)):
        row[name] = plot.Value(value, tier="published")
    row["difference"] = plot.Value(b - a, tier="derived")
    chance = threshold.closed_form_null(*song2019.SIZES["yale_faces"])
    row["stored: 95 %\nof chance"] = plot.Value(100 * chance.high, tier="derived")
    return row | {"order": _said(first, second, published_sign(inference))}


def _said(first: Arm, second: Arm, sign: int) -> str:
    return _MORE[sign].format(first.name, second.name)


def order_stamp(couples: Sequence[tuple[Arm, Arm]], *, measure: str) -> plot.Stamp:
    """The evidence behind `order_rows`, the stored outputs first."""
    leaks = [leak for two in couples for arm in two for leak in arm.leaks]
    stamp = leak_stamp(leaks, COMMAND)
    stored = ("published", "derived") if measure == ACCURACY else ()
    return replace(stamp, tiers=(*stored, *stamp.tiers))


def order_told(first: Arm, second: Arm, *, measure: str) -> str:
    """In sentences: whether the order of the stored outputs survives LiRA here."""
    n = f"{leak_lead(first.leaks)}, {len(first.leaks)} models an arm, by {measure}. "
    return n + " ".join(_survives(first, second, i, measure) for i in INPUTS)


def _survives(first: Arm, second: Arm, inference: str, measure: str) -> str:
    signs = {
        attack: order(first, second, inference, attack, measure=measure).sign
        for attack in (ONE, OFFLINE, ONLINE)
    }
    theirs = published_sign(inference)
    said = {a: _said(first, second, s) if s else "it cannot be told" for a, s in signs.items()}
    told = "; ".join(f"under {attack}, {words}" for attack, words in said.items())
    return (
        f"{INFERENCES[inference]}: in the stored outputs {_said(first, second, theirs)}; here, "
        f"{told}. {verdict(theirs, signs[ONE], (signs[OFFLINE], signs[ONLINE]))}"
    )


def verdict(theirs: int, one: int, ratios: tuple[int, int]) -> str:
    """In words, from the order in the stored outputs, under one threshold and under LiRA."""
    if set(ratios) == {1, -1}:
        return "LiRA's two forms contradict each other."
    sign = next((s for s in ratios if s), 0)
    if sign == 0:
        return "LiRA cannot tell the two apart, so whether the order survives stays open."
    part = "" if ratios[0] == ratios[1] else ", in one of its two forms"
    if sign != theirs:
        return f"The order does not survive LiRA{part}."
    if one == theirs:
        return f"The order survives LiRA{part}."
    seen = "does not tell the two apart" if one == 0 else "orders them the other way"
    return f"One threshold {seen} here, and LiRA finds the stored order{part}."
