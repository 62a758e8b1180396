"""What an attacker finds on small private trainings stays below what the accountant allows.

A linear model without biases on pictures that share no pixel: nobody hides another's gradient, and
each is far longer than the clipping norm, the worst case of DP-SGD. Halves in pairs, likelihood
ratios and the bound are those of the book's audit. With an engine that does not clip, or has too
little noise, the bound must rise above the accounted epsilon: the check can fail.
"""

from functools import partial

import numpy as np
import pytest
import torch
from torch import nn

from privrob import data, privacy
from privrob.membership import audit, lira
from privrob.training import private

MODELS, POINTS, LENGTH = 64, 200, 10.0
SIGMA, CLIP, RATE, UPDATES, LR = 2.0, 1.0, 0.5, 8, 0.5
DELTA, LEVEL = 1e-5, 0.95

X = LENGTH * torch.eye(POINTS).view(POINTS, 1, 1, POINTS)
Y = torch.arange(POINTS) % 2


def trained(members, *, seed, noise_std=SIGMA * CLIP, engine="fast"):
    """Log-odds of the true label at all points, after DP-SGD on the members from zero weights."""
    model = nn.Sequential(nn.Flatten(), nn.Linear(POINTS, 2, bias=False))
    nn.init.zeros_(model[1].weight)
    x, y, draw = X[members], Y[members], torch.Generator().manual_seed(seed)
    step = private.private_step(
        model,
        lr=LR,
        clip_norm=CLIP,
        noise_std=noise_std,
        expected_batch=RATE * len(x),
        engine=engine,
        generator=draw,
    )
    for index in private.poisson_batches(len(x), sample_rate=RATE, updates=UPDATES, generator=draw):
        step(x[index], y[index])
    with torch.no_grad():
        g = model(X)
    return (g.gather(1, Y[:, None]) - g.gather(1, 1 - Y[:, None])).squeeze(1).numpy()


def audited(train, *, models=MODELS):
    """Epsilon from below, by guesses and by rates."""
    members = data.halves(Y.numpy(), models=models, seed=0)
    scores = np.stack([train(torch.from_numpy(m), seed=i) for i, m in enumerate(members)])
    ratios = lira.online_without_partner(scores, members, variance="pooled")
    first = np.arange(models) % 2 == 0
    asked = {"chosen_on": first, "delta": DELTA, "level": LEVEL}
    return [
        audit.epsilon_lower_bound(ratios, members, by=by, **asked).epsilon
        for by in ("guesses", "rates")
    ]


def accounted(*, rate=RATE):
    """Of every training here, at the sampling rate of its half."""
    return privacy.epsilon(
        noise_multiplier=SIGMA, sample_rate=rate, updates=UPDATES, delta=DELTA, accountant="prv"
    )


@pytest.mark.filterwarnings("ignore:Full backward hook")  # opacus, where no input needs a gradient
@pytest.mark.parametrize(("engine", "models"), [("fast", MODELS), ("opacus", 32)])
def test_a_sound_engine_stays_below_the_accounted_epsilon(engine, models):
    found = audited(partial(trained, engine=engine), models=models)
    assert max(found) < accounted()
    assert max(found) > 0.1 * accounted()  # and the attack is not blind


def unclipped(model, x, y, *, clip_norm, clip=private.clipped_gradient):
    return clip(model, x, y, clip_norm=1e9)


def clipped_as_one(model, x, y, *, clip_norm, clip=private.clipped_gradient):
    """The mistake of clipping a batch's mean gradient: the sum may be a batch times as long."""
    total = clip(model, x, y, clip_norm=1e9)
    norm = torch.cat([g.flatten() for g in total.values()]).norm() / max(len(x), 1)
    return {name: g / max(1.0, float(norm / clip_norm)) for name, g in total.items()}


@pytest.mark.parametrize("broken", [unclipped, clipped_as_one])
def test_an_engine_that_does_not_clip_each_example_is_found(monkeypatch, broken):
    monkeypatch.setattr(private, "clipped_gradient", broken)
    assert min(audited(trained)) > accounted()


@pytest.mark.parametrize("share", [0.1, 1 / 3])
def test_an_engine_with_too_little_noise_is_found(share):
    assert min(audited(partial(trained, noise_std=share * SIGMA * CLIP))) > accounted()


def test_half_of_the_noise_shows_more_and_is_not_found():
    """What the book says of the comparison's reach."""
    sound, halved = (audited(partial(trained, noise_std=s * SIGMA * CLIP)) for s in (1, 0.5))
    assert all(a < b < accounted() for a, b in zip(sound, halved, strict=True))


def test_an_accountant_that_is_told_too_small_a_rate_is_found():
    """The engine is sound, but takes ten times the share of the examples that is accounted."""
    assert min(audited(trained)) > accounted(rate=RATE / 10)
