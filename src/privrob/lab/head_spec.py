"""Models whose convolutions come from public images and stay as they are: tursynbek2020, 3.6."""

from dataclasses import dataclass, replace

from privrob.data.catalogue import known as facts
from privrob.lab.checks import known, require
from privrob.lab.train_spec import Data, Halved, Model, Sgd, Stopped, Train
from privrob.models_cifar import FEATURES, SHAPES


@dataclass(frozen=True, kw_only=True)
class HalvedTraining(Halved):
    """A random half of the training images, as `Halved` is one of all images.

    Its 'train' part is the half, its 'test' part the rest of the first `train` training images,
    both in their order: no test image is in either.
    """

    def __post_init__(self) -> None:
        Data.__post_init__(self)
        require(self.test is None, f"halves are of training images: test must be None, {self.test}")
        self.check_half()


@dataclass(frozen=True, kw_only=True)
class Pretrained(Train):
    """Convolutions trained on public images under a head of their own, which is thrown away.

    What is kept are the weights of `kept` alone. The `holdout` training images that follow the
    first `data.train` are held out: their accuracy says how good the features are. Each update sees
    every image moved by up to `augment` pixels and mirrored at even odds; 0 leaves them as they
    are.
    """

    holdout: int
    augment: int

    def __post_init__(self) -> None:
        super().__post_init__()
        _check(self)
        require(self.holdout >= 1, f"holdout must be at least 1, got {self.holdout}")
        require(self.data.train is not None, "data.train must leave images to hold out, got None")

    @property
    def held_out(self) -> Data:
        """The data up to the end of the held-out images."""
        return replace(self.data, train=(self.data.train or 0) + self.holdout)

    @property
    def kept(self) -> Model:
        """The network without its head."""
        return replace(self.model, name=FEATURES[self.model.name], hidden=())


@dataclass(frozen=True, kw_only=True)
class Head(Train):
    """Fully connected layers trained on frozen `features`; its weights are the whole model's.

    `augment` as in `Pretrained`: above 0 each update sees one view of an image, features and all.
    """

    features: Pretrained
    augment: int

    def __post_init__(self) -> None:
        super().__post_init__()
        _check(self)
        own = replace(self.model, name=FEATURES[self.model.name], hidden=())
        kept = self.features.kept
        require(own == kept, f"features must be those of the network, {own}; got {kept}")


@dataclass(frozen=True, kw_only=True)
class StoppedHead(Stopped, Head):
    """A head whose training ends once it is as good as another one, looked at now and then.

    As good as in `Stopped`; `look_every` updates are between two looks.
    """

    look_every: int

    def __post_init__(self) -> None:
        super().__post_init__()
        require(self.look_every >= 1, f"look_every must be at least 1, got {self.look_every}")
        target = getattr(self.target, "features", None)
        require(target == self.features, "target must be a head on the same features")


def _check(spec: Pretrained | Head) -> None:
    """What a network in two parts needs: images of its size, SGD or DP-SGD, views."""
    known("model.name", spec.model.name, FEATURES)
    require(
        isinstance(spec.training, Sgd),
        f"training must be Sgd or DpSgd, got {type(spec.training).__name__}",
    )
    shape, found = SHAPES[FEATURES[spec.model.name]], facts(spec.data.name).shape
    require(
        shape == found, f"{spec.model.name} takes images of {shape}, {spec.data.name} has {found}"
    )
    require(spec.augment >= 0, f"augment must be 0 or more, got {spec.augment}")
