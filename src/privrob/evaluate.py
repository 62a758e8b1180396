"""Logits, accuracy and robust accuracy, always in eval mode and with the reasons to doubt them.

Images are NCHW, floating in [0, 1] or uint8 (read as value / 255). They are checked once, at the
door, and moved batch by batch to the model's device. Labels are int64. A result lives on the
model's device unless it is a plain number.
"""

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import pairwise

import torch
from torch import Tensor, nn
from torch.nn import functional as F

Attack = Callable[[nn.Module, Tensor, Tensor], Tensor]
Loss = Callable[[Tensor, Tensor], Tensor]


# -- guards -------------------------------------------------------------------------------------


@contextmanager
def eval_mode(model: nn.Module) -> Iterator[None]:
    """Eval mode inside, and afterwards each submodule's own mode again, also after an error."""
    modes = [(module, module.training) for module in model.modules()]
    try:
        model.eval()
        yield
    finally:
        for module, training in modes:
            module.training = training


@contextmanager
def frozen(model: nn.Module) -> Iterator[None]:
    """No parameter asks for a gradient inside: saves that work, and none can be left behind."""
    flags = [(parameter, parameter.requires_grad) for parameter in model.parameters()]
    try:
        model.requires_grad_(False)
        yield
    finally:
        for parameter, flag in flags:
            parameter.requires_grad_(flag)


def check_images(x: Tensor, *, low: float | None = 0.0, high: float | None = 1.0) -> None:
    """ValueError unless x is (N, C, H, W), N > 0, and uint8, or floating in [low, high].

    None leaves a side open; NaN and infinity are never let in.
    """
    if x.ndim != 4 or x.numel() == 0:
        raise ValueError(f"images must be (N, C, H, W) with N > 0, got shape {tuple(x.shape)}")
    if x.dtype == torch.uint8:
        return
    if not x.is_floating_point():
        raise ValueError(f"images must be uint8 or floating, got {x.dtype}")
    smallest, largest = (value.item() for value in x.detach().aminmax())
    bottom = torch.finfo(x.dtype).min if low is None else low
    top = torch.finfo(x.dtype).max if high is None else high
    if not smallest >= bottom:  # also true of NaN, which aminmax hands through
        raise ValueError(f"images must be finite and >= {bottom:g}, got a pixel of {smallest:g}")
    if not largest <= top:
        raise ValueError(f"images must be finite and <= {top:g}, got a pixel of {largest:g}")


def check_labels(y: Tensor, *, examples: int, classes: int) -> None:
    """ValueError unless y is (examples,) int64 with values from 0 to classes - 1."""
    if y.dtype != torch.int64:
        raise ValueError(f"labels must be int64, got {y.dtype}")
    if y.shape != (examples,):
        raise ValueError(f"labels must have shape ({examples},), got {tuple(y.shape)}")
    if examples == 0:
        return
    smallest, largest = (int(value) for value in y.aminmax())
    if smallest < 0 or largest >= classes:
        wrong = smallest if smallest < 0 else largest
        raise ValueError(f"labels must lie in 0..{classes - 1}, got {wrong}")


def check_logits(g: Tensor, *, examples: int) -> None:
    """ValueError unless g is a tensor (examples, K), K >= 2, of finite numbers."""
    _check_shape(g, examples)
    for word, bad in (("NaN", g.isnan()), ("infinity", g.isinf())):
        if count := int(bad.any(1).sum()):
            raise ValueError(f"model returned {word} for {count} of {examples} images")


def _check_shape(g: Tensor, examples: int) -> None:
    if not isinstance(g, Tensor) or g.ndim != 2 or g.shape[0] != examples or g.shape[1] < 2:
        shape = tuple(g.shape) if isinstance(g, Tensor) else type(g).__name__
        raise ValueError(f"the model must return ({examples}, K) logits, K >= 2, got {shape}")


# -- batches ------------------------------------------------------------------------------------


def home(model: nn.Module) -> tuple[torch.device, torch.dtype]:
    """Device and floating dtype of the model's parameters; CPU and float32 if it has none."""
    for tensor in (*model.parameters(), *model.buffers()):
        if tensor.is_floating_point():
            return tensor.device, tensor.dtype
    return torch.device("cpu"), torch.float32


def as_float(x: Tensor, model: nn.Module) -> Tensor:
    """x on the model's device; uint8 becomes value / 255 there, in the model's dtype."""
    device, dtype = home(model)
    x = x.to(device, non_blocking=True)
    return x.to(dtype).div_(255) if x.dtype == torch.uint8 else x


