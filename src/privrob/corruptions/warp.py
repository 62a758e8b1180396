"""Warps: each output pixel reads the image at another place, 0 outside. Images are (N, 28, 28)."""

import numpy as np

from privrob.corruptions.blur import smooth
from privrob.corruptions.draws import Array, Draws
from privrob.corruptions.sample import bilinear

Weights = tuple[Array | float, Array | float]

CENTRE = 13.5
_ROW, _COLUMN = np.mgrid[:28, :28].astype(np.float64)


def shear(x: Array, draws: Draws, angle: float) -> Array:
    """Read at (column - row sin a, row cos a) about the centre, a = +-angle.

    This is the shear of the scikit-image of the benchmark's time, which also stretches the rows;
    since version 0.19 a shear there is (column + row tan a, row).
    """
    signed = (draws.signs("side") * angle)[:, None, None]
    return _about_centre(x, (np.cos(signed), 0.0), (-np.sin(signed), 1.0))


def rotate(x: Array, draws: Draws, angle: float) -> Array:
    """Turned by +-angle (radians) about the centre."""
    signed = (draws.signs("side") * angle)[:, None, None]
    return _about_centre(x, (np.cos(signed), np.sin(signed)), (-np.sin(signed), np.cos(signed)))


def scale(x: Array, draws: Draws, factor: float) -> Array:
    """Shrunk about the centre to the share `factor` of its size."""
    return _about_centre(x, (1 / factor, 0.0), (0.0, 1 / factor))


def _about_centre(x: Array, row: Weights, column: Weights) -> Array:
    """Read at a linear map of (row, column) as seen from the centre, given by its two rows."""
    down, right = _ROW - CENTRE, _COLUMN - CENTRE
    rows = row[0] * down + row[1] * right + CENTRE
    columns = column[0] * down + column[1] * right + CENTRE
    return bilinear(x, *np.broadcast_arrays(rows, columns))


def translate(x: Array, draws: Draws, pixels: int) -> Array:
    """Moved by `pixels` up or down, and left or right."""
    rows = _ROW + pixels * draws.signs("vertical")[:, None, None]
    columns = _COLUMN + pixels * draws.signs("horizontal")[:, None, None]
    return bilinear(x, rows, columns)


def elastic(x: Array, draws: Draws, strength: float, sigma: float, jolt: float) -> Array:
    """A random affine map, then a smooth random displacement of each pixel."""
    rows, columns = affine_places(draws.uniform("affine", (3, 2), -jolt, jolt))
    x = bilinear(x, rows, columns)
    shape = (2, 28, 28)
    field = draws.uniform("field", shape, -1, 1).reshape(-1, 28, 28)
    field = strength * smooth(field, sigma, mode="reflect", truncate=3.0).reshape(-1, *shape)
    rows, columns = _ROW + field[:, 0], _COLUMN + field[:, 1]
    # The second of the benchmark's two samplers does not mix the border with 0.
    inside = (abs(rows - CENTRE) <= CENTRE) & (abs(columns - CENTRE) <= CENTRE)
    return bilinear(x, rows, columns) * inside


def affine_places(moves: Array) -> tuple[Array, Array]:
    """Where to read for the affine map that moves three points by `moves` (N, 3, (x, y)).

    The points, as (x, y), are (23, 23), (23, 5) and (5, 5): 9 pixels about (14, 14).
    """
    to = np.array([[23.0, 23.0], [23.0, 5.0], [5.0, 5.0]]) + moves
    # The images of one step down and one step right, then Cramer's rule for the way back.
    down, right = (to[:, 0] - to[:, 1]) / 18, (to[:, 1] - to[:, 2]) / 18
    (down_x, down_y), (right_x, right_y) = (v.T[:, :, None, None] for v in (down, right))
    from_x = _COLUMN - to[:, 2, 0, None, None]
    from_y = _ROW - to[:, 2, 1, None, None]
    area = right_x * down_y - right_y * down_x
    columns = 5 + (from_x * down_y - from_y * down_x) / area
    rows = 5 + (from_y * right_x - from_x * right_y) / area
    return rows, columns
