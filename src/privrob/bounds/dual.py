"""Bounds by going backwards: the dual network of Wong and Kolter, also known as Fast-Lin.

Wong and Kolter 2018, "Provable defenses against adversarial examples via the convex outer
adversarial polytope"; Weng et al. 2018; Zhang et al. 2018 (CROWN). Each unit lies between two
parallel lines (`lines`); an objective is then carried back to the pixels, and at every layer pays
for the gap between the lines. Bounds of the hidden units, which the lines need, come from the same
("dual", exact l1 norms, small nets) or from intervals ("interval", called CROWN-interval: one
backward pass for the margins alone, large nets). `estimate` has neither: it is no bound.
"""

from collections.abc import Iterable, Mapping, Sequence

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from privrob.bounds import interval
from privrob.bounds.interval import spread
from privrob.bounds.layers import AFFINE, MEMORY_LIMIT, check_memory, linear, shapes
from privrob.bounds.lines import KINKED, Lines, between
from privrob.models import Normalize

INTERMEDIATE = ("dual", "interval")
CHUNK = 2**28  # bytes that one layer's coefficients may take at a time

Ball = tuple[Tensor, Tensor]


def worst_case(
    layers: Sequence[nn.Module],
    lower: Tensor,
    upper: Tensor,
    y: Tensor,
    *,
    intermediate: str,
    memory_limit: int = MEMORY_LIMIT,
) -> Tensor:
    """Upper bounds of g_j - g_y, (B, K) with 0 at y, the last layer elided.

    ValueError where the coefficients of all hidden units, which a gradient of `intermediate`
    "dual" keeps, would take more than `memory_limit` bytes.
    """
    if torch.is_grad_enabled() and intermediate == "dual":
        what = f"the gradient of all units' dual bounds for {len(lower)} images"
        check_memory(what, estimate_bytes(layers, lower), memory_limit)
    lines = relax(layers, lower, upper, intermediate=intermediate)
    return margins(layers, lines, (lower, upper), y)


def logits(
    layers: Sequence[nn.Module], lower: Tensor, upper: Tensor, *, intermediate: str
) -> tuple[Tensor, Tensor]:
    """Lower and upper logits (B, K)."""
    lines = relax(layers, lower, upper, intermediate=intermediate)
    one = torch.eye(len(layers[-1].weight)).to(lower)[None]  # type: ignore[arg-type]
    return objective(layers, lines, (lower, upper), one)


def estimate(
    layers: Sequence[nn.Module],
    lower: Tensor,
    upper: Tensor,
    y: Tensor,
    *,
    projections: int,
    generator: torch.Generator,
) -> Tensor:
    """`worst_case` with hidden bounds guessed from random projections: for training, no bound.

    Wong, Schmidt, Metzen and Kolter 2018, "Scaling provable adversarial defenses", section 3.2:
    the median of |r . a| over vectors r of Cauchy numbers estimates the l1 norm of a. A hidden
    unit's radius is the l1 norm of one vector, over the pixels and the gaps of the layers below,
    so one stream of `projections` images per example carries it all forwards: projections + 1
    forward passes. The margins go back exactly.
    """
    lines = _projected(layers, lower, upper, projections, generator)
    return margins(layers, lines, (lower, upper), y)


# -- hidden units -------------------------------------------------------------------------------


def relax(
    layers: Sequence[nn.Module], lower: Tensor, upper: Tensor, *, intermediate: str
) -> dict[int, Lines]:
    """The lines of each ReLU and max-pool, by the layer's place."""
    if intermediate not in INTERMEDIATE:
        raise ValueError(f"no intermediate {intermediate!r}; there are {', '.join(INTERMEDIATE)}")
    lines: dict[int, Lines] = {}
    box = lower, upper
    for i, layer in enumerate(layers):
        if isinstance(layer, KINKED):
            exact = intermediate == "interval" or _one_mixing(layers[:i])
            below = box if exact else _unit_bounds(layers[:i], lines, (lower, upper), box[0])
            lines[i] = between(layer, *below)
        box = interval.through(layer, *box)
    return lines


