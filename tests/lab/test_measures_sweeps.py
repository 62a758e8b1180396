"""What moves with noise and clipping, against sums done by hand and numpy's own line fit."""

from math import inf

import numpy as np
import pytest

from privrob.lab import measures, trainings
from privrob.lab.measures import MEASURES, sweeps

EPS = np.array([0.0, 0.12, 0.2, 0.3])


def curve(counts, *, n: int = 100) -> dict:
    """A record of which these many of n images are right at each eps."""
    return {"eps": EPS, "correct": np.arange(n) < np.asarray(counts)[..., None]}


def swept(**curves) -> dict:
    return {"sgd": curve([99, 90, 60, 30])} | {k: curve(v) for k, v in curves.items()}


@pytest.mark.parametrize(
    "mechanism",
    {m.note: m for m in (*trainings.SIGMAS, *trainings.CLIPPING_ALONE, *trainings.GRID)}.values(),
    ids=lambda m: m.note,
)
def test_a_note_says_its_mechanism(mechanism):
    said = sweeps.settings(mechanism.note)
    assert said["C"] == mechanism.clip_norm
    noise = said["noise"] if "noise" in said else said["sigma"] * said["C"]
    assert noise == pytest.approx(mechanism.noise_std)


@pytest.mark.parametrize("note", ["", "dpsgd", "C one, noise 1", "C 1, C 2 ,", "C 1, step 2"])
def test_a_note_that_is_no_mechanism_is_refused(note):
    with pytest.raises(ValueError, match="no mechanism"):
        sweeps.settings(note)


def test_a_slope_is_the_line_through_the_accuracies():
    pair = swept(**{"C 0.3, noise 1.3": [70, 40, 9, 1], "C 1, noise 1.3": [80, 70, 9, 1],
                    "C 10, noise 1.3": [97, 65, 9, 1]})  # fmt: skip
    for eps, accuracies in ((0.0, [70, 80, 97]), (0.12, [40, 70, 65])):
        fit = np.polyfit(np.log2([0.3, 1, 10]), accuracies, 1)[0]
        assert measures.fgsm_accuracy_slope(pair, eps=eps) == pytest.approx(fit)
        assert measures.fgsm_gap_slope(pair, eps=eps) == pytest.approx(-fit)


def test_of_two_variants_the_slope_is_the_difference_by_doublings():
    pair = swept(**{"sigma 1.3, C 3": [93, 40, 9, 8], "sigma 1.3, C 12": [90, 84, 84, 88]})
    assert measures.fgsm_accuracy_slope(pair, eps=0.3) == pytest.approx(40)


def test_the_smallest_step_is_of_neighbours_by_value_and_falls_where_one_falls():
    rising = {"sigma 1, C 10": [90, 84, 84, 60], "sigma 1, C 5": [93, 40, 9, 8]}
    found = MEASURES["fgsm_smallest_step"]
    assert found(swept(**rising), eps=0.3) == pytest.approx(60 - 8)
    turned = swept(**rising | {"sigma 1, C 20": [90, 84, 84, 57]})  # above the first, all the same
    assert found(turned, eps=0.3) == pytest.approx(57 - 60)
    assert measures.fgsm_accuracy_slope(turned, eps=0.3) > 0
    assert np.all(found(measures.resampled(turned), eps=0.12) <= 44)
    with pytest.raises(ValueError, match="differ in one setting"):
        found(swept(**{"sigma 1, C 1": [9] * 4, "sigma 2, C 2": [9] * 4}), eps=0.3)


@pytest.mark.parametrize(
    ("notes", "words"),
    [
        (["sigma 1, C 1", "sigma 2, C 2"], "differ in one setting"),
        (["sigma 1, C 1", "C 1, noise 2"], "differ in one setting"),
        (["sigma 1, C 1"], "differ in one setting"),
        (["C 1, noise 1", "no clipping, noise 1"], "two finite values"),
    ],
)
def test_what_has_no_slope_is_refused(notes, words):
    pair = swept(**{note: [9, 9, 9, 9] for note in notes})
    with pytest.raises(ValueError, match=words):
        measures.fgsm_accuracy_slope(pair, eps=0.0)


def test_the_two_knobs_are_compared_for_equal_factors():
    pair = swept(**{"sigma 1, C 1": [9, 80, 1, 1], "sigma 2, C 1": [9, 76, 1, 1],
                    "sigma 1, C 2": [9, 70, 1, 1]})  # fmt: skip
    found = MEASURES["fgsm_clip_over_noise"](pair, eps=0.12, sigma=1.0, clip_norm=1.0)
    assert found == pytest.approx(10 - 4)  # points of gap a doubling


@pytest.mark.parametrize(
    ("counts", "margin"),
    [
        ([93, 85, 85, 85], 1.0),  # flat
        ([93, 85, 85, 80], -4.0),  # falls by five
        ([93, 85, 80, 85], 6.0),  # rises
        ([93, 10, 8, 8], -2.0),  # flat, but at chance
    ],
)
def test_a_plateau_is_flat_and_above_chance(counts, margin):
    pair = {"sgd": curve([99, 90, 60, 30]), "dpsgd": curve(counts)}
    arguments = {"start": 0.2, "end": 0.3, "most": 1.0, "chance": 10.0}
    assert MEASURES["fgsm_plateau"](pair, **arguments) == pytest.approx(margin)


def test_the_lead_is_the_gap_the_other_way_round():
    pair = {"sgd": curve([99, 90, 60, 30]), "dpsgd": curve([90, 84, 84, 85])}
    assert MEASURES["fgsm_lead"](pair, eps=0.3) == pytest.approx(55)


@pytest.mark.parametrize(
    ("both", "clipping", "noise", "found"),
    [(85, 30, 90, 55), (85, 80, 82, 2), (85, 90, 95, -5), (15, 10, 99, -5), (85, 10, 15, -5)],
)
def test_a_rise_needs_noise_where_every_large_noise_is_above_every_small(
    both, clipping, noise, found
):
    pair = swept(**{"C 1, noise 1.3": [0, 0, 0, 20], "C 10, noise 13": [0, 0, 0, both],
                    "C 10, noise 1.3": [0, 0, 0, clipping],
                    "C 1, noise 13": [0, 0, 0, noise]})  # fmt: skip
    assert MEASURES["fgsm_rise_needs_noise"](pair, eps=0.3) == pytest.approx(found)


def test_no_clipping_is_an_infinite_norm():
    assert sweeps.settings("no clipping, noise 13") == {"C": inf, "noise": 13}
