"""All 31 corruptions of MNIST-C, a whole batch at once and one image after another.

There is no other seeded implementation to compare with. So the peer is our own code cut into
single images, as the published one works: its answer must be the same bit by bit, since an image's
corruption does not depend on the batch. The growth table has the whole test set of MNIST: that is
to take less than two minutes on two cores.
"""

from functools import cache, partial

import torch
from torch import Tensor

from privrob import corruptions, data
from privrob.lab.benchmarks import Contestant

TITLE = "MNIST-C, all 31 corruptions"
GAP = "pixels that differ"
GAP_LIMIT = 0
ROUNDS = 3
SETTINGS = {"images": 100}
GROWTH = {"images": (100, 1000, 10_000)}
GROWTH_AT: dict[str, int] = {}
GROWTH_OF = ("31 corruptions",)
SEED = 0


def contestants(device: torch.device, *, images: int) -> dict[str, Contestant]:
    """Ours on the whole batch, and the same image by image. Both work on the CPU."""
    test = data.load("mnist_slice").test.x
    copies = -(-images // len(test))
    x = test.repeat(copies, 1, 1, 1)[:images].to(device).float() / 255

    @cache
    def reference() -> Tensor:
        return every(images)

    def every(size: int) -> Tensor:
        return torch.stack([in_parts(name, size) for name in corruptions.CORRUPTIONS])

    def in_parts(name: str, size: int) -> Tensor:
        starts = range(0, images, size)
        parts = [corruptions.corrupt(x[i : i + size], name, seed=SEED, offset=i) for i in starts]
        return torch.cat(parts)

    def each_alone() -> float:
        return int((every(1) != reference()).sum())

    return {
        "31 corruptions": Contestant(lambda: partial(_through, in_parts, images), ours=True),
        "image by image": Contestant(lambda: partial(_through, in_parts, 1), each_alone),
    }


def _through(in_parts, size: int) -> None:
    """Every corruption once, nothing kept: 31 copies of 10,000 images would fill the memory."""
    for name in corruptions.CORRUPTIONS:
        in_parts(name, size)
