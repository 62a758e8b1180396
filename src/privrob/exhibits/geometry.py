"""Distances to the boundary as histograms and tables, and what the pages on geometry share."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import partial
from typing import Any

import numpy as np
from numpy.typing import NDArray

from privrob import plot, stats, zoo
from privrob.exhibits.figures import claim, lead, printed, stamp
from privrob.exhibits.groups import MODELS, Estimate, Group, Measure, pick
from privrob.exhibits.notes import sentence
from privrob.exhibits.values import cell, heading
from privrob.lab import registry, study
from privrob.lab import spec as specs
from privrob.lab.measures import MEASURES, RESAMPLES, Pair
from privrob.lab.recompute import METHODS, Outcome
from privrob.lab.run import Lab, key_of, open_store

BINS = 40
Table = list[dict[str, object]]

# -- shared -------------------------------------------------------------------------------------


def shown(groups: Iterable[Group], *, reading: str) -> list[Group]:
    """What is recorded of a reading; the quick models where nothing is."""
    here = pick(groups, reading=reading)
    return [g for g in here if g.tier == "recorded"] or here


def shown_value(group: Group, e: Estimate | None, *, digits: int = 2) -> plot.Value | None:
    """An estimate as a table shows it; nothing of nothing."""
    return None if e is None else cell(group, e, digits=digits)


def measured_rows(
    rows: Mapping[str, tuple[str, str, dict[str, Any], int]], groups: Sequence[Group]
) -> Table:
    """A row for each name: (unit, measure, its arguments, digits), a column for each group."""
    return [
        {"what": name, "unit": unit}
        | {
            heading(g): shown_value(g, g.estimate(_call(measure, arguments)), digits=d)
            for g in groups
        }
        for name, (unit, measure, arguments, d) in rows.items()
    ]


def _call(measure: str, arguments: dict[str, Any]) -> Measure:
    return partial(MEASURES[measure], **arguments)


def over_images(
    pairs: Sequence[Mapping[str, NDArray[Any]]], statistic: Callable[..., Any]
) -> Estimate:
    """A statistic of arrays by seed: mean over seeds; of one seed, its interval over images.

    Unlike `Group.estimate` it takes what is no mean over images, a median. The statistic maps
    arrays (..., N) to (...), and (..., R, N), the resamples, to (..., R).
    """
    values = np.stack([np.asarray(statistic(p), dtype=float) for p in pairs])
    if len(values) > 1:
        each = [stats.seed_summary(c) for c in values.reshape(len(values), -1).T]
        ends = ([getattr(s, end) for s in each] for end in ("mean", "low", "high"))
        mean, low, high = (np.reshape(e, values.shape[1:]) for e in ends)
        return Estimate(mean, low, high, len(values))
    n = next(iter(pairs[0].values())).shape[-1]
    draws = np.random.default_rng(0).integers(n, size=(RESAMPLES, n))
    parts = [
        statistic({k: a[..., some] for k, a in pairs[0].items()}) for some in np.split(draws, 10)
    ]
    again = np.concatenate(parts, axis=-1)  # (..., R)
    low, high = np.quantile(again, [(1 - stats.LEVEL) / 2, (1 + stats.LEVEL) / 2], axis=-1)
    return Estimate(values[0], low, high, 1)


def zoo_checks(name: str, *, images: int, device: str = "auto") -> list[Outcome]:
    """The zoo's models asked again about the first images, and compared with their records."""
    lab = Lab(open_store("paper"), on=device)
    once = {row.result.key: row for row in study.recorded(name)}  # readings may share a model
    kept = {entry.key for entry in zoo.entries()}
    return [
        METHODS[specs.kind(row.result.spec)](row.result, lab, images)
        for row in once.values()
        if key_of(row.variant.train) in kept and row.variant.seed == registry.LIVE_SEED
    ]


def check_table(outcomes: Sequence[Outcome], groups: Sequence[Group]) -> plot.Figure:
    """How many images were compared, and on how many an array differs by more than rounding."""
    if not outcomes:
        return sentence("No zoo model is here together with its record: nothing was compared.")
    by_key = {row.result.key: row.variant for g in groups for row in g.rows}
    rows: Table = []
    for o in outcomes:
        v = by_key.get(o.result.key)
        what = f"{MODELS[v.model]}, {v.reading}" if v else o.result.key[:10]
        asked = {"zoo model": what, "asked for": specs.kind(o.result.spec), "images": o.n}
        rows.append(asked | {"differ": o.disagreements + o.excused})
    chosen = [g for g in groups if g.tier == "recorded"]
    caption = f"{lead(chosen, published=False)}: the zoo's models, asked again in this build."
    return plot.table(rows, caption=caption, stamp=stamp(chosen, "privrob verify", published=False))


# -- distance -----------------------------------------------------------------------------------

NORM_NAMES = {"linf": "ℓ∞", "l2": "ℓ2"}


