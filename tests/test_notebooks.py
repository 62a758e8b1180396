"""Every notebook keeps the fixed skeleton; the check finds what a notebook lacks."""

from pathlib import Path

import jupytext
import nbformat
import pytest

from notebook_rules import faults
from privrob.lab import claims_page

NOTEBOOKS = sorted((Path(__file__).parents[1] / "notebooks").glob("*.md"))


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda p: p.stem)
def test_the_notebook_keeps_the_skeleton(path):
    assert faults(path.read_text()) == []


def test_the_claims_page_can_read_what_every_notebook_judges():
    found = claims_page._judged
    judged = {path.stem: list(found(jupytext.read(path))) for path in NOTEBOOKS}
    assert "tursynbek2020/reasons tursynbek2020/cifar-curvature" in judged["23-photographs"]


def test_what_a_notebook_judges_by_a_name_is_refused():
    cell = nbformat.v4.new_code_cell('exhibits.verdicts("a/b", experiment=NAME)')
    with pytest.raises(ValueError, match="write it out, not 'NAME'"):
        list(claims_page._judged(nbformat.v4.new_notebook(cells=[cell])))


@pytest.mark.parametrize(
    ("old", "new", "fault"),
    [
        ("## By hand\n", "## By foot\n", "no section 'By hand'"),
        ("## Checks\n", "## References\n", "no section 'Checks'"),
        ("It takes\n", "It needs\n", "the card lacks 'It takes'"),
        ("{exercise-start} Modify", "{exercise-start} Change", "exercises are not"),
        (":class: dropdown\n", ":class: note\n", "not one folded solution"),
        (":tags: [parameters]\n", "", "0 cells of parameters"),
        ("seed: int = 0\n", "", "no parameter seed"),
        ("exhibits.headline(", "print(", "no exhibits.headline"),
        ("stamp=", "stump=", "no stamp"),
        ("assert ", "\n" * 30 + "assert ", "a cell of "),
    ],
)
def test_a_fault_is_found(old, new, fault):
    text = NOTEBOOKS[0].read_text()
    assert old in text
    assert any(fault in found for found in faults(text.replace(old, new)))
