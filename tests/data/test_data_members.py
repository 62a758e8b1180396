"""Random halves: who is a member of which model."""

from typing import Any

import numpy as np
import pytest
import torch

from privrob import data

Y = np.repeat([0, 1, 2, 3], [64, 59, 2, 7])
FIRST = [117, 178, 251, 281]


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


@pytest.mark.parametrize(("size", "k"), [(300, 30), (1900, 10), (7, 2), (5, 1)])
def test_groups_share_no_example_and_leave_fewer_than_k_over(size: int, k: int) -> None:
    groups = [data.left_out(size, k=k, group=g, seed=0) for g in range(size // k)]
    assert all(len(g) == k and (np.diff(g) > 0).all() for g in groups)
    every = np.concatenate(groups)
    assert len(set(every.tolist())) == len(every) == size // k * k
    assert every.min() >= 0
    assert every.max() < size


def test_who_is_left_out_is_random_and_depends_on_the_seed() -> None:
    times = np.zeros(20)
    for seed in range(2000):
        times[data.left_out(20, k=5, group=1, seed=seed)] += 1
    # Each example in a quarter of the groups, 500 of 2000 with a deviation of 19
    assert np.abs(times - 500).max() < 90
    assert data.left_out(300, k=4, group=0, seed=0).tolist() == FIRST  # the same everywhere


def test_groups_of_another_seed_are_others() -> None:
    a, b = (data.left_out(300, k=30, group=0, seed=s) for s in (0, 1))
    assert not np.array_equal(a, b)


@pytest.mark.parametrize(
    ("size", "k", "group", "seed", "message"),
    [
        (0, 1, 0, 0, "size must be >= 1 .* not 0 and 0"),
        (9, 1, 0, -1, "not 9 and -1"),
        (9, 0, 0, 0, "k must be 1 to 8, to leave some of 9 examples, not 0"),
        (9, 9, 0, 0, "not 9"),
        (9, 4, 2, 0, r"group must lie in 0\.\.1 for 4 of 9, not 2"),
        (9, 4, -1, 0, "not -1"),
    ],
)
def test_left_out_refuses_bad_input(size: int, k: int, group: int, seed: int, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        data.left_out(size, k=k, group=group, seed=seed)
