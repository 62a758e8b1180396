"""What may be done about a leak: each model after a countermeasure, beside the one without.

Used as a module: `from privrob.exhibits import countermeasures`.
"""

from collections.abc import Iterator, Sequence
from functools import lru_cache
from typing import Any

from numpy.typing import NDArray

from privrob import plot, stats
from privrob.exhibits.leak_sweeps import ATTACKED, SCORE, audited, leak_lead
from privrob.exhibits.leaks import (
    AUDIT_SEED,
    INFERENCES,
    RESAMPLES,
    Leak,
    TableRow,
    inference_cells,
    leak_stamp,
)
from privrob.exhibits.losses import described
from privrob.exhibits.notes import sentence
from privrob.exhibits.tables import words
from privrob.lab import budgets, registry, song2019, song_countermeasures
from privrob.lab.spec import DpSgd, Training
from privrob.membership import threshold

NAME = "song2019/countermeasures"
DELTA = budgets.DELTAS[0]
UNTOLD = "cannot be told at this size"
Sides = tuple[NDArray[Any], NDArray[Any]]


# -- before and after ---------------------------------------------------------------------------


def without(leak: Leak, found: Sequence[Leak]) -> Leak | None:
    """The model of the same kind, seed, tier and members that nothing was done to."""
    note = leak.row.variant.note
    plain = ("", song_countermeasures.FEWER)
    if note in plain:
        return None
    mine = _id(leak), len(leak.sides("labels")[0])
    return next(
        (
            other
            for other in found
            if other.row.variant.note in plain
            and (_id(other), len(other.sides("labels")[0])) == mine
        ),
        None,
    )


def _id(leak: Leak) -> tuple[str, str, str, int]:
    return leak.tier, leak.source, leak.model, leak.row.variant.seed


def rows(found: Sequence[Leak]) -> list[TableRow]:
    """Every model: I_B and I_A with chance and held-out thresholds; percent."""
    return [
        {"model": leak.name}
        | inference_cells(leak, "benign", score=SCORE)
        | inference_cells(leak, "adversarial", score=SCORE)
        for leak in found
    ]


def changes(found: Sequence[Leak]) -> list[TableRow]:
    """For each countermeasure what it changes, in points with 95 % intervals, and in words."""
    table = []
    for before, after in pairs(found):
        row: TableRow = {"countermeasure": after.name}
        for head, kind in (("accuracy", "benign"), ("under\nPGD", "adversarial")):
            row[head] = after.value(*accuracy_change(before, after, kind))
        for kind in ATTACKED:
            row[f"{INFERENCES[kind]},\nheld out"] = after.value(*leak_change(before, after, kind))
        row["leak"] = leak_words(before, after)
        table.append(row)
    return table


def pairs(found: Sequence[Leak]) -> Iterator[tuple[Leak, Leak]]:
    """(without, with) for every countermeasure that has its partner."""
    for leak in found:
        before = without(leak, found)
        if before is not None:
            yield before, leak


Change = tuple[float, float, float]  # value, low, high, in points


def accuracy_change(before: Leak, after: Leak, kind: str) -> Change:
    """Of the accuracy on others, the same images before and after."""
    masks = [leak.sides(f"correct_{kind}")[1] for leak in (after, before)]
    c = stats.accuracy_contrast(*masks)
    return 100 * c.mean, 100 * c.low, 100 * c.high


@lru_cache(maxsize=256)
def leak_change(before: Leak, after: Leak, kind: str) -> Change:
    """Of the inference accuracy with held-out thresholds, the same images before and after."""
    return contrast(*(leak.sides(f"{SCORE}_{kind}") for leak in (before, after)))


def contrast(before: Sides, after: Sides) -> Change:
    """Of held-out accuracies on two scores of the same points, with the paired interval."""
    c = threshold.cross_fitted_contrast(
        before, after, resamples=RESAMPLES, level=stats.LEVEL, seed=AUDIT_SEED
    )
    return 100 * c.value, 100 * c.low, 100 * c.high


def verdict(change: Change) -> str:
    """'lower', 'higher', or that it cannot be told: where the interval holds 0."""
    _, low, high = change
    return "lower" if high < 0 else "higher" if low > 0 else UNTOLD


def leak_words(before: Leak, after: Leak) -> str:
    """The verdicts on I_B and I_A in one cell."""
    found = {INFERENCES[k]: verdict(leak_change(before, after, k)) for k in ATTACKED}
    if len(set(found.values())) == 1:
        return f"{' and '.join(found)} {next(iter(found.values()))}"
    return "; ".join(f"{name} {word}" for name, word in found.items())


def told(found: Sequence[Leak]) -> plot.Figure:
    """Which countermeasure lowers the leak and at what price, as far as it can be told."""
    lowered, rest = [], []
    for before, after in pairs(found):
        names = [
            INFERENCES[k] for k in ATTACKED if verdict(leak_change(before, after, k)) == "lower"
        ]
        if names:
            lowered.append(f"{described(after)} ({' and '.join(names)}; {_price(before, after)})")
        else:
            rest.append(described(after))
    yes = f"The leak is lower after {'; '.join(lowered)}." if lowered else ""
    no = f"After {'; '.join(rest)} no lower leak can be told at this size." if rest else ""
    return sentence(f"{leak_lead(compared(found))}. {' '.join(filter(None, (yes, no)))}")


