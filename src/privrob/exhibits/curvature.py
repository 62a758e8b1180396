"""Spectra of the input Hessian, and which of its two factors makes the ratio between models.

H = J^T (diag p - p p^T) J. The records keep J J^T and the logits, so the spectrum with one model's
Jacobian and another's probabilities is computed here.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from math import log10
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from privrob import geometry, plot
from privrob.exhibits.figures import claim
from privrob.exhibits.geometry import Table, over_images, shown_value
from privrob.exhibits.groups import MODELS, Estimate, Group
from privrob.exhibits.notes import sentence
from privrob.exhibits.values import cell, curve_of, evidence, heading
from privrob.lab.measures import Pair

STATISTICS: dict[str, Callable[..., Any]] = {"mean": np.mean, "median": np.median}
FEW = 100  # images that the paper averages over
RANKS = 15  # that it plots
Tops = dict[str, NDArray[Any]]

# -- spectra ------------------------------------------------------------------------------------


def spectrum_curves(groups: Sequence[Group], *, array: str, statistic: str) -> list[plot.Curve]:
    """log10 of the eigenvalues by rank, `statistic` over the images, of the ranks below K.

    `array` is the record's 'hessian' or 'jacobian'.
    """
    return [_spectrum_curve(group, model, array, statistic) for group in groups for model in MODELS]


def _spectrum_curve(group: Group, model: str, array: str, statistic: str) -> plot.Curve:
    spectra = [{"s": pair[model][array][:-1]} for pair in group.pairs]
    e = over_images(spectra, lambda one: np.log10(STATISTICS[statistic](one["s"], axis=-1)))
    label = f"{MODELS[model]}, {group.source or group.tier}"
    ranks = [float(k) for k in range(1, len(e.mean) + 1)]
    return curve_of(group, e, ranks, label, model)


def in_words(curve: plot.Curve) -> str:
    """What a curve of `spectrum_curves` shows, for an alt text."""
    first, last = (f"10 to the {v:.1f}" for v in (curve.mean[0], curve.mean[-1]))
    return f"{curve.label}, from {first} at rank 1 to {last} at rank {len(curve.mean)}"


def empty_in_words(levels: Sequence[plot.Reference], *, ranks: int, last: int) -> str:
    """The rest of a panel for an alt text: what rounding leaves, and the ranks without a curve."""
    drawn = ", ".join(f"10 to the {level.value:.1f} ({level.text})" for level in levels)
    dotted = f"dotted levels at {drawn}; " if drawn else ""
    return f"{dotted}ranks {ranks + 1} to {last} are hatched, there rounding alone is left"


def floors(curves: Sequence[plot.Curve]) -> list[plot.Reference]:
    """What rounding leaves of a zero: the precision's epsilon times the largest eigenvalue."""
    largest, word = max(curve.mean[0] for curve in curves), curves[0].tier
    return [
        plot.Reference(largest + log10(np.finfo(kind).eps), f"rounding, {kind}", word)
        for kind in ("float32", "float64")
    ]


def rank_excess(groups: Sequence[Group]) -> float:
    """The largest share that an eigenvalue past rank K - 1 has of its image's largest."""
    shares = [
        np.abs(a["hessian"][-1]) / a["hessian"][0]
        for group in groups
        for pair in group.pairs
        for a in pair.values()
    ]
    return float(max(s[np.isfinite(s)].max() for s in shares))


def by_rank(groups: Sequence[Group], *, array: str = "hessian") -> Table:
    """The ratio of the mean eigenvalues, DP-SGD over SGD, of every rank below K, decades.

    `array` as in `spectrum_curves`.
    """
    found = [(g, over_images([_spectra(p, array) for p in g.pairs], _rank_ratios)) for g in groups]
    ranks = min((len(e.mean) for _, e in found), default=0)
    return [
        {"rank": k + 1} | {heading(g): cell(g, e, digits=2, at=k) for g, e in found}
        for k in range(ranks)
    ]


def _spectra(pair: Pair, array: str) -> Tops:
    return {m: pair[m][array][:-1] for m in MODELS}


