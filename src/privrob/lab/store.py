"""Results on disk: one folder a key, written whole or not at all, checked by checksum.

The store knows bytes and names. A result is `<root>/<kind>/<key>/` with `manifest.json` and
`arrays.npz`; weights, where there are any, lie beside them as `weights.safetensors`, or in the
zoo under any name (found by checksum). The first root is written to, all are read.
"""

import hashlib
import io
import json
import os
import shutil
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from filelock import FileLock, Timeout
from safetensors.torch import load as load_tensors
from safetensors.torch import save as save_tensors
from torch import Tensor

Manifest = dict[str, Any]
MANIFEST, ARRAYS, WEIGHTS, CHECKS = "manifest.json", "arrays.npz", "weights.safetensors", "checks"
TEMPORARY = ".tmp-"  # what has such a name is no result, and is gone a day after a kill left it
DAY = 24 * 3600


class StoreError(RuntimeError):
    """A record that cannot be used, or a folder that cannot be written; names the file."""


class WeightsError(StoreError):
    """The weights of a result that is there are not; says which, and what to do."""


@dataclass(frozen=True)
class Record:
    """One stored result: where it lies and what its manifest says; arrays load on demand."""

    folder: Path
    manifest: Manifest

    @property
    def key(self) -> str:
        return str(self.manifest["key"])

    @property
    def arrays(self) -> dict[str, np.ndarray]:
        """All arrays, checked; StoreError if the file is not the one that was written."""
        raw = _checked(self.folder / ARRAYS, self.manifest["files"][ARRAYS])
        with np.load(io.BytesIO(raw), allow_pickle=False) as arrays:
            return dict(arrays)

    @property
    def weights_sha256(self) -> str | None:
        """The checksum of its weights, wherever they are kept; None for a result without."""
        entry = self.manifest["files"].get(WEIGHTS)
        return str(entry["sha256"]) if entry else None

    @property
    def checks(self) -> list[Manifest]:
        """The recomputations that this record has passed, oldest first."""
        return [read_json(path) for path in sorted((self.folder / CHECKS).glob("*.json"))]


