"""Grey values, compression, resolution, edges. Images are (N, 28, 28); `corrupt` clips."""

from colorsys import hsv_to_rgb
from io import BytesIO

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from privrob.corruptions.draws import Array, Draws

LUMINANCE = (0.2125, 0.7154, 0.0721)
_FIXED = 22  # bits behind the point of Pillow's filter weights


def contrast(x: Array, draws: Draws, factor: float) -> Array:
    """Distance from the image's mean, times `factor`."""
    mean = x.reshape(len(x), -1).mean(1)[:, None, None]
    return (x - mean) * factor + mean


def brightness(x: Array, draws: Draws, plus: float) -> Array:
    """x + plus: for a grey image, what raising the value of HSV comes to."""
    return x + plus


def saturate(x: Array, draws: Draws, times: float, plus: float) -> Array:
    """Hue, saturation and value times `times` plus `plus`, clipped, then grey by luminance.

    A grey pixel has hue and saturation 0, so that both become `plus`: where that is not 0, the
    pixel is coloured, and darker than its value by one factor for all pixels.
    """
    colour = hsv_to_rgb(plus, plus, 1.0)
    factor = sum(w * c for w, c in zip(LUMINANCE, colour, strict=True))
    return (times * x + plus).clip(0, 1) * factor


def quantize(x: Array, draws: Draws, bits: int) -> Array:
    """Rounded to 2^bits levels."""
    steps = 2**bits - 1
    return np.rint(x * steps) / steps


def inverse(x: Array, draws: Draws) -> Array:
    """1 - x."""
    return 1 - x


def stripe(x: Array, draws: Draws) -> Array:
    """The seven columns at either side inverted."""
    outer = np.abs(np.arange(28) - 13.5) > 7
    return np.where(outer, 1 - x, x)


def jpeg(x: Array, draws: Draws, quality: int) -> Array:
    """To JPEG and back, by Pillow."""
    return np.stack([_through_jpeg(image, quality) for image in _bytes(x)]) / 255


def _through_jpeg(image: NDArray[np.uint8], quality: int) -> NDArray[np.uint8]:
    file = BytesIO()
    Image.fromarray(image).save(file, "JPEG", quality=quality)
    return np.asarray(Image.open(file))


def pixelate(x: Array, draws: Draws, share: float) -> Array:
    """Box-filtered to int(28 * share) pixels a side and back, in 8 bits."""
    small = int(28 * share)
    levels = _resized(_bytes(x).astype(np.int64), small)
    return _resized(levels, 28) / 255


def _resized(x: NDArray[np.int64], side: int) -> NDArray[np.int64]:
    """Levels (N, n, n) as (N, side, side), like Pillow's BOX: exact integers, columns first."""
    weights = _box_weights(x.shape[1], side)
    half = 1 << (_FIXED - 1)
    narrow = (np.einsum("nij,kj->nik", x, weights) + half) >> _FIXED
    return (np.einsum("nij,ki->nkj", narrow, weights) + half) >> _FIXED


def _box_weights(old: int, new: int) -> NDArray[np.int64]:
    """(new, old): each new pixel is the mean of the old ones whose centres it covers."""
    weights = np.zeros((new, old), np.int64)
    half = max(old / new, 1.0) / 2
    for i in range(new):
        centre = (i + 0.5) * old / new
        low, high = max(int(centre - half + 0.5), 0), min(int(centre + half + 0.5), old)
        weights[i, low:high] = round(2**_FIXED / (high - low))
    return weights


def canny(x: Array, draws: Draws) -> Array:
    """Canny's edges as 0 or 1, by scikit-image with its defaults."""
    from skimage import feature  # slow to import, and only this corruption needs it

    return np.stack([feature.canny(image) for image in x]).astype(np.float64)


def _bytes(x: Array) -> NDArray[np.uint8]:
    return np.rint(x * 255).astype(np.uint8)
