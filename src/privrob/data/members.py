"""Who is a member of which model: random halves of a set of examples, or all but a few."""

import numpy as np
from numpy.typing import ArrayLike, NDArray


def halves(y: ArrayLike, *, models: int, seed: int) -> NDArray[np.bool_]:
    """For each of `models` models, a random half of each class of labels `y` (N,): (models, N).

    True where the example is in the model's training set. Models 2i and 2i + 1 share a random
    division, one having what the other lacks, so that with an even number of models every example
    is a member of exactly half of them. A model has half of each class; of an odd number, one of
    the pair has the larger part, by chance. Row m depends on (y, seed, m // 2) alone: more models
    leave the first as they are. Drawn from raw generator words, the same on every machine.
    Of the models other than m, those that have an example are one fewer where m has it: an attack
    on m may use their scores, never their number.

    Raises ValueError where y is not integers (N,) >= 0, a class has one example, or models < 1.
    """
    labels = _labels(y)
    if models < 1 or not 0 <= seed < 2**64:
        raise ValueError(f"models must be >= 1 and the seed >= 0, not {models} and {seed}")
    first = [_half(labels, np.array([seed, pair], np.uint64)) for pair in range(-(-models // 2))]
    return np.array([half ^ other for half in first for other in (False, True)])[:models]


def left_out(size: int, *, k: int, group: int, seed: int) -> NDArray[np.int64]:
    """Which `k` of `size` examples a model does without: indices (k,), rising.

    Groups 0, 1, ... are blocks of k of one random order, which depends on `seed` and `size` alone,
    drawn from raw generator words: no example is in two groups, and the same are on every machine.

    Raises ValueError unless 1 <= k < size and 0 <= group < size // k.
    """
    if size < 1 or not 0 <= seed < 2**64:
        raise ValueError(f"size must be >= 1 and the seed in 0..2**64 - 1, not {size} and {seed}")
    if not 1 <= k < size:
        raise ValueError(f"k must be 1 to {size - 1}, to leave some of {size} examples, not {k}")
    if not 0 <= group < size // k:
        raise ValueError(f"group must lie in 0..{size // k - 1} for {k} of {size}, not {group}")
    words = np.random.Philox(key=np.array([seed, size], np.uint64)).random_raw(size)
    order = np.argsort(words, kind="stable")
    return np.sort(order[group * k : (group + 1) * k]).astype(np.int64)


def _labels(y: ArrayLike) -> NDArray[np.int64]:
    labels = np.asarray(y)
    if labels.ndim != 1 or not len(labels) or not np.issubdtype(labels.dtype, np.integer):
        raise ValueError(f"labels must be integers (N,), not {labels.dtype} {labels.shape}")
    if labels.min() < 0:
        raise ValueError(f"label {labels.min()} is below 0")
    alone = np.flatnonzero(np.bincount(labels) == 1)
    if len(alone):
        raise ValueError(f"class {alone[0]} has one example, which cannot be halved")
    return labels.astype(np.int64)


def _half(labels: NDArray[np.int64], key: NDArray[np.uint64]) -> NDArray[np.bool_]:
    """A random half of each class, (N,)."""
    words = np.random.Philox(key=key).random_raw(len(labels) + int(labels.max()) + 1)
    order = np.lexsort((words[: len(labels)], labels))
    counts = np.bincount(labels)
    starts = np.cumsum(counts) - counts
    rank = np.empty(len(labels), np.int64)
    rank[order] = np.arange(len(labels)) - np.repeat(starts, counts)
    extra = (words[len(labels) :] >> np.uint64(63)).astype(np.int64)  # who has the odd one
    return rank < ((counts + extra) // 2)[labels]
