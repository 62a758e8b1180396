"""What a notebook cell returns: a figure or table as HTML, with caption, stamp and data."""

from __future__ import annotations

import hashlib
import math
import re
from collections.abc import Mapping, Sequence
from dataclasses import KW_ONLY, dataclass
from html import escape

from matplotlib.figure import Figure as Canvas

from privrob.plot.stamp import Data, Stamp, caption_html, data_link, marker_html
from privrob.plot.svg import inline_svg
from privrob.plot.tiers import STYLESHEET, check_source, tier

NO_VALUE = "–"


@dataclass(frozen=True)
class Figure:
    """A finished figure or table: `html` for pages and notebooks, `text` for the rest."""

    html: str
    text: str

    def _repr_html_(self) -> str:
        return self.html

    def _repr_mimebundle_(self, include: object = None, exclude: object = None) -> dict[str, str]:
        return {"text/html": self.html, "text/plain": self.text}

    def __repr__(self) -> str:
        return self.text


@dataclass(frozen=True)
class Value:
    """A number in a table: its mean, interval and count of runs or examples, shown with `digits`.

    `tier` is always said, and for executed values `source`, "quick" or "zoo".
    """

    mean: float
    low: float | None = None
    high: float | None = None
    n: int | None = None
    _: KW_ONLY
    tier: str
    digits: int = 2
    source: str = ""

    def __post_init__(self) -> None:
        tier(self.tier)
        check_source(self.tier, self.source)
        if (self.low is None) != (self.high is None):
            raise ValueError("low and high are given together or not at all")

    def text(self) -> str:
        """As in "recorded 80.4 [79.9, 80.9], n = 3"."""
        return f"{self.tier} " + ", ".join(filter(None, [self._number(), self._spread()]))

    def html(self) -> str:
        """The marker, the word for who listens, the number, and the interval below it."""
        word = f"{self.tier} ({self.source})" if self.source else self.tier
        spread = self._spread()
        below = f'<span class="interval">{spread}</span>' if spread else ""
        # The word is hidden by inline style too: otherwise it would show without the stylesheet.
        hide = "position:absolute;width:1px;height:1px;overflow:hidden;clip-path:inset(50%)"
        heard = f'<span class="hidden-word" style="{hide}">{word}</span>'
        return f"{marker_html(self.tier, self.source)}{heard}&nbsp;{self._number()}{below}"

    def columns(self, name: str) -> dict[str, object]:
        """The value spread over the columns of a data file; nothing is rounded there."""
        facts = {"low": self.low, "high": self.high, "n": self.n, "tier": self.tier}
        return {name: self.mean, **{f"{name} {key}": fact for key, fact in facts.items()}}

    def _number(self) -> str:
        return _fixed(self.mean, self.digits)

    def _spread(self) -> str:
        parts = []
        if self.low is not None and self.high is not None:
            parts.append(f"[{_fixed(self.low, self.digits)}, {_fixed(self.high, self.digits)}]")
        if self.n is not None:
            parts.append(f"n = {self.n}")
        return ", ".join(parts)


Row = Mapping[str, object]


def show(figure: Canvas, *, alt: str, caption: str, stamp: Stamp, data: Data) -> Figure:
    """The figure inside the page, for the eye and the ear.

    `alt` says what is to be seen; `caption` begins with the words of all tiers shown; `data` are
    the numbers drawn, as columns or as rows. `ValueError` where one of these is missing.
    """
    if not alt.strip():
        raise ValueError("alt is empty: say in a sentence what is to be seen")
    svg = inline_svg(figure, alt=alt, salt=f"{caption}\0{stamp.text()}")
    html = _frame(svg, caption=caption, stamp=stamp, data=data)
    return Figure(html, f"{caption}\n[figure: {alt}]\n{stamp.text()}")


def table(rows: Sequence[Row], *, caption: str, stamp: Stamp) -> Figure:
    """Rows of words, numbers and `Value`s as a table that scrolls by itself on a narrow page.

    Columns stand in the order in which the rows first name them; text that opens a row is its
    head.
    """
    if not rows:
        raise ValueError("rows is empty: a table needs one")
    names = list(dict.fromkeys(name for row in rows for name in row))
    head = "".join(f"<th{_words(rows, name)} scope='col'>{escape(name)}</th>" for name in names)
    body = "".join(f"<tr>{_cells(rows, row, names)}</tr>" for row in rows)
    label = escape(caption, quote=True)
    # A region that scrolls must be reachable by keyboard, and then needs a role and a name.
    opening = f'<div class="privrob-table" role="region" tabindex="0" aria-label="{label}"'
    inner = f"<table><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table>"
    wrapped = f'{opening} style="overflow-x:auto">{inner}</div>'
    flat = [_flat(row) for row in rows]
    lines = ["; ".join(f"{name} {_plain(value)}" for name, value in row.items()) for row in rows]
    html = _frame(wrapped, caption=caption, stamp=stamp, data=flat)
    return Figure(html, "\n".join([caption, *lines, stamp.text()]))


def _frame(inner: str, *, caption: str, stamp: Stamp, data: Data) -> str:
    words = caption_html(caption, stamp.tiers)
    link = data_link(data, name=_file_name(caption, stamp))
    below = f"<figcaption>{words} {stamp.html(link=link)}</figcaption>"
    # No empty line may stand in here: in Markdown it would end the block of HTML.
    style = f"<style>{STYLESHEET}</style>"
    return f'<figure class="privrob">{style}{inner}{below}</figure>'


def _file_name(caption: str, stamp: Stamp) -> str:
    words = re.findall(r"[a-z0-9]+", caption.partition(":")[2].lower())[:5]
    digest = hashlib.sha256(f"{caption}\0{stamp.text()}".encode()).hexdigest()[:6]
    return "-".join(["privrob", *words, digest]) + ".csv"


def _words(rows: Sequence[Row], name: str) -> str:
    """The class that sets a column of words to the left."""
    return ' class="words"' if any(isinstance(row.get(name), str) for row in rows) else ""


def _cells(rows: Sequence[Row], row: Row, names: Sequence[str]) -> str:
    cells = []
    for place, name in enumerate(names):
        value = row.get(name)
        head = place == 0 and isinstance(value, str)
        tag, scope = ("th", " scope='row'") if head else ("td", "")
        cells.append(f"<{tag}{_words(rows, name)}{scope}>{_cell(value)}</{tag}>")
    return "".join(cells)


def _cell(value: object) -> str:
    return value.html() if isinstance(value, Value) else escape(_plain(value))


def _plain(value: object) -> str:
    if isinstance(value, Value):
        return value.text()
    if value is None:
        return NO_VALUE
    return f"{value:g}" if isinstance(value, float) else str(value)


def _flat(row: Row) -> dict[str, object]:
    flat: dict[str, object] = {}
    for name, value in row.items():
        flat |= value.columns(name) if isinstance(value, Value) else {name: value}
    return flat


def _fixed(number: float, digits: int) -> str:
    """Fixed digits with a true minus sign, a dash where there is no number."""
    if math.isnan(number):
        return NO_VALUE
    return f"{number:.{digits}f}".replace("-", "\N{MINUS SIGN}")
