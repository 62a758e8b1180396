"""Members found where false alarms are rare, beside what scores that know nothing would find.

Used as a module: `from privrob.exhibits import rare`.
"""

from collections.abc import Sequence
from math import floor

from scipy.stats import betabinom

from privrob import plot, stats
from privrob.exhibits.leaks import INFERENCES, Leak, TableRow
from privrob.membership import threshold

SCORE = "log_odds"  # a confidence of exactly 1 would tie the surest points
RATES = (0.01, 0.001)  # the second only for 10,000 non-members or more


def rows(leaks: Sequence[Leak]) -> list[TableRow]:
    """Of each model and inference the TPR at each rate, with its interval and 95 % of chance."""
    return [_row(leak, kind) for leak in leaks for kind in INFERENCES if leak.has(kind)]


def _row(leak: Leak, kind: str) -> TableRow:
    curve = threshold.roc(*leak.sides(f"{SCORE}_{kind}"))
    row: TableRow = {
        "model": f"{leak.name}, seed {leak.row.variant.seed}",
        "inference": INFERENCES[kind],
        "non-members": curve.nonmembers,
    }
    for rate in RATES:
        name, shown = f"TPR at\n{100 * rate:g} % FPR, %", curve.shows(rate)
        row[name] = _found(leak, curve, rate) if shown else None
        row[f"{name},\n95 % of chance"] = _chance(curve, rate) if shown else None
    return row


def _found(leak: Leak, curve: threshold.Roc, rate: float) -> plot.Value:
    tpr = curve.tpr_at(rate)
    ends = stats.proportion_interval(round(tpr * curve.members), curve.members)
    return plot.Value(100 * tpr, 100 * ends.low, 100 * ends.high, **leak.evidence)


def _chance(curve: threshold.Roc, rate: float) -> plot.Value:
    most = by_chance(members=curve.members, nonmembers=curve.nonmembers, fpr=rate)
    return plot.Value(100 * most, tier="derived")


def by_chance(*, members: int, nonmembers: int, fpr: float) -> float:
    """What 95 % of the TPRs do not exceed at that FPR where there is nothing to infer.

    With k false alarms allowed, members are found above the (k + 1)-th highest non-member. In a
    random order of points without ties their number is beta-binomial, with k + 1 and m - k.
    """
    allowed = floor(fpr * nonmembers * (1 + 1e-12))
    return float(betabinom.ppf(0.95, members, allowed + 1, nonmembers - allowed)) / members
