"""What the threshold attack reaches where there is nothing to infer."""

from collections.abc import Sequence
from dataclasses import dataclass
from math import ceil, floor
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from privrob import plot
from privrob.exhibits.leaks import AUDIT_SEED, INFERENCES, PERMUTATIONS, Leak, TableRow
from privrob.exhibits.losses import described
from privrob.exhibits.thresholds import INPUTS, SCORE
from privrob.membership import threshold

Floats = NDArray[np.float64]

SPLITS = 300  # of non-members, in two halves


# -- what chance gives --------------------------------------------------------------------------


def chance_accuracies(
    members: ArrayLike, nonmembers: ArrayLike, *, permutations: int, seed: int
) -> Floats:
    """What the official attack reaches when membership is dealt anew, (permutations,).

    The plain way, attack after attack; `threshold.permutation_null` sums up the same faster.
    """
    inside = np.asarray(members, dtype=np.float64)
    pooled = np.concatenate([inside, np.asarray(nonmembers, dtype=np.float64)])
    rng, found = np.random.default_rng(seed), []
    for _ in range(permutations):
        dealt = rng.permutation(pooled)
        attack = threshold.threshold_attack(dealt[: len(inside)], dealt[len(inside) :])
        found.append(attack.accuracy)
    return np.array(found)


def chance_density(accuracies: ArrayLike, members: int, nonmembers: int) -> Floats:
    """The density of the null's accuracy for continuous scores and many points.

    The advantage d exceeds a value with chance exp(-2 N d^2), N = n m / (n + m); `accuracies` are
    1/2 + d / 2, and the density is per unit of accuracy.
    """
    size = members * nonmembers / (members + nonmembers)
    d = np.clip(2 * np.asarray(accuracies, dtype=np.float64) - 1, 0, None)
    return np.asarray(8 * size * d * np.exp(-2 * size * d**2))


def chance(leak: Leak, inference: str) -> plot.Chance:
    """The null of the attack on a model, with what the attack and its held-out twin reach."""
    inside, outside = leak.sides(f"{SCORE}_{inference}")
    dealt = chance_accuracies(inside, outside, permutations=PERMUTATIONS, seed=AUDIT_SEED)
    a = leak.audit(inference, score=SCORE)
    marks = {
        "95 % of chance": a.null.high,
        "official": a.official.accuracy,
        "held out": a.held_out.accuracy,
    }
    grid = np.linspace(0.5, 0.6, 200)
    return plot.Chance(
        (100 * dealt).tolist(),
        (100 * grid).tolist(),
        (chance_density(grid, len(inside), len(outside)) / 100).tolist(),
        [plot.Line(100 * v, f"{word} {100 * v:.1f}") for word, v in marks.items()],
        f"{described(leak)}, {INFERENCES[inference]}: share of deals (%)",
        **leak.evidence,
    )


def show_chance(panels: Sequence[plot.Chance]) -> tuple[Any, str, list[TableRow]]:
    """A figure of these nulls over one axis; its alt text; its data."""
    figure, axes = plot.panels(len(panels), height=1.0 + 2.7 * len(panels))
    ends = [v for p in panels for v in (*p.accuracies, *(m.value for m in p.marks))]
    edges = np.arange(min(49.0, floor(min(ends))), ceil(max(ends)) + 4.01, 0.25).tolist()
    rows: list[TableRow] = []
    for ax, p in zip(axes, panels, strict=True):
        last = ax is axes[-1]
        plot.chance_panel(ax, p, edges=edges, x="inference accuracy (%)" if last else None)
        about: TableRow = {"panel": p.title, "tier": p.tier, "source": p.source}
        rows += [about | {"what": "by chance", "accuracy": v} for v in p.accuracies]
        rows += [about | {"what": m.text.rsplit(" ", 1)[0], "accuracy": m.value} for m in p.marks]
    told = [
        f"{p.title.partition(':')[0]}: chance gives {min(p.accuracies):.1f} to "
        f"{max(p.accuracies):.1f} percent; {', '.join(m.text for m in p.marks)}"
        for p in panels
    ]
    return figure, f"What the attack reaches by chance. {'; '.join(told)}.", rows


def closed_form_rows(leaks: Sequence[Leak]) -> list[TableRow]:
    """The null by permutation of the real scores, and from the two counts alone; percent."""
    rows: list[TableRow] = []
    for leak in leaks:
        for inference in INPUTS:
            a = leak.audit(inference, score=SCORE)
            theory = threshold.closed_form_null(a.members, a.nonmembers)
            row: TableRow = {
                "model": f"{described(leak)}, {INFERENCES[inference]}",
                "points": f"{a.members} and {a.nonmembers}",
            }
            nulls = (
                ("dealt anew", a.null, leak.evidence),
                ("closed form", theory, {"tier": "derived"}),
            )
            for word, null, evidence in nulls:
                row[f"{word}:\nmean"] = plot.Value(100 * null.mean, **evidence)
                row[f"{word}:\n95 %"] = plot.Value(100 * null.high, **evidence)
            rows.append(row)
    return rows


# -- non-members against non-members ------------------------------------------------------------


@dataclass(frozen=True)
class Nothing:
    """Non-members attacked as if half of them were members: (splits,) each, percent."""

    official: Floats
    held_out: Floats
    by_class: Floats
    points: int  # in a half


def nothing(leak: Leak, inference: str, *, splits: int, seed: int) -> Nothing:
    """Random halves of the non-members, one called members, attacked three ways."""
    _, scores = leak.sides(f"{SCORE}_{inference}")
    _, labels = leak.sides("labels")
    classes, size = 1 + int(labels.max()), len(scores) // 2
    rng, found = np.random.default_rng(seed), []
    for k in range(splits):
        order = rng.permutation(len(scores))
        first, second = order[:size], order[size : 2 * size]
        sides = scores[first], scores[second]
        found.append(
            (
                threshold.threshold_attack(*sides).accuracy,
                threshold.cross_fitted(*sides, seed=k).accuracy,
                threshold.class_thresholds(
                    *sides,
                    member_labels=labels[first],
                    nonmember_labels=labels[second],
                    classes=classes,
                ).accuracy,
            )
        )
    official, held_out, by_class = 100 * np.array(found).T
    return Nothing(official, held_out, by_class, size)


def nothing_rows(leak: Leak, found: Nothing) -> list[TableRow]:
    """Mean and the middle 95 % of what the three attacks reach where there is nothing to infer."""
    names = {
        "one threshold, official": found.official,
        "one threshold, held out": found.held_out,
        "a threshold for each class, official": found.by_class,
    }
    rows: list[TableRow] = []
    for name, values in names.items():
        low, high = np.quantile(values, [0.025, 0.975])
        value = plot.Value(float(values.mean()), float(low), float(high), **leak.evidence)
        rows.append({"attack": name, "points a half": found.points, "accuracy, %": value})
    return rows


def nothing_told(found: Nothing) -> str:
    """In a sentence, how much the attacks "find"."""
    one, classes = (float(v.mean()) - 50 for v in (found.official, found.by_class))
    top = float(np.quantile(found.official, 0.95)) - 50
    held = float(found.held_out.mean()) - 50
    sign = "\N{MINUS SIGN}" if round(held, 1) < 0 else ""
    return (
        f"Told from {found.points} points by {found.points}, nothing leaks {one:.1f} points on "
        f"average and {top:.1f} in one split of twenty, by the official rule; {classes:.1f} on "
        f"average with a threshold for each class; {sign}{abs(held):.1f} held out."
    )
