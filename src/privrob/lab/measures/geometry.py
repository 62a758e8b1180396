"""Distance to the decision boundary, curvature of the loss, and how straight the boundary is."""

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.special import logsumexp

from privrob.lab.measures.base import MODELS, Arrays, MeasureError, Number, Pair, feature, mean

NORMS = ("l2", "linf")  # the first axis of the features of a distance
# What an eigenvalue must have of the largest to be told from zero: float64 and ten classes leave
# about 2e-15 to rounding.
ROUNDING = 1e-14
# Images are equally sure whose log-odds lie in one class, a unit wide: there an eigenvalue, nearly
# p (1 - p) times a gradient, can differ by half a decade because of p, on average by far less.
# Below 1 and above 40 few images are left to be told apart.
EQUALLY_SURE = np.arange(1.0, 41.0)

# -- distance: of the images that a model has right, as in section 3.3 ---------------------------


@feature("l2", "linf")
def distance_right(record: Arrays) -> NDArray[Any]:
    """On its own side of the boundary, which is to say right, (N,)."""
    return record["l2"] > 0


@feature("l2", "linf")
def distance_linearised(record: Arrays) -> NDArray[Any]:
    """Linearised distances of the images that are right, 0 of the others, (2, N)."""
    own = np.where(distance_right(record), _both(record, ""), 0)
    if endless := int(np.isinf(own).any(0).sum()):
        raise MeasureError(f"{endless} images have no boundary in sight: no mean distance")
    return own


@feature("l2", "linf", "deepfool_l2", "deepfool_linf")
def deepfool_reached(record: Arrays) -> NDArray[Any]:
    """Right, and DeepFool found the way out, (2, N)."""
    return distance_right(record) & ~np.isnan(_both(record, "deepfool_"))


@feature("l2", "linf", "deepfool_l2", "deepfool_linf")
def deepfool_walked(record: Arrays) -> NDArray[Any]:
    """How far DeepFool went, of the images that it reached, (2, N)."""
    return np.where(deepfool_reached(record), np.nan_to_num(_both(record, "deepfool_")), 0)


@feature("l2", "linf", "deepfool_l2", "deepfool_linf")
def linearised_reached(record: Arrays) -> NDArray[Any]:
    """`distance_linearised` of the images that DeepFool reached, (2, N)."""
    return np.where(deepfool_reached(record), distance_linearised(record), 0)


def _both(record: Arrays, prefix: str) -> NDArray[Any]:
    return np.stack([record[f"{prefix}{norm}"] for norm in NORMS])


def mean_distance(pair: Pair, *, model: str, norm: str) -> Number:
    """Mean linearised distance of the images that the model has right, pixels (Eqs. 5, 6)."""
    return _ratio(pair, model, "distance_linearised", "distance_right", norm)


def deepfool_distance(pair: Pair, *, model: str, norm: str) -> Number:
    """Mean distance that DeepFool went, of the right images that it reached, pixels."""
    return _ratio(pair, model, "deepfool_walked", "deepfool_reached", norm)


def deepfool_ratio(pair: Pair, *, model: str, norm: str) -> Number:
    """Mean distance of DeepFool over the mean linearised one, of the same images."""
    return _ratio(pair, model, "deepfool_walked", "linearised_reached", norm)


def _ratio(pair: Pair, model: str, above: str, below: str, norm: str) -> Number:
    """The quotient of two means; the denominator may be the same for both norms."""
    if norm not in NORMS:
        raise ValueError(f"norm must be one of {', '.join(NORMS)}, got {norm!r}")
    at, means = NORMS.index(norm), [mean(pair, model, name) for name in (above, below)]
    over, under = means[0][..., at], means[1] if below == "distance_right" else means[1][..., at]
    if (under == 0).any():
        raise MeasureError(f"{model} has no image right: no mean distance")
    return (over / under)[()]


def distance_closer(pair: Pair, *, norm: str) -> Number:
    """Mean linearised distance of SGD minus that of DP-SGD, pixels."""
    sgd, dpsgd = (mean_distance(pair, model=model, norm=norm) for model in MODELS)
    return sgd - dpsgd


