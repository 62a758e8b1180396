"""Blurs. Images are (N, 28, 28) in [0, 1]; `corrupt` clips what comes out."""

from math import exp

import numpy as np
from scipy import ndimage

from privrob.corruptions.draws import Array, Draws
from privrob.corruptions.sample import zoomed

Axes = tuple[int, ...]

# The benchmark blurs along the rows only: it calls an old scikit-image with multichannel=True on
# images without channels, and the last axis is taken for them.
VERTICAL: Axes = (1,)
BOTH: Axes = (1, 2)


def gaussian(x: Array, draws: Draws, sigma: float, axes: Axes = VERTICAL) -> Array:
    """A Gaussian filter along `axes`, the border pixel repeated outwards."""
    return smooth(x, sigma, axes=axes)


def smooth(
    x: Array, sigma: float, *, axes: Axes = BOTH, mode: str = "nearest", truncate: float = 4.0
) -> Array:
    """Gaussian filter of each image alone."""
    for axis in axes:
        x = ndimage.gaussian_filter1d(x, sigma, axis=axis, mode=mode, truncate=truncate)
    return x


def glass(
    x: Array, draws: Draws, sigma: float, reach: int, sweeps: int, axes: Axes = VERTICAL
) -> Array:
    """Blur, round down to 8 bits, swap neighbours within `reach`, blur."""
    levels = np.floor(smooth(x, sigma, axes=axes) * 255)
    return smooth(_shuffled(levels, draws, reach, sweeps) / 255, sigma, axes=axes)


def _shuffled(x: Array, draws: Draws, reach: int, sweeps: int) -> Array:
    """From the far corner, every second pixel on average swaps places with one near it.

    The order matters, so the loop is over pixels, and each step swaps in all images at once.
    """
    count, side, _ = x.shape
    places = range(side - reach, reach, -1)
    shape = (sweeps, len(places), len(places))
    move = draws.integers("down", -reach, reach, shape) * side
    move += draws.integers("right", -reach, reach, shape)
    move *= draws.uniform("take part", shape) < 0.5
    pixels = x.reshape(count, -1).T.copy()
    images = np.arange(count)
    for sweep, i, j in np.ndindex(shape):
        here = places[i] * side + places[j]
        there = here + move[:, sweep, i, j]
        kept = pixels[here].copy()
        pixels[here] = pixels[there, images]
        pixels[there, images] = kept
    return pixels.T.reshape(x.shape)


def defocus(x: Array, draws: Draws, radius: int, softness: float) -> Array:
    """A filter with an anti-aliased disk, the image mirrored at its border pixels."""
    return ndimage.correlate(x, disk(radius, softness)[None], mode="mirror")


def disk(radius: int, softness: float) -> Array:
    """A disk of sum 1, its rim softened by a Gaussian of sigma `softness`, 3 or 5 pixels wide."""
    half, taps = (8, 1) if radius <= 8 else (radius, 2)
    place = np.arange(-half, half + 1)
    sharp = (place[:, None] ** 2 + place**2 <= radius**2).astype(np.float64)
    sharp /= sharp.sum()
    weights = np.array([exp(-(i**2) / (2 * softness**2)) for i in range(-taps, taps + 1)])
    weights /= weights.sum()
    for axis in (0, 1):
        sharp = ndimage.correlate1d(sharp, weights, axis=axis, mode="mirror")
    return sharp


def motion(x: Array, draws: Draws, radius: int, sigma: float) -> Array:
    """Motion in a direction between -45 and 45 degrees."""
    return motion_along(x, draws.uniform("angle", (), -45, 45), radius, sigma)


def motion_along(x: Array, degrees: Array, radius: int, sigma: float) -> Array:
    """ImageMagick's motion blur: 2 radius + 1 pixels read in direction `degrees` (N,), clockwise.

    Half a Gaussian weighs them; a place between pixels is rounded to one, a place outside to the
    border.
    """
    width, side = 2 * radius + 1, x.shape[1]
    steps = np.arange(width)
    weights = np.exp(-(steps**2) / (2 * sigma**2))
    weights /= weights.sum()
    direction = np.deg2rad(degrees)[:, None, None]
    image, place = np.arange(len(x))[:, None, None], np.arange(side)
    total = np.zeros_like(x)
    for step, weight in zip(steps, weights, strict=True):
        down = np.ceil(step * np.sin(direction) - 0.5).astype(np.intp)
        right = np.ceil(step * np.cos(direction) - 0.5).astype(np.intp)
        rows = (place[:, None] + down).clip(0, side - 1)
        columns = (place + right).clip(0, side - 1)
        total += weight * x[image, rows, columns]
    return total


def zoom(x: Array, draws: Draws, stop: float, step: float) -> Array:
    """The mean of x and its zooms by 1, 1 + step, ... below `stop`."""
    factors = np.arange(1, stop, step)
    return (x + sum(zoomed(x, factor) for factor in factors)) / (len(factors) + 1)
