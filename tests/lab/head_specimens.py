"""Tiny heads on frozen features, for the lab's tests."""

from dataclasses import replace

from privrob.lab.spec import Data, DpSgd, HalvedTraining, Head, Model, Pretrained, Sgd, StoppedHead

NETWORK = Model(name="digits_head_cnn", width=0.1, hidden=(100,), normalize=True)
PUBLIC = Pretrained(
    data=Data(name="digits", train=300, test=None),
    model=NETWORK,
    training=Sgd(lr=0.1, epochs=2, batch_size=30),
    seed=0,
    holdout=50,
    augment=0,
    reading="literal",
    scale="reduced",
)
SGD = Head(
    data=Data(name="glyphs", train=200, test=100),
    model=replace(NETWORK, hidden=(200, 100)),
    training=Sgd(lr=0.05, epochs=3, batch_size=20),
    seed=0,
    features=PUBLIC,
    augment=0,
    reading="literal",
    scale="reduced",
)
PRIVATE = DpSgd(lr=0.05, epochs=3, batch_size=20, sample_rate=0.1, clip_norm=3.0, noise_std=1.0)
DPSGD = replace(SGD, training=PRIVATE)
VIEWS = replace(SGD, augment=2)
TRAININGS = {"sgd": SGD, "dpsgd": DPSGD, "views": VIEWS, "dp views": replace(DPSGD, augment=2)}
STOPPED = StoppedHead(
    data=SGD.data,
    model=SGD.model,
    training=replace(SGD.training, epochs=30),
    seed=0,
    features=PUBLIC,
    augment=0,
    reading="literal",
    scale="reduced",
    target=DPSGD,
    holdout=100,
    look_every=3,
)


def half(k, **changes):
    settings = {"name": "glyphs", "train": 200, "test": None, "half": k, "models": 4, "draw": 3}
    return HalvedTraining(**settings | changes)
