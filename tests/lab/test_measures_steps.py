"""Steps to success against means taken image by image."""

import numpy as np
import pytest

from privrob.lab import questions
from privrob.lab.measures import MEASURES, MeasureError, steps

LAST = questions.MOST_STEPS
SIZES = np.array([0.01, 0.02])


def record(*rows) -> dict:
    """Steps to success (E, A, N) at eps 0.1 and 0.3."""
    first = np.array(rows, np.int16)
    return {"eps": np.array([0.1, 0.3]), "step_sizes": SIZES, "first_success": first}


@pytest.fixture
def pair() -> dict:
    """Five images, of which the first is wrong to begin with for DP-SGD."""
    slow = [[3, 40, -1, -1, -1], [2, 20, -1, -1, 100]]
    fast = [[0, 10, 30, -1, -1], [0, 5, 15, -1, 80]]
    return {
        "sgd": record(slow, [[3, 20, 30, 30, 30], [2, 10, 20, 20, -1]]),
        "dpsgd": record(fast, [[0, 10, 20, 20, 20], [0, 5, 10, 10, 10]]),
    }


def by_hand(first) -> float:
    """Every image that is right to begin with, one by one."""
    return np.mean([LAST if s < 0 else s for s in first if s != 0])


@pytest.mark.parametrize("model", ["sgd", "dpsgd"])
@pytest.mark.parametrize(("k", "eps"), [(0, 0.1), (1, 0.3)])
def test_means_are_those_of_the_images_one_by_one(pair, model, k, eps):
    first = pair[model]["first_success"][k]
    capped = [by_hand(row) for row in first]
    np.testing.assert_allclose(steps.capped_steps(pair, model=model, eps=eps), capped)
    fooled = [row[row > 0].mean() for row in first]
    np.testing.assert_allclose(steps.steps_of_fooled(pair, model=model, eps=eps), fooled)
    never = [100 * (row[row != 0] < 0).mean() for row in first]
    np.testing.assert_allclose(steps.never_fooled_share(pair, model=model, eps=eps), never)


def test_a_share_stands_until_the_step_that_fools(pair):
    left = steps.standing_share(pair, model="dpsgd", eps=0.1)
    assert left.shape == (len(SIZES), LAST + 1)
    np.testing.assert_allclose(left[0, [0, 9, 10, 29, 30, LAST]], [1, 1, 0.75, 0.75, 0.5, 0.5])
    np.testing.assert_allclose(left[1, [79, 80]], [0.5, 0.25])


def test_the_contrast_is_positive_where_dp_sgd_falls_earlier(pair):
    found = MEASURES["mean_extra_steps"](pair, eps=0.3)
    rows = zip(*(p["first_success"][1] for p in pair.values()), strict=True)
    sizes = [by_hand(a) - by_hand(b) for a, b in rows]
    assert found == pytest.approx(np.mean(sizes))
    assert found > 0
    turned = {"sgd": pair["dpsgd"], "dpsgd": pair["sgd"]}
    assert MEASURES["mean_extra_steps"](turned, eps=0.3) == pytest.approx(-found)


def test_of_the_fooled_alone_those_never_fooled_cannot_make_the_difference(pair):
    found = MEASURES["extra_steps_of_fooled"](pair, eps=0.1)
    rows = zip(*(p["first_success"][0] for p in pair.values()), strict=True)
    assert found == pytest.approx(np.mean([a[a > 0].mean() - b[b > 0].mean() for a, b in rows]))
    never = {m: {**p, "first_success": np.insert(p["first_success"], 0, -1, axis=-1)}
             for m, p in pair.items()}  # fmt: skip
    assert MEASURES["extra_steps_of_fooled"](never, eps=0.1) == pytest.approx(found)
    assert MEASURES["mean_extra_steps"](never, eps=0.1) != MEASURES["mean_extra_steps"](
        pair, eps=0.1
    )


def test_more_are_never_fooled_at_the_small_eps_only_if_so_for_both_models(pair):
    assert MEASURES["extra_never_fooled"](pair, small=0.1, large=0.3) == pytest.approx(37.5)
    pair["dpsgd"]["first_success"][1, :, 1:] = -1
    assert MEASURES["extra_never_fooled"](pair, small=0.1, large=0.3) < 0


def test_what_has_no_mean_says_so(pair):
    pair["sgd"]["first_success"][0] = 0
    with pytest.raises(MeasureError, match="sgd has no image right to begin with"):
        steps.capped_steps(pair, model="sgd", eps=0.1)
    pair["dpsgd"]["first_success"][0, 0, 1:] = -1
    with pytest.raises(MeasureError, match=r"dpsgd is never fooled at eps 0.1"):
        steps.steps_of_fooled(pair, model="dpsgd", eps=0.1)
