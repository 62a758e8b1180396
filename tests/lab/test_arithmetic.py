"""Arithmetic on printed numbers, against slow ways to the same."""

import numpy as np
import pytest

from privrob.lab import arithmetic
from privrob.lab.measures import MEASURES
from privrob.stats import LEVEL

T = "song2019/yale"


def table(columns: dict) -> dict:
    """Printed numbers of a table T: column -> row -> number."""
    return {f"{T}/{row}/{c}": v for c, rows in columns.items() for row, v in rows.items()}


def test_no_name_is_a_measure_of_records_too():
    assert not MEASURES.keys() & arithmetic.ARITHMETIC.keys()


def test_eq1_gives_the_budget_that_its_formula_does():
    assert arithmetic.eq1_budget({}, delta=1e-6) == pytest.approx(4.076, abs=5e-4)
    assert arithmetic.eq1_budget({}, delta=1e-5) == pytest.approx(3.727, abs=5e-4)


@pytest.mark.parametrize(
    ("a", "b", "exact"), [(80.63, 61.1, 19.53), (1.0, 0.23, 0.77), (10.15, 4.36, 5.79)]
)
def test_differences_are_exact(a, b, exact):
    assert arithmetic.difference({"a": a, "b": b}, minuend="a", subtrahend="b") == exact


def test_a_drop_is_in_percent_of_what_was_before():
    assert arithmetic.percent_drop({"a": 2.0, "b": 1.5}, before="a", after="b") == 25


COLUMN = {"baseline": 99.0, "fog": 1.0, "snow": 2.0, "line": 6.0, "average": 50.0}


def test_a_mean_leaves_the_baseline_and_the_average_out():
    printed = table({"sgd": COLUMN, "dpsgd": {"fog": 4.5}, "difference": {"fog": 2.5}})
    mean = arithmetic.column_mean(printed, table=T, column="sgd")
    assert mean == 3
    restored = arithmetic.column_mean(
        printed, table=T, column="sgd", restored="fog", addends=["dpsgd", "difference"]
    )
    assert restored == 5
    with pytest.raises(KeyError, match="sgg"):
        arithmetic.column_mean(printed, table=T, column="sgg")


def test_a_share_counts_what_is_above_and_not_what_equals():
    printed = table({"gap": {"fog": 1.0, "snow": 2.0, "line": 3.0, "baseline": 2.0}})
    share = arithmetic.share_above(
        printed, table=T, column="gap", than=f"{T}/baseline/gap", least=0.5
    )
    assert share.value == pytest.approx(1 / 3)
    assert share.margin == pytest.approx(1 / 3 - 0.5)
    assert share.why == "1 of 3"


def test_rows_are_counted_without_the_baseline_and_the_average():
    assert arithmetic.row_count(table({"sgd": COLUMN}), table=T, column="sgd") == 3


def test_less_noise_for_its_clipping_norm_costs_more():
    given = {"noise_std": 1.3, "batch_size": 256, "images": 60000, "epochs": 1, "delta": 1e-6}
    step = arithmetic.clip_step({}, clip_norms=[1.0, 2.0], **given)
    costs = [
        arithmetic.accounted_budget(
            {}, accountant="prv", noise_multiplier=m,
            **{k: v for k, v in given.items() if k != "noise_std"},
        )
        for m in (1.3, 0.65)
    ]  # fmt: skip
    assert step == pytest.approx(costs[1] - costs[0])
    assert step > 0
    assert arithmetic.clip_step({}, clip_norms=[2.0, 1.0], **given) < 0


def test_a_lead_is_of_the_least_over_the_best_of_the_rest():
    printed = table({"gap": {"fog": 7.0, "snow": 5.0, "line": 3.0, "average": 9.0}})
    found = arithmetic.lead(printed, table=T, column="gap", rows=["fog", "snow"])
    assert found == 2
    assert arithmetic.lead(printed, table=T, column="gap", rows=["fog", "line"]) == -2


def test_the_smallest_step_is_negative_where_one_goes_back():
    before, after = ["a", "b", "c"], ["x", "y", "z"]
    printed = {"a": 10, "b": 10, "c": 10, "x": 9, "y": 6, "z": 5}
    assert arithmetic.smallest_drop_step(printed, before=before, after=after) == 1
    printed["z"] = 8
    assert arithmetic.smallest_drop_step(printed, before=before, after=after) == -2


