"""The ledger: claims joined with the records that bear on them, each with its verdict.

Only runs of profile paper at the paper's scale are evidence. A broken record raises StoreError: it
never passes for a missing one.
"""

from collections.abc import Container, Mapping, Sequence
from dataclasses import dataclass, replace
from math import isnan, nan
from typing import Any

from privrob.lab import joined, measures, registry, verdicts
from privrob.lab.arithmetic import ARITHMETIC, Found, Printed, chance
from privrob.lab.markup import duration
from privrob.lab.measures import MEASURES, MeasureError
from privrob.lab.registry import Variant
from privrob.lab.run import Lab, Result, Step, open_store
from privrob.lab.statements import Claim, ClaimError, load
from privrob.lab.store import Store
from privrob.lab.verdicts import Evidence, Verdict
from privrob.stats import seed_summary

HEADLINE = next(iter(registry.READINGS))  # 'literal', the settings as stated

# -- evidence -----------------------------------------------------------------------------------


@dataclass(frozen=True)
class Run:
    """One run of an experiment: its record, if there is one, and its steps, upstream first."""

    variant: Variant
    result: Result | None
    steps: tuple[Step, ...]


def runs(experiment: str, lab: Lab) -> list[Run]:
    """Every run of an experiment in profile paper, and at the paper's scale: what is evidence."""
    variants = registry.experiment(experiment).variants("paper")
    full = [v for v in variants if v.train.scale == "paper"]
    return [Run(v, joined.lookup(lab, v), tuple(lab.plan([v.spec]))) for v in full]


def _select(claim: Claim, found: Sequence[Run], reading: str) -> dict[int, dict[str, Run]]:
    """By seed: the runs that a claim reads in one reading, as its measure names them."""
    chosen: dict[int, dict[str, Run]] = {}
    for run in found:
        role = claim.role(run.variant.model, run.variant.note)
        if run.variant.reading == reading and role is not None:
            chosen.setdefault(run.variant.seed, {})[role] = run
    return chosen


def gather(claim: Claim, found: Sequence[Run], *, reading: str) -> Evidence | None:
    """What the records of a reading say about a claim; None where no seed is complete.

    Raises MeasureError where the records cannot give the measure, StoreError for a broken one.
    """
    chosen = _select(claim, found, reading)
    complete = {
        seed: group
        for seed, group in chosen.items()
        if group.keys() >= set(claim.models) and all(run.result for run in group.values())
    }
    if not complete:
        return None
    pairs = [
        {name: group[name].result.arrays for name in claim.models}  # type: ignore[union-attr]
        for group in complete.values()
    ]
    used = [run for group in complete.values() for run in group.values()]
    return Evidence(
        reading=reading,
        **_estimate(claim, pairs),
        seeds=tuple(complete),
        planned=len(chosen),
        records=tuple(run.result.key for run in used if run.result),
        states=tuple(step.state for run in used for step in run.steps),
        note=", ".join(claim.variants or ()),
    )


def _estimate(claim: Claim, pairs: Sequence[measures.Pair]) -> dict[str, Any]:
    values = tuple(float(MEASURES[claim.measure](pair, **claim.arguments)) for pair in pairs)
    over = seed_summary(values)
    interval: Any = over
    if over.n == 1:
        interval = measures.interval_over_images(claim.measure, pairs[0], **claim.arguments)
    basis = "examples" if over.n == 1 else "seeds"
    ends = {"low": interval.low, "high": interval.high}
    return {"value": over.mean, "values": values, "basis": basis, **ends}


# -- the ledger ---------------------------------------------------------------------------------


@dataclass(frozen=True)
class Assessment:
    """A claim in one reading; `minutes` is what its missing runs would cost."""

    reading: str
    verdict: Verdict
    evidence: Evidence | None
    minutes: float = 0.0


@dataclass(frozen=True)
class Entry:
    """A claim and its assessments; the first is the headline.

    That is the literal reading's, but for models that run in the matched reading alone.
    """

    claim: Claim
    assessments: tuple[Assessment, ...]

    @property
    def headline(self) -> Assessment:
        return self.assessments[0]

    @property
    def literal(self) -> Assessment | None:
        """The literal reading's."""
        return next((a for a in self.assessments if a.reading == HEADLINE), None)

    @property
    def matched(self) -> Assessment | None:
        """The matched reading's, which stands beside the literal one's."""
        return next((a for a in self.assessments if a.reading == "matched"), None)

    @property
    def only_matched(self) -> bool:
        """Whether its models run in the matched reading alone."""
        return self.headline.reading == "matched"

    @property
    def tier(self) -> str:
        """Of what its evidence is, or would be: 'derived' or 'recorded'."""
        return "derived" if self.claim.kind == "derived" else "recorded"

    @property
    def command(self) -> str | None:
        """How to compute its evidence again; None where no run gives it."""
        name = self.claim.experiment
        return registry.experiment(name).command if name else None


def ledger(store: Store | None = None, *, exhibits: Container[str] | None = None) -> list[Entry]:
    """Every claim with its verdict in each reading, from the records that are there now.

    `exhibits` ('tursynbek2020/table1') asks for those of some alone, which spares the others' work.
    """
    every = load()
    claims = [c for c in every if exhibits is None or f"{c.paper}/{c.exhibit}" in exhibits]
    found = _found(claims, store)
    printed = {c.id: float(c.published) for c in every if c.kind == "value"}
    return [Entry(claim, _assessments(claim, found, printed)) for claim in claims]