def batches(
    model: nn.Module, x: Tensor, y: Tensor, *, batch_size: int
) -> Iterator[tuple[Tensor, Tensor]]:
    """(images as floats, labels) of up to `batch_size`, in order, on the model's device."""
    if batch_size < 1:
        raise ValueError(f"batch_size must be at least 1, got {batch_size}")
    for part, labels in zip(x.split(batch_size), y.split(batch_size), strict=True):
        yield as_float(part, model), labels.to(home(model)[0], non_blocking=True)


# -- what a model says --------------------------------------------------------------------------


def logits(model: nn.Module, x: Tensor, *, batch_size: int = 1000, bounded: bool = True) -> Tensor:
    """The model's logits (N, K) for x (N, C, H, W), in eval mode and without gradients.

    `bounded=False` admits floats outside [0, 1], such as unclipped adversarial images.

    Raises ValueError for images of a wrong type or range, or of a shape that the model does not
    take, and where the model returns anything but finite (N, K), or probabilities.
    """
    check_images(x, low=0.0 if bounded else None, high=1.0 if bounded else None)
    if batch_size < 1:
        raise ValueError(f"batch_size must be at least 1, got {batch_size}")
    with eval_mode(model), torch.no_grad():
        parts = [_forward(model, as_float(part, model)) for part in x.split(batch_size)]
    g = torch.cat(parts)
    check_logits(g, examples=len(x))
    _refuse_probabilities(g)
    return g


def _refuse_probabilities(g: Tensor) -> None:
    """ValueError for the answers of a softmax, through which gradients and margins vanish."""
    if bool((g >= 0).all()) and bool(((g.sum(1) - 1).abs() < 1e-4).all()):
        raise ValueError("the model returns probabilities, not logits: leave out its softmax")


def _forward(model: nn.Module, x: Tensor) -> Tensor:
    """model(x), its shape checked batch by batch: torch.cat would hide a batch that is short."""
    try:
        g = model(x)
    except torch.OutOfMemoryError:
        raise
    except RuntimeError as error:  # what torch says of a wrong size does not name the images
        images = f"images of shape {tuple(x.shape[1:])}, {x.dtype}"
        raise ValueError(f"the model does not take {images}: {error}") from error
    _check_shape(g, len(x))
    return g


def accuracy(model: nn.Module, x: Tensor, y: Tensor, *, batch_size: int = 1000) -> float:
    """Share of the images x whose largest logit is that of the label y (N,), in [0, 1]."""
    g = logits(model, x, batch_size=batch_size)
    check_labels(y, examples=len(x), classes=g.shape[1])
    return (g.argmax(1) == y.to(g.device)).double().mean().item()


def log_odds(g: Tensor, y: Tensor) -> Tensor:
    """log p_y - log(1 - p_y) of the label y (N,) for logits g (N, K), as (N,).

    Computed as g_y - logsumexp of the other logits: finite and exact where the softmax itself
    would round to 1, so that confident examples stay in order.
    """
    check_logits(g, examples=len(g))
    check_labels(y, examples=len(g), classes=g.shape[1])
    index = y.to(g.device)[:, None]
    others = g.scatter(1, index, -torch.inf)
    return g.gather(1, index).squeeze(1) - others.logsumexp(1)


def cross_entropy(g: Tensor, y: Tensor) -> Tensor:
    """The loss -log p_y of each example, (N,)."""
    return F.cross_entropy(g, y, reduction="none")


def input_gradient(
    model: nn.Module, x: Tensor, y: Tensor, *, loss: Loss = cross_entropy
) -> tuple[Tensor, Tensor]:
    """Gradient of each example's loss with respect to its own pixels, and the logits (N, K).

    The inner step of every gradient attack, so it checks shapes and no values: nothing here waits
    for the device. The caller holds `eval_mode` and `frozen`. `loss` maps (logits, y) to (N,).
    """
    x = x.detach().requires_grad_()
    with torch.enable_grad():
        g = model(x)
        losses = loss(g, y)
        if losses.shape != (len(x),):
            raise ValueError(f"loss must return ({len(x)},), got {tuple(losses.shape)}")
        if not losses.requires_grad:
            raise ValueError("the loss does not depend on the images: is the input detached?")
        (gradient,) = torch.autograd.grad(losses.sum(), x)
    return gradient, g.detach()


# -- robust accuracy and its diagnostics --------------------------------------------------------


