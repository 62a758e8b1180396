"""Notebooks, as text, into an executed and checked book: jupytext, papermill, Jupyter Book.

Sources are `notebooks/*.md` and `book/`; everything made lies under `build/`. `lab.compile` has the
last step.
"""

import ast
import json
import multiprocessing
import os
import shutil
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import jupytext
import nbformat
import papermill
import yaml

from privrob import paths
from privrob.lab import student
from privrob.lab.compile import HEADLINE, BookError, build_folder, compiled
from privrob.lab.spec import known

CELL_SECONDS, START_SECONDS = 600, 120
AT_ONCE = 2  # notebooks; each takes about a gigabyte
Notebook = Any  # nbformat's NotebookNode
Progress = Callable[[str, int, int], None]


def quiet(name: str, done: int, total: int) -> None:
    """A progress function that says nothing."""


def sources() -> dict[str, Path]:
    """The notebooks by name, in the book's order."""
    return {p.stem: p for p in sorted((paths.repository() / "notebooks").glob("*.md"))}


# -- executing ----------------------------------------------------------------------------------


def execute(
    names: Sequence[str] | None = None,
    *,
    profile: str = "quick",
    parameters: Mapping[str, str] | None = None,
    on_progress: Progress = quiet,
) -> list[Path]:
    """Run notebooks (all if None) and return the executed files under build/executed/.

    `parameters` are texts, read as YAML scalars. Raises ValueError for an unknown notebook, for a
    parameter that a notebook does not declare or that has another type, and BookError for a cell
    that fails; the file of the last good run is then still there. Several notebooks run two at a
    time, which share what they train through the store.
    """
    everything = sources()
    for name in names or ():
        known("notebook", name, everything)
    chosen = list(names or everything)
    given = dict(parameters or {}) | ({"profile": profile} if profile != "quick" else {})
    texts = {name: jupytext.read(everything[name]) for name in chosen}
    values = {name: _values(name, nb, given) for name, nb in texts.items()}
    folder = build_folder() / "executed"
    folder.mkdir(parents=True, exist_ok=True)
    work = [(name, texts[name], values[name], folder) for name in chosen]
    left = dict.fromkeys(chosen)
    on_progress(chosen[0], 0, len(chosen))
    for name in _one_by_one(work) if len(chosen) == 1 else _side_by_side(work):
        del left[name]
        on_progress(next(iter(left), ""), len(chosen) - len(left), len(chosen))
    return [folder / f"{name}.ipynb" for name in chosen]


def _one_by_one(work: Sequence[tuple[Any, ...]]) -> Iterator[str]:
    return (_execute(*item) for item in work)