def estimate_bytes(layers: Sequence[nn.Module], x: Tensor) -> int:
    """What the coefficients of every unit with lines on all layers below it take, for x."""
    sizes = [shape.numel() for shape in shapes(layers, x)]
    bounded = (
        i
        for i, layer in enumerate(layers)
        if isinstance(layer, KINKED) and not _one_mixing(layers[:i])
    )
    return len(x) * x.element_size() * sum(sizes[i] * sum(sizes[: i + 1]) for i in bounded)


def _one_mixing(layers: Sequence[nn.Module]) -> bool:
    """At most one layer mixes values, and none is kinked: intervals are exact behind it."""
    kinds = (*AFFINE, nn.AvgPool2d)
    mixing = sum(isinstance(layer, kinds) for layer in layers)
    return mixing <= 1 and not any(isinstance(layer, KINKED) for layer in layers)


def _unit_bounds(
    layers: Sequence[nn.Module], lines: Mapping[int, Lines], ball: Ball, like: Tensor
) -> Ball:
    """Bounds of every value behind `layers`, some units at a time; `like` has their shape."""
    shape, units = like.shape[1:], like[0].numel()
    every = torch.arange(units, device=like.device)
    nus = (
        F.one_hot(part, units).to(like.dtype).reshape(1, len(part), *shape)
        for part in every.split(_portion(layers, ball[0]))
    )
    low, high = _joined(objective(layers, lines, ball, nu) for nu in nus)
    return low.unflatten(1, shape), high.unflatten(1, shape)


def _projected(
    layers: Sequence[nn.Module],
    lower: Tensor,
    upper: Tensor,
    projections: int,
    generator: torch.Generator,
) -> dict[int, Lines]:
    """The lines from estimated bounds; exact ones where intervals are exact."""
    if projections < 1:
        raise ValueError(f"projections must be at least 1, got {projections}")

    def drawn(radius: Tensor) -> Tensor:
        noise = radius.new_empty(1, projections, *radius.shape[1:])
        return radius[:, None] * noise.cauchy_(generator=generator)

    lines: dict[int, Lines] = {}
    box: Ball | None = (lower, upper)
    centre, stream = (lower + upper) / 2, drawn((upper - lower) / 2)
    for i, layer in enumerate(layers[:-1]):
        if isinstance(layer, KINKED):
            exact = box if box and _one_mixing(layers[:i]) else None
            lines[i] = between(layer, *(exact or _around(centre, stream)))
            half, box = lines[i].gap / 2, None
            centre = lines[i].push(centre[:, None])[:, 0] + half
            stream = lines[i].push(stream) + drawn(half)
        else:
            box = interval.through(layer, *box) if box else None
            centre, stream = layer(centre), _forth(layer, stream)
    return lines


def _around(centre: Tensor, stream: Tensor) -> Ball:
    """Estimated bounds: the centre, and the median over the stream's images as its radius."""
    radius = stream.abs().median(1).values
    return centre - radius, centre + radius


# -- one backward pass --------------------------------------------------------------------------


def margins(
    layers: Sequence[nn.Module], lines: Mapping[int, Lines], ball: Ball, y: Tensor
) -> Tensor:
    """Upper bounds of g_j - g_y under these lines, the last layer elided."""
    bias = layers[-1].bias
    portion = _portion(layers, ball[0])
    _, worst = _joined(
        objective(layers[:-1], lines, ball, nu) for nu in spread(layers[-1], y).split(portion, 1)
    )
    return worst if bias is None else worst + bias - bias[y][:, None]  # type: ignore[index, operator]