# -- membership inference -----------------------------------------------------------------------

OUTPUTS = table(
    {
        "infer-benign": {"natural": 55.0, "pgd": 56.0, "duality": 54.0},
        "infer-adversarial": {"natural": 54.0, "pgd": 65.0, "duality": 58.0},
    }
)
SIZES = {"members": 1900, "nonmembers": 514}
BOTH = ("infer-benign", "infer-adversarial")


def test_a_ratio_is_of_what_is_above_a_half():
    assert arithmetic.advantage_ratio(OUTPUTS, table=T).value == 3
    assert arithmetic.advantage_ratio(OUTPUTS, table=T).why == ""


@pytest.mark.parametrize(
    ("ratio", "window"), [(4.5, "72.25 to 72.75 percent"), (4.25, "71.22 to 71.28 percent")]
)
def test_a_printed_ratio_needs_accuracies_that_round_to_it(ratio, window):
    printed = OUTPUTS | {"ratio": ratio}
    found = arithmetic.advantage_ratio(printed, table=T, claimed="ratio")
    assert window in found.why


@pytest.mark.parametrize(
    ("methods", "attacks", "value"),
    [
        (["pgd"], BOTH, 10),
        (["duality"], BOTH, 3),
        (["pgd", "duality"], BOTH, 3),
        (["pgd", "duality"], ["infer-benign"], -1),
    ],
)
def test_an_increase_is_of_the_best_attack_and_the_least_of_the_methods(methods, attacks, value):
    found = arithmetic.inference_increase(
        OUTPUTS, table=T, methods=methods, attacks=attacks, **SIZES
    )
    assert found.value == value
    assert (found.low + found.high) / 2 == pytest.approx(value)


def test_an_increase_somewhere_is_that_of_the_clearest_table():
    other = {name.replace(T, "b"): v + 10 * ("pgd" in name) for name, v in OUTPUTS.items()}
    found = arithmetic.inference_increase_somewhere(
        OUTPUTS | other, methods=["pgd"], sizes={T: [10**6, 10**6], "b": [5, 5]}
    )
    assert found.value == 10  # 20 in the other, which five examples leave open
    assert found.low > 9


def test_a_gain_is_of_the_best_of_each_attack():
    found = arithmetic.inference_gain(OUTPUTS, table=T, methods=["pgd", "duality"], **SIZES)
    assert found.value == 9
    assert arithmetic.inference_gain(OUTPUTS, table=T, methods=["duality"], **SIZES).value == 4


def test_the_interval_covers_what_samples_of_that_size_give():
    """Drawn: two models of the same rates near a half, where the bound of the variance is met."""
    rng = np.random.default_rng(0)
    n, m = SIZES.values()
    tpr, fpr = (rng.binomial(k, 0.5, size=(2, 20000)) / k for k in (n, m))
    accuracies = 50 * (tpr + 1 - fpr)
    differences = accuracies[0] - accuracies[1]
    same = table({a: {"natural": 55.0, "pgd": 55.0} for a in BOTH})
    found = arithmetic.inference_increase(same, table=T, methods=["pgd"], attacks=BOTH, **SIZES)
    covered = np.mean((found.low <= differences) & (differences <= found.high))
    assert covered == pytest.approx(LEVEL, abs=0.01)


@pytest.mark.parametrize(("members", "nonmembers"), [(1900, 514), (400, 400)])
def test_chance_is_what_scores_that_know_nothing_reach(members, nonmembers):
    """Drawn: the best of all thresholds on scores that are the same for both sets."""
    rng = np.random.default_rng(0)
    is_member = np.repeat([1 / members, -1 / nonmembers], [members, nonmembers])
    walks = (np.cumsum(rng.permutation(is_member)).max() for _ in range(4000))
    best = 50 + 50 * np.fromiter(walks, float)
    found = arithmetic.chance(members=members, nonmembers=nonmembers)
    assert found.mean == pytest.approx(best.mean(), abs=0.1)
    assert found.most == pytest.approx(np.quantile(best, 0.95), abs=0.2)
