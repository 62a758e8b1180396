"""Tables of a notebook: values beside the published ones, privacy, verdicts, settings."""

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import fields, is_dataclass
from functools import partial
from html import escape
from typing import Any

import numpy as np

from privrob import plot
from privrob.exhibits.figures import worst
from privrob.exhibits.groups import MODELS, Estimate, Group
from privrob.exhibits.values import cell, digits_of, heading
from privrob.lab import claims, registry, statements
from privrob.lab.budgets import DELTAS, delta_text, training_of
from privrob.lab.claims import Assessment
from privrob.lab.measures import MEASURES
from privrob.lab.spec import Spec, Train
from privrob.lab.statements import Claim
from privrob.lab.study import Pair

Row = dict[str, object]

# -- values beside the published ones -----------------------------------------------------------


def beside_published(chosen: Iterable[Claim], groups: Sequence[Group]) -> list[Row]:
    """A row for each claim: its name and unit, the printed value, each group's value."""
    return [
        {"what": short(c), "unit": c.unit, "published": _printed(c)}
        | {heading(g): _value(c, g) for g in groups}
        for c in chosen
    ]


def short(c: Claim) -> str:
    """A claim's name for a narrow column: 'ε = 0.3, 40 steps: SGD', 'largest gap at'."""
    *attack, tail = c.id.split("/")[2:]
    name = MODELS.get(tail, tail.replace("-", " "))
    for eps, steps in re.findall(r"eps([\d.]+)-steps(\d+)", "".join(attack)):
        setting = f"ε = {eps}, {steps} steps:".replace(" ", "\N{NO-BREAK SPACE}")
        return f"{setting} {_unbroken(name)}"
    row = "clean" if c.exhibit == "clean" else _unbroken("".join(attack))
    return f"{row}: {_unbroken(name)}" if row else name


def _unbroken(name: str) -> str:
    """A name that a narrow column does not break at its hyphen."""
    return name.replace("-", "\N{NON-BREAKING HYPHEN}")


def measured(experiment: str, *, kinds: Sequence[str] = ("value",)) -> list[Claim]:
    """The claims that an experiment's records bear on, of these kinds, in the paper's order."""
    return [c for c in statements.load() if c.experiment == experiment and c.kind in kinds]


def _printed(c: Claim) -> object:
    if isinstance(c.published, str):
        return c.shown
    value = float(c.published)
    return plot.Value(value, tier="published", digits=digits_of(c.unit, value))


def _value(c: Claim, group: Group, measure: str | None = None) -> plot.Value | None:
    e = group.estimate(lambda pair: MEASURES[measure or c.measure](pair, **c.arguments))
    return None if e is None else _shown(e, c, group)


def _shown(e: Estimate, c: Claim, group: Group) -> plot.Value:
    return cell(group, e, digits=digits_of(c.unit, *map(float, (e.mean, e.low, e.high))))


def beside_one_another(
    chosen: Iterable[Claim], columns: Mapping[str, tuple[Group, str]]
) -> list[Row]:
    """A row for each claim, where each column names its group and its measure."""
    return [
        {"what": short(c)} | {name: _value(c, g, m) for name, (g, m) in columns.items()}
        for c in chosen
    ]


def unclipped(chosen: Iterable[Claim], groups: Sequence[Group]) -> list[Row]:
    """`beside_published` for FGSM as Eq. (3) has it, without the clip to [0, 1]."""
    return [
        {"what": short(c), "unit": c.unit, "published": _printed(c)}
        | {
            heading(g): _shown(e, c, g)
            for g in groups
            if (e := g.estimate(partial(_without_clip, c))) is not None
        }
        for c in chosen
    ]


def _without_clip(c: Claim, pair: Pair) -> Any:
    free = {m: arrays | {"correct": arrays["correct_unclipped"]} for m, arrays in pair.items()}
    return MEASURES[c.measure](free, **c.arguments)


