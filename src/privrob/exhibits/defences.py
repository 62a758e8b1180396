"""song2019's defences beside one another: accuracies, inference, bounds, departures.

Used as a module: `from privrob.exhibits import defences`.
"""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

from privrob import plot
from privrob.exhibits import leaks
from privrob.exhibits.leaks import Leak
from privrob.exhibits.outputs import SCORE
from privrob.exhibits.outputs import lead as lead  # captions say defences.lead
from privrob.exhibits.tables import words
from privrob.exhibits.ties import SCORES
from privrob.lab import registry, song2019, song_deviations, statements
from privrob.membership import threshold

TableRow = dict[str, object]
LEDGER = {  # models as the ledger's rows call them
    "natural": "natural",
    "pgd": "pgd",
    "dist": "distributional",
    "diff": "difference",
    "dual": "duality",
    "abs": "abstract-interpretation",
    "ibp": "interval-bound-propagation",
}
_ACCURACIES = {
    "members,\nbenign": "train",
    "others,\nbenign": "test",
    "members,\nadversarial": "adversarial-train",
    "others,\nadversarial": "adversarial-test",
}


def gather(name: str, computed: Sequence[Any] = ()) -> list[Leak]:
    """All evidence on an experiment of scores: recorded, then quick."""
    return leaks.leaks(name, computed)


def quick(found: Sequence[Leak]) -> dict[str, Leak]:
    """The models of profile quick, by key."""
    return {leak.model: leak for leak in found if leak.source == "quick"}


def stored(model: str, quantity: str) -> float:
    """An output stored in the authors' notebook on the Yale faces, percent: 'infer-benign'."""
    wanted = f"song2019/yale/{LEDGER[model]}/{quantity}"
    return next(float(c.published) for c in statements.load() if c.id == wanted)


def stamp(
    found: Sequence[Leak], command: str, *, published: bool = False, derived: bool = False
) -> plot.Stamp:
    """The evidence behind a figure or table, the stored outputs among it where they are shown."""
    own = leaks.leak_stamp(found, command)
    tiers = ("published",) * published + own.tiers + ("derived",) * derived
    return replace(own, tiers=tiers)


def told(found: Sequence[Leak], *, kinds: Sequence[str]) -> str:
    """For each model, by which inference the official accuracy is beyond chance, in words."""
    parts = []
    for leak in found:
        beyond = [
            leaks.INFERENCES[kind]
            for kind in kinds
            if leak.has(kind) and _beyond_chance(leak, kind)
        ]
        evidence = f"{leak.name} ({leak.source or leak.tier}, seed {leak.row.variant.seed})"
        parts.append(f"{evidence}: {' and '.join(beyond) or 'none'}")
    return f"By the confidence, beyond the 95 % of chance are: {'; '.join(parts)}."


def _beyond_chance(leak: Leak, kind: str) -> bool:
    a = leak.audit(kind, score=SCORE)
    return a.official.accuracy > a.null.high


# -- tables -------------------------------------------------------------------------------------


def accuracies(found: Sequence[Leak]) -> list[TableRow]:
    """Of members and others, clean and attacked: the stored outputs, then each of `found`."""
    return [row for model in _models(found) for row in _accuracies(model, found)]


def _accuracies(model: str, found: Sequence[Leak]) -> list[TableRow]:
    cells: TableRow
    cells = {name: _published(model, quantity) for name, quantity in _ACCURACIES.items()}
    return [
        {"training": song2019.NAMES[model], "evidence": "stored outputs"} | cells,
        *(_head(leak) | leaks.accuracy_cells(leak) for leak in found if leak.model == model),
    ]


