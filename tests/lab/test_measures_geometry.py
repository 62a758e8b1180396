"""Measures of distance, curvature and cross-sections against sums done by hand."""

import numpy as np
import pytest
from scipy import special, stats

from privrob.lab import measures
from privrob.lab.measures import MEASURES, MeasureError, geometry


def distances(l2, *, walked=None, linf=None):
    l2 = np.array(l2, np.float32)
    linf = l2 / 10 if linf is None else np.array(linf, np.float32)
    walked = np.maximum(l2, 0) if walked is None else np.array(walked, np.float32)
    return {"l2": l2, "linf": linf, "deepfool_l2": walked, "deepfool_linf": walked / 10}


PAIR = {
    "sgd": distances([1.0, 2.0, -5.0, 3.0], walked=[2.0, 2.0, 0.0, np.nan]),
    "dpsgd": distances([0.5, -1.0, -1.0, 2.5], walked=[0.5, 0.0, 0.0, 2.75]),
}


def test_a_distance_is_averaged_over_the_images_that_are_right():
    assert geometry.mean_distance(PAIR, model="sgd", norm="l2") == pytest.approx(2.0)
    assert geometry.mean_distance(PAIR, model="sgd", norm="linf") == pytest.approx(0.2)
    assert geometry.distance_closer(PAIR, norm="l2") == pytest.approx(0.5)
    assert geometry.distance_drop(PAIR, norm="l2") == pytest.approx(25.0)


def test_deepfool_is_compared_on_the_images_that_it_reached():
    assert geometry.deepfool_distance(PAIR, model="sgd", norm="l2") == pytest.approx(2.0)
    assert geometry.deepfool_ratio(PAIR, model="sgd", norm="l2") == pytest.approx(4 / 3)
    assert geometry.deepfool_ratio(PAIR, model="dpsgd", norm="linf") == pytest.approx(3.25 / 3)
    drop = geometry.deepfool_drop(PAIR, norm="l2")
    assert drop == pytest.approx(100 * (2.0 - 1.625) / 2.0)


def test_what_has_no_mean_distance_says_so():
    endless = {m: distances([1.0, np.inf]) for m in measures.MODELS}
    with pytest.raises(MeasureError, match="1 images have no boundary"):
        geometry.mean_distance(endless, model="sgd", norm="l2")
    behind = {m: distances([1.0, -np.inf]) for m in measures.MODELS}
    assert geometry.mean_distance(behind, model="sgd", norm="l2") == 1.0
    wrong = {m: distances([-1.0, -2.0]) for m in measures.MODELS}
    with pytest.raises(MeasureError, match="no image right"):
        geometry.mean_distance(wrong, model="sgd", norm="l2")
    with pytest.raises(ValueError, match="got 'l1'"):
        geometry.mean_distance(PAIR, model="sgd", norm="l1")


def spectra(*columns):
    return {"hessian": np.array(columns, float).T}


def test_ratios_of_eigenvalues_are_of_means_in_decades():
    sgd = spectra([1.0, 0.1, 0.0], [3.0, 0.3, 0.0])
    dpsgd = spectra([100.0, 0.2, 0.0], [300.0, 0.2, 0.0])
    pair = {"sgd": sgd, "dpsgd": dpsgd}
    assert geometry.eigenvalue_ratio(pair) == pytest.approx(2.0)
    assert geometry.eigenvalue_smallest_ratio(pair) == pytest.approx(0.0)


def test_a_smaller_eigenvalue_is_sought_on_one_half_of_the_images_and_told_of_the_other():
    sgd = spectra([1.0, 0.1, 0.0], [1.0, 0.2, 0.0], [3.0, 0.1, 0.0], [3.0, 0.2, 0.0])
    dpsgd = spectra([9.0, 0.01, 0.0], [0.1, 0.02, 0.0], [9.0, 0.01, 0.0], [0.1, 0.06, 0.0])
    pair = {m: {"hessian": np.tile(a["hessian"], 6)} for m, a in (("sgd", sgd), ("dpsgd", dpsgd))}
    expected = np.log10(0.4 / 0.08)  # of the second rank, although the first has more there
    assert geometry.eigenvalue_some_smaller(pair) == pytest.approx(expected)
    found = geometry.eigenvalue_some_smaller(measures.resampled(pair))
    for r, counts in enumerate(measures.base._counts(24)[:20]):
        own, other = (pair[m]["hessian"][1, 1::2] @ counts[1::2] for m in measures.MODELS)
        assert found[r] == pytest.approx(np.log10(own / other), abs=1e-5)


def made_up(rng, *, images=200, ranks=9):
    """Spectra of two networks as alike as those of one, whose means few images make."""
    common = rng.normal(size=images)
    decades = [
        np.linspace(0, -4, ranks)[:, None] * (1 + 0.3 * common)
        + rng.normal(0, 0.5, (ranks, images))
        for _ in range(2)
    ]
    return [np.vstack([10**d, np.zeros(images)]) for d in decades]


def smallest_of_all(pair):
    """What `eigenvalue_some_smaller` was at first: the rank chosen on the images it is told of."""
    return -geometry.eigenvalue_smallest_ratio(pair)


