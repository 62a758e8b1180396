"""The pages of the book that are made from claims, records and runs: no number is typed."""

import json
from collections.abc import Iterable, Mapping, Sequence
from html import escape
from math import isnan
from typing import Any

from privrob import paths, zoo
from privrob.data.catalogue import EMBEDDED, REAL
from privrob.lab import claims, registry
from privrob.lab.claims import Assessment, Entry, Tally
from privrob.lab.run import Result, open_store
from privrob.lab.spec import flat, plain
from privrob.lab.study import recorded
from privrob.lab.tasks import describe
from privrob.lab.verdicts import WORDS

Cell = str | int | float | None
LANDING = "landing-picture"  # the tag of the cell whose figure opens the book


def write(notebooks: Mapping[str, Any]) -> dict[str, str]:
    """File name -> text of every generated page, from the executed notebooks and the records."""
    entries = claims.ledger()
    return {
        "claims.md": claims_page(entries),
        "parameters.md": parameters_page(),
        "statistics.md": statistics_page(notebooks),
        "provenance.md": provenance_page(),
        "generated/verdict-summary.md": verdict_summary(entries),
        "generated/landing-picture.md": landing_picture(notebooks),
    }


# -- pieces -------------------------------------------------------------------------------------


def chip(kind: str, word: str) -> str:
    """A tier, verdict or state as the book's style sheet marks it."""
    return f'<span class="{kind} {kind}-{word.replace(" ", "-")}">{word}</span>'


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


def page(title: str, *parts: str) -> str:
    """A MyST page."""
    return "\n\n".join([f"# {title}", *parts]) + "\n"


def number(value: float, unit: str) -> str:
    """A value at the precision of its unit: eps to three decimals, the rest to two."""
    return "" if isnan(value) else f"{value:.3f}" if unit == "eps" else f"{value:.2f}"


# -- claims -------------------------------------------------------------------------------------


def verdict_summary(entries: Sequence[Entry]) -> str:
    """Headline verdicts by exhibit, of the literal reading, with the whole denominator."""
    tallies = claims.summary(entries)
    used = [word for word in WORDS if any(t.words[word] for t in tallies)]
    rows = [[_counted(t), *(t.words[word] or "·" for word in used), t.total] for t in tallies]
    words = [chip("verdict", word) for word in used]
    missing = _missing(entries)
    note = (
        "Counted are the claims of each exhibit by their verdict in the *literal* reading, and "
        "apart from them the arithmetic on printed values, which needs no run; "
        "the [claims page](claims.md) has the *matched* reading beside it."
    )
    return "\n\n".join([*missing, note, table(["exhibit", *words, "all claims"], rows)])


def _counted(tally: Tally) -> str:
    """What a line of the summary counts."""
    name = escape(_exhibit(tally.exhibit))
    return f"{name}, arithmetic" if tally.tier == "derived" else name


def _missing(entries: Sequence[Entry]) -> list[str]:
    """A warning for each reading that lacks runs, with what they would cost."""
    waiting = [a for e in entries for a in e.assessments if a.minutes > 0]
    readings = {
        a.reading: max(b.minutes for b in waiting if b.reading == a.reading) for a in waiting
    }
    return [
        f":::{{warning}}\nSome full-scale runs of the {reading} reading are missing here: up to "
        f"{minutes:.0f} minutes on two CPU cores for one claim. `make records` computes them.\n:::"
        for reading, minutes in readings.items()
    ]


def _exhibit(name: str) -> str:
    """'table1' -> 'Table 1', 'section3.1' -> 'Section 3.1'."""
    head = name.rstrip("0123456789.")
    return f"{head.capitalize()} {name[len(head) :]}".strip()


def claims_page(entries: Sequence[Entry]) -> str:
    """Every claim with its published value, its evidence in each reading and its verdicts."""
    groups: dict[str, list[Entry]] = {}
    for entry in entries:
        groups.setdefault(entry.claim.exhibit, []).append(entry)
    head = ["claim", chip("tier", "published"), "literal reading", "matched reading", "tolerance"]
    sections = [
        f"## {_exhibit(name)}\n\n{table(head, map(_claim_row, group))}"
        for name, group in groups.items()
    ]
    intro = (
        "One row for each number or statement of the papers. Evidence is the mean over the seeds "
        "with its 95 % interval and n; [how to read this book](reading.md) has the rules. "
        "`privrob claims --json` prints the same for programs."
    )
    return page("Claims", intro, _settlement(), verdict_summary(entries), *sections)


