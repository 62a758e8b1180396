"""song2019's two statements on its stored outputs, verdict by verdict, and what was not run."""

from collections.abc import Mapping, Sequence

from matplotlib.axes import Axes

from privrob import plot
from privrob.exhibits.leaks import INFERENCES, Leak
from privrob.exhibits.outputs import (
    LETTERS,
    ROBUST,
    SCORE,
    SETS,
    contrast,
    entries,
    full_scale,
    sizes,
    stored,
)
from privrob.exhibits.outputs import PAPER as SONG
from privrob.lab import registry, song2019
from privrob.lab.arithmetic import BENIGN, Found, chance, inference_increase
from privrob.lab.claims import Entry
from privrob.lab.markup import duration
from privrob.plot.style import INK, PAPER, label_axes, style
from privrob.plot.tiers import HOLLOW, tier

TableRow = dict[str, object]
_WORDS = {"natural": "natural", **{m: song2019.NAMES[m] for m in ROBUST}, "all": "all of them"}


# -- does it hold? ------------------------------------------------------------------------------


def statement(exhibit: str, *, part: str = "stored") -> list[TableRow]:
    """Of 'song2019/contribution1' or '2': each model's difference and verdict by data set.

    On the stored outputs, or with `part` '' on our records, with 'verified' on those by I_V.
    """
    contribution = exhibit.rpartition("/")[2]
    rows: list[TableRow] = []
    for model in (*ROBUST, "all"):
        row: TableRow = {"model": _WORDS[model]}
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


def told_by_benign() -> str:
    """On which models I_B alone, as stored, is higher than on the natural one; set by set."""
    return " ".join(_told_by_benign(name) for name in SETS)


def _told_by_benign(name: str) -> str:
    by_word: dict[str, list[str]] = {}
    for model in ROBUST:
        if entry := contrast("contribution2", name, model):
            found = _by_benign(entry)
            word = "higher" if found.low > 0 else "lower" if found.high < 0 else "not told apart"
            by_word.setdefault(word, []).append(f"{_WORDS[model]} ({found.value:+.2f} points)")
    parts = [f"{word} for {_listed(models)}" for word, models in by_word.items()]
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
        "model": _WORDS[model],
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


# -- the figure ---------------------------------------------------------------------------------


SHORT = {m: {"pgd": "PGD", "ibp": "IBP"}.get(m, m) for m in song2019.NAMES}
Point = tuple[str, str, float, str, str]  # (model, 'I_A', percent, tier, source)


def places(leaks: Mapping[str, Sequence[Leak]]) -> list[tuple[str, list[Point], float]]:
    """The panels: a title, its points, and what 95 % of scores that know nothing stay below.

    One for each data set, our records of full scale among the stored outputs of theirs, and one for
    the small models. `leaks` are our models by data set of `SETS`.
    """
    own = {n: [k for k in leaks.get(n, ()) if full_scale(k)] for n in SETS}
    small = [k for mine in leaks.values() for k in mine if k.source]
    panels = [
        (title, _stored(name) + _own(own[name]), _most(**sizes(name)))
        for name, title in SETS.items()
    ]
    if small:
        inside, outside = small[0].sides("labels")
        most = _most(members=len(inside), nonmembers=len(outside))
        panels.append(("drawn faces (quick)", _own(small), most))
    return panels


def _most(*, members: int, nonmembers: int) -> float:
    return chance(members=members, nonmembers=nonmembers).most


def _stored(name: str) -> list[Point]:
    return [
        (model, word, row[attack], "published", "")
        for model, row in stored(name).items()
        for attack, word in LETTERS.items()
    ]


def _own(leaks: Sequence[Leak]) -> list[Point]:
    return [
        (leak.model, word, 100 * found.official.accuracy, leak.tier, leak.source)
        for leak in leaks
        for inference, word in INFERENCES.items()
        if leak.has(inference)
        for found in [leak.audit(inference, score=SCORE)]
    ]


def draw(ax: Axes, title: str, shown: Sequence[Point], most: float) -> list[TableRow]:
    """Draw the points by model, above the band up to `most` that chance gives; returns the data.

    All panels of a figure share their models, so each has a place for all seven.
    """
    models, kinds = list(song2019.NAMES), list(dict.fromkeys((p[3], p[1]) for p in shown))
    with style():
        label_axes(ax, y=f"{title}: inference accuracy (%)")
        ax.axhspan(50, most, color=INK, alpha=0.12, linewidth=0)
        for model, word, value, kind, source in shown:
            look, place = tier(kind), (kinds.index((kind, word)) + 0.5) / len(kinds)
            at = models.index(model) + 0.7 * (place - 0.5)
            face = PAPER if source == HOLLOW else look.colour
            ax.plot(at, value, look.marker, color=look.colour, mfc=face, mew=1.4)
            ax.annotate(word[-1], (at, value), (0, 6), textcoords="offset points", ha="center")
        ax.set_xlim(-0.6, len(models) - 0.4)
        ax.set_ylim(49, max(p[2] for p in shown) + 6)
        ax.set_xticks(range(len(models)), [SHORT[m] for m in models])
    names = ("model", "inference", "accuracy_percent", "tier", "source")
    return [{"panel": title} | dict(zip(names, p, strict=True)) for p in shown]


def key() -> str:
    """The short names of a figure, spelled out."""
    return ", ".join(f"{SHORT[m]}: {_WORDS[m]}" for m in ROBUST if SHORT[m] != _WORDS[m])


def alt(title: str, shown: Sequence[Point]) -> str:
    """What a panel shows, in words: the highest and the lowest best accuracy."""
    best = {m: max(p[2] for p in shown if p[0] == m) for m in dict.fromkeys(p[0] for p in shown)}
    ends = [
        f"{_WORDS[m]} {best[m]:.1f}"
        for m in (max(best, key=lambda m: best[m]), min(best, key=lambda m: best[m]))
    ]
    return f"{title}: highest for {ends[0]}, lowest for {ends[1]} percent"
