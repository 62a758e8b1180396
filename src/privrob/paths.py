"""Where the project's folders are: the checkout that holds this file, unless the user says else."""

import os
from pathlib import Path


def repository() -> Path:
    """The checkout that the package was installed from."""
    return Path(__file__).resolve().parents[2]


def records() -> Path:
    """Full-scale results: `$PRIVROB_RECORDS`, or `records/` of the checkout."""
    return Path(os.environ.get("PRIVROB_RECORDS") or repository() / "records")


def weights() -> Path:
    """The zoo: `weights/` of the records."""
    return records() / "weights"


def quick_store() -> Path:
    """Results of profile quick, a build product: `$PRIVROB_STORE`, or `build/store`."""
    return Path(os.environ.get("PRIVROB_STORE") or repository() / "build" / "store")
