"""A new notebook passes the checks of a notebook as it stands, and runs."""

import json
import shutil

import pytest
import yaml

from notebook_rules import faults
from privrob import paths
from privrob.lab import book, new_notebook

ROOT = paths.repository()
NAME = "97-curvature"


@pytest.fixture
def checkout(tmp_path, monkeypatch):
    """A copy of what a notebook is entered in."""
    for name in ("notebooks", "book"):
        shutil.copytree(ROOT / name, tmp_path / name)
    (tmp_path / "tests/expected").mkdir(parents=True)
    for name in ("README.md", "tests/expected/quick.json"):
        shutil.copy(ROOT / name, tmp_path / name)
    monkeypatch.setattr(paths, "repository", lambda: tmp_path)
    return tmp_path


def test_it_is_entered_wherever_a_check_asks_for_it(checkout):
    first, *others = new_notebook.create(NAME, title="Curvature of the loss")
    assert first == checkout / "notebooks" / f"{NAME}.md"
    assert len(others) == 3
    toc = yaml.safe_load((checkout / "book/_toc.yml").read_text())
    listed = [page["file"] for part in toc["parts"] for page in part["chapters"]]
    notebooks = [name for name in listed if name.startswith("notebooks/")]
    assert notebooks == [f"notebooks/{name}" for name in book.sources()]
    row = f"| [Curvature of the loss](notebooks/{NAME}.md) |"
    assert row in (checkout / "README.md").read_text()
    expected = json.loads((checkout / "tests/expected/quick.json").read_text())
    assert set(expected["notebooks"]) == set(book.sources())


def test_only_what_it_enters_is_changed(checkout):
    both = [checkout / "book/_toc.yml", checkout / "README.md"]
    before = [path.read_text().splitlines() for path in both]
    new_notebook.create(NAME, title="Curvature")
    after = [path.read_text().splitlines() for path in both]
    assert [[line for line in lines if NAME not in line] for lines in after] == before


def test_an_early_number_comes_first(checkout):
    new_notebook.create("01-begin", title="Begin")
    text = (checkout / "book/_toc.yml").read_text()
    assert text.index("01-begin") < text.index("10-fgsm")


def test_it_keeps_the_rules_and_has_solutions_to_take_away(checkout):
    [path, *_] = new_notebook.create(NAME, title="Curvature of the loss")
    text = path.read_text()
    assert faults(text) == []
    assert text.count("{solution-start}") == 3
    assert new_notebook.NAME not in text
    assert "# Curvature of the loss\n" in text


@pytest.mark.slow
@pytest.mark.timeout(900)
def test_it_runs_and_its_numbers_are_the_expected_ones(checkout):
    new_notebook.create(NAME, title="Curvature of the loss")
    assert book.compare(book.execute([NAME])) == []


@pytest.mark.parametrize(
    "name", ["curvature", "7-curvature", "97-Curvature", "97-", "97_x", "../x"]
)
def test_a_bad_name_is_refused(checkout, name):
    with pytest.raises(ValueError, match="named by two digits and words"):
        new_notebook.create(name, title="Title")


@pytest.mark.parametrize("name", ["10-fgsm", "10-other"])
def test_a_number_that_is_taken_is_refused_and_nothing_is_written(checkout, name):
    before = {p: p.read_bytes() for p in checkout.rglob("*") if p.is_file()}
    with pytest.raises(FileExistsError, match=r"10 is taken by 10-fgsm; \d\d is free"):
        new_notebook.create(name, title="Title")
    assert {p: p.read_bytes() for p in checkout.rglob("*") if p.is_file()} == before
