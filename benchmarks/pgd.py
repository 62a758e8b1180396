"""PGD-40 from the image itself, whole and with fooled images dropped, beside two libraries.

The libraries run twice: on the usual network, which their users have, and on ours.
"""

from collections.abc import Callable
from functools import cache

import networks
import rivals
import torch
from torch import Tensor

from privrob import attacks, data, evaluate
from privrob.lab.benchmarks import Contestant, Run

TITLE = "PGD, 40 steps, eps 0.3"
GAP = "images on which the attack ends differently"
GAP_LIMIT = 0
ROUNDS = 9
SETTINGS = {"batch": 100, "width": 1.0, "steps": 40}
GROWTH = {"batch": (25, 100, 400), "width": (0.5, 1.0, 2.0)}
GROWTH_AT = {"steps": 10}
GROWTH_OF = ("PGD-40", "torchattacks")
EPS, STEP_SIZE = 0.3, 0.01


def contestants(
    device: torch.device, *, batch: int, width: float, steps: int
) -> dict[str, Contestant]:
    """Ours, whole and with dropping; then the libraries on the usual network and on ours."""
    images = data.load("mnist_slice").test
    x, y = images.x[:batch].to(device).float() / 255, images.y[:batch].to(device)
    # The cost of whole PGD is the same for any weights; the zoo has them for width 1.
    model = networks.trained(device) if width == 1 else networks.ours(device, width=width)
    model, usual = model.eval(), networks.usual(model).eval()
    walk = {"eps": EPS, "step_size": STEP_SIZE}

    @cache
    def reference() -> Tensor:
        return ours()

    def ours() -> Tensor:
        x_adv = attacks.pgd(model, x, y, **walk, steps=steps, random_start=False)
        return evaluate.logits(model, x_adv).argmax(1) != y

    def dropped() -> Tensor:
        return attacks.steps_to_success(model, x, y, **walk, steps=steps)

    def rival(make: Callable[..., rivals.Attack], network: torch.nn.Module) -> Contestant:
        def prepare() -> Run:
            attack = make(network, **walk, steps=steps)
            return lambda: rivals.fooled(network, attack(x, y), y)

        return Contestant(prepare, lambda: int((prepare()() != reference()).sum()))

    def drop_gap() -> float:
        few, some = slice(16), 16  # a library must start anew for every number of steps
        first = attacks.steps_to_success(model, x[few], y[few], **walk, steps=some)
        return int((first != _first_success(usual, x[few], y[few], some)).sum())

    return {
        "PGD-40": Contestant(lambda: ours, ours=True),
        "PGD-40, fooled images dropped": Contestant(lambda: dropped, drop_gap, ours=True),
        "torchattacks": rival(rivals.torchattacks_pgd, usual),
        "foolbox": rival(rivals.foolbox_pgd, usual),
        "torchattacks, our network": rival(rivals.torchattacks_pgd, model),
        "foolbox, our network": rival(rivals.foolbox_pgd, model),
    }


def _first_success(model: torch.nn.Module, x: Tensor, y: Tensor, steps: int) -> Tensor:
    """Steps until each image first fools the model, by torchattacks run anew for every number."""
    first = torch.full_like(y, -1)
    for n in range(steps + 1):
        walk = {"eps": EPS, "step_size": STEP_SIZE, "steps": n}
        x_adv = rivals.torchattacks_pgd(model, **walk)(x, y) if n else x
        first[(first < 0) & rivals.fooled(model, x_adv, y)] = n
    return first
