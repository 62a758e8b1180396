"""Tasks that train convolutions on public images, and fully connected layers on top of them."""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from itertools import chain

import numpy as np
import torch
from torch import Tensor, nn

from privrob import evaluate
from privrob.data import Split
from privrob.lab.spec import Head, Pretrained, StoppedHead, seed_for, spec_digest
from privrob.lab.tasks.base import Arrays, Context, Output, _new_model, trained
from privrob.lab.tasks.training import METHODS, _resume, _scores
from privrob.training import frozen, loop

KEPT = "features."  # how the names of the frozen weights begin
CHECKPOINT_EVERY = 10  # epochs, which may take a fraction of a second

Examples = frozen.Features | frozen.Views


def pretrained(spec: Pretrained, upstream: Mapping[str, Output], context: Context) -> Output:
    """Train the network on public images; its weights without the head are what is kept.

    Arrays: those of `train`, where the part 'test' and `history` (epochs,) are of the held-out
    images.
    """
    model = _new_model(spec).to(context.device)
    split = context.split(spec.data, "train")
    held_out = context.split(spec.held_out, "train").last(spec.holdout)
    examples = split if not spec.augment else _views(spec, split, None)
    history = _fit(
        spec, model, examples, lambda: evaluate.accuracy(model, held_out.x, held_out.y), context
    )
    arrays = {"history": np.array(history)} | _scores(model, split, "train")
    state = model.state_dict()
    kept = {name: value for name, value in state.items() if name.startswith(KEPT)}
    return Output(arrays | _scores(model, held_out, "test"), kept)


def head(spec: Head, upstream: Mapping[str, Output], context: Context) -> Output:
    """Train the layers behind the frozen ones; the weights are those of the whole model.

    Arrays: those of `train`; for its `history` the test images' features are computed once.
    """
    model = _on_features(spec, upstream["features"].weights).to(context.device)
    convolutions, layers = (model.get_submodule(part) for part in ("features", "head"))
    parts = {part: context.split(spec.data, part) for part in ("train", "test")}
    test = frozen.features_of(convolutions, parts["test"])
    examples = _examples(spec, convolutions, parts["train"])
    history = _fit(spec, layers, examples, lambda: frozen.accuracy(layers, test), context)
    test.require(convolutions)  # they are as they were
    return Output({"history": np.array(history)} | _both(model, parts), dict(model.state_dict()))


def stoppedhead(spec: StoppedHead, upstream: Mapping[str, Output], context: Context) -> Output:
    """Train a head until it is as accurate on the held-out images as `spec.target` is.

    Arrays: those of `head`, but `history` (looks,) is the held-out accuracy after every
    `look_every` updates, the last of them where the training stopped; `goal` () is the target's.
    ValueError where the last look is below it.
    """
    model = _on_features(spec, upstream["features"].weights).to(context.device)
    convolutions, layers = (model.get_submodule(part) for part in ("features", "head"))
    held_out = frozen.features_of(
        convolutions, context.split(spec.held_out, "train").last(spec.holdout)
    )
    target = trained(spec.target, upstream["target"]).to(context.device)
    held_out.require(target.get_submodule("features"))
    goal = frozen.accuracy(target.get_submodule("head"), held_out)
    parts = {part: context.split(spec.data, part) for part in ("train", "test")}
    history: list[float] = []
    for _ in _updates(spec, layers, _examples(spec, convolutions, parts["train"]), context):
        history.append(frozen.accuracy(layers, held_out))
        if history[-1] >= goal:
            arrays = {"history": np.array(history), "goal": np.array(goal)}
            return Output(arrays | _both(model, parts), dict(model.state_dict()))
    raise ValueError(f"{max(history)} is the best held-out accuracy, below the target's {goal}")


def _updates(
    spec: StoppedHead, layers: nn.Module, examples: Examples, context: Context
) -> Iterator[None]:
    """Trains, and stands still after every `look_every` updates."""
    method = METHODS[type(spec.training).__name__](spec, layers, len(examples))
    batches = _seeded(method.batches, examples, spec_digest(spec))
    layers.train()
    every = chain.from_iterable(batches(epoch) for epoch in range(method.epochs))
    total = method.epochs * loop.updates_per_epoch(
        len(examples), batch_size=spec.training.batch_size
    )
    for done, index in enumerate(every, 1):
        method.step(*examples.batch(index))
        if done % spec.look_every == 0:
            context.progress(done, total)
            yield


def _on_features(spec: Head, weights: Mapping[str, Tensor]) -> nn.Module:
    """The new model with the pretrained convolutions; ValueError for weights of other layers."""
    model = _new_model(spec)
    state = model.state_dict()
    own = {name: value.shape for name, value in state.items() if name.startswith(KEPT)}
    found = {name: value.shape for name, value in weights.items()}
    if found != own:
        raise ValueError(f"the frozen weights must be {own}, got {found}")
    model.load_state_dict(state | dict(weights))
    model.get_submodule("features").requires_grad_(False)
    return model


def _examples(spec: Head, convolutions: nn.Module, split: Split) -> Examples:
    """Features computed once, or those of a new view at each update."""
    if not spec.augment:
        return frozen.features_of(convolutions, split)
    return _views(spec, split, convolutions)


def _views(spec: Head | Pretrained, split: Split, layers: nn.Module | None) -> frozen.Views:
    return frozen.Views(split, layers, spec.augment, torch.Generator(split.x.device))


def _fit(
    spec: Head | Pretrained,
    trainable: nn.Module,
    examples: Examples | Split,
    accuracy: Callable[[], float],
    context: Context,
) -> list[float]:
    """Train to the end, from a checkpoint where there is one: the accuracy after each epoch."""
    method = METHODS[type(spec.training).__name__](spec, trainable, len(examples))
    done, history = _resume(trainable, method, context)

    def on_epoch(epoch: int) -> None:
        history.append(accuracy())
        if epoch == 1 or epoch % CHECKPOINT_EVERY == 0:
            context.checkpoint(epoch, trainable.state_dict() | method.state(), history)
        context.progress(epoch, method.epochs)

    batches = _seeded(method.batches, examples, spec_digest(spec))
    views = (examples.generator,) if isinstance(examples, frozen.Views) else ()
    method = replace(method, batches=batches, generators=(*method.generators, *views))
    method.fit(trainable, examples, on_epoch=on_epoch, done=done)
    return history


def _seeded(
    batches: Callable[[int], Iterator[Tensor]], examples: Examples | Split, key: str
) -> Callable[[int], Iterator[Tensor]]:
    """The same batches; the views of an epoch are drawn from the epoch alone."""
    if not isinstance(examples, frozen.Views):
        return batches
    views = examples.generator

    def seeded(epoch: int) -> Iterator[Tensor]:
        views.manual_seed(seed_for(key, f"views/{epoch}"))
        return batches(epoch)

    return seeded


def _both(model: nn.Module, parts: Mapping[str, Split]) -> Arrays:
    found: Arrays = {}
    for part, split in parts.items():
        found |= _scores(model, split, part)
    return found
