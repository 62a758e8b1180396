"""Attacks on a classifier's images; see `gradient` for what all of them share."""

from privrob.attacks.gradient import (
    Trace,
    fgsm,
    fgsm_grid,
    pgd,
    pgd_trace,
    steps_to_success,
)

__all__ = ["Trace", "fgsm", "fgsm_grid", "pgd", "pgd_trace", "steps_to_success"]
