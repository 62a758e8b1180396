"""What is minimised, as functions (model, x, y) -> scalar mean over the batch."""

from collections.abc import Callable

from torch import Tensor, nn
from torch.nn import functional as F

Loss = Callable[[nn.Module, Tensor, Tensor], Tensor]


def natural(model: nn.Module, x: Tensor, y: Tensor) -> Tensor:
    """Cross-entropy of the clean images: no defence."""
    return F.cross_entropy(model(x), y)