def distance_drop(pair: Pair, *, norm: str) -> Number:
    """`distance_closer` in percent of SGD's distance."""
    return 100 * distance_closer(pair, norm=norm) / mean_distance(pair, model="sgd", norm=norm)


def deepfool_drop(pair: Pair, *, norm: str) -> Number:
    """`distance_drop` with the distances that DeepFool went."""
    sgd, dpsgd = (deepfool_distance(pair, model=model, norm=norm) for model in MODELS)
    return 100 * (sgd - dpsgd) / sgd


# -- curvature ----------------------------------------------------------------------------------


@feature("hessian")
def eigenvalues(record: Arrays) -> NDArray[Any]:
    """Of the input Hessian, largest first, (K, N)."""
    return record["hessian"]


@feature("hessian")
def eigenvalues_apart(record: Arrays) -> NDArray[Any]:
    """Those of every second image, 0 of the others, which a rank may be chosen on, (K, N)."""
    return np.where(_chosen_on(record), 0, record["hessian"])


def _chosen_on(record: Arrays) -> NDArray[np.bool_]:
    return np.arange(record["hessian"].shape[-1]) % 2 == 0


@feature("hessian")
def eigenvalues_counted(record: Arrays) -> NDArray[Any]:
    """How many eigenvalues are above a thousandth of the image's largest, (N,)."""
    return (record["hessian"] > 1e-3 * record["hessian"][0]).sum(0)


@feature("hessian")
def eigenvalue_below_zero(record: Arrays) -> NDArray[Any]:
    """An eigenvalue is negative by more than rounding, (N,)."""
    spectrum = record["hessian"]
    return spectrum[-1] < -ROUNDING * np.abs(spectrum).max(0)


@feature("hessian", "logits")
def sure(record: Arrays) -> NDArray[np.bool_]:
    """To which class of EQUALLY_SURE the log-odds of the answer belong, (C, N)."""
    *others, first = np.sort(record["logits"].astype(float), axis=0)
    at = np.digitize(first - logsumexp(others, axis=0), EQUALLY_SURE)
    return np.asarray(at == np.arange(len(EQUALLY_SURE) + 1)[:, None])


@feature("hessian", "logits")
def curved_when_sure(record: Arrays) -> NDArray[Any]:
    """log10 of the largest eigenvalue in the class of `sure`, 0 in the others, (C, N)."""
    top = np.maximum(record["hessian"][0], np.finfo(float).tiny)
    return np.where(sure(record), np.log10(top), 0)


def eigenvalue_beyond_confidence(pair: Pair, *, share: float) -> Number:
    """What equal confidence leaves of the ratio of largest eigenvalues, less `share` of the whole.

    In decades, of geometric means, DP-SGD over SGD. At equal confidence SGD's classes of `sure`
    count as much as DP-SGD's; those that SGD has no image in are left out.
    """
    counts, sums = (
        [mean(pair, model, name) for model in MODELS] for name in ("sure", "curved_when_sure")
    )
    both = counts[0] > 0
    beside = sums[0] * counts[1] / np.where(both, counts[0], 1)
    left = np.where(both, sums[1] - beside, 0).sum(-1) / np.where(both, counts[1], 0).sum(-1)
    whole = (sums[1] - sums[0]).sum(-1)
    return (left - share * np.maximum(whole, 0))[()]


def eigenvalue_ratio(pair: Pair) -> Number:
    """Largest eigenvalue of DP-SGD over that of SGD, each the mean over all images, decades."""
    return _decades(_means(pair, "eigenvalues"))[..., 0][()]


def eigenvalue_smallest_ratio(pair: Pair) -> Number:
    """The smallest `eigenvalue_ratio` over the ranks below the number of classes, decades."""
    return _decades(_means(pair, "eigenvalues")).min(-1)[()]


def eigenvalue_some_smaller(pair: Pair) -> Number:
    """By how much DP-SGD's eigenvalue of one rank is smaller than SGD's, decades.

    The rank, below the number of classes, is where DP-SGD's is smallest beside SGD's over every
    second image. The value is from the other images, and the rank stays under a resample: of nine
    ratios that noise moves, the smallest is below one even where no rank differs.
    """
    records = [pair[model] for model in MODELS]
    chosen = [np.abs(r["hessian"][:, _chosen_on(r)].mean(-1)) for r in records]
    rank = int(_decades(chosen).argmin())
    return -_decades(_means(pair, "eigenvalues_apart"))[..., rank][()]


