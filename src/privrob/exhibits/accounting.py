"""What the models of this book cost in privacy: Eq. (1) beside accountants, other adjacencies."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from fnmatch import fnmatchcase
from math import exp, log
from typing import Any

import numpy as np
from scipy.optimize import brentq

from privrob import plot
from privrob.exhibits.figures import claim
from privrob.lab import adjacencies, registry
from privrob.lab.budgets import DELTAS, Training, delta_text, training_of
from privrob.lab.spec import DpSgd
from privrob.training.loop import updates_per_epoch

POISSON = "adding or removing one example, under Poisson sampling"

TableRow = dict[str, object]


# -- every model of the book --------------------------------------------------------------------


def trainings(pattern: str = "*") -> dict[Training, list[str]]:
    """Every way in which a DP-SGD model of profile paper is trained, and the experiments of it.

    By noise, most first. Clipping norms, readings and seeds that share a budget share a line.
    `pattern` names the experiments, without their paper.
    """
    found: dict[Training, list[str]] = {}
    for training, name in _private(pattern):
        if name not in found.setdefault(training, []):
            found[training].append(name)
    return dict(sorted(found.items(), key=lambda item: -item[0].noise_multiplier))


def _private(pattern: str) -> Iterator[tuple[Training, str]]:
    for experiment in registry.EXPERIMENTS.values():
        name = experiment.name.rpartition("/")[2]
        for variant in experiment.variants("paper") if fnmatchcase(name, pattern) else ():
            if isinstance(variant.train.training, DpSgd):
                yield training_of(variant.train), name


def model_budgets(pattern: str = "*") -> list[TableRow]:
    """A row for each way of training: the budgets at each delta, and how Eq. (1) is off.

    Of the experiments that `pattern` names, without their paper.
    """
    return [_budget_row(training, names) for training, names in trainings(pattern).items()]


def _budget_row(training: Training, names: Sequence[str]) -> TableRow:
    row: TableRow = {
        "experiments": ", ".join(names),
        "noise\nmultiplier": f"{training.noise_multiplier:.3g}",
        "q": f"{training.sample_rate:.4g}",
        "updates": f"{training.updates:,}",
    }
    if training.noise_multiplier == 0:
        return row | {_OFF: "no noise, so no budget"}
    off = []
    for delta in DELTAS:
        found = {a: training.epsilon(delta=delta, accountant=a) for a in ("rdp", "eq1")}
        prv = training.prv(delta=delta)
        row[f"PRV,\n{delta_text(delta)}"] = None if prv is None else _value(prv)
        row |= {f"{NAMES[a]},\n{delta_text(delta)}": _value(v) for a, v in found.items()}
        off.append(found["eq1"] - (found["rdp"] if prv is None else prv))
    word = "overstates" if min(off) > 0 else "understates" if max(off) < 0 else "either"
    sizes_ = " and ".join(f"{abs(o):.3g}" for o in off)
    return row | {_OFF: f"{word} by {sizes_}"}


_EQ1 = "Eq. (1),\nno bound"
_OFF = "Eq. (1) beside PRV,\nwithout it RDP"
NAMES = {"eq1": "Eq. (1), no bound", "rdp": "RDP", "prv": "PRV"}


def _value(number: float) -> plot.Value:
    return plot.Value(number, tier="derived", digits=3)


# -- over the noise -----------------------------------------------------------------------------


def paper_training(data: str) -> tuple[Training, float]:
    """The settings of the ledger for 'mnist' or 'cifar10', and the delta of that claim."""
    given = dict(claim(f"section2.2/eq1-covers-{data}").arguments)
    images, batch_size = given["images"], given["batch_size"]
    updates = given["epochs"] * updates_per_epoch(images, batch_size=batch_size)
    return Training(given["noise_multiplier"], batch_size / images, updates), given["delta"]


@dataclass(frozen=True)
class Sweep:
    """Budgets over the noise multiplier at one q, T and delta: accountant -> epsilon at `noise`."""

    training: Training
    delta: float
    noise: list[float]
    budgets: dict[str, list[float]]

    @property
    def crossing(self) -> float:
        """The noise multiplier at which Eq. (1) gives PRV's budget, on logarithmic axes."""
        gap = np.log(self.budgets["eq1"]) - np.log(self.budgets["prv"])
        places = np.log(self.noise)
        found = np.flatnonzero((gap[:-1] < 0) & (gap[1:] >= 0))
        if len(found) != 1:
            raise ValueError(f"Eq. (1) crosses PRV {len(found)} times between the noises tried")
        k = int(found[0])
        return exp(float(np.interp(0, gap[k : k + 2], places[k : k + 2])))

    @property
    def rdp_crossing(self) -> float:
        """The same for RDP, to four digits."""

        def gap(place: float) -> float:
            t = Training(exp(place), self.training.sample_rate, self.training.updates)
            rdp, eq1 = (t.epsilon(delta=self.delta, accountant=a) for a in ("rdp", "eq1"))
            return log(eq1 / rdp)

        return exp(float(brentq(gap, log(self.noise[0]), log(self.noise[-1]), xtol=1e-3)))