def test_two_networks_that_do_not_differ_rarely_have_a_smaller_eigenvalue():
    """Which of the two is which says a coin for each image, so that no rank differs."""
    rng, claimed, at_first, tries = np.random.default_rng(0), 0, 0, 100
    for _ in range(tries):
        one, other = made_up(rng)
        coin = rng.random(one.shape[1]) < 0.5
        swapped = (np.where(coin, a, b) for a, b in ((one, other), (other, one)))
        pair = dict(zip(measures.MODELS, ({"hessian": h} for h in swapped), strict=True))
        drawn = measures.resampled(pair)
        claimed += np.quantile(geometry.eigenvalue_some_smaller(drawn), 0.025) > 0
        at_first += np.quantile(smallest_of_all(drawn), 0.025) > 0
    allowed = stats.binom.isf(1e-3, tries, 0.05)
    assert claimed <= allowed < at_first


def two_classes(log_odds, *, slope=1.0):
    """A network with two classes, each image a gradient of this length: λ = p (1 - p) slope²."""
    log_odds = np.asarray(log_odds, float)
    unsure = special.expit(log_odds) * special.expit(-log_odds)
    logits = np.stack([log_odds, np.zeros_like(log_odds)])
    return {"logits": logits, "hessian": np.stack([unsure * slope**2, 0 * unsure])}


def test_a_ratio_of_confidence_alone_is_gone_at_equal_confidence():
    odds = np.linspace(0.1, 45, 4000)
    pair = {"sgd": two_classes(odds), "dpsgd": two_classes(odds / 3)}
    left = geometry.eigenvalue_beyond_confidence(pair, share=0)
    assert left == pytest.approx(0, abs=0.02)  # of about 6.5 decades, what a class's width leaves
    whole = np.diff([np.log10(pair[m]["hessian"][0]).mean() for m in measures.MODELS])[0]
    found = geometry.eigenvalue_beyond_confidence(pair, share=0.5)
    assert found == pytest.approx(left - whole / 2)
    assert found < -3


def test_a_ratio_of_the_gradients_is_left_at_equal_confidence():
    odds = np.linspace(0.1, 20, 300)
    pair = {"sgd": two_classes(odds), "dpsgd": two_classes(odds, slope=10)}
    assert geometry.eigenvalue_beyond_confidence(pair, share=0.5) == pytest.approx(2 - 1)
    # Twice as many of the sure ones: as they are the two would be less than 2 decades apart.
    pair["dpsgd"] = two_classes([*odds, *odds[150:]], slope=10)
    assert geometry.eigenvalue_beyond_confidence(pair, share=0) == pytest.approx(2, abs=0.05)


def test_a_smaller_curvature_leaves_no_ratio_to_take_half_of():
    pair = {"sgd": two_classes([2.0, 3.5]), "dpsgd": two_classes([2.0, 3.5], slope=0.1)}
    assert geometry.eigenvalue_beyond_confidence(pair, share=0.5) == pytest.approx(-2)


def test_an_eigenvalue_that_is_zero_everywhere_has_no_ratio():
    flat = spectra([1.0, 0.0, 0.0])
    with pytest.raises(MeasureError, match="no logarithm"):
        geometry.eigenvalue_ratio({"sgd": flat, "dpsgd": flat})


def test_near_zero_is_of_all_pixels_and_of_the_model_with_fewer():
    two = spectra([1.0, 0.5, 1e-4], [1.0, 1e-4, 0.0])  # 2 and 1 above a thousandth
    one = spectra([1.0, 0.0, 0.0], [1.0, 0.0, 0.0])
    pair = {"sgd": one, "dpsgd": two}
    assert geometry.eigenvalues_near_zero(pair, pixels=10) == pytest.approx(0.85)
    nothing = spectra([0.0, 0.0, 0.0])
    pair = {"sgd": nothing, "dpsgd": nothing}
    assert geometry.eigenvalues_near_zero(pair, pixels=10) == pytest.approx(1)


@pytest.mark.parametrize(("last", "share"), [(-1e-3, 1 / 9), (-1e-16, 0), (1e-3, 0)])
def test_a_negative_eigenvalue_is_counted_and_rounding_is_not(last, share):
    usual = spectra(*[[1.0, 0.5, 0.0]] * 9)
    odd = spectra(*[[1.0, 0.5, 0.0]] * 8, [1.0, 0.5, last])
    found = geometry.eigenvalues_negative({"sgd": usual, "dpsgd": odd})
    assert found == pytest.approx(share)


def test_a_bend_counts_where_the_picture_shows_it():
    sgd = {"bend": np.array([0.1, np.nan, 0.3]), "distance": np.array([1.0, 2.0, 0.0])}
    dpsgd = {"bend": np.array([0.2, 0.4, 0.5]), "distance": np.array([1.0, 1.0, np.nan])}
    pair = {"sgd": sgd, "dpsgd": dpsgd}
    assert geometry.mean_section_distance(pair, model="sgd") == pytest.approx(1.5)
    assert geometry.mean_bend(pair, model="sgd") == pytest.approx(10.0)
    assert geometry.section_closer(pair) == pytest.approx(0.5)
    assert geometry.section_more_curved(pair) == pytest.approx(20.0)
    nowhere = {m: {"bend": np.array([np.nan]), "distance": np.array([1.0])} for m in pair}
    with pytest.raises(MeasureError, match="no image has a boundary"):
        geometry.mean_bend(nowhere, model="sgd")


def test_every_measure_is_entered():
    assert {f.__name__ for f in geometry.ALL} <= MEASURES.keys()
