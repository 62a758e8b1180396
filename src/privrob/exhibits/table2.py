"""Table 2 beside the records: 31 corruptions, six models, averages, ranks, verdicts."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from functools import lru_cache
from typing import Any

import numpy as np
from scipy.stats import spearmanr

from privrob import plot
from privrob.corruptions import CORRUPTIONS
from privrob.exhibits.corruptions import (
    base_groups,
    published_value,
    stand_ins,
    table2_claim,
    title,
)
from privrob.exhibits.figures import claim
from privrob.exhibits.groups import MODELS, Group
from privrob.exhibits.values import cell, heading
from privrob.lab import claims
from privrob.lab.claims import Entry
from privrob.lab.measures import Pair, base
from privrob.lab.measures import corruptions as measures
from privrob.lab.statements import Claim
from privrob.lab.trainings import TABLE_2
from privrob.lab.verdicts import WORDS

EXHIBIT = "tursynbek2020/table2"
VARIANTS = {m.note: f"s{m.noise_std / m.clip_norm:g}-c{m.clip_norm:g}" for m in TABLE_2}
_AVERAGE = "mean of the 31"

TableRow = dict[str, object]


# -- numbers ------------------------------------------------------------------------------------


def _with_average(values: Any) -> Any:
    """(..., 31) with the mean over the corruptions at the end: (..., 32)."""
    return np.concatenate([values, values.mean(-1, keepdims=True)], axis=-1)


def _accuracies(pair: Pair, model: str) -> Any:
    return _with_average(measures.corruption_accuracies(pair, model=model))


def _gaps(pair: Pair) -> Any:
    return _with_average(measures.corruption_gaps(pair))


def _column(group: Group, measure: Any) -> list[plot.Value]:
    """One value a corruption and the mean, from the results of a group, stand-ins included."""
    e = group.estimate(measure) if measure is _gaps else group.share(measure)
    assert e is not None  # gaps are never missing either
    return [cell(group, e, digits=1, at=k) for k in range(len(e.mean))]


def ranks(values: Sequence[float]) -> list[int]:
    """1 for the largest; equal values share the better rank."""
    return [1 + sum(other > value for other in values) for value in values]


# -- the base pair ------------------------------------------------------------------------------


def table2_base(groups: Sequence[Group]) -> list[TableRow]:
    """A row for each corruption: printed and found accuracies and gaps of SGD and DP-SGD.

    Beside a printed number that is taken for a slip stands what it is corrected to. And the rank
    of its gap, 1 for the corruption that costs DP-SGD most beside SGD.
    """
    chosen = base_groups(groups)
    columns: dict[str, Sequence[object]] = {"corruption": _names(chosen)}
    for part, words in {**MODELS, "difference": "SGD minus\nDP-SGD"}.items():
        columns[f"{words},\npublished"] = [published_value(r, part) for r in _ROWS]
        if any(corrected := [_corrected(table2_claim(r, part)) for r in _ROWS]):
            columns[f"{words},\ncorrected"] = corrected
        for g in chosen:
            measure = _gaps if part == "difference" else _of(part)
            columns[f"{words},\n{heading(g)}"] = _column(g, measure)
    columns["rank of the gap,\npublished"] = [*ranks(_printed("difference")), None]
    for g in chosen:
        gaps = [v.mean for v in _column(g, _gaps)[:-1]]
        columns[f"rank,\n{heading(g)}"] = [*ranks(gaps), None]
    return _transposed(columns)


_ROWS = (*CORRUPTIONS, "average")


def _corrected(c: Claim) -> plot.Value | None:
    """What a verdict is given against where the printed number is taken for a slip."""
    return None if c.corrected is None else plot.Value(c.corrected, tier="derived", digits=2)


def _of(model: str) -> Any:
    return lambda pair: _accuracies(pair, model)


def _names(groups: Sequence[Group]) -> list[str]:
    """The rows' heads; a corruption that rests on a stand-in somewhere says where."""
    names = []
    for name in CORRUPTIONS:
        where = [g.name for g in groups if name in stand_ins([g])]
        names.append(f"{title(name)} (stand-in: {'; '.join(where)})" if where else title(name))
    rests = any(stand_ins([g]) for g in groups)
    return [*names, f"{_AVERAGE} (with stand-ins)" if rests else _AVERAGE]


