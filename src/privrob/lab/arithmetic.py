"""What claims of kind derived compute: arithmetic and accounting on what the papers print.

`Printed` maps the id of a claim to the number printed there, so that no number is written twice.
A row is found by its table's id, a row and a column: 'tursynbek2020/table2', 'fog', 'sgd'.
"""

from collections.abc import Callable, Mapping, Sequence
from decimal import Decimal
from itertools import pairwise
from math import ceil, log, nan, pi, sqrt
from statistics import NormalDist
from typing import Any, NamedTuple

from privrob import privacy
from privrob.lab import trainings
from privrob.stats import LEVEL

Printed = Mapping[str, float]
APART = ("baseline", "average")  # rows of a table that are not among those averaged


class Found(NamedTuple):
    """A number with its 95 % interval, if it has one.

    `margin` is what is positive where a statement holds, if that is not the number; `why` is what
    a verdict on it needs said.
    """

    value: float
    low: float = nan
    high: float = nan
    margin: float | None = None
    why: str = ""


# -- budgets ------------------------------------------------------------------------------------


def eq1_budget(printed: Printed, *, delta: float) -> float:
    """The epsilon of tursynbek2020's Eq. (1) at its sigma."""
    return _eq1(trainings.SIGMA, delta)


def accounted_budget(
    printed: Printed,
    *,
    accountant: str,
    noise_multiplier: float,
    batch_size: int,
    images: int,
    epochs: int,
    delta: float,
) -> float:
    """The epsilon that an accountant gives for a whole training by DP-SGD, Poisson sampled."""
    return privacy.epsilon(
        noise_multiplier=noise_multiplier,
        sample_rate=batch_size / images,
        updates=epochs * ceil(images / batch_size),
        delta=delta,
        accountant=accountant,
    )


def eq1_margin(
    printed: Printed, *, noise_multiplier: float, delta: float, **training: Any
) -> float:
    """The epsilon of Eq. (1) minus the accounted one: negative where Eq. (1) promises too much."""
    accounted = accounted_budget(
        printed, accountant="prv", noise_multiplier=noise_multiplier, delta=delta, **training
    )
    return _eq1(noise_multiplier, delta) - accounted


def clip_step(
    printed: Printed,
    *,
    noise_std: float,
    clip_norms: Sequence[float],
    delta: float,
    **training: Any,
) -> float:
    """The smallest step of the accounted epsilon from one clipping norm to the next, noise fixed.

    Positive where a smaller norm is more private.
    """
    budgets = [
        accounted_budget(
            printed, accountant="prv", noise_multiplier=noise_std / norm, delta=delta, **training
        )
        for norm in clip_norms
    ]
    return min(later - earlier for earlier, later in pairwise(budgets))


def _eq1(sigma: float, delta: float) -> float:
    return privacy.epsilon(
        noise_multiplier=sigma, sample_rate=1.0, updates=1, delta=delta, accountant="eq1"
    )


# -- printed numbers among themselves -----------------------------------------------------------


def difference(printed: Printed, *, minuend: str, subtrahend: str) -> float:
    """The exact difference of two printed numbers."""
    return float(_exact(printed, minuend) - _exact(printed, subtrahend))


def percent_drop(printed: Printed, *, before: str, after: str) -> float:
    """How much less `after` is than `before`, in percent of `before`."""
    first = _exact(printed, before)
    return float(100 * (first - _exact(printed, after)) / first)


def column_mean(
    printed: Printed,
    *,
    table: str,
    column: str,
    restored: str | None = None,
    addends: Sequence[str] = (),
) -> float:
    """The mean of a column over its rows, those of `APART` left out.

    The cell of row `restored`, if one is given, is replaced by the sum of its columns `addends`.
    """
    cells = _column(printed, table, column)
    if restored is not None:
        parts = (_column(printed, table, name)[restored] for name in addends)
        cells[restored] = sum(parts, Decimal())
    return float(sum(cells.values(), Decimal()) / len(cells))


def row_count(printed: Printed, *, table: str, column: str) -> float:
    """How many rows a column has, those of `APART` left out."""
    return float(len(_column(printed, table, column)))


def share_above(printed: Printed, *, table: str, column: str, than: str, least: float) -> Found:
    """The share of a column's rows that are above the number `than`; it holds above `least`."""
    cells = _column(printed, table, column).values()
    above = sum(cell > _exact(printed, than) for cell in cells)
    share = above / len(cells)
    return Found(share, margin=share - least, why=f"{above} of {len(cells)}")


def lead(printed: Printed, *, table: str, column: str, rows: Sequence[str]) -> float:
    """The smallest of some rows of a column minus the largest of the others."""
    cells = _column(printed, table, column)
    first = [cells.pop(row) for row in rows]
    return float(min(first) - max(cells.values()))


def smallest_drop_step(printed: Printed, *, before: Sequence[str], after: Sequence[str]) -> float:
    """The smallest step of before[i] - after[i] from one i to the next: positive where it grows."""
    pairs = zip(before, after, strict=True)
    drops = [_exact(printed, b) - _exact(printed, a) for b, a in pairs]
    return float(min(later - earlier for earlier, later in pairwise(drops)))


def _exact(printed: Printed, name: str) -> Decimal:
    return Decimal(str(printed[name]))


