"""Labels in the package are those of the data set."""

import os

import numpy as np
import pytest

from privrob import data

ROOT = os.environ.get("PRIVROB_DATA")  # before the tests of this folder take it away


def test_there_are_as_many_of_every_class():
    labels = data.train_labels("cifar10")
    assert labels.dtype == np.int64
    assert np.bincount(labels).tolist() == [5000] * 10


@pytest.mark.skipif(not data.locate("cifar10", ROOT).found, reason="needs CIFAR-10")
def test_they_are_those_of_the_images():
    np.testing.assert_array_equal(
        data.train_labels("cifar10"), data.load("cifar10", root=ROOT).train.y
    )


def test_other_sets_have_none():
    assert data.train_labels("mnist") is None


def test_a_damaged_file_is_refused(monkeypatch):
    from privrob.data import labels

    monkeypatch.setattr(labels, "_FILES", {"cifar10": ("cifar10_train_labels.npz", 49999)})
    with pytest.raises(data.DataError, match=r"\(50000,\) labels, not \(49999,\)"):
        data.train_labels("cifar10")
