"""The zoo's models walked in this build, and their counts of steps against the records."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from privrob import attacks, data, evaluate
from privrob.exhibits.check import Agreement, model
from privrob.exhibits.groups import Group, _groups
from privrob.exhibits.steps import NAME, place_of
from privrob.lab import questions, registry, study
from privrob.lab.recompute import ATTACK_SLACK
from privrob.lab.run import Lab, open_store
from privrob.lab.spec import Steps
from privrob.lab.study import Row

LIVE_EPS, LIVE_STEP_SIZES, LIVE_IMAGES = 0.3, (0.01, 0.02, 0.05), 100


@dataclass(frozen=True)
class StepAgreement(Agreement):
    """Steps to success of one zoo model against its record."""

    @property
    def holds(self) -> bool:
        """Nothing differs but where an iterate lies so near the boundary that rounding decides.

        Each image is walked several times, and on each walk the step may turn: few may.
        """
        return not self.beyond and self.differ <= max(1, self.answers // 25)


def live_step_groups(*, device: str = "auto") -> list[Group]:
    """The zoo's models walked now: the first images, at LIVE_EPS."""
    return list(_groups(live_steps(device), "executed", "zoo"))


def step_agreements(live: Sequence[Group]) -> list[Agreement]:
    """The zoo's counts against those of their records."""
    records = {_id(row): row for row in study.recorded(NAME)}
    rows = [row for group in live for row in group.rows]
    return [_agree(now, records[_id(now)]) for now in rows if _id(now) in records]


def live_steps(device: str) -> list[Row]:
    """A part of the experiment on the embedded slice, for models whose weights are kept."""
    lab = Lab(open_store("quick"), on=device)
    variants = [replace(v, spec=_cut(v.spec)) for v in registry.experiment(NAME).variants("live")]
    study.discard_stale(lab, [v.spec for v in variants])
    found = [(v, lab.lookup(v.train)) for v in variants]
    kept = [v for v, trained in found if trained and lab.store.weights(trained.record)]
    return [Row(v, lab.get(v.spec)) for v in kept]


def _cut(spec: Any) -> Steps:
    assert isinstance(spec, Steps)
    first = replace(spec.data, test=LIVE_IMAGES)
    return replace(spec, data=first, eps=(LIVE_EPS,), step_sizes=LIVE_STEP_SIZES)


def _id(row: Row) -> tuple[object, ...]:
    v = row.variant
    return v.model, v.reading, v.seed, v.note


def _agree(now: Row, then: Row) -> Agreement:
    arrays = then.result.arrays
    sizes = [place_of(arrays["step_sizes"].tolist(), a) for a in LIVE_STEP_SIZES]
    at = int(np.flatnonzero(np.isclose(arrays["eps"], LIVE_EPS))[0])
    mine = now.result.arrays["first_success"][0]
    its = arrays["first_success"][at][sizes, : mine.shape[-1]]
    apart = np.argwhere(mine != its)
    beyond = [
        (int(i), LIVE_EPS, LIVE_STEP_SIZES[k])
        for k, i in apart.tolist()
        if abs(_margin_at(now, i, LIVE_STEP_SIZES[k], (mine[k, i], its[k, i]))) > ATTACK_SLACK
    ]
    v, images = now.variant, len({i for _, i in apart.tolist()})
    counts = (mine.shape[-1], mine.size, len(apart), images)
    return StepAgreement(v.reading, v.model, *counts, beyond)


def _margin_at(row: Row, image: int, step_size: float, firsts: Sequence[int]) -> float:
    """The margin of an image at the step at which one walk was fooled and the other was not."""
    network, test = model(row), data.load("mnist_slice").test
    x, y = test.x[image : image + 1].float() / 255, test.y[image : image + 1]
    step = min(int(s) if s >= 0 else questions.MOST_STEPS for s in firsts)
    if step == 0:
        g = evaluate.logits(network, x)
    else:
        trace = attacks.pgd_trace(
            network, x, y, eps=LIVE_EPS, step_size=step_size, snapshots=[step]
        )
        g = trace.logits_at[step]
    others = g.scatter(1, y[:, None], -np.inf).amax(1)
    return float(g[0, int(y)] - others[0])
