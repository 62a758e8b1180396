"""A paper in a minute: the answers to its questions, by rule from the verdicts on its claims.

`claims/summary/<paper>.yml` has the questions, the claims that answer each the paper's way, and the
checks that tell whether they hold for one reason or for another: an answer that holds whose checks
all fail says so. Where the readings differ there is an answer in each, the headline's first.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from fnmatch import fnmatchcase
from html import escape
from typing import Any

import yaml

from privrob import paths
from privrob.lab.claims import Assessment, Entry
from privrob.lab.markup import Cell, chip, page, table
from privrob.lab.registry import READINGS
from privrob.lab.spec import known, require
from privrob.lab.verdicts import Verdict, counts

HOLDS, IN_PART, NOT = "holds", "holds in part", "does not hold"
OPEN, NO_RUNS = "open", "not attempted"
ELSEWISE = {word: f"{word}, for another reason" for word in (HOLDS, IN_PART)}
ANSWERS = {
    HOLDS: "every claim is reproduced, or reproduced in direction",
    IN_PART: "some claims are reproduced and some are not",
    NOT: "no claim is reproduced",
    OPEN: "no claim fails, but at least one is undecided or not attempted",
    NO_RUNS: "no claim has the runs that it needs",
}
WITH_REASONS = {
    ELSEWISE[HOLDS]: "as said, but no check of the paper's reason is reproduced",
    ELSEWISE[IN_PART]: "the same, where some claims are not reproduced",
}
_GOOD = ("reproduced", "reproduced in direction")
_FIELDS = ("question", "page", "says", "because")


@dataclass(frozen=True)
class Answer:
    """What was found in one reading, and what the checks of a reason found there.

    '' is a reading that stands for both, where they are the same.
    """

    reading: str
    found: tuple[Assessment, ...]
    checks: tuple[Assessment, ...] = ()

    @property
    def verdicts(self) -> tuple[Verdict, ...]:
        return tuple(a.verdict for a in self.found)

    @property
    def word(self) -> str:
        """One of ANSWERS, or where no check of its reason holds of WITH_REASONS."""
        word = answer(self.verdicts)
        fails = answer([a.verdict for a in self.checks]) == NOT
        return ELSEWISE.get(word, word) if fails else word

    @property
    def seeds(self) -> str:
        """'n = 5', 'n = 1 to 5', 'n = 1, over images'; '' where nothing was trained."""
        used = [a.evidence for a in self.found if a.evidence and a.evidence.n]
        if not used:
            return ""
        low, high = (f(e.n for e in used) for f in (min, max))
        over = ", over images" if {e.basis for e in used} == {"examples"} else ""
        return f"n = {low}{f' to {high}' if high > low else ''}{over}"

    @property
    def differs(self) -> tuple[str, ...]:
        """What two readings must share to be told once."""
        return (self.word, self.seeds, *(v.word for v in self.verdicts))


@dataclass(frozen=True)
class Question:
    """A question, the page that shows the evidence, and the claims and checks that answer it."""

    question: str
    page: str
    says: tuple[Entry, ...]
    reason: str = ""
    checks: tuple[Entry, ...] = ()


def answers(entries: Sequence[Entry], checks: Sequence[Entry] = ()) -> list[Answer]:
    """What the entries say together in each reading; once, without a name, where that is the same.

    An entry with one reading speaks in both. Where all have the matched one alone, it is named.
    """
    had = {a.reading for e in entries for a in e.assessments}
    names = ["matched"] if had == {"matched"} else list(READINGS)
    found = [Answer(n, *(_each(given, n) for given in (entries, checks))) for n in names]
    same = len({a.differs for a in found}) < len(names)
    return [replace(found[0], reading="")] if same else found


def _each(entries: Sequence[Entry], reading: str) -> tuple[Assessment, ...]:
    return tuple(assessment_of(e, reading) for e in entries)


def assessment_of(entry: Entry, reading: str) -> Assessment:
    """What was found in a reading, or the headline's where there is none."""
    mine = (a for a in entry.assessments if a.reading == reading)
    return next(mine, entry.headline)


