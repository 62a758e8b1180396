"""The shape of the loss and of the decision boundary around an image.

The curvature of the cross-entropy in the pixels (Eq. 7 of tursynbek2020), exact for networks that
are piecewise linear and by Lanczos for all others; and cross-sections of the decision regions.
Images are (N, C, H, W) in [0, 1]. Curvature is computed in float64, whatever the model: in float32
the eigenvalues of a confident image are rounding noise.
"""

from copy import deepcopy
from dataclasses import dataclass

import numpy as np
import torch
from scipy.sparse.linalg import LinearOperator, eigsh
from torch import Tensor, nn

from privrob import evaluate
from privrob.attacks import boundary
from privrob.evaluate import eval_mode, frozen
from privrob.jacobian import jacobian
from privrob.models import ChannelsLast, Normalize

PIECEWISE_LINEAR = (
    nn.Linear, nn.Conv2d, nn.ReLU, nn.LeakyReLU, nn.MaxPool2d, nn.AvgPool2d, nn.Flatten,
    nn.Identity, Normalize, ChannelsLast,
)  # fmt: skip


# -- curvature ----------------------------------------------------------------------------------


@dataclass(frozen=True)
class Curvature:
    """Spectra at each image of a batch, (N, K) each, largest first, float64.

    `hessian`: of J^T (diag p - p p^T) J, the Hessian of the cross-entropy where the network is
    piecewise linear; the label does not enter. `jacobian`: of J^T J with J centred over the
    classes, a shift that the softmax cannot see. `confidence`: of diag p - p p^T. Each has at most
    K - 1 eigenvalues that are not zero. `logits` (N, K) are the model's, and `gram` (N, K, K) is
    J J^T of the centred J, from which the spectrum at any other probabilities follows.
    """

    hessian: Tensor
    jacobian: Tensor
    confidence: Tensor
    logits: Tensor
    gram: Tensor


def curvature(model: nn.Module, x: Tensor) -> Curvature:
    """The spectra of a piecewise linear network, from one Jacobian and K x K matrices.

    Raises ValueError for a network with a layer that is not known to be piecewise linear, and as
    `evaluate.logits` does.
    """
    if strange := smooth_layers(model):
        raise ValueError(f"{strange[0]} is not piecewise linear: use lanczos")
    model, x = _double(model, x)
    evaluate.logits(model, x[:1])  # refuses images of a shape that the model does not take
    with eval_mode(model), frozen(model):
        g, j = jacobian(model, x)
    j = j - j.mean(1, keepdim=True)
    gram, p = j @ j.mT, g.softmax(1)
    eye = torch.eye(p.shape[1], dtype=p.dtype, device=p.device).expand_as(gram)
    return Curvature(spectrum(gram, p), _eigenvalues(gram), spectrum(eye, p), g, gram)


def spectrum(gram: Tensor, p: Tensor) -> Tensor:
    """Eigenvalues (N, K) of J^T (diag p - p p^T) J, largest first, from J J^T (N, K, K).

    B = diag(sqrt p) - p sqrt(p)^T has B B^T = diag p - p p^T, so they are those of B^T J J^T B.
    """
    root = p.sqrt()
    b = torch.diag_embed(root) - p[:, :, None] * root[:, None, :]
    return _eigenvalues(b.mT @ gram @ b)


def _eigenvalues(symmetric: Tensor) -> Tensor:
    return torch.linalg.eigvalsh(symmetric).flip(-1)


def smooth_layers(model: nn.Module) -> list[str]:
    """Names of the model's layers that are not known to be piecewise linear."""
    leaves = [m for m in model.modules() if not list(m.children())]
    return [type(m).__name__ for m in leaves if not isinstance(m, PIECEWISE_LINEAR)]


