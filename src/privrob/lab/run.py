"""From specs to results: what is there is read, what is missing is computed, upstream first.

`Lab` alone sees both the store and the tasks. Each unit of work is one spec; a unit needs nothing
but its spec, a store and a device, so the same graph can run in this process or on any worker.
"""

import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from functools import cache, cached_property
from typing import Any

import numpy as np

from privrob import device, paths
from privrob.data import Split
from privrob.lab import costs, tasks
from privrob.lab import spec as specs
from privrob.lab.context import Context, Splits, checksum_of
from privrob.lab.files import Manifest
from privrob.lab.fingerprint import choices, fingerprint
from privrob.lab.spec import Data, Spec
from privrob.lab.store import Record, Store, WeightsError
from privrob.lab.surroundings import surroundings

PROFILES = ("quick", "paper")
Listener = Callable[[Spec, int, int], None]  # a unit begins as 0 of 1, then its own steps


class DivergedError(ValueError):
    """A model answers with numbers that are not finite, so that nothing of it can be recorded."""


Lost = WeightsError | DivergedError  # what stops a unit, and not the others


def silent(spec: Spec, done: int, total: int) -> None:
    """A listener that says nothing."""


def open_store(profile: str) -> Store:
    """The store of a profile: `paper` writes to records/, `quick` to build/store and reads both."""
    specs.known("profile", profile, PROFILES)
    if profile == "paper":
        return Store(paths.records(), weights=[paths.weights()])
    return Store(paths.quick_store(), also=[paths.records()], weights=[paths.weights()])


# -- keys and states ----------------------------------------------------------------------------


def key_of(spec: Spec) -> str:
    """What a result is filed under: its spec, its upstream keys and its data's checksum.

    Code, device and versions are not in it; they stand in the manifest.
    """
    upstream = {name: key_of(s) for name, s in specs.upstream(spec).items()}
    text = specs.plain(spec, labels=False)
    return specs.digest({"spec": text, "upstream": upstream, "data": checksum_of(spec.data.name)})


def fingerprint_of(spec: Spec | Mapping[str, Any]) -> str:
    """The fingerprint of the code that computes this spec now; of its plain form, as well."""
    text = spec if isinstance(spec, Mapping) else specs.plain(spec, labels=False)
    return _fingerprint(text["type"].lower(), choices(text))


@cache
def _fingerprint(kind: str, chosen: frozenset[str]) -> str:
    return fingerprint(tasks.TASKS[kind], chosen=chosen)


def state_of(record: Record) -> str:
    """'fresh' (the same code), 'verified' (checked with today's code since) or 'stale'.

    A record that today's code was checked against and disagrees with is stale, whatever its age.
    """
    now = fingerprint_of(record.manifest["spec"])
    checks = [c["agrees"] for c in record.checks if c["fingerprint"] == now]
    if checks and not all(checks):
        return "stale"
    if record.manifest["fingerprint"] == now:
        return "fresh"
    return "verified" if checks else "stale"


@dataclass(frozen=True)
class Result:
    """A spec and its record."""

    spec: Spec
    record: Record

    @cached_property
    def arrays(self) -> dict[str, np.ndarray]:
        """The record's arrays, read once and checked."""
        return self.record.arrays

    @property
    def manifest(self) -> dict[str, Any]:
        return self.record.manifest

    @property
    def key(self) -> str:
        return self.record.key

    @property
    def state(self) -> str:
        return state_of(self.record)


def nothing(spec: Spec) -> bool:
    """No result is there yet."""
    return False


@dataclass(frozen=True)
class Step:
    """One line of a plan."""

    spec: Spec
    key: str
    state: str  # fresh, verified, stale, missing or diverged
    minutes: float  # estimated for what is missing, measured for what is there


def graph(wanted: Iterable[Spec], *, there: Callable[[Spec], bool] = nothing) -> list[Spec]:
    """The specs and all that they need, each once, upstream first.

    Specs that are `there` are left out, and so is what only they would need.
    """
    ordered: dict[str, Spec] = {}
    for spec in wanted:
        if not there(spec):
            for one in [*graph(specs.upstream(spec).values(), there=there), spec]:
                ordered.setdefault(key_of(one), one)
    return list(ordered.values())


# -- the lab ------------------------------------------------------------------------------------


