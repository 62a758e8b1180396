"""song2019's two statements on its stored outputs, verdict by verdict, and what was not run."""

from collections.abc import Sequence

from privrob import plot
from privrob.exhibits.outputs import PAPER as SONG
from privrob.exhibits.outputs import (
    ROBUST,
    SETS,
    contrast,
    entries,
    stored,
)
from privrob.lab import registry, song2019
from privrob.lab.arithmetic import BENIGN, Found, inference_increase
from privrob.lab.claims import Entry
from privrob.lab.markup import duration

TableRow = dict[str, object]
WORDS = {"natural": "natural", **{m: song2019.NAMES[m] for m in ROBUST}, "all": "all of them"}


# -- does it hold? ------------------------------------------------------------------------------


def statement(exhibit: str, *, part: str = "stored") -> list[TableRow]:
    """Of 'song2019/contribution1' or '2': each model's difference and verdict by data set.

    On the stored outputs, or with `part` '' on our records, with 'verified' on those by I_V.
    """
    contribution = exhibit.rpartition("/")[2]
    rows: list[TableRow] = []
    for model in (*ROBUST, "all"):
        row: TableRow = {"model": WORDS[model]}
        for name, title in SETS.items():
            entry = contrast(contribution, name, model, part=part)
            row[f"{title},\npoints"] = _difference(entry) if entry else None
            row[f"{title},\nverdict"] = entry.headline.verdict.word if entry else None
        if any(row[f"{title},\nverdict"] for title in SETS.values()):
            rows.append(row)
    return rows


def _difference(entry: Entry) -> plot.Value | None:
    e = entry.headline.evidence
    return plot.Value(e.value, e.low, e.high, tier=entry.tier) if e else None


def told(exhibit: str) -> str:
    """Where a statement holds for every model, where it fails and where the outputs leave it open.

    Each data set in a sentence of its own.
    """
    return " ".join(_told(exhibit, name) for name in SETS)


def _told(exhibit: str, name: str) -> str:
    found = {m: e for m in ROBUST if (e := contrast(exhibit, name, m))}
    by_word: dict[str, list[str]] = {}
    for model, entry in found.items():
        by_word.setdefault(entry.headline.verdict.word, []).append(WORDS[model])
    parts = [f"{word} for {listed(models)}" for word, models in by_word.items()]
    return f"{SETS[name]}, {len(found)} defences: {'; '.join(parts)}."


def listed(words: Sequence[str]) -> str:
    """'a, b and c'."""
    *first, last = words
    return f"{', '.join(first)} and {last}" if first else last


def failing(exhibit: str, name: str) -> list[str]:
    """The models of a data set for which a statement is not reproduced."""
    found = {m: e for m in ROBUST if (e := contrast(exhibit, name, m))}
    return [m for m, e in found.items() if e.headline.verdict.word == "not reproduced"]


def told_by_benign() -> str:
    """On which models I_B alone, as stored, is higher than on the natural one; set by set."""
    return " ".join(_told_by_benign(name) for name in SETS)


def _told_by_benign(name: str) -> str:
    by_word: dict[str, list[str]] = {}
    for model in ROBUST:
        if entry := contrast("contribution2", name, model):
            found = _by_benign(entry)
            word = "higher" if found.low > 0 else "lower" if found.high < 0 else "not told apart"
            by_word.setdefault(word, []).append(f"{WORDS[model]} ({found.value:+.2f} points)")
    parts = [f"{word} for {listed(models)}" for word, models in by_word.items()]
    return f"{SETS[name]}: {'; '.join(parts)}."


def _by_benign(entry: Entry) -> Found:
    """The difference that a claim is about, were I_B the only attack."""
    values = ((i, e.claim) for i, e in entries().items() if e.claim.kind == "value")
    printed = {f"{SONG}/{i}": float(c.published) for i, c in values}
    return inference_increase(printed, **{**entry.claim.arguments, "attacks": [BENIGN]})


def underfit(name: str) -> str:
    """How accurate the failing models of a data set are on members and on others, in a sentence."""
    table = stored(name)
    parts = [
        f"{WORDS[m]} {table[m]['train']:.1f} and {table[m]['test']:.1f}"
        for m in failing("contribution2", name)
    ]
    natural = f"{table['natural']['train']:.1f} and {table['natural']['test']:.1f}"
    return (
        f"Accuracy on members and on others, percent, as stored: {'; '.join(parts)}; the natural "
        f"model {natural}."
    )


# -- what was not run ---------------------------------------------------------------------------


def waiting() -> list[TableRow]:
    """Of every model of every data set what is recorded, and what the missing runs would cost."""
    return [_planned(name, model) for name in SETS for model in stored(name)]


def _planned(name: str, model: str) -> TableRow:
    entry = next(
        e for n, e in entries().items()
        if n.startswith(f"{name}/") and e.claim.arguments["model"] == model
    )  # fmt: skip
    a, experiment = entry.headline, entry.claim.experiment
    assert experiment is not None
    seeds = len({v.seed for v in registry.experiment(experiment).variants("paper")})
    done = a.evidence.n if a.evidence else 0
    return {
        "data set": SETS[name],
        "model": WORDS[model],
        "recorded": f"{done} of {seeds} seeds",
        "missing": "nothing" if done == seeds else f"{seeds - done} seeds",
        "cost": f"about {duration(a.minutes)} on two cores" if a.minutes else "nothing",
    }


def gpu_cost() -> str:
    """What the models cost that need a GPU, where some are missing, in sentences."""
    found: dict[str, str] = {}
    for name, e in entries().items():
        if e.claim.not_attempted and not e.headline.evidence:
            found.setdefault(name.split("/")[0], e.claim.not_attempted.cost)
    return " ".join(f"{SETS[name]}: {found[name]}." for name in SETS if name in found)
