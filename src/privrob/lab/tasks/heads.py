"""Tasks that train convolutions on public images, and fully connected layers on top of them."""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from functools import partial
from itertools import chain

import numpy as np
import torch
from torch import Tensor, nn

from privrob import evaluate
from privrob.data import Split
from privrob.lab.spec import Head, Pretrained, StoppedHead, seed_for, spec_digest
from privrob.lab.tasks.base import Arrays, Context, Output, _new_model, trained
from privrob.lab.tasks.method import Method
from privrob.lab.tasks.training import METHODS, _resume, _scores
from privrob.training import frozen, loop

KEPT = "features."  # how the names of the frozen weights begin

Examples = frozen.Features | frozen.Views


def pretrained(spec: Pretrained, upstream: Mapping[str, Output], context: Context) -> Output:
    """Train the network on public images; its weights without the head are what is kept.

    Arrays: those of `train`, where the part 'test' and `history` (epochs,) are of the held-out
    images.
    """
    model = _new_model(spec).to(context.device)
    split = context.split(spec.data, "train")
    held_out = context.split(spec.held_out, "train").last(spec.holdout)
    look = partial(evaluate.accuracy, model, held_out.x, held_out.y)
    history = _fit(model, *_prepared(spec, model, split, None), accuracy=look, context=context)
    arrays = {"history": history} | _scores(model, split, "train")
    state = model.state_dict()
    kept = {name: value for name, value in state.items() if name.startswith(KEPT)}
    return Output(arrays | _scores(model, held_out, "test"), kept)


def head(spec: Head, upstream: Mapping[str, Output], context: Context) -> Output:
    """Train the layers behind the frozen ones; the weights are those of the whole model.

    Arrays: those of `train`; for its `history` the test images' features are computed once.
    """
    model, convolutions, layers = _on_features(spec, upstream, context)
    split = context.split(spec.data, "train")
    test = frozen.features_of(convolutions, context.split(spec.data, "test"))
    method, examples = _prepared(spec, layers, split, convolutions)
    look = partial(frozen.accuracy, layers, test)
    history = _fit(layers, method, examples, accuracy=look, context=context)
    test.require(convolutions)  # they are as they were
    if not isinstance(examples, frozen.Features):
        examples = frozen.features_of(convolutions, split)
    arrays = {"history": history} | _answers(layers, train=examples, test=test)
    return Output(arrays, dict(model.state_dict()))


def stoppedhead(spec: StoppedHead, upstream: Mapping[str, Output], context: Context) -> Output:
    """Train a head until it is as accurate on the held-out images as `spec.target` is.

    Arrays: those of `head`, but `history` (looks,) is the held-out accuracy after every
    `look_every` updates, the last of them where the training stopped; `goal` () is the target's.
    ValueError where the last look is below it.
    """
    model, convolutions, layers = _on_features(spec, upstream, context)
    parts = {part: context.split(spec.data, part) for part in ("train", "test")}
    held_out = context.split(spec.held_out, "train").last(spec.holdout)
    looked_at = frozen.features_of(convolutions, held_out)
    target = trained(spec.target, upstream["target"]).to(context.device)
    looked_at.require(target.get_submodule("features"))
    goal = frozen.accuracy(target.get_submodule("head"), looked_at)
    history: list[float] = []
    for _ in _updates(spec, layers, convolutions, parts["train"], context):
        history.append(frozen.accuracy(layers, looked_at))
        if history[-1] >= goal:
            arrays = {"history": np.array(history), "goal": np.array(goal)}
            found = {part: frozen.features_of(convolutions, s) for part, s in parts.items()}
            return Output(arrays | _answers(layers, **found), dict(model.state_dict()))
    raise ValueError(f"{max(history)} is the best held-out accuracy, below the target's {goal}")


def _updates(
    spec: StoppedHead, layers: nn.Module, convolutions: nn.Module, split: Split, context: Context
) -> Iterator[None]:
    """Trains, and stands still after every `look_every` updates."""
    method, examples = _prepared(spec, layers, split, convolutions)
    layers.train()
    every = chain.from_iterable(method.batches(epoch) for epoch in range(method.epochs))
    per_epoch = loop.updates_per_epoch(len(split), batch_size=spec.training.batch_size)
    for done, index in enumerate(every, 1):
        method.step(*examples.batch(index))
        if done % spec.look_every == 0:
            context.progress(done, method.epochs * per_epoch)
            yield


def _on_features(
    spec: Head, upstream: Mapping[str, Output], context: Context
) -> tuple[nn.Module, nn.Module, nn.Module]:
    """The new model on the pretrained convolutions, these, and the layers behind them.

    ValueError for weights of other convolutions.
    """
    model, weights = _new_model(spec), upstream["features"].weights
    state = model.state_dict()
    own = {name: value.shape for name, value in state.items() if name.startswith(KEPT)}
    found = {name: value.shape for name, value in weights.items()}
    if found != own:
        raise ValueError(f"the frozen weights must be {own}, got {found}")
    model.load_state_dict(state | weights)
    model = model.to(context.device)
    convolutions, layers = (model.get_submodule(part) for part in ("features", "head"))
    convolutions.requires_grad_(False)
    return model, convolutions, layers


def _prepared(
    spec: Head | Pretrained, trainable: nn.Module, split: Split, convolutions: nn.Module | None
) -> tuple[Method, Examples | Split]:
    """How to train, and on what: images, features computed once, or a new view at each update.

    A step that draws noise has a generator that is seeded for each epoch, and views are drawn from
    the same; where it draws none, they have one of their own.
    """
    method = METHODS[type(spec.training).__name__](spec, trainable, len(split))
    if not spec.augment:
        return method, frozen.features_of(convolutions, split) if convolutions else split
    if not method.generators:
        draws = torch.Generator(split.x.device)
        seeded = partial(_seeded, of=method.batches, draws=draws, key=spec_digest(spec))
        method = replace(method, generators=(draws,), batches=seeded)
    return method, frozen.Views(split, convolutions, spec.augment, method.generators[0])


def _seeded(
    epoch: int, *, of: Callable[[int], Iterator[Tensor]], draws: torch.Generator, key: str
) -> Iterator[Tensor]:
    """The batches of an epoch; its views are drawn from the epoch alone."""
    draws.manual_seed(seed_for(key, f"views/{epoch}"))
    return of(epoch)


def _fit(
    trainable: nn.Module,
    method: Method,
    examples: Examples | Split,
    *,
    accuracy: Callable[[], float],
    context: Context,
) -> np.ndarray:
    """Train to the end, from a checkpoint where there is one: the accuracy after each epoch."""
    done, history = _resume(trainable, method, context)

    def on_epoch(epoch: int) -> None:
        history.append(accuracy())
        context.checkpoint(epoch, trainable.state_dict() | method.state(), history)
        context.progress(epoch, method.epochs)

    method.fit(trainable, examples, on_epoch=on_epoch, done=done)
    return np.array(history)


def _answers(layers: nn.Module, **parts: frozen.Features) -> Arrays:
    """Log-odds of the true label and correctness for each part, as `train` has them."""
    arrays: Arrays = {}
    for part, examples in parts.items():
        g = frozen.logits(layers, examples)
        arrays[f"log_odds_{part}"] = evaluate.log_odds(g, examples.y).half().cpu().numpy()
        arrays[f"correct_{part}"] = (g.argmax(1) == examples.y).cpu().numpy()
    return arrays
