"""How trainings went: the accuracy on the test images after each epoch, from their records."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import ArrayLike, NDArray

from privrob import plot
from privrob.exhibits.leaks import Leak
from privrob.exhibits.notes import sentence
from privrob.lab.run import Lab, open_store
from privrob.lab.spec import InParts, Training

LOST = 0.5  # of its best accuracy: a training that ends below this has lost what it had learned


def fall(history: ArrayLike) -> tuple[int, int] | None:
    """The epochs, from 1, of the best accuracy and of the first below LOST times it thereafter.

    None where the last epoch is not below it.
    """
    h = np.asarray(history, dtype=float)
    best = int(h.argmax())
    low = h < LOST * h[best]
    return (best + 1, best + 1 + int(low[best:].argmax())) if low[-1] else None


def falls_told(found: Sequence[Leak]) -> plot.Figure:
    """Which recorded models lost what they had learned, when, and what they ended at."""
    recorded = [leak for leak in found if leak.tier == "recorded"]
    told = [text for leak in recorded if (text := _fall_told(leak))]
    none = f"None of the {len(recorded)} recorded models lost what it had learned."
    return sentence(f"Recorded: {' '.join(told) or none}")


def _by_epoch(history: NDArray[np.float64], training: Training) -> NDArray[np.float64]:
    """The accuracies at the ends of epochs, where there is one after each part of an epoch."""
    parts = training.parts if isinstance(training, InParts) else 1
    return history[parts - 1 :: parts]


def _fall_told(leak: Leak) -> str:
    train = Lab(open_store("paper"), on="cpu").lookup(leak.row.variant.train)
    assert train is not None  # its scores are recorded, which need it
    history = _by_epoch(train.arrays["history"], leak.row.variant.train.training)
    epochs = fall(history)
    if epochs is None:
        return ""
    best, low = (f"{100 * history[n - 1]:.1f} % after epoch {n}" for n in epochs)
    return (
        f"{leak.name} training, seed {leak.row.variant.seed}, was right on {best} and on {low}; "
        f"it ended at {100 * history[-1]:.1f} %, where guessing has "
        f"{100 / (1 + int(leak.sides('labels')[1].max())):.1f} %."
    )