@dataclass(frozen=True)
class RobustAccuracy:
    """What an attack left of a model's accuracy; all shares in [0, 1], masks (N,) bool.

    `zero_gradient_share`: images whose loss gradient is zero in every pixel, where a gradient
    attack can do nothing; `repaired_share`: images that were wrong and that the attack made
    right; `max_perturbation`: largest change of any pixel.
    """

    accuracy: float
    clean_accuracy: float
    correct: Tensor
    clean_correct: Tensor
    zero_gradient_share: float
    repaired_share: float
    max_perturbation: float


def robust_accuracy(
    model: nn.Module, x: Tensor, y: Tensor, *, attack: Attack, batch_size: int = 1000
) -> RobustAccuracy:
    """Accuracy on attack(model, x, y), with the diagnostics of RobustAccuracy.

    The attack gets float images of up to `batch_size` on the model's device, and returns images
    of the same shape; they may leave [0, 1]. Raises ValueError as `logits` does, and for an
    attack that returns another shape or NaN.
    """
    check_images(x)
    check_labels(y, examples=len(x), classes=logits(model, x[:1]).shape[1])
    parts = [
        _attack_batch(model, *xy, attack) for xy in batches(model, x, y, batch_size=batch_size)
    ]
    clean, robust, flat, moved = (torch.cat(column) for column in zip(*parts, strict=True))
    return RobustAccuracy(
        accuracy=_share(robust),
        clean_accuracy=_share(clean),
        correct=robust,
        clean_correct=clean,
        zero_gradient_share=_share(flat),
        repaired_share=_share(robust & ~clean),
        max_perturbation=moved.max().item(),
    )


def _attack_batch(
    model: nn.Module, x: Tensor, y: Tensor, attack: Attack
) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """Per image, (N,): right before, right after, gradient all zero, largest change of a pixel."""
    with eval_mode(model), frozen(model):
        gradient, clean = input_gradient(model, x, y)
    check_logits(clean, examples=len(x))
    x_adv = attack(model, x, y)
    if x_adv.shape != x.shape:
        raise ValueError(f"attack returned {tuple(x_adv.shape)} for images {tuple(x.shape)}")
    robust = logits(model, x_adv, batch_size=len(x), bounded=False)
    flat = ~gradient.flatten(1).any(1)
    moved = (x_adv - x).abs().flatten(1).amax(1)
    return clean.argmax(1) == y, robust.argmax(1) == y, flat, moved


@dataclass(frozen=True)
class Diagnosis:
    """Whether an FGSM curve looks like honest gradients.

    `largest_rise`: most that accuracy gains from one eps to the next (0 if it never does), reached
    at `rise_at`; `fgsm_excess`: most by which FGSM's accuracy lies *below* PGD's at the same eps
    (0 if never), None without PGD values. Either above 0 hints at masked gradients.
    """

    largest_rise: float
    rise_at: float | None
    fgsm_excess: float | None

    @property
    def monotone(self) -> bool:
        """Accuracy never rises with eps."""
        return self.largest_rise == 0

    @property
    def fgsm_weaker(self) -> bool | None:
        """FGSM leaves at least PGD's accuracy at every eps that both have."""
        return None if self.fgsm_excess is None else self.fgsm_excess == 0


def diagnose(
    curve: Mapping[float, float], *, pgd: Mapping[float, float] | None = None
) -> Diagnosis:
    """Doubts about FGSM accuracies `curve` (eps -> accuracy), beside those of `pgd` if given.

    Raises ValueError for an empty curve and for an eps of `pgd` that the curve lacks.
    """
    if not curve:
        raise ValueError("the curve holds no eps")
    radii = sorted(curve)
    rises = [(curve[b] - curve[a], b) for a, b in pairwise(radii)]
    rise, at = max(rises, default=(0.0, radii[0]))
    excess = None if pgd is None else _excess(curve, pgd)
    return Diagnosis(max(rise, 0.0), at if rise > 0 else None, excess)


def _excess(curve: Mapping[float, float], pgd: Mapping[float, float]) -> float:
    known = {round(eps, 9): value for eps, value in curve.items()}  # 3 * 0.1 is 0.3 here
    if missing := [eps for eps in pgd if round(eps, 9) not in known]:
        raise ValueError(f"the curve has no eps {missing[0]}, which pgd has")
    return max([0.0, *(value - known[round(eps, 9)] for eps, value in pgd.items())])


def _share(mask: Tensor) -> float:
    return mask.double().mean().item()
