"""Tasks that train a model."""

from collections.abc import Callable, Iterator, Mapping
from functools import partial

import numpy as np
import torch
from torch import Tensor, nn

from privrob import evaluate
from privrob.data import Split
from privrob.lab.spec import DpSgd, Sgd, Stopped, Train, seed_for, spec_digest
from privrob.lab.tasks.base import Arrays, Context, Output, _new_model, trained
from privrob.training import loop, losses, private


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


def stopped(spec: Stopped, upstream: Mapping[str, Output], context: Context) -> Output:
    """Train one model until it is as accurate on the held-out images as `spec.target` is.

    Arrays: those of `train`, but `history` (updates,) is the held-out accuracy after each update,
    the last of them where the training stopped; `goal` () is the target's. ValueError where the
    last epoch ends below it.
    """
    model = _new_model(spec).to(context.device)
    held_out = context.split(spec.held_out, "train").last(spec.holdout)
    target = trained(spec.target, upstream["target"]).to(context.device)
    goal = evaluate.accuracy(target, held_out.x, held_out.y)
    parts = {part: context.split(spec.data, part) for part in ("train", "test")}
    step, batches = _method(spec, model, len(parts["train"]))
    history: list[float] = []
    for epoch in range(spec.training.epochs):
        for index in batches(epoch):
            model.train()
            step(*parts["train"].batch(index))
            history.append(evaluate.accuracy(model, held_out.x, held_out.y))
            if history[-1] >= goal:
                arrays = {"history": np.array(history), "goal": np.array(goal)}
                for part, split in parts.items():
                    arrays |= _scores(model, split, part)
                return Output(arrays, dict(model.state_dict()))
        context.progress(epoch + 1, spec.training.epochs)
    raise ValueError(f"{max(history)} is the best held-out accuracy, below the target's {goal}")


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
