"""An estimate as a table or a figure shows it: with its interval, its n and its tier."""

from collections.abc import Sequence
from math import floor, log10
from typing import Any

import numpy as np

from privrob import plot
from privrob.exhibits.groups import Estimate, Group

_DIGITS = {"eps": 3, "pixels": 3, "share": 3}
_FIGURES = 3  # significant ones that a distance in pixels keeps


def digits_of(unit: str, *values: float) -> int:
    """Digits behind the point of values in a unit; more of distances that would round away."""
    least, largest = _DIGITS.get(unit, 2), max(map(abs, values))
    if unit != "pixels" or not largest > 0:
        return least
    return max(least, _FIGURES - 1 - floor(log10(largest)))


def heading(group: Group) -> str:
    """A group's name over a narrow column."""
    return group.name.replace(", ", "\n")


def evidence(group: Group) -> dict[str, Any]:
    """Tier and source, as `plot.Value` and `plot.Curve` take them."""
    return {"tier": group.tier, "source": group.source}


def cell(group: Group, e: Estimate, *, digits: int, at: Any = ()) -> plot.Value:
    """An estimate in a table; `at` is the index of one of several."""
    mean, low, high = (float(np.asarray(end)[at]) for end in (e.mean, e.low, e.high))
    n = e.n if e.n > 1 else None
    return plot.Value(mean, low, high, n, **evidence(group), digits=digits)


def curve_of(group: Group, e: Estimate, x: Sequence[float], label: str, model: str) -> plot.Curve:
    """An estimate (E,) over x (E,); `model` chooses the dashes."""
    mean, low, high = (np.asarray(end).tolist() for end in (e.mean, e.low, e.high))
    return plot.Curve(list(x), mean, low, high, label, **evidence(group), model=model)
