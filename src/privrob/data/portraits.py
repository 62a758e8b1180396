"""Synthetic faces under moving light, `faces`: a stand-in for the Yale faces, of any size.

A head is an ellipsoid with bumps for nose, brow, eye sockets, cheeks, lips and chin, painted with
skin, eyes, brows, hair and spots; all sizes and places vary from person to person. An image is the
head under one distant lamp, albedo * max(0, normal . light): a Lambertian surface with its attached
shadows, so that the images of a person fill an illumination cone as Yale B's do. The lamp may stand
behind the ear, and then little is seen. Each image also has its own offset, exposure and noise.

Lights are drawn independently, so that train and test images of a person are exchangeable. As in
`drawing`, only raw words of a counter-based generator and element-wise + - * / sqrt in float32 are
used: every machine gets the same bytes.
"""

import numpy as np
from numpy.typing import NDArray

# Places in units of half the image, x to the right and y down; a pair is mirrored at x = 0.
# (x, y, radius in x, radius in y, height), height positive towards the viewer.
BUMPS = (
    (0.00, -0.05, 0.13, 0.42, 0.20),  # bridge of the nose
    (0.00, 0.20, 0.20, 0.17, 0.22),  # its tip
    (0.00, -0.36, 0.75, 0.16, 0.08),  # brow
    (0.36, -0.18, 0.24, 0.15, -0.13),  # eye sockets
    (0.50, 0.22, 0.34, 0.34, 0.07),  # cheeks
    (0.00, 0.52, 0.34, 0.11, 0.09),  # lips
    (0.00, 0.84, 0.30, 0.20, 0.10),  # chin
)
# The same with the share of light that is taken away or, negative, added.
PAINT = (
    (0.36, -0.38, 0.27, 0.08, 0.60),  # brows
    (0.36, -0.19, 0.16, 0.08, 0.65),  # eyes
    (0.00, 0.53, 0.32, 0.08, 0.35),  # mouth
    (0.00, -1.15, 1.40, 0.45, 0.75),  # hair
    (0.00, 0.80, 0.70, 0.40, 0.20),  # beard
    (0.40, 0.25, 0.40, 0.40, -0.12),  # red of the cheeks
)
SPOTS = 8  # patches of lighter or darker skin, anywhere
VARY = 0.28  # how far a person's places (of the radius), radii and heights (relative) may vary
DEPTH = 0.95  # of the head, of half its width
SKIN = (0.50, 0.45)  # least share of light that skin returns, and how much more it may
OFFSET = 1 / 48  # largest offset of an image, of its height
AZIMUTH, ELEVATION = 1.60, (0.15, 0.80)  # radians: 92 degrees either way; 9 up, 46 either way
EXPOSURE = (1.0, 0.4)  # least brightness and how much more
AMBIENT = 0.04  # light from everywhere
NOISE = 0.035  # standard deviation of a pixel, of 1

_FACE_WORDS = 3 + 5 * (len(BUMPS) + len(PAINT) + SPOTS)
_LIGHT_WORDS = 8

Floats = NDArray[np.float32]


