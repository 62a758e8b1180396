"""The diamond-square plasma fractal that fog is made of."""

import numpy as np

from privrob.corruptions.draws import Array, Draws

SIDE = 256


def plasma(draws: Draws, decay: float) -> Array:
    """One map (256, 256) an image, from 0 to 1, that meets itself at opposite edges.

    From a corner at 0, each level sets the centres of the squares and then the middles of their
    sides to the mean of four neighbours plus uniform noise of amplitude wobble^2. The square is
    the benchmark's, whose code scales its noise by `wobble` twice; wobble falls from 100 by the
    factor `decay` a level, so the amplitude falls by its square.
    """
    heights = np.zeros((draws.count, 1, 1))
    wobble = 100.0
    while heights.shape[1] < SIDE:
        heights = _refine(heights, wobble**2, draws)
        wobble /= decay
    heights -= heights.min((1, 2), keepdims=True)
    heights /= heights.max((1, 2), keepdims=True)
    return heights


def _refine(corner: Array, amplitude: float, draws: Draws) -> Array:
    """A map of twice the side: `corner` at the even places, three new values for each of it."""
    side = corner.shape[1]

    def wobbled(total: Array, place: str) -> Array:
        noise = draws.uniform(f"{place} {side}", (side, side), -amplitude, amplitude)
        total *= 0.25
        total += noise
        return total

    pairs = corner + np.roll(corner, -1, 1)  # vertical neighbours
    centre = wobbled(pairs + np.roll(pairs, -1, 2), "centre")
    left = wobbled(pairs + centre + np.roll(centre, 1, 2), "left")
    pairs = corner + np.roll(corner, -1, 2)
    top = wobbled(pairs + centre + np.roll(centre, 1, 1), "top")
    fine = np.empty((len(corner), 2 * side, 2 * side))
    fine[:, ::2, ::2], fine[:, 1::2, 1::2] = corner, centre
    fine[:, 1::2, ::2], fine[:, ::2, 1::2] = left, top
    return fine
