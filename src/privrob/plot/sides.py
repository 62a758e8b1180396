"""Members beside non-members: one quantity's histograms, its ROC curve, the null of an attack.

Members are a filled area and non-members a line in ink, so that the two are told apart without
colour, which says the tier.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
from matplotlib.axes import Axes
from matplotlib.lines import Line2D
from matplotlib.patches import Patch

from privrob.plot.labels import Place, settle
from privrob.plot.style import INK, PAPER, label_axes, style
from privrob.plot.tiers import HOLLOW, check_source, tier

Floats = npt.NDArray[np.float64]
_FILL = 0.45
_DASHES: Any = (0, (5, 1.5))


@dataclass(frozen=True)
class Sides:
    """Shares (B,) of `members` and `nonmembers` between `edges` (B + 1,), percent; a `title`."""

    edges: Sequence[float]
    members: Sequence[float]
    nonmembers: Sequence[float]
    title: str
    tier: str
    source: str = ""

    def __post_init__(self) -> None:
        tier(self.tier)
        check_source(self.tier, self.source)
        bars = len(self.edges) - 1
        if bars < 1 or {len(self.members), len(self.nonmembers)} != {bars}:
            got = f"{len(self.members)} and {len(self.nonmembers)}"
            raise ValueError(f"{bars + 1} edges need {bars} bars of either side, got {got}")


@dataclass(frozen=True)
class Line:
    """A value on the x axis that a vertical line marks, with words at its upper end."""

    value: float
    text: str


def sides_panel(
    ax: Axes, sides: Sides, *, floor: float | None, lines: Sequence[Line] = (), x: str | None = None
) -> None:
    """Draw both histograms in percent of their side. `x=None` leaves the axis to the panel below.

    With a `floor` the y axis is logarithmic and begins there; what is rarer lies on the floor.
    """
    with style():
        label_axes(ax, y=sides.title, x=x)
        ax.set_xlim(min(sides.edges), max(sides.edges))
        highest = max(*sides.members, *sides.nonmembers)
        if floor is None:
            ax.set_ylim(0, 1.5 * highest)
        else:
            ax.set_yscale("log")
            ax.set_ylim(floor, 9 * highest)
            ax.yaxis.set_major_formatter(lambda v, _: f"{v:g}")
            ax.yaxis.set_minor_formatter(lambda v, _: "")
        _draw_both(ax, sides, floor or 0.0)
        _draw_lines(ax, lines)


def _draw_both(ax: Axes, sides: Sides, floor: float) -> None:
    colour = tier(sides.tier).colour
    x, y = _outline(sides.edges, sides.members, floor)
    ax.fill_between(x, floor, y, color=colour, alpha=_FILL, linewidth=0, zorder=2)
    ax.plot(x, y, color=colour, linewidth=0.8, zorder=2.2)
    ax.plot(
        *_outline(sides.edges, sides.nonmembers, floor), color=INK, linewidth=1.6, linestyle="-",
        zorder=3,
    )  # fmt: skip
    handles = [
        Patch(facecolor=colour, alpha=_FILL, label="members"),
        Line2D([], [], color=INK, linewidth=1.6, label="non-members"),
    ]
    ax.legend(handles=handles, frameon=False, loc="upper right", ncols=2, borderaxespad=0)


def _outline(
    edges: Sequence[float], shares: Sequence[float], floor: float
) -> tuple[Floats, Floats]:
    """The corners of the bars together, from the floor up and back to it."""
    heights = np.maximum(np.asarray(shares, dtype=np.float64), floor)
    return np.repeat(edges, 2), np.concatenate([[floor], np.repeat(heights, 2), [floor]])


def _draw_lines(ax: Axes, lines: Sequence[Line]) -> None:
    """Vertical lines; the words stand beside them where there is room, below the legend."""
    notes = []
    for line in lines:
        ax.axvline(line.value, color=INK, linewidth=1.2, linestyle=(0, (1, 1.5)), zorder=2.8)
        note = ax.annotate(
            line.text, (0, 0), xytext=(0, 0), textcoords="offset points", zorder=6,
            xycoords=ax.get_xaxis_transform(), annotation_clip=False,
        )  # fmt: skip
        places: list[Place] = [
            ((line.value, height), side)
            for height in (0.7, 0.55, 0.4)
            for side in ("right", "left")
        ]
        note.set_in_layout(False)  # its first place, at 0, may be far outside
        notes.append((note, places))
    settle(ax, notes)


def sides_rows(panels: Sequence[Sides], quantity: str) -> list[dict[str, object]]:
    """The drawn bars as rows for `show(..., data=...)`."""
    return [
        {
            "panel": s.title.replace("\n", " "),
            "quantity": quantity,
            "tier": s.tier,
            "source": s.source,
            "from": float(low),
            "to": float(high),
            "members_percent": float(inside),
            "nonmembers_percent": float(outside),
        }
        for s in panels
        for low, high, inside, outside in zip(
            s.edges[:-1], s.edges[1:], s.members, s.nonmembers, strict=True
        )
    ]


# -- what chance gives --------------------------------------------------------------------------


@dataclass(frozen=True)
class Chance:
    """Accuracies (R,) by chance, percent, with the density (G,) that theory has over `grid` (G,).

    `marks` are values to compare with, by their words; `tier` and `source` are of all.
    """

    accuracies: Sequence[float]
    grid: Sequence[float]
    density: Sequence[float]
    marks: Sequence[Line]
    title: str
    tier: str
    source: str = ""


def chance_panel(ax: Axes, chance: Chance, *, edges: Sequence[float], x: str | None) -> None:
    """Draw the accuracies as a filled histogram (percent a bin), theory as a line, the marks."""
    look, n = tier(chance.tier), len(chance.accuracies)
    bars = 100 * np.histogram(chance.accuracies, edges)[0] / n
    theory = 100 * np.asarray(chance.density) * (edges[1] - edges[0])
    with style():
        label_axes(ax, y=chance.title, x=x)
        corners, heights = _outline(edges, bars.tolist(), 0.0)
        ax.fill_between(corners, heights, color=look.colour, alpha=_FILL, linewidth=0, zorder=2)
        ax.plot(chance.grid, theory, color=INK, linewidth=1.6, linestyle=_DASHES)
        ax.set_xlim(edges[0], edges[-1])
        ax.set_ylim(0, 1.65 * max(bars.max(), theory.max()))
        handles = [
            Patch(facecolor=look.colour, alpha=_FILL, label="membership dealt anew"),
            Line2D([], [], color=INK, linestyle=_DASHES, label="closed form"),
        ]
        ax.legend(handles=handles, frameon=False, loc="upper right", ncols=2, borderaxespad=0)
        _draw_marks(ax, chance, look.marker)


def _draw_marks(ax: Axes, chance: Chance, marker: str) -> None:
    colour = tier(chance.tier).colour
    face = PAPER if chance.source == HOLLOW else colour
    top, notes = ax.get_ylim()[1], []
    # Falling from left to right, so that no stem crosses the words beside a smaller value.
    heights = np.linspace(0.72, 0.44, len(chance.marks))
    for height, mark in zip(
        top * heights, sorted(chance.marks, key=lambda m: m.value), strict=True
    ):
        stem = Line2D([mark.value] * 2, [0, height], color=colour, linewidth=1.2, zorder=3)
        dot = Line2D([mark.value], [height], color=colour, marker=marker, linestyle="none")
        dot.set(markersize=7.5, markerfacecolor=face, markeredgecolor=INK, zorder=5, clip_on=False)
        ax.add_line(stem)
        ax.add_line(dot)
        note = ax.annotate(
            mark.text, (0, 0), xytext=(0, 0), textcoords="offset points", annotation_clip=False,
            zorder=6,
        )  # fmt: skip
        places: list[Place] = [((mark.value, height), side) for side in ("right", "left", "above")]
        note.set_in_layout(False)  # its first place, at 0, may be far outside
        notes.append((note, places))
    settle(ax, notes)


# -- the curve ----------------------------------------------------------------------------------


@dataclass(frozen=True)
class RocLine:
    """A ROC curve: `tpr` over `fpr`, both (G,) and percent; `nonmembers` bound how far left."""

    fpr: Sequence[float]
    tpr: Sequence[float]
    label: str
    tier: str
    source: str = ""


def roc_panel(ax: Axes, curves: Sequence[RocLine], *, at: float) -> None:
    """Draw ROC curves on logarithmic axes, guessing dotted, the rate `at` (percent) marked.

    Dashes tell the curves of a tier apart; what has no true positive lies below the panel.
    """
    dashes = ("-", (0, (5, 1.5)), (0, (1, 1.2)), (0, (6, 1.4, 1, 1.4)))
    least = min(min(c.fpr) for c in curves)
    with style():
        label_axes(ax, y="members found (TPR, %)", x="non-members called members (FPR, %)")
        ax.set(xscale="log", yscale="log", xlim=(least, 100), ylim=(least / 3, 130))
        for axis in (ax.xaxis, ax.yaxis):
            axis.set_major_formatter(lambda v, _: f"{v:g}")
            axis.set_minor_formatter(lambda v, _: "")
        ax.plot([least, 100], [least, 100], color=INK, linewidth=1.0, linestyle=(0, (1, 2)),
                alpha=0.7, label="guessing")  # fmt: skip
        ax.axvline(at, color=INK, linewidth=1.0, alpha=0.4)
        for c in curves:
            look = tier(c.tier)
            i = [other for other in curves if other.tier == c.tier].index(c)
            (line,) = ax.plot(c.fpr, c.tpr, color=look.colour, linestyle=dashes[i % len(dashes)])
            face = PAPER if c.source == HOLLOW else look.colour
            line.set(marker=look.marker, markevery=(2 * i, 12), markerfacecolor=face, label=c.label)
        ax.legend(frameon=False, loc="lower right")


def roc_rows(curves: Sequence[RocLine]) -> list[dict[str, object]]:
    """The drawn points as rows for `show(..., data=...)`."""
    return [
        {"series": c.label, "tier": c.tier, "source": c.source, "fpr": f, "tpr": t}
        for c in curves
        for f, t in zip(c.fpr, c.tpr, strict=True)
    ]
