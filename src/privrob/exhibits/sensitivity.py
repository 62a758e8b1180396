"""How far song2019's models hang on single training images, beside what another seed does."""

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

from numpy.typing import NDArray

from privrob import data, plot
from privrob.exhibits.leak_sweeps import ATTACKED, leak_lead
from privrob.exhibits.leaks import RESAMPLES, Leak, TableRow, leak_stamp
from privrob.exhibits.notes import sentence
from privrob.lab import registry, song2019
from privrob.lab.spec import LeftOut
from privrob.membership.sensitivity import Changes, Estimate, changes, estimate

NAME = "song2019/sensitivity"
COMMAND = f"privrob run {NAME}"
BOOTSTRAP_SEED = 0
# Of each score: factor for display, digits, unit.
SHOWN = {"confidence": (100.0, 1, "points of confidence"), "log_odds": (1.0, 2, "log-odds")}


@dataclass(frozen=True, eq=False)  # told apart by identity, so that changes can be kept
class Case:
    """One kind of training: on all images, the same in other seeds, and without each group."""

    full: Leak
    others: tuple[Leak, ...]
    without: tuple[Leak, ...]

    @property
    def name(self) -> str:
        """'PGD', or 'PGD, recorded'."""
        name = song2019.NAMES[self.full.model]
        return name if self.full.source else f"{name}, {self.full.tier}"

    @property
    def models(self) -> tuple[Leak, ...]:
        return (self.full, *self.others, *self.without)

    @property
    def out(self) -> list[NDArray[Any]]:
        """Which of the full model's members each model does without, indices (k,)."""
        size, found = len(self.full.sides("labels")[0]), map(_lacking, self.without)
        return [data.left_out(size, k=d.k, group=d.group, seed=d.draw) for d in found]

    def changes(self, inference: str, *, score: str) -> Changes:
        """What moves a score of the left-out images: of 'benign' or 'adversarial' inputs."""
        return _changes(self, f"{score}_{inference}_train")

    def gap(self, inference: str, *, score: str) -> float:
        """The mean score of the full model's members less that of the other images."""
        members, others = self.full.sides(f"{score}_{inference}")
        return float(members.mean(dtype=float) - others.mean(dtype=float))


@lru_cache(maxsize=64)
def _changes(case: Case, name: str) -> Changes:
    def scores(models: Sequence[Leak]) -> list[NDArray[Any]]:
        return [leak.arrays[name] for leak in models]

    return changes(case.full.arrays[name], scores(case.others), scores(case.without), case.out)


def _lacking(leak: Leak) -> LeftOut:
    found = leak.row.variant.train.data
    assert isinstance(found, LeftOut)
    return found


def cases(found: Sequence[Leak]) -> list[Case]:
    """The models that belong together; without a full model, a seed or two groups there is none."""
    alike: dict[tuple[str, str], list[Leak]] = defaultdict(list)
    for leak in found:
        alike[leak.tier, leak.model].append(leak)
    return [case for models in alike.values() if (case := _case(models))]


def _case(models: Sequence[Leak]) -> Case | None:
    without = [m for m in models if isinstance(m.row.variant.train.data, LeftOut)]
    seeds = {m.row.variant.seed for m in without}
    whole = [m for m in models if m not in without]
    full = [m for m in whole if m.row.variant.seed in seeds]
    others = [m for m in whole if m.row.variant.seed not in seeds]
    enough = full and others and len(without) > 1
    return Case(full[0], tuple(others), tuple(without)) if enough else None


# -- numbers ------------------------------------------------------------------------------------


def _mean(values: Any, of: Changes) -> Estimate:
    return estimate(values, of.groups, resamples=RESAMPLES, seed=BOOTSTRAP_SEED)


def _cell(value: Estimate | float, leak: Leak, score: str) -> plot.Value:
    factor, digits, _ = SHOWN[score]
    about = leak.evidence | {"digits": digits}
    if not isinstance(value, Estimate):
        return plot.Value(factor * value, **about)
    return plot.Value(factor * value.mean, factor * value.low, factor * value.high, **about)


def fall_rows(shown: Sequence[Case], *, score: str) -> list[TableRow]:
    """How far scores fall, with sign: of images left out, of the same where others are, the rest.

    Last how much higher members score than non-members.
    """
    return [
        {
            "model, inputs": f"{case.name}, {inference}",
            "left out": _cell(float(c.removed.mean()), case.full, score),
            "others\nleft out": _cell(float(c.kept_mean.mean()), case.full, score),
            "difference": _cell(_mean(c.net, c), case.full, score),
            "members less\nnon-members": _cell(case.gap(inference, score=score), case.full, score),
        }
        for case in shown
        for inference in ATTACKED
        for c in [case.changes(inference, score=score)]
    ]


def size_rows(shown: Sequence[Case], *, score: str) -> list[TableRow]:
    """How far scores move, without sign: left out, by another seed, the rest; others left out."""
    return [
        {
            "model, inputs": f"{case.name}, {inference}",
            "left out": _cell(float(c.size.mean()), case.full, score),
            "another\nseed": _cell(float(c.seed_size.mean()), case.full, score),
            "difference": _cell(_mean(c.excess, c), case.full, score),
            "others\nleft out": _cell(float(abs(c.kept).mean()), case.full, score),
        }
        for case in shown
        for inference in ATTACKED
        for c in [case.changes(inference, score=score)]
    ]


