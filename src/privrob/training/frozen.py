"""Training on top of frozen layers: their outputs computed once, or for a fresh view at each step.

Both kinds of examples are asked like a `data.Split`: `len` and `batch(index)`, here without
waiting for the device.
"""

import hashlib
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from privrob import evaluate
from privrob.data import Split
from privrob.training.augment import crop_and_flip

BATCH = 1000  # as in `evaluate.logits`


@dataclass(frozen=True, eq=False)
class Features:
    """What frozen layers make of each example: `x` (N, F) float, `y` (N,) int64, on one device.

    `source` is the checksum of the layers that they come from.
    """

    x: Tensor
    y: Tensor
    source: str

    def __len__(self) -> int:
        return len(self.y)

    def batch(self, index: Tensor) -> tuple[Tensor, Tensor]:
        """The examples at `index` (B,): features (B, F) and labels (B,)."""
        return self.x[index], self.y[index]

    def require(self, layers: nn.Module) -> None:
        """ValueError unless they come from `layers` with the weights that these have now."""
        now = checksum(layers)
        if now != self.source:
            raise ValueError(
                f"these features come from frozen weights {self.source[:16]}, not from "
                f"{now[:16]}; compute them again"
            )


@dataclass(frozen=True, eq=False)
class Views:
    """Examples moved and mirrored anew each time they are asked for, one view an example.

    `batch` gives what `layers` make of the views, without gradients; the views themselves where it
    is None. `generator`, on the split's device, draws them: seed it at the start of each epoch, and
    register it with a CUDA graph that records `batch`.
    """

    split: Split
    layers: nn.Module | None
    padding: int
    generator: torch.Generator

    def __len__(self) -> int:
        return len(self.split)

    @property
    def y(self) -> Tensor:
        """The labels (N,)."""
        return self.split.y

    def batch(self, index: Tensor) -> tuple[Tensor, Tensor]:
        """Views of the examples at `index` (B,), or their features, and labels (B,)."""
        x, y = self.split.batch(index)
        x = crop_and_flip(x, padding=self.padding, generator=self.generator)
        if self.layers is None:
            return x, y
        with torch.no_grad():
            return self.layers(x), y


def features_of(layers: nn.Module, split: Split) -> Features:
    """The features of all examples of `split`, in order, in eval mode, on the layers' device."""
    return Features(
        outputs(layers, split.x), split.y.to(evaluate.home(layers)[0]), checksum(layers)
    )


def outputs(layers: nn.Module, x: Tensor) -> Tensor:
    """What the layers make of images x (N, C, H, W), uint8 or floating in [0, 1]: (N, F).

    ValueError for images of another shape, type or range.
    """
    evaluate.check_images(x)
    with evaluate.eval_mode(layers), torch.no_grad():
        return torch.cat([layers(evaluate.as_float(part, layers)) for part in x.split(BATCH)])


def checksum(layers: nn.Module) -> str:
    """SHA-256 (hex) of the layers' weights: names, shapes and values, whatever the memory order."""
    digest = hashlib.sha256()
    for name, value in layers.state_dict().items():
        array = value.detach().cpu().contiguous().numpy()
        digest.update(f"{name} {array.dtype.name} {array.shape}\n".encode())
        digest.update(array.tobytes())
    return digest.hexdigest()


def logits(head: nn.Module, examples: Features) -> Tensor:
    """The logits (N, K) that layers behind the frozen ones give, in eval mode, without gradients.

    Bit for bit those of `evaluate.logits` for the whole model. ValueError if one is not finite.
    """
    with evaluate.eval_mode(head), torch.no_grad():
        g = torch.cat([head(part) for part in examples.x.split(BATCH)])
    evaluate.check_logits(g, examples=len(examples))
    return g


def accuracy(head: nn.Module, examples: Features) -> float:
    """Share of the examples whose largest logit of the head is that of the label, in [0, 1]."""
    return (logits(head, examples).argmax(1) == examples.y).double().mean().item()
