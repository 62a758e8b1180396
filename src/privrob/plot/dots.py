"""The same rows in several columns: a dot with its interval in each, names at the left."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure as Canvas

from privrob.plot.style import INK, PAPER, panels, style
from privrob.plot.tiers import HOLLOW, check_source, tier


@dataclass(frozen=True)
class Dots:
    """One column: `mean` of every row with its interval, in percent; `label` stands above it."""

    label: str
    mean: Sequence[float]
    low: Sequence[float]
    high: Sequence[float]
    tier: str
    source: str = ""

    def __post_init__(self) -> None:
        check_source(self.tier, self.source)
        lengths = {len(series) for series in (self.mean, self.low, self.high)}
        if len(lengths) > 1:
            raise ValueError(f"mean, low, high need one length, got {sorted(lengths)}")


def dot_columns(
    names: Sequence[str], columns: Sequence[Dots], *, split: int, height: float = 4.4
) -> tuple[Canvas, list[Axes]]:
    """A figure of one panel a column over the same rows; a line parts the first `split` rows."""
    if any(len(column.mean) != len(names) for column in columns):
        raise ValueError(f"{len(names)} names need as many values in every column")
    figure, axes = panels(1, len(columns), height=height)
    for ax, column in zip(axes, columns, strict=True):
        _draw(ax, column, split)
        ax.set_yticks(range(len(names)), labels=list(names) if ax is axes[0] else [])
        # The last tick of one column and the first of the next would touch.
        ax.set_xticks((0, 50, 100), labels=("0", "50", "100" if ax is axes[-1] else ""))
    axes[len(axes) // 2].set_xlabel("accuracy (%)")
    return figure, axes


def _draw(ax: Axes, column: Dots, split: int) -> None:
    look = tier(column.tier)
    mean, low, high = (np.asarray(s, dtype=float) for s in (column.mean, column.low, column.high))
    rows = np.arange(len(mean))
    face = PAPER if column.source == HOLLOW else look.colour
    with style():
        ax.hlines(rows, low, high, color=look.colour, linewidth=1.6)
        drawn = ax.plot(mean, rows, color=look.colour, marker=look.marker, linestyle="none")[0]
        drawn.set(markerfacecolor=face, markeredgewidth=1.4, clip_on=False, zorder=3)
        ax.axhline(split - 0.5, color=INK, linewidth=0.9, alpha=0.6)
        ax.set_title(column.label, loc="left", pad=8)
        ax.grid(axis="x", color=INK, alpha=0.14)
        ax.set(xlim=(0, 100), ylim=(len(mean) - 0.5, -0.5))
