"""Which reading the runs on the selection seed settle."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from privrob.lab.measures.base import SLACK


@dataclass(frozen=True)
class Target:
    """A published value and how near to it counts as the same."""

    published: float
    tolerance: float

    def reached(self, value: float) -> bool:
        """|value - published| <= tolerance, the boundary included."""
        return abs(value - self.published) <= self.tolerance + SLACK


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
    named: str | None  # the registry's matched reading, if it has one

    @property
    def open(self) -> list[str]:
        """Candidates whose missing runs could still change the choice."""
        names = [c.name for c in self.candidates]
        before = names.index(self.choice) if self.choice else len(names)
        return [c.name for c in self.candidates[:before] if c.status == "open"]

    @property
    def disagreement(self) -> str:
        """How the registry's matched reading differs from what the records settle; '' if not.

        Without one, the first candidate is the only reading.
        """
        if self.named is None:
            literal = self.candidates[0].name
            if self.choice in (None, literal):
                return ""
            return f"the registry names no matched reading, but the records settle {self.choice!r}"
        missed = self.named in [c.name for c in self.candidates if c.status == "misses"]
        if self.choice == self.named or (self.choice is None and self.open and not missed):
            return ""
        found = f"the records settle {self.choice!r}" if self.choice else "no run reaches both"
        return f"the registry names {self.named!r} the matched reading, but {found}"


def settled(
    accuracies: Mapping[str, Mapping[str, float]],
    targets: Mapping[str, Target],
    *,
    names: Sequence[str],
    named: str | None,
) -> Settlement:
    """The first of the candidates `names` that reaches every target, of those that have run.

    `accuracies` maps a candidate to the clean accuracy, in percent, of each model that has run;
    `named` is the registry's matched reading.
    """
    table = tuple(_candidate(n, accuracies.get(n, {}), targets) for n in names)
    choice = next((c.name for c in table if c.status == "reaches"), None)
    return Settlement(table, choice, named)


def _candidate(
    name: str, accuracies: Mapping[str, float], targets: Mapping[str, Target]
) -> Candidate:
    missed = not all(targets[model].reached(value) for model, value in accuracies.items())
    status = "misses" if missed else "reaches" if accuracies.keys() >= targets.keys() else "open"
    return Candidate(name, dict(accuracies), status)
