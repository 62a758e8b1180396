"""What claims measure: one number each, from the records of an SGD and a DP-SGD model.

A `Pair` maps 'sgd' and 'dpsgd' to the arrays of their records (`tasks` says what is in them).
Percentages and points are out of 100. A measure uses its masks through their mean over the last
axis, the test images, and nothing else of them: so all resamples over images are one product.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import numpy as np
from numpy.typing import NDArray

from privrob.lab import registry, trainings
from privrob.stats import LEVEL, Interval

Arrays = Mapping[str, NDArray[Any]]
Pair = Mapping[str, Arrays]
Number = Any  # what a measure gives: a float; of a resampled pair, one for each resample
MODELS = ("sgd", "dpsgd")
RESAMPLES = 1000
_SLACK = 1e-9  # floats miss what decimals meet: 0.14 - 0.12 > 0.02


class MeasureError(ValueError):
    """These records cannot give this measure, although nothing is wrong with them."""


# -- the masks of a record ----------------------------------------------------------------------


def _clean(record: Arrays) -> NDArray[Any]:
    """Right before the attack begins, (E, N)."""
    return record["first_success"] != 0


def _never_fooled(record: Arrays) -> NDArray[Any]:
    """Right at every iterate of the first s steps, (E, S, N)."""
    first = record["first_success"][:, None]
    return (first < 0) | (first > record["steps"][:, None])


_STORED = ("correct", "correct_unclipped", "correct_test")
_DERIVED = {"clean": _clean, "never_fooled": _never_fooled}


def _masks(record: Arrays) -> dict[str, NDArray[Any]]:
    stored = {name: record[name] for name in _STORED if name in record}
    walked = "first_success" in record
    return stored | {name: f(record) for name, f in _DERIVED.items() if walked}


def _percent(pair: Pair, model: str, mask: str) -> NDArray[Any]:
    """Percent of the test images: (N,) -> (), (E, N) -> (E,); leading axes are kept."""
    record = pair[model]
    return np.asarray(100 * (record[mask] if mask in record else _DERIVED[mask](record)).mean(-1))


def _gap(pair: Pair, mask: str) -> NDArray[Any]:
    """SGD minus DP-SGD, points."""
    return _percent(pair, "sgd", mask) - _percent(pair, "dpsgd", mask)


def _grid(pair: Pair, name: str = "eps") -> NDArray[Any]:
    """The grid that the models of a pair share."""
    first, *others = (record[name] for record in pair.values())
    if not all(np.array_equal(first, other) for other in others):
        raise ValueError(f"the two models were attacked on different grids of {name}")
    return first


def _at(pair: Pair, name: str, value: float) -> int:
    """Where a value stands on the grid of `name`."""
    grid = _grid(pair, name)
    found = np.flatnonzero(np.isclose(grid, value, rtol=0, atol=_SLACK))
    if not found.size:
        raise ValueError(f"no {name} {value} in the record: its grid is {grid.tolist()}")
    return int(found[0])


# -- clean images; FGSM, pixels clipped to [0, 1] ------------------------------------------------


def clean_accuracy(pair: Pair, *, model: str) -> Number:
    """Accuracy on the test images, percent."""
    return _percent(pair, model, "correct_test")[()]


def clean_gap(pair: Pair) -> Number:
    """Clean accuracy of SGD minus that of DP-SGD, points."""
    return _gap(pair, "correct_test")[()]


def fgsm_gap(pair: Pair, *, eps: float) -> Number:
    """Accuracy under FGSM of SGD minus that of DP-SGD, points."""
    return _gap(pair, "correct")[..., _at(pair, "eps", eps)][()]


def fgsm_excess_gap(pair: Pair, *, eps: float) -> Number:
    """The gap at `eps` minus the gap at eps 0, points."""
    return fgsm_gap(pair, eps=eps) - fgsm_gap(pair, eps=0)


def fgsm_smallest_excess(pair: Pair) -> Number:
    """The smallest `fgsm_excess_gap` over the grid's eps above 0, points."""
    gap = _gap(pair, "correct")[..., _grid(pair) > 0]
    return gap.min(-1) - fgsm_gap(pair, eps=0)


def fgsm_largest_gap_at(pair: Pair) -> Number:
    """The eps of the grid at which the gap is largest, the first where several are."""
    return _grid(pair)[_gap(pair, "correct").argmax(-1)]


def fgsm_eps_to_half(pair: Pair) -> Number:
    """The eps at which SGD first falls to half of the images, minus that of DP-SGD.

    Linear between the points of the grid; MeasureError where a curve stays above a half.
    """
    curves = (_percent(pair, model, "correct") for model in MODELS)
    sgd, dpsgd = (np.apply_along_axis(_crossing, -1, curve, _grid(pair)) for curve in curves)
    return sgd - dpsgd


def _crossing(accuracy: NDArray[Any], eps: NDArray[Any]) -> float:
    """Where one curve (E,) first comes down to 50 percent."""
    below = np.flatnonzero(accuracy <= 50)
    if not below.size:
        raise MeasureError(f"accuracy stays above one half up to eps {eps[-1]:g}")
    i = below[0]
    return float(np.interp(50, accuracy[[i, i - 1]], eps[[i, i - 1]]) if i else eps[0])


# -- PGD ----------------------------------------------------------------------------------------


def _after(pair: Pair, eps: float, steps: int) -> Any:
    return ..., _at(pair, "eps", eps), _at(pair, "steps", steps)


def pgd_accuracy(pair: Pair, *, model: str, eps: float, steps: int) -> Number:
    """Accuracy at the last iterate of PGD, percent (Eq. 4)."""
    return _percent(pair, model, "correct")[_after(pair, eps, steps)][()]