def _column(printed: Printed, table: str, column: str) -> dict[str, Decimal]:
    """Row -> number, exactly, of every row but those of `APART`; KeyError if there is none."""
    start, end = f"{table}/", f"/{column}"
    names = (name for name in printed if name.startswith(start) and name.endswith(end))
    rows = (name.removeprefix(start).removesuffix(end) for name in names)
    found = {row: _exact(printed, f"{start}{row}{end}") for row in rows if row not in APART}
    if not found:
        raise KeyError(f"{table}/.../{column}")
    return found


# -- membership inference: song2019's stored outputs --------------------------------------------

BENIGN, ADVERSARIAL = ATTACKS = ("infer-benign", "infer-adversarial")
NATURAL = "natural"


def advantage_ratio(printed: Printed, *, table: str, claimed: str | None = None) -> Found:
    """The best advantage over any robust model, by that over the natural one.

    An advantage is twice what an inference accuracy is above a half (contribution 2). Where the
    printed ratio `claimed` is given, `why` says which accuracies would round to it.
    """
    methods = _column(printed, table, BENIGN)
    robust = max(_best(printed, table, m, ATTACKS) for m in methods if m != NATURAL)
    natural = _best(printed, table, NATURAL, ATTACKS) - 50
    why = _needed(_exact(printed, claimed), natural) if claimed else ""
    return Found(float((robust - 50) / natural), why=why)


def _needed(ratio: Decimal, natural: Decimal) -> str:
    """The accuracies on a robust model that give a printed ratio."""
    half = Decimal(5).scaleb(int(ratio.as_tuple().exponent) - 1)
    low, high = (50 + (ratio + end) * natural for end in (-half, half))
    return (
        f"from the stored I_B and I_A; the printed ratio needs an accuracy of {low:.2f} to "
        f"{high:.2f} percent on a robust model, which I_V, not stored, might give"
    )


def inference_increase(
    printed: Printed,
    *,
    table: str,
    methods: Sequence[str],
    attacks: Sequence[str],
    members: int,
    nonmembers: int,
) -> Found:
    """Inference accuracy on a robust model minus that on the natural one, of the best attack.

    Of several methods the smallest, with the lowest ends of their intervals: it is above zero only
    where every one of them is.
    """
    natural = _best(printed, table, NATURAL, attacks)
    least = min(float(_best(printed, table, m, attacks) - natural) for m in methods)
    return _bounded(least, members=members, nonmembers=nonmembers)


def inference_increase_somewhere(
    printed: Printed, *, methods: Sequence[str], sizes: Mapping[str, Sequence[int]]
) -> Found:
    """`inference_increase` by the better attack, of the table whose interval starts highest.

    `sizes` maps a table to its numbers of members and non-members. The interval is of that table
    alone: it does not make up for having chosen among several.
    """
    increases = (
        inference_increase(
            printed,
            table=table,
            methods=methods,
            attacks=ATTACKS,
            members=members,
            nonmembers=nonmembers,
        )
        for table, (members, nonmembers) in sizes.items()
    )
    return max(increases, key=lambda found: found.low)


def inference_gain(
    printed: Printed, *, table: str, methods: Sequence[str], members: int, nonmembers: int
) -> Found:
    """The best accuracy of the attack by adversarial confidences minus that by benign ones."""
    first, second = (
        max(_best(printed, table, m, (attack,)) for m in methods)
        for attack in (ADVERSARIAL, BENIGN)
    )
    return _bounded(float(first - second), members=members, nonmembers=nonmembers)


def _best(printed: Printed, table: str, method: str, attacks: Sequence[str]) -> Decimal:
    return max(_exact(printed, f"{table}/{method}/{attack}") for attack in attacks)


def _bounded(value: float, *, members: int, nonmembers: int) -> Found:
    """A difference of two inference accuracies, percent, with the interval of sampled examples.

    Such an accuracy is (TPR + 1 - FPR) / 2, its variance at most (1/n + 1/m) / 16. The two rates
    are not stored, nor which examples were right: so the bound stands for the variance, and the
    two accuracies count as independent. What another training would change is not in it.
    """
    error = 100 * sqrt(2 * (1 / members + 1 / nonmembers) / 16)
    half = NormalDist().inv_cdf((1 + LEVEL) / 2) * error
    return Found(value, value - half, value + half)


class Chance(NamedTuple):
    """Percent that a guess reaches: on average, and at most in 19 of 20 cases."""

    mean: float
    most: float


def chance(*, members: int, nonmembers: int) -> Chance:
    """The inference accuracy of scores that know nothing, the threshold chosen on the same points.

    That is 1/2 + D/2 with D the largest TPR - FPR, the one-sided statistic of Kolmogorov and
    Smirnov: P(D > d) = exp(-2 N d^2) for N = nm / (n + m), for many points without
    ties.
    """
    n = members * nonmembers / (members + nonmembers)
    return Chance(50 + 50 * sqrt(pi / (8 * n)), 50 + 50 * sqrt(log(20) / (2 * n)))


_ALL = (
    eq1_budget, accounted_budget, eq1_margin, clip_step, difference, percent_drop, column_mean,
    row_count, share_above, lead, smallest_drop_step, advantage_ratio, inference_increase,
    inference_increase_somewhere, inference_gain,
)  # fmt: skip
ARITHMETIC: dict[str, Callable[..., float | Found]] = {f.__name__: f for f in _ALL}
