"""The records of models as measures read them, and their resamples over images."""

from collections.abc import Callable, Mapping
from functools import lru_cache
from typing import Any

import numpy as np
from numpy.typing import NDArray

Arrays = Mapping[str, NDArray[Any]]
Pair = Mapping[str, Arrays]
Number = Any  # what a measure gives: a float; of a resampled pair, one for each resample
MODELS = ("sgd", "dpsgd")
RESAMPLES = 1000
SLACK = 1e-9  # floats miss what decimals meet: 0.14 - 0.12 > 0.02


class MeasureError(ValueError):
    """These records cannot give this measure, although nothing is wrong with them."""


# -- the features of a record -------------------------------------------------------------------

Feature = Callable[[Arrays], NDArray[Any]]
FEATURES: dict[str, tuple[tuple[str, ...], Feature]] = {}
_APART = ("correct_train", "stand_in")  # no measure reads them image by image
_SIDES = ("test", "training")  # images that are drawn apart
_OF_MEMBERS = "_train"  # how the name of a mask or feature of training images ends


def feature(*needs: str) -> Callable[[Feature], Feature]:
    """Enter a function of a record's arrays `needs` that gives (..., N), a number an image."""

    def enter(function: Feature) -> Feature:
        if function.__name__ in FEATURES:
            raise ValueError(f"a feature {function.__name__!r} is there already")
        FEATURES[function.__name__] = needs, function
        return function

    return enter


@feature("first_success")
def clean(record: Arrays) -> NDArray[Any]:
    """Right before the attack begins, (..., N)."""
    return record["first_success"] != 0


@feature("first_success", "steps")
def never_fooled(record: Arrays) -> NDArray[Any]:
    """Right at every iterate of the first s steps, (E, S, N)."""
    first = record["first_success"][:, None]
    return (first < 0) | (first > record["steps"][:, None])


def _features(record: Arrays) -> dict[str, NDArray[Any]]:
    """Everything of a record that has a number an image: its masks, and what they give."""
    masks = {n: a for n, a in record.items() if a.dtype == bool and n not in _APART}
    return masks | {
        name: function(record)
        for name, (needs, function) in FEATURES.items()
        if name not in record and set(needs) <= record.keys()
    }


def mean(pair: Pair, model: str, name: str) -> NDArray[Any]:
    """The mean of a feature over its images: (N,) -> (), (E, N) -> (E,)."""
    record = pair[model]
    return np.asarray((record[name] if name in record else FEATURES[name][1](record)).mean(-1))


def percent(pair: Pair, model: str, mask: str) -> NDArray[Any]:
    """Percent of a mask's images: (N,) -> (), (E, N) -> (E,); leading axes are kept."""
    return 100 * mean(pair, model, mask)


def gap_of(pair: Pair, mask: str) -> NDArray[Any]:
    """SGD minus DP-SGD, points."""
    return percent(pair, "sgd", mask) - percent(pair, "dpsgd", mask)


def grid(pair: Pair, name: str = "eps") -> NDArray[Any]:
    """The grid that the models of a pair share."""
    first, *others = (record[name] for record in pair.values())
    if not all(np.array_equal(first, other) for other in others):
        raise ValueError(f"the two models were attacked on different grids of {name}")
    return first


def at(pair: Pair, name: str, value: float) -> int:
    """Where a value stands on the grid of `name`."""
    values = grid(pair, name)
    found = np.flatnonzero(np.isclose(values, value, rtol=0, atol=SLACK))
    if not found.size:
        raise ValueError(f"no {name} {value} in the record: its grid is {values.tolist()}")
    return int(found[0])


# -- over images --------------------------------------------------------------------------------


def images(pair: Pair) -> int:
    """The number of test images, which must be the same for all models."""
    return _count(_by_side(pair)[0], 0)


def resampled(pair: Pair) -> Pair:
    """The pair under `RESAMPLES` draws of its images, the same images for all models.

    Each mask (..., N) becomes its shares (R, ..., 1), in which every measure reads the same.
    Masks and features of training images, whose names end in '_train', are drawn by themselves:
    members and non-members are two samples.
    """
    drawn: dict[str, dict[str, NDArray[Any]]] = {model: dict(pair[model]) for model in pair}
    for side, found in enumerate(_by_side(pair)):
        if side == 0 or any(found.values()):
            counts = _counts(_count(found, side), side)
            for model, masks in found.items():
                drawn[model] |= _shares(masks, counts)
    return drawn


def _by_side(pair: Pair) -> tuple[dict[str, dict[str, NDArray[Any]]], ...]:
    """What each model has of the test images, and what it has of the training images."""
    every = {model: _features(record) for model, record in pair.items()}
    return tuple(
        {
            model: {n: a for n, a in found.items() if n.endswith(_OF_MEMBERS) == members}
            for model, found in every.items()
        }
        for members in (False, True)
    )


def _count(found: Mapping[str, Arrays], side: int) -> int:
    sizes = {mask.shape[-1] for masks in found.values() for mask in masks.values()}
    if len(sizes) != 1:
        kind = _SIDES[side]
        raise ValueError(f"the models of a pair need the same {kind} images, got {sorted(sizes)}")
    return sizes.pop()


@lru_cache(maxsize=2)
def _counts(n: int, side: int = 0) -> NDArray[np.float32]:
    """How often each of n images is in each resample, (R, n); always the same draws of a side."""
    rng = np.random.default_rng(side)
    draw = (np.bincount(rng.integers(n, size=n), minlength=n) for _ in range(RESAMPLES))
    return np.stack([counts.astype(np.float32) for counts in draw])


def _shares(masks: Arrays, counts: NDArray[np.float32]) -> dict[str, NDArray[Any]]:
    n = counts.shape[1]
    rows = np.concatenate([mask.reshape(-1, n) for mask in masks.values()])
    hits = counts @ rows.T.astype(np.float32)  # whole numbers below 2^24: exact
    ends = np.cumsum([mask.size // n for mask in masks.values()])[:-1]
    parts = zip(masks.items(), np.split(hits / float(n), ends, axis=1), strict=True)
    return {name: part.reshape(-1, *mask.shape[:-1], 1) for (name, mask), part in parts}
