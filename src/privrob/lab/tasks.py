"""One function per kind of spec: the spec and its upstream results in, arrays out.

Everything that is stored is per example, so that each threshold, interval and verdict can be
computed again from a record. Nothing here knows a file, a key's folder or another task.
"""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from functools import partial
from typing import Any, Protocol

import numpy as np
import torch
from torch import Tensor, nn

from privrob import evaluate, models
from privrob.attacks import fgsm_grid, gradient
from privrob.data import Split
from privrob.lab.spec import Data, DpSgd, Fgsm, Pgd, Sgd, Spec, Train, kind, seed_for, spec_digest
from privrob.training import loop, losses, private

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


# -- training -----------------------------------------------------------------------------------


def train(spec: Train, upstream: Mapping[str, Output], context: Context) -> Output:
    """Train one model.

    Arrays: `history` (epochs,) test accuracy after each epoch; for each part of the data
    `log_odds_<part>` (N,) float16 of the true label and `correct_<part>` (N,) bool.

    Seeds are shared where that pairs runs: models of one architecture and seed start from the same
    weights, whatever their training.
    """
    model = _new_model(spec).to(context.device)
    parts = {part: context.split(spec.data, part) for part in ("train", "test")}
    done, history = _resume(model, context)

    def on_epoch(epoch: int) -> None:
        history.append(evaluate.accuracy(model, parts["test"].x, parts["test"].y))
        context.checkpoint(epoch, model.state_dict(), history)
        context.progress(epoch, spec.training.epochs)

    step, batches = _method(spec, model, len(parts["train"]))
    loop.fit(
        model,
        parts["train"],
        step=step,
        batches=batches,
        epochs=spec.training.epochs,
        on_epoch=on_epoch,
        done=done,
    )
    arrays = {"history": np.array(history)}
    for part, split in parts.items():
        arrays |= _scores(model, split, part)
    return Output(arrays, dict(model.state_dict()))


def _new_model(spec: Train) -> nn.Module:
    seed = seed_for(spec_digest(spec.model), f"init/{spec.seed}")
    return models.build(spec.model.name, seed=seed, **spec.model.settings)


def _resume(model: nn.Module, context: Context) -> tuple[int, list[float]]:
    found = context.restore()
    if found is None:
        return 0, []
    done, weights, history = found
    model.load_state_dict(weights)
    return done, history


def _method(
    spec: Train, model: nn.Module, size: int
) -> tuple[loop.Step, Callable[[int], Iterator[Tensor]]]:
    """The update and the batches of an epoch, seeded by the epoch alone."""
    training, key = spec.training, spec_digest(spec)
    if not isinstance(training, DpSgd):
        batches = partial(_shuffled, training=training, size=size, key=key)
        return loop.sgd_step(model, lr=training.lr, loss=losses.natural), batches
    noise = torch.Generator(evaluate.home(model)[0])
    step = private.private_step(
        model,
        lr=training.lr,
        clip_norm=training.clip_norm,
        noise_std=training.noise_std,
        expected_batch=training.batch_size,
        engine="fast",
        generator=noise,
    )
    return step, partial(_poisson, training=training, size=size, key=key, noise=noise)


def _shuffled(epoch: int, *, training: Sgd, size: int, key: str) -> Iterator[Tensor]:
    generator = torch.Generator().manual_seed(seed_for(key, f"batches/{epoch}"))
    return loop.shuffled_batches(size, batch_size=training.batch_size, generator=generator)


def _poisson(
    epoch: int, *, training: DpSgd, size: int, key: str, noise: torch.Generator
) -> Iterator[Tensor]:
    generator = torch.Generator().manual_seed(seed_for(key, f"batches/{epoch}"))
    noise.manual_seed(seed_for(key, f"noise/{epoch}"))
    updates = loop.updates_per_epoch(size, batch_size=training.batch_size)
    return private.poisson_batches(
        size, sample_rate=training.sample_rate, updates=updates, generator=generator
    )


def _scores(model: nn.Module, split: Split, part: str) -> Arrays:
    g = evaluate.logits(model, split.x)
    y = split.y.to(g.device)
    odds = evaluate.log_odds(g, y)
    return {
        f"log_odds_{part}": odds.half().cpu().numpy(),
        f"correct_{part}": (g.argmax(1) == y).cpu().numpy(),
    }


# -- attacks ------------------------------------------------------------------------------------


def fgsm(spec: Fgsm, upstream: Mapping[str, Output], context: Context) -> Output:
    """FGSM at every eps of the grid.

    Arrays: `eps` (E,); `correct` (E, N) bool with pixels clipped to [0, 1] and
    `correct_unclipped` (E, N) without; `zero_gradient` (N,) bool, where every pixel's is zero.
    """
    correct, free, flat = _by_batch(spec, upstream, context, _grid)
    eps = np.array(spec.eps)
    return Output(
        {"eps": eps, "correct": correct, "correct_unclipped": free, "zero_gradient": flat}
    )