def _claim_row(entry: Entry) -> list[Cell]:
    claim = entry.claim
    published = f"{claim.published} {claim.unit}" if claim.kind != "ordering" else claim.published
    name = f"<code>{escape(claim.id)}</code>"
    tolerance = "" if claim.tolerance is None else f"± {claim.tolerance:g}. {claim.reason}"
    both = [entry.headline, entry.matched]
    shown = [_evidence(a, claim.unit, entry.tier) if a else "" for a in both]
    statement = f"{escape(claim.statement)}<br>{name}<br>{escape(claim.locus)}"
    return [statement, escape(str(published)), *shown, escape(tolerance)]


def _evidence(a: Assessment, unit: str, tier: str) -> str:
    """A verdict and, where there is any, the evidence under it."""
    why = f"<br>{escape(a.verdict.why)}" if a.verdict.why else ""
    stale = "<br>" + chip("state", "stale") if a.verdict.stale else ""
    verdict = chip("verdict", a.verdict.word) + why + stale
    if a.evidence is None:
        return verdict
    e = a.evidence
    span = "" if isnan(e.low) else f" [{number(e.low, unit)}, {number(e.high, unit)}]"
    over = f", n = {e.n}" if e.n > 1 else ", n = 1: over images" if e.n else ""
    return f"{chip('tier', tier)} {number(e.value, unit)}{span}{over}<br>{verdict}"


def _settlement() -> str:
    """How the matched reading was settled: each candidate's clean accuracies."""
    found = claims.settlement()
    rows = [
        [escape(c.name), *(_percent(c.accuracies.get(m)) for m in ("sgd", "dpsgd")), c.status]
        for c in found.candidates
    ]
    head = ["candidate", "SGD", "DP-SGD", "both printed accuracies"]
    choice = f"*{found.choice}*" if found.choice else "none of those that have run"
    text = (
        f"Settled on a seed of its own ({registry.SELECTION_SEED}), by clean accuracy alone, "
        f"smallest departure first: {choice}. The registry named *{found.named}* beforehand, "
        "from pilot runs that are not kept; these runs confirm or refuse it."
    )
    notes = [f":::{{warning}}\n{found.disagreement}\n:::"] if found.disagreement else []
    if found.open:
        notes.append(
            f"Provisional: not run, or not whole, among the smaller departures are "
            f"{'; '.join(found.open)}. Any of them would be the matched reading if it reached both."
        )
    return "\n\n".join(["## The matched reading", text, *notes, table(head, rows)])


def _percent(value: float | None) -> str:
    return "not run" if value is None else f"{value:.2f}"


# -- parameters, statistics, provenance ---------------------------------------------------------


def parameters_page() -> str:
    """Every setting of the paper profile, and what profile quick replaces."""
    sections = []
    for experiment in registry.EXPERIMENTS.values():
        paper, quick = (experiment.variants(p) for p in ("paper", "quick"))
        for model in ("sgd", "dpsgd"):
            a = next((v.spec for v in paper if v.model == model), None)
            b = next((v.spec for v in quick if v.model == model), None)
            if a and b:
                title = f"## {escape(experiment.title)}: {model}, {escape(experiment.locus)}"
                sections.append(f"{title}\n\n{_settings(a, b)}")
    intro = (
        "Every setting has one home, the registry. Profile *paper* has the paper's settings on its "
        "data; profile *quick* replaces what is marked, so that a notebook takes seconds."
    )
    return page("Parameters and profiles", intro, *sections)


def _settings(paper: Any, quick: Any) -> str:
    values = dict(flat(plain(paper, labels=True)))
    replaced = {d["setting"]: d["quick"] for d in registry.difference(paper, quick)}
    rows = [
        [f"<code>{n}</code>", _short(values.get(n)), _short(replaced[n]) if n in replaced else "="]
        for n in dict.fromkeys([*values, *replaced])
    ]
    return table(["setting", "paper", "quick"], rows)


def _short(value: Any) -> str:
    """A setting as text; a long grid by its ends."""
    if isinstance(value, list) and len(value) > 6:
        return f"{value[0]:g}, {value[1]:g}, ..., {value[-1]:g} ({len(value)} values)"
    return escape(f"{value:.6g}" if isinstance(value, float) else str(value))


def statistics_page(notebooks: Mapping[str, Any]) -> str:
    """How long each notebook took in this build."""
    runs = {name: notebook.metadata.get("papermill", {}) for name, notebook in notebooks.items()}
    seconds = {name: float(run.get("duration") or 0) for name, run in runs.items()}
    days = {name: str(run.get("start_time", ""))[:10] for name, run in runs.items()}
    lines = [f"| [{n}](notebooks/{n}.ipynb) | {seconds[n]:.1f} | {days[n]} |" for n in runs]
    head = ["| notebook | seconds | executed on |", "|---|---|---|"]
    total = f"| all | {sum(seconds.values()):.1f} | |"
    return page("Execution statistics", "\n".join([*head, *lines, total]))


