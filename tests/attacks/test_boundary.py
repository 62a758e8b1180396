"""Linearised distances and DeepFool against closed forms, autograd by hand and foolbox."""

import pytest
import torch
from torch import nn

from privrob import evaluate, models
from privrob.attacks import boundary


def linear(weight: torch.Tensor, bias: torch.Tensor) -> nn.Module:
    layer = nn.Linear(weight.shape[1], weight.shape[0]).to(weight.dtype)
    layer.weight.data, layer.bias.data = weight, bias
    return nn.Sequential(nn.Flatten(), layer)


def two_classes() -> tuple[nn.Module, torch.Tensor]:
    """g_0 - g_1 = 3 a + 4 b - 1 on the images (a, b) = (0.6, 0.5)."""
    weight = torch.tensor([[3.0, 4.0], [0.0, 0.0]], dtype=torch.float64)
    bias = torch.tensor([-1.0, 0.0], dtype=torch.float64)
    return linear(weight, bias), torch.tensor([0.6, 0.5], dtype=torch.float64).view(1, 1, 1, 2)


def test_two_classes_by_hand():
    model, x = two_classes()
    found = boundary.linearized_distances(model, x, torch.tensor([0]))
    assert found.l2.item() == pytest.approx(2.8 / 5)
    assert found.linf.item() == pytest.approx(2.8 / 7)


def test_a_wrong_label_lies_beyond_its_boundary():
    model, x = two_classes()
    found = boundary.linearized_distances(model, x, torch.tensor([1]))
    assert found.l2.item() == pytest.approx(-2.8 / 5)


def test_distances_are_in_pixels_whatever_each_channel_is_divided_by():
    """One pixel of three channels, logits w . (x - mean) / std + b and 0."""
    front = models.NormalizeChannels((0.0, 0.0, 0.0), (0.25, 0.5, 2.0))
    weight = torch.tensor([[1.0, -2.0, 3.0], [0.0, 0.0, 0.0]], dtype=torch.float64)
    inner = linear(weight, torch.tensor([4.0, 0.0], dtype=torch.float64))
    model = nn.Sequential(front, inner)
    x, y = torch.rand(5, 3, 1, 1, dtype=torch.float64), torch.zeros(5, dtype=torch.int64)
    margin = evaluate.logits(model, x)[:, 0]
    slope = torch.tensor([1 / 0.25, 2 / 0.5, 3 / 2.0], dtype=torch.float64)
    found = boundary.linearized_distances(model, x, y)
    torch.testing.assert_close(found.l2, margin / slope.square().sum().sqrt())
    torch.testing.assert_close(found.linf, margin / slope.sum())
    for norm, expected in (("l2", found.l2), ("linf", found.linf)):
        walk = boundary.deepfool(model, x, y, norm=norm, steps=5, overshoot=0.0001)
        order = 2 if norm == "l2" else float("inf")
        moved = torch.linalg.vector_norm((walk.x_adv - x).flatten(1), ord=order, dim=1)
        torch.testing.assert_close(moved, 1.0001 * expected)


def test_the_jacobian_route_equals_one_gradient_at_a_time(either):
    model, x, y = either.to(torch.float64)
    model.eval()
    slow = {"l2": [], "linf": []}
    for xi, yi in zip(x, y, strict=True):
        xi = xi[None].requires_grad_()
        each = {"l2": [], "linf": []}
        for k in range(4):
            if k == yi:
                continue
            g = model(xi)
            margin = g[0, yi] - g[0, k]
            (w,) = torch.autograd.grad(margin, xi)
            each["l2"].append((margin / w.square().sum().sqrt()).item())
            each["linf"].append((margin / w.abs().sum()).item())
        slow = {n: [*v, min(each[n])] for n, v in slow.items()}
    found = boundary.linearized_distances(model, x, y)
    for norm in boundary.NORMS:
        expected = torch.tensor(slow[norm], dtype=torch.float64)
        torch.testing.assert_close(getattr(found, norm), expected, rtol=1e-10, atol=1e-12)


def test_linf_is_never_above_l2(either):
    found = boundary.linearized_distances(*either)
    assert (found.linf.abs() <= found.l2.abs()).all()
    assert (found.linf.abs() < 0.9 * found.l2.abs()).any()


