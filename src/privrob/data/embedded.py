"""Data sets that need no file and no network: digits, glyphs and a slice of MNIST's test set."""

from importlib.resources import files

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image

from privrob.data.dataset import DataError, Dataset, Split
from privrob.data.drawing import draw
from privrob.data.portraits import render

GLYPHS_SIZES = {"train": 8000, "test": 2000}  # of `load("glyphs")`, with seed 0
DIGITS_TRAIN = 1397  # of 1797
FACES_SIZES = {"subjects": 12, "train": 50, "test": 20, "height": 48, "width": 42}

_SHEET = "mnist_test_first_1000.png"
_ROWS, _COLUMNS, _SIDE = 25, 40, 28


def glyphs(*, train: int, test: int, seed: int) -> Dataset:
    """28x28 digits drawn from fonts, with random affine maps, stroke widths, contrast and noise.

    Image i of a split depends on (seed, split, i) alone: a larger set begins with the smaller one.
    Classes are balanced in expectation. A size of 0 leaves that split out. About 0.1 ms an image.
    Raises ValueError for a negative size, two empty splits or a seed outside 0 to 2^64 - 1.
    """
    sizes = {"train": train, "test": test}
    if min(sizes.values()) < 0 or not any(sizes.values()):
        raise ValueError(f"glyphs needs sizes >= 0, not both 0: train={train}, test={test}")
    if not 0 <= seed < 2**64:
        raise ValueError(f"the seed of glyphs must be 0 to 2^64 - 1, not {seed}")
    splits = {
        name: _split(*draw(size, seed=seed, stream=stream))
        for stream, (name, size) in enumerate(sizes.items())
        if size
    }
    return Dataset("glyphs", splits, classes=10)


def default_glyphs() -> Dataset:
    """The 8000 + 2000 glyphs that `load("glyphs")` gives."""
    return glyphs(**GLYPHS_SIZES, seed=0)


def faces(*, subjects: int, train: int, test: int, height: int, width: int, seed: int) -> Dataset:
    """Lambertian heads under moving light, `train` and `test` images of each of `subjects` people.

    A stand-in for the Yale faces, which are `height` 192 and `width` 168 with 50 training images of
    each of 38. Image i of a person depends on (seed, person, split, i) and the size alone; the
    first image of everyone comes first. The label is the person. A split of 0 images is left out.
    Raises ValueError for fewer than 2 people, a size below 8, no images or a bad seed.
    """
    if subjects < 2 or min(height, width) < 8:
        raise ValueError(
            f"faces need 2 subjects and 8 pixels: subjects={subjects}, {height} x {width}"
        )
    if min(train, test) < 0 or not (train or test):
        raise ValueError(f"faces needs sizes >= 0, not both 0: train={train}, test={test}")
    if not 0 <= seed < 2**64:
        raise ValueError(f"the seed of faces must be 0 to 2^64 - 1, not {seed}")
    size = {"subjects": subjects, "height": height, "width": width, "seed": seed}
    splits = {
        name: _split(*render(**size, count=count, stream=stream))
        for stream, (name, count) in enumerate({"train": train, "test": test}.items(), 1)
        if count
    }
    return Dataset("faces", splits, classes=subjects)


def default_faces() -> Dataset:
    """The 600 + 240 faces of 12 people, 48x42, that `load("faces")` gives."""
    return faces(**FACES_SIZES, seed=0)


def digits() -> Dataset:
    """scikit-learn's 1797 handwritten digits, 8x8, stretched to 28x28; 1397 train, 400 test.

    They are the test part of Alpaydin and Kaynak's optical recognition set (UCI, 1998), here in a
    fixed random order, since the original one goes by writer.
    """
    from sklearn.datasets import load_digits  # slow to import, and only this set needs it

    bunch = load_digits()
    order = np.argsort(np.random.Philox(key=0).random_raw(len(bunch.target)), kind="stable")
    x, y = _stretch(bunch.images.astype(np.int64))[order], bunch.target[order]
    first, rest = slice(None, DIGITS_TRAIN), slice(DIGITS_TRAIN, None)
    splits = {"train": _split(x[first], y[first]), "test": _split(x[rest], y[rest])}
    return Dataset("digits", splits, classes=10)


def _stretch(images: NDArray[np.int64]) -> NDArray[np.uint8]:
    """(N, 8, 8) with levels 0 to 16 as (N, 28, 28) with 0 to 255: bilinear, in exact integers."""
    halves = 2 * (2 * np.arange(28) + 1) - 7  # 14 times the source coordinate of a pixel's centre
    position = halves.clip(0, 7 * 14)
    low = np.minimum(position // 14, 6)
    weights = np.zeros((28, 8), np.int64)
    weights[np.arange(28), low + 1] = position - 14 * low
    weights[np.arange(28), low] = 14 - weights[np.arange(28), low + 1]
    total, whole = weights @ images @ weights.T, 14 * 14 * 16
    return ((total * 255 + whole // 2) // whole).astype(np.uint8)


def mnist_slice() -> Dataset:
    """The first 1000 images of MNIST's test set, for evaluation: there is no train split.

    One PNG sheet, tiles row by row, labels in its text chunk. LeCun, Cortes and Burges, CC BY-SA
    3.0: see `assets/ATTRIBUTION.md`.
    """
    with files("privrob.data").joinpath("assets", _SHEET).open("rb") as file:
        sheet = Image.open(file)
        labels = str(sheet.info.get("labels", ""))
        pixels = np.asarray(sheet)
    if pixels.shape != (_ROWS * _SIDE, _COLUMNS * _SIDE) or len(labels) != _ROWS * _COLUMNS:
        raise DataError(f"{_SHEET}: {pixels.shape} pixels and {len(labels)} labels are not a sheet")
    tiles = pixels.reshape(_ROWS, _SIDE, _COLUMNS, _SIDE).swapaxes(1, 2)
    y = np.array([int(label) for label in labels])
    return Dataset("mnist_slice", {"test": _split(tiles.reshape(-1, _SIDE, _SIDE), y)}, classes=10)


def _split(x: NDArray[np.uint8], y: NDArray[np.integer]) -> Split:
    """Grey images (N, H, W) and labels as a split."""
    images = torch.from_numpy(np.ascontiguousarray(x)[:, None])
    return Split(images, torch.from_numpy(np.ascontiguousarray(y, dtype=np.int64)))


MAKERS = {
    "digits": digits,
    "glyphs": default_glyphs,
    "faces": default_faces,
    "mnist_slice": mnist_slice,
}
