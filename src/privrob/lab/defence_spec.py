"""How song2019 trains: a defence, its schedules, an optimiser. Every moment is counted in updates.

Update n, from 0. What a recipe gives in epochs is written in updates here, so that one unit serves
all recipes.
"""

from dataclasses import dataclass, fields
from math import isfinite
from typing import Any

from privrob.lab.checks import known, require

OPTIMIZERS = ("adam", "momentum")


@dataclass(frozen=True, kw_only=True)
class Ramp:
    """`low` up to update `start`, `high` from update `end` on, a straight line between."""

    start: int
    end: int
    low: float
    high: float

    def __post_init__(self) -> None:
        good = 0 <= self.start <= self.end
        require(good, f"a ramp needs 0 <= start <= end, got {self.start} and {self.end}")
        for part in ("low", "high"):
            value = getattr(self, part)
            require(value >= 0 and isfinite(value), f"a ramp's {part} must be >= 0, got {value}")


def constant(value: float) -> Ramp:
    """The same from the first update to the last."""
    return Ramp(start=0, end=0, low=value, high=value)


@dataclass(frozen=True, kw_only=True)
class Natural:
    """No defence: cross-entropy of the clean images."""


@dataclass(frozen=True, kw_only=True)
class Adversarial:
    """PGD adversarial training; a step is `step_share` of the eps of the moment.

    `fraction` of each batch is attacked, the rest stays clean.
    """

    eps: Ramp
    step_share: float
    steps: int
    random_start: bool
    attack_mode: str
    fraction: float

    def __post_init__(self) -> None:
        require(self.step_share > 0, f"step_share must be above 0, got {self.step_share}")
        require(self.steps >= 1, f"steps must be at least 1, got {self.steps}")
        known("attack_mode", self.attack_mode, ("train", "eval"))
        require(0 <= self.fraction <= 1, f"fraction must lie in [0, 1], got {self.fraction}")


@dataclass(frozen=True, kw_only=True)
class Distributional:
    """Lagrangian training: `step_size` sets how far an image may go."""

    step_size: float
    steps: int
    attack_mode: str

    def __post_init__(self) -> None:
        require(self.step_size > 0, f"step_size must be above 0, got {self.step_size}")
        require(self.steps >= 1, f"steps must be at least 1, got {self.steps}")
        known("attack_mode", self.attack_mode, ("train", "eval"))


@dataclass(frozen=True, kw_only=True)
class Trades:
    """Difference-based training: beta times the divergence of clean and adversarial answers."""

    eps: float
    step_size: float
    steps: int
    start_std: float
    beta: float
    detach_clean: bool

    def __post_init__(self) -> None:
        for part in ("eps", "step_size", "steps"):
            value = getattr(self, part)
            require(value > 0, f"{part} must be above 0, got {value}")
        for part in ("start_std", "beta"):
            value = getattr(self, part)
            require(value >= 0, f"{part} must be 0 or more, got {value}")


@dataclass(frozen=True, kw_only=True)
class Dual:
    """Duality-based training on the dual bound; `projections` 0 takes the exact l1 norms."""

    eps: Ramp
    projections: int
    clip_input: bool

    def __post_init__(self) -> None:
        require(self.projections >= 0, f"projections must be >= 0, got {self.projections}")


@dataclass(frozen=True, kw_only=True)
class Abstract:
    """DiffAI on boxes: after `plain` updates of cross-entropy, `weight` of the worst case mixed in.

    `eps` is that of the boxes; its ramp is counted from the first update.
    """

    eps: Ramp
    plain: int
    weight: float
    clip_input: bool

    def __post_init__(self) -> None:
        require(self.plain >= 0, f"plain must be 0 or more, got {self.plain}")
        require(self.weight >= 0, f"weight must be 0 or more, got {self.weight}")


@dataclass(frozen=True, kw_only=True)
class Interval:
    """Interval bound propagation; `share` of the loss is of the worst case, the rest clean."""

    eps: Ramp
    share: Ramp

    def __post_init__(self) -> None:
        require(self.share.high <= 1, f"share must be at most 1, got {self.share.high}")


