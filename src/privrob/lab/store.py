"""Results on disk: one folder a key, written whole or not at all, checked by checksum.

The store knows bytes and names. A result is `<root>/<kind>/<key>/` with `manifest.json` and
`arrays.npz`; weights, where there are any, lie beside them as `weights.safetensors`, or in the
zoo under any name (found by checksum). The first root is written to, all are read.
"""

import io
import json
import os
import shutil
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

from privrob.lab import files
from privrob.lab.files import (
    TEMPORARY,
    Manifest,
    StoreError,
    checked,
    json_text,
    npz,
    put,
    read_json,
    sha256,
    writing,
)

MANIFEST, ARRAYS, WEIGHTS, CHECKS = "manifest.json", "arrays.npz", "weights.safetensors", "checks"
DIVERGED = "diverged"  # the folder, under a root, of what is kept of trainings that diverged


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
        raw = checked(self.folder / ARRAYS, self.manifest["files"][ARRAYS])
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
        return checked(path, entry) if path.exists() else None

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
        contents = {ARRAYS: npz(arrays)}
        if weights:
            contents[WEIGHTS] = save_tensors({n: t.contiguous().cpu() for n, t in weights.items()})
        sums = {n: {"sha256": sha256(b), "bytes": len(b)} for n, b in contents.items()}
        manifest = manifest | {"files": sums}
        with writing(folder.parent) as temporary:
            for name, raw in contents.items():
                files.write(temporary / name, raw)
            files.write(temporary / MANIFEST, json_text(manifest).encode())
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
        path = record.folder / CHECKS / f"{check['fingerprint']}.json"
        put(path, json_text(check).encode())

    def keep_diverged(self, manifest: Manifest) -> None:
        """Keep what is known of a training that gave no result; the manifest needs `key`."""
        put(self.root / DIVERGED / f"{manifest['key']}.json", json_text(manifest).encode())
        self.forget(manifest["key"])

    def diverged(self, key: str) -> Manifest | None:
        """What is kept of a training that gave no result, or None."""
        paths = (root / DIVERGED / f"{key}.json" for root in self.roots)
        return next((read_json(path) for path in paths if path.exists()), None)

    def checkpoint(self, key: str, weights: Mapping[str, Tensor], state: Mapping[str, Any]) -> None:
        """Replace the checkpoint of a key; `state` is plain JSON data."""
        tensors = {n: t.contiguous().cpu() for n, t in weights.items()}
        raw = save_tensors(tensors, metadata={"state": json.dumps(state)})
        put(self._partial(key), sha256(raw).encode() + raw)

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
        with writing(self._partial(key).parent), suppress(Timeout):
            lock.acquire()
        try:
            yield lock.is_locked
        finally:
            lock.release()

    def _partial(self, key: str) -> Path:
        return self.root / ".partial" / f"{key}.checkpoint"


def _rename_if_first(temporary: Path, folder: Path) -> None:
    """Put a record in its place, unless one is there: another process may have been first."""
    try:
        temporary.rename(folder)
    except OSError:
        if not (folder / MANIFEST).exists():
            raise