def _portion(layers: Sequence[nn.Module], x: Tensor) -> int:
    """How many objectives to carry back at a time."""
    widest = max(shape.numel() for shape in shapes(layers, x))
    return max(1, CHUNK // (len(x) * widest * x.element_size()))


def _joined(parts: Iterable[Ball]) -> Ball:
    """Bounds of portions of the objectives, side by side again."""
    lower, upper = zip(*parts, strict=True)
    return torch.cat(lower, 1), torch.cat(upper, 1)


def objective(
    layers: Sequence[nn.Module], lines: Mapping[int, Lines], ball: Ball, nu: Tensor
) -> Ball:
    """Bounds (B, M) of the sums of nu times what `layers` return; nu is (B or 1, M, ...).

    Exactly the extremes over the ball and all outputs between the lines.
    """
    constant = nu.new_zeros(())
    gained = lost = constant
    sizes = shapes(layers, ball[0])
    for i, layer in reversed(list(enumerate(layers))):
        if i in lines:
            gained = gained + _dot(nu.clamp(min=0), lines[i].gap)
            lost = lost + _dot(nu.clamp(max=0), lines[i].gap)
            nu = lines[i].pull(nu)
        else:
            constant = constant + _constant(layer, nu)
            nu = _back(layer, nu, sizes[i])
    lower, upper = ball
    centre = constant + _dot(nu, (lower + upper) / 2)
    reach = _dot(nu.abs(), (upper - lower) / 2)
    return centre - reach + lost, centre + reach + gained


def _dot(nu: Tensor, z: Tensor) -> Tensor:
    """Sums of nu (B or 1, M, ...) times z (B, ...), as (B, M)."""
    return (nu.flatten(2) @ z.flatten(1)[:, :, None])[:, :, 0]


def _constant(layer: nn.Module, nu: Tensor) -> Tensor:
    """What the layer's constant adds to the objectives nu, (B or 1, M)."""
    if isinstance(layer, nn.Conv2d) and layer.bias is not None:
        return nu.flatten(3).sum(3) @ layer.bias
    if isinstance(layer, nn.Linear) and layer.bias is not None:
        return (nu * layer.bias).flatten(2).sum(2)
    if isinstance(layer, Normalize):
        return nu.flatten(2).sum(2) * (-layer.mean / layer.std)
    return nu.new_zeros(())


def _back(layer: nn.Module, nu: Tensor, shape: torch.Size) -> Tensor:
    """The adjoint of an affine layer's linear part; `shape` is that of the layer's input."""
    if isinstance(layer, nn.Linear):
        return nu @ layer.weight
    if isinstance(layer, Normalize):
        return nu / layer.std
    if isinstance(layer, nn.Flatten):
        return nu.reshape(*nu.shape[:2], *shape)
    if not isinstance(layer, nn.Conv2d | nn.AvgPool2d | nn.ZeroPad2d):
        return nu  # Identity, ChannelsLast
    back = _conv_back if isinstance(layer, nn.Conv2d) else _pool_back
    return back(layer, nu.flatten(0, 1), shape).unflatten(0, nu.shape[:2])  # type: ignore[arg-type]


def _conv_back(layer: nn.Conv2d, images: Tensor, shape: torch.Size) -> Tensor:
    """The transposed convolution that gives images of `shape` again."""
    extra = [  # rows and columns at the end that the stride did not reach
        size - ((out - 1) * step - 2 * pad + dilation * (kernel - 1) + 1)
        for size, out, step, pad, dilation, kernel in zip(
            shape[1:],
            images.shape[2:],
            layer.stride,
            layer.padding,
            layer.dilation,
            layer.kernel_size,
            strict=True,
        )
    ]
    return F.conv_transpose2d(
        images,
        layer.weight,
        None,
        layer.stride,
        layer.padding,  # type: ignore[arg-type]
        extra,
        layer.groups,
        layer.dilation,
    )


def _pool_back(layer: nn.Module, images: Tensor, shape: torch.Size) -> Tensor:
    """The adjoint of an average or of zeros around, by the layer's own gradient."""
    with torch.enable_grad():
        z = images.new_zeros(len(images), *shape).requires_grad_()
        (back,) = torch.autograd.grad(layer(z), z, images, create_graph=images.requires_grad)
    return back


def _forth(layer: nn.Module, stream: Tensor) -> Tensor:
    """The linear part of an affine layer for each image of a stream (B, R, ...)."""
    return linear(layer, stream.flatten(0, 1)).unflatten(0, stream.shape[:2])
