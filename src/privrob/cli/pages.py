"""claims, notebooks and book: what readers see."""

import json
from collections import Counter
from difflib import get_close_matches
from fnmatch import fnmatchcase
from math import isnan
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich import progress as bars

from privrob.cli.base import (
    QUICK_NOTE,
    Profile,
    Usage,
    app,
    choose,
    console,
    row,
    say,
    show,
    table,
)

if TYPE_CHECKING:
    from privrob.lab.claims import Assessment, Entry


# -- claims -------------------------------------------------------------------------------------


@app.command()
def claims(
    pattern: Annotated[
        str | None,
        typer.Argument(metavar="[ID]", help="Only claims of this id or pattern. Left out: all."),
    ] = None,
    as_json: Annotated[
        bool, typer.Option("--json", help="Print a JSON list for programs instead of a table.")
    ] = False,
    paper: Annotated[
        str | None, typer.Option(help="Only claims of this paper: song2019 or tursynbek2020.")
    ] = None,
    verdict: Annotated[
        str | None, typer.Option(help="Only headline verdicts of this word, as 'reproduced'.")
    ] = None,
) -> None:
    """Count what the papers claim by exhibit and verdict; of those that you ask for, list each.

    Listed is a line for each claim and reading: literal (the settings as stated), which is the
    headline, and matched (the smallest change that reaches the printed clean accuracies). Verdicts
    rest on recorded full-scale results alone, or on arithmetic with what is printed.

    Example: `privrob claims 'tursynbek2020/table1/*'`

    Example: `privrob claims --paper song2019 --verdict 'not reproduced'`

    Example: `privrob claims --json > claims.json`
    """
    from privrob.lab import claims as ledgers
    from privrob.lab.statements import PAPERS
    from privrob.lab.verdicts import WORDS

    if paper is not None:
        choose("paper", paper, PAPERS)
    if verdict is not None:
        choose("verdict", verdict, WORDS)
    everything = ledgers.ledger()
    entries = [
        e
        for e in everything
        if paper in (None, e.claim.paper)
        and verdict in (None, e.headline.verdict.word)
        and (pattern is None or fnmatchcase(e.claim.id, pattern))
    ]
    if not entries:
        raise Usage(_no_claim(pattern, [e.claim.id for e in everything]))
    if as_json:
        typer.echo(json.dumps(ledgers.to_json(entries), indent=1, ensure_ascii=False))
        return
    if len(entries) < len(everything):
        _show_ledger(entries)
    _show_summary(entries)
    if len(entries) == len(everything):
        say("list some of them with: privrob claims 'tursynbek2020/table1/*'")


def _no_claim(pattern: str | None, ids: list[str]) -> str:
    """What to say where nothing is left to show."""
    exhibits = dict.fromkeys(f"{'/'.join(i.split('/')[:2])}/*" for i in ids)
    near = get_close_matches(pattern or "", [*exhibits, *ids], n=1, cutoff=0.4)
    hint = f"; did you mean {near[0]!r}?" if near else ""
    return f"no claim is called {pattern!r}{hint}" if pattern else "no claim is left to show"


def _show_ledger(entries: "list[Entry]") -> None:
    lines = table(
        "claim", "reading", "published", "ours", "95 % interval", "n", "verdict",
        right=["published", "ours", "n"],
    )  # fmt: skip
    for entry in entries:
        for assessment in entry.assessments:
            row(lines, *_cells(entry, assessment))
    show(lines)


def _show_summary(entries: "list[Entry]") -> None:
    """The bars of each exhibit, every one of all its claims; why some are not attempted, once."""
    from privrob.lab.verdict_bars import bars, by_exhibit, exhibit_title

    lines = table("paper", "exhibit", "reading", "claims", "verdicts", right=["claims"])
    for paper, exhibit, group in by_exhibit(entries):
        for bar in bars(group):
            words = ", ".join(f"{n} {word}" for word, n in bar.words.items() if n)
            row(lines, paper, exhibit_title(exhibit), bar.title, bar.total, words)
    show(lines)
    waiting = (e for e in entries if e.claim.not_attempted and not e.headline.evidence)
    counts = Counter(str(e.claim.not_attempted) for e in waiting)
    for text, n in counts.items():
        say(f"{n} not attempted: {text}")
    say(f"{len(entries)} claims")


