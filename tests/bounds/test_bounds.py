"""What every method owes: no point of the ball escapes, exactness, errors, verdicts."""

from copy import deepcopy
from functools import partial

import pytest
import torch
from small_nets import CLASSES, batch, conv_net, dense_net, points
from torch import nn
from torch.nn import functional as F

from privrob import bounds, data, evaluate, models, zoo
from privrob.bounds import dual, interval, zonotope

METHODS = bounds.METHODS
TWO_SIDED = {
    "interval": bounds.interval_bounds,
    "zonotope": bounds.zonotope_bounds,
    "dual": bounds.dual_bounds,
}


@pytest.mark.parametrize(("eps", "clip_input"), [(0.02, True), (0.15, True), (0.15, False)])
def test_no_point_of_the_ball_escapes(eps, clip_input):
    model, (x, y) = conv_net(seed=1), batch(2, seed=1)
    ball = {"eps": eps, "clip_input": clip_input}
    cheap = {"method": "dual", "intermediate": "interval"}
    with torch.no_grad():
        worst = [bounds.worst_case_logits(model, x, y, **ball, method=m) for m in METHODS]
        worst.append(bounds.worst_case_logits(model, x, y, **ball, **cheap))
        sides = [two_sided(model, x, **ball) for two_sided in TWO_SIDED.values()]
        sides.append(bounds.dual_bounds(model, x, **ball, intermediate="interval"))
        for i, z in points(model, x, y, **ball):
            g = model(z)
            apart = g - g[:, y[i], None]
            assert all((apart <= found[i] + 1e-12).all() for found in worst)
            assert all((low[i] - 1e-12 <= g).all() for low, _ in sides)
            assert all((g <= high[i] + 1e-12).all() for _, high in sides)


@pytest.mark.parametrize("method", METHODS)
def test_without_clipping_the_ball_is_larger(method):
    model, (x, y) = conv_net(seed=1), batch(3, seed=1)
    how = {"eps": 0.3, "method": method}
    clipped = bounds.worst_case_logits(model, x, y, **how)
    whole = bounds.worst_case_logits(model, x, y, **how, clip_input=False)
    others = torch.ones(3, CLASSES, dtype=torch.bool).scatter_(1, y[:, None], False)
    assert (whole[others] > clipped[others]).any()
    middle = x.clamp(0.3, 0.7)  # no corner of its ball leaves [0, 1]
    clipped = bounds.worst_case_logits(model, middle, y, **how)
    whole = bounds.worst_case_logits(model, middle, y, **how, clip_input=False)
    torch.testing.assert_close(whole, clipped)


@pytest.mark.parametrize("method", METHODS)
def test_a_linear_model_is_bounded_exactly(method):
    model, (x, y) = dense_net(6, CLASSES, seed=2), batch(4, seed=2, shape=(1, 1, 6))
    worst = bounds.worst_case_logits(model, x, y, eps=0.2, method=method)
    lower, upper = TWO_SIDED[method](model, x, eps=0.2)
    weight, bias = model[1].weight, model[1].bias
    low, high = (x - 0.2).clamp(0, 1).flatten(1), (x + 0.2).clamp(0, 1).flatten(1)

    def largest(w, b, i):
        return (torch.where(w > 0, high[i], low[i]) * w).sum() + b

    for i in range(4):
        for j in range(CLASSES):
            exact = largest(weight[j] - weight[y[i]], bias[j] - bias[y[i]], i)
            torch.testing.assert_close(worst[i, j], exact)
            torch.testing.assert_close(upper[i, j], largest(weight[j], bias[j], i))
            torch.testing.assert_close(lower[i, j], -largest(-weight[j], -bias[j], i))


@pytest.mark.parametrize("method", METHODS)
def test_at_eps_0_the_bounds_are_the_logits(method):
    model, (x, y) = conv_net(seed=3), batch(4, seed=3)
    g = model(x)
    for side in TWO_SIDED[method](model, x, eps=0.0):
        torch.testing.assert_close(side, g)
    worst = bounds.worst_case_logits(model, x, y, eps=0.0, method=method)
    torch.testing.assert_close(worst, g - g.gather(1, y[:, None]))


