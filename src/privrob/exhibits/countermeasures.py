"""What may be done about a leak: each model after a countermeasure, beside the one without.

Used as a module: `from privrob.exhibits import countermeasures`.
"""

from collections.abc import Iterator, Sequence
from functools import lru_cache

import numpy as np
import torch
from numpy.typing import NDArray
from scipy.stats import kendalltau

from privrob import plot, stats
from privrob.exhibits.leak_sweeps import ATTACKED, PERCENT, SCORE, audited, leak_lead, show_columns
from privrob.exhibits.leaks import (
    AUDIT_SEED,
    INFERENCES,
    RESAMPLES,
    Leak,
    TableRow,
    audit_of,
    inference_cells,
    leak_stamp,
)
from privrob.exhibits.notes import sentence
from privrob.lab import budgets, song_countermeasures
from privrob.lab.spec import DpSgd
from privrob.membership import scores, threshold

NAME = "song2019/countermeasures"
DELTA = budgets.DELTAS[0]
UNTOLD = "cannot be told at this size"
Sides = tuple[NDArray[np.float64], NDArray[np.float64]]


# -- temperature scaling ------------------------------------------------------------------------


def at_temperature(leak: Leak, kind: str, *, score: str, temperature: float) -> Sides:
    """A score of members and of others, from the logits that are kept, at a temperature."""
    sides = []
    for logits, labels in zip(leak.sides(f"logits_{kind}"), leak.sides("labels"), strict=True):
        g = torch.from_numpy(logits.astype(np.float64))
        warm = scores.tempered(g, temperature=temperature)
        y = torch.from_numpy(labels.astype(np.int64))
        sides.append(scores.SCORES[score](warm, y).numpy())
    return sides[0], sides[1]


@lru_cache(maxsize=256)
def _reached(leak: Leak, kind: str, score: str, temperature: float) -> plot.Reached:
    a = audit_of(leak, *at_temperature(leak, kind, score=score, temperature=temperature))
    return plot.Reached(
        f"{leak.name}, T = {temperature:g}",
        100 * a.held_out.accuracy,
        100 * a.interval.low,
        100 * a.interval.high,
        **leak.evidence,
        chosen=100 * a.official.accuracy,
        chance=100 * a.null.high,
    )


def show_temperatures(
    shown: Sequence[Leak], temperatures: Sequence[float], *, kind: str, title: str
) -> plot.Figure:
    """Attacks on the confidence and on the entropy, without the label, at each temperature."""
    columns = [
        plot.Column(
            f"{INFERENCES[kind]}, {score}",
            [_reached(leak, kind, score, t) for leak in shown for t in temperatures],
            PERCENT,
        )
        for score in ("confidence", "entropy")
    ]
    return show_columns(columns, shown, title=title, command=f"privrob run {NAME}")


def reordered(leak: Leak, kind: str, *, temperature: float) -> float:
    """The share of pairs of points that the confidence orders otherwise than at temperature 1."""
    at = (at_temperature(leak, kind, score=SCORE, temperature=t) for t in (1.0, temperature))
    before, after = (np.concatenate(sides) for sides in at)
    return (1 - float(kendalltau(before, after).statistic)) / 2


