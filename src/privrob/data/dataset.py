"""A data set in memory: splits of uint8 images, their labels and a checksum of the contents."""

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property

import torch
from torch import Tensor

from privrob.data.catalogue import UNKNOWN, variant_of

Index = Tensor | slice | Sequence[int]


class DataError(ValueError):
    """A data set whose contents cannot be used; the message names the file and the value."""


class MissingSplitError(LookupError):
    """The data set has no such split; the message says which it has."""


def as_float(x: Tensor) -> Tensor:
    """uint8 images as float32 in [0, 1], same shape and device.

    Raises TypeError for any other dtype: floats would be divided a second time.
    """
    if x.dtype != torch.uint8:
        raise TypeError(f"images must be uint8 (0 to 255), not {x.dtype}")
    return x.to(torch.float32) / 255


@dataclass(frozen=True, eq=False)
class Split:
    """Images `x` (N, C, H, W) uint8 and labels `y` (N,) int64, on one device."""

    x: Tensor
    y: Tensor

    def __post_init__(self) -> None:
        if self.x.dtype != torch.uint8 or self.x.ndim != 4:
            raise DataError(f"x must be uint8 NCHW, not {self.x.dtype} {tuple(self.x.shape)}")
        if self.y.dtype != torch.int64 or self.y.ndim != 1:
            raise DataError(f"y must be int64 (N,), not {self.y.dtype} {tuple(self.y.shape)}")
        if len(self.x) != len(self.y):
            raise DataError(f"{len(self.x)} images but {len(self.y)} labels")

    def __len__(self) -> int:
        return len(self.y)

    def first(self, n: int) -> "Split":
        """The first `n` examples, as a view; ValueError unless 1 <= n <= len."""
        if not 1 <= n <= len(self):
            raise ValueError(f"the first {n} of {len(self)} examples: n must be 1 to {len(self)}")
        return Split(self.x[:n], self.y[:n])

    def last(self, n: int) -> "Split":
        """The last `n` examples, as a view; ValueError unless 1 <= n <= len."""
        if not 1 <= n <= len(self):
            raise ValueError(f"the last {n} of {len(self)} examples: n must be 1 to {len(self)}")
        return Split(self.x[-n:], self.y[-n:])

    def to(self, device: torch.device | str) -> "Split":
        """The same examples on another device, a quarter of the size that floats would take."""
        return Split(self.x.to(device), self.y.to(device))

    def batch(self, index: Index) -> tuple[Tensor, Tensor]:
        """The examples at `index`: x float32 in [0, 1] (B, C, H, W), y (B,), on this device."""
        return as_float(self.x[index]), self.y[index]


@dataclass(frozen=True, eq=False)
class Dataset:
    """A named data set; `splits` maps 'train' and 'test', or one of them, to its examples.

    `assured` names the contents where something other than the checksum vouches for them.
    """

    name: str
    splits: Mapping[str, Split]
    classes: int
    assured: str = UNKNOWN

    @property
    def train(self) -> Split:
        return self._split("train")

    @property
    def test(self) -> Split:
        return self._split("test")

    @cached_property
    def checksum(self) -> str:
        """SHA-256 (hex) of all splits' names, dtypes, shapes and values, whatever file they had."""
        digest = hashlib.sha256()
        for name in sorted(self.splits):
            split = self.splits[name]
            for key, values in (("x", split.x), ("y", split.y)):
                array = values.cpu().contiguous().numpy()
                little = array.astype(array.dtype.newbyteorder("<"), copy=False)
                digest.update(f"{name} {key} {array.dtype.name} {array.shape}\n".encode())
                digest.update(little.data)
        return digest.hexdigest()

    @cached_property
    def variant(self) -> str:
        """Which known contents these are, by the checksum; 'unknown' for any other."""
        return variant_of(self.name, self.checksum) or self.assured

    def _split(self, name: str) -> Split:
        if name not in self.splits:
            there = " and ".join(sorted(self.splits))
            raise MissingSplitError(f"{self.name} has no {name} split here, only {there}")
        return self.splits[name]
