"""What may be done about the leak of song2019's models: their recipes, as `song2019` has the rest.

The paper discusses temperature scaling and regularisation; its settings stand beyond what this
book could read, so they are our choice. Temperature scaling trains nothing and is no model here.
"""

from dataclasses import replace
from typing import Any

from privrob.lab import song2019 as song
from privrob.lab.spec import (
    Data,
    Defended,
    DpSgd,
    Early,
    Regularised,
    Train,
    training_settings,
)

STOPS = (0.2, 0.6)  # of the updates: before and after eps stands still in profile quick
# The rule of Nasr et al. (2018): equal batches of both kinds; weight and network are ours.
ADVERSARY: dict[str, Any] = {"weight": 1.0, "hidden": (64,), "inner_lr": 1e-3, "inner_steps": 5}
REFERENCE = {"yale_faces": 475, "digits": 300}  # images that teach the adversary
FEWER, REGULARISED, PRIVATE = "fewer images", "min-max", "DP-SGD"

CLIP_NORM, NOISE_MULTIPLIER = 1.0, 2.0
PRIVATE_LR, PRIVATE_EPOCHS = 0.1, 60  # plain steps: the rate is not Adam's
PRIVATE_BATCH = {"yale_faces": 100, "digits": 50}


def stopped(train: Train, share: float) -> Train:
    """The first `share` of the updates of a training."""
    t = train.training
    assert isinstance(t, Defended)
    return replace(train, training=Early(**training_settings(t), stop=round(share * t.updates)))


def members(train: Train) -> Data:
    """The data of which the training images are the members: without those held for reference."""
    t = train.training
    if not isinstance(t, Regularised):
        return train.data
    images = train.data.train or song.SIZES[train.data.name][0]
    return replace(train.data, train=images - t.reference)


def regularised(train: Train) -> Train:
    """Training against an inference of membership, on the members of `train` where others are left.

    Where all images are members already, the last of them are held for reference instead.
    """
    t, name = train.training, train.data.name
    assert isinstance(t, Defended)
    data = train.data
    if data.train is not None:
        data = replace(data, train=data.train + REFERENCE[name])
    against = training_settings(t) | ADVERSARY | {"reference": REFERENCE[name]}
    return replace(train, data=data, training=Regularised(**against))


def without(train: Train) -> Train:
    """What a regularised model is compared with: its members, batches and first weights alone."""
    t = train.training
    assert isinstance(t, Regularised)
    return replace(train, data=members(train), training=Defended(**training_settings(t)))


def private(train: Train) -> Train:
    """DP-SGD in the place of a natural training."""
    name = train.data.name
    images = train.data.train or song.SIZES[name][0]
    batch = PRIVATE_BATCH[name]
    training = DpSgd(
        lr=PRIVATE_LR,
        epochs=PRIVATE_EPOCHS,
        batch_size=batch,
        sample_rate=batch / images,
        clip_norm=CLIP_NORM,
        noise_std=NOISE_MULTIPLIER * CLIP_NORM,
    )
    return replace(train, training=training)


def countermeasures(train: Train, *, private_too: bool) -> dict[str, Train]:
    """Name -> model: '' without any, ended early, regularised and, if asked for, private.

    And, where regularisation takes its reference from the members, no countermeasure on the rest.
    """
    early = {f"stop at {share:g}": stopped(train, share) for share in STOPS}
    against = regularised(train)
    twin = without(against)
    fewer = {} if twin == train else {FEWER: twin}
    last = {PRIVATE: private(train)} if private_too else {}
    return {"": train} | early | fewer | {REGULARISED: against} | last
