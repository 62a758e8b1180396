"""What confidence has to do with curvature and distance: spectra at equal confidence, and the
linearised distance to the boundary as a margin over a gradient.

All from the records of curvature, which keep J J^T and the logits.
"""

from collections.abc import Mapping, Sequence
from itertools import pairwise
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.special import logsumexp

from privrob import plot
from privrob.exhibits.geometry import Table, over_images
from privrob.exhibits.groups import MODELS, Estimate, Group
from privrob.exhibits.values import cell

Arrays = Mapping[str, NDArray[Any]]
Found = Sequence[tuple[Group, Estimate]]

# -- spectra at equal confidence ------------------------------------------------------------------

SPECTRA = {"hessian": "H", "jacobian": "JᵀJ"}
SURE = (0.99, 0.9999, 0.999999)  # confidences of an answer; what lies between them is shown apart
_LOG_ODDS = np.array([-np.inf, *(np.log(p / (1 - p)) for p in SURE), np.inf])
_ROWS = (
    "all, as they are",
    "all, at equal confidence",
    f"p below {SURE[0]}",
    *(f"p of {low} to {high}" for low, high in pairwise(SURE)),
    f"p above {SURE[-1]}",
)


def equal_confidence(groups: Sequence[Group]) -> Found:
    """Of each group the largest eigenvalues of SPECTRA, DP-SGD over SGD, (rows, spectra), decades.

    Geometric means over the images, first as they are. Then at equal confidence: beside each image
    that DP-SGD answers stands the one of which SGD is as sure; all of them, and by confidence.
    """
    return [
        (g, over_images([{m: _told(p[m]) for m in MODELS} for p in g.pairs], _ratios))
        for g in groups
    ]


def equal_table(found: Found) -> Table:
    """`equal_confidence`, a row for each of its rows, with the number of DP-SGD's images."""
    rows: Table = []
    for g, e in found:
        inside = np.sum([_inside(_told(p["dpsgd"])[0]).sum(-1) for p in g.pairs], 0).tolist()
        for i, (name, n) in enumerate(zip(_ROWS, [sum(inside)] * 2 + inside, strict=True)):
            shown = {
                f"of {title}": _shown(g, e, (i, k)) for k, title in enumerate(SPECTRA.values())
            }
            rows.append({"evidence": g.name, "images": name, "how many": n, **shown})
    return rows


def equal_told(found: Found) -> str:
    """What is left of each ratio at equal confidence, a sentence a group."""
    return " ".join(_left(g, e) for g, e in found)


def _left(group: Group, e: Estimate) -> str:
    parts = " and ".join(
        f"{equal:.2f} of {whole:.2f} decades of {name}"
        for whole, equal, name in zip(*e.mean[:2], SPECTRA.values(), strict=True)
    )
    odds = [[_told(p[m])[0] for m in MODELS] for p in group.pairs]
    apart = np.abs(np.concatenate([d - s[partners(s, d)] for s, d in odds]))
    return (
        f"{group.name}: at equal confidence {parts} are left (nine in ten of the log-odds are "
        f"within {np.quantile(apart, 0.9):.2f} of each other)."
    )


def _told(record: Arrays) -> NDArray[Any]:
    """Log-odds of the answer, and log10 of the largest eigenvalue of each of SPECTRA, (3, N)."""
    *others, first = np.sort(record["logits"].astype(float), axis=0)
    tops = [np.log10(np.maximum(record[name][0], np.finfo(float).tiny)) for name in SPECTRA]
    return np.stack([first - logsumexp(others, axis=0), *tops])


def _ratios(told: Arrays) -> NDArray[Any]:
    """(rows, spectra); of resampled images (3, R, N) those of each resample, (rows, spectra, R)."""
    if told["sgd"].ndim == 2:
        return _compared(told["sgd"], told["dpsgd"])
    resamples = (np.moveaxis(told[m], 1, 0) for m in MODELS)
    return np.stack([_compared(*two) for two in zip(*resamples, strict=True)], -1)


