"""Where a figure comes from: the line below it, its caption's tier words, and its data as CSV."""

from __future__ import annotations

import csv
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from html import escape
from io import StringIO
from urllib.parse import quote

from privrob.plot.tiers import HOLLOW, TIERS, symbol, tier

STATES = ("fresh", "verified", "stale")
_KEY_LETTERS = 10
_KEYS_SHOWN = 3

_WORD = rf"\b({'|'.join(TIERS)})\b(?: \(([^)]*)\))?"
_LEAD = re.compile(rf"{_WORD}(?:(?:, and |, | and ){_WORD})*", re.IGNORECASE)

Data = Mapping[str, Sequence[object]] | Sequence[Mapping[str, object]]


@dataclass(frozen=True)
class Stamp:
    """The evidence behind a figure. `seeds` is empty where chance plays no part; `keys` name the
    stored results, in full; `command` makes the figure again."""

    tiers: tuple[str, ...]
    profile: str
    device: str
    seeds: tuple[int, ...]
    date: str
    keys: tuple[str, ...]
    state: str
    command: str

    def __post_init__(self) -> None:
        if not self.tiers:
            raise ValueError("tiers is empty: a stamp names at least one")
        for word in self.tiers:
            tier(word)
        if self.state not in STATES:
            raise ValueError(f"state {self.state!r} is unknown; it is one of {', '.join(STATES)}")

    def text(self) -> str:
        """The stamp as one line of plain text, keys in full."""
        state = self.state.upper() if self.state == "stale" else self.state
        parts = [" + ".join(self.tiers), *self._facts(), _counted("key", self.keys), state]
        return " · ".join(filter(None, [*parts, f"make it again: {self.command}"]))

    def html(self, *, link: str) -> str:
        """The stamp as a line of HTML; `link` is the element that offers the data."""
        facts = [escape(part) for part in [" + ".join(self.tiers), *self._facts()] if part]
        again = f"make it again: <code>{escape(self.command)}</code>"
        parts = [*facts, self._keys_html(), _state_html(self.state), again, link]
        return f'<span class="stamp">{" · ".join(filter(None, parts))}</span>'

    def _facts(self) -> list[str]:
        profile = f"profile {self.profile}" if self.profile else ""
        return [profile, self.device, _counted("seed", self.seeds), self.date]

    def _keys_html(self) -> str:
        if not self.keys:
            return ""
        shown = ", ".join(escape(key[:_KEY_LETTERS]) for key in self.keys[:_KEYS_SHOWN])
        more = len(self.keys) - _KEYS_SHOWN
        tail = f" and {more} more" if more > 0 else ""
        word = "keys" if len(self.keys) > 1 else "key"
        return (
            f'<span title="{escape(", ".join(self.keys))}">{word} <code>{shown}</code>{tail}</span>'
        )


def _counted(word: str, values: Iterable[object]) -> str:
    listed = [str(value) for value in values]
    return f"{word}{'s' if len(listed) > 1 else ''} {', '.join(listed)}" if listed else ""


def _state_html(state: str) -> str:
    if state != "stale":
        return escape(state)
    # The border is inline as well: a stale result must show where no stylesheet applies.
    box = "border:1.5px solid currentColor;padding:0 .35em;font-weight:700"
    return f'<strong class="stale" style="{box}">⚠ stale: the code has changed since</strong>'


def caption_html(caption: str, tiers: Sequence[str]) -> str:
    """The caption with its leading tier words as badges, which are the figure's colour key.

    A caption begins with the words of all its tiers: "Published, recorded and executed (quick):
    ...". In brackets stands what executed values were computed with.
    """
    lead = _LEAD.match(caption)
    if lead is None:
        raise ValueError(f"a caption begins with a tier word ({', '.join(TIERS)}): {caption!r}")
    named = {match[1].lower() for match in re.finditer(_WORD, lead.group(), re.IGNORECASE)}
    if named != set(tiers):
        raise ValueError(f"the caption names {sorted(named)}, the stamp {sorted(set(tiers))}")
    badges = re.sub(_WORD, _badge, lead.group(), flags=re.IGNORECASE)
    return f"{badges}{escape(caption[lead.end() :])}"


def _badge(match: re.Match[str]) -> str:
    word, bracket = match[1], match[2]
    source = HOLLOW if (bracket or "").startswith(HOLLOW) else ""
    note = f" ({escape(bracket)})" if bracket else ""
    return f'<span class="badge-tier">{marker_html(word.lower(), source)} {word}</span>{note}'


def marker_html(word: str, source: str = "") -> str:
    """The tier's character in its colour, for the eye only: the word stands beside it."""
    colour = tier(word).css_colour
    return (
        f'<span class="tier-{word}" style="color:{colour}" aria-hidden="true">'
        f"{symbol(word, source)}</span>"
    )


def to_csv(data: Data) -> str:
    """Columns, or rows that may lack some of the columns, as CSV text with a header."""
    rows = _rows(data)
    names = list(dict.fromkeys(name for row in rows for name in row))
    buffer = StringIO()
    writer = csv.DictWriter(buffer, names, restval="", lineterminator="\n")
    writer.writeheader()
    writer.writerows(rows)
    return buffer.getvalue()


def _rows(data: Data) -> list[dict[str, object]]:
    if not isinstance(data, Mapping):
        return [dict(row) for row in data]
    lengths = {name: len(column) for name, column in data.items()}
    if len(set(lengths.values())) > 1:
        raise ValueError(f"columns differ in length: {lengths}")
    return [dict(zip(data, row, strict=True)) for row in zip(*data.values(), strict=True)]


def data_link(data: Data, *, name: str) -> str:
    """A link that hands out the data from the page itself; nothing is fetched."""
    uri = "data:text/csv;charset=utf-8," + quote(to_csv(data))
    return f'<a download="{escape(name)}" href="{uri}">data (CSV)</a>'
