"""What claims measure: one number each, from the records of models that are compared.

A `Pair` maps names of models ('sgd' and 'dpsgd', or 'natural', 'pgd' and others) to the arrays of
their records (`tasks` says what is in them).
Percentages and points are out of 100. A measure uses what a record says of each image through
means over the last axis, its images, and in no other way: so all resamples are one product.
"""

from collections.abc import Callable
from typing import Any

import numpy as np

from privrob.lab.measures import (
    attacks,
    corruptions,
    geometry,
    masking,
    membership,
    steps,
    sweeps,
)
from privrob.lab.measures.attacks import (
    clean_accuracy,
    clean_gap,
    fgsm_eps_to_half,
    fgsm_excess_gap,
    fgsm_gap,
    fgsm_largest_gap_at,
    fgsm_smallest_excess,
    pgd_accuracy,
    pgd_ever_fooled_accuracy,
    pgd_excess_gap,
    pgd_gap,
)
from privrob.lab.measures.base import (
    MODELS,
    RESAMPLES,
    MeasureError,
    Number,
    Pair,
    images,
    resampled,
)
from privrob.lab.measures.geometry import NORMS
from privrob.lab.measures.masking import (
    masking_accuracy,
    masking_excess,
    masking_hidden,
    masking_kept,
)
from privrob.lab.measures.readings import Candidate, Settlement, Target, settled
from privrob.lab.measures.sweeps import fgsm_accuracy_slope, fgsm_gap_slope
from privrob.stats import LEVEL, Interval

__all__ = [
    "MEASURES",
    "MODELS",
    "NORMS",
    "RESAMPLES",
    "Candidate",
    "MeasureError",
    "Pair",
    "Settlement",
    "Target",
    "clean_accuracy",
    "clean_gap",
    "fgsm_accuracy_slope",
    "fgsm_eps_to_half",
    "fgsm_excess_gap",
    "fgsm_gap",
    "fgsm_gap_slope",
    "fgsm_largest_gap_at",
    "fgsm_smallest_excess",
    "images",
    "interval_over_images",
    "masking_accuracy",
    "masking_excess",
    "masking_hidden",
    "masking_kept",
    "pgd_accuracy",
    "pgd_ever_fooled_accuracy",
    "pgd_excess_gap",
    "pgd_gap",
    "resampled",
    "settled",
]

_DOMAINS = (attacks, corruptions, geometry, masking, membership, steps, sweeps)
MEASURES: dict[str, Callable[..., Number]] = {
    f.__name__: f for domain in _DOMAINS for f in domain.ALL
}


def interval_over_images(name: str, pair: Pair, **arguments: Any) -> Interval:
    """The 95 % percentile bootstrap interval of a measure of one pair, paired over images."""
    values = MEASURES[name](resampled(pair), **arguments)
    low, high = np.quantile(values, [(1 - LEVEL) / 2, (1 + LEVEL) / 2])
    return Interval(float(low), float(high))
