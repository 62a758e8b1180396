"""How accuracy under FGSM moves from one DP-SGD mechanism to the next.

Beside 'sgd', a pair has its DP-SGD variants here under their notes, 'sigma 1.3, C 0.8' or 'C 0.3,
noise 1.3', from which the swept values are read. Where there is one variant it is 'dpsgd'.
"""

import re
from math import inf

import numpy as np
from numpy.typing import NDArray

from privrob.lab.measures.attacks import fgsm_gap
from privrob.lab.measures.base import Number, Pair, at, percent

Settings = dict[str, float]  # 'sigma', 'C', 'noise' -> value


def variants(pair: Pair) -> dict[str, Settings]:
    """The DP-SGD models of a pair, in order: note -> settings."""
    return {note: settings(note) for note in pair if note != "sgd"}


def settings(note: str) -> Settings:
    """What a note says: 'no clipping, noise 1.3' -> {'C': inf, 'noise': 1.3}; else ValueError."""
    parts = note.replace("no clipping", "C inf").split(", ")
    found = [re.fullmatch(r"(sigma|C|noise) (\d+(?:\.\d+)?|inf)", part) for part in parts]
    if not all(found):
        raise ValueError(f"no mechanism {note!r}: expected 'sigma 1.3, C 1' or 'C 1, noise 1.3'")
    return {m[1]: float(m[2]) for m in found if m}


def _accuracies(pair: Pair, notes: list[str], eps: float) -> NDArray[np.float64]:
    """Accuracy under FGSM, percent: (V,), or (V, R) of a resampled pair."""
    i = at(pair, "eps", eps)
    return np.stack([percent(pair, note, "correct")[..., i] for note in notes])


def _slope(pair: Pair, chosen: dict[str, float], eps: float) -> Number:
    """Least squares of accuracy on the logarithm to base 2 of the chosen variants' values."""
    if len(set(chosen.values())) < 2 or inf in chosen.values():
        raise ValueError(f"a slope needs two finite values, got {list(chosen.values())}")
    octaves = np.log2(list(chosen.values()))
    weights = octaves - octaves.mean()
    found: Number = weights @ _accuracies(pair, list(chosen), eps) / (weights @ weights)
    return found


def _swept(found: dict[str, Settings]) -> dict[str, float]:
    """The value of the one setting in which variants differ, by note; else ValueError."""
    first, *others = found.values()
    names = [n for n in first if any(other.get(n) != first[n] for other in others)]
    if len(names) != 1 or any(other.keys() != first.keys() for other in others):
        raise ValueError(f"variants must differ in one setting, got {list(found)}")
    return {note: s[names[0]] for note, s in found.items()}


# -- measures -----------------------------------------------------------------------------------


def fgsm_accuracy_slope(pair: Pair, *, eps: float) -> Number:
    """Points of accuracy under FGSM that each doubling of the swept setting adds, on average."""
    return _slope(pair, _swept(variants(pair)), eps)


def fgsm_smallest_step(pair: Pair, *, eps: float) -> Number:
    """The least that accuracy under FGSM rises from one swept value to the next, points: positive
    where it rises at every step.
    """
    chosen = _swept(variants(pair))
    steps = np.diff(_accuracies(pair, sorted(chosen, key=chosen.__getitem__), eps), axis=0)
    return steps.min(0)[()]


def fgsm_gap_slope(pair: Pair, *, eps: float) -> Number:
    """Points of gap, SGD minus DP-SGD, that each doubling adds; SGD is the same for all."""
    return -fgsm_accuracy_slope(pair, eps=eps)


def fgsm_clip_over_noise(pair: Pair, *, eps: float, sigma: float, clip_norm: float) -> Number:
    """`fgsm_gap_slope` over C at this sigma, minus that over sigma at this C, points a doubling."""
    found = variants(pair)
    over_clip = {note: s["C"] for note, s in found.items() if s["sigma"] == sigma}
    over_noise = {note: s["sigma"] for note, s in found.items() if s["C"] == clip_norm}
    return _slope(pair, over_noise, eps) - _slope(pair, over_clip, eps)


def fgsm_plateau(pair: Pair, *, start: float, end: float, most: float, chance: float) -> Number:
    """Positive where DP-SGD loses at most `most` points from eps `start` to `end`, above `chance`.

    The smaller of the two margins, points. A curve that is flat at chance is no plateau.
    """
    (before,), (after,) = (_accuracies(pair, ["dpsgd"], eps) for eps in (start, end))
    return np.minimum(most - (before - after), after - chance)[()]


def fgsm_lead(pair: Pair, *, eps: float) -> Number:
    """Accuracy under FGSM of DP-SGD minus that of SGD, points."""
    return -fgsm_gap(pair, eps=eps)


def fgsm_rise_needs_noise(pair: Pair, *, eps: float) -> Number:
    """Positive where accuracy is higher with the large noise than with the small one, whatever C.

    Of four variants: as it was, both raised, the clipping norm alone raised, the noise alone
    raised. The least accuracy with the raised noise minus the most without it, points.
    """
    before, both, clipping, noise = _accuracies(pair, list(variants(pair)), eps)
    return (np.minimum(both, noise) - np.maximum(before, clipping))[()]


ALL = (
    fgsm_accuracy_slope, fgsm_smallest_step, fgsm_gap_slope, fgsm_clip_over_noise, fgsm_plateau,
    fgsm_lead, fgsm_rise_needs_noise,
)  # fmt: skip
