"""The one plotting style: settings, empty panels, axis labels. No pyplot, no global state."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Literal

import matplotlib
from matplotlib.axes import Axes
from matplotlib.figure import Figure as Canvas

# Stand-ins for two colours that only the reader's theme knows; `svg` puts the theme's there.
INK = "#010203"
PAPER = "#fefdfc"

# Inches and points. On a phone, with 358 px for the text, 12.5 of these points are 9.7 px: the
# least that reads well, so smaller type or a wider figure would not do.
WIDTH = 6.4
FONT_SIZE = 12.5

EPS_LABEL = "perturbation radius ε (pixels in [0, 1])"

_SETTINGS: dict[str, object] = {
    "svg.fonttype": "none",
    "svg.hashsalt": "privrob",
    "svg.image_inline": True,
    "font.family": "sans-serif",
    # The width of text is measured with the font that ships with matplotlib: the same everywhere,
    # and wider than the system fonts that the browser will take, so that nothing collides there.
    "font.sans-serif": ["DejaVu Sans"],
    "font.size": FONT_SIZE,
    "axes.titlesize": FONT_SIZE,
    "axes.titlelocation": "left",
    "axes.labelsize": FONT_SIZE,
    "xtick.labelsize": FONT_SIZE - 0.5,
    "ytick.labelsize": FONT_SIZE - 0.5,
    "axes.unicode_minus": True,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.linewidth": 0.8,
    "axes.axisbelow": True,
    "axes.grid": True,
    "axes.grid.axis": "y",
    "grid.color": INK,
    "grid.alpha": 0.14,
    "grid.linewidth": 0.8,
    "lines.linewidth": 2.0,
    "lines.markersize": 6.0,
    "lines.solid_capstyle": "round",
    "figure.figsize": (WIDTH, 3.4),
    "figure.constrained_layout.use": True,
    "figure.facecolor": "none",
    "axes.facecolor": "none",
    "savefig.facecolor": "none",
    "savefig.bbox": None,
    **dict.fromkeys(
        ("text.color", "axes.edgecolor", "axes.labelcolor", "axes.titlecolor", "patch.edgecolor"),
        INK,
    ),
    **dict.fromkeys(("xtick.color", "ytick.color", "hatch.color", "lines.color"), INK),
}


@contextmanager
def style() -> Iterator[None]:
    """Draw inside this context to get the book's look; settings are restored on leaving it."""
    with matplotlib.rc_context(_SETTINGS):  # type: ignore[arg-type]
        yield


def panels(
    rows: int = 1,
    columns: int = 1,
    *,
    height: float = 3.4,
    ratios: Sequence[float] | None = None,
    share: bool = True,
) -> tuple[Canvas, list[Axes]]:
    """An empty figure of the book's width (`height` in inches) and its axes, row by row.

    Panels in one column share the x axis, unless `share` is False. Stack panels rather than put
    them side by side: a column stays legible on a phone.
    """
    with style():
        figure = Canvas(figsize=(WIDTH, height))
        sharex: Literal["col", "none"] = "col" if share else "none"
        grid = figure.subplots(rows, columns, squeeze=False, sharex=sharex, height_ratios=ratios)
    return figure, [ax for row in grid for ax in row]


def label_axes(ax: Axes, *, y: str, x: str | None = None) -> None:
    """Name the axes; the y name lies flat above the axis, where it reads without turning."""
    with style():
        ax.set_title(y, loc="left", pad=8)
        if x is not None:
            ax.set_xlabel(x)
