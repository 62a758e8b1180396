"""Schedules against their closed forms, at the recipes' own boundaries."""

import pytest

from privrob.training.schedules import piecewise, ramp

UPDATES = 20001


def test_a_ramp_is_flat_then_straight_then_flat():
    at = {p: ramp(p, start=0.25, end=0.75, low=1.0, high=3.0) for p in (0, 0.25, 0.5, 0.7, 0.75, 1)}
    assert at == pytest.approx({0: 1, 0.25: 1, 0.5: 2, 0.7: 2.8, 0.75: 3, 1: 3})


def test_a_ramp_meets_its_ends_at_the_very_update():
    settings = {"start": 500 / UPDATES, "end": 7000 / UPDATES, "low": 1.0, "high": 0.5}
    values = [ramp(n / UPDATES, **settings) for n in (499, 500, 501, 6999, 7000)]
    assert values[:2] == [1.0, 1.0]
    assert values[4] == 0.5
    assert values[2] == pytest.approx(1 - 0.5 / 6500)
    assert values[3] == pytest.approx(0.5 + 0.5 / 6500)


def test_a_ramp_of_no_length_is_a_jump():
    jump = {"start": 0.5, "end": 0.5, "low": 0.0, "high": 1.0}
    assert [ramp(p, **jump) for p in (0.0, 0.499, 0.5, 1.0)] == [0, 0, 1, 1]


def test_the_yale_rate_falls_at_its_updates():
    def rate(n):
        return piecewise(
            n / UPDATES, boundaries=[10000 / UPDATES, 15000 / UPDATES], values=[1e-4, 5e-5, 1e-5]
        )

    found = [rate(n) for n in (0, 9999, 10000, 14999, 15000, 20000)]
    assert found == [1e-4, 1e-4, 5e-5, 5e-5, 1e-5, 1e-5]


@pytest.mark.parametrize(
    ("call", "word"),
    [
        (lambda: ramp(0.1, start=0.5, end=0.2, low=0, high=1), "0.5 and 0.2"),
        (lambda: ramp(0.1, start=-0.1, end=0.2, low=0, high=1), "-0.1"),
        (lambda: piecewise(0.1, boundaries=[0.5], values=[1.0]), "need 2 values, got 1"),
        (lambda: piecewise(0.1, boundaries=[0.5, 0.5], values=[1, 2, 3]), "ascend"),
    ],
)
def test_bad_settings_are_refused(call, word):
    with pytest.raises(ValueError, match=word):
        call()
