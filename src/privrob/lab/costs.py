"""What a spec will cost, for `plan`: an estimate from one measurement, never a result.

For two free cores that both work for it: one thread takes about twice as long, and longer beside
other work. `study.overruns` has what the records took.
"""

from privrob.data import catalogue
from privrob.lab.spec import (
    Abstract,
    Adversarial,
    Corrupted,
    Curvature,
    Data,
    Defence,
    Defended,
    Distance,
    Distributional,
    DpSgd,
    Dual,
    Early,
    Fgsm,
    HalvedTraining,
    Head,
    InParts,
    Interval,
    Logits,
    Masking,
    Membership,
    Model,
    Pgd,
    Regularised,
    Section,
    Sgd,
    Spec,
    Steps,
    StoppedHead,
    Targeted,
    Trades,
    Train,
    Training,
    kind,
)  # fmt: skip

# Seconds per image on two CPU cores at full width, measured once. Forward and backward through the
# network are nearly all of it.
_SGD, _DPSGD, _FORWARD, _BACKWARD = 1.6e-4, 2.3e-4, 4e-5, 1.5e-4
# An update of a network without a defence, a second an image, at width 1; by operations where it is
# too large to be measured.
_UPDATE = {
    "mnist_cnn": 1.6e-4,
    "faces_vgg": 3e-4,
    "digits_vgg": 4e-5,
    "yale_vgg": 4.5e-3,
    "fashion_vgg": 0.1,
    "wide_resnet": 0.4,
    "cifar_cnn": 8e-4,
    "cifar100_cnn": 8e-4,
    "digits_head_cnn": 5e-4,
}
_HEAD = 0.2  # of an update of the whole network: layers behind frozen ones, whose outputs are kept
_STOPPED = 0.1  # of the epochs: what a head takes to be as accurate as a private one
_REGULARISED = 1.7  # members and reference forward, members once more with a gradient
_EXACT = 200  # forward passes that exact l1 norms of a small net take, about
_CORRUPTING = 4e-4  # one corruption of one image, and looking at it
_IMAGES = {  # train, test; of any other data set 50,000 and 10,000
    "mnist": (60000, 10000),
    "fashion_mnist": (60000, 10000),
    "mnist_slice": (0, 1000),
    "yale_faces": (1900, 514),
    "faces": (600, 240),
    "glyphs": (8000, 2000),
    "digits": (1397, 400),
}
_CLASSES = 10
_DEEPFOOL_STEPS = 4  # on average, of each norm


def sizes(wanted: Data) -> tuple[int, int]:
    """(train, test) images of a data set, without reading it; for estimates alone."""
    full = _IMAGES.get(wanted.name, (50000, 10000))
    train, test = wanted.train or full[0], wanted.test or full[1]
    return (train // 2, train - train // 2) if isinstance(wanted, HalvedTraining) else (train, test)


def minutes(spec: Spec, *, images: tuple[int, int]) -> float:
    """About how many minutes a spec takes on two CPU cores, for (train, test) images."""
    if isinstance(spec, Train):
        return _seconds(spec, images[0]) / 60
    if isinstance(spec, Membership | Targeted):
        return sum(images) * _scored(spec) / 60
    return images[1] * _per_image(spec) * _beside_mnist(spec.train.model) / 60


def _seconds(spec: Train, images: int) -> float:
    """Of one training."""
    t, width = spec.training, spec.model.width
    if isinstance(t, Defended):
        plain = _update(spec.model)
        updates = t.stop if isinstance(t, Early) else t.updates
        beside = _REGULARISED if isinstance(t, Regularised) else 0.0
        return updates * t.batch_size * plain * (_passes(t.defence) + beside)
    assert isinstance(t, Sgd)
    more = _DPSGD / _SGD if isinstance(t, DpSgd) else 1.0
    if isinstance(spec, Head):
        more = _HEAD * more + (1 / 3 if spec.augment else 0.0)  # a new view goes forward
        more *= _STOPPED if isinstance(spec, StoppedHead) else 1.0
    return t.epochs * images * _UPDATE[spec.model.name] * more * width


def _update(model: Model) -> float:
    """Seconds an image of an update without a defence; variants of a network cost the same."""
    return _UPDATE[_kin(model)] * model.width**2


def _beside_mnist(model: Model) -> float:
    """What a pass costs beside one through MNIST's network at full width, of which images tell."""
    return _UPDATE[_kin(model)] / _UPDATE["mnist_cnn"] * model.width


def _kin(model: Model) -> str:
    return next(n for n in sorted(_UPDATE, key=len, reverse=True) if model.name.startswith(n))


def _passes(defence: Defence) -> float:
    """An update beside a plain one; a pass for an attack's step costs about half of one."""
    match defence:
        case Adversarial():
            return 1 + 0.52 * defence.steps * defence.fraction
        case Distributional():
            return 1 + 0.54 * defence.steps
        case Trades():
            return 1.7 + 0.54 * defence.steps
        case Abstract() | Interval():
            return 2.8
        case Dual():
            return 3.0 + (defence.projections or _EXACT)
    return 1.0


def _scored(spec: Membership | Targeted) -> float:
    """Seconds for the scores of one image, member or not."""
    walks = catalogue.known(spec.data.name).classes - 1 if isinstance(spec, Targeted) else 1
    return walks * (spec.steps + 2) * _update(spec.train.model)


def _per_image(spec: Spec) -> float:
    """Seconds that one test image takes."""
    match spec:
        case Logits():
            return _FORWARD
        case Fgsm():
            return len(spec.eps) * 2 * _FORWARD
        case Pgd():
            return len(spec.eps) * max(spec.steps) * _BACKWARD
        case Steps():
            return len(spec.eps) * len(spec.step_sizes) * spec.steps / 4 * _BACKWARD
        case Distance():
            return (1 + 2 * _DEEPFOOL_STEPS) * _CLASSES * _BACKWARD
        case Curvature():
            return 2 * _CLASSES * _BACKWARD  # float64
        case Section():
            return spec.resolution**2 * _FORWARD + _DEEPFOOL_STEPS * _CLASSES * _BACKWARD
        case Masking():
            walks = (3 + spec.restarts) * spec.steps * _BACKWARD
            return len(spec.eps) * (walks + spec.queries * _FORWARD)
        case Corrupted():
            return len(spec.corruptions) * _CORRUPTING
    raise TypeError(f"no cost is known of {type(spec).__name__}")


def describe(spec: Spec) -> str:
    """One short line for people: what is computed, on what, with which seed."""
    base = spec if isinstance(spec, Train) else spec.train
    method = _method(base.training)
    return f"{kind(spec)} {method} on {spec.data.name}, {base.reading}, seed {base.seed}"


def _method(training: Training) -> str:
    if isinstance(training, Defended):
        same = type(training) in (Defended, InParts)
        against = "" if same else f"{type(training).__name__.lower()} "
        return against + type(training.defence).__name__.lower()
    return "DP-SGD" if isinstance(training, DpSgd) else "SGD"
