"""Fog, frost, snow and spatter. Images are (N, 28, 28) in [0, 1]; `corrupt` clips the result."""

import numpy as np

from privrob.corruptions import assets
from privrob.corruptions.blur import motion_along, smooth
from privrob.corruptions.draws import Array, Draws
from privrob.corruptions.plasma import plasma
from privrob.corruptions.sample import zoomed

IMAGE = (28, 28)
MUD = 63 / 255


def fog(x: Array, draws: Draws, thickness: float, decay: float) -> Array:
    """x plus a corner of a plasma fractal, scaled so that the brightest pixel could stay as it is.

    A black image stays black.
    """
    brightest = x.max((1, 2), keepdims=True)
    mist = plasma(draws, decay)[:, :28, :28]
    return (x + thickness * mist) * brightest / (brightest + thickness)


def frost(x: Array, draws: Draws, image_share: float, frost_share: float) -> Array:
    """A weighted sum of x and a random piece of one of five frost textures."""
    textures = assets.frost_textures()
    which = draws.integers("texture", 0, len(textures))
    down, right = draws.uniform("down"), draws.uniform("right")
    ice = np.empty_like(x)
    for index, texture in enumerate(textures):
        mine = which == index
        pieces = np.lib.stride_tricks.sliding_window_view(texture, IMAGE)
        # As in the benchmark, the last row and the last column of pieces are never drawn.
        height, width = (n - 1 for n in pieces.shape[:2])
        rows, columns = (down[mine] * height).astype(int), (right[mine] * width).astype(int)
        ice[mine] = pieces[rows, columns]
    return image_share * x + frost_share * ice


def snow(
    x: Array,
    draws: Draws,
    mean: float,
    scale: float,
    size: float,
    threshold: float,
    radius: int,
    sigma: float,
    image_share: float,
) -> Array:
    """x made brighter, plus flakes: thresholded noise, enlarged, blurred by a fall, twice."""
    flakes = zoomed(draws.normal("flakes", IMAGE, mean, scale), size)
    flakes[flakes < threshold] = 0
    flakes = np.floor(flakes.clip(0, 1) * 255) / 255
    flakes = motion_along(flakes, draws.uniform("angle", (), -135, -45), radius, sigma)
    pale = image_share * x + (1 - image_share) * np.maximum(x, 1.5 * x + 0.5)
    return pale + flakes + flakes[:, ::-1, ::-1]


def spatter(
    x: Array,
    draws: Draws,
    mean: float,
    scale: float,
    blur: float,
    threshold: float,
    mask_blur: float,
) -> Array:
    """Grey mud where blurred noise is high."""
    liquid = smooth(draws.normal("liquid", IMAGE, mean, scale), blur)
    mud = smooth((liquid > threshold).astype(np.float64), mask_blur)
    mud[mud < 0.8] = 0
    return x * (1 - mud) + MUD * mud
