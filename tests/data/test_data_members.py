"""Random halves: who is a member of which model."""

from typing import Any

import numpy as np
import pytest
import torch

from privrob import data

Y = np.repeat([0, 1, 2, 3], [64, 59, 2, 7])


def test_each_model_has_half_of_each_class() -> None:
    members = data.halves(Y, models=16, seed=0)
    assert members.shape == (16, len(Y))
    assert members.dtype == bool
    for label, count in enumerate(np.bincount(Y)):
        of_class = members[:, label == Y].sum(axis=1)
        assert {count // 2, count - count // 2} >= set(of_class.tolist())
    # The odd one goes now to the one, now to the other model of a pair
    assert 0 < (members[::2, Y == 1].sum(axis=1) == 30).sum() < 8


def test_every_example_is_in_half_of_an_even_number_of_models() -> None:
    assert (data.halves(Y, models=16, seed=0).sum(axis=0) == 8).all()
    assert set(data.halves(Y, models=5, seed=0).sum(axis=0).tolist()) == {2, 3}


def test_halves_depend_on_the_seed_and_the_pair_alone() -> None:
    few, more, other = (data.halves(Y, models=n, seed=s) for n, s in ((3, 1), (16, 1), (3, 2)))
    assert np.array_equal(few, more[:3])
    assert not np.array_equal(few, other)
    assert len(np.unique(more, axis=0)) == 16
    assert np.array_equal(data.halves(torch.from_numpy(Y), models=3, seed=1), few)


def test_halves_are_random_within_a_class_and_between_pairs() -> None:
    members = data.halves(np.zeros(1000, int), models=400, seed=0)[::2].astype(float)
    # 200 independent halves of 1000: each example in 100, deviation 7; correlations below 1/14
    assert np.abs(members.sum(axis=0) - 100).max() < 35
    assert np.abs(np.corrcoef(members) - np.eye(200)).max() < 0.2
    assert np.abs(np.corrcoef(members.T[:200]) - np.eye(200)).max() < 0.36


@pytest.mark.parametrize(
    ("y", "models", "seed", "message"),
    [
        ([0, 0, 1], 2, 0, "class 1 has one example"),
        ([0, -1, 0], 2, 0, "label -1 is below 0"),
        ([0.0, 0.0], 2, 0, r"integers \(N,\), not float64 \(2,\)"),
        ([[0, 0]], 2, 0, r"not int64 \(1, 2\)"),
        (np.zeros(0, int), 2, 0, r"\(0,\)"),
        ([0, 0], 0, 0, "models must be >= 1 .* not 0 and 0"),
        ([0, 0], 1, -1, "not 1 and -1"),
    ],
)
def test_halves_refuse_bad_input(y: Any, models: int, seed: int, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        data.halves(y, models=models, seed=seed)
