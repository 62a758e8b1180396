"""Models that were trained alike on random halves of the same points: an arm of a shadow attack.

Each model is the target in turn and the others are its shadows. A record lists its members and
its non-members apart; an `Arm` has every model's scores in the one order of all points.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import lru_cache
from typing import Any

import numpy as np
from numpy.typing import NDArray

from privrob import data, plot, stats
from privrob.exhibits.leaks import NAMES, Leak, TableRow
from privrob.lab import registry, study
from privrob.lab.spec import Halved, HalvedTraining
from privrob.membership.lira import MIN_MODELS

Floats = NDArray[np.float64]
Mask = NDArray[np.bool_]


@dataclass(frozen=True, eq=False)  # told apart by identity, so that attacks can be kept
class Arm:
    """N models of one kind, tier and seed, in the order of their halves.

    `labels` (P,) of all points, and `members` (N, P): who was trained on what.
    """

    leaks: tuple[Leak, ...]
    labels: NDArray[np.int64]
    members: Mask
    everyone: Mask | None = None  # the members among all points, where `first` left some out

    @property
    def model(self) -> str:
        """A key of `leaks.NAMES`."""
        return self.leaks[0].model

    @property
    def name(self) -> str:
        """'PGD'."""
        return NAMES[self.model]

    @property
    def described(self) -> str:
        """'PGD, executed (quick)'."""
        first = self.leaks[0]
        return f"{self.name}, {first.tier}{f' ({first.source})' if first.source else ''}"

    @property
    def enough(self) -> bool:
        """There are as many models as the likelihood-ratio attack needs."""
        return len(self.leaks) >= MIN_MODELS

    @property
    def evidence(self) -> dict[str, Any]:
        """Tier and source, as `plot.Value` takes them."""
        return self.leaks[0].evidence

    @property
    def inferences(self) -> tuple[str, ...]:
        """The kinds of input that there are scores of: 'benign', or both."""
        kinds = ("benign", "adversarial")
        return tuple(k for k in kinds if f"log_odds_{k}_train" in self.leaks[0].arrays)

    def log_odds(self, inference: str) -> NDArray[np.float32]:
        """(N, P) of the true label, on 'benign' or 'adversarial' inputs."""
        return _whole(self.leaks, self._all, f"log_odds_{inference}")[:, : len(self.labels)]

    @property
    def _all(self) -> Mask:
        return self.members if self.everyone is None else self.everyone

    def first(self, points: int) -> "Arm":
        """The same models, asked about the first points alone."""
        few = {"labels": self.labels[:points], "members": self.members[:, :points]}
        return replace(self, **few, everyone=self._all)  # type: ignore[arg-type]

    def dealt(self, deal: int) -> Mask:
        """`members` as another draw of halves would have them, where nobody trained on those."""
        half = _half(self.leaks[0])
        halves = data.halves(self.labels, models=half.models, seed=half.draw + 1 + deal)
        return halves[[_half(leak).half for leak in self.leaks]]

    def summary(self, values: Floats) -> stats.Summary:
        """Mean of a value of each target (N,), with Student's interval over pairs of targets.

        Of a pair one model's members are the other's non-members, so that what makes some points
        easier than others cancels, and the two are no two independent looks.
        """
        return stats.seed_summary(self.paired(values))

    def paired(self, values: Floats) -> Floats:
        """The mean of each complementary pair of targets, (N / 2,)."""
        if len(values) % 2 or (self.members[::2] == self.members[1::2]).any():
            raise ValueError(f"{len(values)} targets are not pairs of complementary halves")
        return np.asarray(values, dtype=np.float64).reshape(-1, 2).mean(axis=1)


def arms(found: Sequence[Leak]) -> list[Arm]:
    """The arms in models of random halves, by tier, kind and seed; models of other data are left.

    So are those whose labels are not here: nobody could tell who their members are. ValueError
    where a record's labels are not those of the data that its halves are of.
    """
    groups: dict[tuple[str, str, str, int], list[Leak]] = {}
    for leak in found:
        wanted = leak.row.variant.train.data
        if isinstance(wanted, Halved) and _labels(wanted) is not None:
            about = leak.tier, leak.source, leak.model, leak.row.variant.seed
            groups.setdefault(about, []).append(leak)
    return [_arm(sorted(group, key=lambda m: _half(m).half)) for group in groups.values()]


def couples(shown: Sequence[Arm]) -> list[tuple[Arm, Arm]]:
    """Natural and PGD training of the same tier and seed, on the same halves."""
    found = {_id(arm): arm for arm in shown}
    twins = [(arm, found.get(("pgd", *_id(arm)[1:]))) for arm in shown if arm.model == "natural"]
    return [(natural, pgd) for natural, pgd in twins if pgd]


def _id(arm: Arm) -> tuple[str, str, str, int]:
    first = arm.leaks[0]
    return first.model, first.tier, first.source, first.row.variant.seed


def _arm(leaks: Sequence[Leak]) -> Arm:
    first = _half(leaks[0])
    labels = _labels(first)
    assert labels is not None  # as `arms` saw to
    halves = data.halves(labels, models=first.models, seed=first.draw)
    members = halves[[_half(leak).half for leak in leaks]]
    told = "labels_train" in leaks[0].arrays  # a training does not repeat them
    if told and (_whole(leaks, members, "labels") != labels).any():
        raise ValueError(f"labels of {leaks[0].name} are not those of {first.name}'s halves")
    return Arm(tuple(leaks), labels, members)


def _whole(leaks: Sequence[Leak], members: Mask, name: str) -> NDArray[Any]:
    """An array of every model in the order of all points, (N, P)."""
    rows = []
    for leak, mask in zip(leaks, members, strict=True):
        inside, outside = leak.sides(name)
        row = np.empty(len(mask), dtype=inside.dtype)
        row[mask], row[~mask] = inside, outside
        rows.append(row)
    return np.stack(rows)


def _half(leak: Leak) -> Halved:
    half = leak.row.variant.train.data
    assert isinstance(half, Halved)
    return half


def _labels(half: Halved) -> NDArray[np.int64] | None:
    """Of all images that halves are of, those for training first; None where nothing tells."""
    found = _labels_of(half.name)
    parts = ("train",) if isinstance(half, HalvedTraining) else ("train", "test")
    if not set(parts) <= found.keys():
        return None
    return np.concatenate([found[p][: half.train] if p == "train" else found[p] for p in parts])


@lru_cache(maxsize=4)
def _labels_of(name: str) -> dict[str, NDArray[np.int64]]:
    """By part, from the data set or, where it is not here, what the package has of it."""
    if data.locate(name).found:
        return {part: split.y.numpy() for part, split in data.load(name).splits.items()}
    own = data.train_labels(name)
    return {} if own is None else {"train": own}


# -- what is there ------------------------------------------------------------------------------


def accuracy_rows(shown: Sequence[Arm]) -> list[TableRow]:
    """How many models an arm has, and their accuracies on members and others: means, percent."""
    return [
        {"models": f"{name}, {len(arm.leaks)}", "members": f"{arm.members[0].sum()}"}
        | {
            f"{side},\n{kind}": _mean(arm, np.array([m.accuracy(kind)[i] for m in arm.leaks]))
            for kind in arm.inferences
            for i, side in enumerate(("members", "others"))
        }
        for name, arm in told_apart(shown)
    ]


def told_apart(shown: Sequence[Arm]) -> list[tuple[str, Arm]]:
    """Every arm under its name, with its tier where there are several."""
    several = len({(arm.leaks[0].tier, arm.leaks[0].source) for arm in shown}) > 1
    return [(arm.described if several else arm.name, arm) for arm in shown]


def _mean(arm: Arm, values: Floats) -> plot.Value:
    found = arm.summary(values)
    low, high = np.clip([found.low, found.high], 0, 100)  # Student's interval knows no limits
    return plot.Value(found.mean, float(low), float(high), **arm.evidence, digits=1)


def missing_rows(name: str) -> list[TableRow]:
    """Of each full-scale arm, how many models are recorded, and the hours that the rest takes."""
    wanted = registry.experiment(name).variants("paper")
    rows: list[TableRow] = []
    for model in dict.fromkeys(v.model for v in wanted):
        mine = [v for v in wanted if v.model == model]
        missing, minutes = study.lacking(mine)
        have = len(mine) - len(missing)
        short = f"not attempted: {have} of {MIN_MODELS}"
        rows.append(
            {
                "arm": NAMES[model],
                "models": len(mine),
                "recorded": have,
                "state": short if have < MIN_MODELS else "recorded",
                "hours that it lacks": f"{minutes / 60:.0f}",
            }
        )
    return rows
