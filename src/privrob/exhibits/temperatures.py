"""Temperature scaling after the fact: attacks on the kept logits of a record, divided by T.

Used as a module: `from privrob.exhibits import temperatures`.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import lru_cache
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from scipy.stats import kendalltau

from privrob import plot, stats
from privrob.exhibits.countermeasures import NAME, UNTOLD, Change, Sides, contrast, verdict
from privrob.exhibits.leak_sweeps import ATTACKED, PERCENT, SCORE, leak_lead, show_columns
from privrob.exhibits.leaks import AUDIT_SEED, INFERENCES, PERMUTATIONS, RESAMPLES, Leak
from privrob.exhibits.losses import described
from privrob.exhibits.notes import sentence
from privrob.membership import scores, threshold


def at_temperature(leak: Leak, kind: str, *, score: str, temperature: float) -> Sides:
    """A score of members and of others, from the logits that are kept, at a temperature."""
    sides = []
    for logits, labels in zip(leak.sides(f"logits_{kind}"), leak.sides("labels"), strict=True):
        g = torch.from_numpy(logits.astype(np.float64))
        warm = scores.tempered(g, temperature=temperature)
        y = torch.from_numpy(labels.astype(np.int64))
        sides.append(scores.SCORES[score](warm, y).numpy())
    return sides[0], sides[1]


@dataclass(frozen=True, eq=False)
class Tempered(Leak):
    """A model that answers at a temperature: other log-odds, and right where it was."""

    own: dict[str, NDArray[Any]]

    @property
    def arrays(self) -> dict[str, NDArray[Any]]:
        """As of any model."""
        return self.own


def tempered(leak: Leak, temperature: float) -> Tempered:
    """The model with scores at a temperature, noted 'T = 10'; from logits kept as float16."""
    own = {k: v for k, v in leak.arrays.items() if k.startswith(("labels_", "correct_"))}
    for kind in ATTACKED:
        for score in ("confidence", SCORE):
            names = (f"{score}_{kind}_train", f"{score}_{kind}_test")
            sides = at_temperature(leak, kind, score=score, temperature=temperature)
            own |= dict(zip(names, sides, strict=True))
    note = ", ".join(filter(None, (leak.row.variant.note, f"T = {temperature:g}")))
    row = replace(leak.row, variant=replace(leak.row.variant, note=note))
    return Tempered(row, leak.tier, leak.source, own)


@lru_cache(maxsize=256)
def _reached(leak: Leak, kind: str, score: str, temperature: float) -> plot.Reached:
    sides = at_temperature(leak, kind, score=score, temperature=temperature)
    ends = threshold.cross_fitted_interval(
        *sides, resamples=RESAMPLES, level=stats.LEVEL, seed=AUDIT_SEED
    )
    null = threshold.permutation_null(*sides, permutations=PERMUTATIONS, seed=AUDIT_SEED)
    return plot.Reached(
        f"{leak.name}, T = {temperature:g}",
        100 * threshold.cross_fitted(*sides, seed=AUDIT_SEED).accuracy,
        100 * ends.low,
        100 * ends.high,
        **leak.evidence,
        chosen=100 * threshold.threshold_attack(*sides).accuracy,
        chance=100 * null.high,
    )


def show(
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


def told(shown: Sequence[Leak], *, temperature: float, kind: str) -> plot.Figure:
    """What a temperature does to order and attack, with the paired interval, in a sentence."""
    parts = []
    for leak in shown:
        at = [
            at_temperature(leak, kind, score="confidence", temperature=t)
            for t in (1.0, temperature)
        ]
        change = contrast(at[0], at[1])
        share = 100 * reordered(leak, kind, temperature=temperature)
        parts.append(
            f"{described(leak)}: {share:.1f} % of all pairs change their order, and "
            f"{INFERENCES[kind]} from held-out thresholds {_moved(change)}"
        )
    return sentence(f"{leak_lead(shown)}, from T = 1 to T = {temperature:g}. {'; '.join(parts)}.")


def _moved(change: Change) -> str:
    value, low, high = change
    return f"moves by {_signed(value)} points ({_signed(low)} to {_signed(high)}): " + {
        "lower": "lower",
        "higher": "higher",
    }.get(verdict(change), UNTOLD)


def _signed(value: float) -> str:
    text = f"{abs(value):.1f}"
    return f"\N{MINUS SIGN}{text}" if value < 0 and text != "0.0" else text
