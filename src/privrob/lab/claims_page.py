"""The claims page: every claim of the papers with its evidence and verdict, and what filters it.

The page is plain HTML that reads in full without a script; `_static/claims.js` adds the filters.
"""

import ast
from collections.abc import Iterator, Mapping, Sequence
from html import escape
from itertools import groupby
from math import isnan
from typing import Any

from privrob.lab import verdict_bars
from privrob.lab.arithmetic import Chance, chance
from privrob.lab.claims import Assessment, Entry
from privrob.lab.markup import chip, duration, page, raw
from privrob.lab.settling import settlements
from privrob.lab.statements import Claim
from privrob.lab.verdict_bars import anchor, bars_html, by_exhibit, exhibit_title, stored
from privrob.lab.verdicts import WORDS, Evidence

_KEY_LETTERS, _KEYS_SHOWN = 10, 3  # as in the stamps of figures

Links = Mapping[str, tuple[str, str]]  # 'tursynbek2020/table1' -> address and title of its page


def claims_page(entries: Sequence[Entry], notebooks: Mapping[str, Any]) -> str:
    """Every claim, by paper and exhibit, under the bars of its exhibit."""
    links = shown_in(notebooks)
    parts = [_INTRO, *_missing(entries), raw(_filters(entries))]
    for paper, exhibits in groupby(by_exhibit(entries), key=lambda item: item[0]):
        mine = [e for e in entries if e.claim.paper == paper]
        parts += [f"## {paper}", raw(_bars(paper, mine))]
        for _, exhibit, group in exhibits:
            found = "\n".join(claim_html(e, links) for e in group)
            bars = _bars(f"{paper}, {exhibit_title(exhibit)}", group)
            apart = " (not the paper's tables)" if stored(exhibit) else ""
            parts.append(f"({anchor(paper, exhibit)})=\n### {exhibit_title(exhibit)}{apart}")
            parts.append(raw(f"{bars}\n{found}"))
    return page("Claims", *parts, settlements())


_INTRO = (
    "Every number and statement of the papers that this book checks. A bar shows the verdicts of "
    "one exhibit and ends with the number of its claims; the *literal* reading is the headline, "
    "the *matched* one stands below it. The bar *arithmetic* is apart: checks on what the authors "
    "printed or stored; *reproduced* there means that their own outputs agree with their "
    "statement; no model of ours is in it. A claim opens to the printed value, the evidence (the "
    "mean over seeds with its 95 % interval), what the verdict rests on, and the command that "
    "computes it. "
    "[How to read this book](reading.md) has the rules; `privrob claims --json` prints the same "
    "for programs."
)


def verdict_summary(entries: Sequence[Entry]) -> str:
    """For the book's first page: the bars of every exhibit, with the whole denominators."""
    note = (
        "Each bar holds all claims of an exhibit by their verdict in the *literal* reading, below "
        "it those in the *matched* one. Checks on what the authors printed or stored are apart as "
        "*arithmetic*: no model of ours is in them."
    )
    bars = verdict_bars.overview(entries, page="claims.html")
    return "\n\n".join([*_missing(entries), note, bars])


def _bars(what: str, entries: Sequence[Entry]) -> str:
    return f'<div class="bars">\n{bars_html(entries, what=what)}\n</div>'


def _missing(entries: Sequence[Entry]) -> list[str]:
    """A warning where a reading lacks runs, with what they would cost."""
    minutes: dict[str, float] = {}
    for a in (a for e in entries for a in e.assessments if a.minutes > 0):
        minutes[a.reading] = max(a.minutes, minutes.get(a.reading, 0))
    if not minutes:
        return []
    cost = " and ".join(f"{duration(m)} in the {name} reading" for name, m in minutes.items())
    return [
        ":::{warning}\nSome runs of the paper's size are missing here. The claim that lacks most "
        f"would take about {cost}, on two CPU cores; `make records` computes all of them.\n:::"
    ]


# -- which page shows which exhibit -------------------------------------------------------------