def _side_by_side(work: Sequence[tuple[Any, ...]]) -> Iterator[str]:
    """The notebooks' names as they are done; at the first that fails those not begun are dropped.

    Kernels share the cores: two threads of one kernel wait for each other more than two kernels do.
    """
    cores = os.cpu_count() or 1
    workers = min(AT_ONCE, cores, len(work))
    with ProcessPoolExecutor(
        workers,
        mp_context=multiprocessing.get_context("spawn"),
        initializer=_share_cores,
        initargs=(max(1, cores // workers),),
    ) as pool:
        try:
            for future in as_completed([pool.submit(_execute, *item) for item in work]):
                yield future.result()
        finally:
            pool.shutdown(wait=False, cancel_futures=True)


def declared(notebook: Notebook) -> dict[str, Any]:
    """Names and defaults of a notebook's parameters, from its cell tagged `parameters`."""
    cells = [c for c in notebook.cells if "parameters" in c.metadata.get("tags", [])]
    if len(cells) != 1:
        raise BookError(f"a notebook needs one cell tagged 'parameters', found {len(cells)}")
    return {
        target.id: ast.literal_eval(node.value)
        for node in ast.parse(cells[0].source).body
        if isinstance(node, ast.AnnAssign | ast.Assign) and node.value is not None
        for target in ([node.target] if isinstance(node, ast.AnnAssign) else node.targets)
        if isinstance(target, ast.Name)
    }


def _values(name: str, notebook: Notebook, given: Mapping[str, str]) -> dict[str, Any]:
    """The given parameters with the types that the notebook declares."""
    defaults = declared(notebook)
    values: dict[str, Any] = {}
    for key, text in given.items():
        known(f"parameter of notebook {name}", key, defaults)
        value, default = yaml.safe_load(text), defaults[key]
        if isinstance(default, float) and type(value) is int:
            value = float(value)
        if type(value) is not type(default):
            kind = type(default).__name__
            raise ValueError(f"parameter {key} of notebook {name} is a {kind}, got {text!r}")
        values[key] = value
    return values


def _share_cores(threads: int) -> None:
    os.environ.setdefault("OMP_NUM_THREADS", str(threads))  # kernels inherit it


def _execute(name: str, notebook: Notebook, values: Mapping[str, Any], folder: Path) -> str:
    source, running = folder / f".{name}.source.ipynb", folder / f".{name}.running.ipynb"
    for n, cell in enumerate(notebook.cells):
        cell["id"] = f"cell-{n}"  # jupytext makes random ones
    nbformat.write(notebook, source)
    try:
        papermill.execute_notebook(
            source,
            running,
            parameters=dict(values),
            kernel_name="python3",
            progress_bar=False,
            cwd=str(folder),
            execution_timeout=CELL_SECONDS,
            start_timeout=START_SECONDS,
        )
        check(nbformat.read(running, as_version=4), name)
    except Exception as error:
        failed = folder / f"{name}.failed.ipynb"
        if running.exists():
            running.replace(failed)
        raise BookError(f"notebook {name} failed; see {failed}\n{_short(error)}") from error
    finally:
        source.unlink(missing_ok=True)
    running.replace(folder / f"{name}.ipynb")
    return name


def _short(error: Exception) -> str:
    """The last lines of an error: a notebook's traceback begins with pages of frames."""
    return "\n".join(str(error).strip().splitlines()[-12:])


# -- checking -----------------------------------------------------------------------------------


def check(notebook: Notebook, name: str) -> None:
    """BookError unless every code cell ran without an error and the headline numbers are there."""
    for cell in notebook.cells:
        if cell.cell_type != "code":
            continue
        if cell.source.strip() and cell.execution_count is None:
            raise BookError(f"notebook {name}: a cell did not run: {cell.source[:60]!r}")
        for output in cell.outputs:
            if output.output_type == "error":
                raise BookError(f"notebook {name}: {output.ename}: {output.evalue}")
    headline(notebook, name)


def headline(notebook: Notebook, name: str) -> dict[str, float]:
    """The quick numbers that a notebook puts forward to be compared, by name."""
    found = [
        json.loads(data) if isinstance(data := output.data[HEADLINE], str) else dict(data)
        for cell in notebook.cells
        for output in cell.get("outputs", [])
        if HEADLINE in output.get("data", {})
    ]
    if len(found) != 1:
        raise BookError(f"notebook {name} gives {len(found)} sets of headline numbers, not one")
    return found[0]


@dataclass(frozen=True)
class Difference:
    """A headline number that is not the expected one."""

    notebook: str
    number: str
    expected: float | None
    found: float | None
    tolerance: float


def compare(executed: Sequence[Path]) -> list[Difference]:
    """Headline numbers that differ from tests/expected/quick.json by more than its tolerance.

    A number that only one side has counts as different.
    """
    path = paths.repository() / "tests" / "expected" / "quick.json"
    expected = json.loads(path.read_text(encoding="utf-8"))["notebooks"]
    return [
        difference
        for file in executed
        for difference in _differences(file, expected.get(file.stem, {}))
    ]


def _differences(file: Path, expected: Mapping[str, Any]) -> list[Difference]:
    found = headline(nbformat.read(file, as_version=4), file.stem)
    differences = []
    for number in dict.fromkeys([*expected, *found]):
        want = expected.get(number, {"value": None, "tolerance": 0.0})
        a, b, tolerance = want["value"], found.get(number), want["tolerance"]
        if a is None or b is None or not abs(a - b) <= tolerance:
            differences.append(Difference(file.stem, number, a, b, tolerance))
    return differences


# -- the book -----------------------------------------------------------------------------------


def build(*, run: bool = True, strict: bool = True, on_progress: Progress = quiet) -> Path:
    """The book, from sources to HTML; returns the path of its index.html.

    With `run` the notebooks are executed first, in profile quick. `strict` makes every warning of
    Jupyter Book an error. Raises BookError with the log's last lines.
    """
    executed = execute(on_progress=on_progress) if run else _already_executed()
    on_progress("the book itself", len(executed), len(executed) + 1)
    return compiled(_read(executed), "book", strict=strict)


def build_student(*, strict: bool = True, on_progress: Progress = quiet) -> Path:
    """The book and its notebooks without solutions in build/student/; its index.html.

    Takes the executed copies that are there and runs only notebooks that have none of today's text.
    The notebooks lie beside the book as .ipynb, without outputs, and as .md.
    """
    executed = _read(_up_to_date(on_progress))
    on_progress("the student edition", len(executed), len(executed) + 1)
    shown = {name: student.without_solutions(nb, name) for name, nb in executed.items()}
    folder = build_folder() / "student"
    shutil.rmtree(folder, ignore_errors=True)
    (folder / "notebooks").mkdir(parents=True)
    for name, source in sources().items():
        handed_out = student.without_solutions(jupytext.read(source), name)
        for form in ("ipynb", "md:myst"):
            target = folder / "notebooks" / f"{name}.{form.partition(':')[0]}"
            jupytext.write(handed_out, target, fmt=form)
    return compiled(shown, "student/book", strict=strict, edition="student edition")


def _read(files: Sequence[Path]) -> dict[str, Notebook]:
    return {path.stem: nbformat.read(path, as_version=4) for path in files}


def _already_executed() -> list[Path]:
    folder = build_folder() / "executed"
    missing = [name for name in sources() if not (folder / f"{name}.ipynb").exists()]
    if missing:
        raise BookError(f"not executed yet: {', '.join(missing)}; run `privrob notebooks` first")
    return [folder / f"{name}.ipynb" for name in sources()]


def _up_to_date(on_progress: Progress) -> list[Path]:
    """The executed notebooks, once those are run whose executed copy has another text or none."""
    outdated = [name for name, source in sources().items() if not _is_executed(name, source)]
    if outdated:
        execute(outdated, on_progress=on_progress)
    return _already_executed()


def _is_executed(name: str, source: Path) -> bool:
    """Whether the executed copy is of this very text; a given parameter would be one cell more."""
    path = build_folder() / "executed" / f"{name}.ipynb"
    if not path.exists():
        return False
    then, now = nbformat.read(path, as_version=4), jupytext.read(source)
    return [c.source for c in then.cells] == [c.source for c in now.cells]