def _lab(store: Store | None) -> Lab:
    return Lab(store or open_store("paper"), on="cpu")


def _found(claims: Sequence[Claim], store: Store | None) -> dict[str, list[Run]]:
    """The runs of every experiment that the claims name."""
    lab = _lab(store)
    return {name: runs(name, lab) for name in dict.fromkeys(c.experiment for c in claims) if name}


def _assessments(
    claim: Claim, found: Mapping[str, list[Run]], printed: Printed
) -> tuple[Assessment, ...]:
    if not claim.measure:
        verdict = Verdict("not attempted", str(claim.not_attempted))
        return (Assessment(HEADLINE, verdict, None),)
    if claim.experiment is None:
        evidence = _derive(claim, printed)
        return (Assessment("", judge(claim, evidence), evidence),)
    runs_of = found[claim.experiment]
    ran = [r for r in registry.READINGS if _has_every_model(claim, runs_of, r)]
    readings = ran or [HEADLINE]
    return tuple(_assess(claim, runs_of, reading) for reading in readings)


def _has_every_model(claim: Claim, found: Sequence[Run], reading: str) -> bool:
    """Some seed of a reading is to have all that a claim reads: a sweep runs in one reading."""
    groups = _select(claim, found, reading).values()
    return any(group.keys() >= set(claim.models) for group in groups)


def _derive(claim: Claim, printed: Printed) -> Evidence:
    try:
        found = ARITHMETIC[claim.measure](printed, **claim.arguments)
    except KeyError as error:
        raise ClaimError(f"{claim.id}: no printed number {error}") from error
    given = found if isinstance(found, Found) else Found(found)
    basis = "arithmetic" if isnan(given.low) else "set sizes"
    return Evidence(reading="", basis=basis, **given._asdict())


def _assess(claim: Claim, found: Sequence[Run], reading: str) -> Assessment:
    groups = _select(claim, found, reading).values()
    wanted = [run for group in groups for run in group.values() if run.result is None]
    missing = {s.key: s.minutes for run in wanted for s in run.steps if s.state == "missing"}
    minutes = sum(missing.values())
    try:
        evidence = gather(claim, found, reading=reading)
    except MeasureError as error:
        return Assessment(reading, Verdict("blocked", str(error)), None, minutes)
    except ValueError as error:
        raise ClaimError(f"{claim.id}: {error}") from error
    if evidence is None:
        why = f"{len(missing)} runs are missing, about {duration(minutes)}"
        why = why if wanted else "nothing of the paper's scale"
        said = str(claim.not_attempted or why)
        return Assessment(reading, Verdict("not attempted", said), None, minutes)
    return Assessment(reading, judge(claim, evidence), evidence, minutes)


def judge(claim: Claim, evidence: Evidence) -> Verdict:
    """The verdict of a claim on its evidence."""
    if isinstance(claim.published, str):
        return verdicts.judge_contrast(evidence, above=claim.above or 0.0)
    if claim.tolerance is None:
        return verdicts.judge_arithmetic(
            evidence,
            published=claim.target,
            direction=claim.direction,
            decimals=claim.printed_decimals,
        )
    return verdicts.judge_value(
        evidence, published=claim.target, tolerance=claim.tolerance, direction=claim.direction
    )


def beside(
    store: Store | None = None, *, of: str, measure: str | None = None, note: str = ""
) -> dict[str, list[Evidence]]:
    """What stands beside the claims that measure `of`, by id; it gives no verdict.

    Another `measure` of the same records ('pgd_ever_fooled_accuracy'), or the same measure of a
    variant ('step size 2/255').
    """
    several = (note,) if note else None
    claims = [
        replace(c, measure=measure or of, variants=several) for c in load() if c.measure == of
    ]
    found = _found(claims, store)
    result: dict[str, list[Evidence]] = {}
    for claim in claims:
        runs_of = found[claim.experiment or ""]
        each = (gather(claim, runs_of, reading=r) for r in registry.READINGS)
        result[claim.id] = [evidence for evidence in each if evidence]
    return result


# -- for people and programs --------------------------------------------------------------------


def to_json(entries: Sequence[Entry]) -> list[dict[str, Any]]:
    """One object for each claim and reading, plain data; null where there is nothing."""
    return [_object(entry, a) for entry in entries for a in entry.assessments]


_PLAIN = (
    "id", "paper", "exhibit", "locus", "kind", "statement", "published", "corrected", "unit",
    "direction", "above", "tolerance", "reason", "words",
)  # fmt: skip


def _object(entry: Entry, a: Assessment) -> dict[str, Any]:
    claim, e = entry.claim, a.evidence
    numbers = {name: getattr(e, name) if e else nan for name in ("value", "low", "high")}
    return {
        **{name: getattr(claim, name) for name in _PLAIN},
        "chance": chance(**claim.sets)._asdict() if claim.sets else None,
        "verdict": a.verdict.word,
        "text": str(a.verdict),
        "reading": a.reading or None,
        **{name: None if isnan(number) else number for name, number in numbers.items()},
        "n": e.n if e and e.n else None,
        "basis": e.basis if e else None,
        "tier": entry.tier if e else None,
        "command": entry.command,
        "records": list(e.records) if e else [],
        "stale": a.verdict.stale,
    }
