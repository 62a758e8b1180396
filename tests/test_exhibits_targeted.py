"""Targeted membership inference on a network that was never trained."""

from types import SimpleNamespace

import numpy as np
import pytest
import torch

from leak_specimens import leak
from privrob import attacks, evaluate, exhibits, models
from privrob.exhibits import targeted
from privrob.lab import song_digits
from privrob.lab.context import Splits
from privrob.lab.spec import Data, Membership
from privrob.membership import scores

DATA = Data(name="digits", train=12, test=9)
SPEC = Membership(
    train=song_digits.digits("pgd", seed=0), data=DATA, eps=0.05, steps=3, verifier=""
)


@pytest.fixture
def made_up(monkeypatch):
    """A leak of 12 and 9 points and the random network behind it."""
    network = models.build("digits_vgg", seed=1, **SPEC.train.model.settings).eval()
    monkeypatch.setattr(targeted, "model", lambda row: network)
    found = leak(np.arange(12.0), np.arange(9.0))
    found.row.variant = SimpleNamespace(**vars(found.row.variant), spec=SPEC)
    return found, network


def test_a_score_is_that_of_one_targeted_walk(made_up):
    found, network = made_up
    members, others = targeted.targeted_sides(found)
    assert members.shape == (12, 9)
    assert others.shape == (9, 9)
    split = Splits(torch.device("cpu")).get(DATA, "test")
    x, y = split.batch(torch.arange(len(split)))
    label = int(y[4])
    wrong = [k for k in range(10) if k != label]
    for column in (0, 8):
        goal = torch.tensor([wrong[column]])
        walk = {"eps": 0.05, "step_size": 2.5 * 0.05 / 3, "steps": 3, "random_start": False}
        end = attacks.pgd(network, x[4:5], goal, targeted=True, **walk)
        expected = scores.SCORES["log_odds"](evaluate.logits(network, end), y[4:5])
        assert others[4, column] == pytest.approx(float(expected), abs=1e-4)


def test_each_adversary_has_a_row(made_up, monkeypatch):
    found, _ = made_up
    rng = np.random.default_rng(0)
    sides = rng.normal(1, 1, (12, 9)), rng.normal(0, 1, (9, 9))
    monkeypatch.setattr(targeted, "targeted_sides", lambda _: sides)
    away, towards, classifier = exhibits.targeted_rows([found])
    assert (
        away["chosen on\nits points"].mean
        == 100 * found.audit("adversarial", score="log_odds").official.accuracy
    )
    best = targeted.targeted.best_column(*sides, seed=targeted.AUDIT_SEED)
    assert towards["chosen on\nits points"].mean == 100 * best.official.accuracy
    assert towards["held out"].mean == 100 * best.held_out
    assert towards["95 %\nof chance"].mean > away["95 %\nof chance"].mean  # the best of nine
    assert classifier["chosen on\nits points"] is None
    assert classifier["held out"].low <= classifier["held out"].mean
