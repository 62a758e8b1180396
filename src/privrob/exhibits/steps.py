"""PGD steps until the network is fooled (Figure 4): curves, tables, the zoo's check."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property, partial
from typing import Any

import numpy as np
from torch import Tensor, nn

from privrob import attacks, evaluate, plot
from privrob.exhibits.groups import MODELS, Estimate, Group, grouped, quick
from privrob.exhibits.values import cell, curve_of
from privrob.lab import questions, study
from privrob.lab.measures import MeasureError, Pair, base, steps
from privrob.lab.study import Row

NAME = "tursynbek2020/steps"

TableRow = dict[str, object]


def step_groups(computed: Sequence[Row]) -> list[Group]:
    """Recorded, then quick. The zoo's models are walked for a check alone: more takes minutes."""
    return [*grouped(study.recorded(NAME), "recorded", ""), *quick(computed)]


def grid_of(group: Group) -> tuple[list[float], list[float]]:
    """The eps and the step sizes of a group."""
    arrays = group.rows[0].result.arrays
    return arrays["eps"].tolist(), arrays["step_sizes"].tolist()


# -- curves -------------------------------------------------------------------------------------


def standing_curves(groups: Sequence[Group], *, eps: float, step_size: float) -> list[plot.Curve]:
    """Percent not fooled after each number of steps, of the images right to begin with."""
    after = range(questions.MOST_STEPS + 1)
    curves = []
    for group in groups:
        k = place_of(grid_of(group)[1], step_size)
        for name in MODELS:
            e = group.share(partial(_percent_standing, model=name, eps=eps, k=k))
            curves.append(_curve(e, after, group, name))
    return curves


def _percent_standing(pair: Pair, *, model: str, eps: float, k: int) -> Any:
    return 100 * steps.standing_share(pair, model=model, eps=eps)[..., k, :]


def step_curves(groups: Sequence[Group], *, eps: float) -> list[plot.Curve]:
    """Mean steps to success by step size; an image never fooled counts as the last step."""
    curves = []
    for group in groups:
        for name in MODELS:
            e = group.estimate(partial(steps.capped_steps, model=name, eps=eps))
            curves.append(_curve(e, grid_of(group)[1], group, name))
    return curves


def standing_alt(groups: Sequence[Group], *, step_size: float) -> str:
    """What the curves show, in words: how many are never fooled, and when half are."""
    told = []
    for group in groups:
        for eps in grid_of(group)[0]:
            for curve in standing_curves([group], eps=eps, step_size=step_size):
                half = next((s for s, share in enumerate(curve.mean) if share <= 50), None)
                when = "never" if half is None else f"by step {half}"
                told.append(
                    f"{curve.label} at ε = {eps:g}: half are fooled {when}, "
                    f"{curve.mean[-1]:.0f} percent are never fooled"
                )
    return (
        "Three panels, one for each radius: the share of images not fooled falls with the number "
        f"of PGD steps. {'; '.join(told)}."
    )


def step_alt(groups: Sequence[Group]) -> str:
    """What the means over the step size show, in words."""
    told = [
        f"{c.label} at ε = {eps:g}: {c.mean[0]:.0f} steps of {c.eps[0]:g}, "
        f"{c.mean[-1]:.0f} of {c.eps[-1]:g}"
        for group in groups
        for eps in grid_of(group)[0]
        for c in step_curves([group], eps=eps)
    ]
    return (
        "Three panels, one for each radius: mean number of PGD steps until the network is fooled, "
        f"over the step size. {'; '.join(told)}."
    )


def _curve(e: Estimate | None, x: Sequence[float], group: Group, name: str) -> plot.Curve:
    label = f"{MODELS[name]}, {group.source or group.tier}"
    if e is None:
        raise ValueError(f"{group.name}: {MODELS[name]} has no image right to begin with")
    return curve_of(group, e, x, label, name)


def place_of(values: Sequence[float], value: float) -> int:
    """Where a step size stands; ValueError naming those there are."""
    found = np.flatnonzero(np.isclose(values, value, rtol=0, atol=base.SLACK))
    if not found.size:
        raise ValueError(f"no step size {value:g}: the results have {values}")
    return int(found[0])


# -- tables -------------------------------------------------------------------------------------


def steps_table(groups: Sequence[Group]) -> list[TableRow]:
    """A row for each group, eps and step size: never fooled, mean steps, and their difference."""
    return [row for group in groups for eps in grid_of(group)[0] for row in _rows(group, eps)]


_COLUMNS = {
    "never fooled,\n%": steps.never_fooled_share,
    "steps,\nat least": steps.capped_steps,
    "steps, of\nthe fooled": steps.steps_of_fooled,
}


def _rows(group: Group, eps: float) -> list[TableRow]:
    columns = {
        f"{label}:\n{word}": _values(group, partial(measure, model=model, eps=eps))
        for word, measure in _COLUMNS.items()
        for model, label in MODELS.items()
    }
    columns["SGD minus DP-SGD,\nsteps at least"] = _values(
        group, partial(steps.extra_steps, eps=eps)
    )
    heads: TableRow = {"evidence": group.name, "ε": f"{eps:g}"}
    return [
        heads | {"step size": f"{size:g}"} | {name: found[k] for name, found in columns.items()}
        for k, size in enumerate(grid_of(group)[1])
    ]


