"""plan, run and show: what is there, what would run, running it, and one experiment in full."""

import signal
import time
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Annotated, Any

import typer

from privrob.cli.base import (
    QUICK_NOTE,
    Device,
    Pattern,
    Profile,
    Threads,
    app,
    experiments,
    row,
    say,
    set_threads,
    show,
    table,
)
from privrob.lab.markup import duration

if TYPE_CHECKING:
    from privrob.lab.registry import Experiment, Variant
    from privrob.lab.run import Lab, Result, Step
    from privrob.lab.spec import Spec

PATIENCE = 5  # seconds


def wanted(pattern: str, profile: str) -> "list[Variant]":
    """The runs of all experiments of a pattern, in a profile."""
    return [v for experiment in experiments(pattern) for v in experiment.variants(profile)]


@app.command()
def plan(pattern: Pattern = "*", profile: Profile = "quick") -> None:
    """Show what is stored, what would run, and how long that takes.

    fresh: computed by today's code. verified: older, and repeated in part with today's code.
    stale: older, and not checked since. missing: `privrob run` would compute it. diverged: it, or
    a model that it needs, was trained in vain; the manifest in `diverged/` under the results says
    how, and once that is deleted `privrob run` tries again.

    Example: `privrob plan 'tursynbek2020/*' --profile paper`
    """
    _show_plan(wanted(pattern, profile), profile)


def _show_plan(variants: "Sequence[Variant]", profile: str) -> None:
    """A table of all units that the variants need, and a line that sums it up."""
    from privrob.lab.costs import describe
    from privrob.lab.run import Lab, open_store

    steps = Lab(open_store(profile), on="cpu").plan([v.spec for v in variants])
    notes = _notes(variants)
    lines = table("unit", "", "state", "time", "key", right=["time"])
    for step in steps:
        time = ("about " if step.state == "missing" else "") + duration(step.minutes)
        row(lines, describe(step.spec), notes.get(step.key), step.state, time, step.key)
    if steps:
        show(lines)
    say(_summary(steps, profile))
    if profile == "quick" and steps:
        say(QUICK_NOTE, style="yellow")


def _notes(variants: "Sequence[Variant]") -> dict[str, str]:
    """Key of a unit, or of the model behind it -> its note, where all who need it have the same."""
    from privrob.lab.run import key_of

    found: dict[str, set[str]] = {}
    for v in variants:
        for spec in (v.spec, v.train):
            found.setdefault(key_of(spec), set()).add(v.note)
    return {key: next(iter(notes)) if len(notes) == 1 else "" for key, notes in found.items()}


def _summary(steps: "Sequence[Step]", profile: str) -> str:
    """'12 units in profile paper: 8 fresh, 4 missing, about 40 min to compute'."""
    if not steps:
        return f"nothing in profile {profile}"
    states = ("fresh", "verified", "stale", "missing", "diverged")
    counts = {state: sum(s.state == state for s in steps) for state in states}
    words = ", ".join(f"{n} {state}" for state, n in counts.items() if n)
    left = sum(s.minutes for s in steps if s.state == "missing")
    cost = f", about {duration(left)} to compute on two cores" if left else ""
    return f"{len(steps)} units in profile {profile}: {words}{cost}"


# -- run ----------------------------------------------------------------------------------------


@app.command()
def run(
    pattern: Pattern = "*",
    profile: Profile = "quick",
    device: Device = "auto",
    threads: Threads = None,
    minutes: Annotated[
        float | None,
        typer.Option(min=0, help="A budget: no unit is begun after so many minutes."),
    ] = None,
) -> None:
    """Compute what is missing, and keep it.

    Results that are there are left alone. Stop at any time with Ctrl-C and give the same command
    again to go on: at most the current epoch of a training is lost.

    Example: `privrob run tursynbek2020/fgsm`

    Example: `privrob run 'tursynbek2020/*' --profile paper --minutes 30`
    """
    again = _command(pattern, profile, device, threads)
    with _stops_in_order(again):
        from privrob.cli.progress import Progress
        from privrob.lab.run import Lab, open_store

        set_threads(threads)
        specs = [v.spec for v in wanted(pattern, profile)]
        lab = Lab(open_store(profile), on=device)
        steps = lab.plan(specs)
        say(_summary(steps, profile))
        with Progress([s for s in steps if s.state == "missing"]) as progress:
            lab.listener = progress.listen
            for result in lab.run(specs, budget_minutes=minutes):
                progress.finish(result)
                progress.say(_line(result))
        _say_what_is_left(lab, specs, minutes, again)
    if profile == "quick" and steps:
        say(QUICK_NOTE, style="yellow")