class Store:
    """Reads results from every root, writes them to the first."""

    def __init__(self, root: Path, *, also: Sequence[Path] = (), weights: Sequence[Path] = ()):
        self.root = Path(root)
        self.roots = [self.root, *(Path(r) for r in also if Path(r) != self.root)]
        self.weight_folders = [Path(w) for w in weights]

    # -- reading --

    def find(self, kind: str, key: str) -> Record | None:
        """The record of a key, its manifest checked, or None."""
        for root in self.roots:
            folder = root / kind / key
            if (folder / MANIFEST).exists():
                return Record(folder, read_json(folder / MANIFEST))
        return None

    def records(self) -> Iterator[Record]:
        """All records of all roots. Raises StoreError at the first broken manifest."""
        for path in self.manifests():
            yield Record(path.parent, read_json(path))

    def manifests(self) -> list[Path]:
        """The path of every record's manifest, by root, kind and key."""
        found = (p for root in self.roots for p in sorted(root.glob(f"*/*/{MANIFEST}")))
        return [p for p in found if not p.parent.name.startswith(".")]  # what a kill left behind

    def weights(self, record: Record) -> dict[str, Tensor] | None:
        """The weights of a record, from beside it or from the zoo; None if not kept here."""
        if WEIGHTS not in record.manifest["files"]:
            return {}
        raw = self.weight_bytes(record)
        return None if raw is None else load_tensors(raw)

    def weight_bytes(self, record: Record) -> bytes | None:
        """The safetensors file of a record that has weights, checked; None if not kept here."""
        entry = record.manifest["files"][WEIGHTS]
        path = record.folder / WEIGHTS
        if not path.exists():
            names = (p for f in self.weight_folders for p in sorted(f.rglob("*.safetensors")))
            same = (p for p in names if p.stat().st_size == entry["bytes"])
            path = next((p for p in same if sha256(p.read_bytes()) == entry["sha256"]), path)
        return _checked(path, entry) if path.exists() else None

    # -- writing --

    def save(
        self,
        kind: str,
        manifest: Manifest,
        arrays: Mapping[str, np.ndarray],
        weights: Mapping[str, Tensor] | None = None,
    ) -> Record:
        """Write a result under a temporary name, then rename: a kill leaves it whole or absent.

        The manifest needs `key`; `files` is filled in here. A record that is there is kept.
        """
        folder = self.root / kind / manifest["key"]
        contents = {ARRAYS: _npz(arrays)}
        if weights:
            contents[WEIGHTS] = save_tensors({n: t.contiguous().cpu() for n, t in weights.items()})
        files = {n: {"sha256": sha256(b), "bytes": len(b)} for n, b in contents.items()}
        manifest = manifest | {"files": files}
        with _writing(folder.parent) as temporary:
            for name, raw in contents.items():
                _write(temporary / name, raw)
            _write(temporary / MANIFEST, json_text(manifest).encode())
            _rename_if_first(temporary, folder)
        self.forget(manifest["key"])
        return Record(folder, read_json(folder / MANIFEST))

    def discard(self, record: Record) -> bool:
        """Remove a record of the folder that is written to; False for one of another root."""
        if not record.folder.is_relative_to(self.root):
            return False
        doomed = record.folder.with_name(f"{TEMPORARY}{record.folder.name}.{os.getpid()}")
        record.folder.rename(doomed)  # at once: nobody reads half of it
        shutil.rmtree(doomed)
        return True

    def add_check(self, record: Record, check: Manifest) -> None:
        """Keep the outcome of a recomputation beside its record."""
        name = f"{check['fingerprint']}.json"
        folder = record.folder / CHECKS
        with _writing(record.folder) as temporary:
            _write(temporary / name, json_text(check).encode())
            folder.mkdir(exist_ok=True)
            (temporary / name).replace(folder / name)

    def checkpoint(self, key: str, weights: Mapping[str, Tensor], state: Mapping[str, Any]) -> None:
        """Replace the checkpoint of a key; `state` is plain JSON data."""
        tensors = {n: t.contiguous().cpu() for n, t in weights.items()}
        raw = save_tensors(tensors, metadata={"state": json.dumps(state)})
        path = self._partial(key)
        with _writing(path.parent) as temporary:
            _write(temporary / path.name, sha256(raw).encode() + raw)
            (temporary / path.name).replace(path)

    def restore(self, key: str) -> tuple[dict[str, Tensor], dict[str, Any]] | None:
        """The checkpoint of a key; None where there is none or it is damaged: then start anew."""
        path = self._partial(key)
        if not path.exists():
            return None
        whole = path.read_bytes()
        raw = whole[64:]
        if sha256(raw).encode() != whole[:64]:
            return None
        size = int.from_bytes(raw[:8], "little")
        state = json.loads(json.loads(raw[8 : 8 + size])["__metadata__"]["state"])
        return load_tensors(raw), state

    def forget(self, key: str) -> None:
        """Remove the checkpoint of a key."""
        self._partial(key).unlink(missing_ok=True)

    @contextmanager
    def claim(self, key: str) -> Iterator[bool]:
        """Hold a key while it is computed; False, at once, where another process holds it.

        The system lets go of what a killed process held.
        """
        lock = FileLock(self._partial(key).with_suffix(".lock"), blocking=False)
        with _writing(self._partial(key).parent), suppress(Timeout):
            lock.acquire()
        try:
            yield lock.is_locked
        finally:
            lock.release()

    def _partial(self, key: str) -> Path:
        return self.root / ".partial" / f"{key}.checkpoint"


# -- bytes --------------------------------------------------------------------------------------


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


def _checked(path: Path, entry: Mapping[str, Any]) -> bytes:
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


def _npz(arrays: Mapping[str, np.ndarray]) -> bytes:
    buffer = io.BytesIO()
    np.savez_compressed(buffer, **dict(sorted(arrays.items())))  # type: ignore[arg-type]
    return buffer.getvalue()


def _write(path: Path, raw: bytes) -> None:
    with path.open("wb") as file:
        file.write(raw)
        file.flush()
        os.fsync(file.fileno())


def _rename_if_first(temporary: Path, folder: Path) -> None:
    """Put a record in its place, unless one is there: another process may have been first."""
    try:
        temporary.rename(folder)
    except OSError:
        if not (folder / MANIFEST).exists():
            raise


@contextmanager
def _writing(folder: Path) -> Iterator[Path]:
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