def _grid(spec: Fgsm, model: nn.Module, x: Tensor, y: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """correct with and without clipping (E, B), zero gradient (B,) of one batch."""
    grid = list(fgsm_grid(model, x, y, eps=[*spec.eps, 1.0], clip=None))
    attacked, probe = grid[:-1], grid[-1]
    clipped = torch.stack(
        [_right(model, x_adv.clamp(*gradient.UNIT), y) for x_adv in attacked]  # type: ignore[misc]
    )
    free = torch.stack([_right(model, x_adv, y) for x_adv in attacked])
    return clipped, free, (probe == x).flatten(1).all(1)  # a sign is 0 only where the gradient is


def _right(model: nn.Module, x: Tensor, y: Tensor) -> Tensor:
    return evaluate.logits(model, x, bounded=False).argmax(1) == y


def pgd(spec: Pgd, upstream: Mapping[str, Output], context: Context) -> Output:
    """PGD at every eps, its iterates after each of `steps`, and the first that fooled the model.

    Arrays: `eps` (E,), `steps` (S,); `correct` (E, S, N) bool and `log_odds` (E, S, N) float16 of
    the iterate after so many steps; `first_success` (E, N) int16, 0 for an image that is wrong to
    begin with and -1 for one that was never fooled.
    """
    correct, odds, first = _by_batch(spec, upstream, context, _walks)
    return Output(
        {
            "eps": np.array(spec.eps),
            "steps": np.array(spec.steps),
            "correct": correct,
            "log_odds": odds,
            "first_success": first,
        }
    )


def _walks(spec: Pgd, model: nn.Module, x: Tensor, y: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """correct and log-odds (E, S, B), first success (E, B) of one batch."""
    correct, odds, first = [], [], []
    for eps in spec.eps:
        trace = gradient.pgd_trace(
            model, x, y, eps=eps, step_size=spec.step_size, snapshots=spec.steps
        )
        seen = [trace.logits_at[s] for s in spec.steps]
        correct.append(torch.stack([g.argmax(1) == y for g in seen]))
        odds.append(torch.stack([evaluate.log_odds(g, y).half() for g in seen]))
        first.append(trace.first_success.short())
    return torch.stack(correct), torch.stack(odds), torch.stack(first)


def _by_batch(
    spec: Any,
    upstream: Mapping[str, Output],
    context: Context,
    attack: Callable[[Any, nn.Module, Tensor, Tensor], tuple[Tensor, ...]],
) -> list[np.ndarray]:
    """The attack's tensors over all test images, joined along the last axis."""
    model = _trained(spec.train, upstream["train"]).to(context.device)
    test = context.split(spec.data, "test")
    parts = []
    for n, (x, y) in enumerate(evaluate.batches(model, test.x, test.y, batch_size=BATCH)):
        parts.append(attack(spec, model, x, y))
        context.progress(min((n + 1) * BATCH, len(test)), len(test))
    return [torch.cat(column, -1).cpu().numpy() for column in zip(*parts, strict=True)]


def _trained(spec: Train, result: Output) -> nn.Module:
    model = _new_model(spec)
    model.load_state_dict(result.weights)
    return model


BATCH = 500
TASKS: dict[str, Callable[[Any, Mapping[str, Output], Context], Output]] = {
    "train": train,
    "fgsm": fgsm,
    "pgd": pgd,
}


# -- what it will cost --------------------------------------------------------------------------

# Seconds per image on two CPU cores at full width, measured once; an estimate for `plan`, never a
# result. Forward and backward through the network are nearly all of it.
_SECONDS = {"sgd": 1.6e-4, "dpsgd": 2.3e-4, "forward": 4e-5, "attack": 1.5e-4}


def minutes(spec: Spec, *, images: tuple[int, int]) -> float:
    """About how many minutes a spec takes on two CPU cores, for (train, test) images."""
    if isinstance(spec, Train):
        method = "dpsgd" if isinstance(spec.training, DpSgd) else "sgd"
        seconds = spec.training.epochs * images[0] * _SECONDS[method]
        return seconds * spec.model.width / 60
    passes = len(spec.eps) * (
        max(spec.steps) * _SECONDS["attack"] if isinstance(spec, Pgd) else 2 * _SECONDS["forward"]
    )
    return images[1] * passes * spec.train.model.width / 60


def describe(spec: Spec) -> str:
    """One short line for people: what is computed, on what, with which seed."""
    base = spec if isinstance(spec, Train) else spec.train
    method = "DP-SGD" if isinstance(base.training, DpSgd) else "SGD"
    return f"{kind(spec)} {method} on {spec.data.name}, {base.reading}, seed {base.seed}"
