"""One model in several settings: curves whose dashes and width grow with the swept value.

All are of one tier, so they share its colour; what tells them apart needs none. A curve's name
stands at its end.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from matplotlib.axes import Axes
from matplotlib.lines import Line2D

from privrob.plot.curves import Curve, _draw_curve, _limit_x
from privrob.plot.labels import label_ends
from privrob.plot.style import EPS_LABEL, label_axes, style

# In line widths, from dots to long dashes: a denser line is a larger value. Never unbroken, which
# is the curve that they are compared with.
DENSER: tuple[Any, ...] = (
    (0, (1, 2.4)), (0, (1, 1.1)), (0, (2.6, 1.6)), (0, (4, 1.5)), (0, (6, 1.4)), (0, (8, 1.5)),
    (0, (11, 1.8)),
)  # fmt: skip
WIDTHS = 1.4, 3.0  # points, of the smallest and of the largest value


def sweep_curves(
    ax: Axes, reference: Curve, curves: Sequence[Curve], *, x: str | None = EPS_LABEL
) -> None:
    """Draw a reference, unbroken, and `curves` in the order of the swept value, small to large.

    Accuracies are in percent. `x=None` leaves the axis to the panel below.
    """
    if not curves:
        raise ValueError("curves is empty: a sweep needs one")
    with style():
        ax.set_ylim(0, 103)
        label_axes(ax, y="accuracy (%)", x=x)
        _limit_x(ax, [eps for curve in (reference, *curves) for eps in curve.eps])
        lines = [_draw_curve(ax, reference, "-", phase=0)]
        lines += [_draw_step(ax, c, k, len(curves)) for k, c in enumerate(curves)]
        label_ends(ax, lines, [c.label for c in (reference, *curves)])


def _draw_step(ax: Axes, curve: Curve, k: int, steps: int) -> Line2D:
    share = k / (steps - 1) if steps > 1 else 1.0
    dashes = DENSER[round(share * (len(DENSER) - 1))]
    line = _draw_curve(ax, curve, dashes, phase=k + 1)
    line.set(linewidth=WIDTHS[0] + share * (WIDTHS[1] - WIDTHS[0]), markersize=4.5)
    return line