def _cells(entry: "Entry", assessment: "Assessment") -> list[Any]:
    claim, evidence = entry.claim, assessment.evidence
    first = assessment is entry.headline
    words = [claim.id if first else "", assessment.reading, claim.published if first else ""]
    if evidence is None:
        verdict = assessment.verdict.word if claim.not_attempted else assessment.verdict
        return [*words, "", "", "", verdict]
    bounded = not (isnan(evidence.low) or isnan(evidence.high))
    interval = f"{evidence.low:.4g} to {evidence.high:.4g}" if bounded else ""
    return [*words, f"{evidence.value:.4g}", interval, evidence.n or "", assessment.verdict]


# -- notebooks and book -------------------------------------------------------------------------


@app.command()
def notebooks(
    names: Annotated[
        list[str] | None,
        typer.Argument(metavar="[NAME]...", help="Notebooks, as '10-fgsm'. Left out: all."),
    ] = None,
    parameter: Annotated[
        list[str] | None,
        typer.Option(
            "--parameter", "-p", metavar="NAME=VALUE", help="A parameter; may be given repeatedly."
        ),
    ] = None,
    profile: Profile = "quick",
) -> None:
    """Run notebooks and check them; executed copies lie in build/executed/.

    Example: `privrob notebooks 10-fgsm -p seed=1`
    """
    from privrob.lab import book as books

    for name in names or ():
        choose("notebook", name, books.sources())
    given = dict(_parameter(text) for text in parameter or ())
    with _Bar("notebooks") as bar:
        done = books.execute(names or None, profile=profile, parameters=given, on_progress=bar)
    for path in done:
        say(str(path))
    if profile == "quick":
        say(QUICK_NOTE, style="yellow")


def _parameter(text: str) -> tuple[str, str]:
    name, equals, value = text.partition("=")
    if not (name and equals):
        raise Usage(f"a parameter is written NAME=VALUE, got {text!r}")
    return name, value


@app.command()
def book(
    execute: Annotated[
        bool, typer.Option(help="Run the notebooks first, or take those of the last run.")
    ] = True,
    strict: Annotated[bool, typer.Option(help="Let any warning fail the build.")] = True,
) -> None:
    """Run all notebooks in profile quick and build the book.

    Example: `privrob book`

    Example: `privrob book --no-execute`
    """
    from privrob.lab import book as books

    with _Bar("book") as bar:
        index = books.build(run=execute, strict=strict, on_progress=bar)
    say(f"the book is in {_shown(index)}; look at it with: make serve")


@app.command()
def student(
    strict: Annotated[bool, typer.Option(help="Let any warning fail the build.")] = True,
) -> None:
    """Build the student edition: the book and its notebooks without solutions.

    It lies in build/student/. Notebooks that have run already are taken as they are.

    Example: `privrob student`
    """
    from privrob.lab import book as books

    with _Bar("student") as bar:
        index = books.build_student(strict=strict, on_progress=bar)
    say(f"the book without solutions is in {_shown(index)}")
    say(f"the notebooks without solutions are in {_shown(index.parents[1] / 'notebooks')}")


@app.command("new-notebook")
def new_notebook(
    name: Annotated[str, typer.Argument(help="Two digits and words, as '12-curvature'.")],
    title: Annotated[
        str | None, typer.Option(help="The page's title. Left out: made from the name.")
    ] = None,
) -> None:
    """Begin a notebook: the whole skeleton, running and passing every check as it stands.

    Its number gives its place in the book.

    Example: `privrob new-notebook 12-curvature --title 'Curvature of the loss'`
    """
    from privrob.lab import new_notebook as notebook

    words = name[3:].replace("-", " ").capitalize()
    try:
        first, *others = notebook.create(name, title=words if title is None else title)
    except ValueError as error:
        raise Usage(str(error)) from None
    say(f"written: {_shown(first)}")
    say(f"it has a line in: {', '.join(_shown(path) for path in others)}")
    say(f"run it with: privrob notebooks {name}")
    say(f"once it has headline numbers: python tests/expected/measure.py {name}; make readme")


def _shown(path: Path) -> str:
    """A path as seen from the current folder, where it lies in it."""
    here = Path.cwd()
    return str(path.relative_to(here) if path.is_relative_to(here) else path)


class _Bar(bars.Progress):
    """A progress bar that is also the progress function of `lab.book`."""

    def __init__(self, what: str) -> None:
        columns = (
            bars.TextColumn("{task.description}"),
            bars.BarColumn(bar_width=30),
            bars.MofNCompleteColumn(),
            bars.TimeElapsedColumn(),
        )
        super().__init__(*columns, console=console())
        self._task = self.add_task(what, total=None)

    def __call__(self, name: str, done: int, total: int) -> None:
        self.update(self._task, description=name or "done", completed=done, total=total)
        if name and not self.console.is_terminal:
            self.console.print(f"{done + 1} of {total}: {name}", markup=False)
