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
from privrob.lab.arithmetic import chance
from privrob.membership import divergence, threshold
from privrob.membership.threshold.chance import null_of

Floats = NDArray[np.float64]

SCORE = "log_odds"
BINS = 40
GRID = 60  # points of a ROC curve
RARE = 0.01  # the false positive rate at which a TPR is told
INPUTS = tuple(INFERENCES)[:2]  # I_V is for models trained with bounds
RIVALS = {"entropy": "entropy", "modified entropy": "modified_entropy"}  # scores, where kept
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
    """Stored outputs of Yale first, then the official attack, chance and the held-out twin.

    Chance beside the stored outputs is that of scores without ties: the scores are not stored.
    """
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
        assert claim.sets is not None
        name, most = INFERENCES[inference], chance(**claim.sets).most
        row[name] = plot.Value(float(claim.published), tier="published")
        row[f"{name}, 95 %\nof chance"] = plot.Value(most, tier="derived")
        row[f"{name},\nheld out"] = None
    return row


def gap(leak: Leak, inference: str) -> threshold.ThresholdAttack:
    """The gap attack: the threshold attack on whether the answer is right."""
    return threshold.threshold_attack(*_right(leak, inference))


def _right(leak: Leak, inference: str) -> tuple[Floats, Floats]:
    members, nonmembers = leak.sides(f"correct_{inference}")
    return members.astype(np.float64), nonmembers.astype(np.float64)


def rival_rows(leaks: Sequence[Leak]) -> list[TableRow]:
    """One threshold, one for each class, the rival scores that are there, and the gap attack."""
    return [
        {"model": f"{described(leak)}, {INFERENCES[inference]}", "attack": name}
        | _three(leak, *numbers)
        for leak in leaks
        for inference in INPUTS
        for name, numbers in _rivals(leak, inference).items()
    ]


def _rivals(leak: Leak, inference: str) -> dict[str, tuple[float, float, float]]:
    """Official accuracy, 95 % of chance, and the accuracy held out, of each attack."""
    a = leak.audit(inference, score=SCORE)
    kept = {n: f"{key}_{inference}" for n, key in RIVALS.items()}
    others = {n: leak.sides(key) for n, key in kept.items() if f"{key}_train" in leak.arrays}
    return {
        "one threshold": (a.official.accuracy, a.null.high, a.held_out.accuracy),
        "one for each class": (
            a.by_class.accuracy,
            a.class_null.high,
            a.class_held_out.accuracy,
        ),
        **{n: _attacked(*sides) for n, sides in others.items()},
        "gap": _attacked(*_right(leak, inference)),
    }


def _attacked(members: NDArray[Any], others: NDArray[Any]) -> tuple[float, float, float]:
    """The same three of one threshold on any score."""
    official = threshold.threshold_attack(members, others).accuracy
    dealt = threshold.permutation_null(members, others, permutations=PERMUTATIONS, seed=AUDIT_SEED)
    return official, dealt.high, threshold.cross_fitted(members, others, seed=AUDIT_SEED).accuracy


def _three(leak: Leak, official: float, high: float, held_out: float) -> TableRow:
    numbers = {"official": official, "95 % of chance": high, "held out": held_out}
    return {name: plot.Value(100 * v, **leak.evidence) for name, v in numbers.items()}


def rare_rows(leaks: Sequence[Leak]) -> list[TableRow]:
    """Members found at one false alarm in a hundred, the area, and 95 % of chance of either."""
    return [_rare(leak, inference) for leak in leaks for inference in INPUTS]


def _rare(leak: Leak, inference: str) -> TableRow:
    a, sides = leak.audit(inference, score=SCORE), leak.sides(f"{SCORE}_{inference}")
    dealt: dict[str, Any] = {"permutations": PERMUTATIONS, "seed": AUDIT_SEED}
    numbers = {
        "TPR at 1 % FPR, %": a.tpr_at_1_percent,
        "TPR, 95 %\nof chance": tpr_null(*sides, fpr=RARE, **dealt).high,
        "area under ROC, %": a.auc,
        "area, 95 %\nof chance": divergence.auc_null(*sides, **dealt).high,
    }
    cells = {name: plot.Value(100 * v, **leak.evidence) for name, v in numbers.items()}
    about = {"model": f"{described(leak)}, {INFERENCES[inference]}"}
    return {**about, **cells, "non-members at 1 %": floor(RARE * a.nonmembers)}


def tpr_null(
    members: NDArray[Any], nonmembers: NDArray[Any], *, fpr: float, permutations: int, seed: int
) -> threshold.Null:
    """The null of `threshold.roc(...).tpr_at(fpr)` for these very scores: above `fpr` in the mean.

    The threshold lies as low as the false alarms allow, so it has seen the non-members.
    """
    urn, rng = np.concatenate([members, nonmembers]), np.random.default_rng(seed)
    dealt = (np.split(rng.permutation(urn), [len(members)]) for _ in range(permutations))
    return null_of(np.array([threshold.roc(*sides).tpr_at(fpr) for sides in dealt]))