@pytest.mark.parametrize("method", METHODS)
def test_the_label_s_own_entry_is_0_and_examples_do_not_meet(method):
    model, (x, y) = conv_net(seed=4), batch(5, seed=4)
    worst = bounds.worst_case_logits(model, x, y, eps=0.1, method=method)
    assert (worst.gather(1, y[:, None]) == 0).all()
    alone = bounds.worst_case_logits(model, x[3:4], y[3:4], eps=0.1, method=method)
    torch.testing.assert_close(worst[3:4], alone)


@pytest.mark.parametrize("method", METHODS)
def test_float32_stays_well_within_the_slack(method):
    double = conv_net(seed=5)
    single = conv_net(seed=5, dtype=torch.float32)
    x, y = batch(16, seed=5)
    x = x.float()
    fine = bounds.worst_case_logits(double, x.double(), y, eps=0.05, method=method)
    coarse = bounds.worst_case_logits(single, x, y, eps=0.05, method=method)
    assert coarse.dtype == torch.float32
    off = (coarse - fine).abs().amax(1)
    assert (off < bounds.slack(coarse) / 10).all()
    assert off.max() > 0


@pytest.mark.parametrize("eps", [1e-3, 0.03])
def test_float32_stays_well_within_the_slack_on_a_trained_network(eps):
    single = zoo.load("tursynbek2020/sgd", seed=0)
    double = deepcopy(single).double()
    images = data.load("mnist_slice").test
    for how in ({"method": "interval"}, {"method": "dual", "intermediate": "interval"}):
        with torch.no_grad():
            coarse, fine = (
                bounds.worst_case_logits(net, images.x[:10], images.y[:10], eps=eps, **how)
                for net in (single, double)
            )
        assert ((coarse - fine).abs().amax(1) < bounds.slack(coarse) / 10).all()


@pytest.mark.parametrize("intermediate", ["dual", "interval"])
@pytest.mark.parametrize("method", METHODS)
def test_gradients_are_those_of_finite_differences(method, intermediate):
    model, (x, y) = conv_net(seed=8), batch(4, seed=8)
    how = {"eps": 0.05, "method": method, "intermediate": intermediate}
    draw = torch.Generator().manual_seed(0)

    def loss():
        return F.cross_entropy(bounds.worst_case_logits(model, x, y, **how), y)

    for weight in model.parameters():
        (gradient,) = torch.autograd.grad(loss(), weight)
        way = torch.randn(weight.shape, generator=draw, dtype=weight.dtype)
        values = []
        for side in (1e-6, -2e-6, 1e-6):  # there, across, and home
            weight.data += side * way
            values.append(loss().item())
        slope = (values[0] - values[1]) / 2e-6
        assert (gradient * way).sum().item() == pytest.approx(slope, rel=1e-4, abs=1e-7)
        assert gradient.abs().sum() > 0


@pytest.mark.parametrize("method", METHODS)
def test_bytes_are_read_as_the_floats_they_stand_for(method):
    model, y = conv_net(seed=6), torch.tensor([0, 1])
    x = torch.randint(256, (2, 1, 8, 8), dtype=torch.uint8)
    as_bytes = bounds.worst_case_logits(model, x, y, eps=0.1, method=method)
    as_floats = bounds.worst_case_logits(model, x.double() / 255, y, eps=0.1, method=method)
    torch.testing.assert_close(as_bytes, as_floats)


# -- verdicts -----------------------------------------------------------------------------------


def test_verified_needs_every_other_bound_below_0_by_the_slack():
    y = torch.tensor([0, 0, 0, 1])
    worst = torch.tensor([[0, -1.0, -2], [0, -1, 1e-6], [0, -9e-4, -1], [-3, 0, -0.01]])
    assert bounds.verified(worst, y).tolist() == [True, False, False, True]
    assert bounds.verified(worst.double(), y).tolist() == [True, False, True, True]


def test_verified_implies_correct_everywhere_tried():
    model, (x, _) = conv_net(seed=7), batch(3, seed=7)
    y = evaluate.logits(model, x).argmax(1)
    y[2] = (y[2] + 1) % CLASSES
    eps = 1e-3
    with torch.no_grad():
        worst = bounds.worst_case_logits(model, x, y, eps=eps, method="interval")
        sure = bounds.verified(worst, y)
        assert sure.tolist() == [True, True, False]
        for i, z in points(model, x, y, eps=eps, clip_input=True):
            assert not sure[i] or (model(z).argmax(1) == y[i]).all()


# -- bad input ----------------------------------------------------------------------------------