def _price(before: Leak, after: Leak) -> str:
    """What the accuracy and the accuracy under PGD do, in points, where it can be told."""
    parts = []
    for name, kind in (("accuracy", "benign"), ("accuracy under PGD", "adversarial")):
        change = accuracy_change(before, after, kind)
        word = verdict(change)
        size = f"{abs(change[0]):.1f} points {word}" if word != UNTOLD else "not told apart"
        parts.append(f"{name} {size}")
    return ", ".join(parts)


# -- the figure ---------------------------------------------------------------------------------


AXES = {  # kind of input -> what is kept, what leaks
    "benign": ("accuracy (%)", "I_B (%)"),
    "adversarial": ("accuracy under PGD (%)", "I_A (%)"),
}


def show_trades(found: Sequence[Leak]) -> plot.Figure:
    """I_B over accuracy, and I_A over accuracy under the attack; a column of panels a training."""
    shown = compared(found)
    models = list(dict.fromkeys(leak.model for leak in shown))
    figure, axes = plot.panels(2, len(models), height=7.6, share=False)
    data: list[TableRow] = []
    alt = []
    places = [(kind, model) for kind in AXES for model in models]
    for ax, (kind, model) in zip(axes, places, strict=True):
        x, y = AXES[kind]
        y = f"{song2019.NAMES[model]}, {y}"
        spots = [_spot(leak, kind) for leak in shown if leak.model == model]
        ax.set_ylim(*_limits([_spot(leak, kind) for leak in shown]))
        plot.trade_panel(ax, spots, x=x, y=y, rest=50.0)
        data += [{"panel": y} | row for row in plot.trade_rows(spots, x="accuracy", y="inference")]
        alt.append(f"{y}, over {x}: {plot.trade_alt(spots, x='accuracy', y='inference')}")
    return plot.show(
        figure,
        alt=f"Leakage over accuracy. {' '.join(alt)}",
        caption=f"{leak_lead(shown)}: leakage over accuracy on test images, after each "
        "countermeasure. Right is more accurate, down is less leakage. Markers: thresholds from "
        "other points, with 95 % intervals over the images. Bars and bands: thresholds chosen on "
        "the very points, and what 95 % of them would not exceed if there were nothing to infer.",
        stamp=leak_stamp(shown, f"privrob run {NAME}"),
        data=data,
    )


def _limits(spots: Sequence[plot.Spot]) -> tuple[float, float]:
    """One range of leakage for all panels of a kind."""
    ends = [v for s in spots for v in (s.low, s.high, s.chosen, 50.0)]
    return min(ends) - 1, max(ends) + 1


def compared(found: Sequence[Leak]) -> list[Leak]:
    """The models of all pairs, each once, in the order of `found`."""
    there = {id(leak) for pair in pairs(found) for leak in pair}
    return [leak for leak in found if id(leak) in there]


def _spot(leak: Leak, kind: str) -> plot.Spot:
    r = audited(leak, kind)
    assert r.chosen is not None
    assert r.chance is not None
    return plot.Spot(
        leak.row.variant.note or "none",
        leak.accuracy(kind)[1],
        r.value,
        r.low,
        r.high,
        r.chosen,
        r.chance,
        **leak.evidence,
    )


# -- the private model --------------------------------------------------------------------------


def budgets_told(found: Sequence[Leak]) -> plot.Figure:
    """The privacy budget of each private training, by the book's accountants."""
    parts = []
    for leak in found:
        train = leak.row.variant.train
        if isinstance(train.training, DpSgd):
            t = budgets.training_of(train)
            eps = t.tightest(delta=DELTA)
            parts.append(
                f"{described(leak)}: {eps:.3g} at {budgets.delta_text(DELTA)}; noise "
                f"multiplier {t.noise_multiplier:g}, sample rate {t.sample_rate:.3g}, "
                f"{t.updates} updates"
            )
    return sentence(f"Derived: the privacy budget that was spent. {'; '.join(parts)}.")


# -- settings -----------------------------------------------------------------------------------


def settings() -> plot.Figure:
    """What each countermeasure adds to the training without it, in both profiles."""
    table: dict[tuple[str, str], TableRow] = {}
    for profile in ("paper", "quick"):
        variants = registry.experiment(NAME).variants(profile, seed=registry.LIVE_SEED)
        mine = {v.note: v.train.training for v in variants if v.model == "natural"}
        for note, training in mine.items():
            for setting, value in _added(training, mine[""]):
                row: TableRow = {"countermeasure": note, "setting": setting}
                table.setdefault((note, setting), row)[profile] = value
    return words(list(table.values()))


def _added(training: Training, base: Training) -> Iterator[tuple[str, Any]]:
    """The settings that a training has and the base has not; of another method, all."""
    known = registry.settings(base, labels=False)
    for setting, value in registry.settings(training, labels=False).items():
        if setting != "type" and (setting not in known or isinstance(training, DpSgd)):
            yield setting, value
