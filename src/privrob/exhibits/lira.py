"""The likelihood-ratio attack beside the threshold attack, on the same models.

Every number is a mean over an arm's N targets, each attacked with the other N - 1 as shadows, or,
online, with the N - 2 of these that are not the target's partner.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import numpy as np
from numpy.typing import NDArray

from privrob import plot, stats
from privrob.exhibits.leak_sweeps import PERCENT, leak_lead, show_columns
from privrob.exhibits.leaks import AUDIT_SEED, INFERENCES, TableRow, leak_stamp
from privrob.exhibits.shadows import Arm, Floats, Mask, told_apart
from privrob.membership import lira, threshold

ONE, BY_CLASS = "one threshold", "one for each class"
OFFLINE, ONLINE = "LiRA offline", "LiRA online"
ATTACKS = (ONE, BY_CLASS, OFFLINE, ONLINE)
RANKED = (ONE, OFFLINE, ONLINE)  # by one score, so that there is a curve
# Halves come in pairs: with its partner among the shadows a target scores below one half by itself.
RATIOS = {OFFLINE: lira.offline, ONLINE: lira.online_without_partner}
DEALS = 19  # the largest of so many is not exceeded by chance in 95 % of cases
RARE = 0.01  # the false positive rate at which a TPR is told
GRID = 60  # points of a ROC curve
COMMAND = "privrob run song2019/halves"


# -- the attacks --------------------------------------------------------------------------------


def attack_scores(scores: NDArray[Any], members: Mask, attack: str) -> Floats:
    """(N, P), higher meaning member: the log-odds themselves, or what their shadows make of them.

    LiRA with pooled variances, as a point has about N / 2 shadows of either kind.
    """
    if attack in RATIOS:
        return RATIOS[attack](scores, members, variance="pooled")
    return np.asarray(scores, dtype=np.float64)


@dataclass(frozen=True, eq=False)
class Reached:
    """Of each target (N,): shares; `chance` is of the mean of `official`.

    `official` has thresholds chosen on the points that they are scored on, `held_out` on others.
    `tpr` where one non-member in a hundred is called a member, and `auc`, each with chance's share
    of the mean: all None for thresholds of several classes, which are no curve.
    """

    official: Floats
    held_out: Floats
    tpr: Floats | None
    auc: Floats | None
    chance: float
    tpr_chance: float | None
    auc_chance: float | None


@lru_cache(maxsize=64)
def reached(arm: Arm, inference: str, attack: str) -> Reached:
    """What an attack reaches on every target of an arm, and what it would by chance."""
    scores = attack_scores(arm.log_odds(inference), arm.members, attack)
    official, held_out = _official(scores, arm, arm.members, attack), _held_out(scores, arm, attack)
    chance, tpr_chance, auc_chance = _chance(arm, inference, attack)
    if attack == BY_CLASS:
        return Reached(official, held_out, None, None, chance, None, None)
    tpr, auc = _curves(scores, arm.members)
    return Reached(official, held_out, tpr, auc, chance, tpr_chance, auc_chance)


def _curves(scores: Floats, members: Mask) -> tuple[Floats, Floats]:
    """Of each target the TPR where false alarms are rare, and the area under its curve."""
    curves = [threshold.roc(*sides) for sides in _sides(scores, members)]
    return np.array([c.tpr_at(RARE) for c in curves]), np.array([c.auc for c in curves])


def _sides(values: NDArray[Any], members: Mask) -> list[tuple[NDArray[Any], NDArray[Any]]]:
    """Of each target, the values of its members and of the others."""
    rows = np.broadcast_to(values, members.shape)
    return [(row[held], row[~held]) for row, held in zip(rows, members, strict=True)]


def _labelled(arm: Arm, members: Mask) -> list[dict[str, Any]]:
    classes = 1 + int(arm.labels.max())
    return [
        {"member_labels": inside, "nonmember_labels": outside, "classes": classes}
        for inside, outside in _sides(arm.labels, members)
    ]


def _official(scores: Floats, arm: Arm, members: Mask, attack: str) -> Floats:
    sides = _sides(scores, members)
    if attack != BY_CLASS:
        return np.array([threshold.threshold_attack(*two).accuracy for two in sides])
    both = zip(sides, _labelled(arm, members), strict=True)
    return np.array([threshold.class_thresholds(*two, **y).accuracy for two, y in both])


def _held_out(scores: Floats, arm: Arm, attack: str) -> Floats:
    sides = _sides(scores, arm.members)
    if attack != BY_CLASS:
        return np.array([threshold.cross_fitted(*two, seed=AUDIT_SEED).accuracy for two in sides])
    found = [
        threshold.class_cross_fitted(*two, **y, seed=AUDIT_SEED).accuracy
        for two, y in zip(sides, _labelled(arm, arm.members), strict=True)
    ]
    return np.array(found)


def _chance(arm: Arm, inference: str, attack: str) -> list[float]:
    """The 95 % of what means over targets reach when the halves are dealt anew.

    Of the official accuracy, of the TPR where false alarms are rare, and of the area.
    The whole attack is repeated, shadows included: whoever is called a member was none.
    """
    log_odds, means = arm.log_odds(inference), []
    for deal in range(DEALS):
        members = arm.dealt(deal)
        scores = attack_scores(log_odds, members, attack)
        found = _official(scores, arm, members, attack), *_curves(scores, members)
        means.append([values.mean() for values in found])
    return [float(high) for high in np.quantile(means, 0.95, axis=0, method="higher")]


# -- figures and tables -------------------------------------------------------------------------


def percent(arm: Arm, s: stats.Summary) -> plot.Value:
    """A mean over targets with its interval, for a table."""
    return plot.Value(100 * s.mean, 100 * s.low, 100 * s.high, **arm.evidence, digits=1)


def show_reached(
    shown: Sequence[Arm], *, attacks: Sequence[str] = ATTACKS, command: str = COMMAND
) -> plot.Figure:
    """Every attack on every arm: held out, chosen on its own points, and by chance."""
    columns = [
        plot.Column(INFERENCES[i], [_dot(arm, i, a) for arm in shown for a in attacks], PERCENT)
        for i in shown[0].inferences
    ]
    leaks = [leak for arm in shown for leak in arm.leaks]
    title = f"{len(attacks)} attacks on {len(shown[0].leaks)} models of each kind, means over the "
    return show_columns(columns, leaks, title=f"{title}targets.", command=command, read=_READ)


_READ = (
    "Markers: thresholds from other points, with 95 % intervals over the pairs of targets. Bars: "
    "thresholds chosen on the very points. Bands: what 95 % of the bars would not exceed if there "
    "were nothing to infer."
)


def _dot(arm: Arm, inference: str, attack: str) -> plot.Reached:
    found = reached(arm, inference, attack)
    s = arm.summary(100 * found.held_out)
    chosen, chance = 100 * float(found.official.mean()), 100 * found.chance
    row = f"{arm.name}, {attack}"
    return plot.Reached(row, s.mean, s.low, s.high, **arm.evidence, chosen=chosen, chance=chance)


def reached_rows(shown: Sequence[Arm], *, attacks: Sequence[str] = ATTACKS) -> list[TableRow]:
    """The numbers of `show_reached`; percent."""
    rows: list[TableRow] = []
    for title, arm in told_apart(shown):
        for attack in attacks:
            row: TableRow = {"attack": f"{title}, {attack}"}
            for inference in arm.inferences:
                found, name = reached(arm, inference, attack), INFERENCES[inference]
                chosen = 100 * float(found.official.mean())
                row[name] = plot.Value(chosen, **arm.evidence, digits=1)
                row[f"{name}, 95 %\nof chance"] = plot.Value(
                    100 * found.chance, **arm.evidence, digits=1
                )
                row[f"{name},\nheld out"] = percent(arm, arm.summary(found.held_out))
            rows.append(row)
    return rows


def rare_rows(shown: Sequence[Arm]) -> list[TableRow]:
    """Members found at one false alarm in a hundred, and the area; 95 % of chance; percent."""
    rows: list[TableRow] = []
    for title, arm in told_apart(shown):
        for attack in RANKED:
            row: TableRow = {"attack": f"{title}, {attack}"}
            for inference in arm.inferences:
                found, name = reached(arm, inference, attack), INFERENCES[inference]
                for head, values, chance in (
                    ("TPR at\n1 % FPR", found.tpr, found.tpr_chance),
                    ("area", found.auc, found.auc_chance),
                ):
                    assert values is not None
                    assert chance is not None
                    row[f"{name},\n{head}"] = percent(arm, arm.summary(values))
                    row[f"{name}, {head},\n95 % of chance"] = plot.Value(
                        100 * chance, **arm.evidence, digits=1
                    )
            rows.append(row)
    return rows


def show_roc(shown: Sequence[Arm], inference: str, *, command: str = COMMAND) -> plot.Figure:
    """ROC curves over all targets of an arm together, on logarithmic axes; a panel an arm."""
    figure, axes = plot.panels(len(shown), height=0.6 + 4.2 * len(shown))
    rows, told = [], []
    for ax, arm in zip(axes, shown, strict=True):
        curves = [_curve(arm, inference, attack) for attack in RANKED]
        plot.roc_panel(ax, curves, at=100 * RARE)
        title = f"{arm.described}, {INFERENCES[inference]}: members found (TPR, %)"
        plot.label_axes(ax, y=title)
        rows += [{"arm": arm.name} | row for row in plot.roc_rows(curves)]
        found = [
            f"{attack} {100 * pooled(arm, inference, attack).tpr_at(RARE):.1f}" for attack in RANKED
        ]
        told.append(f"{arm.described}: {', '.join(found)}")
    leaks = [leak for arm in shown for leak in arm.leaks]
    alt = "ROC curves on logarithmic axes. Percent of the members found where one percent of the "
    return plot.show(
        figure,
        alt=f"{alt}non-members raises an alarm: {'; '.join(told)}.",
        caption=f"{leak_lead(leaks)}: ROC curves of {INFERENCES[inference]} over "
        f"{len(shown[0].leaks)} targets together; the line marks one false alarm in a hundred "
        "non-members.",
        stamp=leak_stamp(leaks, command),
        data=rows,
    )


def _curve(arm: Arm, inference: str, attack: str) -> plot.RocLine:
    fpr, tpr = (100 * side for side in pooled(arm, inference, attack).log_grid(GRID))
    return plot.RocLine(fpr.tolist(), tpr.tolist(), attack, **arm.evidence)


def pooled(arm: Arm, inference: str, attack: str) -> threshold.Roc:
    """The curve over all targets together, by one threshold for all of them."""
    scores = attack_scores(arm.log_odds(inference), arm.members, attack)
    return threshold.roc(scores[arm.members], scores[~arm.members])
