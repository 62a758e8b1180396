"""What the papers print: one `Claim` for each number or statement, read from `claims/*.yml`.

They are written before the runs that test them, each with its tolerance and the reason for it.
"""

import inspect
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, fields
from math import isfinite
from pathlib import Path
from typing import Any

import yaml

from privrob import paths
from privrob.lab import registry
from privrob.lab.measures import ARITHMETIC, MEASURES, MODELS
from privrob.lab.spec import known, require

PAPERS = ("song2019", "tursynbek2020")


class ClaimError(ValueError):
    """A claim that cannot be used; names its file and id."""


@dataclass(frozen=True, kw_only=True)
class Claim:
    """One printed number or statement. `measure` gives its value from a pair of models' records.

    A measure of an ordering or a trend is positive where the statement holds.
    """

    id: str
    paper: str
    locus: str
    kind: str  # value, ordering, trend or derived
    statement: str
    published: float | str
    unit: str
    measure: str
    arguments: Mapping[str, Any] = field(default_factory=dict)
    direction: str | None = None
    tolerance: float | None = None
    reason: str | None = None
    experiment: str | None = None

    def __post_init__(self) -> None:
        _check_text(self)
        known("paper", self.paper, PAPERS)
        known("kind", self.kind, _KINDS)
        require(self.id.count("/") >= 2, "id must be paper/exhibit/name")
        require(self.id.startswith(f"{self.paper}/"), f"id must begin with {self.paper}/")
        _check_kind(self)
        _check_measure(self)

    @property
    def exhibit(self) -> str:
        """The part of the paper that it is counted under: 'table1'."""
        return self.id.split("/")[1]

    @property
    def models(self) -> tuple[str, ...]:
        """The models whose records the measure reads."""
        return (self.arguments["model"],) if "model" in self.arguments else MODELS


# Of each kind: what published is, the fields beside every claim's, the directions it may name.
_KINDS: dict[str, tuple[type | tuple[type, ...], set[str], tuple[str, ...]]] = {
    "value": ((int, float), {"experiment", "tolerance", "reason"}, ("positive", "negative")),
    "ordering": (str, {"experiment"}, ()),
    "trend": (str, {"experiment"}, ()),
    "derived": ((int, float), set(), ("below",)),
}
_OPTIONAL = ("direction", "tolerance", "reason", "experiment")


def _check_text(claim: Claim) -> None:
    for f in fields(claim):
        value = getattr(claim, f.name)
        plain = f.name in ("published", "tolerance", "arguments")
        absent = value is None and f.name in _OPTIONAL
        good = plain or absent or (isinstance(value, str) and value.strip() != "")
        require(good, f"{f.name} must be text, got {value!r}")


def _check_kind(claim: Claim) -> None:
    published, needed, directions = _KINDS[claim.kind]
    good = isinstance(claim.published, published) and not isinstance(claim.published, bool)
    require(good, f"published of kind {claim.kind} cannot be {claim.published!r}")
    given = {name for name in _OPTIONAL if getattr(claim, name) is not None}
    for name in sorted(needed - given):
        raise ValueError(f"kind {claim.kind} needs {name}")
    for name in sorted(given - needed - {"direction"}):
        raise ValueError(f"kind {claim.kind} takes no {name}")
    if claim.direction is not None:
        known("direction", claim.direction, directions)
    t = claim.tolerance
    good = t is None or (isinstance(t, int | float) and t > 0 and isfinite(t))
    require(good, f"tolerance must be above 0, got {t!r}")


def _check_measure(claim: Claim) -> None:
    functions = ARITHMETIC if claim.kind == "derived" else MEASURES
    known("measure", claim.measure, functions)
    signature = inspect.signature(functions[claim.measure])
    try:
        signature.bind(*([] if claim.kind == "derived" else [{}]), **claim.arguments)
    except TypeError as error:
        raise ValueError(f"measure {claim.measure}: {error}") from error
    known("model", claim.arguments.get("model", MODELS[0]), MODELS)
    if claim.experiment is not None:
        known("experiment", claim.experiment, registry.EXPERIMENTS)


def load(folder: Path | None = None) -> list[Claim]:
    """All claims, checked, in the order of their files; ClaimError naming the file and the id."""
    found: dict[str, Claim] = {}
    for path in sorted((folder or paths.repository() / "claims").glob("*.yml")):
        for claim in _read(path):
            if claim.id in found:
                raise ClaimError(f"{path.name}: {claim.id}: there are two of this id")
            found[claim.id] = claim
    return list(found.values())


def _read(path: Path) -> Iterator[Claim]:
    try:
        entries = yaml.safe_load(path.read_text(encoding="utf-8"))
    except yaml.YAMLError as error:
        raise ClaimError(f"{path.name}: {error}") from error
    if not isinstance(entries, list) or not all(isinstance(e, dict) for e in entries):
        raise ClaimError(f"{path.name}: must be a list of claims")
    for n, entry in enumerate(entries, 1):
        try:
            yield _claim(entry)
        except (TypeError, ValueError) as error:
            raise ClaimError(f"{path.name}: {entry.get('id', f'claim {n}')}: {error}") from error


def _claim(entry: Mapping[str, Any]) -> Claim:
    names = [f.name for f in fields(Claim) if f.name != "arguments"]
    for name in entry:
        known("field", name, names)
    missing = [n for n in names if n not in entry and n not in _OPTIONAL]
    require(not missing, f"lacks {', '.join(missing)}")
    measure = entry["measure"]
    require(isinstance(measure, dict) and "name" in measure, "measure must have a name")
    arguments = {name: value for name, value in measure.items() if name != "name"}
    return Claim(**{**entry, "measure": measure["name"], "arguments": arguments})
