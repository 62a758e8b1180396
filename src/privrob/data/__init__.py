"""Data sets as uint8 tensors in memory: embedded ones, local files, downloads.

Images stay uint8, also on the device, and become float32 in [0, 1] batch by batch.
"""

import warnings
from pathlib import Path

from privrob.data.catalogue import NAMES, UNKNOWN, known
from privrob.data.dataset import DataError, Dataset, MissingSplitError, Split, as_float
from privrob.data.embedded import MAKERS, faces, glyphs
from privrob.data.files import Location, MissingDataError, download, locate, read
from privrob.data.labels import train_labels
from privrob.data.members import halves, left_out

__all__ = [
    "NAMES",
    "DataError",
    "Dataset",
    "Location",
    "MissingDataError",
    "MissingSplitError",
    "Split",
    "as_float",
    "faces",
    "glyphs",
    "halves",
    "left_out",
    "load",
    "locate",
    "train_labels",
]

_fetch = download  # `load` has an argument of that name


def load(
    name: str,
    *,
    root: str | Path | None = None,
    download: bool = False,
    allow_unknown: bool = False,
) -> Dataset:
    """The data set `name`, whole, on the CPU.

    Embedded ones need nothing. Real ones are read from where `locate` finds them; with `download`,
    one that is missing is fetched by torchvision into the user's cache. Contents are compared with
    the known checksums and the match is named in `.variant`.

    Raises ValueError for an unknown name, MissingDataError (a FileNotFoundError) when it is not
    there, DataError when it is damaged or, without `allow_unknown`, when it is none of the known
    variants.
    """
    location = locate(name, root)
    if download and not location.found:
        location = _fetch(name)
    dataset = MAKERS[name]() if name in MAKERS else _read(location)
    if dataset.variant == UNKNOWN and not allow_unknown:
        _refuse_or_warn(dataset, location)
    return dataset


def _read(location: Location) -> Dataset:
    facts = known(location.name)
    # torchvision has compared these files with the MD5 sums of the published ones
    passed = location.kind == "torchvision" and facts.files_checked
    assured = "published" if passed else UNKNOWN
    return Dataset(location.name, read(location), facts.classes, assured)


def _refuse_or_warn(dataset: Dataset, location: Location) -> None:
    """Unknown contents of a file are an error; of a set made in place they are only worth a word.

    Another scikit-learn or matplotlib may bring other digits: then results differ a little from
    the expected ones, and their store keys differ too.
    """
    what = f"{dataset.name} ({location.reason}) has checksum {dataset.checksum}"
    if dataset.name in ("digits", "glyphs", "faces"):
        warnings.warn(f"{what}, not the usual one: results may differ", stacklevel=3)
        return
    names = ", ".join(known(dataset.name).variants.values())
    raise DataError(
        f"{what}, which is none of the known variants ({names}); if that is meant, pass "
        "allow_unknown=True"
    )
