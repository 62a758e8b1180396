"""Accuracies of membership attacks in rows: what was reached, and what chance would reach."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure as Canvas
from matplotlib.ticker import MaxNLocator

from privrob.plot.style import INK, PAPER, panels, style
from privrob.plot.tiers import HOLLOW, check_source, tier

SPREAD = 0.5  # of the height of a row, over which its dots are spread


@dataclass(frozen=True)
class Reached:
    """One value of `row` with its interval, in percent or points, drawn as a dot.

    `chosen`, a bar across the row, is the value whose threshold saw the points that it is scored
    on; `chance`, a band from `rest` on, is what 95 % of such values do not exceed where there is
    nothing to infer. Both None where nothing was chosen.
    """

    row: str
    value: float
    low: float
    high: float
    tier: str
    source: str = ""
    chosen: float | None = None
    chance: float | None = None

    def __post_init__(self) -> None:
        check_source(self.tier, self.source)
        ends = [self.value, self.low, self.high]
        if not np.isfinite(ends).all() or self.low > self.high:
            raise ValueError(f"{self.row!r} needs finite value and low <= high, got {ends}")
        if (self.chosen is None) != (self.chance is None):
            raise ValueError(f"{self.row!r}: chosen and chance are given together or not at all")


@dataclass(frozen=True)
class Column:
    """One panel: its `title`, what chance gives at `rest`, and its values; `x` names the axis."""

    title: str
    reached: Sequence[Reached]
    x: str
    rest: float = 50.0


def chance_columns(columns: Sequence[Column]) -> tuple[Canvas, list[Axes]]:
    """A figure of panels side by side over the same rows, in the order of their first mention.

    Several values of a row, seeds or tiers, stand below one another within it.
    """
    names = list(dict.fromkeys(r.row for column in columns for r in column.reached))
    if not names:
        raise ValueError("columns hold no value: a figure needs one")
    figure, axes = panels(1, len(columns), height=1.5 + 0.42 * len(names))
    for ax, column in zip(axes, columns, strict=True):
        _draw(ax, column, names)
        ax.set_yticks(range(len(names)), labels=names if ax is axes[0] else [])
        ax.set_xlim(*_limits([c for c in columns if c.x == column.x]))
    return figure, axes


def _limits(alike: Sequence[Column]) -> tuple[float, float]:
    """One range for all columns of the same quantity, so that they compare."""
    values = [c.rest for c in alike]
    for r in (r for c in alike for r in c.reached):
        values += [v for v in (r.low, r.high, r.value, r.chosen, r.chance) if v is not None]
    margin = 0.04 * (max(values) - min(values)) or 1.0
    return min(values) - margin, max(values) + margin


def _draw(ax: Axes, column: Column, names: Sequence[str]) -> None:
    with style():
        ax.axvline(column.rest, color=INK, linewidth=1.0, alpha=0.7, zorder=1)
        for k, name in enumerate(names):
            mine = [r for r in column.reached if r.row == name]
            for at, reached in zip(_heights(k, len(mine)), mine, strict=True):
                _draw_one(ax, reached, at, column.rest, SPREAD / len(mine))
        ax.set_title(column.title, loc="left", pad=8)
        ax.set_xlabel(column.x)
        ax.grid(axis="y", visible=False)
        ax.grid(axis="x", color=INK, alpha=0.14)
        ax.xaxis.set_major_locator(MaxNLocator(nbins=3, integer=True))
        ax.set_ylim(len(names) - 0.5, -0.5)


def _heights(row: int, count: int) -> list[float]:
    """Where `count` dots of a row stand: its middle, or evenly spread around it."""
    return [row + SPREAD * ((i + 0.5) / count - 0.5) for i in range(count)]


def _draw_one(ax: Axes, reached: Reached, at: float, rest: float, height: float) -> None:
    look = tier(reached.tier)
    if reached.chance is not None and reached.chosen is not None:
        bar = [at - height / 2, at + height / 2]
        ax.fill_betweenx(bar, rest, reached.chance, color=INK, alpha=0.16, lw=0)
        ax.plot([reached.chosen] * 2, bar, color=look.colour, linewidth=2.2, zorder=3)
    ax.hlines([at], reached.low, reached.high, color=look.colour, linewidth=1.6, zorder=2)
    face = PAPER if reached.source == HOLLOW else look.colour
    (dot,) = ax.plot([reached.value], [at], color=look.colour, marker=look.marker, linestyle="none")
    dot.set(markerfacecolor=face, markeredgewidth=1.4, clip_on=False, zorder=4)


def chance_rows(columns: Sequence[Column]) -> list[dict[str, object]]:
    """The drawn values as rows for `show(..., data=...)`."""
    return [
        {"quantity": column.title, "row": r.row, "tier": r.tier, "source": r.source}
        | {"value": r.value, "low": r.low, "high": r.high}
        | {"chosen on its own points": r.chosen, "95 % of chance": r.chance}
        for column in columns
        for r in column.reached
    ]


def chance_alt(columns: Sequence[Column]) -> str:
    """The same in words, for who listens; with the tiers where there are several."""
    several = len({(r.tier, r.source) for c in columns for r in c.reached}) > 1
    return " ".join(
        f"{c.title}: {'; '.join(_told(r, tier=several) for r in c.reached)}." for c in columns
    )


def _told(r: Reached, *, tier: bool) -> str:
    name = f"{r.row}, {r.source or r.tier}," if tier else r.row
    chance = "" if r.chosen is None else f", {r.chosen:.1f} where chance reaches {r.chance:.1f}"
    return f"{name} {r.value:.1f} ({r.low:.1f} to {r.high:.1f}{chance})"
