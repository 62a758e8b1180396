"""Curves, stamps and captions from groups: what a figure of a notebook is made of."""

from collections.abc import Iterable, Sequence
from functools import lru_cache
from typing import Any

import numpy as np
from torch import Tensor, nn

from privrob import evaluate, plot
from privrob.attacks import fgsm_grid
from privrob.exhibits.groups import MODELS, Estimate, Group
from privrob.exhibits.values import curve_of
from privrob.lab import statements
from privrob.lab.measures import Pair
from privrob.lab.run import Result
from privrob.lab.statements import Claim

# -- published values ---------------------------------------------------------------------------


def claim(id: str) -> Claim:
    """The claim of that id, 'figure2/gap-at-0.12', of tursynbek2020."""
    return _claims()[f"tursynbek2020/{id}"]


@lru_cache(maxsize=1)
def _claims() -> dict[str, Claim]:
    """Read once: some tables ask for hundreds."""
    return {c.id: c for c in statements.load()}


def printed(id: str) -> float:
    """The number that the paper prints for a claim."""
    return float(claim(id).published)


def clean_anchors() -> list[plot.Anchor]:
    """The printed accuracies on clean images; they lie so near that one text names both."""
    sgd, dpsgd = (printed(f"clean/{model}") for model in MODELS)
    both = f"{sgd:g} and {dpsgd:g}"
    return [plot.Anchor(0.0, sgd, both, side="right"), plot.Anchor(0.0, dpsgd)]


def gap_anchors() -> list[plot.Anchor]:
    """The printed gaps: on clean images, and the largest under FGSM."""
    largest = claim("figure2/gap-at-0.12")
    clean = printed("clean/gap")
    at = largest.arguments["eps"]
    value = float(largest.published)
    return [
        plot.Anchor(0.0, clean, f"{clean:g}", side="above right"),
        plot.Anchor(at, value, f"{value:g} at ε = {at:g}"),
    ]


# -- curves -------------------------------------------------------------------------------------


def accuracy(pair: Pair, model: str) -> Any:
    """Accuracy under FGSM by eps, percent."""
    return 100 * pair[model]["correct"].mean(-1)


def accuracy_share(group: Group, model: str) -> Estimate:
    """That accuracy with its interval."""
    return group.share(lambda pair: accuracy(pair, model))


def accuracy_curves(groups: Iterable[Group]) -> list[plot.Curve]:
    """Accuracy under FGSM: one curve a group and model."""
    return [
        _curve(group, accuracy_share(group, model), f"{name}, {_short(group)}", model)
        for group in groups
        for model, name in MODELS.items()
    ]


def gap_curves(groups: Iterable[Group]) -> list[plot.Curve]:
    """Accuracy of SGD minus that of DP-SGD, paired by seed or by image."""
    return [_curve(g, g.estimate(_accuracy_gap), _short(g), "") for g in groups]


def _accuracy_gap(pair: Pair) -> Any:
    return accuracy(pair, "sgd") - accuracy(pair, "dpsgd")


def _curve(group: Group, e: Estimate | None, label: str, model: str) -> plot.Curve:
    assert e is not None  # shares are never missing
    eps = group.rows[0].result.arrays["eps"].tolist()
    return curve_of(group, e, eps, label, model)


def _short(group: Group) -> str:
    return group.source or group.tier


# -- captions and stamps ------------------------------------------------------------------------


def lead(groups: Sequence[Group], *, published: bool = True, derived: bool = False) -> str:
    """The words a caption begins with: 'Published, recorded and executed (quick and zoo)'."""
    sources = [s for s in ("zoo", "quick") if s in {g.source for g in groups}]
    words = ["published"] * published
    words += ["recorded"] * any(g.tier == "recorded" for g in groups)
    words += [f"executed ({' and '.join(sources)})"] * bool(sources)
    words += ["derived"] * derived
    *first, last = words
    text = f"{', '.join(first)} and {last}" if first else last
    return text[0].upper() + text[1:]


def stamp(
    groups: Sequence[Group],
    command: str,
    *,
    published: bool = True,
    derived: bool = False,
    extra: Sequence[Result] = (),
) -> plot.Stamp:
    """The evidence behind a figure of these groups (and of `extra` results)."""
    groups = _in_order(groups)
    tiers = ["published"] * published + [g.tier for g in groups] + ["derived"] * derived
    results = [row.result for g in groups for row in g.rows] + list(extra)
    manifests = [r.manifest for r in results]
    profiles = {"quick": "quick", "zoo": "zoo on the first test images", "": "paper"}
    return plot.Stamp(
        tiers=tuple(dict.fromkeys(tiers)),
        profile=" and ".join(dict.fromkeys(profiles[g.source] for g in groups)),
        device="; ".join(dict.fromkeys(m["device"] for m in manifests)),
        seeds=tuple(sorted({seed for g in groups for seed in g.seeds})),
        date=_span([m["created"][:10] for m in manifests]),
        keys=tuple(dict.fromkeys(r.key for r in results)),
        state=worst(r.state for r in results),
        command=command,
    )


def unmeasured(command: str, *, tiers: Sequence[str]) -> plot.Stamp:
    """The stamp of what rests on the print and on arithmetic: no record, no device, no chance."""
    return plot.Stamp(
        tiers=tuple(tiers),
        profile="",
        device="",
        seeds=(),
        date="",
        keys=(),
        state="fresh",
        command=command,
    )


def _in_order(groups: Iterable[Group]) -> list[Group]:
    """Recorded, zoo, quick."""
    return sorted(groups, key=lambda g: ("", "zoo", "quick").index(g.source))


def worst(states: Iterable[str]) -> str:
    """The least of fresh, verified and stale."""
    return max(states, key=plot.stamp.STATES.index, default="fresh")


def _span(days: Sequence[str]) -> str:
    ends = sorted({min(days), max(days)}) if days else []
    return " to ".join(ends)


def bands(groups: Sequence[Group]) -> str:
    """What the intervals of these groups are over, as sentences for a caption."""
    texts = []
    for g in _in_order(groups):
        n = len(g.seeds)
        over = f"{n} seeds" if n > 1 else "its test images (one seed)"
        texts.append(f"{g.name}: over {over}")
    return f"Intervals are 95 %; {'; '.join(texts)}." if texts else ""


# -- images -------------------------------------------------------------------------------------


_SHORT = 4  # characters of a radius that fit beside a name above a small image


def strip(
    networks: dict[str, nn.Module],
    image: Tensor,
    label: Tensor,
    *,
    eps: Sequence[float],
    names: Sequence[str] = tuple("0123456789"),
) -> tuple[Any, str, list[dict[str, object]]]:
    """One image (1, 1 or 3, H, W) under FGSM on each network: the figure, its alt text, its data.

    `names` are those of the classes.
    """
    images, titles, rows = [], [], []
    between = "\n" if max(len(f"{radius:.3g}") for radius in eps) > _SHORT else " "
    for model, network in networks.items():
        for radius, x in zip(eps, fgsm_grid(network, image, label, eps=eps), strict=True):
            answer = names[int(evaluate.logits(network, x).argmax())]
            images.append(x[0].permute(1, 2, 0).squeeze(2).cpu().numpy())
            titles.append(f"{MODELS[model]},{between}ε = {radius:.3g}\nsays {answer}")
            right = names[int(label)]
            rows.append({"model": model, "eps": radius, "answer": answer, "label": right})
    figure = plot.image_strip(np.stack(images), titles, per_row=len(eps))
    alt = "; ".join(t.replace("\n", " ") for t in titles)
    return figure, f"An image of class {names[int(label)]} under FGSM. {alt}.", rows