def pgd_ever_fooled_accuracy(pair: Pair, *, model: str, eps: float, steps: int) -> Number:
    """Percent of the images that no iterate of PGD fools: at most `pgd_accuracy`."""
    return _percent(pair, model, "never_fooled")[_after(pair, eps, steps)][()]


def pgd_gap(pair: Pair, *, eps: float, steps: int) -> Number:
    """Accuracy at the last iterate of SGD minus that of DP-SGD, points."""
    return _gap(pair, "correct")[_after(pair, eps, steps)][()]


def pgd_excess_gap(pair: Pair, *, eps: float, steps: int) -> Number:
    """`pgd_gap` minus the gap on the same images before the attack, points."""
    clean_gap = _gap(pair, "clean")[..., _at(pair, "eps", eps)]
    return pgd_gap(pair, eps=eps, steps=steps) - clean_gap


_ON_PAIRS = (
    clean_accuracy, clean_gap, fgsm_gap, fgsm_excess_gap, fgsm_smallest_excess,
    fgsm_largest_gap_at, fgsm_eps_to_half, pgd_accuracy, pgd_ever_fooled_accuracy, pgd_gap,
    pgd_excess_gap,
)  # fmt: skip
MEASURES: dict[str, Callable[..., Number]] = {f.__name__: f for f in _ON_PAIRS}


# -- over images --------------------------------------------------------------------------------


def images(pair: Pair) -> int:
    """The number of test images, which must be the same for both models."""
    sizes = {mask.shape[-1] for record in pair.values() for mask in _masks(record).values()}
    if len(sizes) != 1:
        raise ValueError(f"the models of a pair need the same test images, got {sorted(sizes)}")
    return sizes.pop()


def resampled(pair: Pair) -> Pair:
    """The pair under `RESAMPLES` draws of its images, the same images for both models.

    Each mask (..., N) becomes its shares (R, ..., 1), in which every measure reads the same.
    """
    counts = _counts(images(pair))
    return {model: {**record, **_shares(_masks(record), counts)} for model, record in pair.items()}


@lru_cache(maxsize=1)
def _counts(n: int) -> NDArray[np.float32]:
    """How often each of n images is in each resample, (R, n); always the same draws."""
    rng = np.random.default_rng(0)
    draw = (np.bincount(rng.integers(n, size=n), minlength=n) for _ in range(RESAMPLES))
    return np.stack([counts.astype(np.float32) for counts in draw])


def _shares(masks: Arrays, counts: NDArray[np.float32]) -> dict[str, NDArray[Any]]:
    n = counts.shape[1]
    rows = np.concatenate([mask.reshape(-1, n) for mask in masks.values()])
    hits = counts @ rows.T.astype(np.float32)  # whole numbers below 2^24: exact
    ends = np.cumsum([mask.size // n for mask in masks.values()])[:-1]
    parts = zip(masks.items(), np.split(hits / float(n), ends, axis=1), strict=True)
    return {name: part.reshape(-1, *mask.shape[:-1], 1) for (name, mask), part in parts}


def interval_over_images(name: str, pair: Pair, **arguments: Any) -> Interval:
    """The 95 % percentile bootstrap interval of a measure of one pair, paired over images."""
    values = MEASURES[name](resampled(pair), **arguments)
    low, high = np.quantile(values, [(1 - LEVEL) / 2, (1 + LEVEL) / 2])
    return Interval(float(low), float(high))


# -- which reading ------------------------------------------------------------------------------


@dataclass(frozen=True)
class Target:
    """A published value and how near to it counts as the same."""

    published: float
    tolerance: float

    def reached(self, value: float) -> bool:
        """|value - published| <= tolerance, the boundary included."""
        return abs(value - self.published) <= self.tolerance + _SLACK


@dataclass(frozen=True)
class Candidate:
    """One way to fill the paper's silence: the clean accuracies found, by model, in percent."""

    name: str
    accuracies: Mapping[str, float]
    status: str  # 'reaches' both, 'misses' one at least, or is 'open'


@dataclass(frozen=True)
class Settlement:
    """The reading that the selection seed gives: `choice` reaches both accuracies, or is None."""

    candidates: tuple[Candidate, ...]
    choice: str | None
    named: str  # the registry's matched reading

    @property
    def open(self) -> list[str]:
        """Candidates whose missing runs could still change the choice."""
        names = [c.name for c in self.candidates]
        before = names.index(self.choice) if self.choice else len(names)
        return [c.name for c in self.candidates[:before] if c.status == "open"]

    @property
    def disagreement(self) -> str:
        """How the registry's matched reading differs from what the records settle; '' if not."""
        missed = self.named in [c.name for c in self.candidates if c.status == "misses"]
        if self.choice == self.named or (self.choice is None and self.open and not missed):
            return ""
        found = f"the records settle {self.choice!r}" if self.choice else "no run reaches both"
        return f"the registry names {self.named!r} the matched reading, but {found}"


def settled(
    accuracies: Mapping[str, Mapping[str, float]], targets: Mapping[str, Target]
) -> Settlement:
    """The first of the registry's candidates that reaches every target, of those that have run.

    `accuracies` maps a candidate to the clean accuracy, in percent, of each model that has run.
    """
    table = tuple(_candidate(n, accuracies.get(n, {}), targets) for n in registry.CANDIDATES)
    choice = next((c.name for c in table if c.status == "reaches"), None)
    return Settlement(table, choice, trainings.MATCHED)


def _candidate(
    name: str, accuracies: Mapping[str, float], targets: Mapping[str, Target]
) -> Candidate:
    missed = not all(targets[model].reached(value) for model, value in accuracies.items())
    status = "misses" if missed else "reaches" if accuracies.keys() >= targets.keys() else "open"
    return Candidate(name, dict(accuracies), status)
