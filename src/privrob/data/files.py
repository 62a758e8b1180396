"""Data sets on disk: where they lie, reading and checking them, downloading them."""

import os
import zipfile
import zlib
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np
import torch
from numpy.typing import NDArray
from platformdirs import user_cache_path

from privrob.data.catalogue import EMBEDDED, Known, known
from privrob.data.dataset import DataError, Split

ENVIRONMENT = "PRIVROB_DATA"
SPLITS = ("train", "test")

Arrays = dict[str, tuple[NDArray[Any], NDArray[Any]]]  # split -> x, y


class MissingDataError(FileNotFoundError):
    """The data set is in none of the places; the message gives the ways to get it."""


@dataclass(frozen=True)
class Location:
    """Where a data set was found: an npz file, the root of torchvision's layout, or in the package.

    `path` is None for an embedded or a missing one; `reason` says in words where it is, or which
    places were looked at.
    """

    name: str
    kind: Literal["embedded", "npz", "torchvision", "missing"]
    path: Path | None
    reason: str

    @property
    def found(self) -> bool:
        return self.kind != "missing"


def cache_folder() -> Path:
    """Where downloads go: `privrob` in the user's cache folder (XDG_CACHE_HOME on Linux)."""
    return user_cache_path("privrob", appauthor=False) / "data"


def locate(name: str, root: str | Path | None = None) -> Location:
    """Where `load(name, root=root)` would read from; opens nothing, needs no network.

    Looks in `root` alone if one is given, else in $PRIVROB_DATA and then in the download cache. In
    each, `<name>.npz` comes before torchvision's layout. ValueError for an unknown name.
    """
    facts = known(name)
    if name in EMBEDDED:
        return Location(name, "embedded", None, "comes with the package")
    places = _places(root)
    for place in places:
        npz = place / f"{name}.npz"
        if npz.is_file():
            return Location(name, "npz", npz, f"{npz}")
        if (place / facts.layout).is_file():
            return Location(name, "torchvision", place, f"torchvision's layout under {place}")
    looked = ", ".join(f"{p}" if p.is_dir() else f"{p} (no such folder)" for p in places)
    unset = "" if root is not None or os.environ.get(ENVIRONMENT) else f"; {ENVIRONMENT} is not set"
    return Location(name, "missing", None, f"not in {looked}{unset}")


def _places(root: str | Path | None) -> list[Path]:
    if root is not None:
        return [Path(root).expanduser()]
    folder = os.environ.get(ENVIRONMENT)
    return [*([Path(folder).expanduser()] if folder else []), cache_folder()]


def download(name: str) -> Location:
    """Fetch a data set with torchvision into the user's cache, unless it is there; needs a network.

    Raises MissingDataError where torchvision cannot get it.
    """
    if not known(name).torchvision:
        raise MissingDataError(f"{name} cannot be downloaded: torchvision has it not\n{ways(name)}")
    folder = cache_folder()
    try:
        folder.mkdir(parents=True, exist_ok=True)
        _open_torchvision(folder, known(name), "train", fetch=True)
    except (RuntimeError, OSError) as error:  # no route, refused, a mirror gone, a full disk
        raise MissingDataError(
            f"{name} could not be downloaded to {folder}: {error}\n{ways(name)}"
        ) from error
    return Location(name, "torchvision", folder, f"torchvision's layout under {folder}")


def ways(name: str) -> str:
    """The ways to get a data set, as lines for people."""
    facts = known(name)
    if not facts.torchvision:
        return (
            f"The way to get {name}: put {name}.npz (uint8 images and y, with the indices "
            f"{facts.splits}_train_idx and {facts.splits}_test_idx) into a folder and name the "
            f"folder as root=... or in the environment variable {ENVIRONMENT}."
        )
    return (
        f"Three ways to get {name}:\n"
        f"  1. put {name}.npz (uint8 x_train, y_train, x_test, y_test) into a folder and name the "
        f"folder as root=... or in the environment variable {ENVIRONMENT};\n"
        f"  2. name in the same way a folder that holds torchvision's layout ({facts.layout});\n"
        f"  3. download it: privrob data fetch {name}, or load({name!r}, download=True)."
    )


def read(location: Location) -> dict[str, Split]:
    """The splits at a location, checked. Raises DataError naming the file and the value.

    Contents are checked for shape, type and range, not against the known checksums.
    """
    if location.path is None:
        raise MissingDataError(f"{location.name}: {location.reason}\n{ways(location.name)}")
    facts = known(location.name)
    arrays = (
        _read_npz(location.path, facts)
        if location.kind == "npz"
        else _read_torchvision(location.path, facts)
    )
    return {
        split: _checked(x, y, facts, f"{location.path}, {split}")
        for split, (x, y) in arrays.items()
    }


