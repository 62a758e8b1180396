"""Where and with what a result is computed: what its manifest says beside the numbers."""

import os
import platform
import subprocess
import sys
from datetime import UTC, datetime
from importlib.metadata import version
from typing import Any

import torch

from privrob import device, paths

LIBRARIES = ("torch", "numpy", "opacus", "privrob")


def surroundings(on: torch.device) -> dict[str, Any]:
    """Commit, versions, device, threads, peak memory of this process and the time: plain data.

    $PRIVROB_COMMIT names the commit where there is no checkout, as in a container, or another one.
    """
    peak = _peak_bytes(on)
    return {
        "commit": os.environ.get("PRIVROB_COMMIT") or _git("rev-parse", "HEAD"),
        "uncommitted": bool(_git("status", "--porcelain", "--", "src")),
        "versions": {name: version(name) for name in LIBRARIES}
        | {"python": platform.python_version()},
        "device": device.describe(on),
        "device_kind": on.type,
        "threads": torch.get_num_threads(),
        "precision": "float32",
        "peak_memory_mib": None if peak is None else round(peak / 2**20),
        "created": datetime.now(UTC).isoformat(timespec="seconds"),
    }


def _peak_bytes(on: torch.device) -> int | None:
    """The most memory held so far, on the GPU or by this process; None where nobody counts."""
    if on.type == "cuda":
        return torch.cuda.max_memory_allocated(on)
    try:
        import resource  # not on Windows
    except ImportError:
        return None
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak if sys.platform == "darwin" else peak * 1024


def _git(*words: str) -> str:
    """The output of a git command in the checkout; empty where there is no git."""
    try:
        done = subprocess.run(
            ["git", *words], cwd=paths.repository(), capture_output=True, text=True, check=True
        )
    except (OSError, subprocess.CalledProcessError):
        return ""
    return done.stdout.strip()
