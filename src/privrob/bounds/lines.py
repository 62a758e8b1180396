"""Two parallel lines around each unit of a kinked layer: S z <= output <= S z + gap.

For a ReLU with input bounds l < 0 < u, S is u / (u - l) and gap -l u / (u - l) (Wong and Kolter
2018). For a max-pool, S picks the entry with the highest lower bound, and gap is how far a rival
may lie above it. Where bounds leave no doubt, gap is 0 and S exact.
"""

from dataclasses import dataclass

import torch
from torch import Tensor, nn

from privrob.bounds.pooling import favourite, put, take

KINKED = (nn.ReLU, nn.MaxPool2d)


@dataclass(frozen=True)
class Slopes:
    """S of a ReLU: `slope` (B, ...) in [0, 1]; `gap` (B, ...)."""

    slope: Tensor
    gap: Tensor

    def push(self, z: Tensor) -> Tensor:
        """S z for z (B, R, ...)."""
        return self.slope[:, None] * z

    pull = push  # S is diagonal


@dataclass(frozen=True)
class Picks:
    """S of a max-pool: `index` (B, C, P) into planes of `shape`; `gap` (B, C, h, w)."""

    index: Tensor
    shape: torch.Size
    gap: Tensor

    def push(self, z: Tensor) -> Tensor:
        """S z for z (B, R, C, *shape)."""
        return take(z, self.index, self.gap.shape[2:])

    def pull(self, nu: Tensor) -> Tensor:
        """S' nu for nu (B, M, C, h, w)."""
        return put(nu, self.index, self.shape)


Lines = Slopes | Picks


def between(layer: nn.Module, lower: Tensor, upper: Tensor) -> Lines:
    """The lines of a ReLU or max-pool whose input lies between `lower` and `upper`."""
    if isinstance(layer, nn.MaxPool2d):
        index, rivals = favourite(layer, lower, upper)
        best = layer(lower)
        gap = (rivals.reshape(best.shape) - best).clamp(min=0)
        return Picks(index, lower.shape[2:], gap)
    unsure = (lower < 0) & (upper > 0)
    width = torch.where(unsure, upper - lower, 1)  # no division by 0, also not in the gradient
    slope = torch.where(unsure, upper / width, (lower >= 0).to(lower.dtype))
    return Slopes(slope, torch.where(unsure, -lower * slope, 0))
