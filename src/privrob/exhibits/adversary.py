"""What the adversary of song2019 must know: the radius, the threshold, or labels alone.

A threshold comes from the target's own points, which no adversary has, or from a shadow model,
trained alike on the half of the images that the target does not have.
"""

from collections.abc import Sequence
from typing import NamedTuple

from numpy.typing import NDArray

from privrob import plot, stats
from privrob.exhibits.leak_sweeps import ATTACKED, PERCENT, SCORE, audited, gap_column, show_columns
from privrob.exhibits.leaks import INFERENCES, Leak, TableRow
from privrob.lab import song2019
from privrob.membership import threshold

OWN, SHADOW, LABELS = "own points", "shadow", "labels alone"
BY_CLASS = ", by class"


class Rates(NamedTuple):
    """Shares that are called members, of `members` and of `others` points."""

    tpr: float
    fpr: float
    members: int
    others: int

    def reached(self, row: str, leak: Leak) -> plot.Reached:
        """The balanced accuracy in percent; interval over points, thresholds taken as given."""
        k, n = round(self.tpr * self.members), self.members
        ends = stats.difference_interval(k, n, round(self.fpr * self.others), self.others)
        value, low, high = (50 + 50 * d for d in (self.tpr - self.fpr, ends.low, ends.high))
        return plot.Reached(row, value, low, high, **leak.evidence)


# -- thresholds ---------------------------------------------------------------------------------


def shadow_rates(target: Leak, shadow: Leak, inference: str) -> Rates:
    """One threshold, the best on the shadow's members and others, applied to the target."""
    found = threshold.threshold_attack(*_scores(shadow, inference)).threshold
    inside, outside = _scores(target, inference)
    applied = threshold.apply_threshold(inside, outside, found)
    return Rates(applied.tpr, applied.fpr, len(inside), len(outside))


def class_shadow_rates(target: Leak, shadow: Leak, inference: str) -> Rates:
    """The same with the shadow's best threshold of each class."""
    classes = 1 + max(int(side.max()) for side in shadow.sides("labels"))
    y_in, y_out = shadow.sides("labels")
    found = threshold.class_thresholds(
        *_scores(shadow, inference), member_labels=y_in, nonmember_labels=y_out, classes=classes
    )
    inside, outside = _scores(target, inference)
    y_in, y_out = target.sides("labels")
    applied = threshold.apply_class_thresholds(
        inside, outside, found.thresholds, member_labels=y_in, nonmember_labels=y_out
    )
    return Rates(applied.tpr, applied.fpr, len(inside), len(outside))


def label_rates(target: Leak, inference: str) -> Rates:
    """The gap attack: who is answered rightly is called a member. Nothing is chosen."""
    inside, outside = target.sides(f"correct_{inference}")
    return Rates(float(inside.mean()), float(outside.mean()), len(inside), len(outside))


def _scores(leak: Leak, inference: str) -> tuple[NDArray, NDArray]:
    return leak.sides(f"{SCORE}_{inference}")


# -- kinds of knowledge -------------------------------------------------------------------------


def shadow_pairs(found: Sequence[Leak]) -> list[tuple[Leak, Leak]]:
    """(target, shadow): models of one kind, seed and tier on the first two halves, both ways."""
    others = {"half 0": "half 1", "half 1": "half 0"}
    by_id = {(*_id(m), m.row.variant.note): m for m in found}
    pairs = [(m, by_id.get((*_id(m), others.get(m.row.variant.note, "")))) for m in found]
    return [(target, shadow) for target, shadow in pairs if shadow]


def _id(leak: Leak) -> tuple[str, str, int]:
    return leak.tier, leak.model, leak.row.variant.seed


def knowledge(target: Leak, shadow: Leak, inference: str) -> list[plot.Reached]:
    """The accuracy of each adversary, from the one who knows most to the one who knows least."""
    name = song2019.NAMES[target.model]
    return [
        audited(target, inference, row=f"{name}, {OWN}"),
        _own_by_class(target, inference, f"{name}, {OWN}{BY_CLASS}"),
        shadow_rates(target, shadow, inference).reached(f"{name}, {SHADOW}", target),
        class_shadow_rates(target, shadow, inference).reached(
            f"{name}, {SHADOW}{BY_CLASS}", target
        ),
        label_rates(target, inference).reached(f"{name}, {LABELS}", target),
    ]


def _own_by_class(target: Leak, inference: str, row: str) -> plot.Reached:
    a = target.audit(inference, score=SCORE)
    held = a.class_held_out
    reached = Rates(held.tpr, held.fpr, a.members, a.nonmembers).reached(row, target)
    chosen, chance = 100 * a.by_class.accuracy, 100 * a.class_null.high
    ends = reached.value, reached.low, reached.high
    return plot.Reached(row, *ends, **target.evidence, chosen=chosen, chance=chance)


def knowledge_columns(pairs: Sequence[tuple[Leak, Leak]]) -> list[plot.Column]:
    """I_B and I_A of every adversary, for each target."""
    return [
        plot.Column(INFERENCES[i], [r for pair in pairs for r in knowledge(*pair, i)], PERCENT)
        for i in ATTACKED
    ]


def show_knowledge(pairs: Sequence[tuple[Leak, Leak]], *, title: str) -> plot.Figure:
    """The figure of `knowledge_columns`."""
    targets = [target for target, _ in pairs]
    return show_columns(
        knowledge_columns(pairs), targets, title=title, command="privrob run song2019/two-halves"
    )


def knowledge_rows(pairs: Sequence[tuple[Leak, Leak]]) -> list[TableRow]:
    """A row for each adversary and target: held-out, chosen on its own points, chance."""
    rows = []
    for target, shadow in pairs:
        columns = [(INFERENCES[i], knowledge(target, shadow, i)) for i in ATTACKED]
        for k, first in enumerate(columns[0][1]):
            row: TableRow = {"adversary": f"{first.row} ({target.row.variant.note})"}
            for name, found in columns:
                row |= _cells(name, found[k])
            rows.append(row)
    return rows


def _cells(name: str, r: plot.Reached) -> TableRow:
    def cell(value: float, low: float | None = None, high: float | None = None) -> plot.Value:
        return plot.Value(value, low, high, tier=r.tier, source=r.source, digits=1)

    cells: TableRow = {name: cell(r.value, r.low, r.high)}
    for head, value in (("own\nthreshold", r.chosen), ("95 %\nof chance", r.chance)):
        cells[f"{name}, {head}"] = None if value is None else cell(value)
    return cells


# -- another radius -----------------------------------------------------------------------------


def show_other_eps(shown: Sequence[Leak], *, title: str) -> plot.Figure:
    """I_A and the adversarial gap, by the radius that is assumed."""
    columns = [
        plot.Column("I_A", [audited(leak, "adversarial") for leak in shown], PERCENT),
        gap_column(shown),
    ]
    return show_columns(columns, shown, title=title, command="privrob run song2019/other-eps")
