"""Histograms of one number an image: outlines, with the means marked above them.

As for curves, colour and marker say the tier and the dashes of the outline say the model.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
from matplotlib.axes import Axes
from matplotlib.lines import Line2D

from privrob.plot.curves import DASHES
from privrob.plot.labels import Place, settle
from privrob.plot.style import INK, PAPER, label_axes, style
from privrob.plot.tiers import HOLLOW, check_source, tier

HATCHES = {"sgd": "", "dpsgd": "////"}
_ROWS = {"published": 1.3}  # heights of the marks, over the highest bar
ROOM = 0.24  # of the width of the axis, that words on the left of a mark may take
_OWN_ROW = 1.12


@dataclass(frozen=True)
class Histogram:
    """`shares` (B,) of the images between `edges` (B + 1,), percent, and their `mean`."""

    edges: Sequence[float]
    shares: Sequence[float]
    mean: float
    label: str
    tier: str
    source: str = ""
    model: str = ""

    def __post_init__(self) -> None:
        tier(self.tier)
        check_source(self.tier, self.source)
        if len(self.edges) != len(self.shares) + 1 or not len(self.shares):
            raise ValueError(f"{len(self.shares)} bars need one edge more, got {len(self.edges)}")


@dataclass(frozen=True)
class Mark:
    """A value on the axis, with words beside it: a mean."""

    value: float
    text: str
    tier: str = "published"
    source: str = ""


def histogram_panel(
    ax: Axes, histograms: Sequence[Histogram], *, marks: Sequence[Mark] = (), x: str
) -> None:
    """Draw outlines in percent of images; the means and `marks` stand above, the printed highest.

    Words stand to the left of the smallest mark of a row and to the right of the others; all to
    the right of the largest, in order, where there is no room on the left.
    """
    own = [Mark(h.mean, h.label, h.tier, h.source) for h in histograms]
    with style():
        label_axes(ax, y="images (%)", x=x)
        top = max(max(h.shares) for h in histograms)
        ax.set_ylim(0, 1.45 * top)
        ax.set_xlim(min(h.edges[0] for h in histograms), max(h.edges[-1] for h in histograms))
        for h in histograms:
            _draw(ax, h, top)
        for tier_word in dict.fromkeys(m.tier for m in [*own, *marks]):
            row = sorted((m for m in [*own, *marks] if m.tier == tier_word), key=lambda m: m.value)
            _draw_row(ax, row, top * _ROWS.get(tier_word, _OWN_ROW))


def histogram_rows(histograms: Sequence[Histogram], quantity: str) -> list[dict[str, object]]:
    """The drawn bars as rows for `show(..., data=...)`."""
    return [
        {
            "quantity": quantity,
            "series": h.label.replace("\n", " "),
            "tier": h.tier,
            "source": h.source,
            "from": float(low),
            "to": float(high),
            "percent": float(share),
        }
        for h in histograms
        for low, high, share in zip(h.edges[:-1], h.edges[1:], h.shares, strict=True)
    ]


def _draw(ax: Axes, h: Histogram, top: float) -> None:
    colour = tier(h.tier).colour
    x, y = outline(h)
    hatch = HATCHES.get(h.model, "")
    look: dict[str, Any] = {"linewidth": 0, "zorder": 2}
    ax.fill_between(x, y, color=colour, alpha=0.16, **look)
    if hatch:
        ax.fill_between(x, y, facecolor="none", edgecolor=colour, hatch=hatch, alpha=0.45, **look)
    ax.plot(x, y, color=colour, linestyle=DASHES.get(h.model, "-"), zorder=3)
    stem = Line2D([h.mean] * 2, [0, _OWN_ROW * top], color=colour, linewidth=1.2, zorder=2.5)
    stem.set_linestyle(DASHES.get(h.model, "-"))
    ax.add_line(stem)


def outline(h: Histogram) -> tuple[npt.NDArray[Any], npt.NDArray[Any]]:
    """The corners of the bars together, from the axis up and back to it."""
    return np.repeat(h.edges, 2), np.concatenate([[0], np.repeat(h.shares, 2), [0]])


def _draw_row(ax: Axes, marks: Sequence[Mark], height: float) -> None:
    left, right = ax.get_xlim()
    crowded = len(marks) > 1 and marks[0].value - left < ROOM * (right - left)
    for i, mark in enumerate(marks):
        look = tier(mark.tier)
        face = PAPER if mark.source == HOLLOW else look.colour
        dot = Line2D([mark.value], [height], color=look.colour, marker=look.marker)
        dot.set(markersize=7.5, markerfacecolor=face, markeredgecolor=INK, markeredgewidth=0.9)
        dot.set(linestyle="none", zorder=5, clip_on=False)
        ax.add_line(dot)
        if crowded and i < len(marks) - 1:
            continue
        words = ", ".join(m.text for m in marks) if crowded else mark.text
        note = ax.annotate(
            words, (0, 0), xytext=(0, 0), textcoords="offset points",
            annotation_clip=False, zorder=6,
        )  # fmt: skip
        side = "left" if i == 0 and len(marks) > 1 and not crowded else "right"
        places: list[Place] = [((mark.value, height), side)]
        settle(ax, [(note, places)])
