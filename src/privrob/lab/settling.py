"""How tursynbek2020's readings were settled: by clean accuracy alone, on a seed of their own."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from html import escape

from privrob.lab import cifar, claims, measures, registry, statements, trainings
from privrob.lab.markup import table
from privrob.lab.measures import MODELS, Settlement, Target
from privrob.lab.run import Lab, open_store
from privrob.lab.store import Store


@dataclass(frozen=True)
class Settling:
    """What is settled: the candidates, smallest departure first, and what they have to reach.

    `targets` are accuracies in percent by model; `named` is the matched reading of the registry,
    None where it has none.
    """

    data: str
    experiment: str
    candidates: tuple[str, ...]
    named: str | None
    targets: Mapping[str, Target]


def _printed(prefix: str) -> dict[str, statements.Claim]:
    """The claims on the two clean accuracies."""
    by_id = {c.id: c for c in statements.load()}
    return {m: by_id[f"{prefix}/{m}"] for m in MODELS}


def mnist() -> Settling:
    """By the claims' own tolerances."""
    printed = _printed("tursynbek2020/clean").items()
    targets = {m: Target(c.target, c.tolerance or 0) for m, c in printed}
    names = tuple(trainings.CANDIDATES)
    return Settling("MNIST", "tursynbek2020/readings", names, trainings.MATCHED, targets)


def cifar10() -> Settling:
    """By one tolerance for both."""
    printed = _printed("tursynbek2020/section3.6/accuracy").items()
    targets = {m: Target(c.target, cifar.TOLERANCE) for m, c in printed}
    names = tuple(cifar.CANDIDATES)
    return Settling("CIFAR-10", "tursynbek2020/cifar-readings", names, cifar.MATCHED, targets)


SETTLINGS: dict[str, Callable[[], Settling]] = {"mnist": mnist, "cifar10": cifar10}


def settlement(settling: Settling, store: Store | None = None) -> Settlement:
    """Which reading the runs on the selection seed give."""
    lab = Lab(store or open_store("paper"), on="cpu")
    accuracies: dict[str, dict[str, float]] = {}
    for run in claims.runs(settling.experiment, lab):
        if run.result:
            model = run.variant.model
            value = measures.clean_accuracy({model: run.result.arrays}, model=model)
            accuracies.setdefault(run.variant.note, {})[model] = float(value)
    return measures.settled(
        accuracies, settling.targets, names=settling.candidates, named=settling.named
    )


# -- as a part of the claims page ---------------------------------------------------------------


def settlements() -> str:
    """How the matched readings were settled: each candidate's clean accuracies."""
    text = (
        f"Settled on a seed of its own ({registry.SELECTION_SEED}), by clean accuracy alone, "
        "smallest departure first."
    )
    return "\n\n".join(["## The matched reading", text, *map(_section, SETTLINGS.values())])


def _section(settling: Callable[[], Settling]) -> str:
    s = settling()
    found = settlement(s)
    rows = [
        [escape(c.name), *(_percent(c.accuracies.get(m)) for m in MODELS), c.status]
        for c in found.candidates
    ]
    head = ["candidate", "SGD", "DP-SGD", "both printed accuracies"]
    return "\n\n".join([f"### {s.data}", told(s, found), *_notes(found), table(head, rows)])


def told(settling: Settling, found: Settlement) -> str:
    """What was to be reached, what did, and what the registry has, as Markdown."""
    near = ", ".join(f"{t.published:g} ± {t.tolerance:g}" for t in settling.targets.values())
    choice = f"*{found.choice}*" if found.choice else "none of those that have run"
    named = f"*{found.named}*" if found.named else "no matched reading"
    return (
        f"To be reached by SGD and DP-SGD, percent: {near}. The first that reaches both: {choice}. "
        f"The registry has {named}."
    )


def _notes(found: Settlement) -> list[str]:
    notes = [f":::{{warning}}\n{found.disagreement}\n:::"] if found.disagreement else []
    if found.open:
        notes.append(
            f"Provisional: not run, or not whole, among the smaller departures are "
            f"{'; '.join(found.open)}. Any of them would be the matched reading if it reached both."
        )
    return notes


def _percent(value: float | None) -> str:
    return "not run" if value is None else f"{value:.2f}"
