"""The dual beside exact optima and linear programs of tiny nets, and its estimate."""

from itertools import product

import numpy as np
import pytest
import torch
from scipy.optimize import linprog
from small_nets import CLASSES, batch, conv_net, dense_net, margins, points
from torch import nn
from torch.nn import functional as F

from privrob import bounds, models
from privrob.bounds import dual

EPS = 0.3
TINY = [(3, 4, CLASSES), (3, 4, 3, CLASSES), (4, 3, 3, CLASSES)]
SHAPES = pytest.mark.parametrize("units", TINY, ids=str)


def tiny(units, *, seed=0):
    model, (x, y) = dense_net(*units, seed=seed), batch(2, seed=seed, shape=(1, 1, units[0]))
    for layer in model:
        if isinstance(layer, nn.Linear):
            layer.weight.data *= 2  # many units whose sign is not certain
    return model, x, y


def numbers(model):
    dense = [m for m in model if isinstance(m, nn.Linear)]
    return [(m.weight.detach().numpy(), m.bias.detach().numpy()) for m in dense]


# -- the exact optimum --------------------------------------------------------------------------


def optimum(model, low, high, j, label):
    """max g_j - g_label over the box: one linear program in x for each pattern of active units."""
    *hidden, (last, bias) = numbers(model)
    best = -np.inf
    for pattern in product((0, 1), repeat=sum(len(b) for _, b in hidden)):
        matrix, shift, rows, sides, left = np.eye(len(low)), np.zeros(len(low)), [], [], pattern
        for w, b in hidden:
            matrix, shift = w @ matrix, w @ shift + b
            on, left = np.array(left[: len(b)]), left[len(b) :]
            sign = np.where(on == 1, -1.0, 1.0)  # an active unit's input is at least 0
            rows.append(sign[:, None] * matrix)
            sides.append(-sign * shift)
            matrix, shift = on[:, None] * matrix, on * shift
        goal, constant = (last[j] - last[label]) @ matrix, (last[j] - last[label]) @ shift
        rows, sides = np.concatenate(rows), np.concatenate(sides)
        found = linprog(-goal, rows, sides, bounds=list(zip(low, high, strict=True)))
        if found.status == 0:
            best = max(best, -found.fun + constant + bias[j] - bias[label])
    return best


@SHAPES
def test_no_bound_is_tighter_than_the_exact_optimum(units):
    model, x, y = tiny(units)
    lower, upper = (side.flatten(1).numpy() for side in bounds.ball(x, eps=EPS, clip_input=True))
    worst = {m: bounds.worst_case_logits(model, x, y, eps=EPS, method=m) for m in bounds.METHODS}
    worst["CROWN-interval"] = bounds.worst_case_logits(
        model, x, y, eps=EPS, method="dual", intermediate="interval"
    )
    tried = torch.cat(
        [
            margins(model, z, y[0]).detach()
            for i, z in points(model, x[:1], y[:1], eps=EPS, clip_input=True)
        ]
    )
    for j in {0, 1, 2} - {int(y[0])}:
        exact = optimum(model, lower[0], upper[0], j, int(y[0]))
        assert exact - 0.1 < tried[:, j].max() <= exact + 1e-9  # the oracle is one
        for found in worst.values():
            assert found[0, j] >= exact - 1e-7


# -- linear programs over every unit ------------------------------------------------------------


def program(model, low, high, edges, j, label, constraints):
    """max g_j - g_label where each hidden unit obeys `constraints` and everything else is exact.

    `constraints(l, u)` gives triples (a, b, c) for a * input + b * output <= c.
    """
    *hidden, (last, bias) = numbers(model)
    sizes = [len(low), *(n for _, b in hidden for n in (len(b), len(b)))]
    total, start = sum(sizes), np.cumsum([0, *sizes])
    equal, equal_to, rows, sides = [], [], [], []
    for k, (w, b) in enumerate(hidden):
        below, at, after = start[2 * k], start[2 * k + 1], start[2 * k + 2]
        for i in range(len(b)):
            row = np.zeros(total)
            row[below : below + w.shape[1]], row[at + i] = w[i], -1
            equal.append(row)
            equal_to.append(-b[i])
            for before, behind, side in constraints(*edges[k][i]):
                row = np.zeros(total)
                row[at + i], row[after + i] = before, behind
                rows.append(row)
                sides.append(side)
    goal = np.zeros(total)
    goal[start[-2] :] = last[j] - last[label]
    free = [(None, None)] * (total - len(low))
    found = linprog(
        -goal, rows, sides, equal, equal_to, bounds=[*zip(low, high, strict=True), *free]
    )
    assert found.status == 0
    return -found.fun + bias[j] - bias[label]


