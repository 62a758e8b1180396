"""What a spec will cost, for `plan`: an estimate from one measurement, never a result."""

from privrob.lab.spec import (
    Corrupted,
    Curvature,
    Distance,
    DpSgd,
    Fgsm,
    Logits,
    Masking,
    Pgd,
    Section,
    Spec,
    Steps,
    Train,
    kind,
)  # fmt: skip

# Seconds per image on two CPU cores at full width, measured once. Forward and backward through the
# network are nearly all of it.
_SGD, _DPSGD, _FORWARD, _BACKWARD = 1.6e-4, 2.3e-4, 4e-5, 1.5e-4
_CORRUPTING = 4e-4  # one corruption of one image, and looking at it
_CLASSES = 10
_DEEPFOOL_STEPS = 4  # on average, of each norm


def minutes(spec: Spec, *, images: tuple[int, int]) -> float:
    """About how many minutes a spec takes on two CPU cores, for (train, test) images."""
    if isinstance(spec, Train):
        each = _DPSGD if isinstance(spec.training, DpSgd) else _SGD
        return spec.training.epochs * images[0] * each * spec.model.width / 60
    return images[1] * _per_image(spec) * spec.train.model.width / 60


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
    method = "DP-SGD" if isinstance(base.training, DpSgd) else "SGD"
    return f"{kind(spec)} {method} on {spec.data.name}, {base.reading}, seed {base.seed}"
