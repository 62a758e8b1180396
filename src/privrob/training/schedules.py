"""Learning rates, radii and weights over a training, as pure functions of its progress.

`progress` is the share of the training that is done, in [0, 1): update n of T, from 0, is at n / T.
Settings given as shares are written n / T too, so that an update meets its boundary exactly.
"""

from bisect import bisect_right
from collections.abc import Sequence
from itertools import pairwise


def ramp(progress: float, *, start: float, end: float, low: float, high: float) -> float:
    """`low` up to progress `start`, `high` from `end` on, a straight line between.

    `start` = `end` is a jump. ValueError unless 0 <= start <= end.
    """
    if not 0 <= start <= end:
        raise ValueError(f"a ramp needs 0 <= start <= end, got {start} and {end}")
    if progress >= end:
        return high
    if progress <= start:
        return low
    return low + (high - low) * (progress - start) / (end - start)


def piecewise(progress: float, *, boundaries: Sequence[float], values: Sequence[float]) -> float:
    """values[i] where i of the `boundaries` are reached: values[0] before the first.

    ValueError unless boundaries ascend and there is one value more than boundaries.
    """
    if len(values) != len(boundaries) + 1:
        raise ValueError(
            f"{len(boundaries)} boundaries need {len(boundaries) + 1} values, got {len(values)}"
        )
    if any(a >= b for a, b in pairwise(boundaries)):
        raise ValueError(f"boundaries must ascend, got {list(boundaries)}")
    return values[bisect_right(boundaries, progress)]
