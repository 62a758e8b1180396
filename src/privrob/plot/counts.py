"""Curves over something else than the radius of a perturbation: steps, step sizes, noise."""

from __future__ import annotations

from collections.abc import Sequence

from matplotlib.axes import Axes
from matplotlib.ticker import FixedLocator, NullLocator

from privrob.plot.curves import Curve, _dashes, _draw_curve
from privrob.plot.labels import label_ends
from privrob.plot.style import INK, label_axes, style


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


def budget_panel(
    ax: Axes,
    curves: Sequence[Curve],
    *,
    crossing: float,
    limits: tuple[float, float],
    y: str,
    x: str | None,
) -> None:
    """Privacy budgets over the noise multiplier, from limit to limit of it.

    A dotted line stands where two of them cross.
    """
    with style():
        label_axes(ax, y=y, x=x)
        ax.set_xlim(*limits)
        ax.axvline(crossing, color=INK, linewidth=1.3, linestyle=(0, (1, 2)), zorder=1.5)
        dashes = _dashes(curves)
        lines = [_draw_curve(ax, c, dashes[c.model], phase=i) for i, c in enumerate(curves)]
        label_ends(ax, lines, [curve.label for curve in curves])
