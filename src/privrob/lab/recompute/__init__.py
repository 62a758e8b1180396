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

Of an attack on a model whose weights are not kept the code alone can be checked: `twins`.
"""

from collections.abc import Callable
from typing import Any

from privrob.lab import run
from privrob.lab import spec as specs
from privrob.lab.recompute import attacks, training, twins
from privrob.lab.recompute.base import (
    ATTACK_SLACK,
    CLEAN_SLACK,
    EXCUSED_SHARE,
    PREFIX_SLACK,
    PROBE_SLACK,
    TIE_SLACK,
    Outcome,
    Unchecked,
    Weightless,
    margin,
)
from privrob.lab.run import Lab, Result
from privrob.lab.surroundings import surroundings

__all__ = ["ATTACK_SLACK", "EXCUSED_SHARE", "METHODS", "Outcome", "margin", "recompute"]

METHODS: dict[str, Callable[[Result, Lab, int], Outcome]] = {
    "train": training.train,
    "stopped": training.stopped,
    "pretrained": training.pretrained,
    "head": training.train,
    "stoppedhead": training.stopped,
    "fgsm": attacks.attack,
    "pgd": attacks.attack,
    **dict.fromkeys(
        (
            "logits",
            "distance",
            "curvature",
            "section",
            "steps",
            "masking",
            "corrupted",
            "membership",
            "targeted",
        ),
        attacks.probe,
    ),
}
IMAGES = {
    "pgd": 200,
    "steps": 200,
    "masking": 500,
    "membership": 50,
    "targeted": 20,
}  # of the others 1000


def recompute(result: Result, lab: Lab, *, images: int | None = None) -> Outcome:
    """Repeat a slice of a result and keep the outcome beside its record.

    `images` defaults to IMAGES of its kind. Nothing is kept of a check that cannot be done.
    """
    kind = specs.kind(result.spec)
    if kind not in METHODS:
        return Outcome(result, None, f"no way is known to check a result of kind {kind!r} yet")
    try:
        outcome = METHODS[kind](result, lab, images or IMAGES.get(kind, 1000))
    except (Unchecked, OSError) as error:
        twin = twins.outcome(result, lab) if isinstance(error, Weightless) else None
        if twin is None:
            return Outcome(result, None, str(error).splitlines()[0])
        outcome = twin
    lab.store.add_check(result.record, _kept(outcome, lab))
    return outcome


def _kept(outcome: Outcome, lab: Lab) -> dict[str, Any]:
    """What is written beside the record."""
    names = ("agrees", "method", "n", "disagreements", "excused", "twin")
    slacks = {
        "clean": CLEAN_SLACK,
        "attack": ATTACK_SLACK,
        "prefix": PREFIX_SLACK,
        "probe": PROBE_SLACK,
        "ties": TIE_SLACK,
    }
    return {
        "key": outcome.result.key,
        "fingerprint": run.fingerprint_of(outcome.result.spec),
        "record_fingerprint": outcome.result.manifest["fingerprint"],
        **{name: getattr(outcome, name) for name in names},
        "slack": slacks | {"excused_share": EXCUSED_SHARE},
    } | surroundings(lab.device)
