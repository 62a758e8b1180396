"""Trainings that lost what they had learned."""

from types import SimpleNamespace

import numpy as np
import pytest

from leak_specimens import leak
from privrob.exhibits import histories


@pytest.mark.parametrize(
    ("history", "expected"),
    [
        ([0.2, 0.7, 0.9, 0.6, 0.1, 0.1], (3, 5)),
        ([0.2, 0.7, 0.9, 0.1, 0.8], None),  # it came back
        ([0.2, 0.7, 0.9], None),
        ([0.9, 0.44], (1, 2)),
        ([0.9, 0.46], None),
    ],
)
def test_a_fall_is_from_the_best_to_below_half_of_it(history, expected):
    assert histories.fall(history) == expected


def test_models_without_a_record_tell_nothing():
    text = histories.falls_told([leak([1.0], [0.0])]).text
    assert text == "Recorded: None of the 0 recorded models lost what it had learned."


def test_a_fall_is_told_with_its_epochs(monkeypatch):
    monkeypatch.setattr(histories, "Lab", lambda store, on: FakeLab([0.5, 0.98, 0.03]))
    shown = leak([1.0] * 6, [0.0] * 6, model="abs", tier="recorded", source="")
    shown.row.variant.train = SimpleNamespace(training=None)
    text = histories.falls_told([shown]).text
    assert "abstract training, seed 0, was right on 98.0 % after epoch 2" in text
    assert "3.0 % after epoch 3; it ended at 3.0 %, where guessing has 33.3 %." in text


class FakeLab:
    """A lab whose every training went as `history` says."""

    def __init__(self, history):
        self.history = history

    def lookup(self, train):
        return SimpleNamespace(arrays={"history": np.array(self.history)})