def _printed(column: str) -> list[float]:
    """The printed column; its copy error is corrected as the ledger has it."""
    return [table2_claim(name, column).target for name in CORRUPTIONS]


def _transposed(columns: Mapping[str, Sequence[object]]) -> list[TableRow]:
    return [dict(zip(columns, row, strict=True)) for row in zip(*columns.values(), strict=True)]


# -- the other models ---------------------------------------------------------------------------


def table2_variants(groups: Sequence[Group]) -> list[TableRow]:
    """A row for each corruption: the four other DP-SGD models, printed and found."""
    chosen = [g for g in groups if g.note in VARIANTS]
    columns: dict[str, Sequence[object]] = {"corruption": _names(chosen)}
    for note, column in VARIANTS.items():
        columns[f"{_sigma(note)},\npublished"] = [published_value(r, column) for r in _ROWS]
        for g in (g for g in chosen if g.note == note):
            columns[f"{_sigma(note)},\n{g.source or g.tier}"] = _column(g, _of("dpsgd"))
    return _transposed(columns)


def _sigma(note: str) -> str:
    return note.replace("sigma", "σ")


def table2_drops(groups: Sequence[Group]) -> list[TableRow]:
    """Of each model: clean accuracy, the mean over the corruptions, and how far it lies below."""
    rows: list[TableRow] = []
    for model, note, part in _models():
        found = [g for g in groups if g.note == note]
        row: TableRow = {"model": f"{MODELS[model]}{f', {_sigma(note)}' if note else ''}"}
        for words, printed in _printed_drop(part).items():
            row[f"{words},\npublished"] = plot.Value(printed, tier="published", digits=2)
        for g in found:
            words = f"drop,\n{heading(replace(g, note=''))}"
            row[words] = _column(g, _drop_of(model))[0]
        rows.append(row)
    return rows


def _models() -> list[tuple[str, str, str]]:
    """Model, note and printed column of the six models."""
    return [(m, "", m) for m in MODELS] + [("dpsgd", note, c) for note, c in VARIANTS.items()]


def _printed_drop(column: str) -> dict[str, float]:
    clean = claim_of_clean(column)
    average = table2_claim("average", column).target
    return {"clean": clean, "mean": average, "drop": clean - average}


def claim_of_clean(column: str) -> float:
    """The printed clean accuracy of a model; the base pair's stand under 'clean'."""
    if column in MODELS:
        return claim(f"clean/{column}").target
    return table2_claim("baseline", column).target


def _drop_of(model: str) -> Any:
    def drop(pair: Pair) -> Any:
        clean = base.percent(pair, model, "correct_test")
        return (clean - measures.corruption_accuracies(pair, model=model).mean(-1))[..., None]

    return drop


# -- sentences ----------------------------------------------------------------------------------


def gap_summary(groups: Sequence[Group]) -> str:
    """How many gaps exceed the clean one, which are largest, and how alike the orders are."""
    printed = np.array(_printed("difference"))
    clean_gap = table2_claim("baseline", "difference").target
    told = [_told("printed", printed, clean_gap)]
    told += [f"{_told(g.name, *_gaps_of(g))} {_alike(g, printed)}" for g in base_groups(groups)]
    return " ".join(told)


def _gaps_of(group: Group) -> tuple[Any, float]:
    """The gaps under the corruptions and the one on clean images."""
    gaps = group.estimate(measures.corruption_gaps)
    clean = group.estimate(lambda pair: base.gap_of(pair, "correct_test"))
    assert gaps
    assert clean
    return np.asarray(gaps.mean), float(clean.mean)


def _alike(group: Group, printed: Any) -> str:
    agreement = spearmanr(_gaps_of(group)[0], printed).statistic
    return f"The rank correlation of its gaps with the printed ones is {agreement:.2f}."


