"""Figures 3 and 7: DP-SGD with several mechanisms beside the same SGD, under FGSM.

A panel is an experiment, its groups one for each mechanism; nothing is drawn for what was not run.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from itertools import pairwise
from math import inf
from typing import Any

from privrob import plot
from privrob.exhibits.figures import accuracy_share, stamp
from privrob.exhibits.groups import MODELS, Group
from privrob.exhibits.notes import sentence
from privrob.exhibits.values import cell, curve_of, evidence
from privrob.lab import costs, registry
from privrob.lab.budgets import DELTAS, delta_text, training_of
from privrob.lab.markup import duration
from privrob.lab.measures.sweeps import settings
from privrob.lab.registry import Variant
from privrob.lab.spec import Train

Row = dict[str, object]
SWEPT = {"noise": "sigma", "clip": "C", "clip-alone": "C", "large-clip": "C"}  # of each panel
SIGNS = {"sigma": "σ", "C": "C"}
DERIVED = {"tier": "derived"}  # a budget of the paper's settings


# -- curves -------------------------------------------------------------------------------------


def common(groups: Sequence[Group]) -> list[Group]:
    """Groups of one tier, cut down to the seeds that all have: curves of the same seeds compare."""
    if not groups:
        return []
    seeds = set.intersection(*(set(g.seeds) for g in groups))
    return [
        replace(g, rows=tuple(row for row in g.rows if row.variant.seed in seeds)) for g in groups
    ]


def sweep(name: str, groups: Sequence[Group]) -> tuple[plot.Curve, list[plot.Curve]]:
    """SGD's curve, and DP-SGD's by the swept value, of groups of one tier."""
    curves = [_curve(g, "dpsgd", label(name, g.note)) for g in groups]
    return _curve(groups[0], "sgd", "SGD"), curves


def label(name: str, note: str) -> str:
    """'σ 0.7' or 'C 3': what a curve of a panel is called."""
    swept = SWEPT[name]
    at = settings(note)[swept]
    return "no clipping" if at == inf else f"{SIGNS[swept]} {at:g}"


def _curve(group: Group, model: str, label: str) -> plot.Curve:
    e = accuracy_share(group, model)
    eps = group.rows[0].result.arrays["eps"].tolist()
    return curve_of(group, e, eps, label, model)


def over(groups: Iterable[Group]) -> str:
    """What the intervals of a panel's curves are over, as a sentence."""
    n = min(len(g.seeds) for g in groups)
    if n == 1:
        return "One seed: 95 % intervals are over its test images, and not over trainings."
    return f"95 % intervals are over {n} seeds."


def alt(name: str, groups: Sequence[Group], *, eps: Sequence[float]) -> str:
    """What a panel shows, in words: each curve's accuracy at some radii."""
    shown = [("SGD", groups[0], "sgd")] + [(label(name, g.note), g, "dpsgd") for g in groups]
    told = (f"{text}: {', '.join(_at(g, m, eps))} %" for text, g, m in shown)
    radii = ", ".join(f"{e:g}" for e in eps)
    return f"Accuracy over the radius of the perturbation, at {radii}. {'; '.join(told)}."


def _at(group: Group, model: str, eps: Sequence[float]) -> list[str]:
    mean = accuracy_share(group, model).mean
    grid = group.rows[0].result.arrays["eps"]
    return [f"{mean[abs(grid - e).argmin()]:.1f}" for e in eps]


# -- tables -------------------------------------------------------------------------------------


def mechanisms(name: str, groups: Sequence[Group], *, eps: Sequence[float]) -> list[Row]:
    """A row for SGD and each mechanism of a panel: what it costs in privacy, what FGSM leaves.

    Of what was not run stands the cost in computing.
    """
    there = {g.note: g for g in groups}
    wanted = _wanted(name)
    rows: list[Row] = [{"model": "SGD"} | _values(groups[0], "sgd", eps)] if groups else []
    for note, variant in wanted.items():
        row: Row = {"model": f"DP\N{NON-BREAKING HYPHEN}SGD, {label(name, note)}"}
        row |= _privacy(variant.train)
        found = there.get(note)
        missing = {"not attempted": cost_a_seed(variant)}
        rows.append(row | (_values(found, "dpsgd", eps) if found else missing))
    return rows


def measured_rows(name: str, groups: Sequence[Group], *, eps: Sequence[float]) -> list[Row]:
    """A row for each of a panel's DP-SGD models, as `mechanisms`; budgets are of their tier."""
    return [
        {"model": f"DP\N{NON-BREAKING HYPHEN}SGD, {g.note}"}
        | _privacy(g.rows[1].variant.train, evidence(g))
        | _values(g, "dpsgd", eps)
        for g in groups
    ]


def _wanted(name: str) -> dict[str, Variant]:
    """DP-SGD's variants of a panel in the paper's profile, on the first seed."""
    every = registry.experiment(f"tursynbek2020/{name}").variants("paper", seed=registry.LIVE_SEED)
    return {v.note: v for v in every if v.model == "dpsgd"}


