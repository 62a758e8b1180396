"""The threshold attack on Fashion-MNIST's 60,000 members and 10,000 non-members.

It is to take less than 20 ms on one core, which the table of times shows. One peer takes the same
accuracy from scikit-learn's ROC curve. The other tries every score in turn, as the code of
song2019's authors does; it answers the same, and its time grows with the square of the points.
"""

from functools import cache

import numpy as np
import torch
from sklearn.metrics import roc_curve

from privrob.lab.benchmarks import Contestant
from privrob.membership.threshold import threshold_attack

TITLE = "Threshold attack, 60,000 + 10,000 scores (at most 20 ms wanted)"
GAP = "difference of accuracy or threshold"
GAP_LIMIT = 1e-12
ROUNDS = 5
SETTINGS = {"members": 60_000, "nonmembers": 10_000}
GROWTH = {"members": (3_750, 15_000, 60_000)}
GROWTH_AT: dict[str, int] = {}
GROWTH_OF = ("threshold attack", "scikit-learn's curve")


def contestants(device: torch.device, *, members: int, nonmembers: int) -> dict[str, Contestant]:
    """Ours, by scikit-learn, and by trying every score. All work on the CPU."""
    rng = np.random.default_rng(0)
    inside, outside = rng.normal(1, 1, members), rng.normal(0, 1, nonmembers)
    truth = np.repeat([1, 0], [members, nonmembers])

    def ours() -> tuple[float, float]:
        found = threshold_attack(inside, outside)
        return found.accuracy, found.threshold

    def curve() -> tuple[float, float]:
        pooled = np.concatenate([inside, outside])
        fpr, tpr, thresholds = roc_curve(truth, pooled)
        best = (tpr - fpr).argmax()
        return 0.5 + 0.5 * (tpr[best] - fpr[best]), thresholds[best]

    @cache
    def scanned() -> tuple[float, float]:
        return scan()

    def scan() -> tuple[float, float]:
        best = 0.5, -np.inf
        for at in np.sort(np.concatenate([inside, outside])):
            rates = np.count_nonzero(inside >= at) / members, np.count_nonzero(outside >= at)
            accuracy = 0.5 * (rates[0] + 1 - rates[1] / nonmembers)
            best = max(best, (accuracy, at))
        return best

    def gap(answer: tuple[float, float]) -> float:
        return max(abs(a - b) for a, b in zip(answer, ours(), strict=True))

    return {
        "threshold attack": Contestant(lambda: ours, ours=True),
        "scikit-learn's curve": Contestant(lambda: curve, lambda: gap(curve())),
        "every score tried": Contestant(lambda: scan, lambda: gap(scanned())),
    }