def lanczos(model: nn.Module, x: Tensor, y: Tensor, *, top: int) -> Tensor:
    """The `top` algebraically largest eigenvalues (N, top) of each image's input Hessian, float64.

    For any twice differentiable network; one image at a time, as the method has it.
    """
    model, x = _double(model, x)
    evaluate.check_labels(y, examples=len(x), classes=evaluate.logits(model, x).shape[1])
    if not 1 <= top < x[0].numel():
        raise ValueError(f"top must lie in 1..{x[0].numel() - 1}, got {top}")
    with eval_mode(model), frozen(model):
        rows = [
            _lanczos_one(model, x[i : i + 1], y[i : i + 1].to(x.device), top) for i in range(len(x))
        ]
    return torch.stack(rows)


def _lanczos_one(model: nn.Module, x: Tensor, y: Tensor, top: int) -> Tensor:
    x = x.detach().requires_grad_()
    with torch.enable_grad():
        loss = evaluate.cross_entropy(model(x), y).sum()
        (gradient,) = torch.autograd.grad(loss, x, create_graph=True)
    if not gradient.isfinite().all():
        raise ValueError("model gave NaN or infinite derivatives for an image")

    def product(v: np.ndarray) -> np.ndarray:
        v_like = torch.from_numpy(np.ascontiguousarray(v, dtype=np.float64)).view_as(x).to(x)
        (hv,) = torch.autograd.grad(gradient, x, v_like, retain_graph=True)
        return hv.flatten().cpu().numpy()

    n = x.numel()
    start = np.random.default_rng(0).standard_normal(n)  # eigsh's own start is random
    operator = LinearOperator((n, n), matvec=product, dtype=np.float64)
    values = eigsh(operator, k=top, which="LA", v0=start, return_eigenvectors=False)
    return torch.from_numpy(np.sort(values)[::-1].copy())


def _double(model: nn.Module, x: Tensor) -> tuple[nn.Module, Tensor]:
    """A copy of the model, and the images, in float64 on the model's device."""
    evaluate.check_images(x)
    model = deepcopy(model).double()
    return model, evaluate.as_float(x, model).double().detach()


# -- cross-sections -----------------------------------------------------------------------------


@dataclass(frozen=True)
class Plane:
    """A plane through each image, spanned by unit vectors like x (Figure 1 of tursynbek2020).

    `normal` is the boundary's, away from the class of y; `tangent` a random direction orthogonal
    to it; `distance` (N,) how far DeepFool went in l2, NaN where it found no boundary.
    """

    normal: Tensor
    tangent: Tensor
    distance: Tensor


def plane(
    model: nn.Module, x: Tensor, y: Tensor, *, steps: int, generator: torch.Generator
) -> Plane:
    """Planes whose normal is taken where DeepFool, of at most `steps` steps, meets the boundary.

    `generator` draws the tangents, on its own device.
    """
    found = boundary.deepfool(model, x, y, norm="l2", steps=steps, overshoot=OVERSHOOT)
    x, y = evaluate.as_float(x, model), y.to(found.steps.device)
    with eval_mode(model), frozen(model):
        g, j = jacobian(model, found.x_adv)
    rows = torch.arange(len(x), device=x.device)
    other = g.scatter(1, y[:, None], -torch.inf).argmax(1)
    normal = _unit(j[rows, other] - j[rows, y])
    draw = torch.randn(normal.shape, generator=generator, device=generator.device, dtype=x.dtype)
    draw = draw.to(x.device)
    tangent = _unit(draw - (draw * normal).sum(1, keepdim=True) * normal)
    distance = torch.linalg.vector_norm((found.x_adv - x).flatten(1), dim=1)
    distance = distance.masked_fill(found.steps < 0, torch.nan)
    return Plane(normal.view_as(x), tangent.view_as(x), distance)


OVERSHOOT = 0.02  # DeepFool's own: enough to have crossed


def _unit(v: Tensor) -> Tensor:
    return v / torch.linalg.vector_norm(v, dim=1, keepdim=True)


@dataclass(frozen=True)
class CrossSection:
    """Decision regions in a plane through each image, on a square grid of R x R points.

    `label` (N, R, R) int64 is what the model says, `margin` (N, R, R) the logit of y less the
    largest other; rows run along the normal and columns along the tangent, both over
    `offsets` (R,), in l2 units of pixels in [0, 1]. The image is at the middle.
    """

    label: Tensor
    margin: Tensor
    offsets: Tensor


