"""The ROC curve of a score, and the true positive rate where false alarms are rare."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

from privrob.membership.threshold.rule import Floats, both


@dataclass(frozen=True, eq=False)
class Roc:
    """`fpr` and `tpr` at each distinct score as threshold, falling; first (0, 0), last (1, 1).

    `thresholds` begins with inf, for "nobody is a member". `members` and `nonmembers` are counts.
    """

    fpr: Floats
    tpr: Floats
    thresholds: Floats
    members: int
    nonmembers: int

    @property
    def auc(self) -> float:
        """The chance that a member scores above a non-member, ties counted half."""
        return float(np.trapezoid(self.tpr, self.fpr))

    def tpr_at(self, fpr: float) -> float:
        """The largest TPR whose FPR is at most `fpr`; a point of the curve, not interpolated.

        Raises ValueError for an fpr outside (0, 1], and for one below 1 % where it allows fewer
        than ten non-members: at 0.1 % with fewer than 10,000 of them.
        """
        if not 0 < fpr <= 1:
            raise ValueError(f"fpr must lie in (0, 1], got {fpr}")
        if not self.shows(fpr):
            have = f"{round(10 / fpr):,} non-members or more, got {self.nonmembers:,}"
            raise ValueError(f"TPR at {100 * fpr:g} % FPR needs {have}")
        return float(self._below(np.array([fpr]))[0])

    def shows(self, fpr: float) -> bool:
        """There are non-members enough for `tpr_at(fpr)`."""
        return fpr >= 0.01 or self.nonmembers >= round(10 / fpr)

    def log_grid(self, points: int) -> tuple[Floats, Floats]:
        """(fpr, tpr) for a plot with logarithmic axes: fpr from one false alarm to all, (points,).

        The left end of such a plot rests on a handful of non-members, and says little.
        """
        grid = np.geomspace(1 / self.nonmembers, 1, points)
        return grid, self._below(grid)

    def _below(self, fpr: Floats) -> Floats:
        # A hair above, for rates that no float holds: 0.29 of 100 points are 29 of them.
        return self.tpr[np.searchsorted(self.fpr, fpr * (1 + 1e-12), side="right") - 1]


def roc(members: ArrayLike, nonmembers: ArrayLike) -> Roc:
    """The ROC curve of the scores; equal scores are one point of it."""
    inside, outside = both(members, nonmembers)
    n, m = len(inside), len(outside)
    levels = np.unique(np.concatenate([inside, outside]))[::-1]
    tpr = (n - np.searchsorted(np.sort(inside), levels)) / n
    fpr = (m - np.searchsorted(np.sort(outside), levels)) / m
    return Roc(np.append(0.0, fpr), np.append(0.0, tpr), np.append(np.inf, levels), n, m)
