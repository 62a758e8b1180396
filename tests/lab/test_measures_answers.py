"""By class and by confidence: against loops and scikit-learn."""

import numpy as np
import pytest
from scipy.special import softmax
from sklearn.calibration import calibration_curve
from sklearn.metrics import recall_score

from privrob.lab.measures import answers, base

N, K = 400, 10


@pytest.fixture
def pair():
    rng = np.random.default_rng(0)

    def record(sharpness: float) -> dict:
        labels = rng.integers(K, size=N).astype(np.int8)
        logits = rng.normal(size=(K, N)) * 2
        logits[labels, np.arange(N)] += 3
        return {"logits": (sharpness * logits).astype(np.float16), "labels": labels}

    return {"sgd": record(1.0), "dpsgd": record(0.4)}


def test_class_accuracy_is_recall(pair):
    for model, record in pair.items():
        found = answers.class_accuracy(pair, model=model)
        answered = record["logits"].argmax(0)
        assert np.allclose(found, 100 * recall_score(record["labels"], answered, average=None))


def test_reliability_is_scikit_learns_where_bins_are_filled(pair):
    record = pair["sgd"]
    sure = softmax(record["logits"].astype(float), axis=0).max(0)
    right = record["logits"].argmax(0) == record["labels"]
    expected, mean = calibration_curve(right, sure, n_bins=answers.BINS)
    found = answers.reliability(pair, model="sgd")
    seen = ~np.isnan(found[0])
    assert np.allclose(found[:, seen], 100 * np.stack([mean, expected]))


def test_calibration_error_of_a_bin_that_is_always_right_and_never_sure():
    logits = np.zeros((K, 50))
    logits[0] = np.log(9.0)  # nine tenths against the other nine: a half
    record = {"logits": logits, "labels": np.zeros(50, np.int8)}
    assert answers.calibration_error({"sgd": record}, model="sgd") == pytest.approx(50)


@pytest.mark.parametrize("measure", [answers.class_accuracy, answers.calibration_error])
def test_resamples_are_what_drawing_images_gives(pair, measure):
    many = measure(base.resampled(pair), model="dpsgd")
    drawn = np.repeat(np.arange(N), base._counts(N)[7].astype(int))
    again = {m: {n: a[..., drawn] for n, a in r.items()} for m, r in pair.items()}
    assert np.allclose(many[7], measure(again, model="dpsgd"), rtol=1e-4)


def test_the_gap_is_paired(pair):
    sides = (answers.class_accuracy(pair, model=m) for m in ("sgd", "dpsgd"))
    assert np.allclose(answers.class_gap(pair), np.subtract(*sides))
