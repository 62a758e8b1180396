"""The controls: SGD stopped at the accuracy of DP-SGD, and clipping and noise set apart."""

from collections.abc import Iterable, Mapping, Sequence
from functools import cache, partial
from math import inf
from typing import Any

import numpy as np
from numpy.typing import NDArray

from privrob import data, plot, stats
from privrob.exhibits import attacked
from privrob.exhibits.figures import accuracy, claim
from privrob.exhibits.groups import Group
from privrob.exhibits.notes import sentence
from privrob.exhibits.sweeps import cost_a_seed
from privrob.exhibits.values import cell, curve_of, evidence
from privrob.lab import measures, registry
from privrob.lab.budgets import training_of
from privrob.lab.files import Manifest
from privrob.lab.measures import Pair
from privrob.lab.registry import Variant
from privrob.lab.run import Lab, open_store
from privrob.lab.spec import StoppedHead
from privrob.lab.trainings import GRID, Mechanism

Row = dict[str, object]
NAME = "tursynbek2020/grid"
CURVED = (0.0, 0.1, 0.2, 0.3)  # the radii of the grid's table
FLAG = "how it went"


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
        "DP-SGD,\nupdates": training_of(group.rows[2 * i + 1].variant.train).updates,
        "SGD, held-out\nimages, %": plot.Value(100 * float(history[-1]), **facts),
        "DP-SGD, test\nimages, %": plot.Value(test["dpsgd"], **facts),
        "SGD, test\nimages, %": plot.Value(test["sgd"], **facts),
    }


# -- clipping by noise --------------------------------------------------------------------------

# A collapse: one epoch loses so many points of test accuracy, and so many times what the median
# epoch moves. Where noise makes every epoch jump, a jump is no accident. Settled on these records.
LOST, TIMES = 5.0, 10.0


def collapse_rule() -> str:
    """The rule of `collapse` as a sentence."""
    return (
        f"A collapse is an epoch that lost more than {LOST:g} points and more than {TIMES:g} times "
        "what the median epoch moves, a rule settled when these trainings had been seen."
    )


def grid(groups: Sequence[Group]) -> list[Row]:
    """Accuracy clean and under FGSM of every cell, with what makes it one not to be read.

    What is not there says why, and what it would cost.
    """
    found = {g.note: g for g in groups if g.tier == "recorded"}
    return [_head(m) | (_cell(found[m.note]) if m.note in found else _empty(m)) for m in GRID]


def _head(m: Mechanism) -> Row:
    clipping = "none" if m.clip_norm == inf else f"C = {m.clip_norm:g}"
    return {"clipping": clipping, "noise on\nthe sum": f"{m.noise_std:g}"}


def _empty(m: Mechanism) -> Row:
    variant = _variant(m)
    if kept := diverged(variant):
        epoch = f"epoch {kept['done'] + 1}"
        return {"clean": "diverges", FLAG: f"nothing to record: answers not finite in {epoch}"}
    return {"clean": "not attempted", FLAG: cost_a_seed(variant)}


def _variant(m: Mechanism) -> Variant:
    """Its run of the first seed."""
    wanted = registry.experiment(NAME).variants("paper", seed=registry.LIVE_SEED)
    return next(v for v in wanted if (v.model, v.note) == ("dpsgd", m.note))


def diverged(variant: Variant) -> Manifest | None:
    """What is kept of its training, where that diverged."""
    return Lab(open_store("paper"), on="cpu").diverged(variant.spec)


def _cell(group: Group) -> Row:
    curve, flat = (group.share(f) for f in (_accuracy, _zero_gradient))
    eps = group.rows[0].result.arrays["eps"]
    at = {f"FGSM,\nε = {e:g}" if e else "clean": int(abs(eps - e).argmin()) for e in CURVED}
    row: Row = {name: cell(group, curve, digits=1, at=i) for name, i in at.items()}
    row |= {"zero\ngradient": cell(group, flat, digits=1), "n": len(group.seeds)}
    if falls := [largest_fall(h) for h in _histories(group)]:
        row["worst epoch\nlost, points"] = plot.Value(max(falls), **evidence(group), digits=1)
    return row | {FLAG: flag(group)}


def _accuracy(pair: Pair) -> Any:
    return accuracy(pair, "dpsgd")


def _zero_gradient(pair: Pair) -> Any:
    return 100 * pair["dpsgd"]["zero_gradient"].mean(-1)


def flag(group: Group) -> str:
    """'at chance', 'collapsed in epoch 33', or '' for a cell that can be read as it is."""
    if all(map(at_chance, group.pairs)):
        return "at chance"
    epochs = [epoch for h in _histories(group) if (epoch := collapse(h))]
    return f"collapsed in epoch {epochs[0]}" if epochs else ""


