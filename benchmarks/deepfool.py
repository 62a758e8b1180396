"""DeepFool in l2, beside foolbox, on the usual network, which its users have."""

import networks
import rivals
import torch
from torch import Tensor

from privrob.attacks import boundary
from privrob.lab.benchmarks import Contestant, Run

TITLE = "DeepFool"
GAP = "median relative difference of the l2 distances"
GAP_LIMIT = 0.01  # foolbox lengthens every step by 1e-4
ROUNDS = 5
SETTINGS = {"batch": 100, "steps": 50}
GROWTH = {"batch": (25, 100)}
GROWTH_AT: dict[str, int] = {}
GROWTH_OF = ("DeepFool", "foolbox")
OVERSHOOT = 0.02


def contestants(device: torch.device, *, batch: int, steps: int) -> dict[str, Contestant]:
    """Ours, and foolbox."""
    model = networks.trained(device).eval()
    usual = networks.usual(model).eval()
    x, y = networks.right(model, batch)

    def ours() -> Tensor:
        walk = {"norm": "l2", "steps": steps, "overshoot": OVERSHOOT}
        return _lengths(boundary.deepfool(model, x, y, **walk).x_adv, x)

    def foolbox() -> Run:
        attack = rivals.foolbox_deepfool(usual, steps=steps, overshoot=OVERSHOOT)
        return lambda: _lengths(attack(x, y), x)

    return {
        "DeepFool": Contestant(lambda: ours, ours=True),
        "foolbox": Contestant(foolbox, lambda: (foolbox()() / ours() - 1).abs().median().item()),
    }


def _lengths(x_adv: Tensor, x: Tensor) -> Tensor:
    return torch.linalg.vector_norm((x_adv - x).flatten(1), dim=1)