def answer(found: Sequence[Verdict]) -> str:
    """What several verdicts say together, one of ANSWERS."""
    words = [v.word for v in found if v.word not in ("not attempted", "blocked")]
    good = sum(word in _GOOD for word in words)
    if not words:
        return NO_RUNS
    if "not reproduced" in words:
        return IN_PART if good else NOT
    return HOLDS if good == len(found) else OPEN


def questions(paper: str, entries: Sequence[Entry]) -> list[Question]:
    """The questions of a paper with their claims; ValueError for one that names no claim."""
    path = paths.repository() / "claims" / "summary" / f"{paper}.yml"
    listed = yaml.safe_load(path.read_text(encoding="utf-8"))
    return [_question(paper, given, entries) for given in listed]


def _question(paper: str, given: Mapping[str, Any], entries: Sequence[Entry]) -> Question:
    for name in given:
        known("field", name, _FIELDS)
    because = given.get("because", {})
    parts = [_matching(paper, given["says"], entries)]
    parts.append(_matching(paper, because.get("checks", []), entries))
    return Question(given["question"], given["page"], parts[0], because.get("reason", ""), parts[1])


def _matching(paper: str, patterns: Sequence[str], entries: Sequence[Entry]) -> tuple[Entry, ...]:
    """The entries whose id matches; each pattern must have one."""
    found: dict[str, Entry] = {}
    for pattern in patterns:
        mine = [e for e in entries if fnmatchcase(e.claim.id, f"{paper}/{pattern}")]
        require(bool(mine), f"claims/summary/{paper}.yml: no claim is called {pattern!r}")
        found |= {e.claim.id: e for e in mine}
    return tuple(found.values())


# -- as a page ----------------------------------------------------------------------------------

_CHIPS = {HOLDS: "reproduced", IN_PART: "reproduced in direction", NOT: "not reproduced"}
_CHIPS |= {OPEN: "undecided", NO_RUNS: "not attempted"}
_CHIPS |= dict.fromkeys(WITH_REASONS, "reproduced in direction")  # not the colour of what holds
_INTRO = (
    "The questions of the paper and their answers, by rule from the verdicts on its claims "
    "([how to read this book](reading.md)). Where the verdicts of the *literal* and the *matched* "
    "reading differ, both stand here; *matched* alone stands where nothing else was run. "
    "*n* is the number of seeds; of one seed alone an interval is over its images."
)
_REASONS = (
    "Where a check of ours could tell one reason from another, the last column says how that "
    "fared: a claim can hold for another reason than the paper gives, and then its answer says so."
)


def summary_page(paper: str, entries: Sequence[Entry], notebooks: Mapping[str, Any]) -> str:
    """The page of a paper: a line for each question, with a link to its evidence."""
    asked = questions(paper, entries)
    reasons = any(q.checks for q in asked)  # a column for them, where one is checked
    rows = [_row(q, notebooks)[: 4 if reasons else 3] for q in asked]
    used = ANSWERS | (WITH_REASONS if reasons else {})
    words = "\n".join(f"- {chip('verdict', _CHIPS[w], w)}: {text}." for w, text in used.items())
    head = ["question", "answer", "claims", "its reason, checked"][: 4 if reasons else 3]
    intro = f"{_INTRO} {_REASONS}" if reasons else _INTRO
    return page(f"{paper} in a minute", intro, table(head, rows), "## The words", words)


def _row(q: Question, notebooks: Mapping[str, Any]) -> list[Cell]:
    text = f'<span class="question">{escape(q.question)}</span>'
    if q.page in notebooks:
        text = f'<a href="notebooks/{q.page}.html">{text}</a>'
    found = answers(q.says, q.checks)
    counted = "<br>".join(_labelled(a, _counted(a)) for a in found)
    checked = answers(q.checks) if q.checks else []
    reason = f"{escape(q.reason)}:<br>{_chips(checked)}" if checked else ""
    return [text, _chips(found), counted, reason]


def _chips(found: Sequence[Answer]) -> str:
    return "<br>".join(_labelled(a, f"{_chip(a)} {a.seeds}".rstrip()) for a in found)


def _chip(a: Answer) -> str:
    return chip("verdict", _CHIPS[a.word], a.word)


def _labelled(a: Answer, text: str) -> str:
    return f"{a.reading}: {text}" if a.reading else text


def _counted(a: Answer) -> str:
    return ", ".join(f"{n} {word}" for word, n in counts(a.verdicts).items() if n)
