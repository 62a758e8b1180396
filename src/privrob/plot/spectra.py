"""Eigenvalues by rank on a logarithmic axis, with what rounding leaves of them."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from matplotlib.axes import Axes
from matplotlib.ticker import MultipleLocator
from matplotlib.transforms import blended_transform_factory

from privrob.plot.curves import Curve, Reference, _dashes, _draw_curve, _note
from privrob.plot.labels import Note, label_ends, settle
from privrob.plot.style import INK, label_axes, style
from privrob.plot.tiers import tier

_SUPERSCRIPT = str.maketrans("-0123456789", "⁻⁰¹²³⁴⁵⁶⁷⁸⁹")


def spectrum_panel(
    ax: Axes,
    curves: Sequence[Curve],
    *,
    floors: Sequence[Reference] = (),
    last: int,
    y: str,
    x: str | None = "rank of the eigenvalue",
) -> None:
    """Draw curves of log10 eigenvalues over their rank, from 1 to `last`.

    Past the ranks of the curves no eigenvalue can differ from zero: that part is hatched. A curve
    has the ranks as its `eps`; `floors` are levels, log10 too.
    """
    with style():
        label_axes(ax, y=y, x=x)
        ranks = max(int(max(curve.eps)) for curve in curves)
        ax.set_xlim(0.6, last + 0.4)
        ax.set_xticks(range(1, last + 1, 2))
        values = [*(v for c in curves for v in (*c.low, *c.high)), *(f.value for f in floors)]
        ax.set_ylim(np.floor(min(values)) - 0.5, np.ceil(max(values)) + 0.5)
        ax.yaxis.set_major_locator(_whole(ax.get_ylim()))
        ax.yaxis.set_major_formatter(lambda v, _: power(v))
        if last > ranks:
            ax.axvspan(ranks + 0.5, last + 0.4, facecolor="none", edgecolor=INK, hatch="..",
                       alpha=0.25, linewidth=0, zorder=0)  # fmt: skip
            middle = (ranks + 0.5 + last + 0.4) / 2
            ax.text(middle, 0.97, "rounding\nonly", transform=ax.get_xaxis_transform(),
                    ha="center", va="top")  # fmt: skip
        dashes = _dashes(curves)
        lines = [_draw_curve(ax, c, dashes[c.model], phase=i) for i, c in enumerate(curves)]
        notes = [_draw_floor(ax, floor) for floor in floors]
        label_ends(ax, lines, [curve.label for curve in curves])
        settle(ax, notes)


def _draw_floor(ax: Axes, floor: Reference) -> Note:
    """A level with its words at the left, where the spectra are high above it."""
    colour = tier(floor.tier).colour
    ax.axhline(floor.value, color=colour, linewidth=1.3, linestyle=(0, (1, 2)), zorder=1.5)
    across = blended_transform_factory(ax.transAxes, ax.transData)
    sides = ("below right", "above right")
    return _note(ax, floor.text, across), [((0.0, floor.value), side) for side in sides]


def power(exponent: float) -> str:
    """10 to a whole power, as text: '10⁻³'."""
    return "10" + f"{round(exponent)}".translate(_SUPERSCRIPT)


def _whole(limits: tuple[float, float]) -> MultipleLocator:
    decades = limits[1] - limits[0]
    return MultipleLocator(next((s for s in (1, 2, 5) if decades / s <= 7), 10))
