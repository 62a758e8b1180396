"""Sorted changes over their band: what is drawn, what stands in the data, what is refused."""

import numpy as np
import pytest
from matplotlib.collections import PolyCollection
from matplotlib.colors import to_hex

from privrob import plot
from privrob.plot.style import PAPER

QUICK = plot.Ranked("natural", [5.0, -1.0, 40.0], [-3.0, 0.0, 3.0], "executed", "quick")
RECORDED = plot.Ranked("PGD, recorded", [2.0, 1.0], [-50.0, 50.0], "recorded")
NAMES = ("left out", "another seed")


def drawn(shown, columns=2):
    return plot.ranked_panels(shown, columns=columns, y="fall", names=NAMES)


def dots(ax):
    return next(line for line in ax.lines if line.get_marker() not in ("None", ""))


def test_changes_rise_from_rank_to_rank():
    _, (ax, _) = drawn([QUICK])
    assert dots(ax).get_xdata().tolist() == [1, 2, 3]
    assert list(dots(ax).get_ydata()) == [-1, 5, 40]


def test_the_band_reaches_from_zero_to_its_values():
    _, (ax, _) = drawn([QUICK])
    (band,) = (c for c in ax.collections if isinstance(c, PolyCollection))
    corners = {tuple(v) for v in band.get_paths()[0].vertices}
    assert {(1, -3), (2, 0), (3, 3), (1, 0), (3, 0)} <= corners


def test_panels_share_a_range_and_an_empty_place_is_hidden():
    _, axes = drawn([QUICK, RECORDED, QUICK])
    low, high = axes[0].get_ylim()
    assert low < -50
    assert high > 50
    assert all(ax.get_ylim() == (low, high) for ax in axes[:3])
    assert [ax.get_visible() for ax in axes] == [True, True, True, False]


def test_the_quantity_and_the_ranks_are_named_where_they_are_read():
    _, axes = drawn([QUICK, RECORDED, QUICK])
    titles = [ax.get_title(loc="left") for ax in axes[:3]]
    assert titles == ["fall\nnatural", "PGD, recorded", "natural"]
    assert [bool(ax.get_xlabel()) for ax in axes[:3]] == [False, True, True]
    assert [t.get_text() for t in axes[0].get_legend().get_texts()] == list(NAMES)


def test_quick_models_are_hollow_and_tiers_have_their_markers():
    _, (a, b) = drawn([QUICK, RECORDED])
    assert to_hex(dots(a).get_markerfacecolor()) == PAPER
    assert to_hex(dots(b).get_markerfacecolor()) != PAPER
    assert dots(a).get_marker() != dots(b).get_marker()


def test_data_has_every_rank_with_its_band():
    rows = plot.ranked_rows([QUICK, RECORDED])
    assert len(rows) == 5
    assert rows[2] == {
        "panel": "natural", "tier": "executed", "source": "quick", "rank": 3, "change": 40.0,
        "band": 3.0,
    }  # fmt: skip
    assert np.isfinite([row["change"] for row in rows]).all()


def test_bad_panels_are_named():
    with pytest.raises(ValueError, match="'x' needs as many changes .* got 2 and 1"):
        plot.Ranked("x", [1.0, 2.0], [0.0], "recorded")
    with pytest.raises(ValueError, match="names its source"):
        plot.Ranked("x", [1.0], [0.0], "executed")
    with pytest.raises(ValueError, match="holds no panel"):
        drawn([])
