"""What all commands share: the app and its errors, the console, common options, tables.

PyTorch takes seconds to import, so commands import what needs it when they run.
"""

import sys
from collections.abc import Iterable, Sequence
from difflib import get_close_matches
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.console import Console
from rich.table import Table
from rich.text import Text
from typer.core import TyperGroup

if TYPE_CHECKING:
    from privrob.lab.registry import Experiment

PROFILES, DEVICES = ("quick", "paper"), ("auto", "cpu", "cuda")
QUICK_NOTE = "quick profile: not the paper's numbers"
STYLES = {
    "fresh": "green",
    "verified": "green",
    "stale": "yellow",
    "missing": "dim",
    "diverged": "red",
}
INTERRUPTED = 130


class Usage(Exception):
    """The command was given something that does not exist; exit code 2."""


def console(*, stderr: bool = False) -> Console:
    """The terminal; where output goes to a file, wide enough for every table."""
    stream = sys.stderr if stderr else sys.stdout
    return Console(stderr=stderr, width=None if stream.isatty() else 140, highlight=False)


def say(text: str = "", *, style: str | None = None) -> None:
    """One line, wrapped at the terminal's width; brackets in it are not markup."""
    console().print(Text(text, style=style or ""))


ORDER = (
    "plan", "run", "show", "claims", "notebooks", "book", "student", "new-notebook", "data",
    "models", "verify", "bench",
)  # fmt: skip


class Group(TyperGroup):
    """Commands whose expected errors are one line and an exit code, never a traceback."""

    def list_commands(self, ctx: Any) -> list[str]:
        return sorted(super().list_commands(ctx), key=[*ORDER, "fetch"].index)

    def invoke(self, ctx: Any) -> Any:
        try:
            return super().invoke(ctx)
        except Usage as error:
            raise fail(error, code=2) from None
        except KeyboardInterrupt:
            raise fail("stopped", code=INTERRUPTED) from None
        except BrokenPipeError:
            raise  # `privrob plan | head`: click ends quietly
        except (ValueError, OSError) as error:
            raise fail(error) from None
        except RuntimeError as error:
            if not _expected(error):
                raise
            raise fail(error) from None


def _expected(error: RuntimeError) -> bool:
    """Whether the package raised it to be read by people."""
    return type(error) is not RuntimeError and type(error).__module__.startswith("privrob.")


def fail(error: object, *, code: int = 1) -> typer.Exit:
    """Print an error; the exception to raise."""
    console(stderr=True).print(Text(f"privrob: {error}", style="red" if code == 1 else ""))
    return typer.Exit(code)


app = typer.Typer(
    cls=Group,
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode="markdown",
    context_settings={"help_option_names": ["-h", "--help"]},
    help="""Train, attack and compare the models of two papers on privacy and robustness.

    Start with `privrob plan` (what is there, what would run) and `privrob book` (the whole book,
    with small models on data that ship with it).""",
)


# -- names --------------------------------------------------------------------------------------


def choose(what: str, name: str, names: Iterable[str]) -> str:
    """`name`, if it is one of `names`; else Usage with the nearest one."""
    names = list(names)
    if name in names:
        return name
    near = get_close_matches(name, names, n=1, cutoff=0.4)
    hint = f"did you mean {near[0]!r}?" if near else f"there are {', '.join(names)}"
    raise Usage(f"no {what} {name!r}; {hint}")


def _profile(value: str) -> str:
    return choose("profile", value, PROFILES)


def _device(value: str) -> str:
    return value if value.startswith("cuda:") else choose("device", value, DEVICES)


def experiments(pattern: str) -> "list[Experiment]":
    """The experiments of a name or a pattern; Usage with the nearest name where there is none."""
    from privrob.lab import registry

    try:
        return registry.matching(pattern)
    except ValueError as error:
        raise Usage(str(error)) from None


# -- options ------------------------------------------------------------------------------------

Pattern = Annotated[
    str,
    typer.Argument(
        metavar="[PATTERN]",
        help="An experiment, as 'tursynbek2020/fgsm', or a pattern in quotes, as "
        "'tursynbek2020/*'. Left out: all.",
    ),
]
Profile = Annotated[
    str,
    typer.Option(
        callback=_profile,
        metavar="quick|paper",
        help="quick: small models on data that ship with the package, minutes. "
        "paper: the paper's settings on its data, hours on a laptop.",
    ),
]
Device = Annotated[
    str,
    typer.Option(
        callback=_device,
        metavar="auto|cpu|cuda",
        help="Where to compute; auto takes a GPU if there is one.",
    ),
]
Threads = Annotated[
    int | None,
    typer.Option(min=1, help="Processor threads to use. Left out: all cores."),
]


def set_threads(threads: int | None) -> None:
    """Limit PyTorch to so many threads."""
    if threads:
        import torch

        torch.set_num_threads(threads)


# -- tables -------------------------------------------------------------------------------------


def table(*columns: str, right: Sequence[str] = (), title: str | None = None) -> Table:
    """An empty table; the columns named in `right` hold numbers."""
    empty = Table(title=title, title_justify="left", header_style="bold", box=None, pad_edge=False)
    for name in columns:
        align = "right" if name in right else "left"
        empty.add_column(name, justify=align, overflow="fold")  # type: ignore[arg-type]
    return empty


def row(empty: Table, *cells: object) -> None:
    """Add a row of plain values; states get their colour."""
    texts = ["" if cell is None else str(cell) for cell in cells]
    empty.add_row(*(Text(text, style=STYLES.get(text, "")) for text in texts))


def show(filled: Table) -> None:
    """Print a table."""
    console().print(filled)
