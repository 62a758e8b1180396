"""The pages of the book that are made from claims, records and runs: no number is typed."""

import json
from collections.abc import Mapping
from html import escape
from typing import Any

from privrob import paths, zoo
from privrob.data.catalogue import EMBEDDED, REAL
from privrob.lab import claims, registry, verdict_bars
from privrob.lab.benchmarks_page import benchmarks_page
from privrob.lab.claims_page import claims_page, verdict_summary
from privrob.lab.costs import describe
from privrob.lab.experiment import Experiment
from privrob.lab.markup import Cell, chip, page, table
from privrob.lab.run import Result, open_store
from privrob.lab.spec import Spec
from privrob.lab.study import recorded
from privrob.lab.summary import summary_page

LANDING = "landing-picture"  # the tag of the cell whose figure opens the book


def write(notebooks: Mapping[str, Any]) -> dict[str, str]:
    """File name -> text of every generated page, from the executed notebooks and the records."""
    entries = claims.ledger()
    return {
        "claims.md": claims_page(entries, notebooks),
        **{f"{p}.md": summary_page(p, entries, notebooks) for p in ("tursynbek2020", "song2019")},
        "parameters.md": parameters_page(),
        "statistics.md": statistics_page(notebooks),
        "provenance.md": provenance_page(),
        "benchmarks.md": benchmarks_page(),
        "generated/verdict-summary.md": verdict_summary(entries),
        "generated/landing-picture.md": landing_picture(notebooks),
    }


# -- parameters, statistics, provenance ---------------------------------------------------------


def parameters_page() -> str:
    """Every setting of the paper profile, and what profile quick replaces."""
    pairs: dict[tuple[Spec, Spec | None], str] = {}  # each once, under its first title
    for experiment in registry.EXPERIMENTS.values():
        paper, quick = (_first_of_each(experiment, p) for p in ("paper", "quick"))
        for model, spec in paper.items():
            title = f"{experiment.title}: {model}, {experiment.locus}"
            pairs.setdefault((spec, quick.get(model)), title)
    sections = [f"## {escape(title)}\n\n{_settings(*pair)}" for pair, title in pairs.items()]
    intro = (
        "Every setting has one home, the registry. Profile *paper* has the paper's settings on its "
        "data; profile *quick* replaces what is marked, so that a notebook takes seconds, or has "
        "no such model."
    )
    return page("Parameters and profiles", intro, *sections)


def _first_of_each(experiment: Experiment, profile: str) -> dict[str, Spec]:
    """The first spec of each way of training."""
    found: dict[str, Spec] = {}
    for variant in experiment.variants(profile):
        found.setdefault(variant.model, variant.spec)
    return found


def _settings(paper: Spec, quick: Spec | None) -> str:
    values = registry.settings(paper, labels=True)
    pair = () if quick is None else registry.difference(paper, quick)
    replaced = {d["setting"]: _short(d["quick"]) for d in pair}
    same = "=" if quick else "none"
    rows = [
        [f"<code>{n}</code>", _short(values.get(n)), replaced.get(n, same)]
        for n in dict.fromkeys([*values, *replaced])
    ]
    return table(["setting", "paper", "quick"], rows)


def _short(value: Any) -> str:
    """A setting as text; a long grid by its ends."""
    if isinstance(value, list) and len(value) > 6:
        first, second, last = (_short(value[i]) for i in (0, 1, -1))
        return f"{first}, {second}, ..., {last} ({len(value)} values)"
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


def repeatability(found: Mapping[str, Any]) -> str:
    """What tests/expected/threads.json says, for people."""
    parts = [
        f"for {label} up to {m['test accuracy, points']:.1f} points of test accuracy and "
        f"{m['accuracy under FGSM at any eps, points']:.1f} of accuracy under FGSM"
        for label, m in (("SGD", found["models"]["sgd"]), ("DP-SGD", found["models"]["dpsgd"]))
    ]
    counts = ", ".join(map(str, found["threads"][:-1])) + f" and {found['threads'][-1]}"
    return (
        "Two runs of the same experiment on one machine and with one number of threads give equal "
        f"bits. Between {counts} threads the quick models differ: {'; '.join(parts)}."
    )


def provenance_page() -> str:
    """Where each recorded value comes from: code, device, time, state; data sets; the zoo."""
    results: dict[str, Result] = {}
    for name in registry.EXPERIMENTS:
        results |= {row.result.key: row.result for row in recorded(name)}
    threads = json.loads((paths.repository() / "tests/expected/threads.json").read_text())
    head = [
        "what", "key", "state", "commit", "device", "threads", "torch", "minutes", "MiB", "date",
    ]  # fmt: skip
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
        "## The same again",
        repeatability(threads),
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
    blocks = {"verdicts": verdict_bars.lines(claims.ledger()), "quick": _quick_lines()}
    for name, lines in blocks.items():
        before, _, rest = text.partition(f"<!-- generated:{name} -->")
        _, _, after = rest.partition("<!-- /generated -->")
        block = "\n".join(lines)
        text = f"{before}<!-- generated:{name} -->\n{block}\n<!-- /generated -->{after}"
    return text


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
