"""What two corruptions take from the benchmark's files, or the stand-ins where there are none."""

import os
from collections.abc import Sequence
from functools import lru_cache
from pathlib import Path

import numpy as np
from PIL import Image

from privrob.corruptions.draws import Array, Draws
from privrob.corruptions.plasma import plasma
from privrob.data import DataError
from privrob.data.files import ENVIRONMENT

FOLDER = "mnist_c"
FILES: dict[str, Sequence[str]] = {
    # The benchmark ships a sixth texture, which its own code never draws.
    "frost": ("frost1.png", "frost2.png", "frost3.png", "frost4.jpg", "frost5.jpg"),
    "pessimal_noise": ("pessimal_noise_matrix.npz",),
}
_SIDE = 196  # pixels of the 14x14 tile


def stand_in(name: str) -> bool:
    """True where `name` needs files and one of them is missing."""
    return name in FILES and _folder(name) is None


def frost_textures() -> tuple[Array, ...]:
    """Five grey textures in [0, 1], of different sizes."""
    folder = _folder("frost")
    return _read_textures(folder) if folder else _made_textures()


def pessimal_matrix() -> Array:
    """The matrix (196, 196) that makes pessimal noise of normal noise."""
    folder = _folder("pessimal_noise")
    return _read_matrix(folder) if folder else _made_matrix()


def _folder(name: str) -> Path | None:
    """The folder that has every file of `name`, if it is there."""
    root = os.environ.get(ENVIRONMENT)
    if not root:
        return None
    folder = Path(root).expanduser() / FOLDER
    return folder if all((folder / file).is_file() for file in FILES[name]) else None


@lru_cache(maxsize=1)
def _read_textures(folder: Path) -> tuple[Array, ...]:
    return tuple(_read_texture(folder / file) for file in FILES["frost"])


def _read_texture(path: Path) -> Array:
    try:
        with Image.open(path) as image:
            grey = np.asarray(image.convert("L")) / 255
    except (OSError, ValueError) as error:
        raise DataError(f"{path} cannot be read as an image: {error}") from error
    if min(grey.shape) <= 28:
        raise DataError(f"{path}: a texture must be larger than 28x28, not {grey.shape}")
    return grey


@lru_cache(maxsize=1)
def _read_matrix(folder: Path) -> Array:
    [path] = (folder / file for file in FILES["pessimal_noise"])
    try:
        with np.load(path, allow_pickle=False) as file:
            matrix = np.asarray(file["matrix"], dtype=np.float64)
    except Exception as error:  # whatever numpy meets in a damaged file, from KeyError to zlib's
        raise DataError(f"{path} is not an npz file with a plain `matrix`: {error}") from error
    if matrix.shape != (_SIDE, _SIDE) or not np.isfinite(matrix).all():
        raise DataError(f"{path}: the matrix must be ({_SIDE}, {_SIDE}) and finite")
    return matrix


# -- stand-ins: as bright, and as much along one line, as the originals; no more is claimed -------


@lru_cache(maxsize=1)
def _made_textures() -> tuple[Array, ...]:
    """Five plasma fractals, from 0.4 to 0.8 in the mean, as the originals are."""
    maps = plasma(Draws(0, "stand-in frost", first=0, count=5), decay=1.7)
    centred = maps - maps.mean((1, 2), keepdims=True)
    means = np.linspace(0.4, 0.8, 5)[:, None, None]
    return tuple((means + 0.5 * centred).clip(0, 1))


@lru_cache(maxsize=1)
def _made_matrix() -> Array:
    """Noise almost along one direction, smooth as strokes are: a hundred times the others."""
    draws = Draws(0, "stand-in pessimal_noise", first=0, count=1)
    rough = draws.normal("direction", (14, 14))[0]
    smooth = sum(np.roll(rough, (i, j), (0, 1)) for i in (-1, 0, 1) for j in (-1, 0, 1))
    direction = (smooth / np.linalg.norm(smooth)).reshape(_SIDE)
    weights = draws.normal("weights", (_SIDE,), scale=100.0)[0]
    rest = draws.normal("rest", (_SIDE, _SIDE), scale=_SIDE**-0.5)[0]
    return weights[:, None] * direction + rest
