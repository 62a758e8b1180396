"""Labels that are in the package although their images are not.

Who is a member of a model on a random half of each class follows from the labels alone, so that
records of such models can be read where the images are not.
"""

from importlib.resources import files

import numpy as np
from numpy.typing import NDArray

from privrob.data.dataset import DataError

_FILES = {"cifar10": ("cifar10_train_labels.npz", 50000)}


def train_labels(name: str) -> NDArray[np.int64] | None:
    """Labels (N,) of all training images, in their order; None for a set that has none here.

    DataError for a damaged file.
    """
    if name not in _FILES:
        return None
    file, size = _FILES[name]
    with files("privrob.data").joinpath("assets", file).open("rb") as stream:
        labels = np.load(stream, allow_pickle=False)["labels"].astype(np.int64)
    if labels.shape != (size,):
        raise DataError(f"{file} is damaged: {labels.shape} labels, not ({size},)")
    return labels
