"""bench: what our steps and attacks cost beside other implementations, on this machine."""

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich import progress as bars

from privrob.cli.base import (
    Device,
    Threads,
    app,
    choose,
    console,
    row,
    say,
    set_threads,
    show,
    table,
)

if TYPE_CHECKING:
    from privrob.lab.files import Manifest


@app.command()
def bench(
    names: Annotated[
        list[str] | None,
        typer.Argument(metavar="[NAME]...", help="Benchmarks, as 'dp_step'. Left out: all."),
    ] = None,
    rounds: Annotated[
        int | None,
        typer.Option(min=1, help="Rounds that count. Left out: each benchmark's own number."),
    ] = None,
    out: Annotated[
        Path | None,
        typer.Option(
            help="File for the result. Left out: records/benchmarks/, under the name of this "
            "machine, its threads and the day; a file that has other benchmarks too is left alone.",
        ),
    ] = None,
    device: Device = "cpu",
    threads: Threads = None,
) -> None:
    """Measure our speed and memory beside other libraries, on this machine.

    All contestants first solve a small problem: one whose answer differs from ours is not timed.
    Then they run in turn, round after round. A ratio below 1 means that ours is faster; in
    brackets stand its quartiles over the rounds. All benchmarks together take about a quarter of
    an hour on two cores.

    The libraries compared with are installed by `make .venv/oracles`; one that is missing is
    left out.

    Example: `privrob bench dp_step --threads 1`

    Example: `privrob bench --rounds 3 --out quick-look.json`
    """
    from privrob.device import resolve
    from privrob.lab import benchmark_results as results
    from privrob.lab import benchmarks

    known = benchmarks.names()
    wanted = list(dict.fromkeys(choose("benchmark", name, known) for name in names or known))
    set_threads(threads)
    on, load = resolve(device), results.load_average()
    subjects: dict[str, Any] = {}
    with _Bar(wanted) as bar:
        for name in wanted:
            subjects[name] = benchmarks.measure(name, device=on, rounds=rounds, on_step=bar)
            record = results.result(subjects, device=on, load=load)
            path = out or results.place(record, subjects=wanted)
            results.save(record, path)  # anew after each, so that a stop loses one at most
            bar.next()
    _show(record)
    say(f"written: {path}")


def _show(record: "Manifest") -> None:
    """A table for each subject, then the goals of what was measured."""
    from privrob.lab.benchmark_goals import LIMITS, judge

    for subject in record["subjects"].values():
        _show_subject(subject)
    goals = table("goal", "limit", "measured", "", right=["limit", "measured"])
    for outcome in judge(record["subjects"]):
        if outcome.goal.subject in record["subjects"]:
            word = {True: "met", False: "not met", None: outcome.missing}[outcome.met]
            ratio = "" if outcome.ratio is None else spread(outcome.ratio)
            row(
                goals, f"{outcome.goal.ours} / {outcome.goal.peer}", outcome.goal.limit, ratio, word
            )
    for limit in (each for each in LIMITS if each.subject in record["subjects"]):
        needed = limit.needed(record["subjects"])
        measured = "" if needed is None else f"{needed:.1f} {limit.unit}"
        row(
            goals,
            limit.ours,
            f"{limit.most:g} {limit.unit}",
            measured,
            limit.verdict(record["subjects"]),
        )
    show(goals)


def _show_subject(subject: dict[str, Any]) -> None:
    everyone = subject["contestants"]
    ours = [name for name, note in everyone.items() if note["ours"]]
    heads = ["ms", "peak MiB", *(f"{name} /" for name in ours)]
    lines = table(subject["title"], *heads, right=heads)
    for name, note in everyone.items():
        if "seconds" not in note:
            row(lines, name, note["skipped"] or "another answer: no ratio")
            continue
        found = [everyone[mine].get("ratios", {}).get(name) for mine in ours]
        cells = ["" if r is None else spread(r) for r in found]
        row(lines, name, f"{1000 * note['seconds'][0]:.1f}", note["peak_mib"], *cells)
    show(lines)
    say()


def spread(ratio: Sequence[float]) -> str:
    """'0.84 [0.81, 0.88]': median and quartiles."""
    return f"{ratio[0]:.2f} [{ratio[1]:.2f}, {ratio[2]:.2f}]"


class _Bar(bars.Progress):
    """Progress over all benchmarks, with the time left by the rounds so far."""

    def __init__(self, names: Sequence[str]) -> None:
        columns = (
            bars.TextColumn("{task.description}"),
            bars.BarColumn(bar_width=30),
            bars.TaskProgressColumn(),
            bars.TimeRemainingColumn(),
        )
        super().__init__(*columns, console=console())
        self._count, self._finished, self._said = len(names), 0, ""
        self._task = self.add_task("", total=self._count)

    def __call__(self, what: str, done: int, total: int) -> None:
        share = self._finished + done / total
        self.update(self._task, description=what, completed=share)
        if what != self._said and not self.console.is_terminal:
            self.console.print(what, markup=False)
        self._said = what

    def next(self) -> None:
        """The benchmark at work is done."""
        self._finished += 1
        self.update(self._task, completed=self._finished)
