"""Benchmark results on disk: one JSON file for each machine, thread count and day."""

import os
import re
from collections.abc import Collection, Mapping
from datetime import UTC, datetime
from importlib.metadata import PackageNotFoundError, version
from itertools import chain, count
from pathlib import Path

import torch

from privrob import paths
from privrob.lab.files import Manifest, StoreError, json_text, read_json
from privrob.lab.surroundings import surroundings

PEERS = ("opacus", "torchattacks", "foolbox")


def folder() -> Path:
    """Where results are kept."""
    return paths.records() / "benchmarks"


def result(
    subjects: Mapping[str, Manifest], *, device: torch.device, load: list[float]
) -> Manifest:
    """The record of a whole run; `load` is the machine's load average before it began."""
    there = surroundings(device)
    there.pop("peak_memory_mib")  # of this process, which ran everyone
    return there | {
        "kind": "benchmarks",
        "cores": os.cpu_count(),
        "peers": {name: _version(name) for name in PEERS},
        "load_before": load,
        "load_after": load_average(),
        "subjects": dict(subjects),
    }


def load_average() -> list[float]:
    """Processes that wanted to run, on average over 1, 5 and 15 minutes; empty if not known."""
    return [round(x, 2) for x in os.getloadavg()] if hasattr(os, "getloadavg") else []


def _version(name: str) -> str | None:
    try:
        return version(name)
    except PackageNotFoundError:
        return None


def file_name(record: Manifest) -> str:
    """'amd-epyc-2-cores-1-thread-2026-11-23.json': machine, threads and day."""
    threads = f"{record['threads']} thread" + "s" * (record["threads"] != 1)
    words = f"{record['device']} {record['cores']} cores {threads} {record['created'][:10]}"
    return re.sub(r"[^a-z0-9]+", "-", words.lower()).strip("-") + ".json"


def place(record: Manifest, *, subjects: Collection[str]) -> Path:
    """Where a run of these subjects is kept: it replaces no file that has others as well.

    Such a file of the same machine, threads and day is left alone, and a number goes behind.
    """
    first = folder() / file_name(record)
    several = (first.with_stem(f"{first.stem}-{n}") for n in count(2))
    return next(path for path in chain([first], several) if _holds_only(path, subjects))


def _holds_only(path: Path, subjects: Collection[str]) -> bool:
    return not path.exists() or read_json(path)["subjects"].keys() <= set(subjects)


def save(record: Manifest, path: Path) -> None:
    """Write under a temporary name, then rename: the file is whole or as it was."""
    temporary = path.with_name(f".tmp-{os.getpid()}-{path.name}")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        temporary.write_text(json_text(record), encoding="utf-8")
        temporary.replace(path)
    except OSError as error:
        raise StoreError(f"{path}: cannot be written ({error.strerror or error})") from error
    finally:
        temporary.unlink(missing_ok=True)


def results() -> list[tuple[Path, Manifest]]:
    """Every kept result with its file, newest first. Raises StoreError for one that was changed."""
    found = [(path, read_json(path)) for path in sorted(folder().glob("[!.]*.json"))]
    return sorted(found, key=lambda pair: _when(pair[1]), reverse=True)


def _when(record: Manifest) -> datetime:
    return datetime.fromisoformat(record["created"]).astimezone(UTC)
