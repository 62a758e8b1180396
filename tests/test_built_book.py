"""From sources to pages: executed, compared, compiled without a warning, and looked at."""

import json
import os
import re
import subprocess
import sys

import jupytext
import nbformat
import pytest

from browser import CHROMIUM, served, visit
from privrob import paths
from privrob.lab import book, claims

pytestmark = pytest.mark.timeout(1800)
NBVAL = ("10-fgsm", "11-pgd")


@pytest.fixture(scope="session")
def index():
    """The book, built from nothing with every warning an error: its index.html."""
    return book.build(strict=True)


@pytest.fixture(scope="session")
def executed(index):
    return sorted((book.build_folder() / "executed").glob("[0-9]*.ipynb"))


def test_every_page_of_the_contents_is_there(index):
    assert "url=intro.html" in index.read_text()  # the first page has the contents
    text = (index.parent / "intro.html").read_text()
    for name in book.sources():
        assert (index.parent / "notebooks" / f"{name}.html").exists()
        assert f"notebooks/{name}.html" in text


def test_executed_numbers_are_the_expected_ones(executed):
    differences = book.compare(executed)
    assert not differences, "\n".join(map(str, differences))


def test_every_notebook_has_expected_numbers_and_none_is_left_over():
    path = paths.repository() / "tests" / "expected" / "quick.json"
    assert set(json.loads(path.read_text())["notebooks"]) == set(book.sources())


def test_notebooks_run_again_in_an_empty_store(executed, tmp_path):
    """nbval (lax): each cell of the executed notebooks runs again without an error.

    In one store, as a reader's have.
    """
    for name in NBVAL:
        notebook = jupytext.read(book.sources()[name])
        nbformat.write(notebook, tmp_path / f"{name}.ipynb")
    pytest_ = [sys.executable, "-m", "pytest", "--nbval-lax", "-q", "-p", "no:cacheprovider"]
    done = subprocess.run(
        [*pytest_, *(f"{name}.ipynb" for name in NBVAL)],
        cwd=tmp_path,
        env=os.environ | {"PRIVROB_STORE": str(tmp_path / "store")},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout[-3000:]
    assert (tmp_path / "store").exists()


# -- in a browser -------------------------------------------------------------------------------

PAGES = (
    "intro",
    "claims",
    "parameters",
    "provenance",
    "song2019",
    "tursynbek2020",
    *(f"notebooks/{name}" for name in book.sources()),
)
browser = pytest.mark.skipif(CHROMIUM is None, reason="needs Chromium on the PATH")


@browser
@pytest.mark.browser
@pytest.mark.parametrize(("width", "theme"), [(1280, "light"), (390, "dark")])
def test_pages_load_nothing_from_elsewhere_and_fit_the_screen(index, width, theme):
    with served(index.parent) as base:
        pages = visit([f"{base}/{name}.html" for name in PAGES], width=width, theme=theme)
    for url, page in pages.items():
        foreign = [r for r in page.requests if not r.startswith((base, "data:", "about:"))]
        assert not foreign, url
        assert not page.complaints, url
        assert page.facts["theme"] == theme, url
        assert page.facts["width"] <= width, url
        assert all(page.facts["figures"]), f"{url}: a figure without alternative text"
    shown = {url.rsplit("/", 1)[1]: page.facts for url, page in pages.items()}
    assert shown["10-fgsm.html"]["math"] > 0
    assert shown["10-fgsm.html"]["figures"]
    assert shown["intro.html"]["text"] > 1000


def test_links_of_the_claims_page_lead_somewhere(index):
    text = (index.parent / "claims.html").read_text()
    pages = {h.partition("#")[0] for h in re.findall(r'href="([^":]*)"', text)} - {""}
    assert {"notebooks/10-fgsm.html", "notebooks/11-pgd.html", "provenance.html"} <= pages
    assert [p for p in pages if not (index.parent / p.partition("?")[0]).exists()] == []


@browser
@pytest.mark.browser
def test_a_filtered_claims_page_can_be_linked(index):
    entries = claims.ledger()
    wanted = [e for e in entries if e.headline.verdict.word == "not reproduced"]
    facts = "document.querySelector('#claim-filter output').value"
    with served(index.parent) as base:
        url = f"{base}/claims.html#verdict=not+reproduced"
        [page] = visit([url], width=1280, theme="light", facts=facts).values()
    assert page.facts == f"{len(wanted)} of {len(entries)} shown"


INK = """[...document.querySelectorAll("article :is(p, code, .highlight span, svg text)")].map(
  (e) => getComputedStyle(e)[e.closest("svg") ? "fill" : "color"])"""


@browser
@pytest.mark.browser
def test_what_is_printed_from_the_dark_theme_is_dark_on_light(index):
    with served(index.parent) as base:
        url = f"{base}/notebooks/10-fgsm.html"
        [page] = visit([url], width=900, theme="dark", facts=INK, media="print").values()
    inks = [[int(n) for n in re.findall(r"\d+", ink)[:3]] for ink in page.facts]
    assert len(inks) > 50
    assert all(sum(ink) < 1.8 * 255 for ink in inks)


@browser
@pytest.mark.browser
def test_search_finds_a_word_of_a_notebook(index):
    with served(index.parent) as base:
        [page] = visit([f"{base}/search.html?q=perturbation"], width=1280, theme="light").values()
    assert page.facts["results"] > 0
