"""How the claims of an exhibit fared, as bars whose parts add up to all of them, and as lines."""

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from html import escape
from itertools import groupby

from privrob.lab.claims import HEADLINE, Entry
from privrob.lab.markup import Cell, chip, raw
from privrob.lab.verdicts import WORDS

ARITHMETIC = "arithmetic"
_DATA_SETS = {"cifar10": "CIFAR-10", "fashion-mnist": "Fashion-MNIST", "yale": "Yale Face"}


@dataclass(frozen=True)
class Bar:
    """The verdicts on some claims by word, in one reading or of their arithmetic.

    Arithmetic on printed values is counted apart: it needs no run, so it must not make an exhibit
    look reproduced.
    """

    name: str  # a reading, or 'arithmetic'
    words: Mapping[str, int]

    @property
    def total(self) -> int:
        """The denominator: every claim, judged or not."""
        return sum(self.words.values())

    def text(self, what: str) -> str:
        """The bar in words: '10 reproduced, 12 not reproduced, of 22'."""
        counts = ", ".join(f"{n} {word}" for word, n in self.words.items() if n)
        return f"{what}, {self.name}: {counts}, of {self.total}"


def bars(entries: Sequence[Entry]) -> list[Bar]:
    """A bar for each reading of what needs runs, the headline's first, and one for arithmetic.

    Every reading has the same denominator: what was not attempted in it counts as that.
    """
    runs = [e for e in entries if e.tier == "recorded"]
    sums = [e for e in entries if e.tier == "derived"]
    found = [_bar(HEADLINE, [e.headline.verdict.word for e in runs])]
    if any(e.matched for e in runs):
        words = [e.matched.verdict.word if e.matched else "not attempted" for e in runs]
        found.append(_bar("matched", words))
    found.append(_bar(ARITHMETIC, [e.headline.verdict.word for e in sums]))
    return [bar for bar in found if bar.total]


def _bar(name: str, words: Sequence[str]) -> Bar:
    return Bar(name, {word: words.count(word) for word in WORDS})


# -- names --------------------------------------------------------------------------------------


def exhibit_title(name: str) -> str:
    """'table1' -> 'Table 1', 'section3.1' -> 'Section 3.1', 'clean' -> 'Clean'."""
    if name in _DATA_SETS:
        return _DATA_SETS[name]
    head, tail = re.findall(r"(\D*)(.*)", name)[0]
    return f"{head.replace('-', ' ').capitalize()} {tail}".strip()


def anchor(paper: str, exhibit: str) -> str:
    """The name of an exhibit's section on the claims page."""
    return f"claims-{paper}-{exhibit}".replace(".", "-")  # as Sphinx would make it


def by_exhibit(entries: Sequence[Entry]) -> Iterator[tuple[str, str, list[Entry]]]:
    """Paper, exhibit and its claims: papers and exhibits by name, numbers in them as numbers."""
    groups: dict[tuple[str, str], list[Entry]] = {}
    for entry in entries:
        groups.setdefault((entry.claim.paper, entry.claim.exhibit), []).append(entry)
    for paper, exhibit in sorted(groups, key=lambda name: (name[0], _natural(name[1]))):
        yield paper, exhibit, groups[paper, exhibit]


def _natural(name: str) -> list[str | int]:
    return [int(part) if part.isdigit() else part for part in re.findall(r"\d+|\D+", name)]


# -- as HTML ------------------------------------------------------------------------------------


def bars_html(entries: Sequence[Entry], *, what: str, link: str = "") -> str:
    """The bars of some claims, one a line; the first is named `what` where there is a link."""
    lines = []
    for n, bar in enumerate(bars(entries)):
        name = f'<a href="{escape(link)}">{escape(what)}</a> ' if link and not n else ""
        lines.append(_line(bar, what=what, name=f"{name}<span>{bar.name}</span>"))
    return '<div class="bar-group">\n' + "\n".join(lines) + "\n</div>"


def _line(bar: Bar, *, what: str, name: str) -> str:
    parts = "".join(_part(word, n) for word, n in bar.words.items() if n)
    return (
        f'<div class="bar-line bar-{bar.name}"><span class="bar-name">{name}</span>'
        f'<span class="bar" role="img" aria-label="{escape(bar.text(what))}">{parts}</span>'
        f'<span class="bar-total">of {bar.total}</span></div>'
    )


def _part(word: str, n: int) -> str:
    """A part as long as its count, which stands in it after the verdict's own marker."""
    part = chip("verdict", word, str(n))
    return part.replace("<span", f'<span style="flex-grow:{n}" title="{n} {word}"', 1)


def key_html(entries: Sequence[Entry], *, page: str) -> str:
    """The verdicts that occur; those of headlines link to the claims page filtered by them."""
    headlines = {e.headline.verdict.word for e in entries}
    used = headlines | {a.verdict.word for e in entries for a in e.assessments}
    chips = {word: chip("verdict", word) for word in WORDS if word in used}
    for word in headlines:
        chips[word] = f'<a href="{page}#verdict={word.replace(" ", "+")}">{chips[word]}</a>'
    return f'<p class="bar-key">{" ".join(chips.values())}</p>'


def overview(entries: Sequence[Entry], *, page: str) -> str:
    """Every exhibit's bars, by paper, with links to the claims page."""
    parts = [key_html(entries, page=page)]
    for paper, group in groupby(by_exhibit(entries), key=lambda item: item[0]):
        parts.append(f'<div class="bars"><p class="bar-paper">{escape(paper)}</p>')
        for _, exhibit, claims in group:
            link = f"{page}#{anchor(paper, exhibit)}"
            parts.append(bars_html(claims, what=exhibit_title(exhibit), link=link))
        parts.append("</div>")
    return raw("\n".join(parts))


# -- as Markdown --------------------------------------------------------------------------------


def lines(entries: Sequence[Entry]) -> list[str]:
    """The same counts as a Markdown table that any viewer shows."""
    head = ["paper", "exhibit", "reading", *WORDS, "claims"]
    rows: list[list[Cell]] = [
        [paper, exhibit_title(exhibit), bar.name, *(n or "" for n in bar.words.values()), bar.total]
        for paper, exhibit, group in by_exhibit(entries)
        for bar in bars(group)
    ]
    every: list[Sequence[Cell]] = [head, ["---"] * len(head), *rows]
    return ["| " + " | ".join(str(cell) for cell in row) + " |" for row in every]
