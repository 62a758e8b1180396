"""Whether accuracy under an attack is robustness, or gradients that lead nowhere."""

from functools import reduce

import numpy as np
from numpy.typing import NDArray

from privrob.lab.measures.base import Arrays, Number, Pair, at, feature, percent

# As `tasks.probes.ATTACKS`. Those that follow the gradient of the model's own cross-entropy, and
# the nearest attack to each that does not depend on it.
WHITE_BOX = ("fgsm", "pgd", "pgd_restarts")
OTHERS = ("fgsm_margin", "pgd_margin", "fgsm_transfer", "pgd_transfer", "square", "noise")


@feature(*WHITE_BOX, *OTHERS)
def every_attack(record: Arrays) -> NDArray[np.bool_]:
    """Right after each of the attacks, (E, N)."""
    masks = [record[name] for name in (*WHITE_BOX, *OTHERS)]
    return reduce(np.logical_and, masks)


def masking_accuracy(pair: Pair, *, model: str, attack: str, eps: float) -> Number:
    """Accuracy after one attack, or after 'every_attack', percent."""
    return percent(pair, model, attack)[..., at(pair, "eps", eps)][()]


def masking_excess(pair: Pair, *, model: str, attack: str, over: str, eps: float) -> Number:
    """Accuracy after `attack` minus that after `over`, points: what `attack` leaves too much."""
    after = (masking_accuracy(pair, model=model, attack=a, eps=eps) for a in (attack, over))
    return next(after) - next(after)


def masking_hidden(pair: Pair, *, model: str, over: str, eps: float, share: float) -> Number:
    """`masking_excess` of PGD over another attack, minus `share` of the accuracy after FGSM.

    Positive where a good part of what FGSM leaves is left because the gradient hides the way.
    """
    fgsm = masking_accuracy(pair, model=model, attack="fgsm", eps=eps)
    return masking_excess(pair, model=model, attack="pgd", over=over, eps=eps) - share * fgsm


def masking_kept(pair: Pair, *, model: str, eps: float, share: float) -> Number:
    """Accuracy after every attack minus `share` of that after FGSM, points.

    Positive where what FGSM leaves is, in good part, there after the other attacks too.
    """
    fgsm = masking_accuracy(pair, model=model, attack="fgsm", eps=eps)
    return masking_accuracy(pair, model=model, attack="every_attack", eps=eps) - share * fgsm


ALL = (masking_accuracy, masking_excess, masking_hidden, masking_kept)
