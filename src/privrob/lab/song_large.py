"""song2019 on Fashion-MNIST and CIFAR-10: recipes that want a GPU, and smaller ones that do not.

Settings are those of the authors' code (facts, sections 4, 6 and 7), written as in `song2019`.
Where an epoch takes long on a GPU too, training is in parts.
"""

from dataclasses import replace
from math import inf
from typing import Any

from privrob.lab import recipes
from privrob.lab.song2019 import EPS
from privrob.lab.spec import (
    Data,
    Defended,
    Dual,
    InParts,
    Model,
    Natural,
    Ramp,
    Train,
    constant,
    training_settings,
)

# -- Fashion-MNIST ------------------------------------------------------------------------------

FASHION = Data(name="fashion_mnist", train=None, test=None)
FASHION_VGG = Model(name="fashion_vgg", width=1.0, hidden=(200,), normalize=False)
FASHION_EPS = 0.1
EPOCH = 600  # updates: 60,000 images in batches of 100

_ADAM = recipes.ADAM | {"batch_size": 100}
# The loss is a sum over 100 images beside a decay of 2e-4: 2e-6 beside a mean.
_TENSORFLOW = _ADAM | {
    "updates": 80001,
    "lr_steps": ((50000, 0.1), (65000, 0.01)),
    "weight_decay": 2e-4 / 100,
    "decay_biases": False,
}


def fashion_defences() -> dict[str, Defended]:
    """The seven trainings of Fashion-MNIST."""
    pgd = recipes.pgd(constant(FASHION_EPS), step_share=0.2, steps=8)
    dist = recipes.distributional(1.0, steps=8)
    ibp = recipes.intervals(FASHION_EPS, start=8000, end=38000)
    return {
        "natural": Defended(defence=Natural(), **_TENSORFLOW),
        "pgd": Defended(defence=pgd, **_TENSORFLOW),
        "dist": Defended(defence=dist, **_TENSORFLOW),
        "diff": _difference(),
        "dual": _duality(),
        "abs": _abstract(),
        "ibp": Defended(defence=ibp, **_TENSORFLOW | {"weight_decay": 1e-4}),  # as on faces
    }


def _difference() -> Defended:
    return Defended(
        defence=recipes.trades(FASHION_EPS, step_size=0.02, steps=8),
        **_ADAM | recipes.DECAY_ALL,
        updates=100 * EPOCH,
        lr_steps=((60 * EPOCH, 0.1), (85 * EPOCH, 0.01)),
    )


def _duality() -> Defended:
    epoch = 2000  # updates: batches of 30
    ramp = Ramp(start=0, end=20 * epoch, low=0.003, high=FASHION_EPS)
    changed = recipes.DECAY_ALL | recipes.CLIPPED | {"batch_size": 30, "zero_nan": True}
    return InParts(
        parts=4,
        defence=Dual(eps=ramp, projections=20, clip_input=True),
        **_ADAM | changed,
        updates=61 * epoch,
        lr_steps=((35 * epoch, 0.1), (50 * epoch, 0.01)),
    )


def _abstract() -> Defended:
    return Defended(
        defence=recipes.boxes(FASHION_EPS, epoch=EPOCH),
        **_ADAM | recipes.CLIPPED,
        updates=100 * EPOCH,
        lr_steps=(),
        weight_decay=0.0,
        decay_biases=False,
    )


def fashion(name: str, *, seed: int) -> Train:
    """One of the seven on Fashion-MNIST, at the paper's width."""
    network = replace(FASHION_VGG, name="fashion_vgg_dual") if name == "dual" else FASHION_VGG
    return Train(
        data=FASHION,
        model=network,
        training=fashion_defences()[name],
        seed=seed,
        reading="literal",
        scale="paper",
    )


# -- CIFAR-10 -----------------------------------------------------------------------------------

CIFAR = Data(name="cifar10", train=None, test=None)
CIFAR_EPOCH = 391  # updates: 50,000 images in batches of 128
_MOMENTUM: dict[str, Any] = {
    "lr": 0.1,
    "batch_size": 128,
    "optimizer": "momentum",
    "momentum": 0.9,
    "weight_decay": 2e-4,
    "clip_grad_norm": inf,
    "zero_nan": False,
}
_MADRY = _MOMENTUM | {
    "updates": 80001,
    "lr_steps": ((40000, 0.1), (60000, 0.01)),
    "decay_biases": False,
    "augment": 2,
}
CIFAR_NETWORKS = {
    "natural": "wide_resnet",
    "pgd": "wide_resnet",
    "dist": "wide_resnet_relu",
    "diff": "wide_resnet_trades",
}


def cifar_defences() -> dict[str, Defended]:
    """The four trainings of CIFAR-10; no verifiable one was run there."""
    pgd = recipes.pgd(constant(EPS), step_share=0.25, steps=10)
    trades = recipes.trades(EPS, step_size=0.007, steps=10)
    # Their a is 12 * 255 where pixels and gradients are of 0..255: 12 / 255 where they are of 0..1.
    dist = recipes.distributional(12 / 255, steps=10)
    return {
        "natural": Defended(defence=Natural(), **_MADRY),
        "pgd": InParts(parts=4, defence=pgd, **_MADRY),
        "dist": InParts(parts=4, defence=dist, **_MADRY),
        "diff": InParts(
            parts=4,
            defence=trades,
            **_MOMENTUM,
            updates=100 * CIFAR_EPOCH,
            lr_steps=((75 * CIFAR_EPOCH, 0.1), (90 * CIFAR_EPOCH, 0.01)),
            decay_biases=True,
            augment=4,
        ),
    }


def cifar(name: str, *, seed: int) -> Train:
    """One of the four on CIFAR-10, at the paper's width."""
    network = CIFAR_NETWORKS[name]
    standardised = network != "wide_resnet_trades"
    return Train(
        data=CIFAR,
        model=Model(name=network, width=1.0, hidden=(), normalize=standardised),
        training=cifar_defences()[name],
        seed=seed,
        reading="literal",
        scale="paper",
    )


# -- what fits two cores ------------------------------------------------------------------------

REDUCED = ("natural", "pgd")


def reduced(full: Train, *, images: int, width: float, updates: int) -> Train:
    """The same recipe on fewer images for a narrower network: every moment at its share.

    As many test images at most, so that members and others are as many.
    """
    t = full.training
    assert isinstance(t, Defended)
    moments = tuple((round(n * updates / t.updates), factor) for n, factor in t.lr_steps)
    short = training_settings(t) | {"updates": updates, "lr_steps": moments}
    return replace(
        full,
        data=replace(full.data, train=images, test=images),
        model=replace(full.model, width=width),
        training=Defended(**short),
        scale="reduced",
    )


def fashion_reduced(name: str, *, seed: int) -> Train:
    """Natural or PGD training on 10,000 images of Fashion-MNIST at a sixteenth of the width."""
    return reduced(fashion(name, seed=seed), images=10000, width=1 / 16, updates=4000)


def cifar_reduced(name: str, *, seed: int) -> Train:
    """Natural or PGD training on 1000 images of CIFAR-10, widening factor 1 for 10."""
    return reduced(cifar(name, seed=seed), images=1000, width=0.1, updates=300)
