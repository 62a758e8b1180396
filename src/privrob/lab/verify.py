"""Are the stored results and the zoo whole? Every broken file is named.

This looks at bytes alone; whether today's code still gives the same numbers is `recompute`'s job.
"""

import json
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, fields
from functools import partial
from pathlib import Path
from typing import Any

from privrob import models_cifar, paths, zoo
from privrob.lab import spec as specs
from privrob.lab.spec import Pretrained, Train
from privrob.lab.store import (
    ARRAYS,
    CHECKS,
    DIVERGED,
    MANIFEST,
    TEMPORARY,
    WEIGHTS,
    Record,
    Store,
    StoreError,
    read_json,
)

BENCHMARKS = "benchmarks"  # the folder of their results, under a root
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
    found = [finding for path in store.manifests() for finding in _record(path, store)]
    found += [finding for root in store.roots for finding in _without_manifest(root)]
    found += [finding for root in store.roots for finding in _benchmarks(root)]
    found += [finding for root in store.roots for finding in _diverged(root)]
    return [*found, *_zoo(store)]


# -- records ------------------------------------------------------------------------------------


def _record(manifest: Path, store: Store) -> Iterator[Finding]:
    """The faults of one record: its manifest, arrays, weights, checks, and what it rests on."""
    try:
        record = Record(manifest.parent, read_json(manifest))
    except StoreError as error:
        yield Finding(manifest, str(error))
        return
    yield from _misplaced(record)
    yield from _unlisted(record)
    looks: dict[str, Callable[[], Any]] = {ARRAYS: lambda: record.arrays}
    if (record.folder / WEIGHTS).exists():
        looks[WEIGHTS] = partial(Store(manifest.parents[2]).weights, record)
    for path in sorted((record.folder / CHECKS).glob("*.json")):
        looks[f"{CHECKS}/{path.name}"] = partial(_require_own_name, path, "fingerprint")
    for name, look in looks.items():
        yield from _attempt(record.folder / name, look)
    yield from _attempt(manifest, partial(_require_same_upstream, record, store))


def _intact(store: Store, kind: str, key: str) -> Record | None:
    """The record of a key; None where it is not here, or broken and so named by itself."""
    try:
        return store.find(kind, key)
    except StoreError:
        return None


def _require_own_name(path: Path, what: str) -> None:
    """A manifest is intact and has the name that this entry of it gives."""
    if read_json(path)[what] != path.stem:
        raise StoreError(f"{path}: is of another {what}; restore its name or delete it")


def _unlisted(record: Record) -> Iterator[Finding]:
    """Files that no checksum covers."""
    known = {MANIFEST, *record.manifest.get("files", ())}
    for path in sorted(p for p in record.folder.rglob("*") if p.is_file()):
        name = path.relative_to(record.folder)
        is_check = name.parent == Path(CHECKS) and name.suffix == ".json"
        if not (str(name) in known or is_check or any(p.startswith(TEMPORARY) for p in name.parts)):
            yield Finding(path, f"is not in {MANIFEST}; delete it")


def _require_same_upstream(record: Record, store: Store) -> None:
    """The weights that it was computed from are those that its upstream has now."""
    for name, sha256 in record.manifest.get("upstream_weights", {}).items():
        key = record.manifest["upstream"][name]
        there = _intact(store, name, key)
        if there and there.weights_sha256 != sha256:
            raise StoreError(
                f"was computed from other weights than those of {there.folder}, which was trained "
                "anew since; delete its folder and run again"
            )


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


def _benchmarks(root: Path) -> Iterator[Finding]:
    """The faults of the benchmark results."""
    for path in sorted((root / BENCHMARKS).glob("*.json")):
        yield from _attempt(path, partial(read_json, path))


def _diverged(root: Path) -> Iterator[Finding]:
    """The faults of what is kept of trainings that diverged."""
    for path in sorted((root / DIVERGED).glob("*.json")):
        yield from _attempt(path, partial(_require_own_name, path, "key"))


# -- the zoo ------------------------------------------------------------------------------------


def _zoo(store: Store) -> Iterator[Finding]:
    """Faults of the index, of the files that it names, and files that it does not name."""
    index = paths.weights() / zoo.INDEX
    try:
        entries = zoo.entries()
    except zoo.ZooError as error:
        yield Finding(index, str(error))
        return
    except Exception as error:  # a seed that is no number, a list for a dictionary
        yield Finding(index, f"cannot be read ({error!r}); restore it")
        return
    if index.exists() and index.read_bytes() != _canonical(index):
        yield Finding(index, "was changed after it was written; restore it")
    for entry in entries:
        yield from _attempt(entry.path, partial(zoo.load, entry.name, seed=entry.seed))
        yield from _attempt(index, partial(_require_record, entry, store))
    listed = {entry.path for entry in entries}
    for path in sorted(paths.weights().rglob("*.safetensors")):
        if path not in listed:
            yield Finding(path, f"is not in {zoo.INDEX}; keep it again or delete it")


def _canonical(index: Path) -> bytes:
    """The one text of what the index says."""
    value = json.loads(index.read_bytes())
    return (json.dumps(value, indent=1, sort_keys=True) + "\n").encode()


def _kept(spec: Mapping[str, Any]) -> dict[str, Any]:
    """The network whose weights a training leaves: without its head where features are learnt."""
    model = dict(spec["model"])
    if spec["type"] == Pretrained.__name__:
        model |= {"name": models_cifar.FEATURES[model["name"]], "hidden": []}
    return model


def _require_record(entry: zoo.Entry, store: Store) -> None:
    """The index has no checksum of its own: every field must be what the entry's result says."""
    who = f"the entry {entry.name!r}, seed {entry.seed}"
    kinds = (kind for kind, of in specs.KINDS.items() if issubclass(of, Train))
    record = next(filter(None, (_intact(store, kind, entry.key) for kind in kinds)), None)
    if record is None:
        raise StoreError(f"{who} is of result {entry.key}, which is not here; restore it")
    file, spec = record.manifest["files"].get(WEIGHTS, {}), record.manifest["spec"]
    model = _kept(spec)
    told = {
        "file": (entry.file, f"{entry.name}-seed{entry.seed}.safetensors"),
        "seed": (entry.seed, spec["seed"]),
        "bytes": (entry.bytes, file.get("bytes")),
        "sha256": (entry.sha256, file.get("sha256")),
        "network": (entry.network, model["name"]),
    }
    told |= {n: (_plain(value), model.get(n)) for n, value in entry.settings.items()}
    for name, (here, there) in told.items():
        if here != there:
            raise StoreError(f"{who} has {name} {here}, and its result {there}; restore it")


def _plain(value: Any) -> Any:
    return list(value) if isinstance(value, tuple) else value