def _rank_ratios(spectra: Tops) -> NDArray[Any]:
    sgd, dpsgd = (spectra[m].mean(-1) for m in MODELS)
    return np.asarray(np.log10(dpsgd / sgd))


# -- a hundred images, and all that are recorded --------------------------------------------------


def few_and_many(groups: Sequence[Group]) -> Table:
    """The largest eigenvalue of both models and their ratio, decades: 100 images and all."""
    return [
        {"evidence": g.name, "statistic": word, "images": n} | _largest(g, word, n)
        for g in groups
        for word in STATISTICS
        for n in dict.fromkeys((min(FEW, _images(g)), _images(g)))
    ]


def _images(group: Group) -> int:
    return int(group.pairs[0]["sgd"]["hessian"].shape[-1])


def _largest(group: Group, word: str, images: int) -> dict[str, object]:
    pairs = [{m: pair[m]["hessian"][0, :images] for m in MODELS} for pair in group.pairs]
    f = STATISTICS[word]
    own = {
        f"log10 λ1,\n{title}": over_images(pairs, lambda p, m=m: np.log10(f(p[m], axis=-1)))
        for m, title in MODELS.items()
    }
    ratio = over_images(pairs, lambda p: np.log10(f(p["dpsgd"], axis=-1) / f(p["sgd"], axis=-1)))
    columns = own | {"DP-SGD over SGD,\ndecades": ratio}
    return {name: shown_value(group, e) for name, e in columns.items()}


def printed_ratio() -> float:
    """What is enough to reach the ratio printed for MNIST, its tolerance below it, decades."""
    printed = claim("section3.4/eigenvalue-ratio")
    return printed.target - (printed.tolerance or 0)


def printed_told() -> str:
    """The printed ratio for MNIST as a factor, in a sentence."""
    times = 10 ** claim("section3.4/eigenvalue-ratio").target
    return (
        f"Published: the largest eigenvalue of DP-SGD is {times:g} times that of SGD (Figure 5c)."
    )


def draws_of_few(groups: Sequence[Group], *, draws: int, seed: int, enough: float) -> Table:
    """The ratio of means that `draws` random hundreds of the recorded images give, as factors.

    The last column counts those of `enough` decades or more.
    """
    rows: Table = []
    for g in groups:
        found = np.concatenate([_ratios(p, draws, seed) for p in g.pairs])
        low, middle, high = 10 ** np.quantile(found, [0.025, 0.5, 0.975])
        rows.append(
            {
                "evidence": g.name,
                "hundreds drawn": len(found),
                "ratio, 2.5 %\nof hundreds below": plot.Value(float(low), **evidence(g), digits=1),
                "ratio,\nmiddle": plot.Value(float(middle), **evidence(g), digits=1),
                "ratio, 2.5 %\nof hundreds above": plot.Value(float(high), **evidence(g), digits=1),
                f"{10**enough:.0f} or more,\n% of hundreds": plot.Value(
                    float(100 * (found >= enough).mean()), **evidence(g), digits=1
                ),
            }
        )
    return rows


def _ratios(pair: Pair, draws: int, seed: int) -> NDArray[Any]:
    """log10 of the ratio of means over random hundreds, the same images for both models."""
    sgd, dpsgd = (pair[m]["hessian"][0] for m in MODELS)
    rng = np.random.default_rng(seed)
    few = min(FEW, len(sgd))
    chosen = np.stack([rng.choice(len(sgd), few, replace=False) for _ in range(draws)])
    return np.asarray(np.log10(dpsgd[chosen].mean(1)) - np.log10(sgd[chosen].mean(1)))


# -- confidence or Jacobian -----------------------------------------------------------------------


def tops(pair: Pair) -> Tops:
    """Largest eigenvalue (N,) with the Jacobian of one model and the probabilities of one:
    'sgd dpsgd' is SGD's Jacobian and DP-SGD's probabilities.
    """
    gram = {m: torch.as_tensor(pair[m]["gram"]).double().permute(2, 0, 1) for m in MODELS}
    p = {m: torch.as_tensor(pair[m]["logits"]).double().T.softmax(1) for m in MODELS}
    return {
        f"{j} {c}": geometry.spectrum(gram[j], p[c])[:, 0].clamp_min(0).numpy()
        for j in MODELS
        for c in MODELS
    }


