"""What a DP-SGD step costs beside a plain SGD step, on the MNIST network at batch 256.

    python benchmarks/dp_step.py [rounds]

Steps are interleaved and each ratio is taken within a round, so that a busy machine disturbs both
sides alike; printed is the median. `plain` is eager NCHW PyTorch in the usual layer order, what
one writes first; `plain_cl` the book's own network, which keeps channels_last memory.
"""

import statistics
import sys
import time
from collections.abc import Callable

import torch
from torch import nn
from torch.nn import functional as F

from privrob import device, models
from privrob.training import loop, losses, private

BATCH = 256


def usual() -> nn.Module:
    """The network of tursynbek2020 as one would write it: convolution, ReLU, max-pool."""
    conv = [nn.Conv2d(1, 20, 5), nn.ReLU(), nn.MaxPool2d(2)]
    conv += [nn.Conv2d(20, 50, 5), nn.ReLU(), nn.MaxPool2d(2)]
    return nn.Sequential(*conv, nn.Flatten(), nn.Linear(800, 500), nn.ReLU(), nn.Linear(500, 10))


def ours() -> nn.Module:
    return models.build("mnist_cnn", seed=0, width=1.0, hidden=(500,), normalize=False)


def dp(model: nn.Module, engine: str) -> Callable[[torch.Tensor, torch.Tensor], None]:
    return private.private_step(
        model,
        lr=0.05,
        clip_norm=1.0,
        noise_std=1.3,
        expected_batch=BATCH,
        engine=engine,
        generator=torch.Generator(),
    )


def seconds(step: Callable[[], None]) -> float:
    begun = time.perf_counter()
    step()
    return time.perf_counter() - begun


def main(rounds: int) -> None:
    x, y = torch.rand(BATCH, 1, 28, 28), torch.randint(10, (BATCH,))
    F.cross_entropy(usual()(x), y).backward()  # warm up
    steps = {
        "plain": loop.sgd_step(usual(), lr=0.05, loss=losses.natural),
        "plain_cl": loop.sgd_step(ours(), lr=0.05, loss=losses.natural),
        "fast": dp(ours(), "fast"),
        "opacus hooks": dp(usual(), "opacus"),
    }
    times: dict[str, list[float]] = {name: [] for name in steps}
    for round_ in range(rounds + 2):
        for name, step in steps.items():
            spent = seconds(lambda step=step: step(x, y))
            if round_ >= 2:
                times[name].append(spent)
    where = device.describe(torch.device("cpu"))
    print(f"{where}, {torch.get_num_threads()} threads, {rounds} rounds")
    for other in ("plain", "plain_cl", "opacus hooks"):
        ratio = statistics.median(a / b for a, b in zip(times["fast"], times[other], strict=True))
        print(f"DP-SGD (fast) / {other}: {ratio:.2f}")


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 30)
