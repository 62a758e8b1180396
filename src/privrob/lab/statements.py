"""What the papers print: one `Claim` for each number or statement, read from `claims/*.yml`.

They are written before the runs that test them, each with its tolerance and the reason for it.
Many alike stand in a compact table, which `claim_tables` expands.
"""

import inspect
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, fields
from decimal import Decimal
from functools import cache
from math import isfinite
from pathlib import Path
from typing import Any

import yaml

from privrob import paths
from privrob.lab import claim_tables, registry
from privrob.lab.arithmetic import ARITHMETIC
from privrob.lab.measures import MEASURES, MODELS
from privrob.lab.spec import known, require

PAPERS = ("song2019", "tursynbek2020")
QUOTE, CHECK = "quote", "check"


class ClaimError(ValueError):
    """A claim that cannot be used; names its file and id."""


@dataclass(frozen=True, kw_only=True)
class NotAttempted:
    """Why no run tests a claim yet, and roughly what it would take, in words with their basis."""

    why: str
    cost: str

    def __post_init__(self) -> None:
        for f in fields(self):
            _require_text(f"not_attempted: {f.name}", getattr(self, f.name))

    def __str__(self) -> str:
        return f"{self.why}; {self.cost}"


@dataclass(frozen=True, kw_only=True)
class Claim:
    """One printed number or statement, with the `measure` that tests it or why there is none.

    With both, `not_attempted` is said for as long as its experiment has no record. A measure gives
    one number from a pair of models' records, or of kind derived from what is printed. Where
    `published` is text it is positive if the statement holds; that of an ordering or a trend is
    above `above` where that is given. `corrected` is what a verdict is given against where the
    printed number is taken for a slip: `published` stays as printed. `words` says whose the text of
    `published` is: the paper's ('quote', letter by letter), ours where there is none, or that the
    whole claim is our 'check', of which the paper says nothing. `sets` are the numbers of `members`
    and `nonmembers` behind an inference accuracy. `variants` names what of an experiment with
    several DP-SGD models the measure reads: it finds them under these notes, in this order, beside
    'sgd'; of a single one it reads a pair as ever. A measure whose arguments name models
    (`baseline`, `model`, `models`) reads those of the same seed, by a note too where there are
    several variants.
    """

    id: str
    paper: str
    locus: str
    kind: str  # value, ordering, trend or derived
    statement: str
    published: float | str
    unit: str
    measure: str = ""  # none where it is not attempted
    arguments: Mapping[str, Any] = field(default_factory=dict)
    direction: str | None = None
    tolerance: float | None = None
    reason: str | None = None
    experiment: str | None = None
    not_attempted: NotAttempted | None = None
    corrected: float | None = None
    decimals: int | None = None
    words: str | None = None
    sets: Mapping[str, int] | None = None
    variants: tuple[str, ...] | None = None
    above: float | None = None

    def __post_init__(self) -> None:
        _check_text(self)
        known("paper", self.paper, PAPERS)
        known("kind", self.kind, _KINDS)
        require(self.words in (None, QUOTE, CHECK), f"words: no {self.words!r}")
        require(self.id.count("/") >= 2, "id must be paper/exhibit/name")
        require(self.id.startswith(f"{self.paper}/"), f"id must begin with {self.paper}/")
        _check_kind(self)
        _check_numbers(self)
        _check_measure(self)

    @property
    def exhibit(self) -> str:
        """The part of the paper that it is counted under: 'table1'."""
        return self.id.split("/")[1]

    @property
    def target(self) -> float:
        """The number that a verdict is given against."""
        return float(self.published if self.corrected is None else self.corrected)

    @property
    def shown(self) -> str:
        """`published` for a reader: a number with its decimals and unit, a text with its author."""
        if not isinstance(self.published, str):
            number = f"{self.published:.{self.printed_decimals}f} {self.unit}"
            return f"{number}; the check is ours, not printed" if self.words == CHECK else number
        if self.words == QUOTE:
            return f"“{self.published}”"
        return f"{_AUTHORS[self.words]}: {self.published}"

    @property
    def printed_decimals(self) -> int:
        """How many decimals are printed; `decimals` tells where YAML drops zeros (10.00)."""
        if self.decimals is not None:
            return self.decimals
        return max(0, -int(Decimal(str(self.published)).as_tuple().exponent))

    @property
    def models(self) -> tuple[str, ...]:
        """The models whose records the measure reads."""
        variants = self.variants or ()
        return self._named or (("sgd", *variants) if len(variants) > 1 else MODELS)

    @property
    def _named(self) -> tuple[str, ...]:
        named: list[Any] = [self.arguments[n] for n in _NAMING if n in self.arguments]
        return tuple(m for n in named for m in ([n] if isinstance(n, str) else n))

    def role(self, model: str, note: str) -> str | None:
        """The name under which the measure reads a run of `model` and `note`; None if it does not.

        Of several variants those go by their notes that the measure names so; where it names none,
        all but SGD, which is the same beside every one.
        """
        variants = self.variants or ("",)
        if note not in variants:
            return None
        by_note = note in self._named if self._named else model != "sgd"
        name = note if len(variants) > 1 and by_note else model
        return name if name in self.models else None


_NAMING = ("baseline", "model", "models")  # the arguments of a measure that name its models
_AUTHORS = {None: "in our words", CHECK: "our check, not printed"}

