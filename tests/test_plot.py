"""The plotting style: honest tiers, safe colours, and markup that can share a page."""

from __future__ import annotations

import csv
import re
import subprocess
import sys
from html.parser import HTMLParser
from io import StringIO
from itertools import combinations
from urllib.parse import unquote

import matplotlib
import numpy as np
import pytest

from privrob import plot
from privrob.plot.labels import spread
from privrob.plot.style import INK, PAPER

LIGHT, DARK = ("#ffffff",), ("#121212", "#14181e")
EPS = [0.0, 0.1, 0.2, 0.3]
ALT = "Accuracy falls as the perturbation grows."

# Machado, Oliveira and Fernandes 2009, severity 1, on linear RGB.
VISION = {
    "usual": np.eye(3),
    "protanopia": [
        [0.152286, 1.052583, -0.204868],
        [0.114503, 0.786281, 0.099216],
        [-0.003882, -0.048116, 1.051998],
    ],
    "deuteranopia": [
        [0.367322, 0.860646, -0.227968],
        [0.280085, 0.672501, 0.047413],
        [-0.011820, 0.042940, 0.968881],
    ],
}
RGB_TO_XYZ = np.array(
    [
        [0.4124564, 0.3575761, 0.1804375],
        [0.2126729, 0.7151522, 0.0721750],
        [0.0193339, 0.1191920, 0.9503041],
    ]
)


def linear(colour):
    rgb = np.array([int(colour[i : i + 2], 16) / 255 for i in (1, 3, 5)])
    return np.where(rgb <= 0.04045, rgb / 12.92, ((rgb + 0.055) / 1.055) ** 2.4)


def contrast(one, other):
    dim, bright = sorted(float(RGB_TO_XYZ[1] @ linear(c)) for c in (one, other))
    return (bright + 0.05) / (dim + 0.05)


def lab(rgb):
    ratio = RGB_TO_XYZ @ np.clip(rgb, 0, 1) / np.array([0.95047, 1.0, 1.08883])
    x, y, z = np.where(ratio > 0.008856, np.cbrt(ratio), 7.787 * ratio + 16 / 116)
    return np.array([116 * y - 16, 500 * (x - y), 200 * (y - z)])


def stamp(*tiers, state="fresh", **changes):
    facts = {"profile": "paper", "device": "cpu", "seeds": (0, 1, 2), "date": "2025-01-31"}
    facts |= {"keys": ("0123456789abcdef",), "command": "privrob run fig2"}
    return plot.Stamp(tiers=tiers or ("recorded",), state=state, **(facts | changes))


def curve(tier="recorded", *, mean=(99, 80, 30, 5), label="SGD", source="", model="sgd"):
    low, high = [m - 1 for m in mean], [m + 1 for m in mean]
    return plot.Curve(EPS, mean, low, high, label, tier, source, model)


CURVES = (
    curve(),
    curve(mean=(96, 60, 10, 1), label="DP-SGD", model="dpsgd"),
    curve("executed", mean=(98, 78, 33, 7), label="zoo", source="zoo"),
    curve("executed", mean=(90, 40, 5, 0), label="quick", source="quick"),
)


ANCHORS = (plot.Anchor(0.1, 70.0, "paper: 70"),)


def drawn(curves=CURVES, anchors=ANCHORS):
    figure, (ax,) = plot.panels()
    plot.accuracy_curves(ax, curves, anchors=anchors)
    return figure, ax


def shown(*, caption="Recorded: accuracy.", alt=ALT, data=None, marks=None):
    figure, _ = drawn([curve()], ())
    data = {"eps": EPS} if data is None else data
    return plot.show(figure, alt=alt, caption=caption, stamp=marks or stamp(), data=data)


def csv_rows(html):
    uri = re.search(r'href="data:text/csv;charset=utf-8,([^"]*)"', html)[1]
    return list(csv.DictReader(StringIO(unquote(uri))))


def ids(html):
    return re.findall(r'\bid="([^"]+)"', html)