def show_tables(shown: Sequence[Case], *, score: str) -> list[plot.Figure]:
    """Both tables of a score."""
    every = [leak for case in shown for leak in case.models]
    lead, unit = leak_lead(every), SHOWN[score][2]
    stamp = leak_stamp(every, COMMAND)
    return [
        plot.table(
            fall_rows(shown, score=score),
            caption=f"{lead}: mean fall of the score, {unit}; 95 % intervals over the images.",
            stamp=stamp,
        ),
        plot.table(
            size_rows(shown, score=score),
            caption=f"{lead}: mean size of the change, {unit}; 95 % intervals over the images.",
            stamp=stamp,
        ),
    ]


# -- the figure ---------------------------------------------------------------------------------


def ranked(shown: Sequence[Case], *, score: str) -> list[plot.Ranked]:
    """The falls of the left-out images over the band of another seed: inputs by models."""
    factor, _, _ = SHOWN[score]
    return [
        plot.Ranked(
            f"{case.name}, {inference}",
            (factor * c.removed).tolist(),
            (factor * c.seed_band()).tolist(),
            **case.full.evidence,
        )
        for case in shown
        for inference in ATTACKED
        for c in [case.changes(inference, score=score)]
    ]


def show_ranked(shown: Sequence[Case], *, score: str) -> plot.Figure:
    """A figure of these, a row of panels for each model."""
    drawn = ranked(shown, score=score)
    y, names = f"fall, {SHOWN[score][2]}", ("left out", "another seed")
    figure, _ = plot.ranked_panels(drawn, columns=len(ATTACKED), y=y, names=names)
    every = [leak for case in shown for leak in case.models]
    return plot.show(
        figure,
        alt=_alt(shown, score),
        caption=f"{leak_lead(every)}: how far the score of each left-out image falls, sorted. "
        "Band: the changes that as many images would show if leaving them out did what another "
        "seed does, in either direction.",
        stamp=leak_stamp(every, COMMAND),
        data=plot.ranked_rows(drawn),
    )


def _alt(shown: Sequence[Case], score: str) -> str:
    factor, digits, unit = SHOWN[score]
    told = []
    for case in shown:
        for inference in ATTACKED:
            c = case.changes(inference, score=score)
            beyond = int((c.removed > c.seed_band().max()).sum())
            told.append(
                f"{case.name}, {inference}: from {factor * c.removed.min():.{digits}f} to "
                f"{factor * c.removed.max():.{digits}f}, {beyond} of {len(c.points)} above the band"
            )
    return f"Sorted falls of left-out images in {unit}. {'; '.join(told)}."


# -- does PGD hang on single images more than natural training? ---------------------------------


@dataclass(frozen=True)
class Contrast:
    """PGD less natural training at the same images: fall and size, each less its baseline."""

    fall: Estimate
    excess: Estimate

    @property
    def sign(self) -> int:
        """1 where PGD hangs on single images more, -1 where less, 0 where it cannot be told."""
        both = {self.fall.sign, self.excess.sign}
        return both.pop() if len(both) == 1 else 0


def contrast(natural: Case, robust: Case, inference: str, *, score: str) -> Contrast:
    """Of two cases that leave out the same images; ValueError for others."""
    a, b = (case.changes(inference, score=score) for case in (robust, natural))
    if a.points.tolist() != b.points.tolist():
        raise ValueError(f"{robust.name} and {natural.name} leave out different images")
    return Contrast(_mean(a.net - b.net, a), _mean(a.excess - b.excess, a))


WORDS = {
    1: "PGD training hangs on single images more",
    -1: "PGD training hangs on single images less",
    0: "which hangs on single images more cannot be told",
}


def told(shown: Sequence[Case], *, score: str) -> plot.Figure:
    """For each tier and kind of input, the contrast and what can be said of it."""
    parts = []
    for tier in dict.fromkeys(case.full.tier for case in shown):
        mine = {case.full.model: case for case in shown if case.full.tier == tier}
        if {"natural", "pgd"} <= mine.keys():
            two = mine["natural"], mine["pgd"]
            parts += [_told(*two, inference, score) for inference in ATTACKED]
    return sentence(" ".join(parts) or "Nothing to compare: a model is lacking.")


def _told(natural: Case, robust: Case, inference: str, score: str) -> str:
    c = contrast(natural, robust, inference, score=score)
    groups, unit = len(c.fall.by_group), SHOWN[score][2]
    points = len(natural.changes(inference, score=score).points)
    return (
        f"{leak_lead([robust.full])}, {inference} inputs, {points} images in {groups} groups: PGD "
        f"less natural training is {_interval(c.fall, score)} {unit} for the fall less that "
        f"of images that stayed, and {_interval(c.excess, score)} for the size less that of "
        f"another seed: {WORDS[c.sign]}."
    )


def _interval(e: Estimate, score: str) -> str:
    factor, digits, _ = SHOWN[score]
    mean, low, high = (f"{factor * v:.{digits}f}" for v in (e.mean, e.low, e.high))
    return f"{mean} [{low}, {high}]".replace("-", "\N{MINUS SIGN}")


def settings() -> list[TableRow]:
    """How many images are left out, of how many, in how many groups, in each profile."""
    rows: list[TableRow] = []
    for profile in ("paper", "quick"):
        variants = registry.experiment(NAME).variants(profile)
        mine = [v for v in variants if v.model == "pgd"]
        groups = [v.train.data for v in mine if isinstance(v.train.data, LeftOut)]
        rows.append(
            {
                "profile": profile,
                "data": groups[0].name,
                "images": song2019.SIZES[groups[0].name][0],
                "left out of a model": groups[0].k,
                "such models": len(groups),
                "models of all images": len(mine) - len(groups),
            }
        )
    return rows
