"""Where a result's weights are not kept: what a check of the same code on another model found.

A fingerprint stands for code. Where a result of the same kind, computed by the very code that this
one was, has been repeated with the code that would compute this one today, the two codes have been
compared, though on another model. Nothing of this result's own numbers is looked at.
"""

from collections.abc import Iterator
from typing import Any

from privrob.lab import run
from privrob.lab import spec as specs
from privrob.lab.recompute.base import Outcome
from privrob.lab.run import Lab, Result
from privrob.lab.store import Record


def outcome(result: Result, lab: Lab) -> Outcome | None:
    """The oldest such check; one that disagrees goes before all others. None if there is none."""
    found = sorted(_checks(result, lab), key=lambda check: check["agrees"])
    if not found:
        return None
    check, kind = found[0], specs.kind(result.spec)
    method = f"the same code was checked on {kind} {check['key']}; this one's weights are not kept"
    counts = {name: check[name] for name in ("n", "disagreements", "excused")}
    return Outcome(result, check["agrees"], method, **counts, twin=check["key"])


def _checks(result: Result, lab: Lab) -> Iterator[dict[str, Any]]:
    """Checks of results of this kind between the same two codes that have no twin themselves."""
    codes = {
        "record_fingerprint": result.manifest["fingerprint"],
        "fingerprint": run.fingerprint_of(result.spec),
    }
    kind = specs.kind(result.spec)
    folders = [path.parent for path in lab.store.manifests() if path.parent.parent.name == kind]
    for check in (c for folder in folders for c in Record(folder, {}).checks):
        if codes.items() <= check.items() and not check.get("twin"):
            yield check