def shown_in(notebooks: Mapping[str, Any]) -> dict[str, tuple[str, str]]:
    """Address and title of the page whose notebook shows the verdicts on an exhibit, by exhibit.

    A call says so: `exhibits.verdicts("tursynbek2020/table1", ...)`, or another of _SHOWS. Where it
    names an experiment, there is a key of both too: 'tursynbek2020/figure5 tursynbek2020/distance'.
    """
    found = {}
    for name, notebook in notebooks.items():
        title = notebook.cells[0].source.partition("\n")[0].lstrip("# ")
        for exhibit in _judged(notebook):
            found[exhibit] = (f"notebooks/{name}.html", title)
    return found


_SHOWS = ("exhibits.verdicts", "contributions.statement")


def _judged(notebook: Any) -> Iterator[str]:
    code = [c.source for c in notebook.cells if c.cell_type == "code"]
    for source in (s for s in code if any(f"{name}(" in s for name in _SHOWS)):
        for node in ast.walk(ast.parse(source)):
            if isinstance(node, ast.Call) and ast.unparse(node.func) in _SHOWS:
                exhibits = [_text(argument) for argument in node.args]
                yield from exhibits
                for named in (k.value for k in node.keywords if k.arg == "experiment"):
                    yield from (f"{e} {_text(named)}" for e in exhibits)


def _text(node: ast.expr) -> str:
    if isinstance(node, ast.Constant) and isinstance(node.value, str):
        return node.value
    given = ast.unparse(node)
    raise ValueError(
        f"the claims page reads what a notebook judges from its text: write it out, not {given!r}"
    )


# -- the filters --------------------------------------------------------------------------------


def _filters(entries: Sequence[Entry]) -> str:
    """The form that the script shows and listens to; its names are the claims' data attributes."""
    claims_ = [e.claim for e in entries]
    words = [w for w in WORDS if any(e.headline.verdict.word == w for e in entries)]
    fields = [
        _select("paper", {c.paper: c.paper for c in claims_}),
        _select("exhibit", {c.exhibit: exhibit_title(c.exhibit) for c in claims_}),
        _select("verdict", {word: word for word in words}),
        _select("tier", {e.tier: e.tier for e in entries}),
        '<label>words <input type="search" name="words" size="14"></label>',
    ]
    buttons = "".join(
        f'<button type="button" name="{name}">{text}</button>'
        for name, text in (("all", "show all"), ("open", "open all"), ("close", "close all"))
    )
    count = f'<output aria-live="polite">{len(entries)} of {len(entries)} shown</output>'
    return (
        '<form id="claim-filter" aria-label="Filter the claims" autocomplete="off" hidden>\n'
        + "\n".join(fields)
        + f"\n<p>{count} {buttons}</p>\n</form>"
    )


def _select(name: str, options: Mapping[str, str]) -> str:
    listed = "".join(f'<option value="{escape(v)}">{escape(t)}' for v, t in options.items())
    return f'<label>{name} <select name="{name}"><option value="">any{listed}</select></label>'


# -- one claim ----------------------------------------------------------------------------------


def claim_html(entry: Entry, links: Links) -> str:
    """A claim that opens: a line with its verdict, then all that the ledger knows of it."""
    claim = entry.claim
    facts = {"paper": claim.paper, "exhibit": claim.exhibit, "tier": entry.tier}
    facts["verdict"] = entry.headline.verdict.word
    data = " ".join(f'data-{name}="{escape(value)}"' for name, value in facts.items())
    body = "\n".join(f"<dt>{name}<dd>{text}" for name, text in _facts(entry, links))
    return (
        f'<details class="claim" id="{escape(claim.id)}" {data}>\n'
        f"<summary>{_line(entry)}</summary>\n<dl>\n{body}\n</dl></details>"
    )