def collapse(history: NDArray[np.float64]) -> int | None:
    """The epoch, from 1, that lost most accuracy, where that is a collapse by LOST and TIMES.

    `history` (epochs,) is the accuracy after each, in [0, 1].
    """
    usual = float(np.median(np.abs(np.diff(100 * history))))
    lost = largest_fall(history) > max(LOST, TIMES * usual)
    return int(np.diff(history).argmin()) + 2 if lost else None


def largest_fall(history: NDArray[np.float64]) -> float:
    """Points of accuracy that the worst epoch lost; 0 where none lost any."""
    return float(max(0.0, -np.diff(100 * history).min()))


def _histories(group: Group) -> list[NDArray[np.float64]]:
    """Test accuracy after each epoch of DP-SGD, by seed, where the training is recorded."""
    lab = Lab(open_store("paper"), on="cpu")
    found = (lab.lookup(r.variant.train) for r in group.rows if r.variant.model == "dpsgd")
    return [r.arrays["history"] for r in found if r]


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
    for m in GRID:
        if m.note in found:
            clipping = "no clipping" if m.clip_norm == inf else f"clipping at C = {m.clip_norm:g}"
            panels.setdefault(clipping, []).append(_curve(found[m.note], f"noise {m.noise_std:g}"))
    return panels


def grid_alt(panels: Mapping[str, Sequence[plot.Curve]]) -> str:
    """What the panels of `grid_curves` show, in words: each curve's ends."""
    eps = max(CURVED)
    told = (f"{name}: {attacked.ends(curves, eps=eps)}" for name, curves in panels.items())
    return (
        f"A panel for each way to clip: accuracy of DP-SGD on clean images and under FGSM at "
        f"ε = {eps:g}, percent, for each noise. {'. '.join(told)}."
    )


def _curve(group: Group, label: str) -> plot.Curve:
    e = group.share(_accuracy)
    eps = group.rows[0].result.arrays["eps"].tolist()
    return curve_of(group, e, eps, label, label)


# -- what makes the plateau ---------------------------------------------------------------------


def plateau_told(groups: Sequence[Group]) -> plot.Figure:
    """Which cells have a plateau, whether the noise tells them apart, and what it rests on."""
    cells = {m: g for m in GRID for g in groups if (g.tier, g.note) == ("recorded", m.note)}
    sides = {m: plateau(g) for m, g in cells.items()}
    has, none, out = ([m for m, s in sides.items() if s is side] for side in (True, False, None))
    if not has or not none:
        return sentence("Too few cells are recorded here to tell what makes a plateau.")
    told = f"Recorded: a plateau is in {_named(has)}; none is in {_named(none)}."
    lost = [f"{m.note} (diverged)" for m in GRID if m not in cells and diverged(_variant(m))]
    if gone := [*(m.note for m in out), *lost]:
        told += f" Not counted, for what the table says of it: {'; '.join(gone)}."
    return sentence(f"{told} {_cause(has, none)} {_rests_on([cells[m] for m in has])}")


def plateau(group: Group) -> bool | None:
    """Whether a cell has one, by the claim on Figure 3b; None where it is flagged or undecided."""
    measure = partial(measures.MEASURES["fgsm_plateau"], **claim("figure3/b-plateau").arguments)
    e = group.estimate(measure)
    assert e is not None  # of FGSM on a grid that reaches so far
    if flag(group) or e.low <= 0 <= e.high:
        return None
    return bool(e.low > 0)


def _named(cells: Sequence[Mechanism]) -> str:
    return "; ".join(m.note for m in cells)


def _cause(has: Sequence[Mechanism], none: Sequence[Mechanism]) -> str:
    if min(m.noise_std for m in has) <= max(m.noise_std for m in none):
        return "So the noise alone does not tell which cells have one."
    return (
        "So it is the noise that makes it, and not the clipping norm: every cell with the large "
        "noise that trained, and is counted, has one, and none with less, at whichever of these "
        "norms it is clipped."
    )


def _rests_on(groups: Sequence[Group]) -> str:
    left = " and ".join(f"{g.share(_accuracy).mean[-1]:.1f} %" for g in groups)
    flat = " and ".join(f"{g.share(_zero_gradient).mean:.1f} %" for g in groups)
    return (
        f"FGSM at the largest ε leaves {left} of the images there, and the input gradient is "
        f"exactly zero for {flat}: FGSM cannot move those, so by itself it shows no robustness."
    )
