"""The book's page "Benchmarks", from the kept results: every number is one that was measured."""

from html import escape
from typing import Any

from privrob.lab import benchmark_goals, benchmark_results
from privrob.lab.benchmark_goals import LIMITS, Limit, Outcome, judge
from privrob.lab.files import Manifest
from privrob.lab.markup import Cell, chip, page, table

INTRO = (
    "What a step or an attack of this book costs beside other implementations of the same. All "
    "contestants run in turn, round after round, and a ratio is taken within a round, so that a "
    "busy machine disturbs both sides alike; shown is its median, in brackets its quartiles over "
    "the rounds. Below 1, ours is faster. Nobody is timed whose answer differs from ours."
)
MEMORY = (
    "Memory is what a run takes at its peak above what the process held before it, each "
    "contestant in a process of its own."
)
NETWORKS = (
    "*Usual network*: convolution, ReLU, max-pool, in PyTorch's default memory order, as one "
    "writes it first, and what a library runs on unless it is said to run on *our network*: the "
    "same function of the pixels with channels last in memory and ReLU after max-pool."
)


def benchmarks_page() -> str:
    """The whole page; says at the top where there is no result."""
    found = benchmark_results.results()
    if not found:
        lack = ":::{warning}\nNo result is kept here. `privrob bench` makes one.\n:::"
        return page("Benchmarks", lack, INTRO)
    parts = [part for _, record in found for part in _record(record)]
    return page("Benchmarks", INTRO, NETWORKS, MEMORY, *parts)


def _record(record: Manifest) -> list[str]:
    """One result: where it was measured, the goals, then every subject."""
    threads = f"{record['threads']} thread" + "s" * (record["threads"] != 1)
    title = f"## {escape(record['device'])}, {threads}, {record['created'][:10]}"
    subjects = [part for s in record["subjects"].values() for part in _subject(s)]
    return [title, _machine(record), *_goals(record["subjects"]), *subjects]


def _goals(subjects: dict[str, Any]) -> list[str]:
    """What was asked of the subjects of a result, which may be a few of all."""
    goals = [_goal(o) for o in judge(subjects) if o.goal.subject in subjects]
    limits = [_limit(limit, subjects) for limit in LIMITS if limit.subject in subjects]
    parts = [table(["goal", "limit", "measured", "", "why not"], goals)] if goals else []
    parts += [table(["limit", "at most", "measured", ""], limits)] if limits else []
    asked = dict.fromkeys(each.subject for each in (*benchmark_goals.GOALS, *LIMITS))
    if absent := [escape(name) for name in asked if name not in subjects]:
        parts.append(f"With a goal, and not measured here: {', '.join(absent)}.")
    return ["### Goals", *parts]


def _machine(record: Manifest) -> str:
    versions = record["versions"] | {n: v for n, v in record["peers"].items() if v}
    libraries = ", ".join(f"{name} {number}" for name, number in versions.items())
    load = record["load_before"][:1]
    busy = (
        f" One-minute load average before: {load[0]:g} on {record['cores']} cores." if load else ""
    )
    changes = " with changes" if record["uncommitted"] else ""
    commit = f"Commit <code>{record['commit'][:10]}</code>{changes}; {escape(libraries)}."
    return f"{chip('tier', 'recorded')} {commit}{busy}"


def _goal(outcome: Outcome) -> list[Cell]:
    goal, why = outcome.goal, ""
    if outcome.ratio is None:
        word, measured = escape(outcome.missing), ""
    else:
        word, measured = "met" if outcome.met else "not met", _spread(outcome.ratio)
        why = "" if outcome.met else escape(goal.why)
    return [f"{escape(goal.ours)} / {escape(goal.peer)}", f"{goal.limit:g}", measured, word, why]


def _limit(limit: Limit, subjects: dict[str, Any]) -> list[Cell]:
    needed = limit.needed(subjects)
    at = f", {limit.setting} {limit.value:g}" if limit.setting else ""
    measured = "" if needed is None else f"{needed:.1f} {limit.unit}"
    most = f"{limit.most:g} {limit.unit}"
    return [f"{escape(limit.ours)}{at}", most, measured, limit.verdict(subjects)]


def _subject(subject: dict[str, Any]) -> list[str]:
    """Times, memory and ratios; then how the cost grows."""
    everyone = subject["contestants"]
    ours = [name for name, note in everyone.items() if note["ours"]]
    head = ["", "ms", "peak MiB", *(f"{escape(name)} / this" for name in ours), "gap"]
    rows = [_contestant(name, note, [everyone[n] for n in ours]) for name, note in everyone.items()]
    about = (
        f"Settings: {_settings(subject['settings'])}; {subject['rounds']} rounds. "
        f"Gap: {escape(subject['gap_means'])}, at most {subject['gap_limit']:g}."
    )
    return [f"### {escape(subject['title'])}", about, table(head, rows), *_growth(subject)]


def _contestant(name: str, note: dict[str, Any], ours: list[dict[str, Any]]) -> list[Cell]:
    gap = "" if note["gap"] is None else f"{note['gap']:.2g}"
    if "seconds" not in note:
        left_out = note["skipped"] or "another answer: not timed"
        return [f"{escape(name)}<br>{escape(left_out)}", "", "", *("" for _ in ours), gap]
    ratios = [_spread(o["ratios"][name]) if name in o.get("ratios", {}) else "" for o in ours]
    return [escape(name), f"{1000 * note['seconds'][0]:.1f}", note["peak_mib"], *ratios, gap]


def _growth(subject: dict[str, Any]) -> list[str]:
    """A table for each setting that was changed: milliseconds of each contestant."""
    parts = []
    for setting in dict.fromkeys(point["setting"] for point in subject["growth"]):
        points = [p for p in subject["growth"] if p["setting"] == setting]
        who = list(points[0]["seconds"])
        rows = [
            [f"{p['value']:g}", *(f"{1000 * p['seconds'][n]:.1f}" for n in who)] for p in points
        ]
        others = {**subject["settings"], **subject["growth_at"]}
        others.pop(setting)
        rest = f" ({_settings(others)})" if others else ""
        text = f"How the cost grows with {escape(setting)}{rest}, in milliseconds:"
        parts += [text, table([escape(setting), *map(escape, who)], rows)]
    return parts


def _settings(settings: dict[str, Any]) -> str:
    return ", ".join(f"{escape(name)} {value:g}" for name, value in settings.items())


def _spread(ratio: Any) -> str:
    return f"{ratio[0]:.2f} [{ratio[1]:.2f}, {ratio[2]:.2f}]"
