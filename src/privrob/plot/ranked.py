"""Changes of single points in rank order, over the band of what chance does to the same points."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure as Canvas
from matplotlib.lines import Line2D
from matplotlib.patches import Patch

from privrob.plot.style import INK, PAPER, label_axes, panels, style
from privrob.plot.tiers import HOLLOW, check_source, tier


@dataclass(frozen=True)
class Ranked:
    """Changes (P,) of a panel and, rising as well, what chance alone would give, `band` (P,)."""

    title: str
    changes: Sequence[float]
    band: Sequence[float]
    tier: str
    source: str = ""

    def __post_init__(self) -> None:
        check_source(self.tier, self.source)
        if len(self.changes) != len(self.band) or not len(self.band):
            got = f"{len(self.changes)} and {len(self.band)}"
            raise ValueError(
                f"{self.title!r} needs as many changes as values of the band, got {got}"
            )

    @property
    def rising(self) -> list[float]:
        """The changes in rank order."""
        return sorted(self.changes)


def ranked_panels(
    shown: Sequence[Ranked], *, columns: int, y: str, names: tuple[str, str]
) -> tuple[Canvas, list[Axes]]:
    """A figure of panels of one range; `names` say what dots and band are, `y` what is drawn.

    The first panel has `y` above its title, for all.
    """
    if not shown:
        raise ValueError("shown holds no panel: a figure needs one")
    rows = -(-len(shown) // columns)
    figure, axes = panels(rows, columns, height=0.9 + 2.3 * rows, share=False)
    low, high = _limits(shown)
    for k, (ax, one) in enumerate(zip(axes, shown, strict=False)):
        _draw(ax, one)
        ax.set_ylim(low, high)
        title = one.title if k else f"{y}\n{one.title}"
        label_axes(ax, y=title, x="rank of the image" if k + columns >= len(shown) else None)
    for ax in axes[len(shown) :]:
        ax.set_visible(False)
    _legend(axes[0], shown[0], names)
    return figure, axes


def _draw(ax: Axes, one: Ranked) -> None:
    look, ranks = tier(one.tier), np.arange(1, len(one.band) + 1)
    face = PAPER if one.source == HOLLOW else look.colour
    with style():
        ax.fill_between(ranks, 0, sorted(one.band), color=INK, alpha=0.22, linewidth=0, zorder=1.5)
        ax.axhline(0, color=INK, linewidth=1.0, alpha=0.7, zorder=1)
        (dots,) = ax.plot(ranks, one.rising, color=look.colour, linestyle="none")
        dots.set(marker=look.marker, markersize=4, markerfacecolor=face, zorder=3, clip_on=False)
        ax.set_xlim(0, len(one.band) + 1)


def _limits(shown: Sequence[Ranked]) -> tuple[float, float]:
    values = [v for one in shown for v in (*one.changes, *one.band)]
    margin = 0.05 * (max(values) - min(values)) or 1.0
    return min(values) - margin, max(values) + margin


def _legend(ax: Axes, first: Ranked, names: tuple[str, str]) -> None:
    look = tier(first.tier)
    face = PAPER if first.source == HOLLOW else look.colour
    dot = Line2D([], [], color=look.colour, marker=look.marker, linestyle="none", label=names[0])
    dot.set(markersize=4, markerfacecolor=face)
    band = Patch(facecolor=INK, alpha=0.22, edgecolor="none", label=names[1])
    with style():
        ax.legend(handles=[dot, band], frameon=False, loc="upper left", borderaxespad=0)


def ranked_rows(shown: Sequence[Ranked]) -> list[dict[str, object]]:
    """The drawn values as rows for `show(..., data=...)`."""
    return [
        {"panel": one.title, "tier": one.tier, "source": one.source}
        | {"rank": k + 1, "change": change, "band": band}
        for one in shown
        for k, (change, band) in enumerate(zip(one.rising, sorted(one.band), strict=True))
    ]