def pgd_variants(groups: Sequence[Group]) -> dict[str, tuple[Group, str]]:
    """Columns for `beside_one_another`: last and any iterate of each group, or last alone."""
    columns: dict[str, tuple[Group, str]] = {}
    for g in groups:
        columns[f"{heading(g)},\nlast iterate"] = (g, "pgd_accuracy")
        if not g.note:
            columns[f"{heading(g)},\nevery iterate"] = (g, "pgd_ever_fooled_accuracy")
    return columns


# -- privacy ------------------------------------------------------------------------------------


def budgets(*, seed: int) -> list[Row]:
    """What each DP-SGD run, of every reading and of profile quick, costs in privacy."""
    trains = {
        r: registry.pair(*registry.READINGS[r], reading=r, seed=seed) for r in registry.READINGS
    }
    trains |= {"quick": registry.quick_pair(seed=seed)}
    return [_budget(n, train["dpsgd"], delta) for n, train in trains.items() for delta in DELTAS]


def _budget(name: str, train: Train, delta: float) -> Row:
    t, paper = training_of(train), train.scale == "paper"
    tier: dict[str, Any]
    tier = {"tier": "derived"} if paper else {"tier": "executed", "source": "quick"}
    words = {"prv": "PRV", "rdp": "RDP", "eq1": "Eq. (1),\nno bound"}
    values = {word: t.epsilon(delta=delta, accountant=a) for a, word in words.items()}
    return {
        "run": name,
        "σ": f"{t.noise_multiplier:g}",
        "q": f"{t.sample_rate:.4g}",
        "updates": f"{t.updates:,}",
        "δ": delta_text(delta).removeprefix("δ = "),
    } | {word: plot.Value(found, **tier) for word, found in values.items()}


# -- verdicts -----------------------------------------------------------------------------------


def verdicts(
    *exhibits: str, command: str, experiment: str | None = None, rows: Sequence[str] = ()
) -> plot.Figure:
    """The ledger's lines on these exhibits ('tursynbek2020/figure2'), in each reading.

    `experiment` leaves out claims on others; `rows` are the beginnings of those that are wanted,
    without paper and exhibit. The claims page links to the notebook that makes this call.
    """
    entries = claims.ledger(exhibits=exhibits)
    if experiment:
        entries = [e for e in entries if e.claim.experiment in (None, experiment)]
    entries = [e for e in entries if e.claim.id.split("/", 2)[2].startswith(tuple(rows) or "")]
    used = [a.evidence for e in entries for a in e.assessments if a.evidence]
    tiers = [t for t in ("recorded", "derived") for e in entries if _given(e) and e.tier == t]
    tiers += ["derived" for e in entries if e.claim.corrected is not None]
    table: list[Row] = [
        {"claim": short(e.claim), "published": _printed(e.claim)}
        | _corrected(e.claim)
        | (_assessed("literal reading", e.headline, e) if not e.only_matched else {})
        | (_assessed("matched reading", e.matched, e) if e.matched else {})
        for e in entries
    ]
    words = ", ".join(dict.fromkeys(["Published", *tiers]))
    caption = f"{words}: verdicts, by the rules of the page on how to read this book."
    evidence = plot.Stamp(
        tiers=("published", *dict.fromkeys(tiers)),
        profile="paper",
        device="",
        seeds=tuple(sorted({s for e in used for s in e.seeds})),
        date="",
        keys=tuple(dict.fromkeys(k for e in used for k in e.records)),
        state=worst(s for e in used for s in e.states),
        command=command,
    )
    return plot.table(table, caption=caption, stamp=evidence)


def _corrected(c: Claim) -> Row:
    """What stands in for a printed number that is taken for a slip."""
    if c.corrected is None:
        return {}
    value = plot.Value(c.corrected, tier="derived", digits=digits_of(c.unit, c.corrected))
    return {"judged\nagainst": value}


