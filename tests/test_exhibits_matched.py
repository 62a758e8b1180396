"""Spectra at equal confidence and the distance taken apart, on records made here."""

from types import SimpleNamespace

import numpy as np
import pytest
import torch

from privrob import geometry, models
from privrob.attacks import boundary
from privrob.exhibits import matched
from record_specimens import IMAGES, curvature_arrays, group


def pair_of(sgd, dpsgd, *, seeds=(0,)):
    """A recorded group with these arrays for every seed."""
    variants = [
        SimpleNamespace(model=model, seed=seed, reading="literal", note="")
        for seed in seeds
        for model in ("sgd", "dpsgd")
    ]
    return group(lambda v: sgd if v.model == "sgd" else dpsgd, variants)


@pytest.fixture
def record():
    return curvature_arrays(np.random.default_rng(0), 1.0)


def scaled(record, *, logits, jacobian):
    """The record of a network whose logits and Jacobian are so many times as large."""
    g = torch.from_numpy(logits * record["logits"].T).double()
    gram = torch.from_numpy(jacobian**2 * record["gram"]).double().permute(2, 0, 1)
    spectra = {"hessian": geometry.spectrum(gram, g.softmax(1)).T.numpy()}
    spectra["jacobian"] = jacobian**2 * record["jacobian"]
    kept = {"logits": g.T.numpy(), "gram": gram.permute(1, 2, 0).numpy()}
    return record | spectra | kept


def test_partners_are_the_nearest():
    rng = np.random.default_rng(1)
    have, wanted = rng.normal(size=50), 2 * rng.normal(size=70)
    slow = [np.abs(have - w).argmin() for w in wanted]
    assert np.array_equal(matched.partners(have, wanted), slow)


def test_what_only_confidence_makes_is_gone_at_equal_confidence(record):
    """DP-SGD answers as SGD does, but only its unsure images, each twice."""
    unsure = np.repeat(matched._told(record)[0].argsort()[: IMAGES // 2], 2)
    dpsgd = {name: a[..., unsure] for name, a in record.items()}
    ((_, e),) = matched.equal_confidence([pair_of(record, dpsgd)])
    assert e.mean[0][0] > 0.3
    assert np.allclose(e.mean[1], 0)


def test_what_the_jacobian_makes_is_left_at_equal_confidence(record):
    louder = scaled(record, logits=1, jacobian=2)
    ((g, e),) = matched.equal_confidence([pair_of(record, louder, seeds=(0, 1))])
    assert np.allclose(e.mean[:2], np.log10(4), atol=1e-5)
    assert e.n == 2
    assert "0.60 of 0.60 decades of JᵀJ" in matched.equal_told([(g, e)])
    assert "within 0.00" in matched.equal_told([(g, e)])


def test_images_are_counted_by_confidence_and_empty_rows_say_nothing(record):
    sure = scaled(record, logits=100, jacobian=1)
    rows = matched.equal_table(matched.equal_confidence([pair_of(record, sure)]))
    counts = {r["images"]: r["how many"] for r in rows}
    top = np.sort(sure["logits"], 0)
    p = 1 / (1 + np.exp(-(top[-1] - top[-2])))  # at such logits the others add nothing
    assert counts["p above 0.999999"] == (p > 0.999999).sum()
    assert sum(list(counts.values())[2:]) == counts["all, as they are"] == IMAGES
    # A resample may lack what few images have.
    assert 0 in counts.values()
    assert all(r["of H"] is None for r in rows if r["how many"] == 0)
    assert all(r["of H"] is not None for r in rows if r["how many"] > 20)


def test_resampled_images_find_their_partners_anew(record):
    other = curvature_arrays(np.random.default_rng(2), 0.7)
    told = {"sgd": matched._told(record), "dpsgd": matched._told(other)}
    draws = np.random.default_rng(0).integers(IMAGES, size=(50, IMAGES))
    fast = matched._ratios({m: t[:, draws] for m, t in told.items()})
    for r, draw in enumerate(draws):
        sgd, dpsgd = (t[:, draw] for t in told.values())
        near = [np.abs(sgd[0] - odds).argmin() for odds in dpsgd[0]]
        assert fast[1, :, r] == pytest.approx((dpsgd[1:] - sgd[1:, near]).mean(1))


# -- the distance ---------------------------------------------------------------------------------


def test_the_distance_is_the_linearised_one():
    model = models.build("mnist_cnn", seed=0, width=0.2, hidden=(500,), normalize=True)
    x = torch.rand(20, 1, 28, 28, generator=torch.Generator().manual_seed(0))
    c = geometry.curvature(model, x)
    kept = {"logits": c.logits.T.numpy(), "gram": c.gram.permute(1, 2, 0).numpy()}
    distance, margin, gradient = matched.nearest(kept)
    found = boundary.linearized_distances(model.double(), x.double(), c.logits.argmax(1))
    assert np.allclose(distance, found.l2.numpy(), rtol=1e-5)
    assert np.allclose(distance, margin / gradient)


def test_all_logits_times_a_number_moves_both_parts_and_not_the_distance(record):
    found = matched.distance_parts([pair_of(record, scaled(record, logits=3, jacobian=3))])
    (row,) = matched.parts_table(found)
    assert [row[name].mean for name in matched.PARTS] == pytest.approx([1, 3, 3], rel=1e-5)
    assert "1.00 times the distance, since the margin is 3.00 times" in matched.parts_told(found)


def test_only_right_images_count(record):
    right = np.arange(IMAGES) % 3 > 0
    some = record | {"correct": right}
    first = {n: a[..., right] for n, a in some.items()}
    whole, cut = (
        matched.distance_parts([pair_of(r, scaled(r, logits=0.5, jacobian=2))])[0][1].mean
        for r in (some, first)
    )
    assert np.allclose(whole, cut)
