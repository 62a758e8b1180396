"""Synthetic 28x28 digits, `glyphs`: any number of them, the same on every machine.

A digit of one of 20 fonts, its stroke thickened or thinned, is turned, stretched, slanted, bent and
shifted, then dimmed and covered with noise. Most images are mild and a few severe, so that a good
convolutional network errs on one or two in a hundred and a feeble one still learns the bulk.

Image i of a split depends on (seed, split, i) alone: it draws a fixed number of words from a
counter-based generator, whose raw output numpy guarantees, unlike its distributions. All arithmetic
is element-wise + - * / in float32, correctly rounded everywhere and independent of threads.
"""

import numpy as np
from numpy.typing import NDArray

from privrob.data.fonts import FONTS, GRID, HEIGHT, distance_fields

SIDE = 28
DIGIT_HEIGHT = 20.0  # pixels, as in MNIST, before stretching

# Largest change of a mild image, and how much the severest adds to it.
TURN = (0.10, 0.12)  # tangent of half the angle: 11 degrees, and up to 25
STRETCH = (0.12, 0.16)  # relative, each direction by itself
SLANT = (0.15, 0.25)  # pixels sideways per pixel upwards
BEND = (0.006, 0.012)  # pixels per squared pixel from the centre
SHIFT = (1.5, 2.0)  # pixels
STROKE = (0.35, 0.35)  # pixels, on either side of the outline
DIM = (0.10, 0.45)  # share of the brightness
NOISE = (0.05, 0.42)  # standard deviation of a pixel, of 1

_WORDS = 16  # 64-bit words for the parameters of an image
_NOISE_WORDS = SIDE * SIDE // 4  # 16 bits a pixel
_CHUNK = 500  # images drawn at once: bounds the memory, changes nothing

Floats = NDArray[np.float32]


def draw(count: int, *, seed: int, stream: int) -> tuple[NDArray[np.uint8], NDArray[np.int64]]:
    """`count` images (count, 28, 28), bright on dark, and their digits (count,).

    `seed` (0 to 2^64 - 1) and `stream` (one per split) choose the sequence; a longer one begins
    with the shorter one.
    """
    source = np.random.Philox(key=np.array([seed, stream], np.uint64))
    images = np.empty((count, SIDE, SIDE), np.uint8)
    labels = np.empty(count, np.int64)
    for start in range(0, count, _CHUNK):
        part = slice(start, min(start + _CHUNK, count))
        size = part.stop - part.start
        words = source.random_raw(size * (_WORDS + _NOISE_WORDS)).reshape(size, -1)
        images[part], labels[part] = _draw(words)
    return images, labels


def _draw(words: NDArray[np.uint64]) -> tuple[NDArray[np.uint8], NDArray[np.int64]]:
    """The images and labels that the random words (n, words per image) encode."""
    uniform = ((words[:, :_WORDS] >> np.uint64(40)) / 2**24).astype(np.float32)[:, :, None, None]
    label, font, severity, softness, dim, noise = (uniform[:, k] for k in range(6))
    digit = (label * 10).astype(np.int64)
    field = (font * len(FONTS)).astype(np.int64) * 10 + digit
    severity = severity * severity * severity  # most images mild: half of them below 1/8
    limits = (TURN, STRETCH, STRETCH, SLANT, BEND, BEND, SHIFT, SHIFT, STROKE)
    changes = [
        (2 * uniform[:, 6 + k] - 1) * _limit(limit, severity) for k, limit in enumerate(limits)
    ]
    x, y = _warp(*changes[:-1])
    cells = np.float32(HEIGHT / DIGIT_HEIGHT)
    distance = _sample(field, x * cells + GRID / 2, y * cells + GRID / 2) / cells + changes[-1]
    ink = (distance / (softness + np.float32(0.7)) + np.float32(0.5)).clip(0, 1)
    ink = ink * (1 - dim * _limit(DIM, severity))
    ink = ink + _triangular(words[:, _WORDS:]) * noise * _limit(NOISE, severity)
    return (ink.clip(0, 1) * 255 + np.float32(0.5)).astype(np.uint8), digit[:, 0, 0]


def _limit(limit: tuple[float, float], severity: Floats) -> Floats:
    """The largest change of images of this severity (0 to 1)."""
    return np.float32(limit[0]) + np.float32(limit[1]) * severity


def _warp(
    turn: Floats,
    stretch_x: Floats,
    stretch_y: Floats,
    slant: Floats,
    bend_x: Floats,
    bend_y: Floats,
    shift_x: Floats,
    shift_y: Floats,
) -> tuple[Floats, Floats]:
    """Where in the upright digit each pixel lies: x and y (n, 28, 28), pixels from its centre."""
    centred = np.arange(SIDE, dtype=np.float32) - np.float32((SIDE - 1) / 2)
    x, y = centred[None, None, :] - shift_x, centred[None, :, None] - shift_y
    norm = 1 + turn * turn  # cosine and sine by the half-angle formula: no library's cos
    cosine, sine = (1 - turn * turn) / norm, 2 * turn / norm
    x, y = cosine * x + sine * y, cosine * y - sine * x
    x = x + slant * y
    x, y = x + bend_x * y * y, y + bend_y * x * x
    return x / (1 + stretch_x), y / (1 + stretch_y)


def _sample(field: NDArray[np.int64], x: Floats, y: Floats) -> Floats:
    """Distance fields at fractional cells, bilinear, clamped at the edge: (n, 28, 28)."""
    fields = distance_fields().reshape(-1)
    x, y = (c.clip(0.5, GRID - 1.5) - np.float32(0.5) for c in (x, y))
    column, row = x.astype(np.int64), y.astype(np.int64)
    x, y = x - column.astype(np.float32), y - row.astype(np.float32)
    at = (field * GRID + row) * GRID + column
    above = fields[at] * (1 - x) + fields[at + 1] * x
    below = fields[at + GRID] * (1 - x) + fields[at + GRID + 1] * x
    return above * (1 - y) + below * y


def _triangular(words: NDArray[np.uint64]) -> Floats:
    """Noise (n, 28, 28) of mean 0 and deviation 1: a sum of two bytes, within 2.5 either way."""
    pairs = words.astype("<u8").view(np.uint8).reshape(len(words), SIDE, SIDE, 2).astype(np.int32)
    total = pairs.sum(axis=3) - 255
    return total.astype(np.float32) * np.float32(1 / np.sqrt(2 * (256**2 - 1) / 12))