def _compared(sgd: NDArray[Any], dpsgd: NDArray[Any]) -> NDArray[Any]:
    beside = dpsgd[1:] - sgd[1:, partners(sgd[0], dpsgd[0])]
    inside = _inside(dpsgd[0]).astype(float)
    with np.errstate(invalid="ignore"):  # a bin without images has no mean
        binned = inside @ beside.T / inside.sum(1, keepdims=True)
    return np.stack([dpsgd[1:].mean(1) - sgd[1:].mean(1), beside.mean(1), *binned])


def partners(have: NDArray[Any], wanted: NDArray[Any]) -> NDArray[Any]:
    """For each value of `wanted` (M,) the index of the nearest of `have` (N,), N at least 2."""
    order = np.argsort(have)
    above = np.clip(np.searchsorted(have[order], wanted), 1, len(have) - 1)
    low, high = have[order[above - 1]], have[order[above]]
    return np.asarray(order[above - (wanted - low < high - wanted)])


def _inside(log_odds: NDArray[Any]) -> NDArray[np.bool_]:
    """Which images lie between two neighbours of SURE, (bins, N)."""
    return np.asarray(np.digitize(log_odds, _LOG_ODDS) - 1 == np.arange(len(SURE) + 1)[:, None])


# -- the distance taken apart ---------------------------------------------------------------------

PARTS = ("distance", "margin", "gradient")


def distance_parts(groups: Sequence[Group]) -> Found:
    """Of each group the PARTS of `nearest` of the right images, DP-SGD over SGD, (3,).

    Ratios of geometric means, so that the first is the second over the third.
    """
    return [
        (g, over_images([{m: _logs(p[m]) for m in MODELS} for p in g.pairs], _geometric))
        for g in groups
    ]


def parts_table(found: Found) -> Table:
    """`distance_parts`, a row a group."""
    return [
        {"evidence": g.name} | {name: _shown(g, e, i) for i, name in enumerate(PARTS)}
        for g, e in found
    ]


def parts_told(found: Found) -> str:
    """Which part makes the boundary nearer, a sentence a group."""
    return " ".join(
        f"{g.name}: the boundary of DP-SGD is at {d:.2f} times the distance, since the margin is "
        f"{m:.2f} times as large and the gradient {length:.2f} times as long."
        for g, e in found
        for d, m, length in [e.mean]
    )


def _logs(record: Arrays) -> NDArray[Any]:
    """1 for a right image, else 0; and log of each of PARTS, 0 for those that are wrong, (4, N)."""
    right = record["correct"].astype(bool)
    return np.stack([right, *(np.log(np.where(right, part, 1)) for part in nearest(record))])


def _geometric(logs: Arrays) -> NDArray[Any]:
    sgd, dpsgd = (logs[m][1:].mean(-1) / logs[m][0].mean(-1) for m in MODELS)
    return np.asarray(np.exp(dpsgd - sgd))


def nearest(record: Arrays) -> tuple[NDArray[Any], NDArray[Any], NDArray[Any]]:
    """PARTS (N,): linearised l2 distance from the answer to the nearest other class, pixels; the
    margin of the logits between the two, which is their log-odds; the length of its gradient.
    """
    g, gram = record["logits"].astype(float), record["gram"].astype(float)
    here, answer = np.arange(g.shape[1]), g.argmax(0)
    margin = g[answer, here] - g
    # |a - b|^2 = aa + bb - 2 ab, of the answer's row of J and each other
    own, cross = gram[answer, answer, here], gram[answer, :, here].T
    length = np.sqrt(own + np.einsum("kkn->kn", gram) - 2 * cross)
    length[answer, here], margin[answer, here] = 1, np.inf  # no boundary with itself
    k = (margin / length).argmin(0)
    return (margin / length)[k, here], margin[k, here], length[k, here]


def _shown(group: Group, e: Estimate, at: Any) -> plot.Value | None:
    """One of several as a table shows it; nothing where some resample has no image for it."""
    finite = np.isfinite([end[at] for end in (e.mean, e.low, e.high)]).all()
    return cell(group, e, digits=2, at=at) if finite else None
