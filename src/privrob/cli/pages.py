"""claims, notebooks and book: what readers see."""

import json
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
    """List what the papers claim and whether our full-scale runs reproduce it.

    A line for each claim and reading: literal (the settings as stated), which is the headline, and
    matched (the smallest change that reaches the printed clean accuracies). Verdicts rest on
    recorded full-scale results alone.

    Example: `privrob claims --verdict 'not reproduced'`

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
        if paper in (None, e.claim.paper) and verdict in (None, e.headline.verdict.word)
    ]
    if as_json:
        typer.echo(json.dumps(ledgers.to_json(entries), indent=1, ensure_ascii=False))
        return
    _show_ledger(entries)
    for tally in ledgers.summary(everything):
        words = ", ".join(f"{n} {word}" for word, n in tally.words.items() if n)
        what = "claims" if tally.tier == "recorded" else "pieces of arithmetic"
        say(f"{tally.paper}, {tally.exhibit}: {words}; of {tally.total} {what}")


def _show_ledger(entries: "list[Entry]") -> None:
    lines = table(
        "claim", "reading", "published", "ours", "95 % interval", "n", "verdict",
        right=["published", "ours", "n"],
    )  # fmt: skip
    for entry in entries:
        for assessment in entry.assessments:
            row(lines, *_cells(entry, assessment))
    show(lines)


def _cells(entry: "Entry", assessment: "Assessment") -> list[Any]:
    claim, evidence = entry.claim, assessment.evidence
    first = assessment is entry.headline
    words = [claim.id if first else "", assessment.reading, claim.published if first else ""]
    if evidence is None:
        return [*words, "", "", "", assessment.verdict]
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