def distance_histograms(
    groups: Sequence[Group], *, norm: str, unit: float = 1.0, digits: int = 3
) -> list[plot.Histogram]:
    """Linearised distances of the images that each model has right; several seeds averaged.

    In units of `unit` pixels; means are told to so many digits.
    """
    largest = max(float(a[norm].max()) for g in groups for p in g.pairs for a in p.values())
    edges = np.linspace(0, largest, BINS + 1)
    shapes = [(g, model) for g in groups for model in MODELS]
    return [_histogram(g, model, norm, edges, unit, digits) for g, model in shapes]


def _histogram(
    group: Group, model: str, norm: str, edges: NDArray[Any], unit: float, digits: int
) -> plot.Histogram:
    distances = [right_distances(pair, model, norm) for pair in group.pairs]
    shares = np.mean([100 * np.histogram(d, edges)[0] / len(d) for d in distances], axis=0)
    mean = float(np.mean([d.mean() for d in distances])) / unit
    label = f"{MODELS[model]} {mean:.{digits}f}"
    bars = (edges / unit).tolist(), shares.tolist()
    return plot.Histogram(*bars, mean, label, group.tier, group.source, model)


def right_distances(pair: Pair, model: str, norm: str) -> NDArray[Any]:
    """Linearised distances of the images that the model has right."""
    return pair[model][norm][pair[model]["l2"] > 0]


def counted(groups: Sequence[Group]) -> plot.Figure:
    """How many test images were asked, and how many of these count, a sentence a group."""
    texts = []
    for g in groups:
        right = {m: int(np.mean([(p[m]["l2"] > 0).sum() for p in g.pairs])) for m in MODELS}
        told = " and ".join(f"{right[m]:,} of {name}" for m, name in MODELS.items())
        asked = g.pairs[0]["sgd"]["l2"].shape[-1]
        texts.append(f"{g.name.capitalize()}: of the first {asked:,} test images {told} are right.")
    return sentence(" ".join(texts))


def distance_marks(norm: str, *, section: str) -> list[plot.Mark]:
    """The means that a section of the paper prints."""
    values = {m: float(claim(f"{section}/{norm}/{m}").published) for m in MODELS}
    return [plot.Mark(v, f"printed: {MODELS[m]} {v:g}") for m, v in values.items()]


def order_of_norms(groups: Sequence[Group]) -> tuple[int, int]:
    """How many images were looked at over all models, and on how many linf is above l2."""
    records = [a for g in groups for pair in g.pairs for a in pair.values()]
    above = sum(int((np.abs(a["linf"]) > np.abs(a["l2"])).sum()) for a in records)
    return sum(a["l2"].shape[-1] for a in records), above


def drops_told(groups: Sequence[Group]) -> plot.Figure:
    """The drop of the mean distance beside that printed for CIFAR-10; a sentence a group."""
    told = [
        f"{g.name.capitalize()}: {'; '.join(_drop_told(g, norm) for norm in NORM_NAMES)}."
        for g in groups
        if g.tier == "recorded"
    ]
    return sentence(" ".join(told) or "No distances are recorded here to set beside the print.")


def _drop_told(group: Group, norm: str) -> str:
    e = group.estimate(partial(MEASURES["distance_drop"], norm=norm))
    assert e is not None  # images that are right are never missing
    paper, found = printed(f"section3.6/{norm}/drop"), float(e.mean)
    share = f"{100 * found / paper:.0f} % of the printed {paper:g} %"
    return f"{NORM_NAMES[norm]}, {found:.1f} %, which is {share}"


def iterated(groups: Sequence[Group], *, digits: int = 3) -> Table:
    """Linearised distances beside those that DeepFool walked, by norm and model."""
    rows: Table = []
    for norm, name in NORM_NAMES.items():
        for model, title in MODELS.items():
            of = {"model": model, "norm": norm}
            facts = {
                f"{name}, {title}: linearised": ("pixels", "mean_distance", of, digits),
                f"{name}, {title}: DeepFool": ("pixels", "deepfool_distance", of, digits),
                f"{name}, {title}: DeepFool / linearised": ("ratio", "deepfool_ratio", of, 3),
            }
            rows += measured_rows(facts, groups)
            rows.append(_never(groups, model, norm, f"{name}, {title}: never reached"))
        drops = {
            f"{name}: drop, linearised": ("percent", "distance_drop", {"norm": norm}, 1),
            f"{name}: drop, DeepFool": ("percent", "deepfool_drop", {"norm": norm}, 1),
        }
        rows += measured_rows(drops, groups)
    return rows


def _never(groups: Sequence[Group], model: str, norm: str, name: str) -> dict[str, object]:
    counts = {heading(g): sum(_unreached(p[model], norm) for p in g.pairs) for g in groups}
    return {"what": name, "unit": "images", **counts}


def _unreached(record: Mapping[str, NDArray[Any]], norm: str) -> int:
    return int((np.isnan(record[f"deepfool_{norm}"]) & (record["l2"] > 0)).sum())
