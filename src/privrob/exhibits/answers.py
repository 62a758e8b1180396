"""Answers to clean images: who pays for privacy, class by class, and how sure the networks are."""

from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

import numpy as np

from privrob.exhibits.groups import MODELS, Estimate, Group
from privrob.exhibits.values import cell
from privrob.lab.measures import answers
from privrob.plot.curves import DASHES
from privrob.plot.style import INK, label_axes, style
from privrob.plot.tiers import tier

Row = dict[str, object]


def by_class(groups: Sequence[Group]) -> list[Row]:
    """Accuracy of both networks on each class, and the gap, of every group."""
    rows: list[Row] = []
    for g in groups:
        parts: dict[str, Estimate | None] = {
            name: g.share(partial(answers.class_accuracy, model=m)) for m, name in MODELS.items()
        }
        parts["gap, points"] = g.estimate(answers.class_gap)
        for k in range(10):
            cells = {name: e and cell(g, e, digits=2, at=k) for name, e in parts.items()}
            rows.append({"evidence": g.name, "digit": k, **cells})
    return rows


def worst_class(group: Group) -> tuple[int, float, float]:
    """The class with the largest mean gap, that gap, and the mean over the classes, points."""
    e = group.estimate(answers.class_gap)
    assert e is not None  # classes are never missing
    k = int(np.argmax(e.mean))
    return k, float(e.mean[k]), float(np.mean(e.mean))


def class_gaps(ax: Any, groups: Sequence[Group]) -> list[Row]:
    """Draw the gap of every class with its interval, groups side by side; returns what is drawn."""
    rows: list[Row] = []
    with style():
        label_axes(ax, y="SGD minus DP-SGD (percentage points)", x="digit")
        ax.axhline(0, color=INK, linewidth=1.0, alpha=0.7)
        for i, g in enumerate(groups):
            e = g.estimate(answers.class_gap)
            assert e is not None
            look, at = tier(g.tier), np.arange(10) + 0.18 * (i - (len(groups) - 1) / 2)
            ends = np.clip([e.mean - e.low, e.high - e.mean], 0, None)
            face = "none" if g.source == "quick" else look.colour
            ax.errorbar(
                at, e.mean, ends, fmt=look.marker, color=look.colour, mfc=face, capsize=2,
                label=g.name,
            )  # fmt: skip
            rows += [
                {
                    "evidence": g.name,
                    "digit": k,
                    "gap": e.mean[k],
                    "low": e.low[k],
                    "high": e.high[k],
                }
                for k in range(10)
            ]
        ax.set_xticks(range(10))
        ax.margins(y=0.2)  # room for the legend
        ax.legend(frameon=False, loc="upper left", ncol=2)
    return rows


def gaps_alt(drawn: Sequence[Row]) -> str:
    """What `class_gaps` drew, in words: each group's gap by digit, points."""
    return "The gap between SGD and DP-SGD on clean images of each digit, points. " + _by(
        drawn, ["evidence"], lambda row: f"{row['gap']:.1f} at {row['digit']}"
    )


def reliability_alt(drawn: Sequence[Row]) -> str:
    """What `reliability_curves` drew, in words; each row says of which evidence."""
    return (
        "Percent of answers that are right over their confidence, with the diagonal of a "
        "calibrated network. "
        + _by(
            drawn,
            ["evidence", "model"],
            lambda row: f"{row['right']:.0f} right at {row['confidence']:.0f}",
        )
    )


def _by(drawn: Sequence[Row], names: Sequence[str], told: Callable[[Row], str]) -> str:
    """A sentence for each series of rows, those that share what they have under `names`.

    One that is drawn in several panels is told once.
    """
    series: dict[str, dict[str, None]] = {}
    for row in drawn:
        series.setdefault(", ".join(str(row[n]) for n in names), {})[told(row)] = None
    return " ".join(f"{name}: {', '.join(parts)}." for name, parts in series.items())


def reliability_curves(ax: Any, group: Group) -> list[Row]:
    """Draw how often answers of a given confidence are right, for both networks of a group."""
    rows: list[Row] = []
    with style():
        label_axes(ax, y="right answers (%)", x="confidence of the answer (%)")
        ax.plot([0, 100], [0, 100], color=INK, linewidth=1.0, alpha=0.5, linestyle=(0, (1, 2)))
        look = tier(group.tier)
        for model, name in MODELS.items():
            sides = [answers.reliability(pair, model=model) for pair in group.pairs]
            sure, right = _mean_of_seen(np.stack(sides))
            ax.plot(
                sure, right, color=look.colour, linestyle=DASHES[model], marker=look.marker,
                label=name,
            )  # fmt: skip
            rows += [
                {"model": name, "confidence": s, "right": r}
                for s, r in zip(sure, right, strict=True)
            ]
        ax.set(xlim=(0, 101), ylim=(0, 101))
        ax.legend(frameon=False, loc="upper left")
    return rows


def _mean_of_seen(sides: Any) -> Any:
    """The mean over seeds (S, 2, B) -> (2, bins that every seed has)."""
    seen = ~np.isnan(sides).any((0, 1))
    return sides[..., seen].mean(0)


def calibration(groups: Sequence[Group]) -> list[Row]:
    """The expected calibration error of both networks of every group."""
    rows = []
    for g in groups:
        row: Row = {"evidence": g.name}
        for m, name in MODELS.items():
            e = g.estimate(partial(answers.calibration_error, model=m))
            row[f"{name}, points"] = e and cell(g, e, digits=2)
        rows.append(row)
    return rows
