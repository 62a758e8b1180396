"""The zoo's models walked in this build, and their counts of steps against the records."""

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from privrob import attacks, data, evaluate
from privrob.exhibits.check import Agreement, model
from privrob.exhibits.groups import Group, grouped, live
from privrob.exhibits.steps import NAME, place_of
from privrob.lab import questions, study
from privrob.lab.recompute import ATTACK_SLACK, margin
from privrob.lab.spec import Steps
from privrob.lab.study import Row

LIVE_EPS, LIVE_STEP_SIZES, LIVE_IMAGES = 0.3, (0.01, 0.02, 0.05), 100


def live_step_groups(*, device: str = "auto") -> list[Group]:
    """The zoo's models walked now: the first images, at LIVE_EPS."""
    return list(grouped(live(NAME, device=device, cut=_cut), "executed", "zoo"))


def step_agreements(live: Sequence[Group]) -> list[Agreement]:
    """The zoo's counts against those of their records."""
    records = {_id(row): row for row in study.recorded(NAME)}
    rows = [row for group in live for row in group.rows]
    return [_agree(now, records[_id(now)]) for now in rows if _id(now) in records]


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
    return Agreement(v.reading, v.model, *counts, beyond)


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
    return float(margin(g, y)[0])