def provenance_page() -> str:
    """Where each recorded value comes from: code, device, time, state; data sets; the zoo."""
    results: dict[str, Result] = {}
    for name in registry.EXPERIMENTS:
        results |= {row.result.key: row.result for row in recorded(name)}
    head = [
        "what",
        "key",
        "state",
        "commit",
        "device",
        "threads",
        "torch",
        "minutes",
        "MiB",
        "date",
    ]
    runs = table(head, (_run_row(r) for r in results.values())) if results else "There are none."
    known = [
        [n, f"<code>{c}</code>", v]
        for n, k in (EMBEDDED | REAL).items()
        for c, v in k.variants.items()
    ]
    models: list[list[Cell]] = [
        [e.name, e.seed, f"<code>{e.sha256[:16]}</code>", f"{e.bytes / 2**20:.1f}", e.key]
        for e in zoo.entries()
    ]
    return page(
        "Provenance",
        "## Recorded results",
        f"{len(results)} results of profile paper, in `{open_store('paper').root.name}/`.",
        runs,
        "## Models of the zoo",
        table(["name", "seed", "SHA-256", "MiB", "trained as"], models) if models else "None yet.",
        "## Data sets",
        table(["name", "SHA-256 of the contents", "variant"], known),
    )


def _run_row(result: Result) -> list[Cell]:
    m = result.manifest
    commit = m["commit"][:10] + (" + changes" if m["uncommitted"] else "")
    return [
        escape(describe(result.spec)),
        f"<code>{result.key}</code>",
        chip("state", result.state),
        f"<code>{commit}</code>",
        escape(m["device"]),
        m["threads"],
        m["versions"]["torch"],
        f"{m['seconds'] / 60:.1f}",
        m["peak_memory_mib"],
        m["created"][:10],
    ]


# -- the README ---------------------------------------------------------------------------------


def readme(text: str) -> str:
    """The README with its generated blocks made anew; a test holds the two equal."""
    blocks = {"verdicts": _verdict_lines(claims.ledger()), "quick": _quick_lines()}
    for name, lines in blocks.items():
        before, _, rest = text.partition(f"<!-- generated:{name} -->")
        _, _, after = rest.partition("<!-- /generated -->")
        block = "\n".join(lines)
        text = f"{before}<!-- generated:{name} -->\n{block}\n<!-- /generated -->{after}"
    return text


def _verdict_lines(entries: Sequence[Entry]) -> list[str]:
    """Verdicts of each reading by exhibit, as Markdown that any viewer shows."""
    lines = [f"| exhibit | reading | {' | '.join(WORDS)} | claims |", "|---|---|" + "---|" * 7]
    for exhibit in dict.fromkeys(e.claim.exhibit for e in entries):
        group = [e for e in entries if e.claim.exhibit == exhibit]
        for reading in dict.fromkeys(a.reading for e in group for a in e.assessments):
            words = [a.verdict.word for e in group for a in e.assessments if a.reading == reading]
            counts = " | ".join(str(words.count(word) or "") for word in WORDS)
            name = reading or "(arithmetic)"
            lines.append(f"| {_exhibit(exhibit)} | {name} | {counts} | {len(words)} |")
    return lines


def _quick_lines() -> list[str]:
    """The headline numbers of profile quick that a laptop should find again."""
    path = paths.repository() / "tests" / "expected" / "quick.json"
    if not path.exists():
        return ["Not measured yet."]
    expected = json.loads(path.read_text(encoding="utf-8"))["notebooks"]
    rows = [
        f"| {notebook} | {number} | {entry['value']:.2f} ± {entry['tolerance']:.2f} |"
        for notebook, numbers in expected.items()
        for number, entry in numbers.items()
    ]
    return ["| notebook | number | value |", "|---|---|---|", *rows]


# -- the landing picture ------------------------------------------------------------------------


def landing_picture(notebooks: Mapping[str, Any]) -> str:
    """The figure of the cell tagged `landing-picture`, or a sentence where there is none."""
    for notebook in notebooks.values():
        for cell in notebook.cells:
            if LANDING in cell.metadata.get("tags", []):
                for output in cell.get("outputs", []):
                    if html := output.get("data", {}).get("text/html"):
                        return f"```{{raw}} html\n{''.join(html)}\n```\n"
    return "*No figure was made in this build.*\n"


if __name__ == "__main__":
    target = paths.repository() / "README.md"
    target.write_text(readme(target.read_text(encoding="utf-8")), encoding="utf-8")
