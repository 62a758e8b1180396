"""Does today's code still give a stored result? A fixed slice of it is repeated and compared.

A model is evaluated again from its kept weights on the first test images, and its training is
repeated for one epoch where the data set is here; an attack is run again on those images.
MNIST results are evaluated and attacked on the slice in the package, which needs no data set.

What may differ between machines is rounding, and it may move an image over the boundary. Such an
image is excused if its live margin (the label's logit minus the largest other) lies within a
slack; every other one is a disagreement, and many excused ones are one too. Measured on MNIST
models whose hidden units were put in another order, clean log-odds differ by 3e-5. On attacked
images sign() makes a step of a pixel out of a rounding error: log-odds differ by up to 0.06, and
on one image in ten thousand by more. After one epoch of the paper's four base trainings on MNIST,
the test accuracy with one thread and with two was up to 0.0010 apart (10 images of 10,000), and
with the same number of threads the recorded one: PREFIX_SLACK is twice the largest difference.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from privrob import evaluate, models
from privrob.attacks import fgsm_grid, gradient
from privrob.data import Split
from privrob.lab import run, tasks
from privrob.lab import spec as specs
from privrob.lab.run import Lab, Result
from privrob.lab.spec import Data, Fgsm, Pgd, Train
from privrob.lab.surroundings import surroundings

CLEAN_SLACK, ATTACK_SLACK = 1e-3, 0.1  # in logits
EXCUSED_SHARE = 0.02  # of the images
PREFIX_SLACK = 0.002  # of the accuracy after one epoch: 20 images of MNIST's 10,000
IMAGES = {"train": 1000, "fgsm": 1000, "pgd": 200}

Array = NDArray[Any]


class Unchecked(Exception):
    """This result cannot be checked here; the message says why."""


@dataclass(frozen=True)
class Outcome:
    """What a recomputation found. `agrees` is None where it could not be done: `method` says why.

    Of `n` images and epochs together, `disagreements` differ in a way that rounding does not
    explain, and `excused` in one that it does.
    """

    result: Result
    agrees: bool | None
    method: str
    n: int = 0
    disagreements: int = 0
    excused: int = 0

    def __str__(self) -> str:
        if self.agrees is None:
            return f"cannot be checked: {self.method}"
        word = "agrees" if self.agrees else "DISAGREES"
        counts = f"{self.disagreements} of {self.n} differ, {self.excused} more within rounding"
        return f"{word}: {self.method}; {counts}"


def recompute(result: Result, lab: Lab, *, images: int | None = None) -> Outcome:
    """Repeat a slice of a result and keep the outcome beside its record.

    `images` defaults to IMAGES of its kind. Nothing is kept where the check cannot be done.
    """
    kind = specs.kind(result.spec)
    if kind not in METHODS:
        return Outcome(result, None, f"no way is known to check a result of kind {kind!r} yet")
    try:
        outcome = METHODS[kind](result, lab, images or IMAGES[kind])
    except (Unchecked, OSError) as error:
        return Outcome(result, None, str(error).splitlines()[0])
    lab.store.add_check(result.record, _kept(outcome, lab, kind))
    return outcome


def _kept(outcome: Outcome, lab: Lab, kind: str) -> dict[str, Any]:
    """What is written beside the record."""
    names = ("agrees", "method", "n", "disagreements", "excused")
    slacks = {"clean": CLEAN_SLACK, "attack": ATTACK_SLACK, "prefix": PREFIX_SLACK}
    return {
        "key": outcome.result.key,
        "fingerprint": run.fingerprint_of(kind),
        "record_fingerprint": outcome.result.manifest["fingerprint"],
        **{name: getattr(outcome, name) for name in names},
        "slack": slacks | {"excused_share": EXCUSED_SHARE},
    } | surroundings(lab.device)


def _judged(result: Result, method: str, differ: Array, excused: Array) -> Outcome:
    """The outcome from two masks (N,): images that differ, and those of them that rounding may."""
    n, wrong, fine = len(differ), int((differ & ~excused).sum()), int((differ & excused).sum())
    agrees = wrong == 0 and fine <= EXCUSED_SHARE * n
    return Outcome(result, agrees, method, n, wrong, fine)


# -- what is repeated ---------------------------------------------------------------------------


def _slice(wanted: Data, images: int) -> Data:
    """The first test images of a data set; MNIST's come from the slice in the package."""
    name = "mnist_slice" if wanted.name == "mnist" else wanted.name
    return Data(name=name, train=None, test=min(images, wanted.test or images))


