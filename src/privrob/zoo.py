"""The full-scale models whose weights are kept: by name and seed, every file checked by checksum.

`records/weights/` holds one safetensors file a model and `zoo.json`, which says for each name
which network it is and for each seed the file, its size and checksum, and the key of the training
that made it. Names are `<paper>/<model>` for the literal reading of a paper and
`<paper>/<model>-matched` for the matched one, followed by what else sets a model apart:
`tursynbek2020/dpsgd-matched-sigma0.7-c1`.
"""

import hashlib
import json
import os
import re
from collections.abc import Mapping
from dataclasses import dataclass
from difflib import get_close_matches
from pathlib import Path
from typing import Any

from safetensors import SafetensorError
from safetensors.torch import load as load_tensors
from torch import Tensor, nn

from privrob import models, paths

INDEX = "zoo.json"
FILE_LIMIT, TOTAL_LIMIT = 8_000_000, 80_000_000  # bytes; weights go into git and stay there
_NAME = re.compile(r"[a-z0-9]+/[a-z0-9]+([-.][a-z0-9]+)*")


class ZooError(RuntimeError):
    """A zoo file or index that cannot be used, or a model that cannot be kept; names the file."""


@dataclass(frozen=True)
class Entry:
    """One kept model: its network, its file, and the key of the training result it is from."""

    name: str
    seed: int
    network: str
    settings: dict[str, Any]
    file: str
    bytes: int
    sha256: str
    key: str

    @property
    def path(self) -> Path:
        return paths.weights() / self.file


def load(name: str, *, seed: int) -> nn.Module:
    """The kept model, in eval mode, on the CPU, float32.

    ValueError for a name or a seed that is not there, ZooError for a file that is not the one
    that was kept.
    """
    entry = find(name, seed=seed)
    model = models.build(entry.network, seed=0, **entry.settings)
    model.load_state_dict(weights(entry))
    return model.eval()


def names() -> list[str]:
    """The names of all kept models."""
    return sorted(_index())


def entries() -> list[Entry]:
    """Every kept model, by name and seed."""
    index = _index()
    return [_entry(index, name, seed) for name in sorted(index) for seed in _seeds(index[name])]


def find(name: str, *, seed: int) -> Entry:
    """The entry of a model; ValueError with the nearest name, or with the seeds there are."""
    index = _index()
    if name not in index:
        near = get_close_matches(name, index, n=1, cutoff=0.4)
        hint = f"did you mean {near[0]!r}?" if near else f"it has {', '.join(sorted(index))}"
        hint = hint if index else f"{paths.weights()} holds none"
        raise ValueError(f"no model {name!r} in the zoo; {hint}")
    seeds = _seeds(index[name])
    if seed not in seeds:
        there = ", ".join(map(str, seeds))
        raise ValueError(f"no seed {seed!r} of {name!r} in the zoo; there are {there}")
    return _entry(index, name, seed)


def weights(entry: Entry) -> dict[str, Tensor]:
    """The checked weights of an entry; ZooError where the file is missing or another."""
    try:
        raw = entry.path.read_bytes()
    except OSError as error:
        raise ZooError(f"{entry.path}: cannot be read ({error.strerror}); restore it") from error
    if _sha256(raw) != entry.sha256:
        raise ZooError(
            f"{entry.path}: contents differ from the checksum in {INDEX} ({len(raw)} bytes, "
            f"{entry.bytes} expected); restore it"
        )
    return load_tensors(raw)


# -- keeping ------------------------------------------------------------------------------------


