"""What an experiment is: frozen dataclasses that check themselves, with one canonical text.

A spec says everything that the numbers depend on. Its key, a hash of that text, names the result.
Labels (`reading`, `scale`) say what the settings stand for and are not part of the key.
"""

import hashlib
import json
from dataclasses import dataclass, fields, is_dataclass
from math import inf, isfinite
from typing import Any

from privrob import corruptions
from privrob.lab.checks import check_eps, known, require
from privrob.lab.defence_spec import (
    Abstract,
    Adversarial,
    Defence,
    Defended,
    Distributional,
    Dual,
    Early,
    InParts,
    Interval,
    Natural,
    Ramp,
    Regularised,
    Trades,
    Training,
    constant,
    training_settings,
)  # fmt: skip
from privrob.lab.head_spec import HalvedTraining, Head, Pretrained, StoppedHead
from privrob.lab.score_spec import Membership, Targeted
from privrob.lab.train_spec import (
    READINGS,
    SCALES,
    Data,
    DpSgd,
    Halved,
    LeftOut,
    Model,
    Sgd,
    Stopped,
    Train,
    label,
)

__all__ = [
    "KINDS", "READINGS", "SCALES", "Abstract", "Adversarial", "Corrupted", "Curvature", "Data",
    "Defence", "Defended", "Distance", "Distributional", "DpSgd", "Dual", "Early", "Fgsm", "Halved",
    "HalvedTraining", "Head", "InParts", "Interval", "LeftOut", "Logits", "Masking", "Membership",
    "Model", "Natural", "Pgd", "Pretrained", "Ramp", "Regularised", "Section", "Sgd", "Spec",
    "Steps", "Stopped", "StoppedHead", "Targeted", "Trades", "Train", "Training", "canonical",
    "constant", "digest", "kind", "known", "label", "plain", "require", "seed_for", "spec_digest",
    "training_settings", "upstream",
]  # fmt: skip


@dataclass(frozen=True, kw_only=True)
class Fgsm:
    """Accuracy of one model under FGSM over a grid of eps, on the test images of `data`."""

    train: Train
    data: Data
    eps: tuple[float, ...]

    def __post_init__(self) -> None:
        check_eps(self.eps)


@dataclass(frozen=True, kw_only=True)
class Pgd:
    """One model under PGD from the image itself, looked at after each of `steps` steps."""

    train: Train
    data: Data
    eps: tuple[float, ...]
    step_size: float
    steps: tuple[int, ...]

    def __post_init__(self) -> None:
        check_eps(self.eps)
        size = self.step_size
        require(size > 0 and isfinite(size), f"step_size must be above 0, got {size}")
        good = self.steps and all(n >= 1 for n in self.steps)
        require(bool(good), f"steps must all be 1 or more, got {self.steps}")


@dataclass(frozen=True, kw_only=True)
class Logits:
    """The logits of one model on the test images of `data`."""

    train: Train
    data: Data


@dataclass(frozen=True, kw_only=True)
class Distance:
    """Linearised distances of the test images of `data`, and DeepFool's of at most `steps`."""

    train: Train
    data: Data
    steps: int
    overshoot: float

    def __post_init__(self) -> None:
        require(self.steps >= 1, f"steps must be at least 1, got {self.steps}")
        good = self.overshoot >= 0 and isfinite(self.overshoot)
        require(good, f"overshoot must be 0 or more, got {self.overshoot}")


@dataclass(frozen=True, kw_only=True)
class Curvature:
    """Input-Hessian spectra on the test images of `data`."""

    train: Train
    data: Data


@dataclass(frozen=True, kw_only=True)
class Section:
    """How straight the boundary is in a random normal plane through each test image of `data`.

    Seen within `extent` (l2, pixels of [0, 1]) at `resolution` points a side; `draw` seeds the
    planes' random directions.
    """

    train: Train
    data: Data
    steps: int
    extent: float
    resolution: int
    draw: int

    def __post_init__(self) -> None:
        require(self.steps >= 1, f"steps must be at least 1, got {self.steps}")
        good = self.extent > 0 and isfinite(self.extent)
        require(good, f"extent must be above 0, got {self.extent}")
        odd = self.resolution >= 3 and self.resolution % 2 == 1
        require(odd, f"resolution must be odd and at least 3, got {self.resolution}")
        require(self.draw >= 0, f"draw must be 0 or more, got {self.draw}")