Defence = Natural | Adversarial | Distributional | Trades | Dual | Abstract | Interval


@dataclass(frozen=True, kw_only=True)
class Training:
    """What all ways of training share: the learning rate, the first where it falls."""

    lr: float
    batch_size: int

    def __post_init__(self) -> None:
        require(self.lr > 0 and isfinite(self.lr), f"training.lr must be above 0, got {self.lr}")
        n = self.batch_size
        require(n >= 1, f"training.batch_size must be at least 1, got {n}")


@dataclass(frozen=True, kw_only=True)
class Defended(Training):
    """A defence under an optimiser, for a number of `updates`.

    `lr_steps` names updates and what `lr` is multiplied with from there on. `weight_decay` is
    added to the gradient, of biases only with `decay_biases`. `clip_grad_norm` inf does not clip;
    `zero_nan` sets NaN gradients to 0. `augment` crops from a border of so many pixels and flips;
    0 leaves the images.
    """

    defence: Defence
    updates: int
    optimizer: str
    momentum: float
    lr_steps: tuple[tuple[int, float], ...]
    weight_decay: float
    decay_biases: bool
    clip_grad_norm: float
    zero_nan: bool
    augment: int

    def __post_init__(self) -> None:
        super().__post_init__()
        known("optimizer", self.optimizer, OPTIMIZERS)
        require(self.updates >= 1, f"training.updates must be at least 1, got {self.updates}")
        require(0 <= self.momentum < 1, f"momentum must lie in [0, 1), got {self.momentum}")
        moments = [n for n, _ in self.lr_steps]
        ordered = all(a < b for a, b in zip([0, *moments], moments, strict=False))
        require(ordered, f"lr_steps must ascend from above 0, got {moments}")
        factors = [f for _, f in self.lr_steps if not f > 0]
        require(not factors, f"the factors of lr_steps must be above 0, got {factors}")
        require(self.weight_decay >= 0, f"weight_decay must be >= 0, got {self.weight_decay}")
        require(self.clip_grad_norm > 0, f"clip_grad_norm must be > 0, got {self.clip_grad_norm}")
        require(self.augment >= 0, f"augment must be 0 or more, got {self.augment}")


@dataclass(frozen=True, kw_only=True)
class InParts(Defended):
    """The same training in `parts` of an epoch, for one whose epochs take long.

    After each part the accuracy on the test images is taken and a checkpoint is left.
    """

    parts: int

    def __post_init__(self) -> None:
        super().__post_init__()
        require(self.parts >= 2, f"parts must be at least 2, got {self.parts}")


def training_settings(training: Defended) -> dict[str, Any]:
    """Those that every defended training has, by name."""
    return {f.name: getattr(training, f.name) for f in fields(Defended)}


# -- countermeasures to the leak ----------------------------------------------------------------


@dataclass(frozen=True, kw_only=True)
class Early(Defended):
    """The first `stop` of the `updates` of a training: schedules and batches are of the whole."""

    stop: int

    def __post_init__(self) -> None:
        super().__post_init__()
        good = 1 <= self.stop <= self.updates
        require(good, f"stop must lie in 1..{self.updates}, the updates, got {self.stop}")


@dataclass(frozen=True, kw_only=True)
class Regularised(Defended):
    """A training against a network that infers membership: adversarial regularisation.

    The last `reference` training images are no members: they teach the network alone, which has
    `hidden` units a layer and learns `inner_steps` times before each update, by Adam at
    `inner_lr`. `weight` times its log-answer on members is added to the loss.
    """

    weight: float
    reference: int
    hidden: tuple[int, ...]
    inner_lr: float
    inner_steps: int

    def __post_init__(self) -> None:
        super().__post_init__()
        for part in ("weight", "inner_lr"):
            value = getattr(self, part)
            require(value >= 0 and isfinite(value), f"{part} must be 0 or more, got {value}")
        for part in ("reference", "inner_steps"):
            value = getattr(self, part)
            require(value >= 1, f"{part} must be at least 1, got {value}")
        bad = [n for n in self.hidden if n < 1]
        require(not bad, f"hidden must be above 0, got {bad}")
