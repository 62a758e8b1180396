"""What is paid for what: one dot a model over two quantities, its name beside it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.text import Annotation

from privrob.plot.labels import Place, settle
from privrob.plot.style import INK, PAPER, label_axes, style
from privrob.plot.tiers import HOLLOW, check_source, tier

_BAND = 9.0  # points wide
SIDES = ("right", "left", "above", "below", "above right", "below right", "above left")


@dataclass(frozen=True)
class Spot:
    """One model at (`x`, `y`), in percent; `low` to `high` is the interval of y.

    `chosen`, a bar, is the value whose threshold saw the points that it is scored on; `chance`, a
    band, is what 95 % of such values do not exceed where there is nothing to infer.
    """

    name: str
    x: float
    y: float
    low: float
    high: float
    chosen: float
    chance: float
    tier: str
    source: str = ""

    def __post_init__(self) -> None:
        check_source(self.tier, self.source)
        ends = [self.x, self.y, self.low, self.high, self.chosen, self.chance]
        if not np.isfinite(ends).all() or self.low > self.high:
            raise ValueError(f"{self.name!r} needs finite values and low <= high, got {ends}")


def trade_panel(ax: Axes, spots: Sequence[Spot], *, x: str, y: str, rest: float) -> None:
    """Draw `spots` with their intervals and names; a line at `rest`, where y says nothing.

    The panel must have its final size: names are placed where they cover least.
    """
    if not spots:
        raise ValueError("spots is empty: a panel needs one")
    with style():
        label_axes(ax, y=y, x=x)
        ax.axhline(rest, color=INK, linewidth=1.0, alpha=0.7, zorder=1)
        for spot in spots:
            _draw(ax, spot, rest)
        _widen(ax, spots)
        notes = [(_note(ax, spot), _places(spot)) for spot in spots]
        settle(ax, notes)


def _draw(ax: Axes, spot: Spot, rest: float) -> None:
    look = tier(spot.tier)
    face = PAPER if spot.source == HOLLOW else look.colour
    ax.vlines([spot.x], rest, spot.chance, color=INK, linewidth=_BAND, alpha=0.16)
    # A line and no collection: names keep clear of lines.
    ax.plot([spot.x] * 2, [spot.low, spot.high], color=look.colour, linewidth=0.9, marker="")
    bar: dict[str, Any] = {
        "color": look.colour,
        "marker": "_",
        "markersize": _BAND,
        "markeredgewidth": 2.2,
    }
    ax.plot([spot.x], [spot.chosen], linestyle="none", **bar)
    (dot,) = ax.plot([spot.x], [spot.y], color=look.colour, marker=look.marker, linestyle="none")
    dot.set(markerfacecolor=face, markeredgewidth=1.4, clip_on=False, zorder=4)


def _widen(ax: Axes, spots: Sequence[Spot]) -> None:
    """Room for names on both sides."""
    ends = [s.x for s in spots]
    margin = 0.6 * (max(ends) - min(ends)) or 1.0
    ax.set_xlim(min(ends) - margin, max(ends) + margin)


def _note(ax: Axes, spot: Spot) -> Annotation:
    note = ax.annotate(spot.name, (0, 0), xytext=(0, 0), textcoords="offset points", zorder=6)
    note.set_in_layout(False)  # its first place, at 0, may be far outside
    return note


def _places(spot: Spot) -> list[Place]:
    return [((spot.x, spot.y), side) for side in SIDES]


def trade_rows(spots: Sequence[Spot], *, x: str, y: str) -> list[dict[str, object]]:
    """The drawn values as rows for `show(..., data=...)`."""
    rows: list[dict[str, object]] = []
    for s in spots:
        about: dict[str, object] = {"model": s.name, "tier": s.tier, "source": s.source}
        about |= {x: s.x, y: s.y, "low": s.low, "high": s.high}
        rows.append(about | {"chosen on its own points": s.chosen, "95 % of chance": s.chance})
    return rows


def trade_alt(spots: Sequence[Spot], *, x: str, y: str) -> str:
    """The same in words, for who listens."""
    each = "; ".join(
        f"{s.name}: {x} {s.x:.1f}, {y} {s.y:.1f} ({s.low:.1f} to {s.high:.1f}, "
        f"{s.chosen:.1f} where chance reaches {s.chance:.1f})"
        for s in spots
    )
    return f"{each}."
