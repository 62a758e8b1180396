"""Members beside non-members: told apart without colour, nothing drawn outside, errors named."""

import numpy as np
import pytest
from matplotlib.colors import to_hex
from matplotlib.patches import Patch

from privrob import plot
from privrob.plot.style import INK


def sides(**changes) -> plot.Sides:
    settings = {
        "edges": [0, 1, 2],
        "members": [90.0, 10.0],
        "nonmembers": [100.0, 0.0],
        "title": "points (%)",
        "tier": "recorded",
    }
    return plot.Sides(**settings | changes)


def test_members_are_an_area_and_nonmembers_a_line_in_ink():
    _, (ax,) = plot.panels(1)
    plot.sides_panel(ax, sides(), floor=None)
    (area,) = ax.collections
    assert to_hex(area.get_facecolor()[0]) == plot.TIERS["recorded"].colour.lower()
    inked = [line for line in ax.lines if line.get_color() == INK]
    assert len(inked) == 1
    assert max(inked[0].get_ydata()) == 100
    kinds = {h.get_label(): isinstance(h, Patch) for h in ax.get_legend().legend_handles}
    assert kinds == {"members": True, "non-members": False}


def test_on_a_logarithmic_axis_empty_bins_lie_on_the_floor():
    _, (ax,) = plot.panels(1)
    plot.sides_panel(ax, sides(), floor=0.5, lines=[plot.Line(1.5, "here")])
    assert ax.get_yscale() == "log"
    assert all(min(line.get_ydata()) >= 0.5 for line in ax.lines if len(line.get_xdata()) > 2)
    assert [t.get_text() for t in ax.texts] == ["here"]


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"members": [1.0]}, "3 edges need 2 bars of either side, got 1 and 2"),
        ({"tier": "seen"}, "tier 'seen' is unknown"),
        ({"tier": "executed"}, "names its source"),
    ],
)
def test_bad_panels_are_named(changes, words):
    with pytest.raises(ValueError, match=words):
        sides(**changes)


def test_the_null_is_an_area_and_theory_a_dashed_line():
    _, (ax,) = plot.panels(1)
    grid = np.linspace(50, 55, 50)
    chance = plot.Chance(
        [51.0, 52.0, 52.1, 53.0], grid, np.full(50, 0.2), [plot.Line(54.0, "found 54.0")], "x",
        "recorded",
    )  # fmt: skip
    plot.chance_panel(ax, chance, edges=list(range(50, 57)), x="accuracy")
    heights = ax.collections[0].get_paths()[0].vertices[:, 1]
    assert max(heights) == 50  # two of four deals in a bin
    assert any(line.is_dashed() for line in ax.lines)
    assert "found 54.0" in [t.get_text() for t in ax.texts]


def test_roc_curves_differ_in_dashes():
    _, (ax,) = plot.panels(1)
    curves = [plot.RocLine([1, 10, 100], [2, 20, 100], name, "recorded") for name in "abc"]
    plot.roc_panel(ax, curves, at=1.0)
    drawn = [line for line in ax.lines if line.get_label() in "abc"]
    assert len({str(line._dash_pattern) for line in drawn}) == 3
    assert (ax.get_xscale(), ax.get_yscale()) == ("log", "log")
    assert [r["tpr"] for r in plot.roc_rows(curves[:1])] == [2, 20, 100]