def _values(group: Group, model: str, eps: Sequence[float]) -> Row:
    e = accuracy_share(group, model)
    grid = group.rows[0].result.arrays["eps"]
    row: Row = {}
    for radius in eps:
        head = f"ε = {radius:g},\npercent" if radius else "clean,\npercent"
        row[head] = cell(group, e, digits=1, at=abs(grid - radius).argmin())
    flat = max(100 * float(pair[model]["zero_gradient"].mean()) for pair in group.pairs)
    return row | {"zero input\ngradient, %": plot.Value(flat, **evidence(group), digits=1)}


def cost_a_seed(variant: Variant) -> str:
    train = variant.train
    return f"about {duration(costs.minutes(train, images=costs.sizes(train.data)))} a seed"


def _privacy(train: Train, facts: Mapping[str, Any] = DERIVED) -> Row:
    t = training_of(train)
    return {"noise /\nclipping": f"{t.noise_multiplier:.3g}"} | {
        f"ε_DP,\n{delta_text(delta)}": plot.Value(t.tightest(delta=delta), **facts)
        for delta in DELTAS
    }


def _budget(train: Train) -> float:
    return training_of(train).tightest(delta=DELTAS[0])


# -- words --------------------------------------------------------------------------------------


def said(name: str, groups: Sequence[Group], *, eps: float) -> plot.Figure:
    """A sentence on a panel, from its outermost curves, and what was not attempted."""
    wanted = _wanted(name)
    missing = [label(name, note) for note in wanted if note not in {g.note for g in groups}]
    left = f" Not attempted: {', '.join(missing)}." if missing else ""
    if not groups:
        return sentence(f"Nothing of this panel is recorded here.{left}")
    ends = dict.fromkeys([groups[0].note, groups[-1].note])  # one where there is but one
    told = [f"{label(name, g.note)}: {_told(g, 'dpsgd', eps)}" for g in groups if g.note in ends]
    plain = f"SGD: {_told(groups[0], 'sgd', eps)}"
    spent = _spent([_budget(wanted[g.note].train) for g in groups])
    turn = _turn(name, groups, eps)
    return sentence(f"{_over_groups(groups)}: {'; '.join([*told, plain])}. {turn}{spent}{left}")


def along(name: str, groups: Sequence[Group], *, eps: float) -> plot.Figure:
    """A sentence on all of a panel's curves at one radius, and where the next one is lower."""
    if len(groups) < 2:
        return sentence("Too few curves of this panel are recorded here to compare neighbours.")
    hit = {label(name, g.note): float(_at(g, "dpsgd", [eps])[0]) for g in groups}
    told = ", ".join(f"{value:.1f} % at {swept}" for swept, value in hit.items())
    falls = [f"from {a} to {b}" for a, b in pairwise(hit) if hit[b] < hit[a]]
    found = f"It falls {' and '.join(falls)}" if falls else "It rises at every step"
    return sentence(f"{_over_groups(groups)}, at ε = {eps:g}: {told}. {found}.")


def _turn(name: str, groups: Sequence[Group], eps: float) -> str:
    """Where the gap is smallest, as a sentence; '' where that is at an end of the panel."""
    gaps = {label(name, g.note): _gap_at(g, eps) for g in groups}
    least = min(gaps, key=lambda swept: gaps[swept])
    names = list(gaps)
    if least in (names[0], names[-1]):
        return ""
    told = ", ".join(f"{gaps[n]:.1f} points at {n}" for n in (names[0], least, names[-1]))
    return f"The gap to SGD at ε = {eps:g} falls before it grows: {told}. "


def _gap_at(group: Group, eps: float) -> float:
    grid = group.rows[0].result.arrays["eps"]
    sgd, dpsgd = (accuracy_share(group, model).mean for model in MODELS)
    return float((sgd - dpsgd)[abs(grid - eps).argmin()])


def _told(group: Group, model: str, eps: float) -> str:
    clean, hit = _at(group, model, (0.0, eps))
    return f"{clean} % of clean images, {hit} % at ε = {eps:g}"


def _over_groups(groups: Sequence[Group]) -> str:
    g = groups[0]
    return f"{g.tier.capitalize()}{f' ({g.source})' if g.source else ''}, {g.reading} reading"


def _spent(found: Sequence[float]) -> str:
    low, high = min(found), max(found)
    where = f"at δ = {DELTAS[0]:g}"
    if len(found) == 1:
        return f"Its privacy budget is {low:.2f} {where}."
    if low == high:
        return f"Every curve costs the same privacy budget, {low:.2f} {where}."
    return f"The privacy budget of the curves goes from {low:.2f} to {high:.2f} {where}."


def show_sweep(
    name: str, groups: Sequence[Group], *, title: str, eps: Sequence[float]
) -> plot.Figure:
    """A panel's curves with caption, stamp and data; a sentence where nothing is recorded."""
    if not groups:
        return sentence("Nothing of this panel is recorded here.")
    reference, curves = sweep(name, groups)
    figure, (ax,) = plot.panels(1, height=4.2)
    plot.sweep_curves(ax, reference, curves)
    g = groups[0]
    lead = f"{g.tier.capitalize()}{f' ({g.source})' if g.source else ''}"
    return plot.show(
        figure,
        alt=alt(name, groups, eps=eps),
        caption=f"{lead}: {title} A denser, thicker line is a larger value. {over(groups)}",
        stamp=stamp(groups, f"privrob run tursynbek2020/{name} --profile paper", published=False),
        data=plot.curve_rows([reference, *curves]),
    )