def cross_section(
    model: nn.Module, x: Tensor, y: Tensor, through: Plane, *, extent: float, resolution: int
) -> CrossSection:
    """Look at `resolution` ** 2 points within `extent` of each image; not clipped to [0, 1].

    Raises ValueError as `evaluate.logits` does, and for wrong labels or another batch's plane.
    """
    if resolution < 3 or resolution % 2 == 0:
        raise ValueError(f"resolution must be odd and at least 3, got {resolution}")
    if not extent > 0:
        raise ValueError(f"extent must be above 0, got {extent}")
    x = evaluate.as_float(x, model)
    classes = evaluate.logits(model, x[:1]).shape[1]
    evaluate.check_labels(y, examples=len(x), classes=classes)
    if through.normal.shape != x.shape:
        raise ValueError(f"a plane of images {tuple(through.normal.shape)} for {tuple(x.shape)}")
    offsets = torch.linspace(-extent, extent, resolution, dtype=x.dtype, device=x.device)
    each = zip(x, y, through.normal, through.tangent, strict=True)
    square = [_look(model, *one, offsets) for one in each]
    label, margin = (torch.stack(part) for part in zip(*square, strict=True))
    return CrossSection(label, margin, offsets)


def _look(
    model: nn.Module, x: Tensor, y: Tensor, normal: Tensor, tangent: Tensor, offsets: Tensor
) -> tuple[Tensor, Tensor]:
    """label and margin (R, R) in the plane through one image."""
    up = offsets[:, None, None, None, None] * normal
    along = offsets[None, :, None, None, None] * tangent
    points = (x + up + along).flatten(0, 1)
    g = evaluate.logits(model, points, bounded=False).unflatten(0, (len(offsets), len(offsets)))
    others = g.clone()
    others[..., y] = -torch.inf
    return g.argmax(-1), g[..., y] - others.amax(-1)


def bend(section: CrossSection) -> Tensor:
    """How far the boundary above each image is from a straight line, (N,): a share of the extent.

    Over each column the boundary is where the margin first falls below zero going up along the
    normal from the image's row, interpolated between grid points. `bend` is the root mean square
    distance of those heights from their best straight line, divided by the extent; NaN where fewer
    than three columns, among those next to each other around the middle, meet the boundary.
    """
    heights = boundary_heights(section)
    return torch.stack([_residual(h, section.offsets) for h in heights])


def boundary_heights(section: CrossSection) -> Tensor:
    """Height (N, R) of the boundary over each column, NaN where the column does not meet it."""
    middle = len(section.offsets) // 2
    above, t = section.margin[:, middle:], section.offsets[middle:]
    below_zero = above < 0
    first = below_zero.to(torch.uint8).argmax(1, keepdim=True)  # 0 where none is, or the first is
    last = (first - 1).clamp_min(0)
    a, b = above.gather(1, last).squeeze(1), above.gather(1, first).squeeze(1)
    low, high = t[last.squeeze(1)], t[first.squeeze(1)]
    height = low + (high - low) * a / (a - b).where(a > b, torch.ones_like(a))
    return height.where(first.squeeze(1) > 0, torch.full_like(height, torch.nan))


def _residual(height: Tensor, offsets: Tensor) -> Tensor:
    seen = _run_around_middle(~height.isnan())
    if int(seen.sum()) < 3:
        return height.new_tensor(torch.nan)
    design = torch.stack([torch.ones_like(offsets), offsets], 1)[seen]
    fit = torch.linalg.lstsq(design, height[seen, None]).solution
    return (height[seen, None] - design @ fit).square().mean().sqrt() / offsets[-1]


def _run_around_middle(mask: Tensor) -> Tensor:
    """The stretch of True that holds the middle; nothing where the middle is False."""
    middle = len(mask) // 2
    right = mask[middle:].cumprod(0).bool()
    left = mask[: middle + 1].flip(0).cumprod(0).flip(0).bool()
    return torch.cat([left[:-1], right])
