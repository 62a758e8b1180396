"""Budgets under other adjacencies and samplers: computed once elsewhere, kept with their source."""

from dataclasses import dataclass, fields
from functools import lru_cache
from math import ceil
from typing import Any

import yaml

from privrob import paths
from privrob.lab.spec import require


@dataclass(frozen=True, kw_only=True)
class Budget:
    """One budget: `moves` times C is how far one example moves the clipped sum at most.

    `noise` is its standard deviation in units of C; `bounds` says whether the budget holds for the
    sampler and the adjacency that it names.
    """

    id: str
    adjacency: str
    sampler: str
    accountant: str
    moves: int
    noise: float
    dp_epsilon: float
    bounds: bool
    says: str

    def __post_init__(self) -> None:
        require(self.moves in (1, 2), f"{self.id}: moves must be 1 or 2, got {self.moves!r}")
        for name in ("noise", "dp_epsilon"):
            value = getattr(self, name)
            good = isinstance(value, float) and value > 0
            require(good, f"{self.id}: {name} must be above 0, got {value!r}")
        words = [getattr(self, f.name) for f in fields(self) if f.type is str]
        require(all(words), f"{self.id}: an empty text")


@dataclass(frozen=True)
class Table:
    """All budgets, with the training that they are of and what computed them."""

    settings: dict[str, Any]
    source: str
    rows: tuple[Budget, ...]

    @property
    def training(self) -> dict[str, Any]:
        """As `privacy.epsilon` takes it: noise_multiplier, sample_rate, updates, delta."""
        s = self.settings
        return {
            "noise_multiplier": s["noise_multiplier"],
            "sample_rate": s["batch_size"] / s["images"],
            "updates": s["epochs"] * ceil(s["images"] / s["batch_size"]),
            "delta": s["delta"],
        }


@lru_cache(maxsize=1)
def load() -> Table:
    """The table of `claims/derived/adjacencies.yml`; ValueError or TypeError for a bad row."""
    path = paths.repository() / "claims" / "derived" / "adjacencies.yml"
    given = yaml.safe_load(path.read_text(encoding="utf-8"))
    rows = tuple(Budget(**row) for row in given["rows"])
    require(len({row.id for row in rows}) == len(rows), f"{path.name}: two rows of one id")
    return Table(given["settings"], given["source"], rows)
