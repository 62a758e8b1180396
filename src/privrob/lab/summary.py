"""A paper in a minute: the answers to its questions, by rule from the verdicts on its claims.

`claims/summary/<paper>.yml` has the questions, the claims that answer each the paper's way, and the
checks that tell whether they hold for the reason that the paper gives. The answer is in the reading
in which all that the paper ran was run: the matched one, where a claim has it.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from fnmatch import fnmatchcase
from html import escape
from typing import Any

import yaml

from privrob import paths
from privrob.lab.claims import Entry
from privrob.lab.markup import Cell, chip, page, table
from privrob.lab.spec import known, require
from privrob.lab.verdicts import Verdict, counts

HOLDS, IN_PART, NOT = "holds", "holds in part", "does not hold"
OPEN, NO_RUNS = "open", "not attempted"
ANSWERS = {
    HOLDS: "every claim is reproduced, or reproduced in direction",
    IN_PART: "some claims are reproduced and some are not",
    NOT: "no claim is reproduced",
    OPEN: "no claim fails, but at least one is undecided or not attempted",
    NO_RUNS: "no claim has the runs that it needs",
}
_GOOD = ("reproduced", "reproduced in direction")
_FIELDS = ("question", "page", "says", "because")


@dataclass(frozen=True)
class Question:
    """A question, the page that shows the evidence, and the claims and checks that answer it."""

    question: str
    page: str
    says: tuple[Entry, ...]
    reason: str = ""
    checks: tuple[Entry, ...] = ()

    @property
    def answer(self) -> str:
        """One of ANSWERS."""
        return answer([verdict_of(e) for e in self.says])

    @property
    def reason_answer(self) -> str:
        """How the paper's reason fares, one of ANSWERS; '' where it gives none that is checked."""
        return answer([verdict_of(e) for e in self.checks]) if self.checks else ""


def verdict_of(entry: Entry) -> Verdict:
    """The matched reading's verdict, where there is one."""
    return (entry.matched or entry.headline).verdict


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
_INTRO = (
    "The questions of the paper and their answers, by rule from the verdicts on its claims "
    "([how to read this book](reading.md)), in the *matched* reading where there is one."
)
_REASONS = (
    "Where the paper gives a reason and a control of ours could tell it from another, the last "
    "column says how the reason fared: a claim can hold for another reason than the paper gives."
)


def summary_page(paper: str, entries: Sequence[Entry], notebooks: Mapping[str, Any]) -> str:
    """The page of a paper: a line for each question, with a link to its evidence."""
    asked = questions(paper, entries)
    reasons = any(q.checks for q in asked)  # a column for them, where one is checked
    rows = [_row(q, notebooks)[: 4 if reasons else 3] for q in asked]
    words = "\n".join(f"- {chip('verdict', _CHIPS[w], w)}: {text}." for w, text in ANSWERS.items())
    head = ["question", "answer", "claims", "the paper's reason"][: 4 if reasons else 3]
    intro = f"{_INTRO} {_REASONS}" if reasons else _INTRO
    return page(f"{paper} in a minute", intro, table(head, rows), "## The words", words)


def _row(q: Question, notebooks: Mapping[str, Any]) -> list[Cell]:
    text = escape(q.question)
    if q.page in notebooks:
        text = f'<a href="notebooks/{q.page}.html">{text}</a>'
    reason = ""
    if q.checks:
        reason = f"{escape(q.reason)}: {chip('verdict', _CHIPS[q.reason_answer], q.reason_answer)}"
    found = counts([verdict_of(e) for e in q.says])
    counted = ", ".join(f"{n} {word}" for word, n in found.items() if n)
    return [text, chip("verdict", _CHIPS[q.answer], q.answer), counted, reason]
