"""Two networks under FGSM and PGD: accuracies, and what each keeps of what it has right."""

from collections.abc import Mapping, Sequence
from functools import partial

import numpy as np

from privrob import plot
from privrob.exhibits import heads
from privrob.exhibits.geometry import Table
from privrob.exhibits.groups import MODELS, Group
from privrob.exhibits.notes import sentence
from privrob.exhibits.values import cell
from privrob.lab.cifar_experiments import PGD_STEPS
from privrob.lab.measures import MEASURES, Pair
from privrob.lab.measures.base import at, percent

Both = tuple[Sequence[Group], Sequence[Group]]  # the groups asked under FGSM, and under PGD


def rows(networks: Mapping[str, Both]) -> Table:
    """Accuracy, percent: a row for each name of two networks, group, and radius of PGD."""
    return [
        {"networks": name, "evidence": group.name, "ε": f"{eps:.4f}"} | _accuracies(group, pgd, eps)
        for name, (fgsm, walked) in networks.items()
        for group in fgsm
        for pgd in [_same(group, walked)]
        for eps in (0.0, *heads.radii(group))
    ]


def _same(group: Group, others: Sequence[Group]) -> Group | None:
    return next((g for g in others if g.name == group.name), None)


def _accuracies(group: Group, pgd: Group | None, eps: float) -> dict[str, object]:
    found: dict[str, object] = {}
    for model, name in MODELS.items():
        e = group.share(partial(_under_fgsm, model=model, eps=eps))
        found[f"FGSM,\n{name}"] = cell(group, e, digits=1)
    for steps in PGD_STEPS if pgd else ():
        for model, name in MODELS.items():
            assert pgd is not None
            e = pgd.share(partial(_under_pgd, model=model, eps=eps, steps=steps))
            found[f"PGD, {steps} steps,\n{name}"] = cell(pgd, e, digits=1)
    return found


def _under_fgsm(pair: Pair, *, model: str, eps: float) -> object:
    return percent(pair, model, "correct")[..., at(pair, "eps", eps)]


def _under_pgd(pair: Pair, *, model: str, eps: float, steps: int) -> object:
    """At radius zero before the attack."""
    if not eps:
        return percent(pair, model, "clean")[..., 0]
    return MEASURES["pgd_accuracy"](pair, model=model, eps=eps, steps=steps)


def told(networks: Mapping[str, Both]) -> plot.Figure:
    """What is left at PGD's smallest radius of the images that each has right, a sentence a group.

    Of several seeds the mean.
    """
    return sentence(
        " ".join(
            _told(name, group, _same(group, walked))
            for name, (fgsm, walked) in networks.items()
            for group in fgsm
        )
    )


def _told(name: str, group: Group, pgd: Group | None) -> str:
    eps = min(heads.radii(group))
    kept = {"FGSM": (group, partial(_kept_after_fgsm, eps=eps))}
    if pgd:
        kept[f"PGD of {max(PGD_STEPS)} steps"] = pgd, partial(_kept_after_pgd, eps=eps)
    left = [
        f"{attack} ({_images(g):,} images) leaves {_both(g, share)}"
        for attack, (g, share) in kept.items()
    ]
    return (
        f"{group.name.capitalize()}, {name}: of what each network has right, at ε = {eps:.4f}, "
        f"{'; '.join(left)}."
    )


def _images(group: Group) -> int:
    return int(group.pairs[0]["sgd"]["correct"].shape[-1])


def _both(group: Group, share: partial[float]) -> str:
    """'SGD 40.0 % and DP-SGD 41.0 %'."""
    means = {m: np.mean([share(pair, model=m) for pair in group.pairs]) for m in MODELS}
    return " and ".join(f"{MODELS[m]} {mean:.1f} %" for m, mean in means.items())


def _kept_after_fgsm(pair: Pair, *, model: str, eps: float) -> float:
    clean, after = (pair[model]["correct"][at(pair, "eps", e)] for e in (0.0, eps))
    return 100 * float(after[clean].mean())


def _kept_after_pgd(pair: Pair, *, model: str, eps: float) -> float:
    i, last = at(pair, "eps", eps), at(pair, "steps", max(PGD_STEPS))
    clean = pair[model]["first_success"][i] != 0
    return 100 * float(pair[model]["correct"][i, last][clean].mean())


def alt(curves: Sequence[plot.Curve], gaps: Sequence[plot.Curve], *, eps: float) -> str:
    """Two panels over the radius in words: where the curves begin, and what they are at `eps`."""
    return (
        f"Two panels over the radius of the perturbation. Above, the accuracies on clean images "
        f"and at ε = {eps:.3g}, percent: {ends(curves, eps=eps)}. Below, the gap between the two, "
        f"points: {ends(gaps, eps=eps)}."
    )


def ends(curves: Sequence[plot.Curve], *, eps: float) -> str:
    """Where each curve begins, and what it is at the radius of its own that is nearest `eps`."""
    return "; ".join(f"{c.label} {c.mean[0]:.1f} and {_near(c, eps):.1f}" for c in curves)


def _near(curve: plot.Curve, eps: float) -> float:
    return curve.mean[int(np.argmin(np.abs(np.array(curve.eps) - eps)))]