def inferences(found: Sequence[Leak], *, kinds: Sequence[str]) -> list[TableRow]:
    """Threshold attacks on each of `found` and the stored accuracies; `kinds` as 'benign'.

    Each of `found` by the authors' score, the confidence, and by the log-odds. Beside a stored
    accuracy stands what chance gives scores without ties: arithmetic, no record.
    """
    rows = []
    for model in _models(found):
        row: TableRow = {"training": song2019.NAMES[model], "evidence": "stored outputs"}
        row["score"] = SCORES[SCORE]
        for kind in kinds:
            row |= _stored_inference(model, kind)
        rows.append(row)
        mine = [leak for leak in found if leak.model == model]
        rows += [_by_score(leak, score, kinds) for leak in mine for score in SCORES]
    return rows


def _by_score(leak: Leak, score: str, kinds: Sequence[str]) -> TableRow:
    row = _head(leak) | {"score": SCORES[score]}
    for kind in kinds:
        row |= leaks.inference_cells(leak, kind, score=score)
    return row


def _stored_inference(model: str, kind: str) -> TableRow:
    name = leaks.INFERENCES[kind]
    names = (name, f"{name}, 95 %\nof chance", f"{name},\nheld out")
    if kind == "verified":
        return dict.fromkeys(names)
    chance = threshold.closed_form_null(*song2019.SIZES["yale_faces"])
    cells = (
        _published(model, f"infer-{kind}"),
        plot.Value(100 * chance.high, tier="derived"),
        None,
    )
    return dict(zip(names, cells, strict=True))


def attacked(found: Sequence[Leak]) -> list[TableRow]:
    """Reasons to doubt the attack: images that it puts right, and accuracy that it raises.

    Neither can happen where the attack finds the worst point of the ball.
    """
    return [_head(leak) | _doubts(leak) for leak in found]


def _doubts(leak: Leak) -> TableRow:
    row: TableRow = {}
    for side, name in enumerate(("members", "others")):
        clean, under = (leak.sides(f"correct_{kind}")[side] for kind in ("benign", "adversarial"))
        above = 100 * float(under.mean() - clean.mean())
        row[f"{name}: right\nunder PGD alone"] = int((under & ~clean).sum())
        row[f"{name}: PGD above\nclean, points"] = leak.value(max(above, 0.0))
    return row


def verified(found: Sequence[Leak]) -> list[TableRow]:
    """Clean, attacked and verified accuracy, percent, of members and of others, by verifier."""
    return [
        _head(leak)
        | {"verifier": getattr(leak.row.variant.spec, "verifier", "") or "none"}
        | {
            f"{side},\n{word}": plot.Value(value, **leak.evidence) if value is not None else None
            for word, pair in _shares(leak).items()
            for side, value in zip(("members", "others"), pair, strict=True)
        }
        for leak in found
    ]


def _shares(leak: Leak) -> dict[str, tuple[float | None, float | None]]:
    pairs: dict[str, tuple[float | None, float | None]]
    pairs = {"clean": leak.accuracy("benign"), "PGD": leak.accuracy("adversarial")}
    return pairs | {"verified": verified_accuracy(leak) or (None, None)}


def verified_accuracy(leak: Leak) -> tuple[float, float] | None:
    """Of members and of others, percent; None for a model without a verifier."""
    if not leak.has("verified"):
        return None
    members, others = leak.sides("verified")
    return 100 * float(members.mean()), 100 * float(others.mean())


def deviations() -> plot.Figure:
    """Where the trainings here depart from the authors' code."""
    return words(
        [
            {"what": d.what, "authors' code": d.theirs, "here": d.ours}
            for d in song_deviations.DEVIATIONS
        ]
    )


def settings(name: str, model: str) -> plot.Figure:
    """What profile quick changes of one training of an experiment of scores."""
    experiment = registry.experiment(name)
    full, small = (
        next(v.spec for v in experiment.variants(profile, seed=0) if v.model == model)
        for profile in ("paper", "quick")
    )
    return words(registry.difference(full, small))


