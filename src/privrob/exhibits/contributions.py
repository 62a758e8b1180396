"""song2019's two statements on its stored outputs, verdict by verdict, and what was not run."""

from collections.abc import Sequence

from matplotlib.axes import Axes

from privrob import plot
from privrob.exhibits.leaks import INFERENCES, Leak
from privrob.exhibits.outputs import LETTERS, ROBUST, SETS, contrast, entries, sizes, stored
from privrob.lab import registry, song2019
from privrob.lab.arithmetic import chance
from privrob.lab.claims import Entry
from privrob.plot.style import INK, label_axes, style
from privrob.plot.tiers import tier

TableRow = dict[str, object]
_WORDS = {"natural": "natural", **{m: song2019.NAMES[m] for m in ROBUST}, "all": "all of them"}


# -- does it hold? ------------------------------------------------------------------------------


def statement(exhibit: str) -> list[TableRow]:
    """Of 'contribution1' or 'contribution2': each model's difference and verdict by data set."""
    rows: list[TableRow] = []
    for model in (*ROBUST, "all"):
        row: TableRow = {"model": _WORDS[model]}
        for name, title in SETS.items():
            entry = contrast(exhibit, name, model)
            row[f"{title},\npoints"] = _difference(entry) if entry else None
            row[f"{title},\nverdict"] = entry.headline.verdict.word if entry else None
        rows.append(row)
    return rows


def _difference(entry: Entry) -> plot.Value:
    e = entry.headline.evidence
    assert e is not None
    return plot.Value(e.value, e.low, e.high, tier="derived")


def told(exhibit: str) -> str:
    """Where a statement holds for every model, where it fails and where the outputs leave it open.

    Each data set in a sentence of its own.
    """
    return " ".join(_told(exhibit, name) for name in SETS)


def _told(exhibit: str, name: str) -> str:
    found = {m: e for m in ROBUST if (e := contrast(exhibit, name, m))}
    by_word: dict[str, list[str]] = {}
    for model, entry in found.items():
        by_word.setdefault(entry.headline.verdict.word, []).append(_WORDS[model])
    parts = [f"{word} for {_listed(models)}" for word, models in by_word.items()]
    return f"{SETS[name]}, {len(found)} defences: {'; '.join(parts)}."


def _listed(words: Sequence[str]) -> str:
    *first, last = words
    return f"{', '.join(first)} and {last}" if first else last


def failing(exhibit: str, name: str) -> list[str]:
    """The models of a data set for which a statement is not reproduced."""
    found = {m: e for m in ROBUST if (e := contrast(exhibit, name, m))}
    return [m for m, e in found.items() if e.headline.verdict.word == "not reproduced"]


def underfit(name: str) -> str:
    """How accurate the failing models of a data set are on members and on others, in a sentence."""
    table = stored(name)
    parts = [
        f"{_WORDS[m]} {table[m]['train']:.1f} and {table[m]['test']:.1f}"
        for m in failing("contribution2", name)
    ]
    natural = f"{table['natural']['train']:.1f} and {table['natural']['test']:.1f}"
    return (
        f"Accuracy on members and on others, percent, as stored: {'; '.join(parts)}; the natural "
        f"model {natural}."
    )


# -- what was not run ---------------------------------------------------------------------------


def waiting() -> list[TableRow]:
    """Of every model what is recorded, and what the missing runs would cost."""
    rows: list[TableRow] = [_planned(model) for model in song2019.NAMES]
    for name in ("fashion-mnist", "cifar10"):
        reason = entries()[f"{name}/natural/train"].claim.not_attempted
        assert reason is not None
        row: TableRow = {"data set": SETS[name], "model": "all", "recorded": "none"}
        rows.append(row | {"missing": reason.why, "cost": reason.cost})
    return rows


def _planned(model: str) -> TableRow:
    of_model = [
        e for n, e in entries().items()
        if n.startswith("yale/") and e.claim.arguments["model"] == model
    ]  # fmt: skip
    a = of_model[0].headline
    seeds = len({v.seed for v in registry.experiment("song2019/yale-membership").variants("paper")})
    done = a.evidence.n if a.evidence else 0
    return {
        "data set": SETS["yale"],
        "model": _WORDS[model],
        "recorded": f"{done} of {seeds} seeds",
        "missing": "nothing" if done == seeds else f"{seeds - done} seeds",
        "cost": f"about {a.minutes / 60:.1f} hours on two cores" if a.minutes else "nothing",
    }


# -- the figure ---------------------------------------------------------------------------------


Point = tuple[str, str, float, str, str]  # (model, 'I_A', percent, tier, source)


def points(name: str, leaks: Sequence[Leak] = ()) -> list[Point]:
    """The inference accuracies of a data set: stored outputs, if `name` is of `SETS`, and ours."""
    found: list[Point] = []
    for model, row in stored(name).items() if name in SETS else ():
        found += [(model, word, row[a], "published", "") for a, word in LETTERS.items()]
    for leak in leaks:
        for inference, word in INFERENCES.items():
            if leak.has(inference):
                value = 100 * leak.audit(inference, score="confidence").official.accuracy
                found.append((leak.model, word, value, leak.tier, leak.source))
    return found


def draw(ax: Axes, title: str, shown: Sequence[Point], most: float) -> list[TableRow]:
    """Draw the points by model, above the band up to `most` that chance gives; returns the data."""
    models = [m for m in song2019.NAMES if any(p[0] == m for p in shown)]
    kinds = list(dict.fromkeys((p[3], p[1]) for p in shown))
    with style():
        label_axes(ax, y="accuracy (%)")
        ax.set_title(title, loc="left", pad=8)
        ax.axhspan(50, most, color=INK, alpha=0.12, linewidth=0)
        for model, word, value, kind, source in shown:
            look = tier(kind)
            shift = 0.7 * ((kinds.index((kind, word)) + 0.5) / len(kinds) - 0.5)
            at = models.index(model) + shift
            face = "none" if source == "quick" else look.colour
            ax.plot(at, value, look.marker, color=look.colour, mfc=face, markersize=6)
            ax.annotate(word[-1], (at, value), (0, 6), textcoords="offset points", ha="center")
        ax.set_xlim(-0.6, len(models) - 0.4)
        ax.set_ylim(49, max(p[2] for p in shown) + 5)
        ax.set_xticks(range(len(models)), [_short(m) for m in models])
    names = ("model", "inference", "accuracy_percent", "tier", "source")
    return [{"panel": title} | dict(zip(names, p, strict=True)) for p in shown]


def _short(model: str) -> str:
    return {"natural": "natural", "pgd": "PGD"}.get(model, model)


def chance_of(name: str, leaks: Sequence[Leak] = ()) -> float:
    """What 95 % of scores that know nothing stay below, percent, by the numbers of points."""
    if name in SETS:
        return chance(**sizes(name)).most
    inside, outside = leaks[0].sides("labels")
    return chance(members=len(inside), nonmembers=len(outside)).most


def alt(title: str, shown: Sequence[Point]) -> str:
    """What a panel shows, in words: the highest and the lowest best accuracy."""
    best = {m: max(p[2] for p in shown if p[0] == m) for m in dict.fromkeys(p[0] for p in shown)}
    ends = [
        f"{_WORDS[m]} {best[m]:.1f}"
        for m in (max(best, key=lambda m: best[m]), min(best, key=lambda m: best[m]))
    ]
    return f"{title}: highest for {ends[0]}, lowest for {ends[1]} percent"