def keep(
    name: str, *, seed: int, network: str, settings: Mapping[str, Any], raw: bytes, key: str
) -> Entry:
    """Add a model: `raw` is its safetensors file, `key` that of its training result.

    Keeping the same one again changes nothing. ZooError for another file under a name and seed
    that is taken, and for one that would make the zoo too large; ValueError for weights that do
    not fit the network.
    """
    if not _NAME.fullmatch(name) or seed < 0:
        raise ValueError(f"a zoo name is 'paper/model' and a seed >= 0, got {name!r}, {seed}")
    index = _index()
    facts = {"file": f"{name}-seed{seed}.safetensors", "bytes": len(raw), "sha256": _sha256(raw)}
    model = {"network": network, "settings": json.loads(json.dumps(dict(settings)))}
    same = index.setdefault(name, model | {"seeds": {}})
    _refuse_another(same, model, facts, seed, name)
    _require_fit(name, network, settings, raw)
    same["seeds"][str(seed)] = facts | {"key": key}
    _refuse_too_large(index, facts)
    entry = _entry(index, name, seed)
    _write(entry.path, raw)
    _write(paths.weights() / INDEX, _text(index).encode())
    return entry


def _refuse_another(
    there: Mapping[str, Any],
    model: Mapping[str, Any],
    facts: Mapping[str, Any],
    seed: int,
    name: str,
) -> None:
    """ZooError where the name stands for another network, or its file for other weights."""
    if any(there[field] != model[field] for field in model):
        raise ZooError(f"{name!r} is already kept with another network or other settings")
    path = paths.weights() / facts["file"]
    kept = there["seeds"].get(str(seed), facts)["sha256"]
    if kept != facts["sha256"] or (path.exists() and _sha256(path.read_bytes()) != kept):
        raise ZooError(f"{path}: other weights are kept there; they are never overwritten")


def _require_fit(name: str, network: str, settings: Mapping[str, Any], raw: bytes) -> None:
    """ValueError unless `raw` holds the weights of the network."""
    model = models.build(network, seed=0, **settings)
    try:
        model.load_state_dict(load_tensors(raw))
    except (RuntimeError, SafetensorError) as error:
        raise ValueError(f"{name}: these weights are not those of {network}: {error}") from error


def _refuse_too_large(index: Mapping[str, Any], facts: Mapping[str, Any]) -> None:
    if facts["bytes"] > FILE_LIMIT:
        raise ZooError(f"{facts['file']}: {facts['bytes']} bytes; {FILE_LIMIT} at most are kept")
    total = sum(f["bytes"] for model in index.values() for f in model["seeds"].values())
    if total > TOTAL_LIMIT:
        raise ZooError(f"with {facts['file']} the zoo has {total} bytes; {TOTAL_LIMIT} at most")


# -- the index ----------------------------------------------------------------------------------


def _index() -> dict[str, Any]:
    path = paths.weights() / INDEX
    if not path.exists():
        return {}
    try:
        return dict(json.loads(path.read_text(encoding="utf-8")))
    except (OSError, ValueError, TypeError) as error:
        raise ZooError(f"{path}: cannot be read ({error}); restore it") from error


def _seeds(model: Mapping[str, Any]) -> list[int]:
    return sorted(int(seed) for seed in model["seeds"])


def _entry(index: Mapping[str, Any], name: str, seed: int) -> Entry:
    """One line of the index; ZooError where a part of it is missing."""
    try:
        model = index[name]
        settings = {k: tuple(v) if isinstance(v, list) else v for k, v in model["settings"].items()}
        return Entry(name, seed, model["network"], settings, **model["seeds"][str(seed)])
    except (KeyError, TypeError, AttributeError) as error:
        path = paths.weights() / INDEX
        raise ZooError(
            f"{path}: the entry {name!r}, seed {seed} is incomplete ({error})"
        ) from error


def _text(index: Mapping[str, Any]) -> str:
    return json.dumps(index, indent=1, sort_keys=True) + "\n"


def _sha256(raw: bytes) -> str:
    return hashlib.sha256(raw).hexdigest()


def _write(path: Path, raw: bytes) -> None:
    """Write beside `path`, then rename: a kill leaves the old file or the new one."""
    temporary = path.with_name(f".{path.name}.{os.getpid()}.tmp")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        temporary.write_bytes(raw)
        temporary.replace(path)
    except OSError as error:
        raise ZooError(f"{path}: cannot be written ({error.strerror})") from error
    finally:
        if temporary.parent.is_dir():
            temporary.unlink(missing_ok=True)