class Tags(HTMLParser):
    """Fails on what is opened and not closed, or the other way round."""

    def __init__(self, html):
        super().__init__()
        self.open, self.seen, self.words = [], [], []
        self.feed(html)
        assert not self.open, self.open

    def handle_starttag(self, tag, attrs):
        self.open.append(tag)
        self.seen.append((tag, dict(attrs)))

    def handle_startendtag(self, tag, attrs):
        self.seen.append((tag, dict(attrs)))

    def handle_endtag(self, tag):
        assert self.open.pop() == tag

    def handle_data(self, data):
        self.words.append(data)

    def text(self):
        return "".join(self.words)


# Colours and marks


@pytest.mark.parametrize("tier", plot.TIERS.values(), ids=list(plot.TIERS))
def test_tier_colours_stand_out_on_light_and_dark(tier):
    assert min(contrast(tier.colour, page) for page in LIGHT + DARK) >= 3
    assert min(contrast(tier.dark, page) for page in DARK) >= 4.5


@pytest.mark.parametrize("vision", VISION)
@pytest.mark.parametrize("theme", ["colour", "dark"])
def test_tier_colours_differ_for_colour_blind_readers(vision, theme):
    seen = [lab(np.array(VISION[vision]) @ linear(getattr(t, theme))) for t in plot.TIERS.values()]
    assert min(np.linalg.norm(a - b) for a, b in combinations(seen, 2)) >= 15


def test_tiers_differ_in_every_mark():
    for attribute in ("word", "marker", "symbol", "hollow_symbol", "colour", "dark"):
        assert len({getattr(tier, attribute) for tier in plot.TIERS.values()}) == 4
    assert list(plot.TIERS) == ["published", "recorded", "executed", "derived"]


# Curves


def test_no_line_joins_two_tiers():
    _, ax = drawn()
    series = [line for line in ax.lines if len(line.get_xdata()) > 2]
    assert len(series) == len(CURVES)
    for line, own in zip(series, CURVES, strict=True):
        np.testing.assert_array_equal(line.get_ydata(), own.mean)
        assert line.get_color() == plot.TIERS[own.tier].colour


def test_published_values_are_points():
    with pytest.raises(ValueError, match="points"):
        curve("published")
    _, ax = drawn()
    published = plot.TIERS["published"]
    (point,) = [line for line in ax.lines if line.get_color() == published.colour]
    assert point.get_linestyle() == "None"
    assert len(point.get_xdata()) == 1
    assert point.get_marker() == published.marker


def test_models_differ_in_dashes_and_sources_in_filling():
    _, ax = drawn()
    sgd, private, zoo, quick = [line for line in ax.lines if len(line.get_xdata()) > 2]
    assert sgd.get_linestyle() == "-"
    assert private.get_linestyle() == "--"
    assert zoo.get_markerfacecolor() == plot.TIERS["executed"].colour
    assert quick.get_markerfacecolor() == PAPER


def test_more_models_than_dashes_are_still_drawn():
    _, ax = drawn([curve(label=f"C = {c}", model=f"c{c}") for c in range(6)], ())
    dashes = {str(line._unscaled_dash_pattern) for line in ax.lines[:6]}
    assert len(dashes) == 5  # four spare patterns, then solid


def test_curves_check_what_they_are_given():
    with pytest.raises(ValueError, match="source"):
        curve("executed")
    with pytest.raises(ValueError, match="source"):
        curve("recorded", source="zoo")
    with pytest.raises(ValueError, match="'guessed' is unknown"):
        curve("guessed")
    with pytest.raises(ValueError, match=r"length.*\[4, 3, 4, 4\]"):
        plot.Curve(EPS, [1, 2, 3], EPS, EPS, "SGD", "recorded")
    with pytest.raises(ValueError, match="finite"):
        curve(mean=(1, 2, float("nan"), 4))
    with pytest.raises(ValueError, match="side"):
        plot.Anchor(0, 1, side="under")


def extents(ax, texts):
    ax.figure.draw_without_rendering()
    return [text.get_window_extent() for text in ax.texts if text.get_text() in texts]


