"""The controls: SGD stopped at the accuracy of DP-SGD, and clipping and noise set apart."""

from collections.abc import Iterable, Sequence
from functools import cache
from math import inf
from typing import Any

import numpy as np

from privrob import data, plot, stats
from privrob.exhibits.figures import accuracy
from privrob.exhibits.groups import Group
from privrob.exhibits.values import curve_of, evidence
from privrob.lab import trainings
from privrob.lab.measures import Pair
from privrob.lab.spec import StoppedHead
from privrob.lab.trainings import Mechanism

Row = dict[str, object]
CURVED = (0.1, 0.2, 0.3)  # the radii of the grid's table


# -- equally accurate models --------------------------------------------------------------------


def stops(groups: Iterable[Group]) -> list[Row]:
    """Where SGD was stopped, a row for each group and seed; groups of a control."""
    return [_stop(g, i) for g in groups for i in range(len(g.pairs))]


def _stop(group: Group, i: int) -> Row:
    pair = group.pairs[i]
    history, goal = pair["sgd"]["history"], float(pair["sgd"]["goal"])
    stopped = group.rows[2 * i].variant.train
    every = stopped.look_every if isinstance(stopped, StoppedHead) else 1  # updates to a look
    facts = evidence(group) | {"digits": 2}
    test = {m: 100 * float(pair[m]["correct_test"].mean()) for m in ("sgd", "dpsgd")}
    return {
        "evidence": group.name,
        "seed": group.seeds[i],
        "DP-SGD, held-out\nimages, %": plot.Value(100 * goal, **facts),
        "SGD stopped\nat update": every * len(history),
        "SGD, held-out\nimages, %": plot.Value(100 * float(history[-1]), **facts),
        "DP-SGD, test\nimages, %": plot.Value(test["dpsgd"], **facts),
        "SGD, test\nimages, %": plot.Value(test["sgd"], **facts),
    }


# -- clipping by noise --------------------------------------------------------------------------


def grid(groups: Sequence[Group]) -> list[Row]:
    """Accuracy clean and under FGSM of every cell; what was not run says so, chance is flagged."""
    found = {g.note: g for g in groups if g.tier == "recorded"}
    return [_cell(m, found.get(m.note)) for m in trainings.GRID]


def _cell(m: Mechanism, group: Group | None) -> Row:
    clipping = "none" if m.clip_norm == inf else f"C = {m.clip_norm:g}"
    head: Row = {"clipping": clipping, "noise on the sum": f"{m.noise_std:g}"}
    if group is None:
        return head | {"clean": "not attempted"}
    facts = evidence(group) | {"digits": 1}
    curve = _mean(group, lambda pair: accuracy(pair, "dpsgd"))
    eps = group.rows[0].result.arrays["eps"]
    shown = {f"FGSM, ε = {e:g}": curve[np.isclose(eps, e)][0] for e in CURVED}
    flat = _mean(group, lambda pair: 100 * pair["dpsgd"]["zero_gradient"].mean())
    values = {"clean": curve[0], **shown, "zero gradient": flat}
    cells = {name: plot.Value(float(v), **facts) for name, v in values.items()}
    return head | cells | {"": "at chance" if all(map(at_chance, group.pairs)) else ""}


def _mean(group: Group, measure: Any) -> Any:
    return np.mean([measure(pair) for pair in group.pairs], axis=0)


def at_chance(pair: Pair) -> bool:
    """Whether DP-SGD's clean accuracy is no better than naming the most frequent digit."""
    right = pair["dpsgd"]["correct_test"]
    low = stats.proportion_interval(int(right.sum()), len(right)).low
    return low <= _most_frequent()


@cache
def _most_frequent() -> float:
    """The share of the most frequent digit among the test images in the package."""
    labels = data.load("mnist_slice").test.y.bincount()
    return float(labels.max() / labels.sum())


def grid_curves(groups: Sequence[Group]) -> dict[str, list[plot.Curve]]:
    """By clipping: the FGSM curves of DP-SGD at each noise, recorded."""
    found = {g.note: g for g in groups if g.tier == "recorded"}
    panels: dict[str, list[plot.Curve]] = {}
    for m in trainings.GRID:
        if m.note in found:
            clipping = "no clipping" if m.clip_norm == inf else f"clipping at C = {m.clip_norm:g}"
            panels.setdefault(clipping, []).append(_curve(found[m.note], f"noise {m.noise_std:g}"))
    return panels


def _curve(group: Group, label: str) -> plot.Curve:
    e = group.estimate(lambda pair: accuracy(pair, "dpsgd"))
    assert e is not None  # shares are never missing
    eps = group.rows[0].result.arrays["eps"].tolist()
    return curve_of(group, e, eps, label, label)
