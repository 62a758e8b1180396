"""The hybrid zonotope: never looser than intervals, and refused where it would not fit."""

import pytest
import torch
from small_nets import CLASSES, batch, conv_net, dense_net
from torch import nn

from privrob import bounds
from privrob.bounds import zonotope


@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize("eps", [0.01, 0.05, 0.2])
def test_never_looser_than_intervals(seed, eps):
    model, (x, y) = conv_net(seed=seed), batch(4, seed=seed)
    worst = [
        bounds.worst_case_logits(model, x, y, eps=eps, method=m) for m in ("zonotope", "interval")
    ]
    inner, outer = (
        bounds.zonotope_bounds(model, x, eps=eps),
        bounds.interval_bounds(model, x, eps=eps),
    )
    assert (worst[0] <= worst[1] + 1e-12).all()
    assert (inner[0] >= outer[0] - 1e-12).all()
    assert (inner[1] <= outer[1] + 1e-12).all()
    assert (worst[0] < worst[1] - 1e-4).any()


def test_while_every_sign_is_certain_it_is_exact():
    model, (x, y) = dense_net(4, 6, 5, CLASSES, seed=1), batch(3, seed=1, shape=(1, 1, 4))
    eps = 1e-4
    worst = bounds.worst_case_logits(model, x, y, eps=eps, method="zonotope")
    jacobian = torch.autograd.functional.jacobian(lambda z: model(z).sum(0), x)
    jacobian = jacobian.flatten(2).transpose(0, 1)  # (B, K, pixels)
    own = jacobian.gather(1, y[:, None, None].expand(-1, 1, 4))
    clean = model(x)
    exact = clean - clean.gather(1, y[:, None]) + eps * (jacobian - own).abs().sum(2)
    torch.testing.assert_close(worst, exact)


def test_by_hand_on_one_unit_of_each_kind():
    """Inputs 0.5 +- 0.1 twice: a sum that stays positive, a difference that may be negative."""
    model = nn.Sequential(nn.Flatten(), nn.Linear(2, 3), nn.ReLU(), nn.Linear(3, 2)).double()
    model[1].weight.data = torch.tensor([[1.0, 1], [1, -1], [-1, -1]], dtype=torch.float64)
    model[1].bias.data.zero_()
    model[3].weight.data = torch.tensor([[1.0, 0, 0], [1, 1, 1]], dtype=torch.float64)
    model[3].bias.data.zero_()
    x = torch.full((1, 1, 1, 2), 0.5, dtype=torch.float64)
    lower, upper = bounds.zonotope_bounds(model, x, eps=0.1)
    # the difference lies in [-0.2, 0.2], so behind the ReLU in a box of its own, [0, 0.2]
    torch.testing.assert_close(lower, torch.tensor([[0.8, 0.8]], dtype=torch.float64))
    torch.testing.assert_close(upper, torch.tensor([[1.2, 1.4]], dtype=torch.float64))
    worst = bounds.worst_case_logits(
        model, x, torch.tensor([0]), eps=0.1, method="zonotope"
    )  # the shared sum cancels
    torch.testing.assert_close(worst, torch.tensor([[0, 0.2]], dtype=torch.float64))


def test_too_large_is_refused_with_the_estimate():
    model, (x, y) = conv_net(seed=0), batch(3, seed=0)
    with torch.no_grad():
        z, elements = x, 64
        for layer in bounds.chain(model):
            z = layer(z)
            elements += z[0].numel()
    need = 3 * 64 * elements * 8  # an error per pixel, in every layer, in float64
    assert zonotope.estimate_bytes(bounds.chain(model), x) == need
    how = {"eps": 0.1, "memory_limit": need}
    assert bounds.zonotope_bounds(model, x, **how)[0].shape == (3, CLASSES)
    how["memory_limit"] -= 1
    message = f"3 images with 64 pixels would take about {need / 2**20:,.0f} MiB, the limit is"
    with pytest.raises(ValueError, match=message):
        bounds.zonotope_bounds(model, x, **how)
    with pytest.raises(ValueError, match=message):
        bounds.worst_case_logits(model, x, y, **how, method="zonotope")
