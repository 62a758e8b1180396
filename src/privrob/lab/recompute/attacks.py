"""Does an attack, or another question asked of a model, still give the stored answers?"""

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from privrob import evaluate
from privrob.attacks import fgsm_grid, gradient
from privrob.lab import costs, tasks
from privrob.lab import spec as specs
from privrob.lab.recompute.base import (
    ATTACK_SLACK,
    PROBE_SLACK,
    TIE_SLACK,
    Alone,
    Array,
    Outcome,
    Unchecked,
    cut,
    judged,
    margin,
    model_of,
    split,
    upstream_of,
    weights_of,
)
from privrob.lab.run import Lab, Result
from privrob.lab.spec import Data, Fgsm, Halved, LeftOut, Membership, Pgd, Targeted, Train
from privrob.lab.tasks.probes import ATTACKS

Masks = dict[str, Array]


def attack(result: Result, lab: Lab, images: int) -> Outcome:
    """The same task on the slice; margins are taken for the images that differ alone."""
    spec, kind = result.spec, specs.kind(result.spec)
    assert not isinstance(spec, Train)
    weights = weights_of(spec.train, lab)
    sliced: Any = replace(spec, data=cut(spec.data, images))
    test = split(lab, sliced.data)
    again = tasks.TASKS[kind](sliced, {"train": tasks.Output({}, weights)}, Alone(lab)).arrays
    margins = _MARGINS[kind]
    live = {name: again[name] for name in PER_IMAGE[kind]}
    stored = {name: result.arrays[name][..., : len(test)] for name in live}
    differ = _any({name: stored[name] != live[name] for name in live})
    excused = np.ones(len(test), bool)
    if differ.any():
        x, y = test.batch(torch.from_numpy(np.flatnonzero(differ)).to(lab.device))
        pair = [{name: a[..., differ] for name, a in side.items()} for side in (stored, live)]
        at = margins(sliced, model_of(spec.train, weights, lab.device), x, y, *pair)
        far = {n: (pair[0][n] != pair[1][n]) & (np.abs(at[n]) > ATTACK_SLACK) for n in live}
        excused[differ] = ~_any(far)
    method = f"{kind} on the first {len(test)} test images, from the kept weights"
    return judged(result, method, differ, excused)


def _any(masks: Masks) -> Array:
    """Whether any mask, at any of its settings, is true of an image: (..., N) -> (N,)."""
    return np.any([m.reshape(-1, m.shape[-1]).any(0) for m in masks.values()], axis=0)


def _fgsm_margins(
    spec: Fgsm, model: nn.Module, x: Tensor, y: Tensor, stored: Masks, live: Masks
) -> dict[str, Array]:
    """The margins behind each mask of an FGSM record; nothing excuses a zero gradient."""
    free = list(fgsm_grid(model, x, y, eps=spec.eps, clip=None))
    clipped = [x_adv.clamp(0.0, 1.0) for x_adv in free]
    return {
        "correct": _margins(model, clipped, y),
        "correct_unclipped": _margins(model, free, y),
        "zero_gradient": np.full(len(y), np.inf),
    }


def _margins(model: nn.Module, images: list[Tensor], y: Tensor) -> Array:
    logits = [evaluate.logits(model, x, bounded=False) for x in images]
    return np.stack([margin(g, y) for g in logits])


def _pgd_margins(
    spec: Pgd, model: nn.Module, x: Tensor, y: Tensor, stored: Masks, live: Masks
) -> dict[str, Array]:
    """The margins after the named steps, and where one run saw a first success and one did not."""
    last, rows = max(spec.steps), []
    for eps in spec.eps:
        trace = gradient.pgd_trace(
            model, x, y, eps=eps, step_size=spec.step_size, snapshots=range(1, last + 1)
        )
        seen = [evaluate.logits(model, x), *(trace.logits_at[n] for n in range(1, last + 1))]
        rows.append(np.stack([margin(g, y) for g in seen]))
    margins = np.stack(rows)  # (E, steps + 1, B)
    firsts = [np.where(s["first_success"] < 0, last, s["first_success"]) for s in (stored, live)]
    disputed = np.minimum(*firsts).astype(np.int64)[:, None]
    return {
        "correct": margins[:, list(spec.steps)],
        "first_success": np.take_along_axis(margins, disputed, 1)[:, 0],
    }


def probe(result: Result, lab: Lab, images: int) -> Outcome:
    """The same task on the slice: numbers as near as rounding leaves them, masks the same.

    There is no margin to look at, so every image that differs is excused, and few may.
    """
    spec, kind = result.spec, specs.kind(result.spec)
    assert not isinstance(spec, Train)
    sliced: Any = replace(spec, data=_sliced(spec, images))
    n = len(split(lab, sliced.data))
    again = tasks.TASKS[kind](sliced, upstream_of(spec, lab), Alone(lab)).arrays
    differ = _any(
        {name: _apart(name, result.arrays[name][..., :n], again[name]) for name in PER_IMAGE[kind]}
    )
    method = f"{kind} on the first {n} test images, from the kept weights"
    return judged(result, method, differ, np.ones(n, bool))


def _sliced(spec: Any, images: int) -> Data:
    """The first test images; of scores the first of both parts."""
    if not isinstance(spec, Membership | Targeted):
        return cut(spec.data, images)
    if isinstance(spec.data, Halved | LeftOut):
        raise Unchecked("a random part has no first images")
    train, test = costs.sizes(spec.data)
    return replace(spec.data, train=min(images, train), test=min(images, test))


PARTS = ("train", "test")


def _apart(name: str, stored: Array, live: Array) -> Array:
    if stored.dtype.kind != "f":
        return stored != live
    if name in OF_GRADIENTS:
        largest = np.abs(stored).reshape(-1, stored.shape[-1]).max(0)
        return ~(np.abs(stored - live) <= TIE_SLACK * largest + PROBE_SLACK)
    return ~np.isclose(stored, live, rtol=PROBE_SLACK, atol=PROBE_SLACK, equal_nan=True)


OF_GRADIENTS = ("hessian", "jacobian", "gram")
PER_IMAGE = {
    "fgsm": ("correct", "correct_unclipped", "zero_gradient"),
    "pgd": ("correct", "first_success"),
    "logits": ("logits", "labels"),
    "distance": ("l2", "linf", "deepfool_l2", "deepfool_linf"),
    "curvature": ("hessian", "jacobian", "logits", "gram"),
    "section": ("bend", "distance"),
    "steps": ("first_success",),
    "masking": (*ATTACKS, "zero_gradient", "clean"),
    "corrupted": ("correct",),
    "membership": tuple(
        f"confidence_{kind}_{part}" for kind in ("benign", "adversarial") for part in PARTS
    ),
    "targeted": tuple(f"log_odds_targeted_{part}" for part in PARTS),
}
_MARGINS: dict[str, Callable[..., dict[str, Array]]] = {"fgsm": _fgsm_margins, "pgd": _pgd_margins}