def _given(entry: claims.Entry) -> bool:
    return any(a.evidence for a in entry.assessments)


def _assessed(reading: str, a: Assessment, entry: claims.Entry) -> Row:
    e = a.evidence
    if e is None:
        return {reading: None, f"verdict,\n{reading}": str(a.verdict)}
    low, high = (None, None) if np.isnan(e.low) else (e.low, e.high)
    n, digits = e.n if e.n > 1 else None, digits_of(entry.claim.unit, e.value, low or 0, high or 0)
    value = plot.Value(e.value, low, high, n, tier=entry.tier, digits=digits)
    return {reading: value, f"verdict,\n{reading}": str(a.verdict)}


# -- settings -----------------------------------------------------------------------------------


def settings(name: str, *, model: str = "dpsgd") -> plot.Figure:
    """Where the readings of an experiment and profile quick differ, for one of its models."""
    return _differing(_specs(name, model, ""))


def settings_of_both(name: str, *, note: str = "") -> plot.Figure:
    """`settings` of SGD and DP-SGD side by side, of the models of a note."""
    return _differing(
        {
            f"{column}, {title}": spec
            for model, title in MODELS.items()
            for column, spec in _specs(name, model, note).items()
        }
    )


def _specs(name: str, model: str, note: str) -> dict[str, Spec]:
    """By reading, and of profile quick."""
    paper = registry.experiment(name).variants("paper", seed=registry.LIVE_SEED)
    specs = {v.reading: v.spec for v in paper if v.model == model and v.note == note}
    small = registry.experiment(name).variants("quick", seed=registry.LIVE_SEED)
    return specs | {"quick": next(v.spec for v in small if v.model == model)}


def _differing(specs: Mapping[str, Spec]) -> plot.Figure:
    flats = {column: registry.settings(spec, labels=False) for column, spec in specs.items()}
    rows = [
        {"setting": setting} | {column: values.get(setting) for column, values in flats.items()}
        for setting in dict.fromkeys(s for values in flats.values() for s in values)
    ]
    return words([r for r in rows if len({str(r[column]) for column in flats}) > 1])


def attack_settings(name: str) -> plot.Figure:
    """What is done to the models of an experiment: every setting of its first spec, by profile."""
    small, full = (
        _attack(registry.experiment(name).variants(profile, seed=registry.LIVE_SEED)[0].spec)
        for profile in ("quick", "paper")
    )
    return words([{"setting": s, "paper": full[s], "quick": small[s]} for s in full])


def _attack(spec: Any) -> Row:
    own = {f.name: getattr(spec, f.name) for f in fields(spec)}
    images: Row = {"test images": spec.data.test or "all"}
    return images | {s: value for s, value in own.items() if not is_dataclass(value)}


def words(rows: Sequence[Mapping[str, object]]) -> plot.Figure:
    """A plain table of settings: no evidence, so no tier and no stamp."""
    names = list(dict.fromkeys(name for row in rows for name in row))
    head = "".join(f'<th scope="col" class="words">{escape(n)}</th>' for n in names)
    body = "".join(
        "<tr>"
        + "".join(f'<td class="words">{escape(_text(r.get(n)))}</td>' for n in names)
        + "</tr>"
        for r in rows
    )
    html = (
        f'<div class="privrob"><style>{plot.STYLESHEET}</style><div class="privrob-table" '
        f'role="region" tabindex="0" aria-label="settings"><table><thead><tr>{head}</tr></thead>'
        f"<tbody>{body}</tbody></table></div></div>"
    )
    lines = ["; ".join(f"{n} {_text(r.get(n))}" for n in names) for r in rows]
    return plot.Figure(html, "\n".join(lines))


def _text(value: object) -> str:
    if isinstance(value, float):
        return "" if value != value else f"{value:.6g}"
    if isinstance(value, tuple):
        return ", ".join(map(_text, value))
    return "–" if value is None else str(value)
