"""Changes of left-out points: against plain loops, closed forms, and what must be refused."""

from math import pi, sqrt

import numpy as np
import pytest

from privrob import stats
from privrob.membership.sensitivity import GroupedMean, changes, grouped_mean


def scored(draw=0, *, size=12, seeds=2, groups=3, k=2):
    rng = np.random.default_rng(draw)
    out = rng.permutation(size)[: groups * k].reshape(groups, k)
    return (
        rng.normal(size=size),
        rng.normal(size=(seeds, size)),
        rng.normal(size=(groups, size)),
        out,
    )


@pytest.mark.parametrize("draw", range(3))
def test_changes_are_those_of_plain_loops(draw):
    full, seeds, without, out = scored(draw)
    found = changes(full, seeds, without, out)
    at = 0
    for g, points in enumerate(out):
        for i in points:
            assert (found.points[at], found.groups[at]) == (i, g)
            assert found.removed[at] == full[i] - without[g][i]
            assert found.seeds[at].tolist() == [full[i] - s[i] for s in seeds]
            kept = [full[i] - w[i] for h, w in enumerate(without) if h != g]
            assert found.kept[at].tolist() == kept
            others = [w[i] for h, w in enumerate(without) if h != g]
            assert found.net[at] == pytest.approx(sum(others) / len(others) - without[g][i])
            moves = [abs(full[i] - s[i]) for s in seeds]
            size = abs(full[i] - without[g][i]) - sum(moves) / len(moves)
            assert found.excess[at] == pytest.approx(size)
            at += 1
    assert at == len(found.points)


def test_what_has_no_effect_has_no_excess():
    rng = np.random.default_rng(0)
    size = 100_000
    full, other, again, more = rng.normal(0, 3, (4, size))
    found = changes(full, [other], [again, more], np.arange(size).reshape(2, -1))
    assert found.size.mean() == pytest.approx(3 * 2 / sqrt(pi), rel=0.02)
    assert found.seed_size.mean() == pytest.approx(3 * 2 / sqrt(pi), rel=0.02)
    assert abs(found.excess.mean()) < 0.05
    assert abs(found.net.mean()) < 0.05


def test_a_luckier_full_model_does_not_count_as_a_fall():
    full, seeds, without, out = scored()
    plain, lucky = (changes(f, seeds, without, out) for f in (full, full + 7))
    assert np.allclose(lucky.removed, plain.removed + 7)
    assert np.allclose(lucky.net, plain.net)


def test_one_group_has_nothing_to_stay_in():
    full, seeds, without, out = scored(groups=1)
    found = changes(full, seeds, without, out)
    assert found.kept.shape == (2, 0)
    assert np.isnan(found.kept_mean).all()


def test_the_band_is_even_and_covers_the_seeds():
    full, seeds, without, out = scored(size=40, groups=5, k=4)
    band = changes(full, seeds, without, out).seed_band()
    assert band.shape == (20,)
    assert (np.diff(band) >= 0).all()
    assert np.allclose(band, -band[::-1])
    one = changes([0.0, 0.0], [[1.0, -3.0]], [[0.0, 0.0]], [[0, 1]]).seed_band()
    assert one.tolist() == [-2.0, 2.0]  # the middles of -3, -1 and of 1, 3


def test_an_estimate_is_the_bootstrap_of_the_mean_and_the_means_of_groups():
    rng = np.random.default_rng(1)
    values, groups = rng.normal(1, 1, 60), np.repeat([0, 1, 2], 20)
    found = grouped_mean(values, groups, resamples=2000, seed=5)
    drawn = [rng.choice(values, 60).mean() for _ in range(2000)]
    assert found.mean == pytest.approx(values.mean())
    assert [found.low, found.high] == pytest.approx(np.quantile(drawn, [0.025, 0.975]), abs=0.04)
    again = stats.bootstrap_interval(values, np.mean, level=0.95, resamples=2000, seed=5)
    assert (found.low, found.high) == (again.low, again.high)
    assert list(found.by_group) == pytest.approx([values[:20].mean(), *_rest(values)])


def _rest(values):
    return [values[20:40].mean(), values[40:].mean()]


@pytest.mark.parametrize(
    ("low", "high", "groups", "sign"),
    [
        (0.1, 0.3, (0.2, 0.1), 1),
        (-0.3, -0.1, (-0.2, -0.1), -1),
        (-0.1, 0.3, (0.2, 0.1), 0),
        (0.1, 0.3, (0.5, -0.1), 0),
        (-0.3, -0.1, (0.1, -0.5), 0),
        (0.0, 0.3, (0.2, 0.1), 0),
    ],
)
def test_a_sign_is_told_where_interval_and_groups_agree(low, high, groups, sign):
    assert GroupedMean((low + high) / 2, low, high, groups).sign == sign


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"full": [0.0, np.nan, 1.0]}, "full must be finite, got nan"),
        ({"full": [[0.0, 1.0, 2.0]]}, r"full must have 1 axes and a score, got shape \(1, 3\)"),
        ({"seeds": np.zeros((0, 3))}, r"seeds must have 2 axes .* got shape \(0, 3\)"),
        ({"seeds": np.zeros((1, 4))}, r"seeds must be \(1 or more, 3\), got \(1, 4\)"),
        ({"without": np.zeros((2, 2))}, r"without must be \(1 or more, 3\), got \(2, 2\)"),
        ({"out": [[0]]}, r"out must be indices \(2, k\), got int64 of shape \(1, 1\)"),
        ({"out": [[0.0], [1.0]]}, "got float64"),
        ({"out": [[0], [3]]}, "out has index 3, of 3 points"),
        ({"out": [[0], [-1]]}, "out has index -1"),
        ({"out": [[2], [2]]}, "point 2 is left out 2 times"),
    ],
)
def test_bad_scores_are_named(change, words):
    good = {"full": np.zeros(3), "seeds": np.zeros((1, 3)), "without": np.zeros((2, 3))}
    with pytest.raises(ValueError, match=words):
        changes(**good | {"out": [[0], [1]]} | change)


def test_values_and_groups_pair_up():
    with pytest.raises(ValueError, match=r"pair up, got \(2,\) and \(3,\)"):
        grouped_mean([1.0, 2.0], [0, 0, 1], resamples=10, seed=0)
