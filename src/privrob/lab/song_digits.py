"""song2019 in seconds a model: on digits, with a network that bounds can follow.

The verifiable defences have no other quick training: on drawn faces and the authors' ten layers
they stay at chance in so few updates, whatever the settings, as intervals widen at each layer. So
profile quick has one convolution and two hidden dense layers here. Natural and PGD training of the
same network stand where faces would take too long: beside them, and where many models are needed.
"""

from dataclasses import replace

from privrob.lab import song2019 as song
from privrob.lab.spec import (
    Abstract,
    Adversarial,
    Data,
    Defence,
    Defended,
    Dual,
    Interval,
    Model,
    Natural,
    Train,
    training_settings,
)

NAMES = ("natural", "pgd", *song.VERIFIABLE)
DIGITS = Data(name="digits", train=300, test=None)  # of more, members are like others
NETWORK = Model(name="digits_vgg", width=1.0, hidden=(64, 32), normalize=False)
EPS = song.EPS_OF["digits"]
UPDATES, BATCH, LR = 400, 50, 1e-3
DUAL_UPDATES, PROJECTIONS = 150, 10  # each update costs as much as many of the others
PGD_STEPS = 4
WARM, FULL, FALL = 0.1, 0.6, 0.75  # of the training: eps rises between the first two; then the rate
# Many alike: thirty-two in half a minute, for attacks that compare a model with its shadows.
SHADOW_UPDATES, SHADOW_LR, SHADOW_STEPS = 120, 5e-3, 2


def digits(name: str, *, seed: int) -> Train:
    """Natural or PGD training or a verifiable defence: `song2019.yale` cut to seconds."""
    if name not in NAMES:
        raise ValueError(f"no defence {name!r} on digits; there are {', '.join(NAMES)}")
    full = song.yale(name, seed=seed)
    assert isinstance(full.training, Defended)
    training = _short(full.training)
    return replace(full, data=DIGITS, model=NETWORK, training=training, scale="reduced")


def _short(t: Defended) -> Defended:
    updates = DUAL_UPDATES if isinstance(t.defence, Dual) else UPDATES
    short = {
        "updates": updates,
        "batch_size": BATCH,
        "lr": LR,
        "lr_steps": ((round(FALL * updates), 0.2),),
        "defence": _defence(t.defence, updates),
    }
    return Defended(**training_settings(t) | short)


def _defence(d: Defence, updates: int) -> Defence:
    start, end = round(WARM * updates), round(FULL * updates)
    match d:
        case Adversarial():
            ramp = replace(d.eps, start=start, end=end, high=EPS)
            share = d.step_share * d.steps / PGD_STEPS
            return replace(d, eps=ramp, steps=PGD_STEPS, step_share=share)
        case Dual():
            ramp = replace(d.eps, end=end, low=EPS / 100, high=EPS)
            return replace(d, eps=ramp, projections=PROJECTIONS, clip_input=True)
        case Abstract():
            ramp = replace(d.eps, start=start, end=end, low=EPS / 30, high=EPS)
            return replace(d, eps=ramp, plain=start)
        case Interval():
            ramp = replace(d.eps, start=start, end=end, high=EPS)
            return replace(d, eps=ramp, share=replace(d.share, start=start, end=end))
        case Natural():
            return d
    raise TypeError(f"no quick training of {type(d).__name__}")


# -- many alike ---------------------------------------------------------------------------------


def shadow(name: str, *, seed: int) -> Train:
    """Natural or PGD training of `digits` in fewer updates, at a higher rate, by fewer steps.

    ValueError for another defence.
    """
    if name not in song.HALVED:
        raise ValueError(f"no shadows of {name!r}: there are {', '.join(song.HALVED)}")
    train = digits(name, seed=seed)
    t = train.training
    assert isinstance(t, Defended)
    share = SHADOW_UPDATES / t.updates
    falls = tuple((round(share * n), factor) for n, factor in t.lr_steps)
    short = replace(t, updates=SHADOW_UPDATES, lr=SHADOW_LR, lr_steps=falls)
    return replace(train, training=replace(short, defence=_shorter(t.defence, share)))


def _shorter(d: Defence, share: float) -> Defence:
    """PGD whose eps rises within `share` of the updates, in fewer steps that reach as far."""
    if not isinstance(d, Adversarial):
        return d
    ramp = replace(d.eps, start=round(share * d.eps.start), end=round(share * d.eps.end))
    reach = d.step_share * d.steps
    return replace(d, eps=ramp, steps=SHADOW_STEPS, step_share=reach / SHADOW_STEPS)
