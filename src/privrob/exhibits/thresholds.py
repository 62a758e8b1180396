"""The threshold attack on one score: where it cuts, and what it reaches beside its rivals."""

from collections.abc import Sequence
from math import ceil, floor
from typing import Any

import numpy as np
from numpy.typing import NDArray

from privrob import plot
from privrob.exhibits.leaks import (
    AUDIT_SEED,
    INFERENCES,
    PERMUTATIONS,
    Leak,
    TableRow,
    inference_cells,
)
from privrob.exhibits.losses import described, shares
from privrob.lab import statements
from privrob.membership import threshold

Floats = NDArray[np.float64]

SCORE = "log_odds"
BINS = 40
GRID = 60  # points of a ROC curve
RARE = 0.01  # the false positive rate at which a TPR is told
INPUTS = tuple(INFERENCES)[:2]  # I_V is for models trained with bounds
PUBLISHED = {"natural": "natural", "pgd": "PGD"}  # rows of the ledger's table of Yale


# -- where it cuts ------------------------------------------------------------------------------


def score_sides(leak: Leak, inference: str) -> plot.Sides:
    """Histograms of the log-odds of members and non-members."""
    inside, outside = leak.sides(f"{SCORE}_{inference}")
    pooled = np.concatenate([inside, outside])
    edges = np.linspace(floor(pooled.min()), ceil(pooled.max()), BINS + 1)
    members, nonmembers = (shares(side, edges).tolist() for side in (inside, outside))
    title = f"{described(leak)}, {inference} ({INFERENCES[inference]}): points (%)"
    return plot.Sides(edges.tolist(), members, nonmembers, title, **leak.evidence)


def cut(leak: Leak, inference: str) -> plot.Line:
    """The official threshold, from which on a point is called a member."""
    a = leak.audit(inference, score=SCORE).official
    return plot.Line(
        a.threshold, f"member from\n{a.threshold:.1f} on".replace("-", "\N{MINUS SIGN}")
    )


def show_scores(leaks: Sequence[Leak]) -> tuple[Any, list[plot.Sides], str]:
    """A figure of scores and thresholds, a panel a model and kind of input; its data; its alt."""
    wanted = [(leak, inference) for leak in leaks for inference in INPUTS]
    # Scores of different models have different ranges.
    figure, axes = plot.panels(len(wanted), height=0.8 + 2.3 * len(wanted), share=False)
    drawn, told = [], []
    for ax, (leak, inference) in zip(axes, wanted, strict=True):
        panel, a = score_sides(leak, inference), leak.audit(inference, score=SCORE).official
        last = ax is axes[-1]
        x = "log-odds of the true label" if last else None
        plot.sides_panel(ax, panel, floor=None, lines=[cut(leak, inference)], x=x)
        drawn.append(panel)
        told.append(
            f"{described(leak)}, {inference}: the threshold {a.threshold:.1f} has "
            f"{100 * a.tpr:.0f} percent of the members above it and {100 * a.fpr:.0f} of the others"
        )
    alt = f"Histograms of the log-odds of members and non-members. {'; '.join(told)}."
    return figure, drawn, alt


# -- rare false alarms --------------------------------------------------------------------------


def roc_lines(leaks: Sequence[Leak]) -> list[plot.RocLine]:
    """ROC curves of the log-odds, one a model and kind of input, in percent."""
    found = []
    for leak in leaks:
        for inference in INPUTS:
            curve = threshold.roc(*leak.sides(f"{SCORE}_{inference}"))
            fpr, tpr = (100 * side for side in curve.log_grid(GRID))
            label = f"{leak.name}, {INFERENCES[inference]}"
            label += f", {leak.tier}" if leak.tier == "recorded" else ""
            found.append(plot.RocLine(fpr.tolist(), tpr.tolist(), label, **leak.evidence))
    return found


def roc_alt(leaks: Sequence[Leak]) -> str:
    """What the curves show where false alarms are rare, in words."""
    told = [
        f"{described(leak)}, {INFERENCES[inference]}: {100 * a.tpr_at_1_percent:.1f}"
        for leak in leaks
        for inference in INPUTS
        for a in [leak.audit(inference, score=SCORE)]
    ]
    return (
        "ROC curves on logarithmic axes. Percent of the members found where one percent of the "
        f"non-members raises an alarm: {'; '.join(told)}."
    )