def _line(entry: Entry) -> str:
    """Verdict, statement, printed value; the matched reading's verdict where it is another."""
    word, matched = entry.headline.verdict.word, entry.matched
    words = chip("verdict", word)
    if entry.only_matched:
        words += "<small>matched reading</small>"
    elif matched and matched.verdict.word != word:
        words += f"<small>matched: {chip('verdict', matched.verdict.word)}</small>"
    claim = entry.claim
    number_ = not isinstance(claim.published, str)
    value = chip("tier", "published", claim.shown) if number_ else ""
    return f"<span>{words}</span><span>{escape(claim.statement)}</span><span>{value}</span>"


def _facts(entry: Entry, links: Links) -> Iterator[tuple[str, str]]:
    """Name and HTML of each line of an open claim."""
    claim = entry.claim
    yield chip("tier", "published"), f"{escape(claim.shown)}, {escape(claim.locus)}"
    if claim.corrected is not None:
        yield (
            "judged against",
            f"{number(claim.corrected, claim)}: the printed number is taken for a slip",
        )
    if claim.tolerance is not None:
        yield "tolerance", f"± {claim.tolerance:g}. {escape(claim.reason or '')}"
    if claim.above is not None:
        yield "holds above", f"{claim.above:g} {escape(claim.unit)}"
    if claim.direction:
        yield "direction", escape(claim.direction)
    if claim.sets:
        yield f"{chip('tier', 'derived')} by chance", _by_chance(chance(**claim.sets))
    for assessment in entry.assessments:
        name = f"{assessment.reading} reading" if assessment.reading else entry.tier
        yield escape(name), _assessed(assessment, claim, entry.tier)
    if entry.command:
        yield "command", f"<code>{escape(entry.command)}</code>"
    exhibit = f"{claim.paper}/{claim.exhibit}"
    if link := links.get(f"{exhibit} {claim.experiment}") or links.get(exhibit):
        yield "shown in", f'<a href="{escape(link[0])}">{escape(link[1])}</a>'
    yield "claim", f'<a href="#{escape(claim.id)}"><code>{escape(claim.id)}</code></a>'


def _assessed(a: Assessment, claim: Claim, tier: str) -> str:
    """A verdict with its why, and the evidence under it."""
    why = f" ({escape(a.verdict.why)})" if a.verdict.why else ""
    stale = " " + chip("state", "stale") if a.verdict.stale else ""
    verdict = f"{chip('verdict', a.verdict.word)}{why}{stale}"
    return f"{verdict}<br>{_evidence(a.evidence, claim, tier)}" if a.evidence else verdict


def _evidence(e: Evidence, claim: Claim, tier: str) -> str:
    value = f"{chip('tier', tier)} {number(e.value, claim)}"
    if not isnan(e.low):
        value += f" [{number(e.low, claim)}, {number(e.high, claim)}]"
    return ", ".join([f"{value} {escape(claim.unit)}", *_basis(e), *_keys(e.records)])


def _basis(e: Evidence) -> Iterator[str]:
    """n, the seeds, and what the interval is over."""
    if e.n:
        yield f"n = {e.n} (seed{'s' if e.n > 1 else ''} {', '.join(map(str, e.seeds))})"
    if not isnan(e.low):
        yield f"interval over {escape(e.basis)}"


def _keys(records: Sequence[str]) -> Iterator[str]:
    """The first letters of the first keys; the provenance page has them in full."""
    if records:
        keys = ", ".join(escape(key[:_KEY_LETTERS]) for key in records[:_KEYS_SHOWN])
        more = len(records) - _KEYS_SHOWN
        tail = f" and {more} more" if more > 0 else ""
        word = "records" if len(records) > 1 else "record"
        yield f'<a href="provenance.html">{word}</a> <code>{keys}</code>{tail}'


def _by_chance(found: Chance) -> str:
    return (
        f"A threshold chosen on the same points gives {found.mean:.1f} percent by chance on "
        f"average, and at most {found.most:.1f} in 19 of 20 cases."
    )


def number(value: float, claim: Claim) -> str:
    """A value at the precision that the paper prints, and at least to two decimals (eps: three)."""
    least = 3 if claim.unit == "eps" else 2
    printed_ = 0 if isinstance(claim.published, str) else claim.printed_decimals
    return f"{value:.{max(least, printed_)}f}"
