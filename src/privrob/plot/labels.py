"""Places for words inside and beside a panel: no legend box, and nothing written over a curve."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
from matplotlib.axes import Axes
from matplotlib.lines import Line2D
from matplotlib.text import Annotation
from matplotlib.transforms import (
    Affine2D,
    Bbox,
    BboxTransformTo,
    ScaledTranslation,
    Transform,
    blended_transform_factory,
)
from scipy.optimize import isotonic_regression

from privrob.plot.style import FONT_SIZE

Array = npt.NDArray[np.float64]
Place = tuple[tuple[float, float], str]  # the point that is meant, and the side of it
Note = tuple[Annotation, Sequence[Place]]

# Offset in points, horizontal and vertical alignment of the text, in order of preference.
SIDES: dict[str, tuple[tuple[float, float], str, str]] = {
    "right": ((9, 0), "left", "center_baseline"),
    "above": ((0, 8), "center", "bottom"),
    "below": ((0, -8), "center", "top"),
    "left": ((-9, 0), "right", "center_baseline"),
    "above right": ((6, 6), "left", "bottom"),
    "below right": ((6, -6), "left", "top"),
    "above left": ((-6, 6), "right", "bottom"),
    "below left": ((-6, -6), "right", "top"),
}

# Beside the panel, in points from its edge: a leader up to the sample of the line, then words.
_SAMPLE = (15, 38)
_WORDS = 44


def label_ends(ax: Axes, lines: Sequence[Line2D], texts: Sequence[str]) -> None:
    """Name every line right of its end: a thin leader, a sample of the line, the words.

    The samples are copies of the look alone, so that they never join two lines.
    """
    if not lines:
        return
    beside = _beside(ax)
    loose: dict[str, Any] = {"transform": beside, "clip_on": False, "zorder": 2}
    for line, text, y in zip(lines, texts, _heights(ax, lines, texts), strict=True):
        _draw_leader(ax, line, (_SAMPLE[0], y), beside)
        sample = Line2D(_SAMPLE, [y, y])
        sample.update_from(line)
        sample.set(**loose, markevery=[1])
        ax.add_line(sample)
        where: dict[str, Any] = {"xycoords": beside, "va": "center", "annotation_clip": False}
        ax.annotate(text, (_WORDS, y), linespacing=1.1, **where)


def _beside(ax: Axes) -> Transform:
    """Points from the panel's right edge, and data units upwards.

    Not fractions of the width: the words would move while the layout makes room for them.
    """
    inches = Affine2D().scale(1 / 72) + ax.figure.dpi_scale_trans
    from_edge = inches + ScaledTranslation(1, 0, BboxTransformTo(ax.bbox))
    return blended_transform_factory(from_edge, ax.transData)


def _draw_leader(ax: Axes, line: Line2D, to: tuple[float, float], beside: Transform) -> None:
    x, y = (float(np.asarray(values)[-1]) for values in (line.get_xdata(), line.get_ydata()))
    look = {"arrowstyle": "-", "color": line.get_color(), "lw": 0.8, "shrinkA": 0, "shrinkB": 0}
    where: dict[str, Any] = {"textcoords": beside, "annotation_clip": False, "zorder": 2}
    ax.annotate("", (x, y), xytext=to, arrowprops=look, **where)


def _heights(ax: Axes, lines: Sequence[Line2D], texts: Sequence[str]) -> Array:
    """Heights in data units, nearest to the lines' ends, that leave each label its room."""
    ax.figure.draw_without_rendering()  # type: ignore[union-attr]
    points = ax.get_window_extent().height * 72 / ax.figure.dpi
    bottom, top = ax.get_ylim()
    unit = 1.25 * FONT_SIZE * (top - bottom) / points
    series = [np.asarray(line.get_ydata(), dtype=np.float64) for line in lines]
    # Lines that meet at the end are ordered as they were before.
    order = sorted(range(len(lines)), key=lambda i: (series[i][-1], float(series[i].mean())))
    sizes = np.array([unit * (1 + texts[i].count("\n")) for i in order])
    heights = np.empty(len(lines))
    heights[order] = spread([float(series[i][-1]) for i in order], sizes, bottom, top)
    return heights


def spread(wanted: Sequence[float], sizes: Array, bottom: float, top: float) -> Array:
    """Places nearest to the `wanted` ones (rising) for labels of these `sizes`, without overlap.

    With the distances that neighbours need subtracted, "no closer than" becomes "not falling",
    and the nearest such values are an isotonic regression. All lie between `bottom` and `top`
    while they have the room.
    """
    needed = np.concatenate([[0.0], np.cumsum((sizes[1:] + sizes[:-1]) / 2)])
    free = isotonic_regression(np.asarray(wanted, dtype=np.float64) - needed).x
    placed: Array = np.clip(free, bottom, max(bottom, top - needed[-1])) + needed
    return placed


def settle(ax: Axes, notes: Sequence[Note]) -> None:
    """Give each note the first of its places where it covers least of curves and of other notes.

    The figure must be complete but for this: what is placed here does not move the panels.
    """
    if not notes:
        return
    ax.figure.draw_without_rendering()  # type: ignore[union-attr]
    obstacles = _obstacles(ax)
    taken: list[Bbox] = []
    for note, places in notes:
        costs = [_cost(ax, _put(note, place), obstacles, taken) for place in places]
        taken.append(_put(note, places[int(np.argmin(costs))]))


def _put(note: Annotation, place: Place) -> Bbox:
    note.xy, side = place
    note.xyann, horizontal, vertical = SIDES[side]
    note.set(ha=horizontal, va=vertical)
    return note.get_window_extent().padded(2)


def _obstacles(ax: Axes) -> Array:
    """Points along all lines of the panel, closely spaced, in display units."""
    traces = [np.empty((0, 2))]
    for line in ax.lines:
        corners = line.get_transform().transform(line.get_xydata())
        steps = np.linspace(0, len(corners) - 1, 400)
        columns = (np.interp(steps, np.arange(len(corners)), c) for c in corners.T)
        traces.append(np.column_stack(list(columns)))
    return np.concatenate(traces)


def _cost(ax: Axes, box: Bbox, obstacles: Array, taken: Sequence[Bbox]) -> float:
    """Curve points covered; leaving the panel or covering another note is worse than any."""
    inside = (obstacles >= box.min).all(axis=1) & (obstacles <= box.max).all(axis=1)
    panel = ax.get_window_extent()
    leaves = box.x0 < panel.x0 or box.x1 > panel.x1 or box.y0 < panel.y0 or box.y1 > panel.y1 + 20
    return float(inside.sum() + 1e4 * leaves + 1e4 * sum(box.overlaps(other) for other in taken))
