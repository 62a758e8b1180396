"""The digits of matplotlib's fonts as distance fields: what `glyphs` is drawn from.

Outlines are read from the font files by fontTools, in font units, where they are integers, and
filled here with numpy. Versions of FreeType differ in the last grey level, and those of matplotlib
in how they scale outlines; either would make another data set. Only correctly rounded operations
(+ - * / sqrt) follow, so that every machine gets the same bytes from the same font files.
"""

import logging
from functools import lru_cache
from pathlib import Path
from typing import Any

import matplotlib
import numpy as np
from fontTools.pens.basePen import BasePen
from fontTools.ttLib import TTFont
from numpy.typing import NDArray
from scipy.ndimage import distance_transform_edt

GRID = 96  # cells along one side of a distance field
HEIGHT = 60.0  # cells that a digit is high

FONTS = (  # those that every matplotlib since 3.10 has
    *(f"DejaVuSans{style}" for style in ("", "-Bold", "-Oblique", "-BoldOblique")),
    *(f"DejaVuSansMono{style}" for style in ("", "-Bold", "-Oblique", "-BoldOblique")),
    *(f"DejaVuSerif{style}" for style in ("", "-Bold", "-Italic", "-BoldItalic")),
    *(f"STIXGeneral{style}" for style in ("", "Bol", "Italic", "BolIta")),
    *("cmr10", "cmb10", "cmss10", "cmtt10"),
)

_PIECES = 8  # straight pieces per quadratic curve

Point = tuple[float, float]


@lru_cache(maxsize=1)
def distance_fields() -> NDArray[np.float32]:
    """Signed distance to the outline, in cells, positive inside: (fonts, 10, GRID, GRID).

    Every digit is HEIGHT cells high and centred in its field. Made once in a process, in about half
    a second; read-only, since it is shared.
    """
    # The Computer Modern files bear no date, and fontTools would say so on standard error
    logging.getLogger("fontTools.ttLib.tables._h_e_a_d").setLevel(logging.ERROR)
    folder = Path(matplotlib.get_data_path()) / "fonts" / "ttf"
    fields = np.empty((len(FONTS), 10, GRID, GRID), np.float32)
    for row, name in zip(fields, FONTS, strict=True):
        with TTFont(folder / f"{name}.ttf", lazy=True) as font:
            for digit in range(10):
                row[digit] = _signed_distance(_fill(_centred(_outline(font, digit))))
    fields.flags.writeable = False
    return fields


def _outline(font: TTFont, digit: int) -> NDArray[np.float64]:
    """The closed outline of a digit as straight segments (S, 2 ends, x and y), y upwards."""
    glyphs = font.getGlyphSet()
    pen = _Segments(glyphs)
    glyphs[font.getBestCmap()[ord("0") + digit]].draw(pen)
    return np.array(pen.segments, np.float64)


class _Segments(BasePen):
    """A fontTools pen that writes down straight segments; TrueType's curves are quadratic."""

    def __init__(self, glyphs: Any) -> None:
        super().__init__(glyphs)
        self.segments: list[tuple[Point, Point]] = []
        self.start = self.here = (0.0, 0.0)

    def _moveTo(self, pt: Point) -> None:
        self.start = self.here = pt

    def _lineTo(self, pt: Point) -> None:
        self.segments.append((self.here, pt))
        self.here = pt

    def _qCurveToOne(self, pt1: Point, pt2: Point) -> None:
        first = self.here
        for t in np.arange(1, _PIECES + 1) / _PIECES:
            a, b, c = (1 - t) * (1 - t), 2 * t * (1 - t), t * t
            self._lineTo(
                (a * first[0] + b * pt1[0] + c * pt2[0], a * first[1] + b * pt1[1] + c * pt2[1])
            )

    def _closePath(self) -> None:
        self._lineTo(self.start)


def _centred(segments: NDArray[np.float64]) -> NDArray[np.float64]:
    """Segments in cells, y downwards, HEIGHT high, centred in the field."""
    points = segments.reshape(-1, 2)
    low, high = points.min(axis=0), points.max(axis=0)
    scale = HEIGHT / (high[1] - low[1])
    return (segments - (low + high) / 2) * scale * np.array([1.0, -1.0]) + GRID / 2


def _fill(segments: NDArray[np.float64]) -> NDArray[np.bool_]:
    """Cells whose centre is inside, by the non-zero winding rule: (GRID, GRID).

    Each segment adds its direction to the winding number of all cells right of where it crosses
    the row, so one cumulative sum along the row gives the winding numbers.
    """
    (x0, y0), (x1, y1) = segments[:, 0].T, segments[:, 1].T
    centre = np.arange(GRID)[:, None] + 0.5
    crosses = (y0 <= centre) != (y1 <= centre)
    row, k = np.nonzero(crosses)
    x = x0[k] + (centre[row, 0] - y0[k]) * (x1[k] - x0[k]) / (y1[k] - y0[k])
    column = np.ceil(x - 0.5).astype(np.int64).clip(0, GRID - 1)
    winding = np.zeros((GRID, GRID), np.int64)
    np.add.at(winding, (row, column), np.where(y1[k] > y0[k], 1, -1))
    return winding.cumsum(axis=1) != 0


def _signed_distance(inside: NDArray[np.bool_]) -> NDArray[np.float64]:
    """Distance of each cell to the nearest one of the other kind, less half a cell; - outside."""
    depth = distance_transform_edt(inside)
    height = distance_transform_edt(~inside)
    return np.where(inside, depth - 0.5, 0.5 - height)
