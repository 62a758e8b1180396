"""Tiny specs and stand-ins for tasks, shared by the lab's tests: seconds in all, no files."""

from dataclasses import replace
from functools import cache

import numpy as np
import torch

from privrob import data
from privrob.lab.spec import (
    Corrupted,
    Curvature,
    Data,
    Defended,
    Distance,
    DpSgd,
    Fgsm,
    Interval,
    Logits,
    Masking,
    Membership,
    Model,
    Pgd,
    Ramp,
    Section,
    Sgd,
    Steps,
    Targeted,
    Train,
)
from privrob.lab.tasks import Output

load = cache(data.load)  # drawing the glyphs takes a second

SGD = Train(
    data=Data(name="glyphs", train=600, test=100),
    model=Model(name="mnist_cnn", width=0.2, hidden=(500,), normalize=True),
    training=Sgd(lr=0.1, epochs=3, batch_size=20),
    seed=0,
    reading="literal",
    scale="reduced",
)
DPSGD = replace(
    SGD,
    training=DpSgd(lr=0.1, epochs=3, batch_size=60, sample_rate=0.1, clip_norm=1.0, noise_std=1.3),
)
IBP = replace(
    SGD,
    training=Defended(
        defence=Interval(
            eps=Ramp(start=2, end=20, low=0.0, high=0.02),
            share=Ramp(start=2, end=20, low=0.0, high=0.5),
        ),
        lr=1e-3,
        batch_size=60,
        updates=25,
        optimizer="adam",
        momentum=0.0,
        lr_steps=((20, 0.1),),
        weight_decay=1e-5,
        decay_biases=False,
        clip_grad_norm=1.0,
        zero_nan=False,
        augment=0,
    ),
)
TEST = Data(name="glyphs", train=None, test=100)
FGSM = Fgsm(train=SGD, data=TEST, eps=(0.0, 0.05, 0.1))
PGD = Pgd(train=SGD, data=TEST, eps=(0.02, 0.05), step_size=0.01, steps=(3, 5))
IMAGES = replace(TEST, test=12)
MEMBERSHIP = Membership(
    train=IBP,
    data=Data(name="glyphs", train=30, test=20),
    eps=0.02,
    steps=3,
    verifier="interval",
)
TARGETED = Targeted(train=IBP, data=MEMBERSHIP.data, eps=0.02, steps=3)
OF = {"train": SGD, "data": IMAGES}
PROBES = {
    "logits": Logits(**OF),
    "distance": Distance(**OF, steps=5, overshoot=0.02),
    "curvature": Curvature(**OF),
    "section": Section(**OF, steps=5, extent=3.0, resolution=7, draw=0),
    "steps": Steps(**OF, eps=(0.05, 0.3), step_sizes=(0.02, 0.05), steps=8),
    "masking": Masking(
        **OF,
        surrogate=replace(SGD, seed=1),
        eps=(0.05, 0.2),
        step_size=0.02,
        steps=4,
        restarts=2,
        queries=5,
        first_share=0.5,
        draw=0,
    ),
    "corrupted": Corrupted(**OF, corruptions=("fog", "shear", "inverse"), draw=3),
}


def stub(spec, upstream, context) -> Output:
    """An output of the right shape for any kind of spec, at once."""
    context.progress(1, 1)
    if isinstance(spec, Train):
        arrays = {"history": np.ones(1), "correct_test": np.array([True, True, True, False])}
        return Output(arrays, {"w": torch.zeros(2)})
    eps = np.array(getattr(spec, "eps", (0.0,)))
    return Output({"eps": eps, "correct": np.ones((len(eps), 4), bool)})


def same(a: dict, b: dict) -> bool:
    """Both have the same arrays, bit for bit."""
    return a.keys() == b.keys() and all(
        a[n].dtype == b[n].dtype and a[n].tobytes() == b[n].tobytes() for n in a
    )
