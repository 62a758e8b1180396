"""Small pieces of the generated pages: chips, tables, a page."""

from collections.abc import Iterable, Sequence
from html import escape

Cell = str | int | float | None


def chip(kind: str, word: str, text: str | None = None) -> str:
    """A tier, verdict or state as the book's style sheet marks it; `text` in place of the word."""
    shown = escape(word if text is None else text)
    return f'<span class="{kind} {kind}-{word.replace(" ", "-")}">{shown}</span>'


def table(head: Sequence[str], rows: Iterable[Sequence[Cell]]) -> str:
    """An HTML table that scrolls inside its own box on a narrow screen; cells are HTML."""
    line = "".join(f'<th scope="col">{name}</th>' for name in head)
    body = "\n".join(
        "<tr>" + "".join(f"<td>{'' if c is None else c}</td>" for c in row) + "</tr>"
        for row in rows
    )
    return (
        '<div class="privrob-table" tabindex="0">\n<table class="table">\n'
        f"<thead><tr>{line}</tr></thead>\n<tbody>\n{body}\n</tbody>\n</table>\n</div>\n"
    )


def raw(html: str) -> str:
    """HTML as a block of a MyST page that nothing reads as Markdown."""
    return f"```{{raw}} html\n{html}\n```"


def page(title: str, *parts: str) -> str:
    """A MyST page."""
    return "\n\n".join([f"# {title}", *parts]) + "\n"


def duration(minutes: float) -> str:
    """Minutes as people say them: '20 s', '9 min', '2 h 05 min'."""
    if minutes < 1:
        return f"{max(1, round(60 * minutes))} s" if minutes else "0 s"
    hours, rest = divmod(round(minutes), 60)
    return f"{hours} h {rest:02d} min" if hours else f"{rest} min"
