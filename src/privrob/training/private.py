"""DP-SGD (Algorithm 1 of tursynbek2020, after Abadi et al. 2016): clip, add noise, scale.

Two engines give the same clipped sums. `fast` is book-keeping: one backward pass yields the
gradient at every layer's output; with the layer's input it gives each example's gradient norm and
the clipped sum without a weight gradient per example. `opacus` is the slow reference.
"""

from collections.abc import Callable, Iterator
from math import isfinite

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from privrob.evaluate import frozen

Gradient = dict[str, Tensor]
PIECE = 2**19  # numbers in the patches that are held at a time: 2 MB, a cache's worth


# -- Poisson sampling ---------------------------------------------------------------------------


def poisson_batches(
    size: int, *, sample_rate: float, updates: int, generator: torch.Generator
) -> Iterator[Tensor]:
    """`updates` index tensors, each example in each batch with probability `sample_rate`.

    Batches vary in size and may be empty. Drawn on the CPU whatever the training device, so that
    every device sees the same batches and none is asked for a size.
    """
    for _ in range(updates):
        yield (torch.rand(size, generator=generator) < sample_rate).nonzero().squeeze(1)


# -- per-example clipping by book-keeping -------------------------------------------------------


def _tape(model: nn.Module, x: Tensor, y: Tensor) -> list[tuple[str, nn.Module, Tensor, Tensor]]:
    """(name, layer, input, gradient of the summed loss at its output) per layer with weights."""
    seen: list[tuple[str, nn.Module, Tensor, Tensor]] = []

    def hook(name: str) -> Callable[[nn.Module, tuple[Tensor, ...], Tensor], Tensor]:
        def record(layer: nn.Module, inputs: tuple[Tensor, ...], output: Tensor) -> Tensor:
            if not output.requires_grad:  # the first layer: nothing before it asks for a gradient
                output = output.detach().requires_grad_()
            seen.append((name, layer, inputs[0].detach(), output))
            return output

        return record

    handles = [layer.register_forward_hook(hook(n)) for n, layer in _weighted(model).items()]
    try:
        with frozen(model), torch.enable_grad():
            loss = F.cross_entropy(model(x), y, reduction="sum")
            gradients = torch.autograd.grad(loss, [out for *_, out in seen])
    finally:
        for handle in handles:
            handle.remove()
    if len(seen) != len({name for name, *_ in seen}):
        raise ValueError("a layer is used twice in one pass; per-example clipping needs once")
    return [(n, layer, a, g) for (n, layer, a, _), g in zip(seen, gradients, strict=True)]


def _weighted(model: nn.Module) -> dict[str, nn.Module]:
    """The layers that own parameters, by name; ValueError for one that has no rule here."""
    owners = {
        n: layer
        for n, layer in model.named_modules()
        if next(layer.parameters(recurse=False), None) is not None
    }
    for name, layer in owners.items():
        plain_conv = isinstance(layer, nn.Conv2d) and layer.groups == 1 and layer.dilation == (1, 1)
        if not plain_conv and not isinstance(layer, nn.Linear):
            raise ValueError(
                f"engine 'fast' has no rule for layer {name!r} ({type(layer).__name__}); use "
                "linear and plain 2-D convolution layers, or engine 'opacus'"
            )
    return owners


class _LinearRule:
    """Per-example weight gradient g a^T: norm and clipped sum from a (B, I) and g (B, O)."""

    def __init__(self, layer: nn.Linear, a: Tensor, g: Tensor) -> None:
        if a.ndim != 2:
            raise ValueError(f"a linear layer needs (batch, features) inputs, got {tuple(a.shape)}")
        self.layer, self.a, self.g = layer, a, g

    def squared_norm(self) -> Tensor:
        a2 = torch.linalg.vector_norm(self.a, dim=1).square()
        g2 = torch.linalg.vector_norm(self.g, dim=1).square()
        return (a2 + (self.layer.bias is not None)) * g2

    def clipped_sum(self, factor: Tensor) -> Gradient:
        g = self.g * factor[:, None]
        bias = {} if self.layer.bias is None else {"bias": g.sum(0)}
        return {"weight": g.T @ self.a} | bias


