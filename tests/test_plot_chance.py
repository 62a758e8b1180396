"""Rows of accuracies with their bands: what is drawn, what is told, what is refused."""

from dataclasses import replace

import pytest
from matplotlib.collections import PolyCollection
from matplotlib.colors import to_hex

from privrob import plot
from privrob.plot.style import PAPER

ONE = plot.Reached("PGD", 61, 55, 64, "executed", "quick", chosen=62, chance=54.6)
FREE = plot.Reached("labels", 52, 50, 55, "recorded")
COLUMNS = [
    plot.Column("I_B", [ONE, FREE], "accuracy (%)"),
    plot.Column("I_A", [replace(ONE, value=70, high=80)], "accuracy (%)"),
    plot.Column("gap", [replace(FREE, value=8, low=-1, high=12)], "points", rest=0.0),
]


def bands(ax):
    return [c.get_paths()[0].get_extents() for c in ax.collections if isinstance(c, PolyCollection)]


def dots(ax):
    return [line for line in ax.lines if line.get_marker() not in ("None", "")]


def test_a_row_has_dot_bar_and_band():
    _, (ax, *_) = plot.chance_columns(COLUMNS)
    (band,) = bands(ax)
    assert (band.x0, band.x1) == (50, 54.6)
    assert [line.get_xdata()[0] for line in dots(ax)] == [61, 52]
    assert any(list(line.get_xdata()) == [62, 62] for line in ax.lines)


def test_rows_are_the_same_in_every_column():
    _, axes = plot.chance_columns(COLUMNS)
    assert [t.get_text() for t in axes[0].get_yticklabels()] == ["PGD", "labels"]
    assert [round(line.get_ydata()[0]) for line in dots(axes[2])] == [1]


def test_columns_of_one_quantity_share_their_range():
    _, axes = plot.chance_columns(COLUMNS)
    assert axes[0].get_xlim() == axes[1].get_xlim() != axes[2].get_xlim()
    low, high = axes[0].get_xlim()
    assert low < 50
    assert high > 80


def test_values_of_one_row_do_not_hide_one_another():
    twice = plot.Column("I_B", [ONE, replace(ONE, value=60)], "accuracy (%)")
    _, (ax,) = plot.chance_columns([twice])
    first, second = (line.get_ydata()[0] for line in dots(ax))
    assert -0.5 < first < second < 0.5


def test_quick_models_are_hollow_and_tiers_have_their_markers():
    _, (ax, *_) = plot.chance_columns(COLUMNS)
    hollow, full = dots(ax)
    assert to_hex(hollow.get_markerfacecolor()) == PAPER
    assert to_hex(full.get_markerfacecolor()) != PAPER
    assert hollow.get_marker() != full.get_marker()


def test_data_and_words_hold_every_value():
    rows = plot.chance_rows(COLUMNS)
    assert [r["value"] for r in rows] == [61, 52, 70, 8]
    assert (rows[0]["chosen on its own points"], rows[0]["95 % of chance"]) == (62, 54.6)
    alt = plot.chance_alt(COLUMNS)
    assert "I_B: PGD, quick, 61.0 (55.0 to 64.0, 62.0 where chance reaches 54.6); labels" in alt
    assert "gap: labels, recorded, 8.0 (-1.0 to 12.0)." in alt
    one_tier = plot.chance_alt(COLUMNS[2:])
    assert one_tier == "gap: labels 8.0 (-1.0 to 12.0)."


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"chance": None}, "given together"),
        ({"low": 65.0}, "low <= high"),
        ({"value": float("nan")}, "finite"),
        ({"source": ""}, "names its source"),
    ],
)
def test_what_cannot_be_shown_is_refused(change, message):
    with pytest.raises(ValueError, match=message):
        replace(ONE, **change)


def test_a_figure_needs_a_value():
    with pytest.raises(ValueError, match="no value"):
        plot.chance_columns([plot.Column("I_B", [], "accuracy (%)")])
