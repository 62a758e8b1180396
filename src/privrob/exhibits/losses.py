"""Figure 1 of song2019: the losses of members and of non-members, and how far they lie apart."""

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from privrob import plot
from privrob.exhibits.leaks import (
    AUDIT_SEED,
    PERMUTATIONS,
    Leak,
    TableRow,
    inference_cells,
    leak_stamp,
)
from privrob.exhibits.outputs import SETS, full_scale
from privrob.lab import statements
from privrob.membership import divergence, threshold

Floats = NDArray[np.float64]

LOSSES = np.linspace(0, 8, 33)  # edges of the bins in nats, as the paper's axis is linear
DECADES = np.arange(-12, 1.01, 0.5)  # edges in powers of ten, where small losses lie apart
ROUNDED = float(np.log10(np.finfo(np.float32).eps / 4))  # a loss that float32 rounds to zero
PRINTED = {
    "robust, published\n(CIFAR-10)": ("robust", ""),
    "natural, published\n(CIFAR-10)": ("natural", "zero-loss"),
}


# -- losses -------------------------------------------------------------------------------------


def loss(log_odds: ArrayLike) -> Floats:
    """The cross-entropy loss -log p of the true label in nats, from its log-odds: log(1 + e^-z)."""
    return np.asarray(np.logaddexp(0, -np.asarray(log_odds, dtype=np.float64)))


def losses(leak: Leak) -> tuple[Floats, Floats]:
    """Of members and of non-members, on the images themselves."""
    members, nonmembers = leak.sides("log_odds_benign")
    return loss(members), loss(nonmembers)


def zero_shares(leak: Leak) -> tuple[float, float]:
    """Percent of members and of non-members whose loss is zero in float32: confidence exactly 1."""
    members, nonmembers = (np.float32(side) for side in leak.sides("confidence_benign"))
    return 100 * float((members == 1).mean()), 100 * float((nonmembers == 1).mean())


def shares(values: ArrayLike, edges: ArrayLike) -> Floats:
    """Percent of the values in each bin; the end bins also take what lies outside."""
    counts = divergence.histogram(values, edges)
    return np.asarray(100 * counts / counts.sum())


# -- figures ------------------------------------------------------------------------------------


def loss_sides(leaks: Sequence[Leak]) -> list[plot.Sides]:
    """Histograms of the loss, one panel a model."""
    return [_sides(leak, LOSSES, losses(leak)) for leak in leaks]


def decade_sides(leaks: Sequence[Leak]) -> list[plot.Sides]:
    """Histograms of the loss' logarithm to base ten, one panel a model."""
    return [_sides(leak, DECADES, _decades(leak)) for leak in leaks]


def _decades(leak: Leak) -> tuple[Floats, Floats]:
    members, nonmembers = losses(leak)
    return np.log10(members), np.log10(nonmembers)


def _sides(leak: Leak, edges: Floats, values: tuple[Floats, Floats]) -> plot.Sides:
    inside, outside = (shares(side, edges).tolist() for side in values)
    title = f"{described(leak)}: points (%)"
    return plot.Sides(edges.tolist(), inside, outside, title, **leak.evidence)


def show_losses(panels: Sequence[plot.Sides], *, x: str, zero: bool) -> Any:
    """A figure of these panels, on a logarithmic scale; `zero` marks where float32 says zero."""
    figure, axes = plot.panels(len(panels), height=1.4 + 2.5 * len(panels))
    least = min(s for p in panels for s in (*p.members, *p.nonmembers) if s > 0)
    lines = [plot.Line(ROUNDED, "float32 says zero\nleft of here")] if zero else []
    for i, (ax, panel) in enumerate(zip(axes, panels, strict=True)):
        last = i == len(panels) - 1
        plot.sides_panel(ax, panel, floor=least / 2, lines=lines, x=x if last else None)
    return figure


def losses_alt(leaks: Sequence[Leak]) -> str:
    """What the histograms show, in words: shares of small and of large losses."""
    parts = []
    for leak in leaks:
        small = [100 * float((side < LOSSES[1]).mean()) for side in losses(leak)]
        large = [100 * float((side >= 1).mean()) for side in losses(leak)]
        parts.append(
            f"{described(leak)}: in the first bin, up to {LOSSES[1]:g}, "
            f"{small[0]:.0f} percent of the members and {small[1]:.0f} of the others; a loss of 1 "
            f"or more has {large[0]:.0f} and {large[1]:.0f} percent"
        )
    return f"Histograms of the loss of members and non-members. {'; '.join(parts)}."


def lead(leaks: Sequence[Leak], *, published: bool = False) -> str:
    """The words that a caption begins with."""
    words = ["published"] * published
    words += ["recorded"] * any(leak.tier == "recorded" for leak in leaks)
    words += ["executed (quick)"] * any(leak.source == "quick" for leak in leaks)
    *first, last = words
    text = f"{', '.join(first)} and {last}" if first else last
    return text[0].upper() + text[1:]