class _ConvRule:
    """As linear, summed over positions: patches A (B, T, D), output gradients G (B, T, P)."""

    def __init__(self, layer: nn.Conv2d, a: Tensor, g: Tensor) -> None:
        self.layer = layer
        self.g = g.permute(0, 2, 3, 1).reshape(g.shape[0], -1, g.shape[1])
        self.bias = None if layer.bias is None else self.g.sum(1)
        positions, outputs = self.g.shape[1:]
        inputs = layer.weight[0].numel()
        # Per-example gradients P x D where they are less work than the T x T Gram matrices.
        direct = positions * (inputs + outputs) > inputs * outputs
        self.each = _each(layer, a, self.g) if direct else None
        self.patches = a.new_empty(0) if direct else _patches(a, layer)

    def squared_norm(self) -> Tensor:
        bias2 = 0 if self.bias is None else self.bias.square().sum(1)
        if self.each is not None:
            return torch.linalg.vector_norm(self.each.flatten(1), dim=1).square() + bias2
        gram_a = self.patches @ self.patches.transpose(1, 2)
        gram_g = self.g @ self.g.transpose(1, 2)
        return (gram_a * gram_g).sum((1, 2)) + bias2

    def clipped_sum(self, factor: Tensor) -> Gradient:
        if self.each is not None:
            total = (factor @ self.each.flatten(1)).view(self.each.shape[1:])
        else:
            g = self.g * factor[:, None, None]
            total = g.flatten(0, 1).T @ self.patches.flatten(0, 1)
        outputs, inputs, height, width = self.layer.weight.shape
        weight = total.view(outputs, height, width, inputs).permute(0, 3, 1, 2)
        return {"weight": weight} | ({} if self.bias is None else {"bias": factor @ self.bias})


