"""Tasks that train a model."""

from collections.abc import Callable, Mapping

import numpy as np
from torch import nn

from privrob import evaluate
from privrob.data import Split
from privrob.lab.spec import Stopped, Train
from privrob.lab.tasks import countermeasures, defences, plain
from privrob.lab.tasks.base import Arrays, Context, Output, _new_model, trained
from privrob.lab.tasks.method import Method


def train(spec: Train, upstream: Mapping[str, Output], context: Context) -> Output:
    """Train one model.

    Arrays: `history` (epochs,) test accuracy after each epoch; for each part of the data
    `log_odds_<part>` (N,) float16 of the true label and `correct_<part>` (N,) bool.

    Seeds are shared where that pairs runs: models of one architecture and seed start from the same
    weights, whatever their training.
    """
    model = _new_model(spec).to(context.device)
    parts = {part: context.split(spec.data, part) for part in ("train", "test")}
    method = METHODS[type(spec.training).__name__](spec, model, len(parts["train"]))
    done, history = _resume(model, method, context)

    def on_epoch(epoch: int) -> None:
        history.append(evaluate.accuracy(model, parts["test"].x, parts["test"].y))
        context.checkpoint(epoch, model.state_dict() | method.state(), history)
        context.progress(epoch, method.epochs)

    method.fit(model, parts["train"], on_epoch=on_epoch, done=done)
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
    method = METHODS[type(spec.training).__name__](spec, model, len(parts["train"]))
    history: list[float] = []
    for epoch in range(method.epochs):
        for index in method.batches(epoch):
            model.train()
            method.step(*parts["train"].batch(index))
            history.append(evaluate.accuracy(model, held_out.x, held_out.y))
            if history[-1] >= goal:
                arrays = {"history": np.array(history), "goal": np.array(goal)}
                for part, split in parts.items():
                    arrays |= _scores(model, split, part)
                return Output(arrays, dict(model.state_dict()))
        context.progress(epoch + 1, method.epochs)
    raise ValueError(f"{max(history)} is the best held-out accuracy, below the target's {goal}")


def _resume(model: nn.Module, method: Method, context: Context) -> tuple[int, list[float]]:
    found = context.restore()
    if found is None:
        return 0, []
    done, kept, history = found
    names = model.state_dict().keys()
    model.load_state_dict({name: kept[name] for name in names})
    method.load({name: value for name, value in kept.items() if name not in names})
    return done, history


METHODS: dict[str, Callable[[Train, nn.Module, int], Method]] = {
    "Sgd": plain.sgd,
    "DpSgd": plain.dpsgd,
    "Defended": defences.defended,
    "InParts": defences.in_parts,
    "Early": countermeasures.early,
    "Regularised": countermeasures.regularised,
}


def _scores(model: nn.Module, split: Split, part: str) -> Arrays:
    g = evaluate.logits(model, split.x)
    y = split.y.to(g.device)
    odds = evaluate.log_odds(g, y)
    return {
        f"log_odds_{part}": odds.half().cpu().numpy(),
        f"correct_{part}": (g.argmax(1) == y).cpu().numpy(),
    }
