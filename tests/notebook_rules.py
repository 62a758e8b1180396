"""The skeleton that every notebook keeps, as a check that names what is missing."""

import re

import jupytext

SECTIONS = (
    "By hand",
    "At scale",
    "What differs from the paper",
    "Checks",
    "Exercises",
    "References",
)
EXERCISES = ("Predict", "Modify", "Extend")
CELL_LINES = 25


def faults(text: str) -> list[str]:
    """What keeps a notebook's text from the skeleton, as sentences."""
    notebook = jupytext.reads(text, fmt="md:myst")
    prose = "\n".join(c.source for c in notebook.cells if c.cell_type == "markdown")
    code = [c for c in notebook.cells if c.cell_type == "code"]
    return [*_prose_faults(prose), *_code_faults(code)]


def _prose_faults(prose: str) -> list[str]:
    headings = re.findall(r"^## (.+)$", prose, re.MULTILINE)
    found = [f"no section {s!r}" for s in SECTIONS if s not in headings]
    if not found and [h for h in headings if h in SECTIONS] != list(SECTIONS):
        found.append("sections are out of order")
    if len(re.findall(r"^# .+$", prose, re.MULTILINE)) != 1:
        found.append("not one title")
    found += [
        f"the card lacks {c!r}" for c in ("You need", "It takes", "You will see") if c not in prose
    ]
    exercises = re.findall(r"^```\{exercise-start\} (\w+)\n:label: (\S+)$", prose, re.MULTILINE)
    if tuple(kind for kind, _ in exercises) != EXERCISES:
        found.append(f"exercises are not {', '.join(EXERCISES)}")
    solutions = re.findall(r"^```\{solution-start\} (\S+)\n:class: dropdown$", prose, re.MULTILINE)
    if solutions != [label for _, label in exercises]:
        found.append("not one folded solution for each exercise")
    return found


def _code_faults(cells: list) -> list[str]:
    source = "\n".join(c.source for c in cells)
    tagged = [c for c in cells if "parameters" in c.metadata.get("tags", [])]
    found = [] if len(tagged) == 1 else [f"{len(tagged)} cells of parameters"]
    for name in ("profile", "seed", "device"):
        if not any(re.search(rf"^{name}: \w+ = ", c.source, re.MULTILINE) for c in tagged):
            found.append(f"no parameter {name}")
    found += [
        f"a cell of {n} lines: {c.source[:40]!r}"
        for c in cells
        if (n := len(c.source.splitlines())) > CELL_LINES
    ]
    for need in ("stamp=", "assert ", "exhibits.headline("):
        if need not in source:
            found.append(f"no {need.strip('= (')}")
    return found
