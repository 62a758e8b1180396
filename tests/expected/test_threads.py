"""What is said of thread counts follows from the arrays that they gave."""

import importlib.util
from pathlib import Path

import numpy as np

spec = importlib.util.spec_from_file_location("threads", Path(__file__).parent / "threads.py")
threads = importlib.util.module_from_spec(spec)
spec.loader.exec_module(threads)


def arrays(right, odds):
    return {
        "correct_test": np.array(right, bool),
        "log_odds_test": np.array(odds, np.float16),
        "correct": np.array([right, [False] * len(right)], bool),
    }


def test_the_largest_difference_of_any_two_runs_counts():
    runs = [
        arrays([1, 1, 1, 0], [1.0, 2.0, 3.0, 4.0]),
        arrays([1, 1, 0, 1], [1.0, 2.5, 3.5, 9.0]),
        arrays([1, 0, 0, 0], [1.0, 2.0, 3.0, 4.0]),
    ]
    assert threads.apart(runs) == {
        "test accuracy, points": 50.0,
        "test images judged differently, percent": 50.0,
        "log-odds of a test image, median": 0.5,
        "accuracy under FGSM at any eps, points": 50.0,
    }


def test_equal_means_bit_for_bit():
    one, other = ({"sgd": {"odds": np.array([x])}} for x in (0.0, -0.0))
    assert threads.equal(one, one)
    assert not threads.equal(one, other)