@contextmanager
def _stops_in_order(again: str) -> Iterator[None]:
    """On Ctrl-C, or a scheduler's SIGTERM: say how to go on, then exit with 128 + the signal.

    More signals shortly after the first change nothing: the process is about to end, and must not
    do so half-way through its cleaning up.
    """
    received: list[tuple[float, int]] = []

    def stop(number: int, frame: object) -> None:
        if not received or time.monotonic() - received[-1][0] > PATIENCE:
            received.append((time.monotonic(), number))
            raise KeyboardInterrupt

    handlers = {n: signal.getsignal(n) for n in (signal.SIGINT, signal.SIGTERM)}
    handlers = {n: h for n, h in handlers.items() if h is not signal.SIG_IGN}  # as nohup sets it
    for number in handlers:
        signal.signal(number, stop)
    try:
        yield
    except KeyboardInterrupt:
        handlers = dict.fromkeys(handlers, signal.SIG_IGN)  # to the end of the process
        say(f"stopped; at most the current epoch is lost. To go on: {again}")
        raise typer.Exit(128 + (received[-1][1] if received else signal.SIGINT)) from None
    finally:
        for number, handler in handlers.items():
            signal.signal(number, handler)


def _say_what_is_left(lab: "Lab", specs: "list[Spec]", minutes: float | None, again: str) -> None:
    left = [step for step in lab.plan(specs) if step.state == "missing"]
    if left and minutes is not None:
        cost = duration(sum(step.minutes for step in left))
        say(f"the budget of {minutes:g} minutes is spent; {len(left)} units left, about {cost}")
        say(f"to go on: {again}")


def _command(pattern: str, profile: str, device: str, threads: int | None) -> str:
    """The command line that goes on where this one stopped."""
    words = ["privrob run", f"'{pattern}'" if "*" in pattern else pattern, f"--profile {profile}"]
    words += [f"--device {device}"] if device != "auto" else []
    words += [f"--threads {threads}"] if threads else []
    return " ".join(words)


def _line(result: "Result") -> str:
    """One finished unit: what it was, how long it took, and its headline."""
    from privrob.lab.costs import describe
    from privrob.lab.headline import headline

    taken = duration(result.manifest["seconds"] / 60)
    return f"{describe(result.spec)}: {headline(result)} ({taken})"


# -- show ---------------------------------------------------------------------------------------


@app.command(name="show")
def show_experiment(
    name: Annotated[str, typer.Argument(help="An experiment, as 'tursynbek2020/fgsm'.")],
    profile: Profile = "paper",
) -> None:
    """Show one experiment: what the paper printed, every setting, the cost, and what is stored.

    Example: `privrob show tursynbek2020/fgsm`

    Example: `privrob show tursynbek2020/pgd --profile quick`
    """
    for experiment in experiments(name):
        variants = experiment.variants(profile)
        say(f"{experiment.name}: {experiment.title}", style="bold")
        say(f"{experiment.paper}, {experiment.locus}")
        _show_claims(experiment)
        _show_settings(variants)
        seeds = ", ".join(str(s) for s in sorted({v.seed for v in variants})) or "none"
        say(f"\nseeds: {seeds}; command: privrob run {experiment.name} --profile {profile}\n")
        _show_plan(variants, profile)


def _show_claims(experiment: "Experiment") -> None:
    from privrob.lab import statements

    claims = [c for c in statements.load() if c.experiment == experiment.name]
    lines = table("published", "", "where", "claim", right=["published"])
    for claim in claims:
        row(lines, claim.published, claim.unit, claim.locus, claim.statement)
    if claims:
        say()
        show(lines)


def _show_settings(variants: "Sequence[Variant]") -> None:
    """What all runs share, then a line for each model, reading and note with what differs."""
    settings = {(v.model, v.reading, v.note): _settings(v) for v in variants}
    if not settings:
        return
    names = dict.fromkeys(name for each in settings.values() for name in each)
    values = {name: [each.get(name, "-") for each in settings.values()] for name in names}
    shared = {name: v[0] for name, v in values.items() if len(set(v)) == 1}
    _show_shared(shared)
    differing = [name for name in names if name not in shared]
    lines = table("model", "reading", "", *(n.rpartition(".")[2] for n in differing))
    for which, each in settings.items():
        row(lines, *which, *(each.get(name, "-") for name in differing))
    say()
    show(lines)


def _show_shared(shared: dict[str, str]) -> None:
    lines = table("setting", "value of all runs")
    for name, value in shared.items():
        row(lines, name, value)
    say()
    show(lines)


def _settings(variant: "Variant") -> dict[str, str]:
    """Every setting by its dotted name, as text; the seed and the reading are shown elsewhere."""
    from privrob.lab import registry

    found = registry.settings(variant.spec, labels=True)
    hidden = ("seed", "reading", "type")
    methods = {n: v for n, v in found.items() if n.endswith("training.type")}
    kept = {n: v for n, v in found.items() if n.rpartition(".")[2] not in hidden}
    return {name: _text(value) for name, value in (methods | kept).items()}


def _text(value: Any) -> str:
    if value is None:
        return "all"
    if isinstance(value, list) and len(value) > 6:
        return f"{_numbers(value[:2])}, ... {_numbers(value[-1:])} ({len(value)} values)"
    return _numbers(value) if isinstance(value, list) else _numbers([value])


def _numbers(values: Iterable[Any]) -> str:
    return ", ".join(f"{v:g}" if isinstance(v, float) else str(v) for v in values)
