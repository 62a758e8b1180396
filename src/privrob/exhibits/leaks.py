"""song2019's evidence: one model a row, with the threshold attack on any of its scores.

Each `Leak` is one trained model and what membership inference may know of its points; tiers are
told apart as everywhere: recorded, then what a notebook computed in profile quick.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import numpy as np
from numpy.typing import NDArray

from privrob import plot
from privrob.exhibits.figures import worst
from privrob.exhibits.groups import MODELS
from privrob.lab import registry, song2019, study
from privrob.lab.registry import Variant
from privrob.lab.run import Lab, graph, open_store
from privrob.lab.study import Row
from privrob.membership import threshold

PERMUTATIONS, RESAMPLES, AUDIT_SEED = 1000, 1000, 0
INFERENCES = {"benign": "I_B", "adversarial": "I_A", "verified": "I_V"}
NAMES = song2019.NAMES | MODELS
TableRow = dict[str, object]


@dataclass(frozen=True, eq=False)  # told apart by identity, so that audits can be kept
class Leak:
    """One model's scores; `tier` and `source` as a group's."""

    row: Row
    tier: str
    source: str

    @property
    def model(self) -> str:
        """A key of NAMES."""
        return self.row.variant.model

    @property
    def name(self) -> str:
        """'PGD, eps 2/255'."""
        return ", ".join(filter(None, [NAMES[self.model], self.row.variant.note]))

    @property
    def arrays(self) -> dict[str, NDArray[Any]]:
        """Of a record of scores, or of a training, which has log-odds and answers of its images."""
        own = self.row.result.arrays
        return own if "log_odds_train" not in own else own | _as_scores(own)

    def sides(self, name: str) -> tuple[NDArray[Any], NDArray[Any]]:
        """An array of members and of non-members: 'confidence_benign', 'labels'."""
        return self.arrays[f"{name}_train"], self.arrays[f"{name}_test"]

    def has(self, inference: str) -> bool:
        """Whether there are scores of 'benign', 'adversarial' or 'verified' inputs."""
        return f"confidence_{inference}_train" in self.arrays

    def audit(self, inference: str, *, score: str) -> threshold.Audit:
        """The threshold attack with its null band and held-out twin; `score` 'log_odds', say.

        ValueError for inputs that this model has no scores of, as 'verified' without a bound.
        """
        if not self.has(inference):
            raise ValueError(f"{self.name} has no scores of {inference} inputs")
        return _audit(self, f"{score}_{inference}")

    def accuracy(self, kind: str) -> tuple[float, float]:
        """Of members and non-members, percent, on 'benign' or 'adversarial' inputs."""
        members, nonmembers = self.sides(f"correct_{kind}")
        return 100 * float(members.mean()), 100 * float(nonmembers.mean())

    @property
    def evidence(self) -> dict[str, Any]:
        """Tier and source, as `plot.Value` takes them."""
        return {"tier": self.tier, "source": self.source}

    def value(self, mean: float, low: float | None = None, high: float | None = None) -> plot.Value:
        """A percentage or points; of some hundred images one decimal tells all."""
        return plot.Value(mean, low, high, **self.evidence, digits=1)


def _as_scores(arrays: dict[str, NDArray[Any]]) -> dict[str, NDArray[Any]]:
    """What a training says of its images under the names of scores on benign inputs."""
    parts = ("train", "test")
    odds = {f"log_odds_benign_{p}": arrays[f"log_odds_{p}"].astype(np.float32) for p in parts}
    return odds | {f"correct_benign_{p}": arrays[f"correct_{p}"] for p in parts}


@lru_cache(maxsize=256)
def _audit(leak: Leak, name: str) -> threshold.Audit:
    members, nonmembers = leak.sides(name)
    inside, outside = leak.sides("labels")
    return threshold.audit(
        members,
        nonmembers,
        member_labels=inside,
        nonmember_labels=outside,
        classes=1 + int(max(inside.max(), outside.max())),
        permutations=PERMUTATIONS,
        resamples=RESAMPLES,
        seed=AUDIT_SEED,
    )


# -- gathering ----------------------------------------------------------------------------------


def leaks(name: str, computed: Sequence[Row] = (), *, models: Sequence[str] = ()) -> list[Leak]:
    """All evidence on an experiment of scores: what is recorded, then the quick models.

    `computed` is what a notebook just computed; rows that are not reduced are records already.
    `models` names ways of training, all if empty.
    """
    return [
        *(Leak(row, "recorded", "") for row in study.recorded(name, models=models)),
        *quick_leaks(computed),
    ]


def quick_leaks(computed: Sequence[Row]) -> list[Leak]:
    """The small models among what a notebook computed, whatever else is recorded."""
    small = [row for row in computed if row.variant.train.scale == "reduced"]
    return [Leak(row, "executed", "quick") for row in small]


def at_hand(name: str, *, seed: int, models: Sequence[str] = ()) -> list[Leak]:
    """The small models of an experiment that the store has, up to date; nothing is computed."""
    lab = Lab(open_store("quick"), on="cpu")
    wanted = registry.experiment(name).variants("quick", seed=seed, models=models)
    found = [(v, lab.lookup(v.spec)) for v in wanted if _fresh(lab, v)]
    return quick_leaks([Row(v, result) for v, result in found if result])


def _fresh(lab: Lab, variant: Variant) -> bool:
    found = (lab.lookup(spec) for spec in graph([variant.spec]))
    return all(result is not None and result.state == "fresh" for result in found)


# -- what a table shows of them -----------------------------------------------------------------


def accuracy_cells(leak: Leak) -> TableRow:
    """Accuracies of members and non-members, on the images and under the attack, percent."""
    return {
        f"{side},\n{kind}": leak.value(value)
        for kind in ("benign", "adversarial")
        for side, value in zip(("members", "others"), leak.accuracy(kind), strict=True)
    }


def inference_cells(leak: Leak, inference: str, *, score: str) -> TableRow:
    """The official accuracy, what chance gives, and the held-out accuracy, in percent."""
    name = INFERENCES[inference]
    names = (name, f"{name}, 95 %\nof chance", f"{name},\nheld out")
    if not leak.has(inference):
        return dict.fromkeys(names)
    return dict(zip(names, attack_values(leak, inference, score=score), strict=True))


def attack_values(
    leak: Leak, inference: str, *, score: str
) -> tuple[plot.Value, plot.Value, plot.Value]:
    """The official accuracy, what chance gives, and the held-out accuracy; percent."""
    a = leak.audit(inference, score=score)
    return (
        leak.value(100 * a.official.accuracy),
        leak.value(100 * a.null.high),
        leak.value(100 * a.held_out.accuracy, 100 * a.interval.low, 100 * a.interval.high),
    )


def leak_stamp(shown: Sequence[Leak], command: str) -> plot.Stamp:
    """The evidence behind a figure or table of these models."""
    results = [leak.row.result for leak in shown]
    manifests = [r.manifest for r in results]
    days = sorted({m["created"][:10] for m in manifests})
    profiles = {"quick": "quick", "": "paper"}
    return plot.Stamp(
        tiers=tuple(dict.fromkeys(leak.tier for leak in shown)),
        profile=" and ".join(dict.fromkeys(profiles[leak.source] for leak in shown)),
        device="; ".join(dict.fromkeys(m["device"] for m in manifests)),
        seeds=tuple(sorted({leak.row.variant.seed for leak in shown})),
        date=" to ".join(dict.fromkeys([*days[:1], *days[-1:]])),
        keys=tuple(dict.fromkeys(r.key for r in results)),
        state=worst(r.state for r in results),
        command=command,
    )