def _split(lab: Lab, wanted: Data) -> Split:
    try:
        return lab.split(wanted, "test")
    except ValueError as error:
        raise Unchecked(str(error)) from error


def _model(spec: Train, weights: Mapping[str, Tensor], device: torch.device) -> nn.Module:
    model = models.build(spec.model.name, seed=0, **spec.model.settings)
    model.load_state_dict(dict(weights))
    return model.to(device).eval()


def _margin(g: Tensor, y: Tensor) -> Array:
    """The label's logit minus the largest other, (N,): 0 on the decision boundary."""
    index = y[:, None]
    others = g.scatter(1, index, -torch.inf).amax(1)
    return (g.gather(1, index).squeeze(1) - others).double().cpu().numpy()


# -- a trained model ----------------------------------------------------------------------------


def _train(result: Result, lab: Lab, images: int) -> Outcome:
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
    test = _split(lab, _slice(spec.data, images))
    g = evaluate.logits(_model(spec, weights, lab.device), test.x)
    y = test.y.to(g.device)
    odds, n = result.arrays["log_odds_test"][: len(y)], len(y)
    apart = np.abs(odds.astype(np.float64) - evaluate.log_odds(g, y).double().cpu().numpy())
    far = ~(apart <= np.spacing(np.abs(odds)).astype(np.float64) / 2 + CLEAN_SLACK)
    flipped = result.arrays["correct_test"][:n] != (g.argmax(1) == y).cpu().numpy()
    excused = ~far & (np.abs(_margin(g, y)) <= CLEAN_SLACK)
    method = f"log-odds and correctness on the first {n} test images, from the kept weights"
    return _judged(result, method, far | flipped, excused)


class _Enough(Exception):
    """The prefix is complete."""


@dataclass
class _Alone:
    """A context that tells nobody, goes on from nothing, and stops after a first epoch."""

    lab: Lab
    history: tuple[float, ...] = ()

    @property
    def device(self) -> torch.device:
        return self.lab.device

    def split(self, wanted: Data, part: str) -> Split:
        return self.lab.split(wanted, part)

    def progress(self, done: int, total: int) -> None:
        """Nobody listens."""

    def restore(self) -> None:
        """A check must not go on from anything."""

    def checkpoint(self, done: int, weights: Mapping[str, Tensor], history: list[float]) -> None:
        self.history = tuple(history)
        raise _Enough


def _prefix(result: Result, lab: Lab) -> Outcome:
    """The accuracy after one epoch: the same within the slack."""
    context = _Alone(lab)
    assert isinstance(result.spec, Train)
    try:
        tasks.train(result.spec, {}, context)
    except _Enough:
        pass
    except ValueError as error:
        raise Unchecked(str(error)) from error
    apart = abs(context.history[0] - float(result.arrays["history"][0]))
    agrees = apart <= PREFIX_SLACK
    method = f"test accuracy after one epoch of training, {apart:.4f} apart"
    return Outcome(result, agrees, method, 1, int(not agrees), int(agrees and apart > 0))


# -- attacks ------------------------------------------------------------------------------------

Masks = dict[str, Array]


