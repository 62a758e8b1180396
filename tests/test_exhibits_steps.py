"""Figures and tables of the page on steps, on counts made up here."""

from dataclasses import dataclass, field
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from torch import nn

from privrob import exhibits, plot
from privrob.exhibits import steps, steps_zoo
from privrob.exhibits.groups import Group
from privrob.lab.measures import steps as measures

EPS, SIZES = np.array([0.1, 0.3]), np.array([0.01, 0.02])


@dataclass
class Row:
    """What a group reads of a row."""

    arrays: dict
    variant: SimpleNamespace
    result: SimpleNamespace = field(init=False)

    def __post_init__(self) -> None:
        self.result = SimpleNamespace(arrays=self.arrays)


def group(sgd, dpsgd, *, seeds=(0,)) -> Group:
    """A recorded group with these counts (E, A, N), the same for every seed."""
    rows = [
        Row({"eps": EPS, "step_sizes": SIZES, "first_success": np.array(first, np.int16)},
            SimpleNamespace(model=model, seed=seed, reading="matched", note=""))
        for seed in seeds
        for model, first in (("sgd", sgd), ("dpsgd", dpsgd))
    ]  # fmt: skip
    return Group("recorded", "", "matched", "", tuple(rows))


@pytest.fixture
def one() -> Group:
    """Six images; the first is wrong for DP-SGD, the last is never fooled by either."""
    sgd = [[[9, 8, 9, 5, -1, -1], [5, 4, 5, 3, -1, -1]], [[9, 8, 9, 5, 9, 40], [5] * 6]]
    dpsgd = [[[0, 4, 9, 7, 9, -1], [0, 2, 5, 4, 5, -1]], [[0, 4, 9, 7, 9, 20], [0, 2, 5, 4, 5, 5]]]
    return group(sgd, dpsgd)


def test_who_falls_first_is_counted_image_by_image(one):
    rows = exhibits.first_to_fall([one])
    assert [(r["ε"], r["step size"]) for r in rows[:2]] == [("0.1", "0.01"), ("0.1", "0.02")]
    found = {name: rows[0][words].mean for name, words in steps.OUTCOMES.items()}
    # Of five images that both have right: two fall first for DP-SGD, one each otherwise.
    expected = {"dpsgd_first": 40, "same_step": 20, "sgd_first": 20, "neither": 20}
    assert found == pytest.approx(expected)
    for row in rows:
        assert sum(row[words].mean for words in steps.OUTCOMES.values()) == pytest.approx(100)


def test_a_row_has_means_with_and_without_images_never_fooled(one):
    row = exhibits.steps_table([one])[0]
    assert row["SGD:\nnever fooled,\n%"].mean == pytest.approx(100 / 3)
    assert row["SGD:\nsteps, of\nthe fooled"].mean == pytest.approx((9 + 8 + 9 + 5) / 4)
    assert row["SGD:\nsteps,\nat least"].mean == pytest.approx((31 + 200) / 6)
    assert row["DP-SGD:\nsteps,\nat least"].mean == pytest.approx((29 + 100) / 5)
    gap = row["SGD minus DP-SGD,\nsteps at least"]
    assert gap.mean == pytest.approx(231 / 6 - 129 / 5)
    assert gap.low < gap.mean < gap.high


def test_several_seeds_are_counted():
    counts = [[[5, 6], [3, 3]], [[5, 6], [3, 3]]]
    row = exhibits.steps_table([group(counts, counts, seeds=(0, 1))])[0]
    assert row["SGD:\nsteps,\nat least"].n == 2


def test_the_sentence_tells_what_a_difference_rests_on(one):
    told = exhibits.steps_told([one])
    assert told.count("Recorded, matched, ε") == 2
    fooled = [measures.steps_of_fooled(one.pairs[0], model=m, eps=0.1) for m in exhibits.MODELS]
    gap = f"{(fooled[0] - fooled[1]).mean():.1f}".replace("-", "\N{MINUS SIGN}")
    assert f"without images never fooled, {gap} [" in told


def test_curves_start_at_all_images_and_end_at_those_never_fooled(one):
    sgd, dpsgd = exhibits.standing_curves([one], eps=0.1, step_size=0.01)
    assert (sgd.mean[0], sgd.mean[-1]) == (100, pytest.approx(100 / 3))
    assert (dpsgd.model, dpsgd.mean[-1]) == ("dpsgd", pytest.approx(20))
    rows = plot.curve_rows_over([sgd], "share", x="step")
    assert rows[4]["step"] == 4
    alt = exhibits.standing_alt([one], step_size=0.01)
    assert "SGD, recorded at ε = 0.1: half are fooled by step 9, 33 percent are never fooled" in alt
    steps_at_both = "SGD, recorded at ε = 0.3: 13 steps of 0.01, 5 of 0.02"
    assert steps_at_both in exhibits.step_alt([one])
    assert [c.eps for c in exhibits.step_curves([one], eps=0.3)] == [SIZES.tolist()] * 2
    with pytest.raises(ValueError, match="no step size 0.5"):
        exhibits.standing_curves([one], eps=0.1, step_size=0.5)


def test_a_strip_ends_where_the_network_is_fooled():
    network = nn.Sequential(nn.Flatten(), nn.Linear(4, 2, bias=False))
    with torch.no_grad():
        network[1].weight.copy_(torch.tensor([[1.0] * 4, [-1.0] * 4]))
        network[1].weight[1] += 1.4  # class 1 wins where the sum is small
    x, y = torch.full((1, 1, 2, 2), 0.5), torch.zeros(1, dtype=torch.long)
    walk = {"eps": 0.4, "step_size": 0.1, "steps": 5}
    _, alt, rows = exhibits.walk_strip({"sgd": network}, x, y, walk=walk)
    assert rows[0] == {"model": "sgd", "step": 0, "answer": 0, "label": 0}
    assert "The digit 0 on its way through PGD" in alt
    assert rows[-1]["step"] <= walk["steps"]


# -- the zoo ------------------------------------------------------------------------------------


def walked(counts) -> Row:
    names = {"eps": EPS[1:], "step_sizes": np.array(steps_zoo.LIVE_STEP_SIZES)}
    variant = SimpleNamespace(model="sgd", reading="literal", seed=0, note="")
    return Row(names | {"first_success": np.array(counts, np.int16)[None]}, variant)


def test_counts_that_differ_are_excused_only_near_the_boundary(monkeypatch):
    same = [5] * 99  # one image in a hundred may turn
    now, then = walked([[*same, 7]] * 3), walked([[*same, 9]] + [[*same, 7]] * 2)
    monkeypatch.setattr(steps_zoo, "_margin_at", lambda *_: 0.01)
    near = steps_zoo._agree(now, then)
    assert (near.answers, near.differ, near.differing, near.beyond) == (300, 1, 1, [])
    assert near.holds
    monkeypatch.setattr(steps_zoo, "_margin_at", lambda *_: -3.0)
    far = steps_zoo._agree(now, then)
    assert far.beyond == [(99, 0.3, 0.01)]
    assert not far.holds


def test_many_counts_that_differ_do_not_hold(monkeypatch):
    monkeypatch.setattr(steps_zoo, "_margin_at", lambda *_: 0.0)
    found = steps_zoo._agree(walked([[5, 6, 7]] * 3), walked([[4, 5, 6]] * 3))
    assert found.differ == 9
    assert not found.holds