@dataclass(frozen=True, kw_only=True)
class Steps:
    """PGD steps until each test image of `data` fools the model, at most `steps`."""

    train: Train
    data: Data
    eps: tuple[float, ...]
    step_sizes: tuple[float, ...]
    steps: int

    def __post_init__(self) -> None:
        check_eps(self.eps)
        bad = [a for a in self.step_sizes if not (a > 0 and isfinite(a))]
        require(bool(self.step_sizes) and not bad, f"step_sizes must be above 0, got {bad}")
        require(self.steps >= 1, f"steps must be at least 1, got {self.steps}")


@dataclass(frozen=True, kw_only=True)
class Masking:
    """Attacks that tell robustness from hidden gradients, on the test images of `data`.

    Beside FGSM and PGD: both on the logit margin, PGD from `restarts` random points, images made
    on `surrogate`, noise, and Square Attack with `queries`. `draw` seeds what is random.
    """

    train: Train
    surrogate: Train
    data: Data
    eps: tuple[float, ...]
    step_size: float
    steps: int
    restarts: int
    queries: int
    first_share: float
    draw: int

    def __post_init__(self) -> None:
        check_eps(self.eps)
        size = self.step_size
        require(size > 0 and isfinite(size), f"step_size must be above 0, got {size}")
        for part in ("steps", "restarts", "queries"):
            require(getattr(self, part) >= 1, f"{part} must be at least 1")
        share = self.first_share
        require(0 < share <= 1, f"first_share must lie in (0, 1], got {share}")
        require(self.draw >= 0, f"draw must be 0 or more, got {self.draw}")


@dataclass(frozen=True, kw_only=True)
class Corrupted:
    """One model on the test images of `data` under each corruption of MNIST-C, seeded by `draw`."""

    train: Train
    data: Data
    corruptions: tuple[str, ...]
    draw: int

    def __post_init__(self) -> None:
        for name in self.corruptions:
            known("corruptions", name, corruptions.CORRUPTIONS)
        require(self.draw >= 0, f"draw must be 0 or more, got {self.draw}")


Probe = (
    Membership | Targeted | Logits | Distance | Curvature | Section | Steps | Masking | Corrupted
)
Spec = Train | Fgsm | Pgd | Probe
KINDS: dict[str, type] = {
    c.__name__.lower(): c
    for c in (
        Train, Stopped, Fgsm, Pgd, Logits, Distance, Curvature, Section, Steps, Masking, Corrupted,
        Membership, Targeted, Pretrained, Head, StoppedHead,
    )
}  # fmt: skip


# -- texts and keys -----------------------------------------------------------------------------


def kind(spec: Spec) -> str:
    """Its name in KINDS: 'train', 'fgsm'."""
    return next(name for name, cls in KINDS.items() if type(spec) is cls)


def plain(spec: Any, *, labels: bool) -> Any:
    """The spec as dictionaries, lists and scalars; each dataclass names its type."""
    if is_dataclass(spec):
        kept = [f.name for f in fields(spec) if labels or not f.metadata.get("label")]
        return {"type": type(spec).__name__} | {
            name: plain(getattr(spec, name), labels=labels) for name in kept
        }
    if isinstance(spec, tuple):
        return [plain(item, labels=labels) for item in spec]
    return "inf" if spec == inf else spec  # JSON has no word for it


def canonical(value: Any) -> str:
    """The one JSON text of plain data: sorted, no spaces, no NaN."""
    return json.dumps(value, sort_keys=True, separators=(",", ":"), allow_nan=False)


def digest(value: Any) -> str:
    """16 hexadecimal digits of the SHA-256 of the canonical text."""
    return hashlib.sha256(canonical(value).encode()).hexdigest()[:16]


def spec_digest(spec: Any) -> str:
    """The hash of a spec, or of a part of one, without its labels."""
    return digest(plain(spec, labels=False))


def seed_for(key: str, purpose: str) -> int:
    """A seed of 63 bits from a key and what it is for; nothing else shifts it."""
    return int(hashlib.sha256(f"{key}/{purpose}".encode()).hexdigest()[:16], 16) >> 1


def upstream(spec: Spec) -> dict[str, Spec]:
    """The specs whose results this one needs, by field name."""
    named = {f.name: getattr(spec, f.name) for f in fields(spec)}
    return {name: value for name, value in named.items() if isinstance(value, Train)}
