"""FGSM at many eps from one gradient, beside two libraries that take one for each eps.

The libraries run twice: on the usual network, which their users have, and on ours.
"""

from functools import cache

import networks
import rivals
import torch
from torch import Tensor, nn

from privrob import attacks, data, evaluate
from privrob.lab.benchmarks import Contestant, Run

TITLE = "FGSM, a grid of eps"
GAP = "images and eps at which the attack ends differently"
GAP_LIMIT = 0
ROUNDS = 12
SETTINGS = {"batch": 100, "radii": 13}
GROWTH = {"radii": (1, 4, 13, 31), "batch": (25, 100, 400)}
GROWTH_AT: dict[str, int] = {}
GROWTH_OF = ("FGSM grid", "torchattacks")


def contestants(device: torch.device, *, batch: int, radii: int) -> dict[str, Contestant]:
    """Ours; then the libraries on the usual network and on ours. All count survivors."""
    images = data.load("mnist_slice").test
    x, y = images.x[:batch].to(device).float() / 255, images.y[:batch].to(device)
    model = networks.trained(device)
    usual = networks.usual(model).eval()
    eps = [0.3 * (n + 1) / radii for n in range(radii)]

    @cache
    def reference() -> Tensor:
        return ours()

    def ours() -> Tensor:
        grid = attacks.fgsm_grid(model, x, y, eps=eps)
        return torch.stack([evaluate.logits(model, x_adv).argmax(1) != y for x_adv in grid])

    def by_torchattacks(network: nn.Module) -> Run:
        each = [rivals.torchattacks_fgsm(network, radius) for radius in eps]
        return lambda: torch.stack([rivals.fooled(network, a(x, y), y) for a in each])

    def by_foolbox(network: nn.Module) -> Run:
        attack = rivals.foolbox_fgsm(network)
        return lambda: torch.stack([rivals.fooled(network, a, y) for a in attack(x, y, eps)])

    def rival(make, network: nn.Module) -> Contestant:
        return Contestant(
            lambda: make(network), lambda: int((make(network)() != reference()).sum())
        )

    return {
        "FGSM grid": Contestant(lambda: ours, ours=True),
        "torchattacks": rival(by_torchattacks, usual),
        "foolbox": rival(by_foolbox, usual),
        "torchattacks, our network": rival(by_torchattacks, model),
        "foolbox, our network": rival(by_foolbox, model),
    }
