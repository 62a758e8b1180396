"""The student edition: notebooks and pages without solutions, found by their directives alone."""

import re
from collections.abc import Iterable, Iterator
from copy import deepcopy
from typing import Any

Notebook = Any  # nbformat's NotebookNode

# A gated solution goes from the fence of `solution-start` to the one that closes `solution-end`,
# over as many cells as it likes; sphinx-exercise knows a form in one fence as well.
_START = re.compile(r"[`:]{3,}\{solution-start\}")
_END = re.compile(r"([`:]{3,})\{solution-end\}")
_OTHER = re.compile(r"[`:]{3,}\{solution(-[a-z]+)?\}")


class SolutionError(ValueError):
    """A solution that cannot be told from what is around it; the message shows the line."""


def without_solutions(notebook: Notebook, name: str) -> Notebook:
    """A copy of a notebook, executed or not, without its solutions' text, code and outputs.

    Raises SolutionError for a solution that does not begin and end with `solution-start` and
    `solution-end`: nothing is removed by guess.
    """
    copy, walk = deepcopy(notebook), _Walk(name)
    copy.cells = list(_kept(copy.cells, walk))
    if walk.inside or walk.closing:
        raise SolutionError(f"notebook {name}: a solution has no end")
    return copy


def _kept(cells: Iterable[Notebook], walk: "_Walk") -> Iterator[Notebook]:
    for cell in cells:
        if cell.cell_type != "markdown":
            if not walk.inside:
                yield cell
            continue
        cell.source = "\n".join(line for line in cell.source.split("\n") if walk.keeps(line))
        cell.source = re.sub(r"\n{3,}", "\n\n", cell.source).strip("\n")
        if cell.source:
            yield cell


class _Walk:
    """Where a reader of the lines is: `inside` a solution, or `closing` the fence of its end."""

    def __init__(self, name: str) -> None:
        self.name, self.inside, self.closing = name, False, ""

    def keeps(self, line: str) -> bool:
        """Whether the line belongs to the student edition."""
        if self.closing:
            self.closing = "" if line.strip() == self.closing else self.closing
            return False
        text = line.lstrip()
        if end := _END.match(text):
            return self._end(line, end[1])
        if _START.match(text):
            return self._start(line)
        if _OTHER.match(text):
            raise SolutionError(f"notebook {self.name}: {line!r} is no gated solution")
        return not self.inside

    def _start(self, line: str) -> bool:
        if self.inside:
            raise SolutionError(f"notebook {self.name}: {line!r} begins inside a solution")
        self.inside = True
        return False

    def _end(self, line: str, fence: str) -> bool:
        if not self.inside:
            raise SolutionError(f"notebook {self.name}: {line!r} ends no solution")
        self.inside, self.closing = False, fence
        return False