def _means(pair: Pair, name: str) -> list[NDArray[Any]]:
    """By rank, of SGD and DP-SGD, (K,)."""
    return [np.abs(mean(pair, model, name)) for model in MODELS]


def _decades(spectra: Sequence[NDArray[Any]]) -> NDArray[Any]:
    """log10 of DP-SGD's eigenvalues over SGD's, by rank, but for the last, which has no meaning."""
    sgd, dpsgd = (spectrum[..., :-1] for spectrum in spectra)
    if not sgd.all() or not dpsgd.all():
        raise MeasureError("an eigenvalue is zero in every image: it has no logarithm")
    return np.asarray(np.log10(dpsgd) - np.log10(sgd))


def eigenvalues_near_zero(pair: Pair, *, pixels: int) -> Number:
    """Share of the `pixels` eigenvalues at or below a thousandth of the largest.

    The mean over images, of the model that has fewer of them.
    """
    most = np.stack([mean(pair, model, "eigenvalues_counted") for model in MODELS]).max(0)
    return (1 - most / pixels)[()]


def eigenvalues_negative(pair: Pair) -> Number:
    """Share of images with an eigenvalue below zero by more than rounding.

    Of the model that has more of them.
    """
    return np.stack([mean(pair, model, "eigenvalue_below_zero") for model in MODELS]).max(0)[()]


# -- cross-sections -----------------------------------------------------------------------------


@feature("bend", "distance")
def boundary_met(record: Arrays) -> NDArray[Any]:
    """Right, and DeepFool found a boundary, (N,)."""
    return record["distance"] > 0


@feature("bend", "distance")
def section_distance(record: Arrays) -> NDArray[Any]:
    """l2 distance to that boundary, 0 where it is not `boundary_met`, (N,)."""
    return np.where(boundary_met(record), record["distance"], 0)


@feature("bend", "distance")
def boundary_bent(record: Arrays) -> NDArray[Any]:
    """`boundary_met`, and the plane shows enough of it to say how straight it is, (N,)."""
    return boundary_met(record) & ~np.isnan(record["bend"])


@feature("bend", "distance")
def section_bend(record: Arrays) -> NDArray[Any]:
    """How far that boundary is from a straight line, 0 where it is not `boundary_bent`, (N,)."""
    return np.where(boundary_bent(record), np.nan_to_num(record["bend"]), 0)


def mean_section_distance(pair: Pair, *, model: str) -> Number:
    """Mean l2 distance of the right images to the boundary of their cross-sections, pixels."""
    return _share(pair, model, "section_distance", "boundary_met")


def mean_bend(pair: Pair, *, model: str) -> Number:
    """Mean distance of the boundary from a straight line, in percent of the picture's extent."""
    return 100 * _share(pair, model, "section_bend", "boundary_bent")


def _share(pair: Pair, model: str, above: str, below: str) -> Number:
    over, under = mean(pair, model, above), mean(pair, model, below)
    if (under == 0).any():
        raise MeasureError(f"{model}: no image has a boundary in its plane")
    return (over / under)[()]


def section_closer(pair: Pair) -> Number:
    """`mean_section_distance` of SGD minus that of DP-SGD, pixels."""
    sgd, dpsgd = (mean_section_distance(pair, model=model) for model in MODELS)
    return sgd - dpsgd


def section_more_curved(pair: Pair) -> Number:
    """`mean_bend` of DP-SGD minus that of SGD, points of the extent."""
    sgd, dpsgd = (mean_bend(pair, model=model) for model in MODELS)
    return dpsgd - sgd


ALL = (
    mean_distance, deepfool_distance, deepfool_ratio, distance_closer, distance_drop,
    deepfool_drop, eigenvalue_beyond_confidence, eigenvalue_ratio, eigenvalue_smallest_ratio,
    eigenvalue_some_smaller, eigenvalues_near_zero, eigenvalues_negative, mean_section_distance,
    mean_bend, section_closer, section_more_curved,
)  # fmt: skip
