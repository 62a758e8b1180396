"""Axes that are not a radius: ticks as written, rows under their own name, a marked crossing."""

import numpy as np

from privrob import plot

NOISE = [0.5, 1.0, 2.0]


def curve(label: str, factor: float) -> plot.Curve:
    values = [factor / s for s in NOISE]
    return plot.Curve(NOISE, values, values, values, label, "derived", model=label)


def test_rows_name_their_axis():
    rows = plot.curve_rows_over([curve("one\nline", 2)], "dp_epsilon", x="sigma")
    assert [r["sigma"] for r in rows] == NOISE
    assert [r["value"] for r in rows] == [4, 2, 1]
    assert {(r["series"], r["tier"], r["quantity"]) for r in rows} == {
        ("one line", "derived", "dp_epsilon")
    }
    assert "eps" not in rows[0]


def test_ticks_stand_where_they_are_asked_for_and_nowhere_else():
    figure, (ax,) = plot.panels(1)
    ax.set_xscale("log")
    ax.plot(NOISE, NOISE)
    plot.name_ticks(ax, [0.5, 2.0])
    figure.draw_without_rendering()
    assert [t.get_text() for t in ax.get_xticklabels()] == ["0.5", "2"]
    assert ax.get_xticks(minor=True).size == 0


def test_a_budget_panel_marks_the_crossing_and_names_its_curves():
    _, (ax,) = plot.panels(1)
    curves = [curve("a", 2), curve("b", 3)]
    plot.budget_panel(ax, curves, crossing=0.7, limits=(0.4, 2.0), y="budget", x="noise")
    assert ax.get_xlim() == (0.4, 2.0)
    assert any(np.allclose(line.get_xdata(), 0.7) for line in ax.lines)
    drawn = [line for line in ax.lines if len(line.get_xdata()) == len(NOISE)]  # no samples
    assert [line.get_label() for line in drawn] == ["a", "b"]
    assert len({line.get_linestyle() + str(line._dash_pattern) for line in drawn}) == 2
    assert {"a", "b"} <= {text.get_text() for text in ax.texts}
