"""What every check shares: its outcome, the slice it repeats, a context that keeps nothing."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from privrob import models
from privrob.data import Split
from privrob.lab import costs, tasks
from privrob.lab import spec as specs
from privrob.lab.run import Lab, Result
from privrob.lab.spec import Data, Spec, Train

CLEAN_SLACK, ATTACK_SLACK = 1e-3, 0.1  # in logits
EXCUSED_SHARE = 0.02  # of the images
PREFIX_SLACK = 0.002  # of the accuracy after one epoch: 20 images of MNIST's 10,000
PROBE_SLACK = 2e-3  # relative, of numbers stored with 11 bits or more
# Of the largest number of an image, for what is made of gradients of logits: where positions of a
# max-pool tie, as on a blank background, rounding says through which one a gradient goes. Logits
# are the same whichever it is. Set when two processors were seen to differ by half as much; it
# compares code, and no verdict rests on it.
TIE_SLACK = 0.05

Array = NDArray[Any]


class Unchecked(Exception):
    """This result cannot be checked here; the message says why."""


class Weightless(Unchecked):
    """The weights of a model that the result needs are not kept here."""


@dataclass(frozen=True)
class Outcome:
    """What a recomputation found. `agrees` is None where it could not be done: `method` says why.

    Of `n` images and epochs together, `disagreements` differ in a way that rounding does not
    explain, and `excused` in one that it does. `twin` is the key of the result that was repeated in
    place of this one.
    """

    result: Result
    agrees: bool | None
    method: str
    n: int = 0
    disagreements: int = 0
    excused: int = 0
    twin: str = ""

    def __str__(self) -> str:
        if self.agrees is None:
            return f"cannot be checked: {self.method}"
        word = "agrees" if self.agrees else "DISAGREES"
        counts = f"{self.disagreements} of {self.n} differ, {self.excused} more within rounding"
        return f"{word}: {self.method}; {counts}"


def judged(result: Result, method: str, differ: Array, excused: Array) -> Outcome:
    """The outcome from two masks (N,): images that differ, and those of them that rounding may."""
    n, wrong, fine = len(differ), int((differ & ~excused).sum()), int((differ & excused).sum())
    agrees = wrong == 0 and fine <= EXCUSED_SHARE * n
    return Outcome(result, agrees, method, n, wrong, fine)


def cut(wanted: Data, images: int) -> Data:
    """The first test images of a data set; MNIST's come from the slice in the package."""
    name = "mnist_slice" if wanted.name == "mnist" else wanted.name
    return Data(name=name, train=None, test=min(images, costs.sizes(wanted)[1]))


def split(lab: Lab, wanted: Data) -> Split:
    try:
        return lab.split(wanted, "test")
    except ValueError as error:
        raise Unchecked(str(error)) from error


def upstream_of(spec: Spec, lab: Lab) -> dict[str, tasks.Output]:
    """What the spec's task needs, with weights; Unchecked where they are not kept here."""
    models_of = {n: one for n, one in specs.upstream(spec).items() if isinstance(one, Train)}
    return {name: tasks.Output({}, weights_of(one, lab)) for name, one in models_of.items()}


def weights_of(model: Train, lab: Lab) -> dict[str, Tensor]:
    found = lab.lookup(model)
    weights = lab.store.weights(found.record) if found else None
    if weights is None:
        raise Weightless("the weights of a model that it needs are not kept here")
    return weights


def model_of(spec: Train, weights: Mapping[str, Tensor], device: torch.device) -> nn.Module:
    model = models.build(spec.model.name, seed=0, **spec.model.settings)
    model.load_state_dict(dict(weights))
    return model.to(device).eval()


def margin(g: Tensor, y: Tensor) -> Array:
    """The label's logit minus the largest other, (N,): 0 on the decision boundary."""
    index = y[:, None]
    others = g.scatter(1, index, -torch.inf).amax(1)
    return (g.gather(1, index).squeeze(1) - others).double().cpu().numpy()


class Enough(Exception):
    """The prefix is complete."""


@dataclass
class Alone:
    """A context that tells nobody, goes on from nothing, and stops after a first epoch.

    A walk over images, which asks for time between its checkpoints, goes to its end.
    """

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

    def checkpoint(
        self,
        done: int,
        weights: Mapping[str, Tensor],
        history: list[float],
        *,
        every: float = 0.0,
    ) -> None:
        if every == 0.0:
            self.history = tuple(history)
            raise Enough
