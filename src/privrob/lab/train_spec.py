"""What a trained model is: data, network, training, seed. `spec` has the questions asked of one."""

from dataclasses import dataclass, field, fields, replace
from math import isfinite
from typing import Any

from privrob import data, models
from privrob.lab.checks import known, require
from privrob.lab.defence_spec import Training

READINGS = ("literal", "matched", "candidate")
SCALES = ("paper", "reduced")


def label() -> Any:
    """A field that names the settings and does not change them: kept out of the key."""
    return field(metadata={"label": True})


@dataclass(frozen=True, kw_only=True)
class Data:
    """A data set and how much of it: the first `train` and `test` images, None for all."""

    name: str
    train: int | None
    test: int | None

    def __post_init__(self) -> None:
        known("data.name", self.name, data.NAMES)
        for part in ("train", "test"):
            n = getattr(self, part)
            require(n is None or n > 0, f"data.{part} must be above 0 or None, got {n}")


@dataclass(frozen=True, kw_only=True)
class Halved(Data):
    """A random half of all images: one of `models` halves, seeded by `draw`; see `data.halves`.

    Its 'train' part is the half, its 'test' part the rest, both in the order of the whole, which
    is the training images and then the test images.
    """

    half: int
    models: int
    draw: int

    def __post_init__(self) -> None:
        super().__post_init__()
        whole = self.train is None and self.test is None
        require(whole, "halves are of all images: train and test must be None")
        self.check_half()

    def check_half(self) -> None:
        """There is such a half."""
        good = 0 <= self.half < self.models
        require(good, f"half must lie in 0..{self.models - 1}, got {self.half}")
        require(self.draw >= 0, f"draw must be 0 or more, got {self.draw}")


@dataclass(frozen=True, kw_only=True)
class LeftOut(Data):
    """All but `k` random training images: group `group`, seeded by `draw`; see `data.left_out`.

    The model's seed has no part in who is left out. The 'train' part is the rest in the order of
    `whole`, the 'test' part all test images.
    """

    k: int
    group: int
    draw: int

    def __post_init__(self) -> None:
        super().__post_init__()
        require(self.k >= 1, f"k must be at least 1, got {self.k}")
        left = self.train is None or self.k < self.train
        require(left, f"k must be below the {self.train} images of train, got {self.k}")
        require(self.group >= 0, f"group must be 0 or more, got {self.group}")
        require(self.draw >= 0, f"draw must be 0 or more, got {self.draw}")

    @property
    def whole(self) -> Data:
        """The same data with nobody left out."""
        return Data(name=self.name, train=self.train, test=self.test)


@dataclass(frozen=True, kw_only=True)
class Model:
    """A network of `models.MODELS` and its settings."""

    name: str
    width: float
    hidden: tuple[int, ...]
    normalize: bool

    def __post_init__(self) -> None:
        known("model.name", self.name, models.MODELS)
        require(0 < self.width <= 8, f"model.width must lie in (0, 8], got {self.width}")
        bad = [n for n in self.hidden if n < 1]
        require(not bad, f"model.hidden must be above 0, got {bad}")

    @property
    def settings(self) -> dict[str, Any]:
        """The keyword arguments of the network's function."""
        return {f.name: getattr(self, f.name) for f in fields(self) if f.name != "name"}


@dataclass(frozen=True, kw_only=True)
class Sgd(Training):
    """Plain gradient descent over shuffled batches: no momentum, no decay, no schedule."""

    epochs: int

    def __post_init__(self) -> None:
        super().__post_init__()
        n = self.epochs
        require(n >= 1, f"training.epochs must be at least 1, got {n}")


@dataclass(frozen=True, kw_only=True)
class DpSgd(Sgd):
    """DP-SGD: Poisson batches of expected size `batch_size`, which is also the divisor.

    `noise_std` is the deviation of the noise on the clipped sum, sigma * C in Algorithm 1.
    Without clipping, `clip_norm` inf, no noise gives privacy: the noise multiplier is 0.
    """

    sample_rate: float
    clip_norm: float
    noise_std: float

    def __post_init__(self) -> None:
        super().__post_init__()
        q, c, noise = self.sample_rate, self.clip_norm, self.noise_std
        require(0 < q <= 1, f"training.sample_rate must lie in (0, 1], got {q}")
        require(c > 0, f"training.clip_norm must be above 0 (inf: no clipping), got {c}")
        require(noise >= 0 and isfinite(noise), f"training.noise_std must be >= 0, got {noise}")

    @property
    def noise_multiplier(self) -> float:
        """What an accountant must see, whatever the noise was scaled by."""
        return self.noise_std / self.clip_norm


@dataclass(frozen=True, kw_only=True)
class Train:
    """One trained model."""

    data: Data
    model: Model
    training: Training
    seed: int
    reading: str = label()
    scale: str = label()

    def __post_init__(self) -> None:
        require(self.seed >= 0, f"seed must be 0 or more, got {self.seed}")
        known("reading", self.reading, READINGS)
        known("scale", self.scale, SCALES)


@dataclass(frozen=True, kw_only=True)
class Stopped(Train):
    """A model whose training ends at the first update that makes it as good as another one.

    As good: at least as accurate as `target` on `holdout` images that neither was trained on,
    those of the training set that follow the first `data.train`.
    """

    target: Train
    holdout: int

    def __post_init__(self) -> None:
        super().__post_init__()
        require(self.holdout >= 1, f"holdout must be at least 1, got {self.holdout}")
        require(self.data == self.target.data, "data must be what target was trained on")
        require(self.data.train is not None, "data.train must leave images to hold out, got None")

    @property
    def held_out(self) -> Data:
        """The data up to the end of the held-out images."""
        return replace(self.data, train=(self.data.train or 0) + self.holdout)
