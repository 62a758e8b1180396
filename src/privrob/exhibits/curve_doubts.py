"""Reasons to doubt an FGSM curve of tursynbek2020: masked gradients and what gives them away."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from privrob import evaluate, plot
from privrob.exhibits.groups import MODELS, Group


def diagnostics(fgsm: Sequence[Group], pgd: Sequence[Group]) -> list[dict[str, object]]:
    """Reasons to doubt each group's robustness; of several seeds the worst is shown."""
    return [
        {"evidence": group.name, "model": name.replace("-", "\N{NON-BREAKING HYPHEN}")}
        | _doubts(group, _partner(group, pgd), model)
        for group in fgsm
        for model, name in MODELS.items()
    ]


def _partner(group: Group, others: Sequence[Group]) -> Group | None:
    same = (group.tier, group.source, group.reading, "")
    return next((g for g in others if (g.tier, g.source, g.reading, g.note) == same), None)


def _doubts(group: Group, pgd: Group | None, model: str) -> dict[str, object]:
    walked = dict(zip(pgd.seeds, pgd.pairs, strict=True)) if pgd else {}
    found = [
        _diagnose(pair[model], walked[seed][model] if seed in walked else None)
        for seed, pair in zip(group.seeds, group.pairs, strict=True)
    ]
    flat = max(pair[model]["zero_gradient"].mean() for pair in group.pairs)
    rise = max(found, key=lambda d: d.largest_rise)
    excess = [d.fgsm_excess for d in found if d.fgsm_excess is not None]
    facts: dict[str, Any] = {"tier": group.tier, "source": group.source, "digits": 1}
    return {
        "zero input\ngradient, %": plot.Value(100 * float(flat), **facts),
        "accuracy rises\nwith ε by, points": plot.Value(100 * rise.largest_rise, **facts),
        "at ε": f"{rise.rise_at:g}" if rise.rise_at is not None else "never",
        "FGSM beats PGD\nby, points": plot.Value(100 * max(excess), **facts) if excess else None,
    }


def _diagnose(fgsm: Mapping[str, Any], pgd: Mapping[str, Any] | None) -> evaluate.Diagnosis:
    """One model and seed, over the images that both attacks had."""
    if pgd is None:
        return evaluate.diagnose(_curve(fgsm["eps"], fgsm["correct"]))
    n = min(fgsm["correct"].shape[-1], pgd["correct"].shape[-1])
    last = int(np.argmax(pgd["steps"]))
    walked = _curve(pgd["eps"], pgd["correct"][:, last, :n])
    compared = evaluate.diagnose(_curve(fgsm["eps"], fgsm["correct"][:, :n]), pgd=walked)
    whole = evaluate.diagnose(_curve(fgsm["eps"], fgsm["correct"]))
    return evaluate.Diagnosis(whole.largest_rise, whole.rise_at, compared.fgsm_excess)


def _curve(eps: Any, correct: Any) -> dict[float, float]:
    return dict(zip(eps.tolist(), correct.mean(-1).tolist(), strict=True))
