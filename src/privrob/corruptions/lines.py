"""Lines drawn over the image. Images are (N, 28, 28); `corrupt` clips what comes out."""

import numpy as np

from privrob.corruptions.draws import Array, Draws

REACH = 2.3  # pixels above and below a line where it can be seen
_ROW, _COLUMN = np.mgrid[:28, :28].astype(np.float64)


def line(x: Array, draws: Draws) -> Array:
    """A line from one of the first five columns to one of columns 22 to 26."""
    start, end = _whole(draws, "start", 0, 5), _whole(draws, "end", 22, 27)
    first, last = _whole(draws, "first row", 0, 27), _whole(draws, "last row", 0, 27)
    return x + drawn(start, end, first, last)


def dotted_line(x: Array, draws: Draws) -> Array:
    """A line across the whole image, blank in columns 0, 1, 4, 5, 8, 9 and so on."""
    start, end = np.zeros(len(x)), np.full(len(x), 27.0)
    first, last = _whole(draws, "first row", 0, 27), _whole(draws, "last row", 0, 27)
    return x + drawn(start, end, first, last) * (_COLUMN // 2 % 2)


def _whole(draws: Draws, purpose: str, low: int, high: int) -> Array:
    """A whole number from low to high - 1 for each image."""
    return draws.integers(purpose, low, high).astype(np.float64)


def zigzag(x: Array, draws: Draws) -> Array:
    """Up and down by 2 pixels every 4, along a line from column 2 to column 25."""
    columns, rows = corners(draws)
    for i in range(columns.shape[1] - 1):
        piece = drawn(columns[:, i], columns[:, i + 1], rows[:, i], rows[:, i + 1])
        x = (x + piece).clip(0, 1)
    return x


def corners(draws: Draws) -> tuple[Array, Array]:
    """Columns and rows (N, 8) of a zigzag's corners."""
    row = _whole(draws, "row", 0, 27)
    slope = np.arctan(_whole(draws, "rise", -5, 5) / 23)
    length = 23 / np.cos(slope)  # 23 to 23.5: always six corners between the ends
    along = np.stack([np.full_like(row, a) for a in (0, 2, 6, 10, 14, 18, 22)] + [length], 1)
    # The benchmark ends on -2 / (2 (length - 20)), not on the line.
    last = -1 / (length - 20)
    across = np.stack([np.full_like(row, a) for a in (0, 2, -2, 2, -2, 2, -2)] + [last], 1)
    cos, sin = np.cos(slope)[:, None], np.sin(slope)[:, None]
    return 2 + along * cos - across * sin, row[:, None] + along * sin + across * cos


def drawn(start: Array, end: Array, first_row: Array, last_row: Array) -> Array:
    """A line from (start, first_row) to (end, last_row), all (N,): (N, 28, 28) in [0, 1].

    log(1 - d / 2.3) + 1 at vertical distance d < 2.3, in columns floor(start) to ceil(end) - 1.
    """
    start, end, first_row, last_row = (a[:, None, None] for a in (start, end, first_row, last_row))
    slope = (last_row - first_row) / (end - start)
    distance = np.abs(_ROW - first_row - slope * (_COLUMN - start)).clip(0, REACH - 1e-10)
    shade = (np.log(1 - distance / REACH) + 1).clip(0, 1)
    reached, left = np.floor(start) <= _COLUMN, np.ceil(end) <= _COLUMN
    return shade * (reached & ~left)
