"""Random numbers that belong to an image and not to the batch it comes in."""

from dataclasses import dataclass
from hashlib import sha256
from math import prod

import numpy as np
from numpy.typing import NDArray
from scipy.special import ndtri

Array = NDArray[np.float64]
Shape = tuple[int, ...]

_WORDS = 4  # 64-bit words that Philox makes of one value of its counter


@dataclass(frozen=True)
class Draws:
    """The random numbers of images first .. first + count - 1 under one corruption.

    Each use of them has a `purpose`. Philox is a cipher over a counter: the key is a hash of
    (seed, name, purpose), and image i owns the counter values i * b .. (i + 1) * b - 1, where b
    of them suffice for one image. Hence no image's numbers depend on another image. Arrays are
    (count, *shape).
    """

    seed: int
    name: str
    first: int
    count: int

    def uniform(self, purpose: str, shape: Shape = (), low: float = 0, high: float = 1) -> Array:
        """Uniform on [low, high)."""
        size = prod(shape)
        blocks = -(-size // _WORDS)
        key = sha256(f"{self.seed} {self.name} {purpose}".encode()).digest()[:16]
        stream = np.random.Philox(key=int.from_bytes(key, "big"), counter=self.first * blocks)
        words = np.random.Generator(stream).random((self.count, blocks * _WORDS))
        unit = words[:, :size].reshape(self.count, *shape)
        return unit if (low, high) == (0, 1) else low + (high - low) * unit

    def normal(self, purpose: str, shape: Shape, mean: float = 0, scale: float = 1) -> Array:
        """Normal, by the inverse of the distribution function: one word a number, always."""
        unit = np.maximum(self.uniform(purpose, shape), 2.0**-54)  # 0 would become -infinity
        return mean + scale * ndtri(unit)

    def integers(self, purpose: str, low: int, high: int, shape: Shape = ()) -> NDArray[np.int64]:
        """Whole numbers from low to high - 1, each equally likely."""
        return low + (self.uniform(purpose, shape) * (high - low)).astype(np.int64)

    def signs(self, purpose: str) -> Array:
        """-1 or 1, one for each image."""
        return np.where(self.uniform(purpose) < 0.5, -1.0, 1.0)
