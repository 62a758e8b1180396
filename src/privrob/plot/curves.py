"""Accuracy against perturbation radius, and the gap between two models: lines, bands, labels.

Colour and marker say the tier, the line's dashes say the model, a hollow marker says that a
quick model stands behind it. Every line belongs to one curve and a curve to one tier, so no line
ever joins two tiers. Values are in percent, gaps in percentage points.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
from matplotlib.axes import Axes
from matplotlib.lines import Line2D
from matplotlib.text import Annotation
from matplotlib.transforms import blended_transform_factory

from privrob.plot.labels import SIDES, Note, label_ends, settle
from privrob.plot.style import EPS_LABEL, INK, PAPER, label_axes, style
from privrob.plot.tiers import HOLLOW, check_source, tier

# Matplotlib's dash patterns, in line widths. A model keeps its pattern on every page.
DASHES: dict[str, Any] = {"": "-", "sgd": "-", "dpsgd": (0, (4, 1.6))}
SPARE_DASHES: tuple[Any, ...] = ((0, (1, 1.3)), (0, (6, 1.4, 1, 1.4)), (0, (8, 2)), (0, (2, 2.2)))

MARKERS_PER_CURVE = 6
BAND_ALPHA = 0.25


@dataclass(frozen=True)
class Curve:
    """One series: `mean` over `eps` with its interval from `low` to `high`, in percent.

    `tier` is recorded, executed or derived; published values are points, see `Anchor`. `source`
    is "quick" or "zoo" for executed values and empty otherwise. `model` chooses the dashes;
    `label` stands at the line's end.
    """

    eps: Sequence[float]
    mean: Sequence[float]
    low: Sequence[float]
    high: Sequence[float]
    label: str
    tier: str
    source: str = ""
    model: str = ""

    def __post_init__(self) -> None:
        tier(self.tier)
        check_source(self.tier, self.source)
        if self.tier == "published":
            raise ValueError("published values are points: pass them as anchors, not as a curve")
        lengths = [len(series) for series in (self.eps, self.mean, self.low, self.high)]
        if len(set(lengths)) > 1 or not lengths[0]:
            raise ValueError(f"eps, mean, low, high need one length above 0, got {lengths}")
        if not np.isfinite([*self.eps, *self.mean, *self.low, *self.high]).all():
            raise ValueError(f"curve {self.label!r} holds a value that is not finite")


@dataclass(frozen=True)
class Anchor:
    """A single value: a point with `text` on the `side` given, or where it covers least."""

    eps: float
    value: float
    text: str = ""
    tier: str = "published"
    side: str = ""

    def __post_init__(self) -> None:
        tier(self.tier)
        if self.side and self.side not in SIDES:
            raise ValueError(f"side {self.side!r} is unknown; it is one of {', '.join(SIDES)}")


@dataclass(frozen=True)
class Reference:
    """A level to compare with, drawn as a thin dotted line across the panel."""

    value: float
    text: str
    tier: str = "published"


def accuracy_curves(
    ax: Axes, curves: Sequence[Curve], *, anchors: Sequence[Anchor] = (), x: str | None = EPS_LABEL
) -> None:
    """Draw accuracy in percent from 0 to 100. `x=None` leaves the axis to the panel below."""
    with style():
        ax.set_ylim(0, 112)  # room for the words of a point near 100
        label_axes(ax, y="accuracy (%)", x=x)
        _draw_all(ax, curves, anchors)


def gap_panel(
    ax: Axes,
    gaps: Sequence[Curve],
    *,
    anchors: Sequence[Anchor] = (),
    references: Sequence[Reference] = (),
    y: str = "gap (percentage points)",
    x: str | None = EPS_LABEL,
) -> None:
    """Draw paired differences with their intervals, a zero line, and levels such as the clean gap.

    The differences and intervals come ready: pairing by seed or by example is the caller's.
    """
    with style():
        label_axes(ax, y=y, x=x)
        ax.axhline(0, color=INK, linewidth=1.0, alpha=0.7, zorder=1)
        _draw_all(ax, gaps, anchors, references)


def curve_rows(
    curves: Sequence[Curve], anchors: Sequence[Anchor] = (), *, quantity: str = "accuracy_percent"
) -> list[dict[str, object]]:
    """The drawn values as rows for `show(..., data=...)`; add the rows of several panels."""
    rows: list[dict[str, object]] = []
    for curve in curves:
        about = {"quantity": quantity, "series": curve.label.replace("\n", " ")}
        about |= {"tier": curve.tier, "source": curve.source}
        for eps, mean, low, high in zip(curve.eps, curve.mean, curve.low, curve.high, strict=True):
            rows.append({**about, "eps": eps, "value": mean, "low": low, "high": high})
    for anchor in anchors:
        about = {"quantity": quantity, "series": anchor.text, "tier": anchor.tier, "source": ""}
        rows.append({**about, "eps": anchor.eps, "value": anchor.value, "low": "", "high": ""})
    return rows


def _draw_all(
    ax: Axes,
    curves: Sequence[Curve],
    anchors: Sequence[Anchor],
    references: Sequence[Reference] = (),
) -> None:
    _limit_x(ax, [*(eps for curve in curves for eps in curve.eps), *(a.eps for a in anchors)])
    dashes = _dashes(curves)
    lines = [_draw_curve(ax, c, dashes[c.model], phase=i) for i, c in enumerate(curves)]
    notes = [_draw_anchor(ax, anchor) for anchor in anchors]
    notes += [_draw_reference(ax, reference) for reference in references]
    label_ends(ax, lines, [curve.label for curve in curves])
    settle(ax, [note for note in notes if note is not None])


def _limit_x(ax: Axes, eps: Sequence[float]) -> None:
    # Lines end at the right edge, where their labels begin.
    if eps and min(eps) < max(eps):
        ax.set_xlim(min(eps) - 0.025 * (max(eps) - min(eps)), max(eps))


def _dashes(curves: Sequence[Curve]) -> dict[str, Any]:
    """The pattern of every model; models without one of their own take the spare ones in turn."""
    spare = iter(SPARE_DASHES)
    chosen: dict[str, Any] = {}
    for model in dict.fromkeys(curve.model for curve in curves):
        known = DASHES.get(model.lower().replace("-", ""))
        chosen[model] = known if known is not None else next(spare, "-")
    return chosen


def _draw_curve(ax: Axes, curve: Curve, dashes: Any, *, phase: int) -> Line2D:
    x, mean, low, high = (_array(s) for s in (curve.eps, curve.mean, curve.low, curve.high))
    look = tier(curve.tier)
    ax.fill_between(x, low, high, color=look.colour, alpha=BAND_ALPHA, linewidth=0, zorder=2)
    (line,) = ax.plot(x, mean, color=look.colour, linestyle=dashes, label=curve.label, zorder=3)
    every = max(1, round(len(x) / MARKERS_PER_CURVE))
    # Each curve starts its markers elsewhere, so that near neighbours do not hide each other's.
    line.set(marker=look.marker, markevery=(phase % every, every), clip_on=False)
    face = PAPER if curve.source == HOLLOW else look.colour
    line.set(markerfacecolor=face, markeredgecolor=look.colour, markeredgewidth=1.4)
    return line


def _array(series: Sequence[float]) -> npt.NDArray[np.float64]:
    return np.asarray(series, dtype=np.float64)


def _draw_anchor(ax: Axes, anchor: Anchor) -> Note | None:
    look = tier(anchor.tier)
    at = (anchor.eps, anchor.value)
    dot = Line2D([at[0]], [at[1]], color=look.colour, marker=look.marker, linestyle="none")
    # A rim in ink keeps the point apart from the bands that it may lie on.
    dot.set(markersize=7.5, markeredgecolor=INK, markeredgewidth=0.9, zorder=5, clip_on=False)
    ax.add_line(dot)
    if not anchor.text:
        return None
    sides = [anchor.side] if anchor.side else list(SIDES)
    return _note(ax, anchor.text, "data"), [(at, side) for side in sides]


def _draw_reference(ax: Axes, reference: Reference) -> Note:
    colour = tier(reference.tier).colour
    ax.axhline(reference.value, color=colour, linewidth=1.3, linestyle=(0, (1, 2)), zorder=1.5)
    across = blended_transform_factory(ax.transAxes, ax.transData)
    places = [((1.0, reference.value), side) for side in ("above left", "below left")]
    places += [((0.0, reference.value), side) for side in ("below right", "above right")]
    return _note(ax, reference.text, across), places


def _note(ax: Axes, text: str, coordinates: Any) -> Annotation:
    """Words whose place is chosen when all else is drawn."""
    where: dict[str, Any] = {"xycoords": coordinates, "textcoords": "offset points"}
    return ax.annotate(text, (0, 0), xytext=(0, 0), annotation_clip=False, zorder=6, **where)
