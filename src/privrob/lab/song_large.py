"""song2019 on Fashion-MNIST and CIFAR-10: recipes that want a GPU, and smaller ones that do not.

Settings are those of the authors' code (facts, sections 4, 6 and 7), written as in `song2019`.
"""

from dataclasses import replace
from math import inf
from typing import Any

from privrob.lab.song2019 import EPS
from privrob.lab.spec import (
    Abstract,
    Adversarial,
    Data,
    Defended,
    Distributional,
    Dual,
    Interval,
    Model,
    Natural,
    Ramp,
    Trades,
    Train,
    constant,
)

# -- Fashion-MNIST ------------------------------------------------------------------------------

FASHION = Data(name="fashion_mnist", train=None, test=None)
FASHION_VGG = Model(name="fashion_vgg", width=1.0, hidden=(200,), normalize=False)
FASHION_EPS = 0.1
EPOCH = 600  # updates: 60,000 images in batches of 100

_ADAM: dict[str, Any] = {
    "lr": 1e-4,
    "batch_size": 100,
    "optimizer": "adam",
    "momentum": 0.0,
    "clip_grad_norm": inf,
    "zero_nan": False,
    "augment": 0,
}
# The loss is a sum over 100 images beside a decay of 2e-4: 2e-6 beside a mean.
_TENSORFLOW = _ADAM | {
    "updates": 80001,
    "lr_steps": ((50000, 0.1), (65000, 0.01)),
    "weight_decay": 2e-4 / 100,
    "decay_biases": False,
}


def fashion_defences() -> dict[str, Defended]:
    """The seven trainings of Fashion-MNIST."""
    pgd = Adversarial(
        eps=constant(FASHION_EPS),
        step_share=0.2,
        steps=8,
        random_start=True,
        attack_mode="train",
        fraction=1.0,
    )
    trades = Trades(
        eps=FASHION_EPS, step_size=0.02, steps=8, start_std=0.001, beta=1.0, detach_clean=True
    )
    dual_epoch = 2000  # updates: batches of 30
    return {
        "natural": Defended(defence=Natural(), **_TENSORFLOW),
        "pgd": Defended(defence=pgd, **_TENSORFLOW),
        "dist": Defended(
            defence=Distributional(step_size=1.0, steps=8, attack_mode="train"), **_TENSORFLOW
        ),
        "diff": Defended(
            defence=trades,
            **_ADAM,
            updates=100 * EPOCH,
            lr_steps=((60 * EPOCH, 0.1), (85 * EPOCH, 0.01)),
            weight_decay=5e-4,
            decay_biases=True,
        ),
        "dual": Defended(
            defence=Dual(
                eps=Ramp(start=0, end=20 * dual_epoch, low=0.003, high=FASHION_EPS),
                projections=20,
                clip_input=True,
            ),
            **_ADAM | {"batch_size": 30, "clip_grad_norm": 1.0, "zero_nan": True},
            updates=61 * dual_epoch,
            lr_steps=((35 * dual_epoch, 0.1), (50 * dual_epoch, 0.01)),
            weight_decay=5e-4,
            decay_biases=True,
        ),
        "abs": Defended(
            defence=Abstract(
                eps=Ramp(start=41 * EPOCH, end=70 * EPOCH, low=FASHION_EPS / 30, high=FASHION_EPS),
                plain=20 * EPOCH,
                weight=0.2,
                clip_input=True,
            ),
            **_ADAM | {"clip_grad_norm": 1.0},
            updates=100 * EPOCH,
            lr_steps=(),
            weight_decay=0.0,
            decay_biases=False,
        ),
        "ibp": Defended(
            defence=Interval(
                eps=Ramp(start=8000, end=38000, low=0.0, high=FASHION_EPS),
                share=Ramp(start=8000, end=38000, low=0.0, high=0.5),
            ),
            **_TENSORFLOW | {"weight_decay": 1e-4},
        ),
    }


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
    pgd = Adversarial(
        eps=constant(EPS),
        step_share=0.25,
        steps=10,
        random_start=True,
        attack_mode="train",
        fraction=1.0,
    )
    trades = Trades(
        eps=EPS, step_size=0.007, steps=10, start_std=0.001, beta=1.0, detach_clean=True
    )
    # Their a is 12 * 255 where pixels and gradients are of 0..255: 12 / 255 where they are of 0..1.
    dist = Distributional(step_size=12 / 255, steps=10, attack_mode="train")
    return {
        "natural": Defended(defence=Natural(), **_MADRY),
        "pgd": Defended(defence=pgd, **_MADRY),
        "dist": Defended(defence=dist, **_MADRY),
        "diff": Defended(
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


def reduced(full: Train, *, width: float, updates: int) -> Train:
    """The same recipe for a narrower network in fewer updates: every moment at its share."""
    t = full.training
    assert isinstance(t, Defended)
    moments = tuple((round(n * updates / t.updates), factor) for n, factor in t.lr_steps)
    return replace(
        full,
        model=replace(full.model, width=width),
        training=replace(t, updates=updates, lr_steps=moments),
        scale="reduced",
    )


def fashion_reduced(name: str, *, seed: int) -> Train:
    """Natural or PGD training on Fashion-MNIST at a sixteenth of the width, 16,000 updates."""
    return reduced(fashion(name, seed=seed), width=1 / 16, updates=16000)


def cifar_reduced(name: str, *, seed: int) -> Train:
    """Natural or PGD training on CIFAR-10, widening factor 1 for 10, 8000 updates."""
    return reduced(cifar(name, seed=seed), width=0.1, updates=8000)