@pytest.mark.parametrize("eps", [-0.1, float("nan"), float("inf")])
@pytest.mark.parametrize("method", METHODS)
def test_a_ball_that_is_none_is_named(method, eps):
    model, (x, y) = conv_net(seed=0), batch(2, seed=0)
    with pytest.raises(ValueError, match=f"eps must be finite and at least 0, got {eps}"):
        bounds.worst_case_logits(model, x, y, eps=eps, method=method)


@pytest.mark.parametrize(
    ("layers", "word"),
    [
        ([nn.Sigmoid(), nn.Linear(3, 2)], "no bounds for the layer Sigmoid.*Linear, Conv2d, ReLU"),
        ([nn.Sequential(nn.BatchNorm2d(3)), nn.Linear(3, 2)], "layer BatchNorm2d"),
        ([nn.Linear(3, 2), nn.ReLU()], "ends in ReLU"),
        ([], "ends in nothing"),
        ([nn.Conv2d(1, 1, 3, padding="same"), nn.Linear(3, 2)], "padding='same'"),
        ([nn.Conv2d(1, 1, 3, padding_mode="reflect"), nn.Linear(3, 2)], "'reflect'"),
        ([models.Normalize(0.0, -2.0), nn.Linear(3, 2)], "std -2; it must be above 0"),
        ([nn.MaxPool2d(2, return_indices=True), nn.Linear(3, 2)], "return_indices"),
        ([nn.AvgPool2d(2, divisor_override=-3), nn.Linear(3, 2)], "divisor_override=-3, below 0"),
    ],
)
def test_a_model_without_bounds_is_named(layers, word):
    with pytest.raises(ValueError, match=word):
        bounds.chain(nn.Sequential(*layers))


def test_images_labels_and_method_are_checked_at_the_door():
    model, (x, y) = conv_net(seed=0), batch(2, seed=0)
    how = {"eps": 0.1, "method": "interval"}
    with pytest.raises(ValueError, match="<= 1, got a pixel of 1.5"):
        bounds.worst_case_logits(model, x + 1.5 - x.max(), y, **how)
    with pytest.raises(ValueError, match=r"labels must lie in 0..4, got 5"):
        bounds.worst_case_logits(model, x, torch.tensor([0, 5]), **how)
    with pytest.raises(ValueError, match=r"does not take images of shape \(3, "):
        bounds.worst_case_logits(model, x.repeat(1, 3, 1, 1), y, **how)
    with pytest.raises(ValueError, match="no method 'exact'; there are interval"):
        bounds.worst_case_logits(model, x, y, eps=0.1, method="exact")


# -- GPU ----------------------------------------------------------------------------------------


@pytest.mark.gpu
@pytest.mark.parametrize("method", METHODS)
def test_gpu_agrees(method):
    model, (x, y) = conv_net(seed=9), batch(4, seed=9)
    here = bounds.worst_case_logits(model, x, y, eps=0.05, method=method)
    there = bounds.worst_case_logits(model.cuda(), x, y, eps=0.05, method=method)
    assert there.is_cuda
    torch.testing.assert_close(there.cpu(), here, rtol=1e-9, atol=1e-9)


@pytest.mark.gpu
def test_a_training_step_never_waits_for_the_gpu():
    model, (x, y) = conv_net(seed=9).cuda(), (part.cuda() for part in batch(4, seed=9))
    draw = torch.Generator("cuda").manual_seed(0)
    steps = {
        "interval": interval.worst_case,
        "zonotope": zonotope.worst_case,
        "dual": partial(dual.worst_case, intermediate="dual"),
        "CROWN-interval": partial(dual.worst_case, intermediate="interval"),
        "estimate": partial(dual.estimate, projections=5, generator=draw),
    }
    for step in steps.values():
        for mode in ("default", "error"):  # the first call may build what is kept
            torch.cuda.set_sync_debug_mode(mode)
            try:
                corners = bounds.ball(x, eps=0.05, clip_input=True)
                F.cross_entropy(step(bounds.chain(model), *corners, y), y).backward()
            finally:
                torch.cuda.set_sync_debug_mode("default")


def test_a_slack_of_another_dtype_is_refused():
    with pytest.raises(ValueError, match="float32 and float64, not for torch.bfloat16"):
        bounds.slack(torch.zeros(2, 3, dtype=torch.bfloat16))
