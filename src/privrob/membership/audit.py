"""A lower bound on epsilon: what an attack finds, a training with a smaller one would not show.

Training that is (epsilon, delta)-DP for one example added or removed keeps every test of one
example's membership to TPR <= e^epsilon FPR + delta and TNR <= e^epsilon FNR + delta (Kairouz et
al. 2015). Rates that were seen thus bound epsilon from below (Jagielski et al. 2020, Nasr et al.
2021). Where the bound lies above the epsilon that an accountant gives for the same noise, sampling
rate and updates, the engine or the accounting is broken; where it lies below, nothing is proved.
The accountant's (`privacy.epsilon`) holds for Poisson sampling and for that adjacency; of models
on halves, the rate is the expected batch over the size of a half.

What is independent, and what is not. The points of one run share its batches and its noise. Two
bounds from the same counts:

- `epsilon_by_rates`: Clopper-Pearson for each of the two rates. Exact where each run gives one
  point (or points that cannot feel each other); for all points of a run a heuristic, which takes
  them for independent draws.
- `epsilon_by_guesses`: by Steinke et al. (2023), theorem 5.2 and appendix D. Holds however the
  points of a run hang together, as long as each is a member by a fair coin of its own, tossed
  apart from the other runs'. This is the one to quote for many points a run, as with random
  halves; it rests on one binomial and is often the higher one. What delta may explain counts
  against it: about 2 delta coins / (1 - level) right guesses beyond chance show nothing, so delta
  should be below 1 / coins.

With the halves of `data.halves`: hold out one model of each pair, as the other has the same coins,
and choose the operating point on the others, `chosen_on=np.arange(N) % 2 == 0`. Take the scores
from `lira.online_without_partner`, as the partner's memberships tell the target's. Neglected then:
models held out are each other's shadows, and the threshold has seen their partners. Halves have a
fixed size: the coins are not quite independent, and where one example is out another is in.
Strictly that is one example exchanged, for which the same training may cost up to twice the
epsilon; but which other example it was the attack does not know, so that we compare with
add/remove.
"""

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from math import exp, log, sqrt
from typing import Literal, NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy import stats

Floats = NDArray[np.float64]
Mask = NDArray[np.bool_]
Counts = NDArray[np.int64]

CANDIDATES = 256  # thresholds that are tried, from the one most extreme score to all of them


By = Literal["guesses", "rates"]


@dataclass(frozen=True)
class LowerBound:
    """Epsilon is at least `epsilon`, at confidence `level`, `by` guesses or by rates.

    0 where nothing is shown; never infinite. `called` says who was told by the `threshold`:
    members, at scores >= it, or non-members, at scores <= it. On the models held out, that was
    `right` of `positives` and `wrong` of `negatives` (the other side).
    """

    epsilon: float
    by: By
    called: Literal["member", "non-member"]
    threshold: float
    right: int
    positives: int
    wrong: int
    negatives: int
    delta: float
    level: float


def epsilon_lower_bound(
    scores: ArrayLike,
    members: ArrayLike,
    *,
    chosen_on: ArrayLike,
    delta: float,
    level: float,
    by: By,
) -> LowerBound:
    """The bound from the attack's scores (N, P) on N models, `members` (N, P) bool.

    Higher scores mean member; only their order counts. The operating point, threshold and side, is
    the one with the highest bound of the same kind on the models of `chosen_on` (N,) bool; the
    bound comes from all others. Each holds at `level`, the larger of both does not. ValueError,
    naming the value, for arrays that do not agree, NaN, a delta outside [0, 1), a level outside
    (0, 1), and models chosen on or held out that lack members or non-members.
    """
    _check_numbers(delta, level)
    s, held, chosen = _checked(scores, members, chosen_on)
    bound = partial(_BOUNDS[by], delta=delta, level=level)
    called, threshold = _operating_point(s[chosen], held[chosen], bound)
    told = s[~chosen] >= threshold if called == "member" else s[~chosen] <= threshold
    truth = held[~chosen] if called == "member" else ~held[~chosen]
    right, wrong = int((told & truth).sum()), int((told & ~truth).sum())
    positives, negatives = int(truth.sum()), int((~truth).sum())
    found = bound(np.array([right]), positives, np.array([wrong]), negatives)
    counts = right, positives, wrong, negatives
    return LowerBound(max(0.0, float(found[0])), by, called, threshold, *counts, delta, level)


# -- from counts to epsilon ---------------------------------------------------------------------


def epsilon_by_rates(
    right: int, positives: int, wrong: int, negatives: int, *, delta: float, level: float
) -> float:
    """log((low - delta) / high), or 0 where that is less: draws that are independent.

    `low` bounds right / positives from below and `high` wrong / negatives from above, by
    Clopper-Pearson with half of 1 - `level` each. For members told, these are TPR and FPR; for
    non-members told, TNR and FNR. ValueError as `epsilon_lower_bound`, and for counts that cannot
    be.
    """
    _check_numbers(delta, level)
    if not (0 <= right <= positives and 0 <= wrong <= negatives and positives and negatives):
        counts = f"{right} of {positives} and {wrong} of {negatives}"
        raise ValueError(f"counts must be 0 <= k <= n with n > 0, got {counts}")
    asked = {"delta": delta, "level": level}
    found = _by_rates(np.array([right]), positives, np.array([wrong]), negatives, **asked)
    return max(0.0, float(found[0]))


