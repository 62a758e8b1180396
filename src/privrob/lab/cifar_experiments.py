"""tursynbek2020's experiments on CIFAR-10: which models, and what is asked of them.

Profile `live` has the settled pair of one seed, which the zoo keeps, on the first test images of
CIFAR-10 where that is here; no slice of it is in the package.
"""

from collections.abc import Callable
from dataclasses import replace
from functools import partial

from privrob.lab import cifar
from privrob.lab.experiment import Experiment, Family, Models
from privrob.lab.questions import DEEPFOOL_STEPS, OVERSHOOT, Asked
from privrob.lab.spec import (
    Curvature,
    Data,
    Distance,
    Fgsm,
    Head,
    Logits,
    Masking,
    Membership,
    Pgd,
    Sgd,
    Train,
)
from privrob.lab.trainings import LIVE_SEED, SEEDS

PAPER = "tursynbek2020"

# -- what is asked ------------------------------------------------------------------------------

# None of these is in the paper, which attacks no model on CIFAR-10; eps in pixels of [0, 1].
FGSM_EPS = tuple(n / 510 for n in (*range(9), 10, 12, 14, 16, 20, 24, 32))  # to 16/255
PGD_EPS, PGD_STEPS = (1 / 255, 2 / 255, 4 / 255, 8 / 255), (20, 40)
PGD_STEP_SIZE = 1 / 510  # twenty steps travel beyond the largest eps
MASKING_EPS = (2 / 255, 8 / 255)
MEMBERSHIP_EPS, MEMBERSHIP_STEPS = 8 / 255, 20  # song2019's on CIFAR-10
# Of the test images, as many as two cores can take; distances of the paper's pair are of all, as
# there. Members are the first training images, and as many test images stand beside them.
FGSM_IMAGES = CONTROL_DISTANCES = MEMBERS = 2000
CURVATURE_IMAGES, PGD_IMAGES, MASKING_IMAGES = 1000, 500, 200
LIVE_IMAGES = {"fgsm": 1000, "pgd": 200, "distance": 200, "curvature": 100, "logits": 1000}
QUICK_IMAGES = {"fgsm": 400, "pgd": 60, "distance": 200, "curvature": 200, "logits": 1000}
QUICK_EPS = 6  # drawn digits are easier: radii are so many times as large


def base(train: Train, profile: str) -> Asked:
    """The model itself."""
    return [("", train)]


def pretraining(train: Train, profile: str) -> Asked:
    """The features that the model rests on."""
    assert isinstance(train, Head)
    return [("", train.features)]


def _images(train: Train, profile: str, kind: str, *, paper: int | None = None) -> Data:
    """The first test images, as many as a profile can afford; of `paper` all if None."""
    number = {"paper": paper, "quick": QUICK_IMAGES.get(kind), "live": LIVE_IMAGES.get(kind)}
    return Data(name=train.data.name, train=None, test=number[profile])


def _radii(eps: tuple[float, ...], profile: str) -> tuple[float, ...]:
    return tuple(QUICK_EPS * e for e in eps) if profile == "quick" else eps


def fgsm(train: Train, profile: str) -> Asked:
    """At every eps of the grid."""
    data = _images(train, profile, "fgsm", paper=FGSM_IMAGES)
    return [("", Fgsm(train=train, data=data, eps=_radii(FGSM_EPS, profile)))]


def pgd(train: Train, profile: str) -> Asked:
    """From the image itself, after 20 and 40 steps."""
    (step_size,) = _radii((PGD_STEP_SIZE,), profile)
    spec = Pgd(
        train=train,
        data=_images(train, profile, "pgd", paper=PGD_IMAGES),
        eps=_radii(PGD_EPS, profile),
        step_size=step_size,
        steps=PGD_STEPS,
    )
    return [("", spec)]


def distance(train: Train, profile: str, *, paper: int | None = None) -> Asked:
    """Linearised and by DeepFool; at full scale of so many images, or of all."""
    data = _images(train, profile, "distance", paper=paper)
    return [("", Distance(train=train, data=data, steps=DEEPFOOL_STEPS, overshoot=OVERSHOOT))]


def curvature(train: Train, profile: str) -> Asked:
    """Of the first test images."""
    data = _images(train, profile, "curvature", paper=CURVATURE_IMAGES)
    return [("", Curvature(train=train, data=data))]


def logits(train: Train, profile: str) -> Asked:
    """On the test images."""
    return [("", Logits(train=train, data=_images(train, profile, "logits")))]


def masking(train: Train, profile: str) -> Asked:
    """Square Attack's first share is its authors' for CIFAR-10 in l_inf."""
    plain_training = {f: getattr(train.training, f) for f in ("lr", "epochs", "batch_size")}
    quick = profile == "quick"
    (step_size,) = _radii((PGD_STEP_SIZE,), profile)
    spec = Masking(
        train=train,
        surrogate=replace(train, training=Sgd(**plain_training)),
        data=Data(name=train.data.name, train=None, test=25 if quick else MASKING_IMAGES),
        eps=_radii(MASKING_EPS, profile),
        step_size=step_size,
        steps=max(PGD_STEPS),
        restarts=3,
        queries=100 if quick else 1000,
        first_share=0.8,
        draw=0,
    )
    return [("", spec)]


def membership(train: Train, profile: str) -> Asked:
    """song2019's scores of the first training images and of as many test images."""
    quick = profile == "quick"
    images = 1000 if quick else MEMBERS
    data = Data(name=train.data.name, train=images, test=images)
    (eps,) = _radii((MEMBERSHIP_EPS,), profile)
    steps = 5 if quick else MEMBERSHIP_STEPS
    return [("", Membership(train=train, data=data, eps=eps, steps=steps, verifier=""))]