def verifiers(name: str) -> list[TableRow]:
    """By which sound bound each model of an experiment is verified, in profiles quick and paper."""
    experiment = registry.experiment(name)
    found: dict[str, TableRow] = {}
    for profile in ("quick", "paper"):
        for v in experiment.variants(profile, seed=0):
            row = found.setdefault(v.model, {"training": song2019.NAMES[v.model]})
            data = v.train.data.name.replace("_", " ")
            row[f"verifier, {data}"] = song2019.verifier(v.train) or "none"
    return list(found.values())


def _models(found: Sequence[Leak]) -> list[str]:
    here = {leak.model for leak in found}
    return [model for model in song2019.NAMES if model in here]


def _head(leak: Leak) -> TableRow:
    data = leak.row.variant.train.data.name.replace("_", " ")
    evidence = f"{leak.source or leak.tier}, {data}, seed {leak.row.variant.seed}"
    return {"training": leak.name, "evidence": evidence}


def _published(model: str, quantity: str) -> plot.Value:
    return plot.Value(stored(model, quantity), tier="published")


# -- a figure of inference accuracies -----------------------------------------------------------


def inference_dots(
    found: Sequence[Leak], *, kinds: Sequence[str], height: float
) -> tuple[Any, ...]:
    """(figure, alt text, rows): a panel a kind, the held-out accuracy, its interval, chance.

    A row stays empty where a model has no such scores.
    The bar is what chance gives the official accuracy in 95 of 100 cases, the tick that accuracy.
    """
    names, rows, columns = [leak.name for leak in found], list[TableRow](), []
    for kind in kinds:
        rows += [_dot_row(leak, kind) for leak in found]
        columns.append(_column(kind, rows[-len(found) :], found[0]))
    figure, axes = plot.dot_columns(names, columns, split=1, height=height)
    for ax, kind in zip(axes, kinds, strict=True):
        mine = [row for row in rows if row["inference"] == leaks.INFERENCES[kind]]
        _official(ax, mine)
        ax.set_xlim(*_limits(rows))
        ax.set_xticks((50, 60, 70), labels=("50", "60", "70"))
    axes[len(axes) // 2].set_xlabel("inference accuracy (%)")
    known = [row for row in rows if row["official"] == row["official"]]  # not NaN
    alt = "; ".join(
        f"{row['training']}, {row['inference']}: {row['official']:.1f} %, chance up to "
        f"{row['chance, 95 %']:.1f} %, held out {row['held out']:.1f} %"
        for row in known
    )
    return figure, f"Accuracy of membership inference. {alt}.", known


def _dot_row(leak: Leak, kind: str) -> TableRow:
    row: TableRow = {"training": leak.name, "inference": leaks.INFERENCES[kind]}
    nan = float("nan")
    values = [nan] * 5
    if leak.has(kind):
        a = leak.audit(kind, score=SCORE)
        held = (a.held_out.accuracy, a.interval.low, a.interval.high)
        values = [100 * v for v in (a.official.accuracy, a.null.high, *held)]
    names = ("official", "chance, 95 %", "held out", "low", "high")
    return row | dict(zip(names, values, strict=True)) | leak.evidence


def _column(kind: str, rows: Sequence[Mapping[str, Any]], leak: Leak) -> plot.Dots:
    mean, low, high = ([row[name] for row in rows] for name in ("held out", "low", "high"))
    return plot.Dots(leaks.INFERENCES[kind], mean, low, high, **leak.evidence)


def _official(ax: Any, rows: Sequence[Mapping[str, Any]]) -> None:
    for place, row in enumerate(rows):
        ax.barh(place, row["chance, 95 %"] - 50, left=50, height=0.5, color="0.5", alpha=0.3)
        ax.plot(row["official"], place, marker="|", markersize=13, color="0.5", markeredgewidth=2)


def _limits(rows: Sequence[Mapping[str, Any]]) -> tuple[float, float]:
    values = (row[name] for row in rows for name in ("low", "high", "official"))
    ends = [value for value in values if value == value]  # not NaN
    return min(46.0, *ends) - 1, max(62.0, *ends) + 1