def _read_npz(path: Path, facts: Known) -> Arrays:
    content = _content(path)
    if facts.splits and "images" in content:
        return _by_index(content, facts, path)
    for split in SPLITS:
        if (f"x_{split}" in content) != (f"y_{split}" in content):
            raise DataError(f"{path} has only one of x_{split} and y_{split}")
    there = [split for split in SPLITS if f"x_{split}" in content]
    if not there:
        wanted = "images nor " if facts.splits else ""
        raise DataError(f"{path} has neither {wanted}x_train, y_train nor x_test, y_test")
    return {split: (content[f"x_{split}"], content[f"y_{split}"]) for split in there}


def _content(path: Path) -> dict[str, NDArray[Any]]:
    """The arrays of an npz file that any data set uses."""
    try:
        with np.load(path, allow_pickle=False) as file:
            wanted = [k for k in file.files if k[:2] in ("x_", "y_") or k in ("images", "y")]
            wanted += [k for k in file.files if k.endswith("_idx")]
            return {k: file[k] for k in wanted}
    except FileNotFoundError as error:
        raise MissingDataError(f"{path} was there and is gone\n{ways(path.stem)}") from error
    except (OSError, ValueError, EOFError, TypeError, zipfile.BadZipFile, zlib.error) as error:
        # TypeError: a single array (.npy) under an npz name is no context manager
        raise DataError(
            f"{path} is not a whole npz file of plain arrays: {error}; put a whole one in its "
            "place and give the same command again"
        ) from error


def _by_index(content: dict[str, NDArray[Any]], facts: Known, path: Path) -> Arrays:
    """Splits of one array `images` by the index arrays that the file brings."""
    names = {split: f"{facts.splits}_{split}_idx" for split in SPLITS}
    missing = [key for key in ("y", *names.values()) if key not in content]
    if missing:
        raise DataError(f"{path} has images but no {', '.join(missing)}")
    x, y = content["images"], content["y"]
    if y.ndim != 1 or len(x) != len(y):
        raise DataError(f"{path}: {len(x)} images but labels of shape {y.shape}")
    indices = {split: content[name] for split, name in names.items()}
    both = np.concatenate([_places_of(index, len(x), path) for index in indices.values()])
    twice = np.flatnonzero(np.bincount(both, minlength=1) > 1)
    if len(twice):
        raise DataError(f"{path}: image {twice[0]} is in the splits twice")
    return {split: (x[index], y[index]) for split, index in indices.items()}


def _places_of(index: NDArray[Any], size: int, path: Path) -> NDArray[np.int64]:
    """The indices, checked: integers (N,) of `size` images."""
    if index.ndim != 1 or not np.issubdtype(index.dtype, np.integer):
        raise DataError(f"{path}: a split must be integers (N,), not {index.dtype} {index.shape}")
    wrong = index[(index < 0) | (index >= size)]
    if len(wrong):
        raise DataError(f"{path}: a split has image {wrong[0]} of {size}")
    return index.astype(np.int64)


def _read_torchvision(root: Path, facts: Known) -> Arrays:
    try:
        opened = {split: _open_torchvision(root, facts, split) for split in SPLITS}
    except Exception as error:  # whatever torchvision meets in a damaged file, from assert to EOF
        raise DataError(f"torchvision cannot read {facts.layout} under {root}: {error}") from error
    return {split: (np.asarray(d.data), np.asarray(d.targets)) for split, d in opened.items()}


def _open_torchvision(root: Path, facts: Known, split: str, *, fetch: bool = False) -> Any:
    from privrob._torchvision import torchvision  # takes seconds

    dataset = getattr(torchvision.datasets, facts.torchvision)
    return dataset(str(root), train=split == "train", download=fetch)


def _checked(x: NDArray[Any], y: NDArray[Any], facts: Known, where: str) -> Split:
    """One split as NCHW uint8 and int64, or a DataError that begins with `where`."""
    channels, height, width = facts.shape
    if x.dtype != np.uint8:
        raise DataError(f"{where}: images must be uint8 (0 to 255), not {x.dtype}")
    shape = x.shape
    if channels == 1 and x.ndim == 3:
        x = x[..., None]
    if x.shape[1:] != (height, width, channels):
        grey = f"(N, {height}, {width}) or " if channels == 1 else ""
        wanted = f"{grey}(N, {height}, {width}, {channels})"
        raise DataError(f"{where}: images must have shape {wanted}, not {shape}")
    if y.ndim != 1 or not np.issubdtype(y.dtype, np.integer):
        raise DataError(f"{where}: labels must be integers (N,), not {y.dtype} {y.shape}")
    if len(x) != len(y):
        raise DataError(f"{where}: {len(x)} images but {len(y)} labels")
    if not len(x):
        raise DataError(f"{where}: no images; leave out a split that is absent")
    bad = np.flatnonzero((y < 0) | (y >= facts.classes))
    if len(bad):
        limit = facts.classes - 1
        raise DataError(f"{where}: label {y[bad[0]]} at {bad[0]} is outside 0 to {limit}")
    images = np.ascontiguousarray(x.transpose(0, 3, 1, 2))
    return Split(torch.from_numpy(images), torch.from_numpy(y.astype(np.int64)))