def _by_rates(
    right: Counts, positives: int, wrong: Counts, negatives: int, *, delta: float, level: float
) -> Floats:
    """The bounds for many pairs of counts at once, -inf where the rate is not above delta."""
    tail = (1 - level) / 2
    with np.errstate(divide="ignore", invalid="ignore"):
        low = np.where(right > 0, stats.beta.ppf(tail, right, positives - right + 1), 0)
        rest = np.maximum(negatives - wrong, 1)  # 0 is a case of its own
        high = np.where(wrong < negatives, stats.beta.isf(tail, wrong + 1, rest), 1)
        return np.log(np.maximum(low - delta, 0) / high)


def epsilon_by_guesses(right: int, wrong: int, *, coins: int, delta: float, level: float) -> float:
    """The largest epsilon that this many right guesses refute at `level`, or 0.

    `coins`: memberships that could be guessed, each true by a fair coin; `right` + `wrong` of them
    were, a number that is taken as given. Without delta it is the log-odds of Clopper-Pearson's
    one-sided bound on the share of right guesses. ValueError as `epsilon_lower_bound`, and for
    more guesses than coins.
    """
    _check_numbers(delta, level)
    if right < 0 or wrong < 0 or right + wrong > coins:
        raise ValueError(f"{right} right and {wrong} wrong guesses of {coins} coins cannot be")
    low, high = 0.0, log(right + wrong + 1) + 10  # there, all right is no surprise
    if not right or _p_value(low, right, wrong, coins, delta) > 1 - level:
        return 0.0
    while high - low > 1e-9:
        middle = (low + high) / 2
        refuted = _p_value(middle, right, wrong, coins, delta) <= 1 - level
        low, high = (middle, high) if refuted else (low, middle)
    return low


def _by_guesses(
    right: Counts, positives: int, wrong: Counts, negatives: int, *, delta: float, level: float
) -> Floats:
    """Of many pairs of counts, the bounds of those that are above all before them; 0 of others."""
    found, coins = np.zeros(len(right)), positives + negatives
    for k, (r, w) in enumerate(zip(right.tolist(), wrong.tolist(), strict=True)):
        if _p_value(found.max(), r, w, coins, delta) <= 1 - level:
            found[k] = epsilon_by_guesses(r, w, coins=coins, delta=delta, level=level)
    return found


Bound = Callable[[Counts, int, Counts, int], Floats]
_BOUNDS: dict[str, Callable[..., Floats]] = {"guesses": _by_guesses, "rates": _by_rates}


def _p_value(epsilon: float, right: int, wrong: int, coins: int, delta: float) -> float:
    """beta + 2 m delta alpha: how often (epsilon, delta)-DP allows so many right guesses."""
    r, q = right + wrong, 1 / (1 + exp(-epsilon))
    beta = float(stats.binom.sf(right - 1, r, q))
    if delta == 0:
        return beta
    # alpha = max over i of P[right > W >= right - i] / i, W binomial. Ten deviations below the
    # mean the sum has its last digit, and dividing by more only makes it smaller.
    last = int(right - max(0, r * q - 10 * sqrt(r * q * (1 - q)) - 1))
    i = np.arange(1, max(last, 1) + 1)
    mass = np.cumsum(stats.binom.pmf(right - i, r, q))
    return beta + 2 * coins * delta * float((mass / i).max())


# -- the operating point ------------------------------------------------------------------------


class _Point(NamedTuple):
    called: Literal["member", "non-member"]
    threshold: float


def _operating_point(s: Floats, held: Mask, bound: Bound) -> _Point:
    """Who is told, and from which score on, so that the bound on these points is highest."""
    member, above = _best_threshold(s, held, bound)
    nonmember, below = _best_threshold(-s, ~held, bound)
    return _Point("non-member", -below) if nonmember > member else _Point("member", above)


def _best_threshold(s: Floats, truth: Mask, bound: Bound) -> tuple[float, float]:
    """The highest bound for telling `truth` by scores >= a threshold, and that threshold."""
    order = np.sort(s, axis=None)[::-1]
    ranks = np.unique(np.geomspace(1, len(order), CANDIDATES).astype(int)) - 1
    thresholds = np.unique(order[ranks])[::-1]
    inside, outside = np.sort(s[truth]), np.sort(s[~truth])
    right = len(inside) - np.searchsorted(inside, thresholds)
    wrong = len(outside) - np.searchsorted(outside, thresholds)
    found = bound(right, len(inside), wrong, len(outside))
    best = int(found.argmax())
    return float(found[best]), float(thresholds[best])


# -- checks -------------------------------------------------------------------------------------


def _check_numbers(delta: float, level: float) -> None:
    if not 0 <= delta < 1:
        raise ValueError(f"delta must lie in [0, 1), got {delta}")
    if not 0 < level < 1:
        raise ValueError(f"level must lie in (0, 1), got {level}")


def _checked(
    scores: ArrayLike, members: ArrayLike, chosen_on: ArrayLike
) -> tuple[Floats, Mask, Mask]:
    s, held, chosen = np.asarray(scores, np.float64), np.asarray(members), np.asarray(chosen_on)
    if s.ndim != 2 or held.shape != s.shape or held.dtype != bool:
        got = f"scores {s.shape} and members {held.shape} {held.dtype}"
        raise ValueError(f"scores and members must be (N, P), members bool, got {got}")
    if chosen.shape != s.shape[:1] or chosen.dtype != bool:
        got = f"{chosen.shape} {chosen.dtype} for {len(s)} models"
        raise ValueError(f"chosen_on must be (N,) bool, got {got}")
    if count := int(np.isnan(s).sum()):
        raise ValueError(f"scores must not be NaN, got {count} that are")
    for part, name in ((held[chosen], "chosen on"), (held[~chosen], "held out")):
        if not part.any() or part.all():
            counts = f"{part.sum()} members and {(~part).sum()} non-members"
            raise ValueError(f"models {name} must have both members and non-members, got {counts}")
    return s, held, chosen
