"""Other attacks beside PGD on song2019's models: shares, counts, and what is said of them."""

from types import SimpleNamespace

import numpy as np
import pytest

from privrob.exhibits import doubts
from privrob.exhibits.leaks import Leak
from privrob.lab import registry, song2019
from privrob.lab.measures.masking import OTHERS, WHITE_BOX

N = 10
RADII = [0.5 * song2019.EPS, song2019.EPS, 2 * song2019.EPS]


def first(*right):
    """Masks (3, N): of each radius the first so many images are right."""
    return np.arange(N) < np.array(right)[:, None]


def leak(**attacks):
    """All attacks leave 8, 6 and 4 images, but for those that are given."""
    arrays = {name: first(8, 6, 4) for name in (*WHITE_BOX, *OTHERS)} | attacks
    arrays |= {"eps": np.array(RADII), "clean": np.arange(N) < 9, "zero_gradient": np.arange(N) < 1}
    train = SimpleNamespace(data=SimpleNamespace(name="yale_faces"))
    variant = SimpleNamespace(model="pgd", note="", seed=0, train=train)
    row = SimpleNamespace(variant=variant, result=SimpleNamespace(arrays=arrays))
    return Leak(row, "recorded", "")


def test_shares_are_those_at_the_data_set_s_own_radius():
    (row,) = doubts.table([leak(square=first(8, 3, 4))])
    shares = {name.replace("\n", " "): getattr(v, "mean", v) for name, v in row.items()}
    assert shares["zero gradient"] == pytest.approx(10)
    assert shares["clean"] == pytest.approx(90)
    assert shares["PGD"] == pytest.approx(60)
    assert shares["Square Attack"] == shares["all of them"] == pytest.approx(30)
    assert row["PGD"].low < 60 < row["PGD"].high


@pytest.mark.parametrize(
    ("attacks", "words"),
    [
        ({}, ("80 % at 0.5, 60 % at 1, 40 % at 2", "grows yes", "at every radius", "another 0")),
        ({"pgd": first(8, 6, 7)}, ("70 % at 2", "no, which cannot be", "not at every radius")),
        ({"pgd_transfer": first(8, 2, 4)}, ("grows yes", "another 4")),
    ],
)
def test_what_is_said_follows_from_the_masks(attacks, words):
    text = repr(doubts.told([leak(**attacks)]))
    said = ("model PGD (recorded)", "zero on 1 of 10 images", *words)
    assert all(word in text for word in said), text


def scores(verified):
    """The same model's scores, with so many verified images in front."""
    found = leak()
    found.row.result.arrays = {
        "confidence_verified_train": np.zeros(N),
        "verified_train": np.arange(N) < verified,
        "verified_test": np.arange(N) < verified,
    }
    return found


def test_an_image_that_is_verified_and_fooled_within_its_radius_is_counted():
    found = leak(square=first(8, 3, 0))
    found.row.variant.train = the_same = SimpleNamespace(data=SimpleNamespace(name="yale_faces"))
    proved = scores(verified=5)
    proved.row.variant.train = the_same
    assert doubts.contradictions([found], [proved]) == 2  # images 3 and 4, at the own radius
    assert doubts.contradictions([found], [scores(verified=3)]) == 0
    other = scores(verified=5)
    other.row.variant.train = SimpleNamespace(data=SimpleNamespace(name="faces"))
    assert doubts.contradictions([found], [other]) == 0  # another model's scores


def test_without_a_record_it_says_so():
    assert "No record" in repr(doubts.told([]))


@pytest.mark.parametrize("profile", ["paper", "quick"])
def test_the_walk_can_cross_every_ball(profile):
    for v in registry.experiment("song2019/attacks").variants(profile, seed=0):
        assert v.spec.steps * v.spec.step_size >= max(v.spec.eps)
        assert song2019.EPS_OF[v.train.data.name] in v.spec.eps
        assert v.spec.surrogate.training.defence == song2019.yale_defences()["natural"].defence
