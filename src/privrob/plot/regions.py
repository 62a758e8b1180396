"""Decision regions in planes through images: which answer where, told apart without colour.

The region of the right answer is blank, every other is tinted and hatched; each has its answer
written into it, and a line around it. A ring marks the image.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
from matplotlib.axes import Axes
from matplotlib.figure import Figure as Canvas
from scipy import ndimage

from privrob.plot.style import FONT_SIZE, INK, PAPER, WIDTH, style
from privrob.plot.tiers import tier

Grid = npt.NDArray[Any]
_LEAST = 1.8  # grid cells between a written answer and the nearest other region


@dataclass(frozen=True)
class Region:
    """One plane: `answers` (R, R) and `margin` (R, R) of the right one, over `offsets` (R,).

    Rows run along the boundary's normal, columns along the other direction; `right` is the right
    answer, `distance` from the image in the middle to the boundary along the normal.
    """

    answers: Grid
    margin: Grid
    offsets: Grid
    right: int
    distance: float
    title: str

    def __post_init__(self) -> None:
        square = (len(self.offsets),) * 2
        if self.answers.shape != square or self.margin.shape != square:
            raise ValueError(f"answers and margin need the shape {square}")


def region_grid(
    images: Grid, rows: Sequence[tuple[str, Sequence[Region]]], *, tier_word: str
) -> Canvas:
    """Images (n, h, w) above their planes, one row a model; `rows` has its name and n regions."""
    for name, regions in rows:
        if len(regions) != len(images):
            raise ValueError(f"{name} has {len(regions)} planes for {len(images)} images")
    side = WIDTH / len(images)
    with style():
        heights = [0.7, *(1.22 for _ in rows)]
        figure = Canvas(figsize=(WIDTH, side * sum(heights) + 0.4))
        grid = figure.subplots(len(rows) + 1, len(images), squeeze=False, height_ratios=heights)
        for ax, image in zip(grid[0], images, strict=True):
            _draw_image(ax, image)
        for axes, (name, regions) in zip(grid[1:], rows, strict=True):
            for i, (ax, region) in enumerate(zip(axes, regions, strict=True)):
                _draw_region(ax, region, tier(tier_word).colour)
                if i == 0:
                    ax.set_ylabel(f"{name}\nnormal →")
        grid[-1][0].set_xlabel("random →")
    return figure


def _draw_image(ax: Axes, image: Grid) -> None:
    ax.imshow(image, cmap="gray", vmin=0, vmax=1, interpolation="none")
    _bare(ax)


def _bare(ax: Axes) -> None:
    ax.set(xticks=[], yticks=[])
    ax.grid(False)
    for spine in ax.spines.values():
        spine.set(visible=True, color=INK, alpha=0.35)


def _draw_region(ax: Axes, region: Region, colour: str) -> None:
    t = region.offsets
    wrong: dict[str, Any] = {"levels": [-np.inf, 0.0], "zorder": 1}
    ax.contourf(t, t, region.margin, colors=[colour], alpha=0.22, **wrong)
    hatched = ax.contourf(t, t, region.margin, colors="none", hatches=["//"], **wrong)
    hatched.set(edgecolor=colour, linewidth=0)
    for answer in np.unique(region.answers):
        inside = np.where(region.answers == region.right, np.nan, region.answers == answer)
        if np.nanmax(inside, initial=0) > np.nanmin(inside, initial=1):
            ax.contour(t, t, inside, levels=[0.5], colors=INK, linewidths=0.7, zorder=2)
    ax.contour(t, t, region.margin, levels=[0.0], colors=INK, linewidths=1.8, zorder=3)
    for x, y, answer in places(region):
        ax.text(x, y, str(answer), ha="center", va="center", fontweight="bold", zorder=5)
    ax.plot([0, 0], [0, region.distance], color=INK, linewidth=1.0, linestyle=(0, (2, 1.5)))
    ring: dict[str, Any] = {"marker": "o", "markersize": 7, "color": INK, "zorder": 6}
    ax.plot([0], [0], markerfacecolor=PAPER, markeredgewidth=2.0, linestyle="none", **ring)
    ax.set(xlim=(t[0], t[-1]), ylim=(t[0], t[-1]), aspect="equal")
    ax.set_title(region.title, loc="center", pad=4, fontsize=FONT_SIZE - 1.5, linespacing=1.05)
    _bare(ax)


def places(region: Region) -> list[tuple[float, float, int]]:
    """(x, y, answer): in each connected region, the point farthest from its border.

    None where a region has no room for a word, nor where the image's mark would be covered.
    """
    found = []
    for answer in np.unique(region.answers):
        pieces, count = ndimage.label(region.answers == answer)
        for piece in range(1, count + 1):
            depth = ndimage.distance_transform_edt(np.pad(pieces == piece, 1))[1:-1, 1:-1]
            depth = np.where(_from_middle(depth) < len(depth) / 8, 0, depth)
            # Of places that are nearly as deep as the deepest, the one nearest to the middle.
            far = np.where(depth >= 0.85 * depth.max(), _from_middle(depth), np.inf)
            row, column = np.unravel_index(far.argmin(), far.shape)
            if depth[row, column] >= _LEAST:
                at = region.offsets[column], region.offsets[row]
                found.append((float(at[0]), float(at[1]), int(answer)))
    return found


def _from_middle(grid: Grid) -> Grid:
    """How many cells each point is from the middle, where the image is marked."""
    away = np.arange(len(grid)) - len(grid) // 2
    return np.asarray(np.hypot(away[:, None], away[None]))
