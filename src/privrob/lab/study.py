"""What a notebook or a page asks for: the results of an experiment, computed or recorded."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from privrob.lab import costs, registry
from privrob.lab.registry import Variant
from privrob.lab.run import Lab, Listener, Result, graph, key_of, open_store, silent
from privrob.lab.spec import Spec, upstream

Pair = dict[str, dict[str, np.ndarray]]  # 'sgd' and 'dpsgd' -> the arrays of their records


@dataclass(frozen=True)
class Row:
    """One result and what it is of."""

    variant: Variant
    result: Result


def study(
    name: str,
    *,
    profile: str,
    seed: int | None = None,
    models: Sequence[str] = (),
    device: str = "auto",
    listener: Listener = silent,
) -> list[Row]:
    """The results of every spec of an experiment, computed where they are missing.

    `profile` is 'quick', 'live' or 'paper'; `models` names ways of training, all if empty.
    ValueError for an unknown experiment, profile or model.
    """
    lab = Lab(open_store("paper" if profile == "paper" else "quick"), on=device, listener=listener)
    variants = registry.experiment(name).variants(profile, seed=seed, models=models)
    if profile != "paper":
        discard_stale(lab, [v.spec for v in variants])
    return [Row(variant, lab.get(variant.spec)) for variant in variants]


def discard_stale(lab: Lab, wanted: Iterable[Spec]) -> None:
    """Remove results whose code has changed, and what was computed from them.

    For profiles that take seconds: what a page calls executed comes from today's code. Records
    are not touched.
    """
    gone: set[str] = set()
    for spec in graph(wanted):
        found = lab.lookup(spec)
        rests_on_gone = any(key_of(s) in gone for s in upstream(spec).values())
        if found and (found.state == "stale" or rests_on_gone) and lab.store.discard(found.record):
            gone.add(found.key)


def recorded(name: str, *, models: Sequence[str] = ()) -> list[Row]:
    """The paper-profile results of an experiment that are there; nothing is computed."""
    lab = Lab(open_store("paper"), on="cpu")
    wanted = registry.experiment(name).variants("paper", models=models)
    found = ((v, lab.lookup(v.spec)) for v in wanted)
    return [Row(variant, result) for variant, result in found if result]


def lacking(variants: Sequence[Variant]) -> tuple[list[Variant], float]:
    """Those of the variants that no record is there of, and the minutes that `plan` gives them."""
    lab = Lab(open_store("paper"), on="cpu")
    missing = [v for v in variants if not lab.has(v.spec)]
    steps = lab.plan([v.spec for v in missing])
    return missing, sum(step.minutes for step in steps if step.state == "missing")


def overruns(names: Sequence[str]) -> list[float]:
    """Of all that was recorded on a CPU for these experiments, the time over its estimate."""
    lab = Lab(open_store("paper"), on="cpu")
    wanted = [v.spec for name in names for v in registry.experiment(name).variants("paper")]
    found = {spec: lab.lookup(spec) for spec in graph(wanted)}
    return [
        r.manifest["seconds"] / 60 / costs.minutes(spec, images=costs.sizes(spec.data))
        for spec, r in found.items()
        if r and r.manifest["device_kind"] == "cpu"
    ]


def pairs(rows: list[Row], *, reading: str, note: str = "") -> Iterator[tuple[int, list[Row]]]:
    """(seed, [SGD's row, DP-SGD's row]) for each seed of a reading that has both."""
    for seed in sorted({r.variant.seed for r in rows}):
        by_model = {
            r.variant.model: r
            for r in rows
            if (r.variant.reading, r.variant.seed, r.variant.note) == (reading, seed, note)
        }
        if {"sgd", "dpsgd"} <= by_model.keys():
            yield seed, [by_model["sgd"], by_model["dpsgd"]]


def arrays(rows: list[Row]) -> Pair:
    """The arrays of a pair of rows by model."""
    return {r.variant.model: r.result.arrays for r in rows}
