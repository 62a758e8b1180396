"""Executed notebooks, prose and generated pages into a folder of HTML: Jupyter Book."""

import os
import shutil
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import nbformat
import yaml

from privrob import paths
from privrob.lab import pages, reference

HEADLINE = "application/x-privrob-headline+json"
Notebook = Any  # nbformat's NotebookNode


class BookError(RuntimeError):
    """A notebook or the book could not be made; the message says which and what to do."""


def build_folder() -> Path:
    """Where everything made is put; safe to delete."""
    return paths.repository() / "build"


def compiled(
    notebooks: Mapping[str, Notebook], target: str, *, strict: bool, edition: str = ""
) -> Path:
    """The index.html of executed notebooks made into a book in the folder build/<target>/."""
    name = target.partition("/")[0]
    source = _assemble(notebooks, build_folder() / f"{name}-source", edition)
    html = _compile(source, name, strict=strict)
    folder = build_folder() / target
    shutil.rmtree(folder, ignore_errors=True)
    html.rename(folder)
    return folder / "index.html"


def _assemble(notebooks: Mapping[str, Notebook], source: Path, edition: str) -> Path:
    """Prose, executed notebooks and generated pages side by side, as Jupyter Book wants them."""
    shutil.rmtree(source, ignore_errors=True)
    shutil.copytree(paths.repository() / "book", source)
    if edition:
        _add_to_title(source / "_config.yml", edition)
    (source / "notebooks").mkdir()
    for name, notebook in notebooks.items():
        for cell in notebook.cells:  # headline numbers are for programs, not for readers
            outputs = cell.get("outputs", [])
            outputs[:] = [o for o in outputs if HEADLINE not in o.get("data", {})]
        nbformat.write(notebook, source / "notebooks" / f"{name}.ipynb")
    for name, text in (pages.write(notebooks) | reference.write()).items():
        target = source / name
        target.parent.mkdir(exist_ok=True)
        target.write_text(text, encoding="utf-8")
    return source


def _add_to_title(path: Path, edition: str) -> None:
    config = yaml.safe_load(path.read_text(encoding="utf-8"))
    config["title"] += f" ({edition})"
    path.write_text(yaml.safe_dump(config, allow_unicode=True), encoding="utf-8")


def _compile(source: Path, name: str, *, strict: bool) -> Path:
    """Run Jupyter Book in a process of its own; the folder of HTML."""
    out = build_folder() / f"{name}-html"
    shutil.rmtree(out, ignore_errors=True)
    start = "from jupyter_book.cli.main import main; main()"
    command = [sys.executable, "-c", start, "build", str(source), "--path-output", str(out)]
    command += ["-n", "-W", "--keep-going"] if strict else []
    environment = os.environ | {"PYDEVD_DISABLE_FILE_VALIDATION": "1"}
    done = subprocess.run(command, capture_output=True, text=True, env=environment, check=False)
    log = build_folder() / f"{name}.log"
    log.write_text(done.stdout + done.stderr, encoding="utf-8")
    html = out / "_build" / "html"
    if done.returncode or not (html / "index.html").exists():
        lines = [line for line in done.stderr.splitlines() if "WARNING" in line or "ERROR" in line]
        raise BookError("\n".join([f"the book did not build; see {log}", *lines[-12:]]))
    return html
