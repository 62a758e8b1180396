"""Linearised distances to the boundary in both norms, beside one image after another.

Ours take one Jacobian of the batch; the peer a gradient for every class of every image, on the
usual network.
"""

import networks
import torch
from torch import Tensor, nn

from privrob.attacks import boundary
from privrob.lab.benchmarks import Contestant

TITLE = "Linearised distances to the boundary"
GAP = "largest relative difference of an l2 distance"
GAP_LIMIT = 1e-3
ROUNDS = 5
SETTINGS = {"batch": 100}
GROWTH = {"batch": (25, 100, 400)}
GROWTH_AT: dict[str, int] = {}
GROWTH_OF = ("linearised distances",)


def contestants(device: torch.device, *, batch: int) -> dict[str, Contestant]:
    """Ours, and a loop over images."""
    model = networks.trained(device).eval()
    usual = networks.usual(model).eval()
    x, y = networks.right(model, batch)

    def ours() -> Tensor:
        return boundary.linearized_distances(model, x, y).l2

    def one_by_one() -> Tensor:
        pairs = zip(x, y, strict=True)
        return torch.stack([_distance(usual, image, label) for image, label in pairs])

    return {
        "linearised distances": Contestant(lambda: ours, ours=True),
        "image by image": Contestant(
            lambda: one_by_one, lambda: (one_by_one() / ours() - 1).abs().max().item()
        ),
    }


def _distance(model: nn.Module, image: Tensor, label: Tensor) -> Tensor:
    """Eq. 5 of tursynbek2020 for one image, written down as it stands."""
    image = image[None].requires_grad_()
    g = model(image)[0]
    found = []
    for k in range(len(g)):
        if k != label:
            margin = g[label] - g[k]
            (normal,) = torch.autograd.grad(margin, image, retain_graph=True)
            found.append(margin.detach() / normal.norm())
    return torch.stack(found).min()
