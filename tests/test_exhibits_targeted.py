"""Targeted membership inference: the task on a small network, and the rows made of its scores."""

from types import SimpleNamespace

import numpy as np
import pytest
import torch

from leak_specimens import leak
from privrob import attacks, evaluate, exhibits
from privrob.exhibits import targeted
from privrob.lab import costs, song_digits, tasks
from privrob.lab.context import Splits
from privrob.lab.spec import Data, Membership, Targeted
from privrob.lab.tasks.base import _new_model
from privrob.membership import scores

DATA = Data(name="digits", train=12, test=9)
TRAIN = song_digits.digits("pgd", seed=0)
SPEC = Targeted(train=TRAIN, data=DATA, eps=0.05, steps=3)


class Alone:
    device = torch.device("cpu")
    split = Splits(device).get

    def restore(self):
        """Nothing to go on from."""

    def progress(self, done, total):
        """Nobody listens."""

    def checkpoint(self, done, weights, history, *, every):
        """Nothing is kept."""


@pytest.fixture(scope="module")
def network():
    return _new_model(TRAIN).eval()


@pytest.fixture(scope="module")
def found(network):
    upstream = {"train": tasks.Output({}, network.state_dict())}
    return tasks.TASKS["targeted"](SPEC, upstream, Alone()).arrays


def test_a_score_is_that_of_one_targeted_walk(network, found):
    assert found["log_odds_targeted_train"].shape == (9, 12)
    others = found["log_odds_targeted_test"]
    assert others.shape == (9, 9)
    split = Splits(torch.device("cpu")).get(DATA, "test")
    x, y = split.batch(torch.arange(len(split)))
    assert np.array_equal(found["labels_test"], y)
    label = int(y[4])
    wrong = [k for k in range(10) if k != label]
    for row in (0, 8):
        goal = torch.tensor([wrong[row]])
        walk = {"eps": 0.05, "step_size": 2.5 * 0.05 / 3, "steps": 3, "random_start": False}
        end = attacks.pgd(network, x[4:5], goal, targeted=True, **walk)
        expected = scores.SCORES["log_odds"](evaluate.logits(network, end), y[4:5])
        assert others[row, 4] == pytest.approx(float(expected), abs=1e-4)


def test_it_costs_as_many_walks_as_there_are_wrong_labels():
    once = Membership(train=TRAIN, data=DATA, eps=0.05, steps=3, verifier="")
    one, all_of_them = (costs.minutes(s, images=(12, 9)) for s in (once, SPEC))
    assert all_of_them == pytest.approx(9 * one)


def of(train, arrays):
    """A leak of 12 and 9 points, of that model, with more arrays."""
    made_up = leak(np.arange(12.0), np.arange(9.0))
    made_up.row.variant = SimpleNamespace(**vars(made_up.row.variant) | {"train": train})
    made_up.row.result.arrays.update(arrays)
    return made_up


def test_each_adversary_has_a_row():
    rng = np.random.default_rng(0)
    sides = rng.normal(1, 1, (12, 9)), rng.normal(0, 1, (9, 9))
    mine = of(TRAIN, dict(zip(("log_odds_targeted_train", "log_odds_targeted_test"),
                              (side.T for side in sides), strict=True)))  # fmt: skip
    own, another = of(TRAIN, {}), of(song_digits.digits("pgd", seed=1), {})
    away, towards, classifier = exhibits.targeted_rows([mine], [another, own])
    assert (
        away["chosen on\nits points"].mean
        == 100 * own.audit("adversarial", score="log_odds").official.accuracy
    )
    best = targeted.targeted.best_column(*sides, seed=targeted.AUDIT_SEED)
    assert towards["chosen on\nits points"].mean == 100 * best.official.accuracy
    assert towards["held out"].mean == pytest.approx(100 * best.held_out)
    assert towards["held out"].low < towards["held out"].mean < towards["held out"].high
    assert towards["95 %\nof chance"].mean > away["95 %\nof chance"].mean  # the best of nine
    assert classifier["chosen on\nits points"] is None
    assert classifier["held out"].low <= classifier["held out"].mean
    assert len(exhibits.targeted_rows([mine], [another])) == 2
