"""The student edition has every exercise and no word, code or output of a solution."""

import ast

import jupytext
import nbformat
import pytest

from privrob.lab import book, student

NOTEBOOK = """# Title

```{exercise-start} Predict
:label: one-predict
```
What is *asked*.
```{exercise-end}
```

```{solution-start} one-predict
:class: dropdown
```
The secret text.

```{code-cell} ipython3
secret = 1
```

More of the secret.

```{solution-end}
```

After.

```{code-cell} ipython3
kept = 2
```
"""


def read(text):
    return jupytext.reads(text, fmt="md:myst")


def text_of(notebook):
    return nbformat.writes(notebook)


def test_a_solution_goes_with_its_text_its_code_and_its_outputs():
    notebook = read(NOTEBOOK)
    notebook.cells[1].outputs = [nbformat.v4.new_output("stream", text="the secret's output")]
    left = student.without_solutions(notebook, "one")
    text = text_of(left)
    assert "secret" not in text
    assert "solution" not in text
    assert "dropdown" not in text
    assert [cell.cell_type for cell in left.cells] == ["markdown", "markdown", "code"]
    assert left.cells[0].source.endswith("What is *asked*.\n```{exercise-end}\n```")
    assert left.cells[1].source == "After."
    assert "secret" in text_of(notebook), "the notebook itself stays whole"


def test_a_notebook_without_solutions_stays_as_it_is():
    notebook = read("# Title\n\nA list:\n\n- one\n\n```{code-cell} ipython3\n1\n```\n")
    left = student.without_solutions(notebook, "one")
    assert [c.source for c in left.cells] == [c.source for c in notebook.cells]


@pytest.mark.parametrize(
    ("before", "after", "message"),
    [
        ("```{solution-end}\n```\n", "", "has no end"),
        ("```{solution-start} one-predict\n", "```{note}\n", "ends no solution"),
        ("```{solution-end}\n", "```{solution-start} x\n", "begins inside a solution"),
        ("```{solution-start} one-predict\n", "```{solution} one-predict\n", "no gated solution"),
        ("```{solution-start} one-predict\n", ":::{solution} one-predict\n", "no gated solution"),
    ],
)
def test_what_is_not_gated_is_refused_rather_than_guessed(before, after, message):
    assert before in NOTEBOOK
    with pytest.raises(student.SolutionError, match=message):
        student.without_solutions(read(NOTEBOOK.replace(before, after)), "one")


def solved(source):
    """The lines between solution-start and solution-end, found with a search of its own."""
    parts = source.read_text().split("{solution-start}")[1:]
    lines = [line.strip() for part in parts for line in part.split("{solution-end}")[0].split("\n")]
    return [line for line in lines if len(line) > 25]


@pytest.mark.parametrize("name", book.sources())
def test_the_book_s_notebooks_lose_every_solution_and_no_exercise(name):
    source = book.sources()[name]
    left = student.without_solutions(jupytext.read(source), name)
    text = "\n".join(cell.source for cell in left.cells)
    assert len(solved(source)) >= 6
    assert [line for line in solved(source) if line in text] == []
    for directive in ("{exercise-start}", "{exercise-end}", "\n## "):
        assert text.count(directive) == source.read_text().count(directive) > 0


def names(cells, context):
    """The names that code cells assign (ast.Store) or read (ast.Load)."""
    tree = ast.parse("\n".join(c.source for c in cells if c.cell_type == "code"))
    found = (n for n in ast.walk(tree) if isinstance(n, ast.Name))
    return {n.id for n in found if isinstance(n.ctx, context)}


@pytest.mark.parametrize("name", book.sources())
def test_no_cell_that_is_left_needs_a_solution(name):
    """Names that only solutions assign are read by no other cell."""
    whole = jupytext.read(book.sources()[name])
    left = student.without_solutions(whole, name).cells
    gone = [c for c in whole.cells if c.source not in {kept.source for kept in left}]
    only = names(gone, ast.Store) - names(left, ast.Store)
    assert only
    assert only & names(left, ast.Load) == set()
