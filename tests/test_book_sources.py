"""The book's sources agree with the package: colours of the tiers, contents, generated pages."""

import re
from pathlib import Path

import pytest
import yaml

from privrob.plot.tiers import TIERS

ROOT = Path(__file__).parents[1]
BOOK = ROOT / "book"
# Written by the build.
GENERATED = {
    "song2019",
    "tursynbek2020",
    "claims", "parameters", "statistics", "provenance", "benchmarks", "api-core", "api-notebooks",
}  # fmt: skip
PAPERS = {"light": "#ffffff", "dark": "#121212"}  # backgrounds of the two themes


def stylesheet() -> str:
    css = (BOOK / "_static/custom.css").read_text()
    return re.sub(r"/\*.*?\*/", "", css, flags=re.DOTALL)


def colours(theme: str) -> dict[str, str]:
    """The custom properties of one theme, by the name after `--privrob-`."""
    start = ":root {" if theme == "light" else 'html[data-theme="dark"] {'
    block = stylesheet().split(start, 1)[1].split("}", 1)[0]
    return dict(re.findall(r"--privrob-([a-z]+): (#[0-9A-F]{6});", block))


def luminance(colour: str) -> float:
    """Relative luminance of a hex colour, as WCAG 2 defines it."""
    channels = [int(colour[i : i + 2], 16) / 255 for i in (1, 3, 5)]
    linear = [c / 12.92 if c <= 0.03928 else ((c + 0.055) / 1.055) ** 2.4 for c in channels]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


def contrast(one: str, other: str) -> float:
    dark, light = sorted((luminance(one), luminance(other)))
    return (light + 0.05) / (dark + 0.05)


def contents() -> list[str]:
    toc = yaml.safe_load((BOOK / "_toc.yml").read_text())
    return [toc["root"], *(page["file"] for part in toc["parts"] for page in part["chapters"])]


def test_contrast_of_black_on_white_is_known():
    assert contrast("#000000", "#ffffff") == pytest.approx(21)


@pytest.mark.parametrize("word", TIERS)
def test_the_words_of_the_book_look_like_the_points_of_its_figures(word):
    tier = TIERS[word]
    assert colours("light")[word] == tier.colour
    assert colours("dark")[word] == tier.dark
    [symbol] = re.findall(rf'\.tier\.tier-{word}::before {{ content: "(.)"', stylesheet())
    assert symbol == tier.symbol


@pytest.mark.parametrize("theme", PAPERS)
def test_markers_are_seen_on_both_backgrounds(theme):
    for name, colour in colours(theme).items():
        assert contrast(colour, PAPERS[theme]) >= 3, f"{name} in the {theme} theme"


def test_the_reading_page_explains_each_class_that_has_a_style():
    page = (BOOK / "reading.md").read_text()
    styled = re.findall(r"\.((?:tier|verdict|state)-[a-z-]+)::before", stylesheet())
    assert len(styled) == 4 + 6 + 3
    assert [name for name in styled if f'{name}"' not in page] == []


def test_the_contents_name_every_page_and_every_notebook_once():
    pages = {path.stem for path in BOOK.glob("*.md")} - GENERATED
    notebooks = {f"notebooks/{path.stem}" for path in (ROOT / "notebooks").glob("*.md")}
    assert sorted(contents()) == sorted(pages | notebooks | GENERATED)


def test_the_readme_lists_every_notebook():
    readme = (ROOT / "README.md").read_text()
    notebooks = [path.name for path in (ROOT / "notebooks").glob("*.md")]
    assert notebooks
    assert [name for name in notebooks if f"(notebooks/{name})" not in readme] == []
