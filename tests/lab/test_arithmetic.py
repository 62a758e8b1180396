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
    assert share == pytest.approx(1 / 3 - 0.5)


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
    assert arithmetic.advantage_ratio(OUTPUTS, table=T) == 3


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
