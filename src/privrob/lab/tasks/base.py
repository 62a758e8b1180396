"""What every task shares: what it gives, what it may ask for, and the walk over test images."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Protocol

import numpy as np
import torch
from torch import Tensor, nn

from privrob import evaluate, models
from privrob.data import Split
from privrob.lab.spec import Data, Train, seed_for, spec_digest

Arrays = dict[str, np.ndarray]


@dataclass(frozen=True)
class Output:
    """What a task computed: `arrays` are kept in the record, `weights` beside it."""

    arrays: Arrays
    weights: dict[str, Tensor] = field(default_factory=dict)


class Context(Protocol):
    """What a task may ask of whoever runs it."""

    @property
    def device(self) -> torch.device:
        """Where to compute."""

    def split(self, data: Data, part: str) -> Split:
        """The 'train' or 'test' part of `data`, on the device."""

    def progress(self, done: int, total: int) -> None:
        """`done` of `total` steps of this task are complete."""

    def restore(self) -> tuple[int, dict[str, Tensor], list[float]] | None:
        """The last checkpoint of this task: epochs done, weights, history."""

    def checkpoint(self, done: int, weights: Mapping[str, Tensor], history: list[float]) -> None:
        """Keep what is needed to go on after `done` epochs."""


BATCH = 500


def _new_model(spec: Train) -> nn.Module:
    seed = seed_for(spec_digest(spec.model), f"init/{spec.seed}")
    return models.build(spec.model.name, seed=seed, **spec.model.settings)


def by_batch(
    spec: Any,
    upstream: Mapping[str, Output],
    context: Context,
    attack: Callable[[Any, nn.Module, Tensor, Tensor], tuple[Tensor, ...]],
) -> list[np.ndarray]:
    """The attack's tensors over all test images, joined along the last axis."""
    model = trained(spec.train, upstream["train"]).to(context.device)
    test = context.split(spec.data, "test")
    parts = []
    for n, (x, y) in enumerate(evaluate.batches(model, test.x, test.y, batch_size=BATCH)):
        parts.append(attack(spec, model, x, y))
        context.progress(min((n + 1) * BATCH, len(test)), len(test))
    return [torch.cat(column, -1).cpu().numpy() for column in zip(*parts, strict=True)]


def trained(spec: Train, result: Output) -> nn.Module:
    model = _new_model(spec)
    model.load_state_dict(result.weights)
    return model


def right(model: nn.Module, x: Tensor, y: Tensor) -> Tensor:
    return evaluate.logits(model, x, bounded=False).argmax(1) == y