# Of each kind: what published is, the fields that a measured claim needs and that one without a
# measure needs, beside every claim's; the directions it may name.
_Types = type | tuple[type, ...]
_KINDS: dict[str, tuple[_Types, set[str], tuple[str, ...]]] = {
    "value": ((int, float), {"tolerance", "reason"}, ("positive", "negative")),
    "ordering": (str, set(), ()),
    "trend": (str, set(), ()),
    "derived": ((int, float, str), set(), ("below",)),
}
_ALWAYS = ("direction", "not_attempted", "decimals", "words", "variants")
_OF_KIND = {"value": {"corrected", "sets"}, "ordering": {"above"}, "trend": {"above"}}
_OPTIONAL = (*_ALWAYS, "corrected", "sets", "above", "measure", "tolerance", "reason", "experiment")
_NO_TEXT = (
    "published", "measure", "arguments", "tolerance", "not_attempted", "corrected", "decimals",
    "sets", "variants", "above",
)  # fmt: skip


def _check_text(claim: Claim) -> None:
    for f in fields(claim):
        value = getattr(claim, f.name)
        if f.name not in _NO_TEXT and not (value is None and f.name in _OPTIONAL):
            _require_text(f.name, value)


def _require_text(name: str, value: Any) -> None:
    good = isinstance(value, str) and value.strip() != ""
    require(good, f"{name} must be text, got {value!r}")


def _check_kind(claim: Claim) -> None:
    types, needed, directions = _KINDS[claim.kind]
    good = isinstance(claim.published, types) and not isinstance(claim.published, bool)
    require(good, f"published of kind {claim.kind} cannot be {claim.published!r}")
    attempted = claim.not_attempted is None or claim.measure != ""
    if claim.kind == "derived":
        require(not claim.not_attempted, "kind derived is computed at once: it needs a measure")
    elif attempted:
        needed = needed | {"experiment"}
    given = {name for name in _OPTIONAL if getattr(claim, name) is not None}
    for name in sorted(needed - given):
        raise ValueError(f"kind {claim.kind} needs {name}")
    taken = needed | {*_ALWAYS, "measure"} | _OF_KIND.get(claim.kind, set())
    for name in sorted(given - taken):
        what = f"kind {claim.kind}" if attempted else "a claim that is not attempted"
        raise ValueError(f"{what} takes no {name}")
    if claim.direction is not None:
        known("direction", claim.direction, directions)
    quoted = claim.words != QUOTE or isinstance(claim.published, str)
    require(quoted, "words: only a text can be a quote")


def _check_numbers(claim: Claim) -> None:
    t, d = claim.tolerance, claim.decimals
    require(t is None or (_is_number(t) and t > 0), f"tolerance must be above 0, got {t!r}")
    for name in ("corrected", "above"):
        value = getattr(claim, name)
        require(value is None or _is_number(value), f"{name} must be a number, got {value!r}")
    require(d is None or (type(d) is int and d >= 0), f"decimals must be a count, got {d!r}")
    if claim.sets is not None:
        sets = dict(claim.sets)
        good = sets.keys() == {"members", "nonmembers"} and all(
            type(n) is int and n > 0 for n in sets.values()
        )
        require(good, f"sets must have counts of members and nonmembers, got {sets!r}")


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and isfinite(value)


def _check_measure(claim: Claim) -> None:
    some = claim.measure or claim.not_attempted
    require(bool(some), "needs a measure, or not_attempted with why and cost")
    if not claim.measure:
        return
    functions = ARITHMETIC if claim.kind == "derived" else MEASURES
    known("measure", claim.measure, functions)
    try:
        inspect.signature(functions[claim.measure]).bind({}, **claim.arguments)
    except TypeError as error:
        raise ValueError(f"measure {claim.measure}: {error}") from error
    if claim.experiment is not None:
        known("experiment", claim.experiment, registry.EXPERIMENTS)
        _check_models(claim)
    if claim.variants is not None:
        notes = {v.note for v in registry.experiment(claim.experiment or "").variants("paper")}
        for note in claim.variants:
            known("variants", note, notes)


def _check_models(claim: Claim) -> None:
    """The models that a measure names by itself are of the experiment, as variants are."""
    for model in () if claim.variants else claim.models:
        known("model", model, _models_of(claim.experiment or ""))


@cache
def _models_of(experiment: str) -> tuple[str, ...]:
    every = registry.experiment(experiment).variants("paper", seed=registry.LIVE_SEED)
    return tuple(dict.fromkeys(v.model for v in every))


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
        name = entry.get("id", entry.get("table", f"claim {n}"))
        try:
            every = list(claim_tables.cells(entry)) if "table" in entry else [entry]
            for cell in every:
                name = cell.get("id", name)
                yield _claim(cell)
        except (TypeError, ValueError) as error:
            raise ClaimError(f"{path.name}: {name}: {error}") from error


def _claim(entry: Mapping[str, Any]) -> Claim:
    names = [f.name for f in fields(Claim) if f.name != "arguments"]
    for name in entry:
        known("field", name, names)
    missing = [n for n in names if n not in entry and n not in _OPTIONAL]
    require(not missing, f"lacks {', '.join(missing)}")
    variants = entry.get("variants")
    several = {"variants": tuple(variants)} if variants is not None else {}
    return Claim(**{**entry, **_measure(entry), **_not_attempted(entry), **several})


def _measure(entry: Mapping[str, Any]) -> dict[str, Any]:
    measure = entry.get("measure")
    if measure is None:
        return {"measure": ""}
    require(isinstance(measure, dict) and "name" in measure, "measure must have a name")
    arguments = {name: value for name, value in measure.items() if name != "name"}
    return {"measure": measure["name"], "arguments": arguments}


def _not_attempted(entry: Mapping[str, Any]) -> dict[str, Any]:
    given = entry.get("not_attempted")
    if given is None:
        return {}
    good = isinstance(given, dict) and set(given) == {"why", "cost"}
    require(good, f"not_attempted must have why and cost, got {given!r}")
    return {"not_attempted": NotAttempted(**given)}
