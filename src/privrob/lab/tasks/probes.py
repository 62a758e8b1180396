"""Tasks that ask something else of a trained model: where its boundary is, what fools it.

Every array is per test image, along its last axis.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from itertools import count
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from privrob import attacks, corruptions, evaluate, geometry
from privrob.attacks import blackbox, boundary
from privrob.lab.spec import (
    Corrupted,
    Curvature,
    Distance,
    Logits,
    Masking,
    Section,
    Steps,
    seed_for,
)
from privrob.lab.tasks.base import BATCH, Context, Output, by_batch, resumed, right, trained

Upstream = Mapping[str, Output]


def logits(spec: Logits, upstream: Upstream, context: Context) -> Output:
    """Arrays: `logits` (K, N) float16 and `labels` (N,) int8."""
    found = by_batch(spec, upstream, context, _logits)
    return Output(dict(zip(("logits", "labels"), found, strict=True)))


def _logits(spec: Logits, model: nn.Module, x: Tensor, y: Tensor) -> tuple[Tensor, ...]:
    return evaluate.logits(model, x).half().T, y.char()


def distance(spec: Distance, upstream: Upstream, context: Context) -> Output:
    """Arrays, (N,): linearised `l2` and `linf` (negative where the model is wrong), `deepfool_l2`
    and `deepfool_linf` (0 where it is wrong, NaN where no step fooled it), all float32.
    """
    names = ("l2", "linf", "deepfool_l2", "deepfool_linf")
    return Output(dict(zip(names, by_batch(spec, upstream, context, _distance), strict=True)))


def _distance(spec: Distance, model: nn.Module, x: Tensor, y: Tensor) -> tuple[Tensor, ...]:
    straight = boundary.linearized_distances(model, x, y)
    return straight.l2, straight.linf, *(_walked(spec, model, x, y, n) for n in boundary.NORMS)


def _walked(spec: Distance, model: nn.Module, x: Tensor, y: Tensor, norm: str) -> Tensor:
    found = boundary.deepfool(model, x, y, norm=norm, steps=spec.steps, overshoot=spec.overshoot)
    order = 2 if norm == "l2" else torch.inf
    moved = torch.linalg.vector_norm((found.x_adv - x).flatten(1), ord=order, dim=1)
    return moved.masked_fill(found.steps < 0, torch.nan)


def curvature(spec: Curvature, upstream: Upstream, context: Context) -> Output:
    """Arrays: spectra `hessian` and `jacobian` (K, N) float64, largest first; `logits` (K, N) and
    `gram` (K, K, N) float32, from which spectra at other probabilities follow; `correct` (N,).
    """
    names = ("hessian", "jacobian", "logits", "gram", "correct")
    found = by_batch(spec, upstream, context, _curvature)
    return Output(dict(zip(names, found, strict=True)))


def _curvature(spec: Curvature, model: nn.Module, x: Tensor, y: Tensor) -> tuple[Tensor, ...]:
    c = geometry.curvature(model, x)
    gram, right_now = c.gram.float().permute(1, 2, 0), c.logits.argmax(1) == y
    return c.hessian.T, c.jacobian.T, c.logits.float().T, gram, right_now


def section(spec: Section, upstream: Upstream, context: Context) -> Output:
    """Arrays, (N,) float32: `bend` of the boundary, a share of the extent, and l2 `distance`."""
    draw = torch.Generator().manual_seed(seed_for("planes", str(spec.draw)))
    look = partial(_section, draw=draw)
    found = by_batch(spec, upstream, context, look, draw)
    return Output(dict(zip(("bend", "distance"), found, strict=True)))


def _section(
    spec: Section, model: nn.Module, x: Tensor, y: Tensor, *, draw: torch.Generator
) -> tuple[Tensor, ...]:
    through = geometry.plane(model, x, y, steps=spec.steps, generator=draw)
    seen = geometry.cross_section(
        model, x, y, through, extent=spec.extent, resolution=spec.resolution
    )
    return geometry.bend(seen), through.distance


def steps(spec: Steps, upstream: Upstream, context: Context) -> Output:
    """Arrays: `eps` (E,), `step_sizes` (A,); `first_success` (E, A, N) int16, 0 for an image that
    is wrong to begin with, -1 for one that is never fooled.
    """
    (first,) = by_batch(spec, upstream, context, _steps)
    grids = {"eps": np.array(spec.eps), "step_sizes": np.array(spec.step_sizes)}
    return Output(grids | {"first_success": first})


def _steps(spec: Steps, model: nn.Module, x: Tensor, y: Tensor) -> tuple[Tensor, ...]:
    walk = partial(attacks.steps_to_success, model, x, y, steps=spec.steps)
    rows = [[walk(eps=e, step_size=a) for a in spec.step_sizes] for e in spec.eps]
    return (torch.stack([torch.stack(row) for row in rows]).short(),)


def masking(spec: Masking, upstream: Upstream, context: Context) -> Output:
    """Arrays: `eps` (E,); for each attack of ATTACKS a mask (E, N), right after it;
    `zero_gradient` and `clean` (N,).
    """
    other = trained(spec.surrogate, upstream["surrogate"]).to(context.device)
    draw = torch.Generator().manual_seed(seed_for("masking", str(spec.draw)))
    look = partial(_masking, surrogate=other, draw=draw)
    found = by_batch(spec, upstream, context, look, draw)
    arrays = dict(zip((*ATTACKS, "zero_gradient", "clean"), found, strict=True))
    return Output({"eps": np.array(spec.eps)} | arrays)


def margin_loss(g: Tensor, y: Tensor) -> Tensor:
    """Largest other logit less that of y, (N,): unlike cross-entropy it never saturates."""
    others = g.scatter(1, y[:, None], -torch.inf).amax(1)
    return others - g.gather(1, y[:, None]).squeeze(1)


@dataclass(frozen=True)
class _Case:
    """One batch at one eps, as each attack of ATTACKS gets it."""

    spec: Masking
    model: nn.Module
    surrogate: nn.Module
    x: Tensor
    y: Tensor
    eps: float
    draw: torch.Generator

    def fgsm(self, on: nn.Module, **settings: Any) -> Tensor:
        return attacks.fgsm(on, self.x, self.y, eps=self.eps, **settings)

    def pgd(self, on: nn.Module, **settings: Any) -> Tensor:
        walk = {"step_size": self.spec.step_size, "steps": self.spec.steps, "eps": self.eps}
        return attacks.pgd(on, self.x, self.y, **{**walk, "random_start": False, **settings})

    def right(self, x_adv: Tensor) -> Tensor:
        return right(self.model, x_adv, self.y)

    def after_restarts(self) -> Tensor:
        """Right after PGD from every one of several random points."""
        start = {"random_start": True, "generator": self.draw}
        walks = (self.right(self.pgd(self.model, **start)) for _ in range(self.spec.restarts))
        return torch.stack(list(walks)).all(0)

    def after_square(self) -> Tensor:
        found = blackbox.square(
            self.model,
            self.x,
            self.y,
            eps=self.eps,
            queries=self.spec.queries,
            first_share=self.spec.first_share,
            generator=self.draw,
        )
        return self.right(found)

    def after_noise(self) -> Tensor:
        noisy = blackbox.sign_noise(self.model, self.x, self.y, eps=self.eps, generator=self.draw)
        return self.right(noisy)


# Each says which images the model still has right, (N,).
ATTACKS: dict[str, Callable[[_Case], Tensor]] = {
    "fgsm": lambda c: c.right(c.fgsm(c.model)),
    "fgsm_margin": lambda c: c.right(c.fgsm(c.model, loss=margin_loss)),
    "pgd": lambda c: c.right(c.pgd(c.model)),
    "pgd_margin": lambda c: c.right(c.pgd(c.model, loss=margin_loss)),
    "pgd_restarts": _Case.after_restarts,
    "fgsm_transfer": lambda c: c.right(c.fgsm(c.surrogate)),
    "pgd_transfer": lambda c: c.right(c.pgd(c.surrogate)),
    "noise": _Case.after_noise,
    "square": _Case.after_square,
}


def _masking(
    spec: Masking,
    model: nn.Module,
    x: Tensor,
    y: Tensor,
    *,
    surrogate: nn.Module,
    draw: torch.Generator,
) -> tuple[Tensor, ...]:
    cases = [_Case(spec, model, surrogate, x, y, eps, draw) for eps in spec.eps]
    masks = [torch.stack([attack(c) for c in cases]) for attack in ATTACKS.values()]
    with evaluate.eval_mode(model), evaluate.frozen(model):
        gradient, g = evaluate.input_gradient(model, x, y)
    return *masks, ~gradient.flatten(1).any(1), g.argmax(1) == y


def corrupted(spec: Corrupted, upstream: Upstream, context: Context) -> Output:
    """Arrays: `correct` (corruptions, N) bool, in the spec's order; `stand_in` (corruptions,) bool
    where a texture that is not here was replaced by a generated one.
    """
    model = trained(spec.train, upstream["train"]).to(context.device)
    test = context.split(spec.data, "test")
    batches = evaluate.batches(model, test.x, test.y, batch_size=BATCH)
    numbered = ((first, *batch) for first, batch in zip(count(0, BATCH), batches, strict=False))
    look = partial(_corrupted, spec, model)
    found = resumed(context, numbered, look, total=len(test))
    replaced = np.array([corruptions.stand_in(name) for name in spec.corruptions])
    return Output({"correct": torch.cat(found["correct"], -1).numpy(), "stand_in": replaced})


def _corrupted(
    spec: Corrupted, model: nn.Module, first: int, x: Tensor, y: Tensor
) -> dict[str, Tensor]:
    seed = seed_for("corruptions", str(spec.draw))
    each = (corruptions.corrupt(x, n, seed=seed, offset=first) for n in spec.corruptions)
    return {"correct": torch.stack([right(model, one, y) for one in each])}
