"""Histograms, spectra and decision regions: what is drawn where."""

import numpy as np
import pytest

from privrob import plot
from privrob.plot import histograms, regions, spectra


def test_the_outline_of_a_histogram_encloses_its_shares():
    h = plot.Histogram([0.0, 1.0, 3.0], [60.0, 40.0], 1.4, "SGD", "recorded", model="sgd")
    x, y = histograms.outline(h)
    assert list(zip(x, y, strict=True)) == [(0, 0), (0, 60), (1, 60), (1, 40), (3, 40), (3, 0)]
    assert float(np.trapezoid(y, x)) == 60 * 1 + 40 * 2


def test_a_histogram_needs_one_edge_more_than_bars():
    with pytest.raises(ValueError, match="2 bars need one edge more, got 2"):
        plot.Histogram([0.0, 1.0], [60.0, 40.0], 1.0, "SGD", "recorded")
    with pytest.raises(ValueError, match="names its source"):
        plot.Histogram([0.0, 1.0], [100.0], 1.0, "SGD", "executed")


def test_printed_means_stand_above_ours_and_words_point_outwards():
    own = [
        plot.Histogram([0.0, 1.0, 2.0], [50.0, 50.0], m, f"SGD {m}", "recorded") for m in (0.5, 1.5)
    ]
    _, (ax,) = plot.panels()
    plot.histogram_panel(ax, own, marks=[plot.Mark(1.0, "printed")], x="distance")
    at = {t.get_text(): t for t in ax.texts}
    assert at["printed"].xy[1] > at["SGD 0.5"].xy[1] > 50
    assert at["SGD 0.5"].get_ha() == "right"
    assert at["SGD 1.5"].get_ha() == "left"


def test_words_that_have_no_room_on_the_left_stand_together_on_the_right():
    own = [
        plot.Histogram([0.0, 1.0, 2.0], [90.0, 10.0], m, f"SGD {m}", "recorded") for m in (0.3, 0.4)
    ]
    _, (ax,) = plot.panels()
    plot.histogram_panel(ax, own, x="distance")
    [words] = ax.texts
    assert (words.get_text(), words.xy[0], words.get_ha()) == ("SGD 0.3, SGD 0.4", 0.4, "left")


def test_powers_of_ten_are_written_out():
    assert spectra.power(-12) == "10⁻¹²"
    assert spectra.power(0.0) == "10⁰"


def region(answers, *, right=7):
    answers = np.array(answers)
    margin = np.where(answers == right, 1.0, -1.0)
    return plot.Region(answers, margin, np.linspace(-4, 4, len(answers)), right, 2.0, "a title")


def halves(n=21):
    """7 below and 3 above the middle; two far cells of 5."""
    answers = np.full((n, n), 7)
    answers[n // 2 + 3 :] = 3
    answers[:2, :2] = 5
    return answers


def test_each_region_with_room_has_its_answer_written_inside():
    found = regions.places(region(halves()))
    assert sorted(k for _, _, k in found) == [3, 7]  # 5 has no room
    offsets = np.linspace(-4, 4, 21)
    for x, y, k in found:
        row, column = (int(np.abs(offsets - v).argmin()) for v in (y, x))
        assert halves()[row, column] == k
        assert np.hypot(x, y) > 0.9  # not on the image


def test_wrong_regions_are_hatched_and_not_only_tinted():
    images = np.zeros((1, 5, 5))
    figure = plot.region_grid(images, [("SGD", [region(halves())])], tier_word="executed")
    hatches = {h for c in figure.axes[1].collections for h in getattr(c, "hatches", [])}
    assert any(hatches)
    words = {t.get_text() for t in figure.axes[1].texts}
    assert words == {"3", "7"}


def test_regions_must_fit_their_offsets_and_images():
    with pytest.raises(ValueError, match=r"need the shape \(5, 5\)"):
        plot.Region(np.zeros((4, 5)), np.zeros((5, 5)), np.zeros(5), 1, 1.0, "")
    rows = [("SGD", [region(halves())])]
    with pytest.raises(ValueError, match="SGD has 1 planes for 2 images"):
        plot.region_grid(np.zeros((2, 5, 5)), rows, tier_word="executed")
