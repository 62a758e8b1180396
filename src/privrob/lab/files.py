"""Bytes on disk: written whole or not at all, read back only if they are what was written."""

import hashlib
import io
import json
import os
import shutil
import tempfile
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import numpy as np

Manifest = dict[str, Any]
TEMPORARY = ".tmp-"  # what has such a name is no result, and is gone a day after a kill left it
DAY = 24 * 3600


class StoreError(RuntimeError):
    """A record that cannot be used, or a folder that cannot be written; names the file."""


def sha256(raw: bytes) -> str:
    """64 hexadecimal digits."""
    return hashlib.sha256(raw).hexdigest()


def json_text(value: Manifest) -> str:
    """The one text of a manifest, closed by a checksum of the rest."""
    body = {n: v for n, v in value.items() if n != "sha256"}
    text = json.dumps(body, indent=1, sort_keys=True, allow_nan=False)
    return json.dumps(body | {"sha256": sha256(text.encode())}, indent=1) + "\n"


def read_json(path: Path) -> Manifest:
    """A manifest whose bytes are the ones that were written; else StoreError with the path."""
    try:
        text = path.read_bytes().decode()  # not read_text, which takes any line end for another
        value = json.loads(text)
        intact = json_text(value) == text
    except (OSError, ValueError, AttributeError) as error:
        raise StoreError(
            f"{path}: cannot be read ({error}); restore it or delete its folder"
        ) from error
    if not intact:
        raise StoreError(
            f"{path}: was changed after it was written; restore it or delete its folder"
        )
    return dict(value)


def checked(path: Path, entry: Mapping[str, Any]) -> bytes:
    """A file's bytes, if their checksum is the entry's; else StoreError."""
    try:
        raw = path.read_bytes()
    except OSError as error:
        raise StoreError(f"{path}: cannot be read ({error})") from error
    if sha256(raw) != entry["sha256"]:
        raise StoreError(
            f"{path}: contents differ from the record's checksum ({len(raw)} bytes, "
            f"{entry['bytes']} expected); restore it or delete its folder"
        )
    return raw


def npz(arrays: Mapping[str, np.ndarray]) -> bytes:
    """A compressed npz file, the same for the same arrays."""
    buffer = io.BytesIO()
    np.savez_compressed(buffer, **dict(sorted(arrays.items())))  # type: ignore[arg-type]
    return buffer.getvalue()


def write(path: Path, raw: bytes) -> None:
    """A new file that is on the disk when this returns."""
    with path.open("wb") as file:
        file.write(raw)
        file.flush()
        os.fsync(file.fileno())


def put(path: Path, raw: bytes) -> None:
    """One file in its folder, in place of one that is there; a kill leaves the old or the new."""
    with writing(path.parent) as temporary:
        write(temporary / path.name, raw)
        (temporary / path.name).replace(path)


@contextmanager
def writing(folder: Path) -> Iterator[Path]:
    """A temporary folder inside `folder`, gone afterwards; StoreError where one cannot write."""
    temporary = None
    try:
        folder.mkdir(parents=True, exist_ok=True)
        temporary = Path(tempfile.mkdtemp(prefix=TEMPORARY, dir=folder))
        yield temporary
    except OSError as error:
        reason = error.strerror or str(error)
        raise StoreError(
            f"{folder}: cannot be written ({reason}); nothing was left behind. Mend that and give "
            "the same command again: what is finished is kept"
        ) from error
    finally:
        if temporary is not None:
            _sweep(folder, temporary)


def _sweep(folder: Path, temporary: Path) -> None:
    """Remove a temporary folder, and those that a kill left there more than a day ago."""
    shutil.rmtree(temporary, ignore_errors=True)
    for path in folder.glob(f"{TEMPORARY}*"):
        with suppress(OSError):  # another process sweeps too
            if time.time() - path.stat().st_mtime > DAY:
                shutil.rmtree(path)
