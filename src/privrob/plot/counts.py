"""Curves over something else than the radius of a perturbation: steps, step sizes, noise."""

from __future__ import annotations

from collections.abc import Sequence

from matplotlib.axes import Axes
from matplotlib.ticker import FixedLocator, NullLocator

from privrob.plot.curves import Curve


def curve_rows_over(curves: Sequence[Curve], quantity: str, *, x: str) -> list[dict[str, object]]:
    """The drawn values as rows for `show(..., data=...)`, the axis named `x`."""
    return [
        {"quantity": quantity, "series": curve.label.replace("\n", " "), "tier": curve.tier}
        | {"source": curve.source, x: at, "value": mean, "low": low, "high": high}
        for curve in curves
        for at, mean, low, high in zip(curve.eps, curve.mean, curve.low, curve.high, strict=True)
    ]


def name_ticks(ax: Axes, values: Sequence[float]) -> None:
    """Ticks of the x axis at these values alone, each as it is written: for a log axis of few."""
    ax.xaxis.set_major_locator(FixedLocator(list(values)))
    ax.xaxis.set_minor_locator(NullLocator())
    ax.set_xticks(list(values), [f"{value:g}" for value in values])
