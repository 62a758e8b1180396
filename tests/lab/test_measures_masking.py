"""What is left after every attack, image by image."""

import numpy as np
import pytest

from privrob.lab import measures
from privrob.lab.measures import MEASURES, base, masking
from privrob.lab.tasks import probes

EPS = np.array([0.1, 0.3])


def record(**right) -> dict:
    """Masks of ten images after each attack; those not named leave all of them."""
    masks = {name: np.ones((2, 10), bool) for name in probes.ATTACKS}
    for name, images in right.items():
        masks[name][1] = np.isin(np.arange(10), images)
    return masks | {"eps": EPS, "zero_gradient": np.zeros(10, bool), "clean": np.ones(10, bool)}


def test_the_attacks_are_those_of_the_task():
    assert {*masking.WHITE_BOX, *masking.OTHERS} == set(probes.ATTACKS)


def test_an_image_is_right_after_every_attack_if_none_fools_it():
    pair = {"dpsgd": record(fgsm=[0, 1, 2, 3], square=[2, 3, 4], pgd_transfer=[3, 4, 5])}
    after = measures.masking_accuracy(pair, model="dpsgd", attack="every_attack", eps=0.3)
    assert after == pytest.approx(10)  # image 3 alone
    whole = measures.masking_accuracy(pair, model="dpsgd", attack="every_attack", eps=0.1)
    assert whole == pytest.approx(100)


def test_what_one_attack_leaves_more_than_another():
    pair = {"dpsgd": record(pgd=range(8), pgd_margin=range(3))}
    found = measures.masking_excess(pair, model="dpsgd", attack="pgd", over="pgd_margin", eps=0.3)
    assert found == pytest.approx(50)


@pytest.mark.parametrize(("left", "margin"), [(range(1), 30), (range(4), 0), (range(8), -40)])
def test_what_is_hidden_is_compared_with_a_share_of_fgsm(left, margin):
    pair = {"dpsgd": record(fgsm=range(8), pgd=range(8), square=left)}
    hidden = MEASURES["masking_hidden"](pair, model="dpsgd", over="square", eps=0.3, share=0.5)
    assert hidden == pytest.approx(margin)


@pytest.mark.parametrize(("left", "margin"), [(range(7), 30), (range(4), 0), ([], -40)])
def test_what_is_kept_is_compared_with_a_share_of_fgsm(left, margin):
    pair = {"dpsgd": record(fgsm=range(8), square=left)}
    kept = measures.masking_kept(pair, model="dpsgd", eps=0.3, share=0.5)
    assert kept == pytest.approx(margin)


def test_it_is_the_same_of_a_resampled_pair():
    rng = np.random.default_rng(0)
    masks = {name: rng.random((2, 40)) < 0.8 for name in probes.ATTACKS}
    pair = {"dpsgd": masks | {"eps": EPS, "zero_gradient": np.zeros(40, bool)}}
    fast = measures.masking_kept(base.resampled(pair), model="dpsgd", eps=0.3, share=0.5)
    counts = base._counts(40)
    survivors = np.logical_and.reduce([masks[name][1] for name in probes.ATTACKS])
    slow = 100 * (counts @ (survivors - 0.5 * masks["fgsm"][1])) / 40
    np.testing.assert_allclose(fast, slow, atol=1e-4)