def certain(low, high):
    """A unit whose sign is known: output equals input, or 0."""
    return [(1, -1, 0), (-1, 1, 0)] if low >= 0 else [(0, 1, 0), (0, -1, 0)]


def triangle(low, high):
    if low >= 0 or high <= 0:
        return certain(low, high)
    slope = high / (high - low)
    return [(1, -1, 0), (0, -1, 0), (-slope, 1, -slope * low)]


def two_lines(low, high):
    if low >= 0 or high <= 0:
        return certain(low, high)
    slope = high / (high - low)
    return [(slope, -1, 0), (-slope, 1, -slope * low)]


def hidden_bounds(model, x, intermediate):
    """Bounds of the inputs of each ReLU, from the public logit bounds of the net cut off there."""
    layers, found = list(model), []
    for i, layer in enumerate(layers):
        if isinstance(layer, nn.ReLU):
            part = nn.Sequential(*layers[:i])
            if intermediate == "dual":
                sides = bounds.dual_bounds(part, x, eps=EPS)
            else:
                sides = bounds.interval_bounds(part, x, eps=EPS)
            found.append(torch.stack(sides, -1).detach().numpy())
    return found


@SHAPES
@pytest.mark.parametrize("intermediate", dual.INTERMEDIATE)
def test_the_dual_equals_the_program_of_its_lines_and_is_not_below_the_triangles(
    units, intermediate
):
    model, x, y = tiny(units, seed=1)
    lower, upper = (side.flatten(1).numpy() for side in bounds.ball(x, eps=EPS, clip_input=True))
    how = {"eps": EPS, "method": "dual", "intermediate": intermediate}
    worst = bounds.worst_case_logits(model, x, y, **how)
    edges = hidden_bounds(model, x, intermediate)
    crossing = [(e[..., 0] < 0) & (e[..., 1] > 0) for e in edges]
    assert all(c.any() for c in crossing)
    apart = 0.0
    for i, j in product(range(len(x)), range(CLASSES)):
        if j == y[i]:
            continue
        place = (model, lower[i], upper[i], [e[i] for e in edges], j, int(y[i]))
        same, tighter = program(*place, two_lines), program(*place, triangle)
        assert worst[i, j].item() == pytest.approx(same, abs=1e-6)
        assert worst[i, j].item() >= tighter - 1e-6
        apart = max(apart, same - tighter)
    assert apart > 1e-3  # the two programs are not one


# -- two sources of hidden bounds ---------------------------------------------------------------


def test_exact_hidden_bounds_are_worth_their_price():
    model, (x, y) = conv_net(seed=2), batch(8, seed=2)
    how = {"eps": 0.05, "method": "dual"}
    dear = bounds.worst_case_logits(model, x, y, **how)
    cheap = bounds.worst_case_logits(model, x, y, **how, intermediate="interval")
    plain = bounds.worst_case_logits(model, x, y, eps=0.05, method="interval")
    assert dear.sum() < cheap.sum() < plain.sum()


def test_units_bounded_in_portions_are_bounded_alike(monkeypatch):
    model, (x, y) = conv_net(seed=2), batch(2, seed=2)
    how = {"eps": 0.05, "method": "dual"}
    whole = bounds.worst_case_logits(model, x, y, **how)
    monkeypatch.setattr(dual, "CHUNK", 1)
    torch.testing.assert_close(bounds.worst_case_logits(model, x, y, **how), whole)


@pytest.mark.parametrize("pool", [nn.MaxPool2d(3, stride=2, padding=1), nn.MaxPool2d(2)], ids=str)
def test_a_max_pool_lies_between_its_lines(pool):
    draw = torch.Generator().manual_seed(3)
    lower = torch.rand(2, 3, 7, 7, generator=draw, dtype=torch.float64)
    upper = lower + torch.rand(lower.shape, generator=draw, dtype=torch.float64).square()
    line = dual.between(pool, lower, upper)
    for _ in range(200):
        z = lower + torch.rand(lower.shape, generator=draw, dtype=torch.float64) * (upper - lower)
        rest = pool(z) - line.push(z[:, None])[:, 0]
        assert (rest >= 0).all()
        assert (rest <= line.gap + 1e-12).all()
    nu = torch.rand(2, 4, *line.gap.shape[1:], generator=draw, dtype=torch.float64)
    there = (line.push(z[:, None]) * nu).flatten(2).sum(2)
    back = (line.pull(nu) * z[:, None]).flatten(2).sum(2)
    torch.testing.assert_close(there, back)


