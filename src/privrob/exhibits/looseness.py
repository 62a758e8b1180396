"""How loose the bounds of a small network are: beside one another, and beside what PGD finds.

Used as a module: `from privrob.exhibits import looseness`.
"""

from collections.abc import Mapping, Sequence
from typing import Any

import torch
from torch import Tensor, nn

from privrob import bounds, plot
from privrob.evaluate import logits
from privrob.lab.tasks.membership import require_sound
from privrob.membership import scores

BATCH = 20  # images at once: the zonotope follows every pixel of each
EVIDENCE: dict[str, Any] = {"tier": "executed", "source": "quick"}

BOUNDS: dict[str, dict[str, str]] = {
    "intervals": {"method": "interval"},
    "zonotope": {"method": "zonotope"},
    "dual on intervals": {"method": "dual", "intermediate": "interval"},
    "dual": {"method": "dual"},
}


def worst_margins(
    model: nn.Module, x: Tensor, y: Tensor, *, eps: Sequence[float]
) -> dict[str, list[float]]:
    """Mean over the images of max over j of g_j - g_y: found by PGD, and bounded, for each eps."""
    found: dict[str, list[float]] = {name: [] for name in ("PGD", *BOUNDS)}
    for radius in eps:
        g = scores.adversarial_logits(model, x, y, eps=radius, steps=20, batch_size=len(x))
        found["PGD"].append(_largest(g - g.gather(1, y[:, None]), y))
        for name, how in BOUNDS.items():
            with torch.no_grad():
                worst = bounds.worst_case_logits(model, x, y, eps=radius, **how)  # type: ignore[arg-type]
            found[name].append(_largest(worst, y))
    return found


def _largest(worst: Tensor, y: Tensor) -> float:
    return float(worst.scatter(1, y[:, None], -torch.inf).amax(1).mean())


def margin_curves(margins: Mapping[str, Sequence[float]], eps: Sequence[float]) -> list[plot.Curve]:
    """Curves of `worst_margins` of a quick model."""
    return [
        plot.Curve(list(eps), list(m), list(m), list(m), name, model=name, **EVIDENCE)
        for name, m in margins.items()
    ]


def cross_verified(
    networks: Mapping[str, nn.Module], x: Tensor, y: Tensor, *, eps: float
) -> list[dict[str, object]]:
    """Percent of the images that each network answers rightly under PGD, and verified by each.

    ValueError where an image is verified and wrong, clean or under PGD: then a bound is not one.
    """
    rows = []
    for name, model in networks.items():
        right = {"correct_benign": logits(model, x).argmax(1) == y}
        right["correct_adversarial"] = _survive(model, x, y, eps)
        row: dict[str, object] = {"training": name, "PGD": _percent(right["correct_adversarial"])}
        for verifier, how in BOUNDS.items():
            parts = zip(x.split(BATCH), y.split(BATCH), strict=True)
            found = torch.cat([_verified(model, a, b, eps, how) for a, b in parts])
            require_sound(right | {"verified": found})
            row[verifier] = _percent(found)
        rows.append(row)
    return rows


def _survive(model: nn.Module, x: Tensor, y: Tensor, eps: float) -> Tensor:
    g = scores.adversarial_logits(model, x, y, eps=eps, steps=20, batch_size=len(x))
    return g.argmax(1) == y


def _verified(model: nn.Module, x: Tensor, y: Tensor, eps: float, how: dict[str, str]) -> Tensor:
    with torch.no_grad():
        worst = bounds.worst_case_logits(model, x, y, eps=eps, **how)  # type: ignore[arg-type]
    return bounds.verified(worst, y)


def _percent(right: Tensor) -> plot.Value:
    return plot.Value(100 * float(right.float().mean()), digits=1, **EVIDENCE)
