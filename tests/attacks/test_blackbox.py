"""Attacks without gradients: where they may go, what they keep, and beside torchattacks."""

import pytest
import torch
from torch import nn

from privrob import attacks, evaluate
from privrob.attacks import blackbox

EPS = 0.1
CORNERS = torch.tensor([-EPS, EPS])


def generator() -> torch.Generator:
    return torch.Generator().manual_seed(0)


def square(model, x, y, **changes):
    settings = {"eps": EPS, "queries": 60, "first_share": 0.3, "generator": generator()}
    return blackbox.square(model, x, y, **settings | changes)


def accuracy(model, x, y):
    return evaluate.accuracy(model, x, y)


def margin(model, x, y):
    g = evaluate.logits(model, x)
    return g[range(len(y)), y] - g.scatter(1, y[:, None], -torch.inf).amax(1)


def test_noise_reaches_the_corners_of_the_ball(tiny):
    x = tiny.x.clamp(0.2, 0.8)
    moved = blackbox.sign_noise(tiny.model, x, tiny.y, eps=EPS, generator=generator()) - x
    torch.testing.assert_close(moved.abs(), torch.full_like(x, EPS))
    assert abs((moved > 0).float().mean().item() - 0.5) < 4 * 0.5 / moved.numel() ** 0.5


def test_noise_and_squares_stay_in_the_ball_and_in_range(tiny):
    model, x, y = tiny
    noisy = blackbox.sign_noise(model, x, y, eps=EPS, generator=generator())
    for x_adv in (noisy, square(model, x, y)):
        assert (x_adv - x).abs().max() <= EPS + 1e-6
        assert x_adv.min() >= 0
        assert x_adv.max() <= 1


def test_a_square_s_pixels_lie_at_the_corners_or_at_the_edge_of_the_range(tiny):
    moved = square(*tiny) - tiny.x
    inside = square(*tiny).clamp(0, 1)
    at_corner = (moved.abs() - EPS).abs() < 1e-6
    at_edge = (inside == 0) | (inside == 1)
    assert (at_corner | at_edge).all()


def test_more_queries_never_raise_the_margin(tiny):
    """The same draws, longer: what is kept only ever lowers the margin."""
    margins = [margin(tiny.model, square(*tiny, queries=q), tiny.y) for q in (1, 5, 5)]
    torch.testing.assert_close(margins[1], margins[2], rtol=0, atol=0)
    assert (margins[1] <= margins[0]).all()
    assert (margins[1] < margins[0]).any()


def test_it_searches_a_model_that_hides_its_gradient(tiny):
    class Steps(nn.Module):
        """Logits rounded down: their gradient is zero everywhere."""

        def __init__(self, inner):
            super().__init__()
            self.inner = inner

        def forward(self, x):
            g = self.inner(x) * 50
            return g + (g.round() - g).detach() - (g - g.detach())

    model, x, y = Steps(tiny.model), tiny.x, tiny.y
    pgd = attacks.pgd(model, x, y, eps=EPS, step_size=0.02, steps=10, random_start=False)
    assert torch.equal(pgd, x)  # nothing to go by
    assert accuracy(model, square(model, x, y, queries=200), y) < accuracy(model, x, y) - 0.2


def test_as_strong_as_torchattacks_square(tiny):
    torchattacks = pytest.importorskip("torchattacks")
    model, x, y = tiny
    model.eval()
    theirs = torchattacks.Square(
        model, norm="Linf", eps=EPS, n_queries=200, p_init=0.8, loss="margin", seed=0
    )(x, y)
    ours = square(model, x, y, queries=200, first_share=0.8)
    left, other = accuracy(model, ours, y), accuracy(model, theirs, y)
    spread = (other * (1 - other) / len(y)) ** 0.5  # of one draw of as many images
    assert abs(left - other) <= 2 * max(spread, 1 / len(y))
    assert left < accuracy(model, x, y) - 0.2


def test_eps_zero_changes_nothing(tiny):
    assert torch.equal(square(*tiny, eps=0.0), tiny.x)
    assert torch.equal(blackbox.sign_noise(*tiny, eps=0.0, generator=generator()), tiny.x)


def test_the_generator_alone_decides(tiny):
    assert torch.equal(square(*tiny), square(*tiny))
    other = square(*tiny, generator=torch.Generator().manual_seed(1))
    assert not torch.equal(square(*tiny), other)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"eps": -0.1}, "eps must be finite and at least 0, got -0.1"),
        ({"queries": 0}, "queries must be an integer of at least 1, got 0"),
        ({"first_share": 0.0}, "first_share must lie in"),
    ],
)
def test_refuses(tiny, change, message):
    with pytest.raises(ValueError, match=message):
        square(*tiny, **change)