def test_labels_at_line_ends_do_not_overlap_and_stay_in_the_figure():
    figure, ax = drawn()
    boxes = extents(ax, {own.label for own in CURVES})
    assert len(boxes) == len(CURVES)
    assert not any(a.overlaps(b) for a, b in combinations(boxes, 2))
    page = figure.bbox
    assert all(box.x1 <= page.x1 + 1 and box.y0 >= page.y0 - 1 for box in boxes)


def test_labels_keep_the_order_of_the_lines():
    _, ax = drawn()
    boxes = {text.get_text(): text.get_window_extent().y0 for text in ax.texts}
    ends = sorted(CURVES, key=lambda own: own.mean[-1])
    heights = [boxes[own.label] for own in ends]
    assert heights == sorted(heights)


def test_spread_moves_only_what_is_crowded():
    sizes = np.array([2.0, 2.0, 2.0])
    np.testing.assert_allclose(spread([1.0, 5.0, 9.0], sizes, 0, 10), [1, 5, 9])
    np.testing.assert_allclose(spread([5.0, 5.0, 9.0], sizes, 0, 10), [4, 6, 9])
    np.testing.assert_allclose(spread([0.0, 0.0, 0.0], sizes, 0, 10), [0, 2, 4])
    np.testing.assert_allclose(spread([10.0, 10.0, 10.0], sizes, 0, 10), [6, 8, 10])


def test_words_at_a_point_leave_the_curve_free():
    _, ax = drawn([curve(mean=(50, 50, 50, 50))], [plot.Anchor(0.15, 50.0, "here")])
    (box,) = extents(ax, {"here"})
    height = ax.transData.transform((0, 50))[1]
    assert not box.y0 < height < box.y1


def test_gap_panel_has_zero_and_the_clean_gap():
    figure, (ax,) = plot.panels()
    reference = plot.Reference(2.6, "clean gap 2.6")
    gap = curve(mean=(2.5, 15, 20, 4), label="gap", model="")
    plot.gap_panel(ax, [gap], references=[reference], anchors=[plot.Anchor(0.12, 15.4)])
    levels = {line.get_ydata()[0] for line in ax.lines if list(line.get_xdata()) == [0, 1]}
    assert levels == {0, 2.6}
    assert "percentage points" in ax.get_title("left")
    assert reference.text in plot.inline_svg(figure, alt=ALT)


def test_curve_rows_hold_every_drawn_value():
    rows = plot.curve_rows(CURVES, [plot.Anchor(0.1, 70.0, "paper")])
    assert len(rows) == len(CURVES) * len(EPS) + 1
    first = {"series": "SGD", "tier": "recorded", "eps": 0.0, "value": 99, "low": 98, "high": 100}
    assert first.items() <= rows[0].items()
    assert rows[-1]["tier"] == "published"
    assert rows[-1]["value"] == 70.0


# Images


def test_images_are_embedded_pixel_by_pixel():
    figure = plot.image_strip(np.zeros((3, 28, 28)), ["a", "b", "c"])
    svg = plot.inline_svg(figure, alt=ALT)
    assert svg.count("data:image/png;base64,") == 3
    assert svg.count("image-rendering:pixelated") + svg.count("image-rendering: pixelated") == 3


def test_image_rows_break():
    figure = plot.image_strip(np.zeros((7, 28, 28)), list("abcdefg"), per_row=5)
    assert sum(ax.axison for ax in figure.axes) == 7
    assert len(figure.axes) == 10


def test_image_strip_refuses_what_it_cannot_show():
    with pytest.raises(ValueError, match="2 images have 1 titles"):
        plot.image_strip(np.zeros((2, 28, 28)), ["a"])
    with pytest.raises(ValueError, match=r"from 0 to 1\.5"):
        plot.image_strip(np.full((1, 2, 2), [[0, 1.5], [0, 0]]), ["a"])
    with pytest.raises(ValueError, match="shape"):
        plot.image_strip(np.zeros((28, 28)), ["a"])


# The element in the page