# -- families of models -------------------------------------------------------------------------


def _seeds(profile: str, seed: int | None) -> tuple[int, ...]:
    if profile == "live":
        return (LIVE_SEED,)
    return (seed or 0,) if profile == "quick" else SEEDS if seed is None else (seed,)


def base_pairs(profile: str, seed: int | None) -> Models:
    """SGD and DP-SGD in every reading; live, those that the zoo keeps."""
    for s in _seeds(profile, seed):
        if profile == "quick":
            yield from _alone(cifar.quick_pair(seed=s))
        for reading, setting in cifar.READINGS.items() if profile != "quick" else ():
            if profile == "paper" or reading == cifar.SETTLED:
                yield from _alone(cifar.pair(setting, reading=reading, seed=s))


def _alone(two: dict[str, Head]) -> Models:
    return (("", model, train) for model, train in two.items())


def settled_pairs(profile: str, seed: int | None) -> Models:
    """SGD and DP-SGD in the settled reading; not live."""
    for s in _seeds(profile, seed) if profile != "live" else ():
        make = cifar.quick_pair if profile == "quick" else cifar.settled
        yield from _alone(make(seed=s))


def controls(profile: str, seed: int | None) -> Models:
    """SGD stopped when it is as accurate as DP-SGD, and DP-SGD on the same images; not live."""
    for s in _seeds(profile, seed) if profile != "live" else ():
        make = cifar.quick_control if profile == "quick" else cifar.control
        yield from _alone(make(seed=s))


STOPPED, TARGET = "stopped", "target"


def with_stopped(profile: str, seed: int | None) -> Models:
    """The settled pairs, the stopped SGD model of each seed and the private one it is to equal."""
    yield from settled_pairs(profile, seed)
    for _, model, train in controls(profile, seed):
        yield STOPPED if model == "sgd" else TARGET, model, train


def only(model: str, family: Family) -> Family:
    """Of a family the models that were trained in one way."""

    def one(profile: str, seed: int | None) -> Models:
        return (found for found in family(profile, seed) if found[1] == model)

    return one


def on_halves(profile: str, seed: int | None) -> Models:
    """A pair on each of several random halves, of one seed at full scale."""
    if profile == "live" or (profile == "paper" and seed not in (None, LIVE_SEED)):
        return
    quick = profile == "quick"
    two = cifar.quick_pair(seed=seed or 0) if quick else cifar.unaugmented(seed=LIVE_SEED)
    cut = cifar.quick_half if quick else partial(cifar.half, images=cifar.IMAGES)
    for model, train in two.items():
        yield from ((f"half {k}", model, cut(train, k)) for k in range(cifar.HALVES))


def candidates(profile: str, seed: int | None) -> Models:
    """Every candidate reading on the selection seed, at full scale, DP-SGD first; `note` names it.

    Two candidates may share a model.
    """
    pairs = cifar.candidates() if profile == "paper" else {}
    for model in ("dpsgd", "sgd"):
        yield from ((name, model, two[model]) for name, two in pairs.items())


def one_seed(profile: str, seed: int | None) -> Models:
    """A model on the features, for their sake."""
    if profile != "live":
        two = cifar.quick_pair(seed=0) if profile == "quick" else cifar.settled(seed=LIVE_SEED)
        yield "", "sgd", two["sgd"]


_PLACE, _NOWHERE = "section 3.6", "not in the paper; section 3.6"
Wrap = Callable[[Train, str], Asked]
_ROWS: tuple[tuple[str, str, str, Wrap, Family], ...] = (
    ("pretraining", _PLACE, "Features learnt from public images", pretraining, one_seed),
    ("readings", _PLACE, "Which settings reach CIFAR-10's printed accuracies", base, candidates),
    ("base", _PLACE, "SGD and DP-SGD on frozen features, CIFAR-10", base, base_pairs),
    ("distance", "Figure 6a, 6b", "Distance to the decision boundary, CIFAR-10", distance,
     base_pairs),
    ("curvature", "Figure 6c", "Curvature of the loss in the pixels, CIFAR-10", curvature,
     base_pairs),
    ("logits", _NOWHERE, "Answers to the test images, CIFAR-10", logits, base_pairs),
    ("fgsm", _NOWHERE, "Accuracy under FGSM, CIFAR-10", fgsm, base_pairs),
    ("pgd", _NOWHERE, "Accuracy under PGD, CIFAR-10", pgd, base_pairs),
    ("control", _NOWHERE, "SGD stopped at the accuracy of DP-SGD, CIFAR-10", base, controls),
    ("control-fgsm", _NOWHERE, "Equally accurate models under FGSM, CIFAR-10", fgsm, controls),
    ("control-pgd", _NOWHERE, "Equally accurate models under PGD, CIFAR-10", pgd, controls),
    ("control-distance", _NOWHERE, "Equally accurate models, distance to the boundary, CIFAR-10",
     partial(distance, paper=CONTROL_DISTANCES), controls),
    ("masking", _NOWHERE, "Robustness or hidden gradients, CIFAR-10", masking,
     only("dpsgd", settled_pairs)),
    ("membership", _NOWHERE, "Who is a member? Scores of private and plain models, CIFAR-10",
     membership, with_stopped),
    ("halves", _NOWHERE, "Models on random halves of CIFAR-10's training images", base, on_halves),
)  # fmt: skip
EXPERIMENTS = tuple(
    Experiment(f"{PAPER}/cifar-{name}", PAPER, locus, title, wrap, family)
    for name, locus, title, wrap, family in _ROWS
)
