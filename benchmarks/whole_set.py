"""As many images as MNIST's test set has, streamed in batches, and in one piece.

What counts is the memory of the streamed runs: no evaluation of 10,000 images is to take more than
2 GiB. Distances hold ten derivatives of every pixel, FGSM's grid an image for every eps.
"""

from collections.abc import Callable

import networks
import torch
from torch import Tensor

from privrob import attacks, data, evaluate
from privrob.attacks import boundary
from privrob.lab.benchmarks import Contestant
from privrob.lab.tasks.base import BATCH

TITLE = "10,000 images, streamed"
GAP = "largest relative difference of a distance"
GAP_LIMIT = 1e-3
ROUNDS = 1
SETTINGS = {"images": 10_000}
GROWTH = {"images": (1000,)}
GROWTH_AT: dict[str, int] = {}
GROWTH_OF = ("distances, streamed", "FGSM grid, streamed")
EPS = [0.02 * n for n in range(1, 14)]


def contestants(device: torch.device, *, images: int) -> dict[str, Contestant]:
    """Ours, batch by batch as the recorded results are computed; distances in one piece beside."""
    test = data.load("mnist_slice").test
    rows = torch.arange(images) % len(test.x)
    x, y = test.x[rows], test.y[rows]
    model = networks.trained(device).eval()

    def streamed(work: Callable[[Tensor, Tensor], Tensor], size: int) -> Tensor:
        parts = evaluate.batches(model, x, y, batch_size=size)
        return torch.cat([work(*part) for part in parts], -1)

    def distances(size: int) -> Tensor:
        return streamed(lambda *part: boundary.linearized_distances(model, *part).l2, size)

    def grid() -> Tensor:
        return streamed(_survivors, BATCH)

    def _survivors(x: Tensor, y: Tensor) -> Tensor:
        grid = attacks.fgsm_grid(model, x, y, eps=EPS)
        return torch.stack([evaluate.logits(model, x_adv).argmax(1) == y for x_adv in grid])

    def gap() -> float:
        mine = distances(BATCH)
        return ((distances(images) - mine).abs() / mine.abs().clamp_min(1e-3)).max().item()

    return {
        "distances, streamed": Contestant(lambda: lambda: distances(BATCH), ours=True),
        "FGSM grid, streamed": Contestant(lambda: grid, ours=True),
        "distances in one piece": Contestant(lambda: lambda: distances(images), gap),
    }
