"""What every task shares: what it gives, what it may ask for, and the walk over test images."""

from collections.abc import Callable, Iterable, Mapping
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

    def checkpoint(
        self,
        done: int,
        weights: Mapping[str, Tensor],
        history: list[float],
        *,
        every: float = 0.0,
    ) -> None:
        """Keep what is needed to go on after `done` epochs, at most once in `every` seconds."""


BATCH = 500


def _new_model(spec: Train) -> nn.Module:
    seed = seed_for(spec_digest(spec.model), f"init/{spec.seed}")
    return models.build(spec.model.name, seed=seed, **spec.model.settings)


def by_batch(
    spec: Any,
    upstream: Mapping[str, Output],
    context: Context,
    attack: Callable[[Any, nn.Module, Tensor, Tensor], tuple[Tensor, ...]],
    draw: torch.Generator | None = None,
) -> list[np.ndarray]:
    """The attack's tensors over all test images, joined along the last axis.

    `draw` is the generator that the attack draws from, if it has one.
    """
    model = trained(spec.train, upstream["train"]).to(context.device)
    test = context.split(spec.data, "test")

    def one(x: Tensor, y: Tensor) -> dict[str, Tensor]:
        return {str(i): column for i, column in enumerate(attack(spec, model, x, y))}

    batches = evaluate.batches(model, test.x, test.y, batch_size=BATCH)
    found = resumed(context, batches, one, total=len(test), draw=draw)
    return [torch.cat(found[str(i)], -1).numpy() for i in range(len(found))]


MINUTE = 60.0  # between the checkpoints of a walk over batches, at least
_DRAW = "draw"  # the generator's state among what is kept


def resumed(
    context: Context,
    batches: Iterable[tuple[Any, ...]],
    one: Callable[..., dict[str, Tensor]],
    *,
    total: int,
    draw: torch.Generator | None = None,
) -> dict[str, list[Tensor]]:
    """Name -> what `one` gives of each batch, in order, on the CPU; goes on from a checkpoint.

    The last part of a batch is its labels, and `total` the number of images in all of them; `draw`
    goes on where it was, too.
    """
    done, kept, _ = context.restore() or (0, {}, [])
    if draw is not None and done:
        draw.set_state(kept.pop(_DRAW))
    images = 0
    for n, batch in enumerate(batches):
        images += len(batch[-1])
        if n < done:
            continue
        kept |= {f"{n:06}/{name}": tensor.cpu() for name, tensor in one(*batch).items()}
        context.progress(images, total)
        state = {} if draw is None else {_DRAW: draw.get_state()}
        context.checkpoint(n + 1, kept | state, [], every=MINUTE)
    columns: dict[str, list[Tensor]] = {}
    for name in sorted(kept):
        columns.setdefault(name[7:], []).append(kept[name])
    return columns


def trained(spec: Train, result: Output) -> nn.Module:
    model = _new_model(spec)
    model.load_state_dict(result.weights)
    return model


def right(model: nn.Module, x: Tensor, y: Tensor) -> Tensor:
    return evaluate.logits(model, x, bounded=False).argmax(1) == y
