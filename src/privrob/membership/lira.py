"""The likelihood-ratio attack of Carlini et al. (2022), each model in turn the target.

N models are trained alike, each on its own half of P points. For a target the other N - 1 are
shadows: at each point their log-odds of the true label, from models that held the point (in) and
from models that did not (out), are taken for normal. `offline` asks how far the target's log-odds
lie above those of the out-models; `online` for the likelihood ratio of in to out.

Common to both. `scores` is (N, P), floating and finite: log-odds, from float32 logits where that
can be had, as float16 rounds. `members` is (N, P) bool: who held what. The result (N, P) holds for
each target and point a score, higher meaning member; the target's attack scores are
`result[t][members[t]]` and `result[t][~members[t]]`, for `threshold_attack` and `roc`, and over
all targets `result[members]` and `result[~members]`. `variance` is 'per_point', or 'pooled': one
for the in- and one for the out-scores of all points, from their deviations from each point's own
mean, which is steadier where a point has few shadows (Carlini et al. advise it below about 64).
(Their code pools the scores with the spread between points left in; ours takes that out.)

ValueError, naming the value, for fewer than 16 models, for arrays that do not agree, for scores
that are not finite, and for a point that has too few shadows: each needed side has at least one,
with a variance per point two. `data.halves` deals memberships that always have enough.
"""

from collections.abc import Iterable, Iterator
from typing import Literal, NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy import stats

Floats = NDArray[np.float64]
Mask = NDArray[np.bool_]
Variance = Literal["per_point", "pooled"]

MIN_MODELS = 16
STD_FLOOR = 1e-6  # in units of log-odds: shadows that agree exactly must not divide by zero


def offline(scores: ArrayLike, members: ArrayLike, *, variance: Variance) -> Floats:
    """z = (score - mean_out) / sd_out: the one-sided test with the out-models alone.

    Carlini et al. give the normal distribution function of z, which has the same order and
    rounds to 1 where z is large.
    """
    s, held = _checked(scores, members, variance)
    result = np.empty_like(s)
    for target, others in _targets(len(s)):
        out = _normal(s[others], ~held[others], variance)
        result[target] = (s[target] - out.mean) / out.sd
    return result


def online(scores: ArrayLike, members: ArrayLike, *, variance: Variance) -> Floats:
    """log p(score | in) - log p(score | out): the likelihood ratio."""
    s, held = _checked(scores, members, variance)
    return _ratios(s, held, _targets(len(s)), variance)


def online_without_partner(scores: ArrayLike, members: ArrayLike, *, variance: Variance) -> Floats:
    """`online`, where no model is a shadow of one whose members it lacks and whose others it has.

    For an audit, where the scores must know nothing of the target's members but from the target.
    `data.halves` deals pairs: with the partner among the shadows, those that have a point are one
    fewer where the target has it, and the ratio feels their number.
    """
    s, held = _checked(scores, members, variance)
    strangers = (
        (target, others[(held[others] == held[target]).any(axis=1)])
        for target, others in _targets(len(s))
    )
    return _ratios(s, held, strangers, variance)


def _ratios(
    s: Floats, held: Mask, shadows: Iterable[tuple[int, NDArray[np.int64]]], variance: Variance
) -> Floats:
    """The likelihood ratios of each target by its shadows."""
    result = np.empty_like(s)
    for target, others in shadows:
        inside = _normal(s[others], held[others], variance)
        outside = _normal(s[others], ~held[others], variance)
        result[target] = stats.norm.logpdf(s[target], *inside)
        result[target] -= stats.norm.logpdf(s[target], *outside)
    return result


def _targets(models: int) -> Iterator[tuple[int, NDArray[np.int64]]]:
    """Each model, and all others."""
    for target in range(models):
        yield target, np.delete(np.arange(models), target)


class _Normal(NamedTuple):
    mean: Floats  # (P,)
    sd: Floats  # (P,), or () where pooled


def _normal(s: Floats, chosen: Mask, variance: Variance) -> _Normal:
    """The normal distribution of the chosen shadows' scores at every point; s, chosen: (S, P)."""
    count = chosen.sum(axis=0)
    needed = 2 if variance == "per_point" else 1
    if (poor := count < needed).any():
        point = int(poor.argmax())
        raise ValueError(
            f"each point needs {needed} shadow models in and out, got {count[point]} at point "
            f"{point} ({poor.sum()} such points)"
        )
    mean = np.where(chosen, s, 0).sum(axis=0) / count
    squares = (np.where(chosen, s - mean, 0) ** 2).sum(axis=0)
    if variance == "pooled":
        # max: one shadow at every point leaves no deviation, and the floor takes over
        squares, count = squares.sum(), np.maximum(count.sum() - len(count) + 1, 2)
    return _Normal(mean, np.maximum(np.sqrt(squares / (count - 1)), STD_FLOOR))


def _checked(scores: ArrayLike, members: ArrayLike, variance: Variance) -> tuple[Floats, Mask]:
    if variance not in ("per_point", "pooled"):
        raise ValueError(f"variance must be 'per_point' or 'pooled', got {variance!r}")
    s, held = np.asarray(scores, dtype=np.float64), np.asarray(members)
    if s.ndim != 2 or held.shape != s.shape or held.dtype != bool or s.size == 0:
        got = f"scores {s.shape} and members {held.shape} {held.dtype}"
        raise ValueError(f"scores and members must be (N, P), members bool, got {got}")
    if len(s) < MIN_MODELS:
        raise ValueError(f"the attack needs at least {MIN_MODELS} models, got {len(s)}")
    if count := int((~np.isfinite(s)).sum()):
        raise ValueError(
            f"scores must be finite, got {count} that are not, such as {s[~np.isfinite(s)][0]}; "
            "clip them, or take log-odds from logits"
        )
    return s, held
