"""Noise on each pixel. Images are (N, 28, 28) in [0, 1]; `corrupt` clips what comes out."""

import numpy as np

from privrob.corruptions import assets
from privrob.corruptions.draws import Array, Draws

IMAGE = (28, 28)
PESSIMAL_NORM = 10.63 / 4


def gaussian(x: Array, draws: Draws, scale: float) -> Array:
    """x + N(0, scale)."""
    return x + draws.normal("noise", IMAGE, scale=scale)


def shot(x: Array, draws: Draws, photons: float) -> Array:
    """Poisson(photons * x) / photons, by inversion: the number of k with P(K <= k) <= u."""
    uniform = draws.uniform("noise", IMAGE)
    mean = photons * x
    term = np.exp(-mean)
    below, count = term.copy(), np.zeros_like(x)
    # At the end the terms fall below what can be added to `below`; the cap is 15 deviations off.
    for k in range(1, int(photons + 15 * photons**0.5) + 15):
        more = below <= uniform
        if not more.any():
            break
        count += more
        term *= mean / k
        below += term
    return count / photons


def impulse(x: Array, draws: Draws, share: float) -> Array:
    """A share of the pixels black or white, half of it each."""
    uniform = draws.uniform("noise", IMAGE)
    return np.where(uniform < share / 2, 0.0, np.where(uniform < share, 1.0, x))


def speckle(x: Array, draws: Draws, scale: float) -> Array:
    """x + x * N(0, scale)."""
    return x + x * draws.normal("noise", IMAGE, scale=scale)


def pessimal(x: Array, draws: Draws) -> Array:
    """x + noise of the benchmark's worst direction: one 14x14 tile, four times."""
    tile = pessimal_tile(draws)
    return x + np.tile(tile, (1, 2, 2))


def pessimal_tile(draws: Draws) -> Array:
    """N(0, I) @ matrix, scaled to l2 norm 10.63 / 4, as (N, 14, 14).

    einsum adds in one order for every image, where a matrix product may not: with it an image's
    last bits would depend on how many others come along.
    """
    noise = np.einsum("ni,ij->nj", draws.normal("noise", (196,)), assets.pessimal_matrix())
    noise *= PESSIMAL_NORM / np.sqrt((noise**2).sum(1, keepdims=True))
    return noise.reshape(-1, 14, 14)
