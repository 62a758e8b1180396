"""Are the stored results and the zoo whole? Every broken file is named.

This looks at bytes alone; whether today's code still gives the same numbers is `recompute`'s job.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, fields
from functools import partial
from pathlib import Path
from typing import Any

from privrob import paths, zoo
from privrob.lab import spec as specs
from privrob.lab.spec import Train
from privrob.lab.store import (
    ARRAYS,
    CHECKS,
    MANIFEST,
    WEIGHTS,
    Record,
    Store,
    StoreError,
    read_json,
)

_LABELS = {f.name for f in fields(Train) if f.metadata.get("label")}


@dataclass(frozen=True)
class Finding:
    """A broken file and what is wrong with it."""

    path: Path
    message: str

    def __str__(self) -> str:
        named = str(self.path) in self.message
        return self.message if named else f"{self.path}: {self.message}"


def verify_all(store: Store) -> list[Finding]:
    """Every broken file of every record, and of the zoo; an empty list if all is well."""
    found = [finding for path in store.manifests() for finding in _record(path)]
    found += [finding for root in store.roots for finding in _without_manifest(root)]
    return [*found, *_zoo()]


# -- records ------------------------------------------------------------------------------------


def _record(manifest: Path) -> Iterator[Finding]:
    """The faults of one record: its manifest, arrays, weights and checks."""
    try:
        record = Record(manifest.parent, read_json(manifest))
    except StoreError as error:
        yield Finding(manifest, str(error))
        return
    yield from _misplaced(record)
    looks: dict[str, Callable[[], Any]] = {ARRAYS: lambda: record.arrays}
    if (record.folder / WEIGHTS).exists():
        looks[WEIGHTS] = partial(Store(manifest.parents[2]).weights, record)
    for path in sorted((record.folder / CHECKS).glob("*.json")):
        looks[f"{CHECKS}/{path.name}"] = partial(read_json, path)
    for name, look in looks.items():
        yield from _attempt(record.folder / name, look)


def _attempt(path: Path, look: Callable[[], Any]) -> Iterator[Finding]:
    try:
        look()
    except Exception as error:  # whatever a damaged file does to the library that reads it
        yield Finding(path, f"{error or type(error).__name__}")


def _misplaced(record: Record) -> Iterator[Finding]:
    """A manifest that is intact and does not belong to its folder, or to its own settings."""
    path, m = record.folder / MANIFEST, record.manifest
    try:
        place = (m["kind"], m["key"])
        checksum = m["data"][m["spec"]["data"]["name"]]
        parts = {"spec": _unlabelled(m["spec"]), "upstream": m["upstream"], "data": checksum}
    except (KeyError, TypeError) as error:
        yield Finding(path, f"lacks {error}; delete its folder")
        return
    if place != (record.folder.parent.name, record.folder.name):
        yield Finding(path, f"says it is {'/'.join(place)}; restore it or delete its folder")
    elif specs.digest(parts) != m["key"]:
        yield Finding(path, "its settings do not give its key; restore it or delete its folder")


def _unlabelled(text: Any) -> Any:
    """The text of a spec as it is in the key: without labels."""
    if isinstance(text, dict):
        return {name: _unlabelled(item) for name, item in text.items() if name not in _LABELS}
    return text


def _without_manifest(root: Path) -> Iterator[Finding]:
    for kind in specs.KINDS:
        for folder in sorted((root / kind).glob("[!.]*")):
            if not (folder / MANIFEST).exists():
                yield Finding(folder, f"has no {MANIFEST}; restore it or delete the folder")


# -- the zoo ------------------------------------------------------------------------------------


def _zoo() -> Iterator[Finding]:
    """Faults of the index, of the files that it names, and files that it does not name."""
    try:
        entries = zoo.entries()
    except zoo.ZooError as error:
        yield Finding(paths.weights() / zoo.INDEX, str(error))
        return
    for entry in entries:
        yield from _attempt(entry.path, partial(zoo.load, entry.name, seed=entry.seed))
    listed = {entry.path for entry in entries}
    for path in sorted(paths.weights().rglob("*.safetensors")):
        if path not in listed:
            yield Finding(path, f"is not in {zoo.INDEX}; keep it again or delete it")
