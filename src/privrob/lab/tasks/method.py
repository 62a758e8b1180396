"""A way of training, ready to run: updates, batches, and what is needed to go on later."""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

from privrob.lab.spec import seed_for
from privrob.training import graphs, loop

_PREFIX = "method/"  # of its own state, beside the model's weights


@dataclass(frozen=True)
class Method:
    """`batches(epoch)` draws from the epoch alone; `scheduled` is a step that has a state.

    `generators` are what step and split draw from. `padded` is how many images batches of varying
    size may be filled up to with ones that count for nothing; None where the step would count them.
    """

    step: loop.Step
    batches: Callable[[int], Iterator[Tensor]]
    epochs: int
    scheduled: loop.ScheduledStep | None = None
    generators: tuple[torch.Generator, ...] = ()
    padded: int | None = None

    def fit(
        self, model: nn.Module, split: loop.Examples, *, on_epoch: Callable[[int], None], done: int
    ) -> None:
        """Train `model`, on a GPU by replaying recorded updates."""
        settings: dict[str, Any] = {"step": self.step, "batches": self.batches}
        settings |= {"epochs": self.epochs, "on_epoch": on_epoch, "done": done}
        if split.y.is_cuda:
            graphs.fit(model, split, **settings, generators=self.generators, padded=self.padded)
        else:
            loop.fit(model, split, **settings)

    def state(self) -> dict[str, Tensor]:
        """What the step must be given back to go on; empty where it remembers nothing.

        ValueError where a loss was not finite.
        """
        if self.scheduled is None:
            return {}
        self.scheduled.require_finite()
        return {f"{_PREFIX}{name}": value for name, value in self.scheduled.state().items()}

    def load(self, state: Mapping[str, Tensor]) -> None:
        """Go on from `state`."""
        if self.scheduled is not None:
            self.scheduled.load({k.removeprefix(_PREFIX): v for k, v in state.items()})


def shuffled(epoch: int, *, size: int, batch_size: int, key: str) -> Iterator[Tensor]:
    """Batches of one epoch, in an order of its own."""
    generator = torch.Generator().manual_seed(seed_for(key, f"batches/{epoch}"))
    return loop.shuffled_batches(size, batch_size=batch_size, generator=generator)