def _attack(result: Result, lab: Lab, images: int) -> Outcome:
    """The same task on the slice; margins are taken for the images that differ alone."""
    spec, kind = result.spec, specs.kind(result.spec)
    assert not isinstance(spec, Train)
    weights = _upstream_weights(spec, lab)
    sliced: Any = replace(spec, data=_slice(spec.data, images))
    test = _split(lab, sliced.data)
    again = tasks.TASKS[kind](sliced, {"train": tasks.Output({}, weights)}, _Alone(lab)).arrays
    margins = _MARGINS[kind]
    live = {name: again[name] for name in PER_IMAGE[kind]}
    stored = {name: result.arrays[name][..., : len(test)] for name in live}
    differ = _any({name: stored[name] != live[name] for name in live})
    excused = np.ones(len(test), bool)
    if differ.any():
        x, y = test.batch(torch.from_numpy(np.flatnonzero(differ)).to(lab.device))
        pair = [{name: a[..., differ] for name, a in side.items()} for side in (stored, live)]
        at = margins(sliced, _model(spec.train, weights, lab.device), x, y, *pair)
        far = {n: (pair[0][n] != pair[1][n]) & (np.abs(at[n]) > ATTACK_SLACK) for n in live}
        excused[differ] = ~_any(far)
    method = f"{kind} on the first {len(test)} test images, from the kept weights"
    return _judged(result, method, differ, excused)


def _upstream_weights(spec: Fgsm | Pgd, lab: Lab) -> dict[str, Tensor]:
    found = lab.lookup(spec.train)
    weights = lab.store.weights(found.record) if found else None
    if weights is None:
        raise Unchecked("the weights of the attacked model are not kept here")
    return weights


def _any(masks: Masks) -> Array:
    """Whether any mask, at any of its settings, is true of an image: (..., N) -> (N,)."""
    return np.any([m.reshape(-1, m.shape[-1]).any(0) for m in masks.values()], axis=0)


def _fgsm_margins(
    spec: Fgsm, model: nn.Module, x: Tensor, y: Tensor, stored: Masks, live: Masks
) -> dict[str, Array]:
    """The margins behind each mask of an FGSM record; nothing excuses a zero gradient."""
    free = list(fgsm_grid(model, x, y, eps=spec.eps, clip=None))
    clipped = [x_adv.clamp(0.0, 1.0) for x_adv in free]
    return {
        "correct": _margins(model, clipped, y),
        "correct_unclipped": _margins(model, free, y),
        "zero_gradient": np.full(len(y), np.inf),
    }


def _margins(model: nn.Module, images: list[Tensor], y: Tensor) -> Array:
    logits = [evaluate.logits(model, x, bounded=False) for x in images]
    return np.stack([_margin(g, y) for g in logits])


def _pgd_margins(
    spec: Pgd, model: nn.Module, x: Tensor, y: Tensor, stored: Masks, live: Masks
) -> dict[str, Array]:
    """The margins after the named steps, and where one run saw a first success and one did not."""
    last, rows = max(spec.steps), []
    for eps in spec.eps:
        trace = gradient.pgd_trace(
            model, x, y, eps=eps, step_size=spec.step_size, snapshots=range(1, last + 1)
        )
        seen = [evaluate.logits(model, x), *(trace.logits_at[n] for n in range(1, last + 1))]
        rows.append(np.stack([_margin(g, y) for g in seen]))
    margins = np.stack(rows)  # (E, steps + 1, B)
    firsts = [np.where(s["first_success"] < 0, last, s["first_success"]) for s in (stored, live)]
    disputed = np.minimum(*firsts).astype(np.int64)[:, None]
    return {
        "correct": margins[:, list(spec.steps)],
        "first_success": np.take_along_axis(margins, disputed, 1)[:, 0],
    }


METHODS: dict[str, Callable[[Result, Lab, int], Outcome]] = {
    "train": _train,
    "fgsm": _attack,
    "pgd": _attack,
}
PER_IMAGE = {
    "fgsm": ("correct", "correct_unclipped", "zero_gradient"),
    "pgd": ("correct", "first_success"),
}
_MARGINS: dict[str, Callable[..., dict[str, Array]]] = {"fgsm": _fgsm_margins, "pgd": _pgd_margins}