def sweep(data: str, *, noise: Sequence[float]) -> Sweep:
    """Eq. (1), RDP and PRV over the noise, at the q, T and delta of 'mnist' or 'cifar10'."""
    training, delta = paper_training(data)
    each = [Training(s, training.sample_rate, training.updates) for s in noise]
    budgets = {
        a: [t.epsilon(delta=delta, accountant=a) for t in each] for a in ("eq1", "rdp", "prv")
    }
    return Sweep(training, delta, list(noise), budgets)


def sweep_curves(found: Sweep) -> list[plot.Curve]:
    """A curve for each accountant."""
    return [
        plot.Curve(found.noise, values, values, values, NAMES[a], "derived", model=a)
        for a, values in found.budgets.items()
    ]


def sweep_told(data: str, found: Sweep) -> str:
    """Where Eq. (1) understates and where it overstates, in a sentence."""
    at = found.training.noise_multiplier
    side = "overstates" if at > found.crossing else "understates"
    return (
        f"{data}, q = {found.training.sample_rate:.4g}, {found.training.updates:,} updates, "
        f"{delta_text(found.delta)}: Eq. (1) understates the budget below a noise multiplier of "
        f"about {found.crossing:.2f} and overstates it above (RDP: {found.rdp_crossing:.2f}). At "
        f"the paper's {at:g} it {side} it. All for {POISSON}."
    )


# -- from one release to a training -------------------------------------------------------------


def ladder(data: str = "mnist") -> list[TableRow]:
    """What Eq. (1) leaves out, one thing after another, at the settings of a data set."""
    full, delta = paper_training(data)
    sigma, q = full.noise_multiplier, full.sample_rate
    rungs = {
        "one release of all data": Training(sigma, 1.0, 1),
        "one release of a small random batch": Training(sigma, q, 1),
        "all updates, each on a small random batch": full,
    }
    return [
        {
            "what is released": words,
            "q": f"{t.sample_rate:.4g}",
            "updates": f"{t.updates:,}",
            "PRV": _value(t.epsilon(delta=delta, accountant="prv")),
            "RDP": _value(t.epsilon(delta=delta, accountant="rdp")),
            _EQ1: _value(t.epsilon(delta=delta, accountant="eq1")),
        }
        for words, t in rungs.items()
    ]


# -- other adjacencies --------------------------------------------------------------------------


def other_adjacencies() -> list[TableRow]:
    """What the MNIST training costs under other relations, samplers and accountants."""
    return [
        {
            "neighbours differ in": row.adjacency,
            "sampler": row.sampler,
            "accountant": row.accountant,
            "one example moves\nthe sum by": "C" if row.moves == 1 else f"{row.moves} C",
            "noise": f"{row.noise:g} C",
            "ε": plot.Value(row.dp_epsilon, tier="derived", digits=2),
            "a bound?": "yes" if row.bounds else "no",
            "what it says": row.says,
        }
        for row in adjacencies.load().rows
    ]


def adjacencies_told() -> str:
    """The settings and the source of these budgets."""
    table = adjacencies.load()
    t: dict[str, Any] = table.training
    return (
        f"q = {t['sample_rate']:.4g}, "
        f"{t['updates']:,} updates, {delta_text(t['delta'])}; computed once with {table.source}"
    )