def _values(group: Group, measure: Callable[[Pair], Any]) -> list[plot.Value | None]:
    """What a measure gives by step size; None throughout where it gives nothing."""
    e = group.estimate(measure)
    if e is None:
        return [None] * len(grid_of(group)[1])
    return [cell(group, e, digits=1, at=k) for k in range(len(e.mean))]


def steps_told(groups: Sequence[Group]) -> str:
    """What each difference of the means rests on: images never fooled, or later success."""
    return " ".join(_rests_on(group, eps) for group in groups for eps in grid_of(group)[0])


def _rests_on(group: Group, eps: float) -> str:
    def fooled(pair: Pair) -> Any:
        sgd, dpsgd = (steps.steps_of_fooled(pair, model=m, eps=eps) for m in MODELS)
        return (sgd - dpsgd).mean(-1)

    whole = group.estimate(lambda p: steps.mean_extra_steps(p, eps=eps))
    some = group.estimate(fooled)
    about = f"{group.name[0].upper()}{group.name[1:]}, ε = {eps:g}"
    if whole is None or some is None:
        return f"{about}: one of the networks is never fooled."
    return (
        f"{about}: SGD minus DP-SGD, the mean over the step sizes, is {_interval(whole)} steps; "
        f"without images never fooled, {_interval(some)}."
    )


def _interval(e: Estimate) -> str:
    text = f"{e.mean:.1f} [{e.low:.1f}, {e.high:.1f}]"
    return text.replace("-", "\N{MINUS SIGN}")


# -- image by image -----------------------------------------------------------------------------

OUTCOMES = {
    "dpsgd_first": "DP-SGD\nfirst, %",
    "same_step": "same\nstep, %",
    "sgd_first": "SGD\nfirst, %",
    "neither": "neither\nfooled, %",
}


@dataclass(frozen=True)
class Together(Group):
    """A group whose pairs say, image by image, which of the two networks is fooled first."""

    @cached_property
    def pairs(self) -> list[Pair]:
        return [_together(pair) for pair in self.apart.pairs]

    @property
    def apart(self) -> Group:
        """The group as it was."""
        return Group(self.tier, self.source, self.reading, self.note, self.rows)


def first_to_fall(groups: Sequence[Group]) -> list[TableRow]:
    """Which network is fooled in fewer steps, of the images that both have right to begin with.

    No image needs a number of steps here: one that is never fooled comes after all others.
    """
    return [row for group in groups for row in _outcomes(group)]


def _outcomes(group: Group) -> list[TableRow]:
    whole = Together(group.tier, group.source, group.reading, group.note, group.rows)
    found = {w: whole.estimate(partial(outcome_share, name=n)) for n, w in OUTCOMES.items()}
    return [
        {"evidence": group.name, "ε": f"{eps:g}", "step size": f"{size:g}"}
        | {words: e and cell(group, e, digits=1, at=(j, k)) for words, e in found.items()}
        for j, eps in enumerate(grid_of(group)[0])
        for k, size in enumerate(grid_of(group)[1])
    ]


def outcome_share(pair: Pair, name: str) -> Any:
    """Percent of the images that both have right to begin with, (E, A)."""
    both = base.mean(pair, "both", "both")
    if not (both > 0).all():
        raise MeasureError("no image is right for both networks to begin with")
    return 100 * base.mean(pair, "both", name) / both


def _together(pair: Pair) -> Pair:
    sgd, dpsgd = (pair[m]["first_success"].astype(float) for m in MODELS)
    both = (sgd != 0) & (dpsgd != 0)
    sgd, dpsgd = (np.where(first < 0, np.inf, first) for first in (sgd, dpsgd))
    never = np.isinf(sgd) & np.isinf(dpsgd)
    masks = {
        "both": both,
        "dpsgd_first": both & (dpsgd < sgd),
        "same_step": both & (dpsgd == sgd) & ~never,
        "sgd_first": both & (sgd < dpsgd),
        "neither": both & never,
    }
    return {"both": {name: pair["sgd"][name] for name in ("eps", "step_sizes")} | masks}


# -- one image on its way -----------------------------------------------------------------------


def walk_strip(
    networks: Mapping[str, nn.Module], x: Tensor, y: Tensor, *, walk: Mapping[str, Any]
) -> tuple[Any, str, list[TableRow]]:
    """One image (1, 1, H, W): before PGD, half way, and where it first fools each network.

    `walk` has eps, step_size and steps. The figure, its alt text and its data.
    """
    images, titles, rows = [], [], []
    for name, network in networks.items():
        first = int(attacks.steps_to_success(network, x, y, **walk))
        last = walk["steps"] if first < 0 else first
        frames = sorted({0, last // 2, last})
        asked = {"eps": walk["eps"], "step_size": walk["step_size"]}
        trace = attacks.pgd_trace(network, x, y, snapshots=[n for n in frames if n] or [1], **asked)
        for n in frames:
            seen = trace.x_at[n] if n else x
            answer = int(evaluate.logits(network, seen).argmax())
            images.append(seen[0, 0].cpu().numpy())
            titles.append(f"{MODELS[name]}, step {n}\nsays {answer}")
            rows.append({"model": name, "step": n, "answer": answer, "label": int(y)})
    figure = plot.image_strip(np.stack(images), titles, per_row=3)
    told = "; ".join(t.replace("\n", " ") for t in titles)
    return figure, f"The digit {int(y)} on its way through PGD. {told}.", rows
