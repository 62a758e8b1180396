"""Interval bounds: exact where they must be, and equal to a second implementation."""

import pytest
import torch
from small_nets import batch, conv_net
from torch import nn
from torch.nn import functional as F

from privrob import bounds
from privrob.bounds import interval


def by_signs(layers, lower, upper):
    """Each affine layer by the positive and the negative part of its weights."""
    for layer in layers:
        if isinstance(layer, nn.Linear | nn.Conv2d):
            lower, upper = signed(layer, lower, upper), signed(layer, upper, lower)
        else:
            lower, upper = layer(lower), layer(upper)
    return lower, upper


def signed(layer, same, other):
    plus, minus = layer.weight.clamp(min=0), layer.weight.clamp(max=0)
    if isinstance(layer, nn.Linear):
        return same @ plus.T + other @ minus.T + layer.bias
    how = {"stride": layer.stride, "padding": layer.padding, "groups": layer.groups}
    sums = F.conv2d(same, plus, **how) + F.conv2d(other, minus, **how)
    return sums + layer.bias[None, :, None, None]


@pytest.mark.parametrize("seed", [0, 1])
@pytest.mark.parametrize("clip_input", [True, False])
def test_bounds_equal_a_second_implementation(seed, clip_input):
    model, (x, _) = conv_net(seed=seed), batch(4, seed=seed)
    lower, upper = x - 0.1, x + 0.1
    if clip_input:
        lower, upper = lower.clamp(0, 1), upper.clamp(0, 1)
    found = bounds.interval_bounds(model, x, eps=0.1, clip_input=clip_input)
    for ours, theirs in zip(found, by_signs(bounds.chain(model), lower, upper), strict=True):
        torch.testing.assert_close(ours, theirs, rtol=1e-12, atol=1e-12)


def test_margins_equal_a_loop_over_examples_and_classes():
    model, (x, y) = conv_net(seed=2), batch(4, seed=2)
    worst = bounds.worst_case_logits(model, x, y, eps=0.05, method="interval")
    *hidden, last = bounds.chain(model)
    lower, upper = by_signs(hidden, (x - 0.05).clamp(0, 1), (x + 0.05).clamp(0, 1))
    for i in range(4):
        for j in range(5):
            w, b = last.weight[j] - last.weight[y[i]], last.bias[j] - last.bias[y[i]]
            best = torch.where(w > 0, upper[i], lower[i])  # where the linear map is largest
            torch.testing.assert_close(worst[i, j], w @ best + b, rtol=1e-12, atol=1e-12)


def test_elision_is_never_looser_than_the_logits_own_bounds():
    model, (x, y) = conv_net(seed=3), batch(8, seed=3)
    lower, upper = bounds.interval_bounds(model, x, eps=0.1)
    worst = bounds.worst_case_logits(model, x, y, eps=0.1, method="interval")
    apart = upper - lower.gather(1, y[:, None])
    apart.scatter_(1, y[:, None], 0)
    assert (worst <= apart + 1e-12).all()
    assert (worst < apart - 1e-3).any()


def test_training_makes_the_bounds_smaller():
    model, (x, y) = conv_net(seed=4), batch(16, seed=4)
    layers = bounds.chain(model)
    corners = bounds.ball(x, eps=0.1, clip_input=True)
    optimizer = torch.optim.SGD(model.parameters(), lr=0.05)
    losses = []
    for _ in range(20):
        loss = F.cross_entropy(interval.worst_case(layers, *corners, y), y)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
    assert all(p.grad.abs().sum() > 0 for p in model.parameters())
    assert losses[-1] < losses[0] - 0.1