# -- tables -------------------------------------------------------------------------------------


def inference_rows(leaks: Sequence[Leak]) -> list[TableRow]:
    """Stored outputs of Yale first, then the official attack, chance and the held-out twin."""
    rows = [_published(model) for model in PUBLISHED]
    return rows + [
        {"model": described(leak)}
        | inference_cells(leak, "benign", score=SCORE)
        | inference_cells(leak, "adversarial", score=SCORE)
        for leak in leaks
    ]


def told(leaks: Sequence[Leak]) -> str:
    """In a sentence a model: whether its accuracies exceed what chance gives."""
    return " ".join(_told(leak, inference) for leak in leaks for inference in INPUTS)


def _told(leak: Leak, inference: str) -> str:
    a = leak.audit(inference, score=SCORE)
    low, high = 100 * a.interval.low, 100 * a.interval.high
    return (
        f"{described(leak)}, {INFERENCES[inference]}: the official {100 * a.official.accuracy:.1f} "
        f"is {'above' if a.above_chance else 'within'} the {100 * a.null.high:.1f} that 95 % of "
        f"chance do not exceed; held out it is {100 * a.held_out.accuracy:.1f}, and one half lies "
        f"{'below' if low > 50 else 'above' if high < 50 else 'within'} its interval."
    )


def _published(model: str) -> TableRow:
    claims = {c.id: c for c in statements.load()}
    prefix = f"song2019/yale/{PUBLISHED[model].lower()}"
    row: TableRow = {"model": f"{PUBLISHED[model]}, stored outputs"}
    for inference in INPUTS:
        claim = claims[f"{prefix}/infer-{inference}"]
        name = INFERENCES[inference]
        row[name] = plot.Value(float(claim.published), tier="published")
        row |= {f"{name}, 95 %\nof chance": None, f"{name},\nheld out": None}
    return row


def gap(leak: Leak, inference: str) -> threshold.ThresholdAttack:
    """The gap attack: the threshold attack on whether the answer is right."""
    return threshold.threshold_attack(*_right(leak, inference))


def _right(leak: Leak, inference: str) -> tuple[Floats, Floats]:
    members, nonmembers = leak.sides(f"correct_{inference}")
    return members.astype(np.float64), nonmembers.astype(np.float64)


def rival_rows(leaks: Sequence[Leak]) -> list[TableRow]:
    """One threshold, one for each class, and the gap attack, of each model and kind of input."""
    return [
        {"model": f"{described(leak)}, {INFERENCES[inference]}", "attack": name}
        | _three(leak, *numbers)
        for leak in leaks
        for inference in INPUTS
        for name, numbers in _rivals(leak, inference).items()
    ]


def _rivals(leak: Leak, inference: str) -> dict[str, tuple[float, float, float]]:
    """Official accuracy, 95 % of chance, and the accuracy held out, of each attack."""
    a, right = leak.audit(inference, score=SCORE), _right(leak, inference)
    dealt = threshold.permutation_null(*right, permutations=PERMUTATIONS, seed=AUDIT_SEED)
    held = threshold.cross_fitted(*right, seed=AUDIT_SEED)
    return {
        "one threshold": (a.official.accuracy, a.null.high, a.held_out.accuracy),
        "one for each class": (
            a.by_class.accuracy,
            a.class_null.high,
            a.class_held_out.accuracy,
        ),
        "gap": (gap(leak, inference).accuracy, dealt.high, held.accuracy),
    }


def _three(leak: Leak, official: float, high: float, held_out: float) -> TableRow:
    numbers = {"official": official, "95 % of chance": high, "held out": held_out}
    return {name: plot.Value(100 * v, **leak.evidence) for name, v in numbers.items()}


def rare_rows(leaks: Sequence[Leak]) -> list[TableRow]:
    """The share of members found at one false alarm in a hundred, and what guessing finds."""
    return [
        {
            "model": f"{described(leak)}, {INFERENCES[inference]}",
            "TPR at 1 % FPR, %": plot.Value(100 * a.tpr_at_1_percent, **leak.evidence),
            "non-members at 1 %": floor(RARE * a.nonmembers),
            "area under ROC, %": plot.Value(100 * a.auc, **leak.evidence),
        }
        for leak in leaks
        for inference in INPUTS
        for a in [leak.audit(inference, score=SCORE)]
    ]
