"""data, models and verify: what is kept, where, and whether it is whole."""

from collections.abc import Iterator
from typing import TYPE_CHECKING, Annotated, Any

import typer

from privrob.cli.base import (
    Device,
    Group,
    Profile,
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
from privrob.cli.compute import wanted

if TYPE_CHECKING:
    from privrob.lab.recompute import Outcome
    from privrob.lab.run import Lab, Result
    from privrob.zoo import Entry


# -- data ---------------------------------------------------------------------------------------

data_app = typer.Typer(cls=Group, invoke_without_command=True)
app.add_typer(data_app, name="data")


@data_app.callback()
def data(
    context: typer.Context,
    check: Annotated[
        bool, typer.Option("--check", help="Read each one and compare its checksum: seconds each.")
    ] = False,
) -> None:
    """Show which data sets are here, and where.

    Real ones are looked for in the folder that $PRIVROB_DATA names, then among downloads.

    Example: `privrob data --check`

    Example: `privrob data fetch mnist`
    """
    if context.invoked_subcommand:
        return
    from privrob.data import NAMES, locate

    lines = table("data set", "found", *(["contents"] if check else []), "where")
    for name in NAMES:
        place = locate(name)
        contents = [_contents(name) if place.found else ""] if check else []
        row(lines, name, place.kind, *contents, place.reason)
    show(lines)


def _contents(name: str) -> str:
    """The known variant that the contents are, or what is wrong with them."""
    from privrob.data import load

    try:
        return load(name).variant
    except (ValueError, OSError) as error:
        return str(error)


@data_app.command()
def fetch(
    name: Annotated[str, typer.Argument(help="A data set, as 'mnist'.")],
) -> None:
    """Download a data set into your cache folder, and check it.

    Example: `privrob data fetch mnist`
    """
    from privrob.data import NAMES, load, locate

    choose("data set", name, NAMES)
    variant = load(name, download=True).variant
    say(f"{name}: {locate(name).reason} ({variant})")


# -- models -------------------------------------------------------------------------------------


@app.command()
def models(
    keep: Annotated[
        bool,
        typer.Option("--keep", help="First add the base models of all stored full-scale results."),
    ] = False,
) -> None:
    """List the zoo: full-scale models whose weights are kept.

    In Python: `zoo.load('tursynbek2020/dpsgd', seed=0)`.

    Example: `privrob models`
    """
    from privrob import zoo
    from privrob.lab.run import Lab, open_store

    lab = Lab(open_store("paper"), on="cpu")
    if keep:
        for line in _keep_all(lab):
            say(line)
    lines = table("model", "seed", "network", "clean accuracy", "bytes", right=["bytes"])
    for entry in zoo.entries():
        network = ", ".join([entry.network, *(f"{k} {v}" for k, v in entry.settings.items())])
        row(lines, entry.name, entry.seed, network, _accuracy(lab, entry), entry.bytes)
    show(lines)


def _accuracy(lab: "Lab", entry: "Entry") -> str:
    from privrob.lab.spec import KINDS, Train

    kinds = (kind for kind, of in KINDS.items() if issubclass(of, Train))
    record = next(filter(None, (lab.store.find(kind, entry.key) for kind in kinds)), None)
    return f"{record.arrays['correct_test'].mean():.2%}" if record else "no record"


def _keep_all(lab: "Lab") -> Iterator[str]:
    """Copy the stored weights of every model of the zoo into it; a line on each."""
    from privrob import zoo
    from privrob.lab import registry
    from privrob.lab.spec import Pretrained

    for name, train in registry.zoo_models():
        found = lab.lookup(train)
        raw = lab.store.weight_bytes(found.record) if found else None
        if found is None or raw is None:
            yield f"{name}, seed {train.seed}: no {'weights' if found else 'result'} here"
            continue
        model = train.kept if isinstance(train, Pretrained) else train.model
        facts: dict[str, Any] = {"network": model.name, "settings": model.settings}
        zoo.keep(name, seed=train.seed, raw=raw, key=found.key, **facts)
        yield f"{name}, seed {train.seed}: kept"


# -- verify -------------------------------------------------------------------------------------


@app.command()
def verify(
    recompute: Annotated[
        bool,
        typer.Option(
            "--recompute", help="Also repeat a part of each result with today's code and compare."
        ),
    ] = False,
    name: Annotated[
        str,
        typer.Option(metavar="PATTERN", help="Which experiments to recompute: name or pattern."),
    ] = "*",
    stale: Annotated[
        bool,
        typer.Option("--stale", help="Recompute only what is stale, which takes minutes less."),
    ] = False,
    profile: Profile = "paper",
    device: Device = "auto",
    threads: Threads = None,
) -> None:
    """Check that stored results and the zoo are whole; exit code 1 if anything is broken.

    With --recompute, results of the experiments named are computed again on the first test images
    and compared image by image. Agreement makes a stale result verified; --stale leaves out those
    that are not.

    Example: `privrob verify --recompute --name 'tursynbek2020/*'`
    """
    from privrob.lab.run import open_store
    from privrob.lab.verify import verify_all

    set_threads(threads)
    store = open_store("quick")  # which reads the results of both profiles
    findings = verify_all(store)
    for finding in findings:
        say(str(finding), style="red")
    total = len(store.manifests())
    say(f"{total} results and the zoo: {len(findings) or 'nothing'} broken")
    disagree = recompute and not findings and _recompute(name, profile, device, stale=stale)
    if findings or disagree:
        raise typer.Exit(1)


def _recompute(pattern: str, profile: str, device: str, *, stale: bool) -> bool:
    """Repeat a slice of every stored (or stale) result of the pattern; whether any disagrees."""
    from privrob.lab import recompute as again
    from privrob.lab.costs import describe
    from privrob.lab.run import Lab, open_store

    lab = Lab(open_store(profile), on=device)
    outcomes: list[Outcome] = []
    for result in _stored(lab, pattern, profile):
        if stale and result.state != "stale":
            continue
        with console().status(describe(result.spec)):
            outcomes.append(again.recompute(result, lab))
        say(f"{describe(result.spec)}: {outcomes[-1]}")
    words = {True: "agree", False: "disagree", None: "could not be checked"}
    counts = {word: sum(o.agrees is key for o in outcomes) for key, word in words.items()}
    say(", ".join(f"{n} {word}" for word, n in counts.items()))
    return counts["disagree"] > 0


def _stored(lab: "Lab", pattern: str, profile: str) -> "Iterator[Result]":
    from privrob.lab.run import graph

    for spec in graph(v.spec for v in wanted(pattern, profile)):
        if found := lab.lookup(spec):
            yield found