# -- numbers ------------------------------------------------------------------------------------


def distances(leak: Leak) -> dict[str, tuple[float, threshold.Null]]:
    """How far the losses of the two sides lie apart, three ways, each with what chance gives.

    `advantage`: TPR - FPR of the best threshold, which is the one-sided distance of Kolmogorov and
    Smirnov; `auc` of the ROC curve; `jensen_shannon` in bits over the bins `DECADES`.
    """
    members, nonmembers = leak.sides("log_odds_benign")
    dealt = {"permutations": PERMUTATIONS, "seed": AUDIT_SEED}
    audit = leak.audit("benign", score="log_odds")
    counts = [divergence.histogram(side, DECADES) for side in _decades(leak)]
    by_chance = threshold.Null(
        threshold.advantage(audit.null.mean), threshold.advantage(audit.null.high)
    )
    return {
        "advantage": (audit.advantage, by_chance),
        "auc": (audit.auc, divergence.auc_null(members, nonmembers, **dealt)),
        "jensen_shannon": (
            divergence.jensen_shannon(*counts),
            divergence.jensen_shannon_null(*counts, **dealt),
        ),
    }


NAMES = {
    "advantage": "advantage (points)",
    "auc": "area under ROC (%)",
    "jensen_shannon": "Jensen-Shannon (bits/100)",
}


def distance_rows(leaks: Sequence[Leak]) -> list[TableRow]:
    """Each distance of each model, with the value that 95 % of those by chance do not exceed."""
    return [
        {
            "model": described(leak),
            "distance": NAMES[key],
            "found": plot.Value(100 * found, **leak.evidence),
            "chance: mean": plot.Value(100 * null.mean, **leak.evidence),
            "95 % of chance": plot.Value(100 * null.high, **leak.evidence),
        }
        for leak in leaks
        for key, (found, null) in distances(leak).items()
    ]


def accuracy_rows(leaks: Sequence[Leak]) -> list[TableRow]:
    """The best threshold as an inference accuracy, beside chance and its held-out twin."""
    return [
        {"model": described(leak)} | inference_cells(leak, "benign", score="log_odds")
        for leak in leaks
    ]


def described(leak: Leak) -> str:
    """'PGD, quick', 'natural, recorded, seed 0', 'PGD, recorded (CIFAR-10, reduced), seed 0'."""
    variant = leak.row.variant
    seed = f", seed {variant.seed}" if leak.tier == "recorded" else ""
    own = "" if full_scale(leak) else ", reduced"
    data = f" ({SETS['cifar10']}{own})" if variant.train.data.name == "cifar10" else ""
    return f"{leak.name}, {leak.source or leak.tier}{data}{seed}"


def told(leak: Leak) -> str:
    """In a sentence, which of the distances exceed chance."""
    found = distances(leak)
    beyond = [k.replace("_", "-") for k, (value, null) in found.items() if value > null.high]
    what = f"above 95 % of chance by {', '.join(beyond)}" if beyond else "within chance by each"
    value, null = found["advantage"]
    return (
        f"{described(leak)}: {what}; the best threshold has an advantage of {100 * value:.1f} "
        f"points, and chance one of up to {100 * null.high:.1f}."
    )


# -- beside the paper's figure --------------------------------------------------------------------


def figure1_rows(leaks: Sequence[Leak]) -> list[TableRow]:
    """Accuracies and shares of zero loss: as printed for the paper's two models, then ours."""
    claims = {c.id: c for c in statements.load()}
    names = ("members", "others"), ("train", "test")
    rows: list[TableRow] = []
    for title, (model, zero) in PRINTED.items():
        row: TableRow = {"model": title}
        for side, part in zip(*names, strict=True):
            row[f"{side}: right, %"] = _printed(claims[f"song2019/figure1/{model}/{part}"])
        for side, part in zip(*names, strict=True):
            claim = claims.get(f"song2019/figure1/{zero}/{part}")
            row[f"{side}:\nzero loss, %"] = claim and _printed(claim)
        rows.append(row)
    return rows + [_measured(leak) for leak in leaks]


def printed_stamp(leaks: Sequence[Leak], command: str) -> plot.Stamp:
    """The stamp of a table that has printed values beside those of these models."""
    own = leak_stamp(leaks, command)
    return replace(own, tiers=("published", *own.tiers))


def _printed(claim: statements.Claim) -> plot.Value:
    return plot.Value(float(claim.published), tier="published", digits=0)


def _measured(leak: Leak) -> TableRow:
    row: TableRow = {"model": described(leak)}
    for side, value in zip(("members", "others"), leak.accuracy("benign"), strict=True):
        row[f"{side}: right, %"] = plot.Value(value, **leak.evidence)
    for side, value in zip(("members", "others"), zero_shares(leak), strict=True):
        row[f"{side}:\nzero loss, %"] = plot.Value(value, **leak.evidence)
    return row
