"""Is a trained model still what today's code gives?"""

from collections.abc import Mapping

import numpy as np
from torch import Tensor

from privrob import device, evaluate
from privrob.data import Split
from privrob.lab import spec as specs
from privrob.lab import tasks
from privrob.lab.recompute import against
from privrob.lab.recompute.base import (
    CLEAN_SLACK,
    PREFIX_SLACK,
    Alone,
    Enough,
    Outcome,
    Unchecked,
    cut,
    judged,
    margin,
    model_of,
    split,
    upstream_of,
)
from privrob.lab.run import Lab, Result
from privrob.lab.spec import Halved, Train


def train(result: Result, lab: Lab, images: int) -> Outcome:
    """The kept model's answers and the first epoch of its training, or the one that can be had."""
    weights = lab.store.weights(result.record)
    if weights is None:
        return _prefix(result, lab)
    answers = _answers(result, weights, lab, images)
    try:
        epoch = _prefix(result, lab)
    except (Unchecked, OSError) as error:
        epoch = Outcome(result, True, f"not the training: {str(error).splitlines()[0]}")
    counts = (getattr(answers, n) + getattr(epoch, n) for n in ("n", "disagreements", "excused"))
    method = f"{answers.method}; {epoch.method}"
    return Outcome(result, bool(answers.agrees and epoch.agrees), method, *counts)


def _answers(result: Result, weights: Mapping[str, Tensor], lab: Lab, images: int) -> Outcome:
    """Log-odds and correctness of the kept model on the first test images."""
    spec = result.spec
    assert isinstance(spec, Train)
    test = _test(spec, lab, images)
    g = evaluate.logits(model_of(spec, weights, lab.device), test.x)
    y = test.y.to(g.device)
    odds, n = result.arrays["log_odds_test"][: len(y)], len(y)
    apart = np.abs(odds.astype(np.float64) - evaluate.log_odds(g, y).double().cpu().numpy())
    far = ~(apart <= np.spacing(np.abs(odds)).astype(np.float64) / 2 + CLEAN_SLACK)
    flipped = result.arrays["correct_test"][:n] != (g.argmax(1) == y).cpu().numpy()
    excused = ~far & (np.abs(margin(g, y)) <= CLEAN_SLACK)
    method = f"log-odds and correctness on the first {n} test images, from the kept weights"
    return judged(result, method, far | flipped, excused)


def _test(spec: Train, lab: Lab, images: int) -> Split:
    """The first images of the 'test' part that the record has."""
    if not isinstance(spec.data, Halved):
        return split(lab, cut(spec.data, images))
    rest = split(lab, spec.data)  # of a random half, not test images
    return rest.first(min(images, len(rest)))


def pretrained(result: Result, lab: Lab, images: int) -> Outcome:
    """The first epoch of its training; the kept weights alone answer nothing."""
    return _prefix(result, lab)


def stopped(result: Result, lab: Lab, images: int) -> Outcome:
    """The kept model's answers; its training has no prefix that would say much."""
    weights = lab.store.weights(result.record)
    if weights is None:
        raise Unchecked("the weights of this model are not kept here")
    return _answers(result, weights, lab, images)


def _prefix(result: Result, lab: Lab) -> Outcome:
    """The accuracy after one epoch: the same within the slack.

    As recorded, where this processor computed it; else, if that does not repeat, as the code of
    the record gives it here.
    """
    now = _first_epoch(result, lab)
    here = device.describe(lab.device)
    there = result.manifest.get("device", here)
    apart = abs(now - float(result.arrays["history"][0]))
    beside = ""
    if apart > PREFIX_SLACK and there != here:
        apart = abs(now - against.first_epoch(result, lab))
        beside = f" from the record's own code on this processor ({there} computed it)"
    agrees = apart <= PREFIX_SLACK
    method = f"test accuracy after one epoch of training, {apart:.4f} apart{beside}"
    return Outcome(result, agrees, method, 1, int(not agrees), int(agrees and apart > 0))


def _first_epoch(result: Result, lab: Lab) -> float:
    context, spec = Alone(lab), result.spec
    assert isinstance(spec, Train)
    try:
        tasks.TASKS[specs.kind(spec)](spec, upstream_of(spec, lab), context)
    except Enough:
        pass
    except ValueError as error:
        raise Unchecked(str(error)) from error
    return context.history[0]
