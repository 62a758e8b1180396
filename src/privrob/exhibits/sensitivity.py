"""How far song2019's models hang on single training images, beside what another seed does."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from privrob import plot
from privrob.exhibits.leak_sweeps import ATTACKED, leak_lead
from privrob.exhibits.leaks import RESAMPLES, Leak, TableRow, leak_stamp
from privrob.exhibits.left_out import Case, cases
from privrob.exhibits.notes import sentence
from privrob.lab import registry, song2019
from privrob.lab.spec import LeftOut
from privrob.membership.sensitivity import Changes, GroupedMean, grouped_mean

__all__ = [
    "NAME", "Contrast", "cases", "contrast", "contrast_rows", "fall_rows", "ranked", "settings",
    "show_contrasts", "show_ranked", "show_tables", "size_rows", "standing", "told",
]  # fmt: skip

NAME = "song2019/sensitivity"
COMMAND = f"privrob run {NAME}"
BOOTSTRAP_SEED = 0
# Of each score: factor for display, digits, unit.
NAMES = {"confidence": "confidence", "log_odds": "log-odds"}
SHOWN = {"confidence": (100.0, 1, "points of confidence"), "log_odds": (1.0, 2, "log-odds")}


# -- numbers ------------------------------------------------------------------------------------


def _mean(values: Any, of: Changes) -> GroupedMean:
    return grouped_mean(values, of.groups, resamples=RESAMPLES, seed=BOOTSTRAP_SEED)


def _cell(value: GroupedMean | float, leak: Leak, score: str) -> plot.Value:
    factor, digits, _ = SHOWN[score]
    about = leak.evidence | {"digits": digits}
    if not isinstance(value, GroupedMean):
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

    fall: GroupedMean
    excess: GroupedMean

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


WORDS = {1: "more", -1: "less", 0: "cannot be told"}


def _pairs(shown: Sequence[Case]) -> list[tuple[Case, Case]]:
    """Natural and PGD training of each tier that has both."""
    tiers = dict.fromkeys(case.full.tier for case in shown)
    found = [{c.full.model: c for c in shown if c.full.tier == tier} for tier in tiers]
    return [(two["natural"], two["pgd"]) for two in found if {"natural", "pgd"} <= two.keys()]


def contrast_rows(shown: Sequence[Case]) -> list[TableRow]:
    """For each tier, score and kind of input: PGD less natural training, and what that says."""
    return [
        {
            "score, inputs": f"{NAMES[score]}, {inference}",
            "fall less that\nof others": _cell(c.fall, robust.full, score),
            "size less that\nof a seed": _cell(c.excess, robust.full, score),
            "PGD hangs on\nsingle images": WORDS[c.sign],
        }
        for natural, robust in _pairs(shown)
        for score in SHOWN
        for inference in ATTACKED
        for c in [contrast(natural, robust, inference, score=score)]
    ]


def show_contrasts(shown: Sequence[Case]) -> plot.Figure:
    """The table of these; the sentences of `told` say it in words."""
    every = [leak for pair in _pairs(shown) for case in pair for leak in case.models]
    return plot.table(
        contrast_rows(shown),
        caption=f"{leak_lead(every)}: PGD less natural training at the same images, points of "
        "confidence and log-odds; 95 % intervals over the images.",
        stamp=leak_stamp(every, COMMAND),
    )


def told(shown: Sequence[Case]) -> plot.Figure:
    """What the contrasts say, as a sentence for each tier and kind of input."""
    parts = [_told(*pair, inference) for pair in _pairs(shown) for inference in ATTACKED]
    return sentence(" ".join(parts) or "Nothing to compare: a kind of training is lacking.")


def _told(natural: Case, robust: Case, inference: str) -> str:
    c = natural.changes(inference, score="confidence")
    where = f"{len(c.points)} images in {len(natural.without)} groups"
    signs = {s: contrast(natural, robust, inference, score=s).sign for s in SHOWN}
    if len(set(signs.values())) == 1:
        said = [f"by either score {_SAID[signs['confidence']]}"]
    else:
        said = [f"by {NAMES[score]} {_SAID[sign]}" for score, sign in signs.items()]
    lead = leak_lead([robust.full])
    return f"{lead}, {inference} inputs, {where}: {', and '.join(said)}."


_SAID = {
    1: "PGD training hangs on single images more",
    -1: "PGD training hangs on single images less",
    0: "it cannot be told which training hangs on single images more",
}


def standing(shown: Sequence[Case]) -> plot.Figure:
    """On how many members the full models are right under attack: there confidences can fall."""
    said = [f"{case.name} {case.full.accuracy('adversarial')[0]:.0f} %" for case in shown]
    lead = leak_lead([case.full for case in shown])
    return sentence(
        f"{lead}: members on which the full model is right under attack: {', '.join(said)}."
    )


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
