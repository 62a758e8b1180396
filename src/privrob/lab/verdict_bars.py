"""How the claims of an exhibit fared, as bars whose parts add up to all of them, and as lines."""

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from html import escape
from itertools import groupby

from privrob.lab.claims import HEADLINE, Assessment, Entry
from privrob.lab.markup import Cell, chip, raw
from privrob.lab.verdicts import WORDS, Verdict, counts

ARITHMETIC = "arithmetic"
_STORED = {"cifar10": "CIFAR-10", "fashion-mnist": "Fashion-MNIST", "yale": "Yale Face"}
_OURS = {"controls-cifar": "Controls, CIFAR-10", "leaks-cifar": "Leaks, CIFAR-10"}


@dataclass(frozen=True)
class Bar:
    """The verdicts on some claims by word, in one reading or of their arithmetic.

    Arithmetic on printed values is counted apart: it needs no run, so it must not make an exhibit
    look reproduced.
    """

    name: str  # a reading, or 'arithmetic'
    words: Mapping[str, int]
    stale: int = 0  # of these verdicts, how many rest on stale records

    @property
    def total(self) -> int:
        """The denominator: every claim, judged or not."""
        return sum(self.words.values())

    def text(self, what: str) -> str:
        """The bar in words: '10 reproduced, 12 not reproduced, of 22'."""
        parts = ", ".join(f"{n} {word}" for word, n in self.words.items() if n)
        return f"{what}, {self.title}: {parts}, of {self.total}"

    @property
    def title(self) -> str:
        """Its name, and how much of it rests on stale records."""
        return f"{self.name} ({self.stale} on stale records)" if self.stale else self.name


def bars(entries: Sequence[Entry]) -> list[Bar]:
    """A bar for each reading of what needs runs, the headline's first, and one for arithmetic.

    Every reading has the same denominator: what was not attempted in it counts as that, also a
    claim on models that run in the matched reading alone.
    """
    runs = [e for e in entries if e.tier == "recorded"]
    sums = [e for e in entries if e.tier == "derived"]
    found = [_bar(HEADLINE, [_verdict(e.literal) for e in runs])]
    if any(e.matched for e in runs):
        found.append(_bar("matched", [_verdict(e.matched) for e in runs]))
    found.append(_bar(ARITHMETIC, [e.headline.verdict for e in sums]))
    return [bar for bar in found if bar.total]


def _verdict(assessment: Assessment | None) -> Verdict:
    return assessment.verdict if assessment else Verdict("not attempted")


def _bar(name: str, found: Sequence[Verdict]) -> Bar:
    return Bar(name, counts(found), sum(verdict.stale for verdict in found))


# -- names --------------------------------------------------------------------------------------


def exhibit_title(name: str) -> str:
    """'table1' -> 'Table 1', 'clean' -> 'Clean', 'yale' -> 'Yale Face, stored outputs'."""
    if name in _STORED:
        return f"{_STORED[name]}, stored outputs"
    if name in _OURS:
        return _OURS[name]
    head, tail = re.findall(r"(\D*)(.*)", name)[0]
    return f"{head.replace('-', ' ').capitalize()} {tail}".strip()


def stored(exhibit: str) -> bool:
    """Whether it is of outputs that the authors stored, and not of the paper itself."""
    return exhibit in _STORED


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
        lines.append(_line(bar, what=what, name=f"{name}<span>{bar.title}</span>"))
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
        [
            paper,
            exhibit_title(exhibit),
            bar.title,
            *(n or "" for n in bar.words.values()),
            bar.total,
        ]
        for paper, exhibit, group in by_exhibit(entries)
        for bar in bars(group)
    ]
    every: list[Sequence[Cell]] = [head, ["---"] * len(head), *rows]
    return ["| " + " | ".join(str(cell) for cell in row) + " |" for row in every]
