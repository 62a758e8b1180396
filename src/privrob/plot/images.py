"""A row of small images, pixel by pixel as the network sees them."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt
from matplotlib.axes import Axes
from matplotlib.figure import Figure as Canvas

from privrob.plot.style import INK, WIDTH, style


def image_strip(
    images: npt.ArrayLike,
    titles: Sequence[str],
    *,
    limits: tuple[float, float] = (0.0, 1.0),
    per_row: int = 5,
) -> Canvas:
    """Images (n, h, w) or (n, h, w, 3) in a row, broken after `per_row`, a title above each.

    `limits` are the values shown as black and as white; anything outside raises `ValueError`,
    since silent clipping would hide what a perturbation did.
    """
    pixels = np.asarray(images)
    _check(pixels, titles, limits)
    columns = min(per_row, len(pixels))
    rows = -(-len(pixels) // columns)
    title_lines = 1 + max(title.count("\n") for title in titles)
    with style():
        height = rows * (WIDTH / columns + 0.2 * title_lines)
        figure = Canvas(figsize=(WIDTH, height))
        axes = list(figure.subplots(rows, columns, squeeze=False).flat)
        for ax in axes[len(pixels) :]:
            ax.set_axis_off()
        for ax, image, title in zip(axes, pixels, titles, strict=False):
            _draw(ax, image, title, limits)
    return figure


def _check(
    pixels: npt.NDArray[np.generic], titles: Sequence[str], limits: tuple[float, float]
) -> None:
    if pixels.ndim not in (3, 4) or not len(pixels):
        raise ValueError(f"images need the shape (n, h, w) or (n, h, w, 3), got {pixels.shape}")
    if len(titles) != len(pixels):
        raise ValueError(f"{len(pixels)} images have {len(titles)} titles")
    low, high = float(pixels.min()), float(pixels.max())
    if low < limits[0] or high > limits[1]:
        raise ValueError(f"images reach from {low:g} to {high:g}, outside {limits}")


def _draw(
    ax: Axes, image: npt.NDArray[np.generic], title: str, limits: tuple[float, float]
) -> None:
    # Interpolation none embeds the pixels themselves; the browser enlarges them unsmoothed.
    ax.imshow(image, cmap="gray", vmin=limits[0], vmax=limits[1], interpolation="none")
    ax.set_title(title, loc="center", pad=5)
    ax.set(xticks=[], yticks=[])
    ax.grid(False)
    for spine in ax.spines.values():
        spine.set(visible=True, color=INK, alpha=0.35)