# -- random projections -------------------------------------------------------------------------


def test_with_many_projections_the_estimate_comes_to_the_dual():
    model, (x, y) = conv_net(seed=5), batch(4, seed=5)
    layers, corners = bounds.chain(model), bounds.ball(x, eps=0.05, clip_input=True)
    exact = dual.worst_case(layers, *corners, y, intermediate="dual").detach()

    def error(projections, repeats):
        draw = torch.Generator().manual_seed(0)
        how = {"eps": 0.05, "projections": projections, "generator": draw}
        with torch.no_grad():
            found = [bounds.dual_estimate(model, x, y, **how) for _ in range(repeats)]
        return (torch.stack(found) - exact).abs().mean().item()

    few, many = error(20, 8), error(2000, 2)
    assert many < few / 4  # ten times smaller, in the limit
    assert many < 0.02 * exact.abs().mean()


def test_the_estimate_can_fall_below_the_dual():
    """Why nothing is called verified by it."""
    model, (x, y) = conv_net(seed=6), batch(8, seed=6)
    how = {"eps": 0.05, "projections": 5, "generator": torch.Generator().manual_seed(0)}
    guess = bounds.dual_estimate(model, x, y, **how)
    sound = bounds.worst_case_logits(model, x, y, eps=0.05, method="dual")
    assert (guess < sound - 1e-3).any()


def test_the_estimate_trains_and_repeats_with_its_generator():
    model, (x, y) = conv_net(seed=7), batch(8, seed=7)

    def gradients(seed):
        draw = torch.Generator().manual_seed(seed)
        how = {"eps": 0.05, "projections": 10, "generator": draw}
        loss = F.cross_entropy(bounds.dual_estimate(model, x, y, **how), y)
        return torch.autograd.grad(loss, list(model.parameters()))

    first, again, other = gradients(0), gradients(0), gradients(1)
    assert all(g.isfinite().all() and g.abs().sum() > 0 for g in first)
    assert all(torch.equal(a, b) for a, b in zip(first, again, strict=True))
    assert not torch.equal(first[0], other[0])


def test_the_paper_s_network_is_bounded_from_bytes():
    model = models.build("mnist_cnn", seed=0, width=0.1, hidden=(20,), normalize=True)
    x = torch.randint(256, (2, 1, 28, 28), dtype=torch.uint8)
    y = torch.tensor([3, 8])
    for how in ({"intermediate": "interval"}, {"intermediate": "dual"}):
        with torch.no_grad():
            worst = bounds.worst_case_logits(model, x, y, eps=0.01, method="dual", **how)
            g = model(x / 255)
        assert (worst >= g - g.gather(1, y[:, None]) - 1e-5).all()


def test_a_gradient_that_would_not_fit_is_refused_with_the_estimate():
    model, (x, y) = dense_net(3, 4, 6, CLASSES, seed=0), batch(2, seed=0, shape=(1, 1, 3))
    # of 6 units, for 2 images: on themselves, 4 outputs, 4 inputs of a ReLU, 3 pixels twice
    need = 2 * 8 * 6 * (6 + 4 + 4 + 3 + 3)
    assert dual.estimate_bytes(bounds.chain(model), x) == need
    how = {"eps": 0.1, "method": "dual"}
    bounds.worst_case_logits(model, x, y, **how, memory_limit=need)
    message = "the gradient of all units' dual bounds for 2 images would take about 0 MiB"
    with pytest.raises(ValueError, match=message):
        bounds.worst_case_logits(model, x, y, **how, memory_limit=need - 1)
    with torch.no_grad():
        bounds.worst_case_logits(model, x, y, **how, memory_limit=need - 1)


def test_settings_of_the_dual_are_named():
    model, (x, y) = conv_net(seed=0), batch(2, seed=0)
    with pytest.raises(ValueError, match="no intermediate 'guess'; there are dual, interval"):
        bounds.worst_case_logits(model, x, y, eps=0.1, method="dual", intermediate="guess")
    with pytest.raises(ValueError, match="projections must be at least 1, got 0"):
        bounds.dual_estimate(
            model, x, y, eps=0.1, projections=0, generator=torch.Generator().manual_seed(0)
        )
