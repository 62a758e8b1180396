"""Notebooks are executed, checked and compared; whatever is wrong with one is refused."""

import json

import nbformat
import pytest

from privrob import paths
from privrob.lab import book

GOOD = """---
kernelspec:
  name: python3
  display_name: Python 3
  language: python
---

# A notebook

```{code-cell} ipython3
:tags: [parameters]
profile: str = "quick"
seed: int = 0
rate: float = 0.5
```

```{code-cell} ipython3
from IPython.display import display
values = {"seed": seed, "rate": rate, "quick": float(profile == "quick")}
display({"application/x-privrob-headline+json": values, "text/plain": "headline"}, raw=True)
```
"""


@pytest.fixture
def checkout(tmp_path, monkeypatch):
    """A checkout of its own, with one notebook called `one`."""
    monkeypatch.setattr(paths, "repository", lambda: tmp_path)
    (tmp_path / "notebooks").mkdir()
    (tmp_path / "notebooks" / "one.md").write_text(GOOD)
    return tmp_path


def headline(path):
    return book.headline(nbformat.read(path, as_version=4), path.stem)


def test_parameters_reach_the_notebook_with_their_types(checkout):
    [path] = book.execute(["one"], parameters={"seed": "3", "rate": "1"})
    assert headline(path) == {"seed": 3, "rate": 1.0, "quick": 1.0}


def test_progress_names_each_notebook(checkout):
    seen = []
    book.execute(on_progress=lambda *step: seen.append(step))
    assert seen == [("one", 0, 1), ("", 1, 1)]


def test_several_notebooks_run_side_by_side(checkout):
    (checkout / "notebooks" / "two.md").write_text(GOOD.replace("seed: int = 0", "seed: int = 7"))
    seen = []
    found = book.execute(on_progress=lambda *step: seen.append(step))
    assert [path.stem for path in found] == ["one", "two"]
    assert [headline(path)["seed"] for path in found] == [0, 7]
    assert [done for _, done, _ in seen] == [0, 1, 2]
    assert seen[0][0] == "one"
    assert seen[-1][0] == ""


def test_one_of_several_that_fails_is_named(checkout):
    bad = GOOD.replace("values =", "1 / 0\nvalues =")
    (checkout / "notebooks" / "two.md").write_text(bad)
    with pytest.raises(book.BookError, match="(?s)notebook two failed.*ZeroDivisionError"):
        book.execute()
    assert (checkout / "build" / "executed" / "two.failed.ipynb").exists()


@pytest.mark.parametrize(
    ("names", "parameters", "message"),
    [
        (["oen"], {}, "notebook: no 'oen'; did you mean 'one'"),
        (["one"], {"sed": "1"}, "parameter of notebook one: no 'sed'; did you mean 'seed'"),
        (["one"], {"seed": "x"}, "parameter seed of notebook one is a int, got 'x'"),
        (["one"], {"rate": "true"}, "parameter rate of notebook one is a float, got 'true'"),
    ],
)
def test_what_a_notebook_does_not_know_is_refused_before_anything_runs(
    checkout, names, parameters, message
):
    with pytest.raises(ValueError, match=message):
        book.execute(names, parameters=parameters)
    assert not (checkout / "build").exists()


def test_a_cell_that_fails_is_refused_and_the_last_good_run_stays(checkout):
    [path] = book.execute()
    before = path.read_bytes()
    source = checkout / "notebooks" / "one.md"
    source.write_text(source.read_text().replace("values =", "1 / 0\nvalues ="))
    with pytest.raises(book.BookError, match="(?s)notebook one failed.*ZeroDivisionError"):
        book.execute()
    assert path.read_bytes() == before
    assert (path.parent / "one.failed.ipynb").exists()


def test_a_notebook_without_headline_numbers_is_refused(checkout):
    source = checkout / "notebooks" / "one.md"
    source.write_text(source.read_text().replace("x-privrob-headline", "x-other"))
    with pytest.raises(book.BookError, match="gives 0 sets of headline numbers"):
        book.execute()


def executed(values):
    cell = nbformat.v4.new_code_cell("1", execution_count=1)
    cell.outputs = [nbformat.v4.new_output("display_data", data={book.HEADLINE: values})]
    return nbformat.v4.new_notebook(cells=[cell])


@pytest.mark.parametrize(
    ("found", "differing"),
    [
        ({"a": 1.0, "b": 2.0}, []),
        ({"a": 1.09, "b": 2.0}, []),
        ({"a": 1.11, "b": 2.0}, ["a"]),
        ({"a": 1.0}, ["b"]),
        ({"a": 1.0, "b": 2.0, "c": 3.0}, ["c"]),
        ({"a": float("nan"), "b": 2.0}, ["a"]),
    ],
)
def test_headline_numbers_are_compared_within_their_tolerance(checkout, found, differing):
    expected = {"one": {n: {"value": v, "tolerance": 0.1} for n, v in (("a", 1.0), ("b", 2.0))}}
    folder = checkout / "tests" / "expected"
    folder.mkdir(parents=True)
    (folder / "quick.json").write_text(json.dumps({"notebooks": expected}))
    path = checkout / "one.ipynb"
    nbformat.write(executed(found), path)
    assert [d.number for d in book.compare([path])] == differing


def test_an_error_output_is_refused():
    notebook = executed({"a": 1})
    notebook.cells[0].outputs.append(
        nbformat.v4.new_output("error", ename="ValueError", evalue="no", traceback=[])
    )
    with pytest.raises(book.BookError, match="notebook one: ValueError: no"):
        book.check(notebook, "one")


def test_a_cell_that_did_not_run_is_refused():
    notebook = executed({"a": 1})
    notebook.cells[0].execution_count = None
    with pytest.raises(book.BookError, match="a cell did not run"):
        book.check(notebook, "one")


def test_a_book_is_not_built_from_notebooks_that_were_not_executed(checkout):
    with pytest.raises(book.BookError, match="not executed yet: one"):
        book.build(run=False)