class Lab:
    """Resolves specs against one store, on one device."""

    def __init__(self, store: Store, *, on: str = "auto", listener: Listener = silent) -> None:
        self.store = store
        self.device = device.resolve(on)
        self.listener = listener
        self._splits = Splits(self.device)

    def lookup(self, spec: Spec) -> Result | None:
        """The stored result, or None."""
        record = self.store.find(specs.kind(spec), key_of(spec))
        return Result(spec, record) if record else None

    def has(self, spec: Spec) -> bool:
        """Its result is stored."""
        return self.lookup(spec) is not None

    def diverged(self, spec: Spec) -> Manifest | None:
        """What is kept of its training, or of one that it needs, that diverged by today's code."""
        kept = self.store.diverged(key_of(spec))
        if kept and kept["fingerprint"] == fingerprint_of(spec):
            return kept
        needed = map(self.diverged, specs.upstream(spec).values())
        return next(filter(None, needed), None)

    def _settled(self, spec: Spec) -> bool:
        return self.has(spec) or self.diverged(spec) is not None

    def plan(self, wanted: Iterable[Spec]) -> list[Step]:
        """What is there and what would run, in order."""
        wanted = list(wanted)
        todo = {key_of(spec) for spec in graph(wanted, there=self._settled)}
        steps = [self._step(spec) for spec in graph(wanted)]
        return [step for step in steps if step.state != "missing" or step.key in todo]

    def _step(self, spec: Spec) -> Step:
        found = self.lookup(spec)
        if found:
            return Step(spec, found.key, found.state, found.manifest["seconds"] / 60)
        if self.diverged(spec):
            return Step(spec, key_of(spec), "diverged", 0.0)
        minutes = costs.minutes(spec, images=costs.sizes(spec.data))
        return Step(spec, key_of(spec), "missing", minutes)

    def get(self, spec: Spec) -> Result:
        """The result of one spec, computed if it is missing."""
        list(self.run([spec]))
        if found := self.lookup(spec):
            return found
        kept = self.diverged(spec)
        assert kept is not None
        raise DivergedError(f"diverged on {kept['created']}: {kept['error']}")

    def run(
        self, wanted: Iterable[Spec], *, budget_minutes: float | None = None
    ) -> Iterator[Result]:
        """Compute what is missing and yield each new result.

        Units that another process is computing are left to it, and models that are known to
        diverge are left alone. With a budget, no unit is begun after it is spent. When all else is
        done, WeightsError for units that need a model whose weights are not kept here, and
        DivergedError for models that diverged in this run.
        """
        started = time.monotonic()
        pending, lost = graph(wanted, there=self._settled), dict[str, Lost]()
        while pending:
            waiting = []
            for spec in pending:
                spent = (time.monotonic() - started) / 60
                if budget_minutes is not None and spent >= budget_minutes:
                    return
                try:
                    result = self._try(spec, lost)
                except (WeightsError, DivergedError) as error:
                    lost[key_of(spec)] = error
                    continue
                if result is None:
                    waiting.append(spec)
                else:
                    yield result
            if len(waiting) == len(pending):
                time.sleep(1)  # everything left is in another process's hands
            pending = waiting
        if lost:
            diverged = any(isinstance(error, DivergedError) for error in lost.values())
            lines = "\n".join(dict.fromkeys(str(error) for error in lost.values()))
            raise DivergedError(lines) if diverged else WeightsError(lines)

    def _try(self, spec: Spec, lost: Mapping[str, Lost]) -> Result | None:
        """Compute one unit; None where its upstream is missing or another process has it.

        Raises what its upstream was lost by, WeightsError where that has no weights here, and
        DivergedError where its model's answers are not finite.
        """
        needed = specs.upstream(spec)
        for key in (key_of(s) for s in needed.values()):
            if key in lost:
                raise lost[key]
        upstream = {name: self.lookup(s) for name, s in needed.items()}
        if None in upstream.values():
            return None
        with self.store.claim(key_of(spec)) as mine:
            if not mine:
                return None
            found = self.lookup(spec)
            return found or self._compute(spec, {n: r for n, r in upstream.items() if r})

    def _compute(self, spec: Spec, upstream: Mapping[str, Result]) -> Result:
        kind, key = specs.kind(spec), key_of(spec)
        code = {"fingerprint": fingerprint_of(spec)} | surroundings(self.device)  # as it is now
        unit = Context(spec, key, code["fingerprint"], self.store, self._splits, self.listener)
        self.listener(spec, 0, 1)
        inputs = {name: self.output(result) for name, result in upstream.items()}
        manifest = code | {
            "key": key,
            "kind": kind,
            "spec": specs.plain(spec, labels=True),
            "upstream": {name: result.key for name, result in upstream.items()},
            "upstream_weights": {n: r.record.weights_sha256 for n, r in upstream.items()},
            "data": {spec.data.name: checksum_of(spec.data.name)},
        }
        try:
            output = tasks.TASKS[kind](spec, inputs, unit)
        except ValueError as error:
            # evaluate.check_logits; an exception of its own there would age every record
            if not str(error).startswith("model returned "):
                raise
            why = {"error": str(error), "done": unit.done}
            self.store.keep_diverged(manifest | self._spent(unit) | why)
            raise DivergedError(f"{costs.describe(spec)}: {error}; nothing is recorded") from error
        manifest |= self._spent(unit)
        return Result(spec, self.store.save(kind, manifest, output.arrays, output.weights))

    def _spent(self, unit: Context) -> dict[str, Any]:
        after = surroundings(self.device)
        cost = {name: after[name] for name in ("peak_memory_mib", "created")}
        return cost | {"seconds": round(unit.seconds, 1)}

    def output(self, result: Result) -> tasks.Output:
        """A stored result as a task wants it, with weights."""
        weights = self.store.weights(result.record)
        if weights is None:
            raise WeightsError(
                f"{result.record.folder}: its weights are not kept here, and something else needs "
                "them; delete the folder and run again to train the model anew"
            )
        return tasks.Output(result.arrays, weights)

    def split(self, wanted: Data, part: str) -> Split:
        """One part of a data set on the device; its contents must be the key's."""
        return self._splits.get(wanted, part)