@dataclass(frozen=True)
class Factors:
    """The ratio of one statistic of the largest eigenvalues, DP-SGD over SGD, and its two parts.

    In decades, with intervals. `confidence` and `jacobian` add up to `total`; `lead` is the first
    less the second. `four` has log10 of the statistic for each pairing of `tops`.
    """

    group: Group
    statistic: str
    total: Estimate
    confidence: Estimate
    jacobian: Estimate
    lead: Estimate
    four: dict[str, float]

    @property
    def carrier(self) -> str:
        """Which factor makes more of the ratio; 'undecided' where the interval of `lead` has 0."""
        if self.lead.low > 0:
            return "confidence"
        return "Jacobian" if self.lead.high < 0 else "undecided"


def factors(groups: Sequence[Group]) -> list[Factors]:
    """The ratio of each group taken apart, for the mean and for the median over its images."""
    found = []
    for group in groups:
        pairs = [tops(pair) for pair in group.pairs]
        for word, f in STATISTICS.items():
            parts = over_images(pairs, partial(_parts, statistic=f))
            four = {k: float(np.mean([np.log10(f(p[k])) for p in pairs])) for k in pairs[0]}
            total, confidence, jacobian, lead = (_part(parts, i) for i in range(4))
            found.append(Factors(group, word, total, confidence, jacobian, lead, four))
    return found


def _part(e: Estimate, i: int) -> Estimate:
    return Estimate(e.mean[i], e.low[i], e.high[i], e.n)


def _parts(tops: Tops, *, statistic: Callable[..., Any]) -> NDArray[Any]:
    """(total, confidence, jacobian, lead): each part the mean of its two orders."""
    four = {k: np.log10(statistic(v, axis=-1)) for k, v in tops.items()}
    total = four["dpsgd dpsgd"] - four["sgd sgd"]
    at_sgd = four["dpsgd sgd"] - four["sgd sgd"]
    at_dpsgd = four["dpsgd dpsgd"] - four["sgd dpsgd"]
    jacobian = (at_sgd + at_dpsgd) / 2
    return np.stack([total, total - jacobian, jacobian, total - 2 * jacobian])


def factor_table(found: Sequence[Factors]) -> Table:
    """The ratio and its parts, decades."""
    return [
        {
            "evidence": f.group.name,
            "statistic": f.statistic,
            "DP-SGD over SGD": shown_value(f.group, f.total),
            "from confidence": shown_value(f.group, f.confidence),
            "from the Jacobian": shown_value(f.group, f.jacobian),
            "carried by": f.carrier,
        }
        for f in found
    ]


def four_table(found: Sequence[Factors]) -> Table:
    """log10 of the largest eigenvalue, for each model's Jacobian at each model's confidence."""
    names = {f"J of {MODELS[j]},\np of {MODELS[c]}": f"{j} {c}" for j in MODELS for c in MODELS}
    return [
        {"evidence": f.group.name, "statistic": f.statistic}
        | {
            name: plot.Value(f.four[key], tier=f.group.tier, source=f.group.source)
            for name, key in names.items()
        }
        for f in found
    ]


def factor_verdict(found: Sequence[Factors], *, published: float | None) -> plot.Figure:
    """One sentence a statistic: how large the ratio is, and which factor carries it.

    `published` is the printed ratio in decades, None where there is none.
    """
    texts = [_sentence(f, published) for f in found]
    return sentence(" ".join(texts) or "Nothing is recorded here that could be taken apart.")


def _sentence(f: Factors, published: float | None) -> str:
    printed = "" if published is None else f" ({published:g} printed)"
    what = f"{f.group.name}, {f.statistic}: of {f.total.mean:.2f} decades{printed}"
    parts = f"{f.confidence.mean:.2f} come from confidence and {f.jacobian.mean:.2f} from the"
    said = {
        "confidence": "so confidence carries the ratio",
        "Jacobian": "so the Jacobian carries the ratio",
        "undecided": "so which of the two carries it is undecided",
    }
    return f"{what}, {parts} Jacobian, {said[f.carrier]}."