def test_ink_follows_the_page_and_tiers_their_theme():
    figure, _ = drawn()
    svg = plot.inline_svg(figure, alt=ALT)
    assert "currentColor" in svg
    for stand_in in (INK, PAPER, "#000000"):
        assert stand_in not in svg
    for word in ("published", "recorded", "executed"):
        assert f"var(--privrob-{word}, {plot.TIERS[word].colour})" in svg
        assert plot.TIERS[word].colour.lower() not in svg
    assert re.search(r"<text[^>]*>SGD</text>", svg), "text stays text"


def test_the_element_fits_any_width_and_loads_nothing():
    html = shown().html
    _tag, root = next(seen for seen in Tags(html).seen if seen[0] == "svg")
    assert root["role"] == "img"
    assert root["aria-label"] == ALT
    assert "width" not in root
    assert "height" not in root
    assert "viewbox" in root
    assert "max-width" in root["style"]
    assert "height:auto" in root["style"]
    assert "://" not in html
    assert "<style type" not in html
    assert "<metadata" not in html
    assert not re.search(r"\n\s*\n", html), "an empty line ends HTML inside Markdown"


def test_ids_are_unique_in_and_between_figures():
    one, two = shown().html, shown(caption="Recorded: something else.").html
    for html in (one, two):
        assert len(ids(html)) == len(set(ids(html))) > 0
        used = re.findall(r'href="#([^"]+)"', html) + re.findall(r"url\(#([^)]+)\)", html)
        assert used
        assert set(used) <= set(ids(html))
    assert not set(ids(one)) & set(ids(two))


def test_the_same_input_gives_the_same_bytes():
    assert shown().html == shown().html
    figure, _ = drawn()
    assert plot.inline_svg(figure, alt=ALT) == plot.inline_svg(figure, alt=ALT)


def test_everything_is_escaped():
    nasty = "<script>alert('x')</script> & \"q\""
    marks = stamp(device=nasty, command=nasty, keys=(nasty,), date=nasty)
    html = shown(caption=f"Recorded: {nasty}", alt=nasty, marks=marks, data={nasty: [nasty]}).html
    rows = [{nasty: nasty, "v": plot.Value(1.0, tier="published")}]
    cells = plot.table(rows, caption=f"Published: {nasty}", stamp=stamp("published")).html
    for page in (html, cells):
        assert "<script" not in page
        assert nasty in Tags(page).text()
    assert csv_rows(html) == [{nasty: nasty}]
    figure, (ax,) = plot.panels()
    plot.label_axes(ax, y=nasty)
    assert "<script" not in plot.inline_svg(figure, alt=ALT)


def test_alt_text_is_required():
    with pytest.raises(ValueError, match="alt is empty"):
        shown(alt="  ")


@pytest.mark.parametrize(
    "caption", ["Accuracy, recorded.", "", "Recordings: x", "Published and recorded: two"]
)
def test_caption_begins_with_the_tiers_of_the_stamp(caption):
    with pytest.raises(ValueError, match="caption"):
        shown(caption=caption)


def test_caption_words_are_the_colour_key():
    caption = "Published, executed (quick) and executed (zoo): accuracy."
    html = shown(caption=caption, marks=stamp("published", "executed")).html
    below = html[html.index("<figcaption>") :]
    for mark in "◆△▲":
        assert f">{mark}</span>" in below
    assert ": accuracy." in below


def test_reprs_serve_notebooks_and_terminals():
    figure = shown()
    bundle = figure._repr_mimebundle_()
    assert bundle == {"text/html": figure._repr_html_(), "text/plain": repr(figure)}
    assert figure.html.startswith('<figure class="privrob">')
    assert ALT in bundle["text/plain"]


# Stamp and data


def test_stamp_tells_everything():
    text = stamp("recorded", "executed").text()
    told = "recorded + executed|profile paper|cpu|seeds 0, 1, 2|2025-01-31|0123456789abcdef|fresh"
    for part in [*told.split("|"), "privrob run fig2"]:
        assert part in text
    html = Tags(shown().html).text()
    for part in ["profile paper", "seeds 0, 1, 2", "0123456789", "fresh", "privrob run fig2"]:
        assert part in html
    assert "seed" not in stamp(seeds=()).text()
    assert "seed 4 " in stamp(seeds=(4,)).text()