def _told(name: str, gaps: Any, clean: float) -> str:
    largest = [title(CORRUPTIONS[k]) for k in np.argsort(-gaps, kind="stable")[:5]]
    return (
        f"{name[0].upper()}{name[1:]}: the gap is above the clean one under {(gaps > clean).sum()} "
        f"of {len(gaps)} corruptions; largest under {', '.join(largest)}."
    )


# -- verdicts -----------------------------------------------------------------------------------


@lru_cache(maxsize=1)
def _entries() -> tuple[Entry, ...]:
    return tuple(claims.ledger(exhibits=(EXHIBIT,)))


def contradictions() -> list[TableRow]:
    """Where the printed table disagrees with itself: printed, computed, verdict on the print.

    What restores it comes last.
    """
    rows: list[TableRow] = []
    for e in sorted(_entries(), key=_restores):
        found = e.headline.evidence
        if e.claim.kind != "derived" or found is None or isinstance(e.claim.published, str):
            continue
        if e.headline.verdict.word == "not reproduced" or _restores(e):
            rows.append(
                {
                    "printed claim": e.claim.statement,
                    "printed": plot.Value(float(e.claim.published), tier="published", digits=2),
                    "computed": plot.Value(found.value, tier="derived", digits=3),
                    "how": _how(e.claim, found.value),
                    "verdict on the print": str(e.headline.verdict),
                }
            )
    return rows


def _how(c: Claim, found: float) -> str:
    """The arithmetic of a derived claim written out, on the numbers that are printed."""
    if c.measure == "difference":
        above, below = (_printed_as(c.arguments[part]) for part in ("minuend", "subtrahend"))
        printed = float(c.published)
        told = f"{above:.2f} − {below:.2f} = {found:.2f}, and {printed:.2f} is printed"
        return f"{told}; {below:.2f} + {printed:.2f} = {below + printed:.2f}"
    n = len(CORRUPTIONS)
    told = f"{n} rows add up to {n * found:.2f}, and {n * found:.2f} / {n} = {found:.3f}"
    if row := c.arguments.get("restored"):
        a, b = (_printed_as(f"{EXHIBIT}/{row}/{column}") for column in c.arguments["addends"])
        return f"with {a:.2f} + {b:.2f} = {a + b:.2f} for {row.replace('-', ' ')}, {told}"
    return told


def _printed_as(id: str) -> float:
    return float(claim(id.removeprefix("tursynbek2020/")).published)


def _restores(e: Entry) -> bool:
    return e.claim.id.endswith("restored")


def table2_statements() -> list[TableRow]:
    """What the text concludes from the table: whether the print bears it out, and our records."""
    by_id = {e.claim.id: e for e in _entries()}
    rows: list[TableRow] = []
    for name in ("gap-grows", "largest-gaps", "drop-grows-with-clip", "drop-grows-with-noise"):
        ours, printed = by_id[f"{EXHIBIT}/{name}"], by_id[f"{EXHIBIT}/{name}/as-printed"]
        row: TableRow = {"statement": ours.claim.statement}
        row["by the printed numbers"] = str(printed.headline.verdict)
        row |= {f"by our records, {a.reading}": str(a.verdict) for a in ours.assessments}
        rows.append(row)
    return rows


def verdict_counts() -> list[TableRow]:
    """How many cells of each column have which verdict, in each reading."""
    columns = {**MODELS, "difference": "SGD minus DP-SGD"}
    columns |= {column: f"DP-SGD, {_sigma(note)}" for note, column in VARIANTS.items()}
    rows: list[TableRow] = []
    for column, words in columns.items():
        mine = [e for e in _entries() if e.claim.id.endswith(f"/{column}") and e.tier == "recorded"]
        for reading in ("literal", "matched"):
            found = [a.verdict.word for e in mine for a in e.assessments if a.reading == reading]
            if found:
                row: TableRow = {"column": words, "reading": reading}
                row |= {word: found.count(word) for word in WORDS}
                rows.append(row | {"claims": len(found)})
    return rows
