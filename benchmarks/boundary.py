"""How far the boundary is: linearised distances and DeepFool, beside loops and foolbox.

Linearised, both norms come from one Jacobian of the batch; the peer takes one image after another,
and a gradient for every class of each. DeepFool is raced on the usual network, as the attacks are.
"""

from functools import cache

import networks
import rivals
import torch
from torch import Tensor, nn

from privrob import data, evaluate
from privrob.attacks import boundary
from privrob.lab.benchmarks import Contestant, Run

TITLE = "Distances to the boundary"
GAP = "median relative difference of the l2 distances"
GAP_LIMIT = 0.01  # foolbox lengthens every step of DeepFool by 1e-4
ROUNDS = 5
SETTINGS = {"batch": 100, "steps": 50}
GROWTH = {"batch": (25, 100)}
GROWTH_AT: dict[str, int] = {}
GROWTH_OF = ("linearised distances", "DeepFool", "foolbox's DeepFool")
OVERSHOOT = 0.02


def contestants(device: torch.device, *, batch: int, steps: int) -> dict[str, Contestant]:
    """Ours; then a loop over images for the one, and foolbox for the other."""
    model = networks.trained(device).eval()
    usual = networks.usual(model).eval()
    x, y = _right(model, batch, device)

    def linearised() -> Tensor:
        return boundary.linearized_distances(model, x, y).l2

    def deepfool() -> Tensor:
        walk = {"norm": "l2", "steps": steps, "overshoot": OVERSHOOT}
        return _lengths(boundary.deepfool(model, x, y, **walk).x_adv, x)

    def one_by_one() -> Tensor:
        return torch.stack(
            [_distance(usual, image, label) for image, label in zip(x, y, strict=True)]
        )

    @cache
    def reference(ours: Run) -> Tensor:
        return ours()

    def gap(ours: Run, theirs: Run) -> float:
        return (theirs() / reference(ours) - 1).abs().median().item()

    def foolbox() -> Run:
        attack = rivals.foolbox_deepfool(usual, steps=steps, overshoot=OVERSHOOT)
        return lambda: _lengths(attack(x, y), x)

    return {
        "linearised distances": Contestant(lambda: linearised, ours=True),
        "DeepFool": Contestant(lambda: deepfool, ours=True),
        "image by image": Contestant(lambda: one_by_one, lambda: gap(linearised, one_by_one)),
        "foolbox's DeepFool": Contestant(foolbox, lambda: gap(deepfool, foolbox())),
    }


def _right(model: nn.Module, batch: int, device: torch.device) -> tuple[Tensor, Tensor]:
    """The first `batch` images that the model classifies correctly."""
    test = data.load("mnist_slice").test
    x, y = test.x.to(device).float() / 255, test.y.to(device)
    right = (evaluate.logits(model, x).argmax(1) == y).nonzero()[:batch, 0]
    return x[right], y[right]


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


def _lengths(x_adv: Tensor, x: Tensor) -> Tensor:
    return torch.linalg.vector_norm((x_adv - x).flatten(1), dim=1)
