"""Results grouped as they are shown: one group a tier, source and reading, never mixed.

A group holds the pairs of models, SGD and DP-SGD, of every seed that has both. What is estimated
from it comes with a 95 % interval: over seeds, or over test images where there is one seed.
"""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from privrob import stats
from privrob.lab import measures, registry, study
from privrob.lab.measures import MeasureError, Pair
from privrob.lab.run import Lab, open_store
from privrob.lab.study import Row

MODELS = {"sgd": "SGD", "dpsgd": "DP-SGD"}
Measure = Callable[[Pair], Any]  # a pair -> a number or (E,); of a resampled pair, one a resample


@dataclass(frozen=True)
class Estimate:
    """A mean and its interval, each a number or (E,); `n` seeds stand behind it."""

    mean: Any
    low: Any
    high: Any
    n: int


@dataclass(frozen=True)
class Group:
    """Pairs of one tier, `source` ('quick' or 'zoo' where executed), reading and variant.

    Where only one way of training was asked something, `models` has it alone.
    """

    tier: str
    source: str
    reading: str
    note: str
    rows: tuple[Row, ...]  # SGD's and DP-SGD's in turn, seed by seed
    models: tuple[str, ...] = tuple(MODELS)

    @property
    def name(self) -> str:
        """'recorded, literal', 'zoo, literal', 'quick'."""
        if self.source == "quick":
            return "quick"
        return ", ".join(filter(None, [self.source or self.tier, self.reading, self.note]))

    @property
    def seeds(self) -> tuple[int, ...]:
        return tuple(row.variant.seed for row in self.rows[:: len(self.models)])

    @cached_property
    def pairs(self) -> list[Pair]:
        """By seed: model -> arrays, with the clean answers as `correct_test`."""
        k = len(self.models)
        several = zip(*(self.rows[i::k] for i in range(k)), strict=True)
        return [{r.variant.model: _with_clean(r.result.arrays) for r in rows} for rows in several]

    @cached_property
    def _resampled(self) -> Pair:
        return measures.resampled(self.pairs[0])

    def estimate(self, measure: Measure) -> Estimate | None:
        """The mean of `measure` over seeds; None where these results cannot give it."""
        try:
            values = np.stack([np.asarray(measure(p), dtype=float) for p in self.pairs])
            if len(values) == 1:
                shares = [(1 - stats.LEVEL) / 2, (1 + stats.LEVEL) / 2]
                low, high = np.quantile(measure(self._resampled), shares, axis=0)
                return Estimate(values[0], low, high, 1)
        except MeasureError:
            return None
        columns = [stats.seed_summary(c) for c in values.reshape(len(values), -1).T]
        ends = ([getattr(s, end) for s in columns] for end in ("mean", "low", "high"))
        mean, low, high = (np.reshape(e, values.shape[1:]) for e in ends)
        return Estimate(mean, low, high, len(values))

    def share(self, measure: Measure) -> Estimate:
        """The mean of a percentage, which is never missing.

        Student's interval, which knows no limits, ends where percentages do.
        """
        e = self.estimate(measure)
        assert e is not None
        return replace(e, low=np.maximum(e.low, 0), high=np.minimum(e.high, 100))


def _with_clean(arrays: dict[str, NDArray[Any]]) -> dict[str, NDArray[Any]]:
    """Arrays and, where an attack tells, `correct_test`: which images are right before it."""
    if "correct_test" in arrays:
        return arrays
    if "first_success" in arrays:
        n = arrays["first_success"].shape[-1]
        return arrays | {"correct_test": arrays["first_success"].reshape(-1, n)[0] != 0}
    if "correct" in arrays and "eps" in arrays:
        return arrays | {"correct_test": arrays["correct"][arrays["eps"] == 0][0]}
    return arrays


# -- gathering ----------------------------------------------------------------------------------


def gather(
    name: str, computed: Sequence[Row] = (), *, device: str = "auto", zoo: bool = True
) -> list[Group]:
    """All evidence on an experiment: recorded, then zoo, then what a notebook just `computed`.

    Recorded values are those that are there; the zoo's models are attacked now, where `zoo` asks
    for it. Rows of `computed` that are not reduced are left out: in profile paper they are records.
    """
    return [
        *grouped(study.recorded(name), "recorded", ""),
        *grouped(live(name, device=device) if zoo else [], "executed", "zoo"),
        *quick(computed),
    ]


def quick(computed: Sequence[Row]) -> list[Group]:
    """The group of the small models among what a notebook computed: one, or none."""
    small = [row for row in computed if row.variant.train.scale == "reduced"]
    return list(grouped(small, "executed", "quick"))


def live(
    name: str, *, device: str = "auto", cut: Callable[[Any], Any] = lambda spec: spec
) -> list[Row]:
    """An experiment on the embedded slice of MNIST, for the models whose weights are kept here.

    `cut` makes a spec smaller where the whole slice would take too long.
    """
    lab = Lab(open_store("quick"), on=device)
    rows = []
    variants = [replace(v, spec=cut(v.spec)) for v in registry.experiment(name).variants("live")]
    study.discard_stale(lab, [v.spec for v in variants])
    for variant in variants:
        base = lab.lookup(variant.train)
        if base is not None and lab.store.weights(base.record):
            rows.append(Row(variant, lab.get(variant.spec)))
    return rows


def grouped(rows: Sequence[Row], tier: str, source: str) -> Iterable[Group]:
    """A group for each variant and reading that has whole pairs among `rows`."""
    for note in dict.fromkeys(row.variant.note for row in rows):
        for reading in dict.fromkeys(row.variant.reading for row in rows):
            pairs = study.pairs(rows=list(rows), reading=reading, note=note)
            chosen = tuple(row for _, pair in pairs for row in pair)
            if chosen:
                yield Group(tier, source, reading, note, chosen)


def gather_alone(name: str, computed: Sequence[Row], *, model: str) -> list[Group]:
    """All evidence on one way of training that was asked something by itself: recorded, quick."""
    small = [row for row in computed if row.variant.train.scale == "reduced"]
    rows = [*study.recorded(name), *small]
    tiers = {"paper": ("recorded", ""), "reduced": ("executed", "quick")}
    return [
        Group(*tiers[scale], reading, "", mine, (model,))
        for scale in tiers
        for reading in dict.fromkeys(r.variant.reading for r in rows)
        if (mine := tuple(r for r in rows if _about(r) == (model, scale, reading)))
    ]


def _about(row: Row) -> tuple[str, str, str]:
    v = row.variant
    return v.model, v.train.scale, v.reading


def pick(
    groups: Iterable[Group], *, reading: str | None = None, note: str | None = ""
) -> list[Group]:
    """The groups of a reading (the quick models stand beside any) and a variant; None for all."""
    return [
        g
        for g in groups
        if (reading is None or g.reading == reading or g.source == "quick")
        and (note is None or g.note == note)
    ]


def the_quick(groups: Iterable[Group]) -> Group | None:
    """The group of the quick models; None in profile paper."""
    return next((g for g in groups if g.source == "quick"), None)