def test_stale_is_seen():
    marks = stamp(state="stale")
    assert "STALE" in marks.text()
    html = shown(marks=marks).html
    assert re.search(r'<strong class="stale" style="border[^>]*>[^<]*stale', html)
    assert "<strong" not in shown().html


def test_stamp_refuses_unknown_words():
    with pytest.raises(ValueError, match="'old' is unknown"):
        stamp(state="old")
    with pytest.raises(ValueError, match="'measured' is unknown"):
        stamp("measured")
    with pytest.raises(ValueError, match="tiers is empty"):
        plot.Stamp((), "paper", "cpu", (), "", (), "fresh", "")


@pytest.mark.parametrize(
    "data",
    [
        {"eps": [0.1, 0.2], "note": ['a,"b"', "line\nbreak, 50 % & <x>"]},
        [{"eps": 0.1, "note": 'a,"b"'}, {"eps": 0.2, "note": "line\nbreak, 50 % & <x>"}],
    ],
)
def test_data_travels_with_the_figure(data):
    assert csv_rows(shown(data=data).html) == [
        {"eps": "0.1", "note": 'a,"b"'},
        {"eps": "0.2", "note": "line\nbreak, 50 % & <x>"},
    ]


def test_data_keep_every_digit():
    value = 0.1 + 0.2
    (row,) = csv_rows(shown(data={"x": np.array([value])}).html)
    assert float(row["x"]) == value


def test_columns_of_different_length_are_refused():
    with pytest.raises(ValueError, match="length"):
        plot.to_csv({"a": [1], "b": [1, 2]})


# Tables


ROWS = [
    {"setting": "ε = 0.1", "paper": plot.Value(80.44, tier="published"), "here": None},
    {
        "setting": "ε = 0.2",
        "paper": plot.Value(10.15, tier="published"),
        "here": plot.Value(-9.876, -12.0, 8.0, 3, tier="recorded", digits=1),
        "gap": plot.Value(float("nan"), tier="derived"),
    },
]


def test_table_shows_tiers_intervals_and_gaps():
    marks = stamp("published", "recorded", "derived")
    made = plot.table(ROWS, caption="Published, recorded and derived: accuracy.", stamp=marks)
    parsed = Tags(made.html)
    assert ("div", "privrob-table") in [(tag, attrs.get("class")) for tag, attrs in parsed.seen]
    for part in ("80.44", "\N{MINUS SIGN}9.9", "[\N{MINUS SIGN}12.0, 8.0], n = 3", "–"):
        assert part in parsed.text()
    for word in ("published", "recorded", "derived"):
        assert f'class="tier-{word}" style="color:var(--privrob-{word}, ' in made.html
        assert f">{word}</span>" in made.html
    assert [tag for tag, attrs in parsed.seen if attrs.get("scope") == "row"] == ["th", "th"]


def test_table_data_are_not_rounded():
    marks = stamp("published", "recorded", "derived")
    made = plot.table(ROWS, caption="Published, recorded and derived: accuracy.", stamp=marks)
    last = csv_rows(made.html)[-1]
    assert (last["here"], last["here low"], last["here n"]) == ("-9.876", "-12.0", "3")
    assert last["here tier"] == "recorded"


def test_table_and_values_check_their_input():
    with pytest.raises(ValueError, match="rows is empty"):
        plot.table([], caption="Recorded: x", stamp=stamp())
    with pytest.raises(ValueError, match="together"):
        plot.Value(1.0, low=0.5, tier="recorded")
    with pytest.raises(ValueError, match="source"):
        plot.Value(1.0, tier="executed")


# No global state


def test_style_leaves_the_settings_as_they_were():
    before = dict(matplotlib.rcParams)
    with plot.style():
        assert matplotlib.rcParams["svg.fonttype"] == "none"
    shown()
    assert dict(matplotlib.rcParams) == before


def test_import_chooses_no_backend():
    code = "import sys, privrob.plot; sys.exit('matplotlib.pyplot' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
