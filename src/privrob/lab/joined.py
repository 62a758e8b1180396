"""A record of a model's answers joined with that model's answers to clean images.

A corruption's record does not repeat them: they stand in the record of the training.
"""

from dataclasses import dataclass
from functools import cached_property

import numpy as np

from privrob.lab.registry import Variant
from privrob.lab.run import Lab, Result
from privrob.lab.spec import Corrupted

CLEAN = "correct_test"


@dataclass(frozen=True)
class Joined(Result):
    """A result and the training that it is of."""

    base: Result

    @cached_property
    def arrays(self) -> dict[str, np.ndarray]:
        """The record's arrays and CLEAN, cut to the same first test images."""
        own = self.record.arrays
        return own | {CLEAN: self.base.arrays[CLEAN][: own["correct"].shape[-1]]}


def lookup(lab: Lab, variant: Variant) -> Result | None:
    """The stored result of a variant, joined where its kind is; None where one is missing."""
    found = lab.lookup(variant.spec)
    return join(lab, variant, found) if found else None


def join(lab: Lab, variant: Variant, found: Result) -> Result | None:
    """A result joined with its model's clean answers where its kind is."""
    if not isinstance(variant.spec, Corrupted):
        return found
    base = lab.lookup(variant.train)
    return Joined(found.spec, found.record, base) if base else None
