"""How far an image is from the decision boundary: linearised (Eqs. 5 and 6) and by DeepFool.

Distances are in pixel units of [0, 1], in the norm l2 or linf, and may lead out of the range of
pixels, as in the paper's formulas. `x` is (N, C, H, W), floating or uint8; `y` (N,) int64. The
batch is one piece on the model's device; cut large sets with `evaluate.batches`. ValueError for
images outside [0, 1], wrong labels, and a model whose logits or derivatives are not finite.
"""

from dataclasses import dataclass

import torch
from torch import Tensor, nn

from privrob import evaluate
from privrob.evaluate import eval_mode, frozen
from privrob.jacobian import jacobian

NORMS = ("l2", "linf")


# -- linearised ---------------------------------------------------------------------------------


@dataclass(frozen=True)
class Distances:
    """Linearised distances of a batch to the boundary of its labels, (N,) each.

    Negative where the model is wrong: the image lies beyond the boundary. Infinite where no other
    class's logit difference depends on the pixels.
    """

    l2: Tensor
    linf: Tensor


def linearized_distances(model: nn.Module, x: Tensor, y: Tensor) -> Distances:
    """min over k != y of (g_y - g_k) / ||grad g_y - grad g_k||, both norms from one Jacobian.

    The distance in a norm divides by its dual norm: l2 by the 2-norm (Eq. 5 of tursynbek2020),
    linf by the 1-norm (Eq. 6). So |linf| <= |l2| for every image.
    """
    x, y = _at_door(model, x, y)
    with eval_mode(model), frozen(model):
        margin, normal = _margins(*jacobian(model, x), y)
    return Distances(*(_distances(margin, normal, y, norm).amin(1) for norm in NORMS))


def _margins(g: Tensor, j: Tensor, y: Tensor) -> tuple[Tensor, Tensor]:
    """g_y - g_k (N, K) and its derivative (N, K, D): zero at k = y."""
    rows = torch.arange(len(g), device=g.device)
    return g[rows, y][:, None] - g, j[rows, y][:, None] - j


def _distances(margin: Tensor, normal: Tensor, y: Tensor, norm: str) -> Tensor:
    """Signed distance to each class's boundary (N, K), infinite to that of y itself."""
    distance = margin / _dual(normal, norm)  # x / 0 is infinite, and 0 / 0 lies on the boundary
    distance = distance.nan_to_num(nan=0.0, posinf=torch.inf, neginf=-torch.inf)
    return distance.scatter(1, y[:, None], torch.inf)


def _dual(normal: Tensor, norm: str) -> Tensor:
    """The norm of (N, K, D) by which a margin is divided to give a distance in `norm`."""
    return torch.linalg.vector_norm(normal, ord=2 if norm == "l2" else 1, dim=-1)


def _at_door(model: nn.Module, x: Tensor, y: Tensor) -> tuple[Tensor, Tensor]:
    """Images and labels, checked, on the model's device."""
    evaluate.check_images(x)
    x = evaluate.as_float(x, model).detach()
    classes = evaluate.logits(model, x[:1]).shape[1]
    evaluate.check_labels(y, examples=len(x), classes=classes)
    return x, y.to(x.device)


# -- iterated -----------------------------------------------------------------------------------


@dataclass(frozen=True)
class DeepFool:
    """Where DeepFool ended: images `x_adv` like x, and `steps` (N,) int64.

    `steps` is 0 where the model is wrong about x itself, -1 where no step changed its mind.
    """

    x_adv: Tensor
    steps: Tensor


def deepfool(
    model: nn.Module, x: Tensor, y: Tensor, *, norm: str, steps: int, overshoot: float
) -> DeepFool:
    """Step to the nearest linearised boundary until it is crossed (Moosavi-Dezfooli et al. 2016).

    The sum of all steps, lengthened by the factor 1 + `overshoot`, is what is tried. Images that
    are fooled leave the batch, which waits for the device once a step.
    """
    _check(norm, steps, overshoot)
    x, y = _at_door(model, x, y)
    found = DeepFool(x.clone(), torch.full_like(y, -1))
    rows, total = torch.arange(len(x), device=x.device), torch.zeros_like(x)
    with eval_mode(model), frozen(model):
        for step in range(steps + 1):
            g, j = jacobian(model, found.x_adv[rows])
            on = g.argmax(1) == y[rows]
            found.steps[rows[~on]] = step
            rows = rows[on]
            if step == steps or len(rows) == 0:
                return found
            total[rows] += _step(g[on], j[on], y[rows], norm).view_as(total[rows])
            found.x_adv[rows] = x[rows] + (1 + overshoot) * total[rows]
    raise AssertionError("unreachable")


def _step(g: Tensor, j: Tensor, y: Tensor, norm: str) -> Tensor:
    """The shortest step (N, D) onto a linearised boundary; zero where no boundary is in sight."""
    margin, normal = _margins(g, j, y)
    distance, k = _distances(margin, normal, y, norm).min(1)
    towards = -normal[torch.arange(len(g), device=g.device), k]
    length = torch.linalg.vector_norm(towards, dim=1)
    unit = towards / length[:, None] if norm == "l2" else towards.sign()
    return torch.where(distance.isfinite()[:, None], distance[:, None] * unit, 0.0)


def _check(norm: str, steps: int, overshoot: float) -> None:
    if norm not in NORMS:
        raise ValueError(f"norm must be one of {', '.join(NORMS)}, got {norm!r}")
    if isinstance(steps, bool) or not isinstance(steps, int) or steps < 1:
        raise ValueError(f"steps must be an integer of at least 1, got {steps!r}")
    if not 0 <= overshoot < float("inf"):
        raise ValueError(f"overshoot must be finite and at least 0, got {overshoot}")
