"""The zoo's models attacked now, against their own records: image by image."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from privrob import attacks, data, evaluate, models, plot
from privrob.exhibits.figures import lead, stamp
from privrob.exhibits.groups import MODELS, Group, live, pick
from privrob.exhibits.notes import sentence
from privrob.lab import study
from privrob.lab.experiment import Variant
from privrob.lab.recompute import ATTACK_SLACK, EXCUSED_SHARE, margin
from privrob.lab.run import Lab, open_store
from privrob.lab.spec import Fgsm, Pgd
from privrob.lab.study import Row


@dataclass(frozen=True)
class Agreement:
    """One zoo model against its record: of `answers`, `differ` differ, on `differing` images.

    Rounding may turn an answer where the margin, the label's logit minus the largest other, is
    within ATTACK_SLACK. `beyond` names the answers (image, eps[, steps]) that differ otherwise.
    """

    reading: str  # and the variant, where DP-SGD has several
    model: str
    images: int
    answers: int
    differ: int
    differing: int
    beyond: list[tuple[Any, ...]]

    @property
    def holds(self) -> bool:
        """Nothing differs but what rounding explains, and that on few images."""
        return not self.beyond and self.differing <= EXCUSED_SHARE * self.images

    @property
    def row(self) -> dict[str, object]:
        return {
            "zoo model": f"{MODELS[self.model]}, {self.reading}",
            "images": self.images,
            "answers compared": self.answers,
            "differ from the record": self.differ,
            f"of these with a margin above {ATTACK_SLACK:g}": len(self.beyond),
        }


def agreements(name: str, *, device: str = "auto") -> list[Agreement]:
    """Every live result of an experiment compared with its record, where both are there."""
    records = {_id(row): row for row in study.recorded(name)}
    once = {row.result.key: row for row in live(name, device=device)}  # SGD is in every variant
    pairs = [(row, records.get(_id(row))) for row in once.values()]
    return [_compare(now, then) for now, then in pairs if then]


def _id(row: Row) -> tuple[object, ...]:
    v = row.variant
    return v.model, v.reading, v.seed, v.note


def _compare(now: Row, then: Row) -> Agreement:
    correct = now.result.arrays["correct"]
    n = correct.shape[-1]
    differ = correct != then.result.arrays["correct"][..., :n]
    images = np.flatnonzero(differ.reshape(-1, n).any(0))
    beyond = [] if not len(images) else _beyond(now, differ, images)
    counts = (n, differ.size, int(differ.sum()), len(images))
    return Agreement(name_of(now.variant), now.variant.model, *counts, beyond)


def name_of(v: Variant) -> str:
    """The reading and the note; of SGD, which is the same beside every variant, the reading."""
    return v.reading if v.model == "sgd" else ", ".join(filter(None, [v.reading, v.note]))


def _beyond(row: Row, differ: NDArray[np.bool_], images: Any) -> list[tuple[Any, ...]]:
    margins = margins_under_attack(row, images)
    far = differ[..., images] & (np.abs(margins) > ATTACK_SLACK)
    spec = row.variant.spec
    steps = () if isinstance(spec, Fgsm) else (spec.steps,)  # type: ignore[union-attr]
    axes = (spec.eps, *steps)  # type: ignore[union-attr]
    return [
        (int(images[i]), *(axis[k] for axis, k in zip(axes, at, strict=True)))
        for *at, i in np.argwhere(far).tolist()
    ]


def margins_under_attack(row: Row, images: Any) -> NDArray[np.float64]:
    """Logit of the label minus the largest other, after the attack: (E, n) or (E, S, n)."""
    spec = row.variant.spec
    assert isinstance(spec, Fgsm | Pgd)
    network, test = model(row), data.load(spec.data.name).test
    chosen = torch.as_tensor(images)
    x, y = evaluate.as_float(test.x[chosen], network), test.y[chosen]
    if isinstance(spec, Fgsm):
        attacked = attacks.fgsm_grid(network, x, y, eps=spec.eps)
        return np.stack([margin(evaluate.logits(network, a), y) for a in attacked])
    found = []
    for eps in spec.eps:
        trace = attacks.pgd_trace(
            network, x, y, eps=eps, step_size=spec.step_size, snapshots=spec.steps
        )
        found.append(np.stack([margin(trace.logits_at[s], y) for s in spec.steps]))
    return np.stack(found)


def agreement_table(found: Sequence[Agreement], groups: Sequence[Group]) -> plot.Figure:
    """How many answers were compared, and how many differ; `groups` are those they are from."""
    if not found:
        return sentence("No zoo model is here together with its record: nothing was compared.")
    chosen = [g for g in pick(groups) or groups if g.tier == "recorded" or g.source == "zoo"]
    caption = f"{lead(chosen, published=False)}: answers of the zoo's models against the records."
    evidence = stamp(chosen, "privrob verify", published=False)
    return plot.table([a.row for a in found], caption=caption, stamp=evidence)


# -- models and images --------------------------------------------------------------------------


def model(row: Row) -> nn.Module:
    """The trained network behind a result, on the CPU, in eval mode."""
    train = row.variant.train
    lab = Lab(open_store("quick"), on="cpu")
    network = models.build(train.model.name, seed=0, **train.model.settings)
    network.load_state_dict(lab.output(lab.get(train)).weights)
    return network.eval()


def images(row: Row, n: int) -> tuple[Tensor, Tensor]:
    """The first n test images of a result's data, floats in [0, 1], and their labels."""
    split = data.load(row.variant.train.data.name).test.first(n)
    return split.x.float() / 255, split.y
