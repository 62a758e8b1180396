"""Distances in units of the network's input: the same ones, divided by what it divides pixels by.

A network that normalises has one deviation s a channel. A change of a channel by one pixel is one
of 1 / s behind the normalisation. So where the deviations lie between s and S, every distance d in
pixels is one between d / S and d / s there, in either norm.
"""

from collections.abc import Sequence
from functools import partial

from privrob import plot
from privrob.exhibits.figures import claim
from privrob.exhibits.geometry import NORM_NAMES, Table
from privrob.exhibits.groups import MODELS, Estimate, Group
from privrob.exhibits.values import cell, evidence
from privrob.lab import measures
from privrob.models_cifar import CIFAR, DIGITS, FEATURES

INPUTS = {"cifar_features": CIFAR, "digits_features": DIGITS}


def deviations(group: Group) -> tuple[float, ...]:
    """What the network divides the pixels of each channel by."""
    model = group.rows[0].variant.train.model
    found = INPUTS[FEATURES[model.name]].std
    return found if model.normalize else tuple(1.0 for _ in found)


def unit(groups: Sequence[Group]) -> float:
    """The middle deviation of the channels, in pixels: one unit of the normalised input, about.

    ValueError for groups of different networks.
    """
    found = {deviations(group) for group in groups}
    if len(found) != 1:
        raise ValueError(f"groups divide pixels by different deviations: {sorted(found)}")
    (stds,) = found
    return (min(stds) + max(stds)) / 2


def both_units(groups: Sequence[Group], *, section: str) -> Table:
    """Mean distances in pixels and in normalised units, beside what a section of the paper prints.

    The row 'l_inf over l_2' is above one nowhere but in print.
    """
    rows: Table = []
    for model, title in MODELS.items():
        printed = {n: float(claim(f"{section}/{n}/{model}").published) for n in NORM_NAMES}
        for norm, name in NORM_NAMES.items():
            rows.append({"what": f"{title}, {name}"} | _published(printed[norm]))
            for group in groups:
                rows[-1] |= _in_units(group, model, norm)
        ratio = printed["linf"] / printed["l2"]
        derived = plot.Value(ratio, tier="derived", digits=2)
        rows.append({"what": f"{title}, ℓ∞ over ℓ2", _PRINTED: derived})
        for group in groups:
            rows[-1][f"{group.name},\npixels"] = _ratio(group, model)
    return rows


_PRINTED = "printed,\nunit not said"


def _published(value: float) -> dict[str, object]:
    return {_PRINTED: plot.Value(value, tier="published", digits=3)}


def _in_units(group: Group, model: str, norm: str) -> dict[str, object]:
    e = _mean(group, model, norm)
    stds = deviations(group)
    ends = [float(e.mean) / s for s in (max(stds), min(stds))]
    texts = dict.fromkeys(f"{end:.3f}" for end in ends)
    return {
        f"{group.name},\npixels": cell(group, e, digits=4),
        f"{group.name},\nnormalised": " to ".join(texts),
    }


def _ratio(group: Group, model: str) -> plot.Value:
    linf, l2 = (float(_mean(group, model, norm).mean) for norm in ("linf", "l2"))
    return plot.Value(linf / l2, **evidence(group), digits=3)


def _mean(group: Group, model: str, norm: str) -> Estimate:
    e = group.estimate(partial(measures.MEASURES["mean_distance"], model=model, norm=norm))
    assert e is not None  # some image is right
    return e
