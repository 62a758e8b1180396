"""All inference accuracies at a glance, a panel for each data set, and what our models saw.

Used as a module: `from privrob.exhibits import places`.
"""

from collections.abc import Mapping, Sequence
from typing import NamedTuple

from matplotlib.axes import Axes

from privrob.exhibits.contributions import WORDS, listed
from privrob.exhibits.leaks import INFERENCES, Leak, TableRow, attack_values
from privrob.exhibits.outputs import (
    DRAWN,
    LETTERS,
    ROBUST,
    SCORE,
    SETS,
    full_scale,
    sizes,
    stored,
)
from privrob.lab import song2019
from privrob.lab.arithmetic import chance
from privrob.plot.style import INK, PAPER, label_axes, style
from privrob.plot.tiers import HOLLOW, tier


def titled(leaks: Mapping[str, Sequence[Leak]]) -> dict[str, list[Leak]]:
    """Our models, by data set of `SETS`, by what they saw and at which scale: 'digits (quick)'."""
    found: dict[str, list[Leak]] = {}
    for name, mine in leaks.items():
        for leak in mine:
            own = SETS[name] + ("" if full_scale(leak) else ", reduced")
            title = f"{_seen(leak)} (quick)" if leak.source else own
            found.setdefault(title, []).append(leak)
    return found


def _seen(leak: Leak) -> str:
    return DRAWN[leak.row.variant.train.data.name]


def lent_told(lent: Sequence[Leak]) -> str:
    """Which small models stand here that other pages trained, in a sentence."""
    by_images: dict[str, list[str]] = {}
    for leak in lent:
        by_images.setdefault(_seen(leak), []).append(WORDS[leak.model])
    parts = [f"{listed(models)} ({images})" for images, models in by_images.items()]
    if not parts:
        return "None of them is in the store: those pages have to run before this one."
    return f"Executed (quick), taken from the store: {'; '.join(parts)}."


# -- the figure ---------------------------------------------------------------------------------


SHORT = {m: {"pgd": "PGD", "ibp": "IBP"}.get(m, m) for m in song2019.NAMES}


class Point(NamedTuple):
    """An inference accuracy, percent; `held_out` is its cross-fitted twin with interval, if any."""

    model: str
    word: str  # 'I_A'
    accuracy: float
    tier: str
    source: str = ""
    held_out: tuple[float, ...] = ()  # value, low, high


def panels(leaks: Mapping[str, Sequence[Leak]]) -> list[tuple[str, list[Point], float]]:
    """The panels: a title, its points, and what 95 % of scores that know nothing stay below.

    One for each data set, our records of full scale among the stored outputs of theirs, and one for
    each kind of images that small models saw. `leaks` are our models by data set of `SETS`.
    """
    own = {n: [k for k in leaks.get(n, ()) if full_scale(k)] for n in SETS}
    found = [
        (title, _stored(name) + _own(own[name]), _most(**sizes(name)))
        for name, title in SETS.items()
    ]
    small = {title: mine for title, mine in titled(leaks).items() if mine[0].source}
    for title, mine in small.items():
        inside, outside = mine[0].sides("labels")
        most = _most(members=len(inside), nonmembers=len(outside))
        found.append((title, _own(mine), most))
    return found


def _most(*, members: int, nonmembers: int) -> float:
    return chance(members=members, nonmembers=nonmembers).most


def _stored(name: str) -> list[Point]:
    return [
        Point(model, word, row[attack], "published")
        for model, row in stored(name).items()
        for attack, word in LETTERS.items()
    ]


def _own(leaks: Sequence[Leak]) -> list[Point]:
    return [
        _point(leak, inference) for leak in leaks for inference in INFERENCES if leak.has(inference)
    ]


def _point(leak: Leak, inference: str) -> Point:
    official, _, twin = attack_values(leak, inference, score=SCORE)
    assert twin.low is not None
    assert twin.high is not None
    held_out = twin.mean, twin.low, twin.high
    return Point(leak.model, INFERENCES[inference], official.mean, leak.tier, leak.source, held_out)


def draw(ax: Axes, title: str, shown: Sequence[Point], most: float) -> list[TableRow]:
    """Draw the points by model, above the band up to `most` that chance gives; returns the data.

    A dash is the held-out twin of a point, the line through it the twin's interval. All panels of
    a figure share their models, so each has a place for all seven.
    """
    models, kinds = list(song2019.NAMES), list(dict.fromkeys((p.tier, p.word) for p in shown))
    with style():
        label_axes(ax, y=f"{title}: inference accuracy (%)")
        ax.axhspan(50, most, color=INK, alpha=0.12, linewidth=0)
        for p in shown:
            place = (kinds.index((p.tier, p.word)) + 0.5) / len(kinds)
            _mark(ax, p, models.index(p.model) + 0.75 * (place - 0.5))
        ax.set_xlim(-0.6, len(models) - 0.4)
        ends = [end for p in shown for end in (p.accuracy, *p.held_out)]
        ax.set_ylim(min(50, *ends) - 1, max(ends) + 6)
        ax.set_xticks(range(len(models)), [SHORT[m] for m in models])
    return [{"panel": title} | _told_point(p) for p in shown]


def _mark(ax: Axes, p: Point, at: float) -> None:
    look = tier(p.tier)
    face = PAPER if p.source == HOLLOW else look.colour
    if p.held_out:
        value, low, high = p.held_out
        ax.plot([at, at], [low, high], color=look.colour, linewidth=1)
        ax.plot(at, value, "_", color=look.colour, markersize=9, mew=1.4)
    ax.plot(at, p.accuracy, look.marker, color=look.colour, mfc=face, mew=1.4)
    top = max((p.accuracy, *p.held_out))
    ax.annotate(p.word[-1], (at, top), (0, 6), textcoords="offset points", ha="center")


def _told_point(p: Point) -> TableRow:
    names = ("model", "inference", "accuracy_percent", "tier", "source")
    twins = ("held_out_percent", "low", "high")
    values = p.held_out or (None,) * len(twins)
    return dict(zip(names, p[:-1], strict=True)) | dict(zip(twins, values, strict=True))


def key() -> str:
    """The short names of a figure, spelled out."""
    return ", ".join(f"{SHORT[m]}: {WORDS[m]}" for m in ROBUST if SHORT[m] != WORDS[m])


def alt(title: str, shown: Sequence[Point]) -> str:
    """What a panel shows, in words: the highest and the lowest best accuracy."""
    models = dict.fromkeys(p.model for p in shown)
    best = {m: max(p.accuracy for p in shown if p.model == m) for m in models}
    ends = [
        f"{WORDS[m]} {best[m]:.1f}"
        for m in (max(best, key=lambda m: best[m]), min(best, key=lambda m: best[m]))
    ]
    return f"{title}: highest for {ends[0]}, lowest for {ends[1]} percent"
