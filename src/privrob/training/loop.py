"""The one epoch loop: batches of indices, a step that updates the model, a callback per epoch."""

from collections.abc import Callable, Iterable, Iterator
from math import ceil

import torch
from torch import Tensor, nn

from privrob.data import Split
from privrob.training.losses import Loss

Step = Callable[[Tensor, Tensor], None]


def fit(
    model: nn.Module,
    split: Split,
    *,
    step: Step,
    batches: Callable[[int], Iterable[Tensor]],
    epochs: int,
    on_epoch: Callable[[int], None],
    done: int = 0,
) -> None:
    """Runs epochs `done`, ..., `epochs` - 1; `on_epoch(n)` is called when n epochs are complete.

    `split` lies on the model's device. `batches(epoch)` yields index tensors and draws its random
    numbers from the epoch alone, so that a run resumed at `done` sees what an unbroken one sees.
    """
    for epoch in range(done, epochs):
        model.train()
        for index in batches(epoch):
            step(*split.batch(index))
        on_epoch(epoch + 1)


def updates_per_epoch(size: int, *, batch_size: int) -> int:
    """How many updates one epoch has: 235 for 60,000 images in batches of 256."""
    return ceil(size / batch_size)


def shuffled_batches(size: int, *, batch_size: int, generator: torch.Generator) -> Iterator[Tensor]:
    """Every index once, in random order; the last batch may be smaller. Drawn on the CPU."""
    yield from torch.randperm(size, generator=generator).split(batch_size)


def sgd_step(model: nn.Module, *, lr: float, loss: Loss) -> Step:
    """One step of plain gradient descent on `loss`: no momentum, no weight decay."""
    if not lr > 0:
        raise ValueError(f"lr must be above 0, got {lr}")
    optimizer = torch.optim.SGD(model.parameters(), lr=lr)

    def step(x: Tensor, y: Tensor) -> None:
        optimizer.zero_grad(set_to_none=True)
        loss(model, x, y).backward()
        optimizer.step()

    return step