def render(
    *, subjects: int, count: int, height: int, width: int, seed: int, stream: int
) -> tuple[NDArray[np.uint8], NDArray[np.int64]]:
    """`count` images of each of `subjects` people: (count * subjects, height, width), labels.

    The first image of everyone comes first, then the second. Image i of a person depends on
    (seed, person, stream, i) and the size alone.
    """
    margin = max(1, round(height * OFFSET))
    words = [_words(_FACE_WORDS, seed, k, 0) for k in range(subjects)]
    albedo, normals = _heads(_uniform(np.stack(words)), height, width, margin)
    images = np.empty((count, subjects, height, width), np.uint8)
    size = _LIGHT_WORDS + -(-height * width // 4)  # 16 bits of noise a pixel
    for k in range(subjects):
        own = _words(count * size, seed, k, stream).reshape(count, size)
        uniform = _uniform(own[:, :_LIGHT_WORDS])
        lit = _lit(albedo[k], [n[k] for n in normals], uniform, height, width, margin)
        lit = lit + _noise(own[:, _LIGHT_WORDS:], height, width) * np.float32(NOISE)
        images[:, k] = (lit.clip(0, 1) * 255 + np.float32(0.5)).astype(np.uint8)
    labels = np.tile(np.arange(subjects, dtype=np.int64), count)
    return images.reshape(-1, height, width), labels


def _words(size: int, seed: int, subject: int, stream: int) -> NDArray[np.uint64]:
    """The first random words of one of a person's three streams: 0 is the head itself."""
    key = np.array([seed, 3 * subject + stream], np.uint64)
    return np.random.Philox(key=key).random_raw(size)


def _uniform(words: NDArray[np.uint64]) -> Floats:
    """Words (n, k) as numbers in [0, 1), (n, k)."""
    return ((words >> np.uint64(40)) / 2**24).astype(np.float32)


def _heads(uniform: Floats, height: int, width: int, margin: int) -> tuple[Floats, list[Floats]]:
    """Albedo and the three components of the normal: each (S, height, width) with a margin."""
    grid = np.arange(-margin, height + margin, dtype=np.float32)
    y = ((2 * grid + 1) / np.float32(height) - 1)[None, :, None]
    grid = np.arange(-margin, width + margin, dtype=np.float32)
    # Half the width counts as 1, as half the height does: faces are taller than wide by themselves
    x = ((2 * grid + 1) / np.float32(width) - 1)[None, None, :]
    skin, wide, tall = (u[:, None, None] for u in uniform.T[:3])
    a, b = np.float32(0.92) + np.float32(0.2) * wide, np.float32(1.05) + np.float32(0.2) * tall
    inside = 1 - (x / a) * (x / a) - (y / b) * (y / b)
    depth = np.float32(DEPTH) * np.sqrt(inside.clip(0, None))
    share = np.float32(SKIN[0]) + np.float32(SKIN[1]) * skin
    share = np.where(inside > 0, share, np.float32(0.12))
    varied = uniform[:, 3:].reshape(len(uniform), -1, 5)
    for k, bump in enumerate(BUMPS):
        depth = depth + _patch(x, y, bump, varied[:, k])
    for k, patch in enumerate(PAINT, len(BUMPS)):
        share = share * (1 - _patch(x, y, patch, varied[:, k]).clip(None, 1))
    for k in range(len(BUMPS) + len(PAINT), varied.shape[1]):
        share = share * (1 - _spot(x, y, varied[:, k]))
    return share, _normals(depth, np.float32(2 / height), np.float32(2 / width))


def _patch(x: Floats, y: Floats, patch: tuple[float, ...], uniform: Floats) -> Floats:
    """One bump or its mirrored pair, varied by (S, 5) numbers in [0, 1): (S, H, W)."""
    change = (2 * uniform - 1) * np.float32(VARY)
    dx, dy, wider, taller, higher = (change[:, k, None, None] for k in range(5))
    radius_x, radius_y = np.float32(patch[2]) * (1 + wider), np.float32(patch[3]) * (1 + taller)
    peak = np.float32(patch[4]) * (1 + 2 * higher)
    down = (y - (np.float32(patch[1]) + dy * radius_y)) / radius_y
    if not patch[0]:
        return peak * _hill(x / radius_x, down)
    across = np.float32(patch[0]) + dx * radius_x
    left, right = (_hill((x + side) / radius_x, down) for side in (across, -across))
    return peak * (left + right)


def _spot(x: Floats, y: Floats, uniform: Floats) -> Floats:
    """A patch of skin, up to 0.3 darker or lighter, where five numbers in [0, 1) say."""
    across, down, rx, ry, peak = (uniform[:, k, None, None] for k in range(5))
    rx, ry = np.float32(0.15) + np.float32(0.45) * rx, np.float32(0.15) + np.float32(0.45) * ry
    hill = _hill((x - (2 * across - 1)) / rx, (y - (2 * down - 1)) / ry)
    return (peak - np.float32(0.5)) * np.float32(0.6) * hill


def _hill(x: Floats, y: Floats) -> Floats:
    """(1 - r^2)^2 within the unit circle and 0 outside: smooth, and needs no exponential."""
    rest = (1 - x * x - y * y).clip(0, None)
    return rest * rest


def _normals(depth: Floats, step_y: np.float32, step_x: np.float32) -> list[Floats]:
    """Unit normals of the surface z = depth, x, y and z towards the viewer: each (S, H, W)."""
    edged = np.pad(depth, ((0, 0), (1, 1), (1, 1)), mode="edge")
    across = (edged[:, 1:-1, :-2] - edged[:, 1:-1, 2:]) / (2 * step_x)
    down = (edged[:, :-2, 1:-1] - edged[:, 2:, 1:-1]) / (2 * step_y)
    norm = np.sqrt(across * across + down * down + 1)
    return [across / norm, down / norm, 1 / norm]


def _lit(
    albedo: Floats, normal: list[Floats], uniform: Floats, height: int, width: int, margin: int
) -> Floats:
    """One head under a lamp per row of `uniform` (n, 8), each with its offset: (n, H, W)."""
    sine, cosine = _turn((2 * uniform[:, 0] - 1) * np.float32(AZIMUTH))
    middle, spread = (np.float32(e) for e in ELEVATION)
    rise, level = _turn(middle + (2 * uniform[:, 1] - 1) * spread)
    light = [sine * level, -rise, cosine * level]  # y is down, a lamp mostly above
    row, column = ((uniform[:, k] * (2 * margin + 1)).astype(np.int64) for k in (2, 3))
    at = (
        (row[:, None] + np.arange(height))[:, :, None],
        (column[:, None] + np.arange(width))[:, None, :],
    )
    towards = sum(n[at] * part[:, None, None] for n, part in zip(normal, light, strict=True))
    brightness = np.float32(EXPOSURE[0]) + np.float32(EXPOSURE[1]) * uniform[:, 4, None, None]
    return albedo[at] * (np.float32(AMBIENT) + np.maximum(towards, 0)) * brightness


def _turn(angle: Floats) -> tuple[Floats, Floats]:
    """Sine and cosine of angles up to 2 radians, from tan(angle / 2) as a quotient of polynomials.

    No library's sine, which differs between machines; the error is below 1e-3.
    """
    half: Floats = angle / np.float32(2)
    square = half * half
    tangent: Floats = half * (15 - square) / (15 - 6 * square)
    norm = 1 + tangent * tangent
    return 2 * tangent / norm, (1 - tangent * tangent) / norm


def _noise(words: NDArray[np.uint64], height: int, width: int) -> Floats:
    """Noise (n, H, W) of mean 0 and deviation 1: a sum of two bytes, within 2.5 either way."""
    pairs = words.astype("<u8").view(np.uint8)[:, : 2 * height * width]
    total = pairs.reshape(-1, height, width, 2).astype(np.int32).sum(axis=3) - 255
    return total.astype(np.float32) * np.float32(1 / np.sqrt(2 * (256**2 - 1) / 12))
