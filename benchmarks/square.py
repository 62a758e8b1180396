"""Square Attack beside torchattacks', with the same number of queries.

Both draw their squares at random, so the answers agree as shares of images that withstand, not
image by image. The library runs on the usual network, which its users have, and on ours.
"""

from functools import cache

import networks
import rivals
import torch
from torch import nn

from privrob import data
from privrob.attacks import blackbox
from privrob.lab.benchmarks import Contestant, Run

TITLE = "Square Attack"
GAP = "difference of the shares of images that are fooled"
# Three standard deviations of a share of 100 images. The library draws one square for all of them,
# so its share moves more from seed to seed than that.
GAP_LIMIT = 0.15
ROUNDS = 5
SETTINGS = {"batch": 100, "queries": 200}
GROWTH = {"queries": (50, 200)}
GROWTH_AT: dict[str, int] = {}
GROWTH_OF = ("Square Attack", "torchattacks")
EPS, FIRST_SHARE = 0.2, 0.8


def contestants(device: torch.device, *, batch: int, queries: int) -> dict[str, Contestant]:
    """Ours; then the library on the usual network and on ours."""
    images = data.load("mnist_slice").test
    x, y = images.x[:batch].to(device).float() / 255, images.y[:batch].to(device)
    model = networks.trained(device).eval()
    settings = {"eps": EPS, "queries": queries, "first_share": FIRST_SHARE}

    def ours() -> float:
        draw = torch.Generator(device).manual_seed(0)
        x_adv = blackbox.square(model, x, y, **settings, generator=draw)
        return rivals.fooled(model, x_adv, y).float().mean().item()

    @cache
    def reference() -> float:
        return ours()

    def rival(network: nn.Module) -> Contestant:
        def prepare() -> Run:
            attack = rivals.torchattacks_square(network, **settings)
            return lambda: rivals.fooled(network, attack(x, y), y).float().mean().item()

        return Contestant(prepare, lambda: abs(prepare()() - reference()))

    return {
        "Square Attack": Contestant(lambda: ours, ours=True),
        "torchattacks": rival(networks.usual(model).eval()),
        "torchattacks, our network": rival(model),
    }