def _each(layer: nn.Conv2d, a: Tensor, g: Tensor) -> Tensor:
    """(B, P, D): every example's weight gradient, from a (B, C, H, W) and g (B, T, P).

    On a CPU a few examples at a time. Their patches stay in the cache, and no buffer grows so
    large that the system hands it out anew, page by page, at every step: that cost more than the
    arithmetic.
    """
    inputs = layer.weight[0].numel()
    few = len(a) if a.is_cuda else max(1, PIECE // (g.shape[1] * inputs))
    each = a.new_empty(len(a), g.shape[2], inputs)
    for out, some_a, some_g in zip(each.split(few), a.split(few), g.split(few), strict=True):
        torch.bmm(some_g.transpose(1, 2), _patches(some_a, layer), out=out)
    return each


def _patches(a: Tensor, layer: nn.Conv2d) -> Tensor:
    """(B, T, kh*kw*C): what each output position of the convolution sees, channels innermost.

    Copied in the longest runs that lie together in memory: kw*C numbers of NHWC where there are
    several channels, a row of positions where there is one. `unfold` has neither.
    """
    if isinstance(layer.padding, str):
        raise ValueError(f"padding {layer.padding!r} has no per-example rule; give it as numbers")
    if any(layer.padding):
        a = F.pad(a, [layer.padding[1]] * 2 + [layer.padding[0]] * 2)
    a = a.permute(0, 2, 3, 1).contiguous()  # explicit: one channel makes the order ambiguous
    batch, height, width, channels = a.shape
    (kh, kw), (sh, sw) = layer.kernel_size, layer.stride
    rows, cols = (height - kh) // sh + 1, (width - kw) // sw + 1
    line = width * channels
    if channels == 1:
        windows = a.as_strided((batch, kh, kw, rows, cols), (height * line, line, 1, sh * line, sw))
        return windows.reshape(batch, kh * kw, rows * cols).transpose(1, 2)
    shape = (batch, rows, cols, kh, kw * channels)
    windows = a.as_strided(shape, (height * line, sh * line, sw * channels, line, 1))
    return windows.reshape(batch, rows * cols, kh * kw * channels)


def clipped_gradient(model: nn.Module, x: Tensor, y: Tensor, *, clip_norm: float) -> Gradient:
    """Sum over the batch of each example's gradient times 1/max(1, norm/clip_norm).

    x (B, C, H, W), y (B,); returns parameter name -> sum, not divided. An empty batch gives zeros.
    The loss is cross-entropy; the norm is over all parameters together (Algorithm 1).
    """
    if len(x) == 0:
        return {n: torch.zeros_like(p) for n, p in model.named_parameters()}
    rules = {
        name: (_LinearRule if isinstance(layer, nn.Linear) else _ConvRule)(layer, a, g)  # type: ignore[arg-type]
        for name, layer, a, g in _tape(model, x, y)
    }
    norm = torch.stack([rule.squared_norm() for rule in rules.values()]).sum(0).sqrt()
    factor = (norm / clip_norm).clamp(min=1).reciprocal()
    return {
        f"{name}.{part}" if name else part: total
        for name, rule in rules.items()
        for part, total in rule.clipped_sum(factor).items()
    }


# -- the private update -------------------------------------------------------------------------


def private_step(
    model: nn.Module,
    *,
    lr: float,
    clip_norm: float,
    noise_std: float,
    expected_batch: float,
    engine: str,
    generator: torch.Generator,
) -> Callable[[Tensor, Tensor], None]:
    """A function (x, y) -> None that updates `model` once: clip, add noise, scale.

    `noise_std` is the deviation of the Gaussian added to the clipped *sum*: sigma * C in
    Algorithm 1, another number where noise and clipping are studied apart. The noise multiplier
    that an accountant must see is noise_std / clip_norm. The sum is divided by `expected_batch`,
    a constant: dividing by the drawn size would itself depend on who is in the batch.
    `engine` is 'fast' or 'opacus'; `generator` lives on the model's device.
    """
    _check(lr=lr, clip_norm=clip_norm, noise_std=noise_std, expected_batch=expected_batch)
    if engine not in ENGINES:
        raise ValueError(f"engine must be one of {', '.join(sorted(ENGINES))}, got {engine!r}")
    return ENGINES[engine](
        model,
        lr=lr,
        clip_norm=clip_norm,
        noise_std=noise_std,
        expected_batch=expected_batch,
        generator=generator,
    )


def _check(*, lr: float, clip_norm: float, noise_std: float, expected_batch: float) -> None:
    if not clip_norm > 0:
        raise ValueError(f"clip_norm must be above 0, got {clip_norm}")
    if not (noise_std >= 0 and isfinite(noise_std)):
        raise ValueError(f"noise_std must be 0 or more and finite, got {noise_std}")
    if not lr > 0:
        raise ValueError(f"lr must be above 0, got {lr}")
    if not expected_batch > 0:
        raise ValueError(f"expected_batch must be above 0, got {expected_batch}")


def _fast_step(
    model: nn.Module,
    *,
    lr: float,
    clip_norm: float,
    noise_std: float,
    expected_batch: float,
    generator: torch.Generator,
) -> Callable[[Tensor, Tensor], None]:
    parameters = dict(model.named_parameters())
    sizes = [p.numel() for p in parameters.values()]
    like = next(iter(parameters.values()))

    @torch.no_grad()
    def step(x: Tensor, y: Tensor) -> None:
        total = clipped_gradient(model, x, y, clip_norm=clip_norm)
        draws = torch.randn(sum(sizes), generator=generator, dtype=like.dtype, device=like.device)
        for (name, p), noise in zip(parameters.items(), draws.split(sizes), strict=True):
            noisy = total[name].add(noise.view(p.shape), alpha=noise_std)
            p.sub_(noisy, alpha=lr / expected_batch)

    return step


def _opacus_step(
    model: nn.Module,
    *,
    lr: float,
    clip_norm: float,
    noise_std: float,
    expected_batch: float,
    generator: torch.Generator,
) -> Callable[[Tensor, Tensor], None]:
    from opacus import GradSampleModule
    from opacus.optimizers import DPOptimizer

    for layer in model.modules():
        if isinstance(layer, nn.Conv2d):
            # opacus 1.6 reads a convolution's input as if it lay in NCHW order, whatever its
            # strides say: on channels_last memory its per-example gradients would be wrong.
            layer.register_forward_pre_hook(lambda layer, inputs: (inputs[0].contiguous(),))
    wrapped = GradSampleModule(model, loss_reduction="sum")
    optimizer = DPOptimizer(
        torch.optim.SGD(model.parameters(), lr=lr / expected_batch),
        noise_multiplier=noise_std / clip_norm,
        max_grad_norm=clip_norm,
        expected_batch_size=None,
        loss_reduction="sum",
        generator=generator,
    )

    def step(x: Tensor, y: Tensor) -> None:
        optimizer.zero_grad()
        with torch.enable_grad():
            F.cross_entropy(wrapped(x), y, reduction="sum").backward()
        optimizer.step()

    return step


ENGINES = {"fast": _fast_step, "opacus": _opacus_step}
