"""What a task sees of the lab: data sets read once, its checkpoint, its progress."""

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

import torch
from torch import Tensor

from privrob import data
from privrob.data import Dataset, Split
from privrob.data.catalogue import EMBEDDED, known
from privrob.lab.spec import Data, Halved, HalvedTraining, LeftOut, Spec
from privrob.lab.store import Store


def checksum_of(name: str) -> str:
    """The checksum of the published contents of a data set, whether it is here or not."""
    return next(iter(known(name).variants))


class Splits:
    """The splits of data sets on one device, each read once but for halves."""

    def __init__(self, device: torch.device) -> None:
        self.device = device
        self._read: dict[Data, dict[str, Split]] = {}
        self._dataset: Dataset | None = None  # the last one, which halves are cut from

    def get(self, wanted: Data, part: str) -> Split:
        """One part of a data set; ValueError where its contents are not the key's."""
        found = self._read.get(wanted) or self._load(wanted)
        if not isinstance(wanted, Halved):  # of which there are many, and each is used once
            self._read[wanted] = found
        if part not in found:
            raise ValueError(f"{wanted.name} has no {part} split for this experiment")
        return found[part]

    def _load(self, wanted: Data) -> dict[str, Split]:
        if self._dataset is None or self._dataset.name != wanted.name:
            self._dataset = data.load(wanted.name)
        dataset = self._dataset
        if dataset.checksum != checksum_of(wanted.name):
            raise ValueError(_other_contents(dataset))
        if isinstance(wanted, Halved):
            return {part: split.to(self.device) for part, split in _halved(dataset, wanted).items()}
        cut = {"train": wanted.train, "test": wanted.test}
        found = {
            part: split.first(cut[part] or len(split)).to(self.device)
            for part, split in dataset.splits.items()
        }
        if isinstance(wanted, LeftOut):
            found["train"] = _rest(found["train"], wanted)
        return found


def _halved(dataset: Dataset, wanted: Halved) -> dict[str, Split]:
    """The half that is trained on, as 'train', and the rest."""
    if isinstance(wanted, HalvedTraining):
        train = dataset.train
        whole = [train.first(wanted.train or len(train))]
    else:
        whole = [dataset.train, dataset.test]
    x, y = torch.cat([s.x for s in whole]), torch.cat([s.y for s in whole])
    inside = torch.from_numpy(
        data.halves(y.numpy(), models=wanted.models, seed=wanted.draw)[wanted.half]
    )
    return {"train": Split(x[inside], y[inside]), "test": Split(x[~inside], y[~inside])}


def _rest(split: Split, wanted: LeftOut) -> Split:
    """The examples that are not left out, in their order."""
    out = data.left_out(len(split), k=wanted.k, group=wanted.group, seed=wanted.draw)
    kept = torch.ones(len(split), dtype=torch.bool)
    kept[torch.from_numpy(out)] = False
    kept = kept.to(split.y.device)
    return Split(split.x[kept], split.y[kept])


def _other_contents(dataset: Dataset) -> str:
    """What is wrong, and what to do: drawn sets depend on libraries, others on a file."""
    what = f"{dataset.name}: these contents ({dataset.variant}) are not the published ones that "
    if dataset.name in EMBEDDED:
        return (
            f"{what}results are filed under; they are made with matplotlib's fonts and "
            "scikit-learn's images, so install the versions that constraints.txt names: "
            "pip install -c constraints.txt -e ."
        )
    place = data.locate(dataset.name).reason
    return f"{what}this experiment names; put the published file in place of {place}"


# Seconds between the checkpoints of a unit, at least. On a GPU an epoch may take less than one.
PAUSE = {"cuda": 20.0}


@dataclass
class Context:
    """One unit's view. `seconds` counts what interrupted runs spent on it before, too."""

    spec: Spec
    key: str
    code: str  # the fingerprint of the task
    store: Store
    splits: Splits
    listener: Callable[[Spec, int, int], None]
    done: int = field(init=False, default=0)  # steps that the task has completed, by its report
    begun: float = field(init=False)
    kept: float = field(init=False)

    def __post_init__(self) -> None:
        self.begun = self.kept = time.monotonic()

    @property
    def device(self) -> torch.device:
        return self.splits.device

    @property
    def seconds(self) -> float:
        return time.monotonic() - self.begun

    def split(self, wanted: Data, part: str) -> Split:
        return self.splits.get(wanted, part)

    def progress(self, done: int, total: int) -> None:
        self.done = done
        self.listener(self.spec, done, total)

    def restore(self) -> tuple[int, dict[str, Tensor], list[float]] | None:
        found = self.store.restore(self.key)
        if found is None or found[1]["fingerprint"] != self.code:
            return None  # a run that changes its code half-way would belong to neither
        weights, state = found
        self.done = state["done"]
        self.begun -= state.get("seconds", 0.0)  # older checkpoints do not say
        return state["done"], weights, state["history"]

    def checkpoint(
        self,
        done: int,
        weights: Mapping[str, Tensor],
        history: Sequence[float],
        *,
        every: float = 0.0,
    ) -> None:
        pause = max(every, PAUSE.get(self.device.type, 0.0))
        if time.monotonic() - self.kept < pause:
            return
        self.kept = time.monotonic()
        state = {"done": done, "history": list(history), "seconds": self.seconds}
        self.store.checkpoint(self.key, weights, state | {"fingerprint": self.code})