@pytest.mark.parametrize("norm", boundary.NORMS)
def test_deepfool_on_two_classes_is_one_step_long(norm):
    model, x = two_classes()
    y = torch.tensor([0])
    found = boundary.deepfool(model, x, y, norm=norm, steps=5, overshoot=0.02)
    distance = getattr(boundary.linearized_distances(model, x, y), norm)
    order = 2 if norm == "l2" else float("inf")
    moved = torch.linalg.vector_norm((found.x_adv - x).flatten(1), ord=order, dim=1)
    assert found.steps.tolist() == [1]
    torch.testing.assert_close(moved, 1.02 * distance)


def test_deepfool_counts_wrong_and_unreachable_images():
    model, x = two_classes()
    stuck = linear(torch.zeros(2, 2), torch.tensor([2.0, 0.0]))
    wrong = boundary.deepfool(model, x, torch.tensor([1]), norm="l2", steps=3, overshoot=0.0)
    never = boundary.deepfool(stuck, x.float(), torch.tensor([0]), norm="l2", steps=3, overshoot=0)
    assert wrong.steps.tolist() == [0]
    assert torch.equal(wrong.x_adv, x)
    assert never.steps.tolist() == [-1]
    assert torch.equal(never.x_adv, x.float())


@pytest.mark.parametrize("norm", boundary.NORMS)
def test_deepfool_is_as_short_as_foolbox_s(either, norm):
    foolbox = pytest.importorskip("foolbox")
    model, x, y = either.to(torch.float64)
    right = evaluate.logits(model, x).argmax(1) == y
    x, y = x[right], y[right]
    name = {"l2": "L2DeepFoolAttack", "linf": "LinfDeepFoolAttack"}[norm]
    attack = getattr(foolbox.attacks, name)(steps=50, overshoot=0.02)
    other = foolbox.PyTorchModel(model.eval(), bounds=(-1000, 1000))
    _, theirs, fooled = attack(other, x, y, epsilons=None)
    ours = boundary.deepfool(model, x, y, norm=norm, steps=50, overshoot=0.02)
    assert fooled.all()
    assert (ours.steps > 0).all()
    order = 2 if norm == "l2" else float("inf")
    lengths = [
        torch.linalg.vector_norm((x_adv - x).flatten(1), ord=order, dim=1)
        for x_adv in (ours.x_adv, theirs)
    ]
    # foolbox adds 1e-4 to every step, hence the slack.
    torch.testing.assert_close(*lengths, rtol=0.01, atol=1e-3)


def test_deepfool_ends_at_the_first_step_that_crosses(either):
    """One step less, and the model is still right."""
    model, x, y = either
    settings = {"norm": "l2", "overshoot": 0.02}
    found = boundary.deepfool(model, x, y, steps=50, **settings)
    counts = [n for n in found.steps.unique().tolist() if n > 1]
    assert counts
    for n in counts:
        some = found.steps == n
        before = boundary.deepfool(model, x[some], y[some], steps=n - 1, **settings)
        for moved, right in ((found.x_adv[some], False), (before.x_adv, True)):
            answers = evaluate.logits(model, moved, bounded=False).argmax(1)
            assert ((answers == y[some]) == right).all()


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"norm": "l1"}, "norm must be one of l2, linf, got 'l1'"),
        ({"steps": 0}, "steps must be an integer of at least 1, got 0"),
        ({"overshoot": -0.1}, "overshoot must be finite and at least 0, got -0.1"),
    ],
)
def test_deepfool_refuses(tiny, change, message):
    settings = {"norm": "l2", "steps": 5, "overshoot": 0.02}
    with pytest.raises(ValueError, match=message):
        boundary.deepfool(*tiny, **settings | change)


def test_images_and_labels_are_checked(tiny):
    with pytest.raises(ValueError, match=r"<= 1, got a pixel of 2"):
        boundary.linearized_distances(tiny.model, tiny.x + (2 - tiny.x.max()), tiny.y)
    with pytest.raises(ValueError, match=r"labels must lie in 0..3, got 4"):
        boundary.linearized_distances(tiny.model, tiny.x, tiny.y * 0 + 4)


def test_a_gradient_that_is_not_finite_is_named():
    class Root(nn.Module):
        def forward(self, x):
            return x.flatten(1).sqrt()

    with pytest.raises(ValueError, match="derivatives for 1 of 1 images"):
        boundary.linearized_distances(Root(), torch.zeros(1, 1, 1, 2), torch.tensor([0]))
