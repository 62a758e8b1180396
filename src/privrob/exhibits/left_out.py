"""song2019's models that belong together: of all images, of other seeds, and without a few."""

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

from numpy.typing import NDArray

from privrob import data
from privrob.exhibits.leaks import Leak
from privrob.lab import song2019
from privrob.lab.spec import LeftOut
from privrob.membership.sensitivity import Changes, changes


@dataclass(frozen=True, eq=False)  # told apart by identity, so that changes can be kept
class Case:
    """One kind of training: on all images, the same in other seeds, and without each group."""

    full: Leak
    others: tuple[Leak, ...]
    without: tuple[Leak, ...]

    @property
    def name(self) -> str:
        """'PGD', or 'PGD, recorded'."""
        name = song2019.NAMES[self.full.model]
        return name if self.full.source else f"{name}, {self.full.tier}"

    @property
    def models(self) -> tuple[Leak, ...]:
        return (self.full, *self.others, *self.without)

    @property
    def out(self) -> list[NDArray[Any]]:
        """Which of the full model's members each model does without, indices (k,)."""
        size, found = len(self.full.sides("labels")[0]), map(_lacking, self.without)
        return [data.left_out(size, k=d.k, group=d.group, seed=d.draw) for d in found]

    def changes(self, inference: str, *, score: str) -> Changes:
        """What moves a score of the left-out images: of 'benign' or 'adversarial' inputs."""
        return _changes(self, f"{score}_{inference}_train")

    def gap(self, inference: str, *, score: str) -> float:
        """The mean score of the full model's members less that of the other images."""
        members, others = self.full.sides(f"{score}_{inference}")
        return float(members.mean(dtype=float) - others.mean(dtype=float))


@lru_cache(maxsize=64)
def _changes(case: Case, name: str) -> Changes:
    def scores(models: Sequence[Leak]) -> list[NDArray[Any]]:
        return [leak.arrays[name] for leak in models]

    return changes(case.full.arrays[name], scores(case.others), scores(case.without), case.out)


def _lacking(leak: Leak) -> LeftOut:
    found = leak.row.variant.train.data
    assert isinstance(found, LeftOut)
    return found


def cases(found: Sequence[Leak]) -> list[Case]:
    """The models that belong together; without a full model, a seed or two groups there is none."""
    alike: dict[tuple[str, str], list[Leak]] = defaultdict(list)
    for leak in found:
        alike[leak.tier, leak.model].append(leak)
    return [case for models in alike.values() if (case := _case(models))]


def _case(models: Sequence[Leak]) -> Case | None:
    without = [m for m in models if isinstance(m.row.variant.train.data, LeftOut)]
    seeds = {m.row.variant.seed for m in without}
    whole = [m for m in models if m not in without]
    full = [m for m in whole if m.row.variant.seed in seeds]
    others = [m for m in whole if m.row.variant.seed not in seeds]
    enough = full and others and len(without) > 1
    return Case(full[0], tuple(others), tuple(without)) if enough else None
