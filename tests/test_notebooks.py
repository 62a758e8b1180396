"""Every notebook keeps the fixed skeleton; the check finds what a notebook lacks."""

from pathlib import Path

import pytest

from notebook_rules import faults

NOTEBOOKS = sorted((Path(__file__).parents[1] / "notebooks").glob("*.md"))


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda p: p.stem)
def test_the_notebook_keeps_the_skeleton(path):
    assert faults(path.read_text()) == []


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