def temperatures_told(shown: Sequence[Leak], *, temperature: float, kind: str) -> plot.Figure:
    """What a temperature does to order and attack, with the paired interval, in a sentence."""
    parts = []
    for leak in shown:
        pair = (
            at_temperature(leak, kind, score="confidence", temperature=t)
            for t in (1.0, temperature)
        )
        change = _contrast(*pair)
        share = 100 * reordered(leak, kind, temperature=temperature)
        parts.append(
            f"{leak.name}: {share:.1f} % of all pairs change their order, and {INFERENCES[kind]} "
            f"from held-out thresholds {_moved(change)}"
        )
    return sentence(f"{leak_lead(shown)}, from T = 1 to T = {temperature:g}. {'; '.join(parts)}.")


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
    """Every model: accuracy of others, clean and under the attack, I_B and I_A; percent."""
    return [
        {"model": leak.name}
        | {
            head: plot.Value(leak.accuracy(kind)[1], **leak.evidence)
            for head, kind in (("accuracy", "benign"), ("under\nPGD", "adversarial"))
        }
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
            row[head] = _value(accuracy_change(before, after, kind), after)
        for kind in ATTACKED:
            row[f"{INFERENCES[kind]},\nheld out"] = _value(leak_change(before, after, kind), after)
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
    return _contrast(*(leak.sides(f"{SCORE}_{kind}") for leak in (before, after)))


def _contrast(before: Sides, after: Sides) -> Change:
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
            lowered.append(f"{after.name} ({' and '.join(names)}; {_price(before, after)})")
        else:
            rest.append(after.name)
    yes = f"The leak is lower after {'; '.join(lowered)}." if lowered else ""
    no = f"After {'; '.join(rest)} no lower leak can be told at this size." if rest else ""
    return sentence(f"{leak_lead(found)}. {' '.join(filter(None, (yes, no)))}")


def _price(before: Leak, after: Leak) -> str:
    """What the accuracy and the accuracy under PGD do, in points, where it can be told."""
    parts = []
    for name, kind in (("accuracy", "benign"), ("accuracy under PGD", "adversarial")):
        change = accuracy_change(before, after, kind)
        word = verdict(change)
        size = f"{abs(change[0]):.1f} points {word}" if word != UNTOLD else "not told apart"
        parts.append(f"{name} {size}")
    return ", ".join(parts)


def _moved(change: Change) -> str:
    value, low, high = change
    return f"moves by {_signed(value)} points ({_signed(low)} to {_signed(high)}): " + {
        "lower": "lower",
        "higher": "higher",
    }.get(verdict(change), UNTOLD)


def _signed(value: float) -> str:
    text = f"{abs(value):.1f}"
    return f"\N{MINUS SIGN}{text}" if value < 0 and text != "0.0" else text


def _value(change: Change, leak: Leak) -> plot.Value:
    return plot.Value(*change, **leak.evidence)


# -- the figure ---------------------------------------------------------------------------------


def show_trades(found: Sequence[Leak]) -> plot.Figure:
    """I_B over accuracy, and I_A over accuracy under the attack, one dot a model."""
    axes_names = {
        "benign": ("accuracy of others (%)", "I_B, held out (%)"),
        "adversarial": ("accuracy of others under PGD (%)", "I_A, held out (%)"),
    }
    figure, axes = plot.panels(2, height=9.0, share=False)
    data: list[TableRow] = []
    alt = []
    for ax, (kind, (x, y)) in zip(axes, axes_names.items(), strict=True):
        spots = [_spot(leak, kind) for leak in found]
        plot.trade_panel(ax, spots, x=x, y=y, rest=50.0)
        data += [{"panel": y} | row for row in plot.trade_rows(spots, x="accuracy", y="inference")]
        alt.append(plot.trade_alt(spots, x=x, y=y))
    return plot.show(
        figure,
        alt=f"Leakage over accuracy. {' '.join(alt)}",
        caption=f"{leak_lead(found)}: leakage over accuracy after each countermeasure. Right is "
        "more accurate, down is less leakage. Lines are 95 % intervals over the images, with "
        "thresholds from other points; at the grey line the attack guesses.",
        stamp=leak_stamp(found, f"privrob run {NAME}"),
        data=data,
    )


def _spot(leak: Leak, kind: str) -> plot.Spot:
    r = audited(leak, kind)
    return plot.Spot(leak.name, leak.accuracy(kind)[1], r.value, r.low, r.high, r.tier, r.source)


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
                f"{leak.name}: \N{GREEK SMALL LETTER EPSILON} = {eps:.3g} at "
                f"{budgets.delta_text(DELTA)}, noise multiplier {t.noise_multiplier:g}, sample "
                f"rate {t.sample_rate:.3g}, {t.updates} updates"
            )
    return sentence(f"Derived, the privacy budget. {'; '.join(parts)}.")
