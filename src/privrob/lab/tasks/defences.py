"""song2019's defences as methods of training: a spec's schedules bound to the seven losses."""

from collections.abc import Callable, Hashable, Iterator
from dataclasses import replace
from functools import partial
from math import ceil, inf
from typing import Any

import torch
from torch import Tensor, nn

from privrob import evaluate
from privrob.lab.spec import (
    Abstract,
    Adversarial,
    Defended,
    Distributional,
    Dual,
    InParts,
    Interval,
    Ramp,
    Trades,
    Train,
    seed_for,
    spec_digest,
    training_settings,
)
from privrob.lab.tasks.method import Method, shuffled
from privrob.training import loop, losses, schedules
from privrob.training.augment import crop_and_flip

Bound = Callable[[float], losses.Loss]  # update -> the loss of that moment


def defended(spec: Train, model: nn.Module, size: int) -> Method:
    """The defence of a spec under its optimiser and schedules."""
    t = spec.training
    assert isinstance(t, Defended)
    key, noise = spec_digest(spec), torch.Generator(evaluate.home(model)[0])
    prepared = partial(_augmented, padding=t.augment, generator=noise)
    bound = LOSSES[type(t.defence).__name__](t.defence, noise)
    step = loop.ScheduledStep(
        model,
        optimizer=_optimizer(t, model),
        lr=partial(_rate, training=t),
        loss=lambda m, x, y, progress: bound(progress * t.updates)(m, prepared(x), y),
        updates=t.updates,
        clip_grad_norm=None if t.clip_grad_norm == inf else t.clip_grad_norm,
        zero_nan=t.zero_nan,
        constant=lambda progress: _bindings(bound(progress * t.updates)),
    )
    per_epoch = loop.updates_per_epoch(size, batch_size=t.batch_size)
    batches = loop.cut(
        partial(_batches, size=size, training=t, key=key, noise=noise),
        updates=t.updates,
        per_epoch=per_epoch,
    )
    return Method(step, batches, ceil(t.updates / per_epoch), step, (noise,))


def in_parts(spec: Train, model: nn.Module, size: int) -> Method:
    """The same training, whose epochs end, for all who look on, after each part of an epoch.

    A part draws from its own number alone.
    """
    t = spec.training
    assert isinstance(t, InParts)
    method = defended(replace(spec, training=Defended(**training_settings(t))), model, size)
    length = ceil(loop.updates_per_epoch(size, batch_size=t.batch_size) / t.parts)
    batches = partial(_part, method=method, parts=t.parts, length=length, key=spec_digest(spec))
    return replace(method, batches=batches, epochs=t.parts * method.epochs)


def _part(n: int, *, method: Method, parts: int, length: int, key: str) -> Iterator[Tensor]:
    """The n-th part: so many batches of its epoch."""
    epoch, part = divmod(n, parts)
    for i, index in enumerate(method.batches(epoch)):
        if i == part * length:
            for generator in method.generators:
                generator.manual_seed(seed_for(key, f"noise/{epoch}/{part}"))
        if i // length == part:
            yield index


def _bindings(loss: losses.Loss) -> Hashable:
    """A loss and the settings bound to it."""
    if isinstance(loss, partial):
        return loss.func, tuple(sorted(loss.keywords.items()))
    return loss


def _batches(
    epoch: int, *, size: int, training: Defended, key: str, noise: torch.Generator
) -> Iterator[Tensor]:
    noise.manual_seed(seed_for(key, f"noise/{epoch}"))
    return shuffled(epoch, size=size, batch_size=training.batch_size, key=key)


def _augmented(x: Tensor, *, padding: int, generator: torch.Generator) -> Tensor:
    return crop_and_flip(x, padding=padding, generator=generator) if padding else x


def _optimizer(t: Defended, model: nn.Module) -> torch.optim.Optimizer:
    decay = {"weight_decay": t.weight_decay, "decay_biases": t.decay_biases}
    if t.optimizer == "adam":
        return loop.adam(model, **decay)  # type: ignore[arg-type]
    return loop.momentum_sgd(model, momentum=t.momentum, **decay)  # type: ignore[arg-type]


def _rate(progress: float, *, training: Defended) -> float:
    moments = [n / training.updates for n, _ in training.lr_steps]
    factors = [1.0, *(f for _, f in training.lr_steps)]
    return training.lr * schedules.piecewise(progress, boundaries=moments, values=factors)


# -- the losses, bound to their schedules -------------------------------------------------------


def _at(ramp: Ramp, update: float) -> float:
    return schedules.ramp(update, start=ramp.start, end=ramp.end, low=ramp.low, high=ramp.high)


def _natural(d: Any, noise: torch.Generator) -> Bound:
    return lambda update: losses.natural


def _adversarial(d: Adversarial, noise: torch.Generator) -> Bound:
    settings: dict[str, Any] = {
        "steps": d.steps,
        "random_start": d.random_start,
        "attack_mode": d.attack_mode,
        "fraction": d.fraction,
        "generator": noise,
    }

    def bound(update: float) -> losses.Loss:
        eps = _at(d.eps, update)
        return partial(losses.pgd, eps=eps, step_size=d.step_share * eps, **settings)

    return bound


def _distributional(d: Distributional, noise: torch.Generator) -> Bound:
    loss = partial(
        losses.distributional, step_size=d.step_size, steps=d.steps, attack_mode=d.attack_mode
    )
    return lambda update: loss


def _trades(d: Trades, noise: torch.Generator) -> Bound:
    loss = partial(
        losses.trades,
        eps=d.eps,
        step_size=d.step_size,
        steps=d.steps,
        start_std=d.start_std,
        beta=d.beta,
        detach_clean=d.detach_clean,
        generator=noise,
    )
    return lambda update: loss


def _abstract(d: Abstract, noise: torch.Generator) -> Bound:
    weights: dict[str, Any] = {"w_nom": 1.0, "w_ver": d.weight}
    settings = weights | {"method": "interval", "clip_input": d.clip_input}

    def bound(update: float) -> losses.Loss:
        if update < d.plain:
            return losses.natural
        return partial(losses.abstract, eps=_at(d.eps, update), **settings)

    return bound


def _dual(d: Dual, noise: torch.Generator) -> Bound:
    settings: dict[str, Any] = {
        "projections": d.projections or None,
        "clip_input": d.clip_input,
        "generator": noise,
    }
    return lambda update: partial(losses.dual, eps=_at(d.eps, update), **settings)


def _interval(d: Interval, noise: torch.Generator) -> Bound:
    def bound(update: float) -> losses.Loss:
        share = _at(d.share, update)
        weights: dict[str, Any] = {"w_nom": 1 - share, "w_ver": share, "clip_input": True}
        return partial(losses.interval, eps=_at(d.eps, update), **weights)

    return bound


LOSSES: dict[str, Callable[[Any, torch.Generator], Bound]] = {
    "Natural": _natural,
    "Adversarial": _adversarial,
    "Distributional": _distributional,
    "Trades": _trades,
    "Dual": _dual,
    "Abstract": _abstract,
    "Interval": _interval,
}
