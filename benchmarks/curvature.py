"""The spectrum of the loss in the pixels: from K x K matrices, and from the whole Hessian.

Both in float64. The peer builds the D x D Hessian of an image by `torch.func` and takes its
eigenvalues, which is the definition; ours needs one Jacobian and matrices of 10 x 10.
"""

import networks
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from privrob import data, geometry
from privrob.lab.benchmarks import Contestant

TITLE = "Curvature in the pixels"
GAP = "largest difference of an eigenvalue, in parts of the image's largest"
GAP_LIMIT = 1e-6
ROUNDS = 5
SETTINGS = {"images": 2}
GROWTH = {"images": (10, 100, 500)}
GROWTH_AT: dict[str, int] = {}
GROWTH_OF = ("curvature",)


def contestants(device: torch.device, *, images: int) -> dict[str, Contestant]:
    """Ours, and the Hessian of one image after another."""
    test = data.load("mnist_slice").test
    model = networks.trained(device).double().eval()
    x, y = test.x[:images].to(device).double() / 255, test.y[:images].to(device)

    def ours() -> Tensor:
        return geometry.curvature(model, x).hessian

    def whole() -> Tensor:
        return torch.stack(
            [_spectrum(model, image, label) for image, label in zip(x, y, strict=True)]
        )

    def gap() -> float:
        mine = ours()
        return ((whole()[:, : mine.shape[1]] - mine).abs() / mine[:, :1]).max().item()

    return {
        "curvature": Contestant(lambda: ours, ours=True),
        "whole Hessian": Contestant(lambda: whole, gap),
    }


def _spectrum(model: nn.Module, image: Tensor, label: Tensor) -> Tensor:
    """All D eigenvalues of one image's Hessian, largest first."""

    def loss(pixels: Tensor) -> Tensor:
        return F.cross_entropy(model(pixels.view_as(image)[None]), label[None])

    return torch.linalg.eigvalsh(torch.func.hessian(loss)(image.flatten())).flip(0)
