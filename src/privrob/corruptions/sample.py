"""Reading images between their pixels."""

from math import ceil

import numpy as np
from numpy.typing import NDArray

from privrob.corruptions.draws import Array


def bilinear(x: Array, rows: Array, columns: Array) -> Array:
    """x (N, 28, 28) at real positions that broadcast to (N, 28, 28); 0 outside.

    A position up to one pixel outside mixes the border with 0, as scikit-image's `warp` does.
    """
    padded = np.pad(x, ((0, 0), (1, 1), (1, 1)))
    row, down = _split(rows, x.shape[1])
    column, right = _split(columns, x.shape[2])
    image = np.arange(len(x))[:, None, None]
    upper = (1 - right) * padded[image, row, column] + right * padded[image, row, column + 1]
    row += 1
    lower = (1 - right) * padded[image, row, column] + right * padded[image, row, column + 1]
    return (1 - down) * upper + down * lower


def _split(position: Array, size: int) -> tuple[NDArray[np.intp], Array]:
    """Index of the lower neighbour in an image padded by one pixel, and the way past it."""
    position = position.clip(-1, size) + 1
    lower = np.minimum(position.astype(np.intp), size)
    return lower, position - lower


def zoomed(x: Array, factor: float) -> Array:
    """The centre of x (N, 28, 28), enlarged by `factor` >= 1 to 28x28.

    The benchmark's way: the centre ceil(28 / factor) pixels wide is stretched, its corners kept, to
    the rounded width, and cut back to 28.
    """
    side = x.shape[1]
    crop = ceil(side / factor)
    wide = round(crop * factor)
    position = ((wide - side) // 2 + np.arange(side)) * ((crop - 1) / (wide - 1))
    lower = np.minimum(position.astype(np.intp), max(crop - 2, 0))
    way = position - lower
    lower += (side - crop) // 2
    rows = x[:, lower] * (1 - way)[:, None] + x[:, lower + 1] * way[:, None]
    return rows[:, :, lower] * (1 - way) + rows[:, :, lower + 1] * way
