"""Where a result's weights are not kept: what a check of the same code on another model found.

A fingerprint stands for code. Where a result of the same kind, computed by the very code that this
one was, has been repeated with the code that would compute this one today, the two codes have been
compared, though on another model. All else must be the same: an attack asked for a bound runs code
that one without does not. Nothing of this result's own numbers is looked at.
"""

from collections.abc import Iterator, Mapping
from typing import Any

from privrob.lab import run
from privrob.lab import spec as specs
from privrob.lab.recompute.base import Outcome
from privrob.lab.run import Lab, Result
from privrob.lab.store import Record, read_json


def outcome(result: Result, lab: Lab) -> Outcome | None:
    """Such a check, one that disagrees before all others; None if there is none."""
    found = sorted(_checks(result, lab), key=lambda check: check["agrees"])
    if not found:
        return None
    check, kind = found[0], specs.kind(result.spec)
    method = f"the same code was checked on {kind} {check['key']}; this one's weights are not kept"
    counts = {name: check[name] for name in ("n", "disagreements", "excused")}
    return Outcome(result, check["agrees"], method, **counts, twin=check["key"])


def _checks(result: Result, lab: Lab) -> Iterator[dict[str, Any]]:
    """Checks between the same two codes, of results that ask the same of another model.

    Not those that rest on a twin themselves.
    """
    kind, asked = specs.kind(result.spec), _asked(specs.plain(result.spec, labels=False))
    codes = {
        "record_fingerprint": result.manifest["fingerprint"],
        "fingerprint": run.fingerprint_of(result.spec),
    }
    for path in lab.store.manifests():
        if path.parent.parent.name == kind:
            record = Record(path.parent, read_json(path))
            if _asked(record.manifest["spec"]) == asked:
                found = (c for c in record.checks if codes.items() <= c.items())
                yield from (c for c in found if not c.get("twin"))


def _asked(spec: Mapping[str, Any]) -> dict[str, Any]:
    """What a spec, as plain data, asks: all of it but the models."""
    return {name: value for name, value in spec.items() if name not in MODELS}


MODELS = ("train", "surrogate")
