"""The verifiable defences' losses: closed forms on linear models, upper bounds on others."""

import pytest
import torch
from torch import nn
from torch.nn import functional as F

from privrob import attacks, bounds
from privrob.training import losses

EPS = 0.05
INTERVAL = {"eps": EPS, "w_nom": 0.3, "w_ver": 0.7, "clip_input": False}
ABSTRACT = {"eps": EPS, "w_nom": 1.0, "w_ver": 0.2, "clip_input": False, "method": "interval"}


DUAL = {"eps": EPS, "projections": None, "clip_input": False, "generator": None}


def linear(classes=4):
    model = nn.Sequential(nn.Flatten(), nn.Linear(9, classes)).double()
    x = torch.rand(8, 1, 3, 3, dtype=torch.float64)
    return model, x, torch.arange(8) % classes


def exact(model, x, y, eps):
    """The largest g_j - g_y over the ball of a linear model, one class and pixel at a time."""
    w, b = model[1].weight, model[1].bias
    rows = []
    for image, label in zip(x.flatten(1), y.tolist(), strict=True):
        gaps = [(w[j] - w[label]) @ image + b[j] - b[label] for j in range(len(w))]
        rows.append([g + eps * (w[j] - w[label]).abs().sum() for j, g in enumerate(gaps)])
    return torch.stack([torch.stack(row) for row in rows])


def test_interval_on_a_linear_model_is_its_formula():
    model, x, y = linear()
    worst = exact(model, x, y, EPS)
    verified = (1 / worst.exp().sum(1)).log()  # entry y is exp(0)
    want = 0.3 * F.cross_entropy(model(x), y) - 0.7 * verified.mean()
    found = losses.interval(model, x, y, **INTERVAL)
    torch.testing.assert_close(found, want, rtol=1e-10, atol=1e-12)
    pairs = zip(
        *(torch.autograd.grad(v, list(model.parameters())) for v in (found, want)), strict=True
    )
    for a, b in pairs:
        torch.testing.assert_close(a, b, rtol=1e-8, atol=1e-12)


def test_abstract_on_a_linear_model_is_its_formula():
    model, x, y = linear()
    others = torch.arange(4) != y[:, None]
    largest = [row[keep].max() for row, keep in zip(exact(model, x, y, EPS), others, strict=True)]
    soft = torch.stack([(1 + v.exp()).log() for v in largest]).mean()
    want = (0.2 * soft + F.cross_entropy(model(x), y)) / 1.2
    torch.testing.assert_close(losses.abstract(model, x, y, **ABSTRACT), want)


def test_the_interval_loss_is_at_least_the_cross_entropy_anywhere_in_the_ball(tiny):
    model, x, y = tiny.to(torch.float64)
    x, y = x[:10], y[:10]
    points = [x + EPS * (2 * torch.rand_like(x) - 1) for _ in range(200)]
    points += [x + EPS * torch.randn_like(x).sign() for _ in range(200)]
    points += [
        attacks.pgd(model, x, y, eps=EPS, step_size=0.01, steps=20, random_start=start)
        for start in (False, True)
    ]
    tried = torch.stack(
        [F.cross_entropy(model(z.clamp(0, 1)), y, reduction="none") for z in points]
    )
    alone = INTERVAL | {"w_nom": 0.0, "w_ver": 1.0, "clip_input": True}
    found = [losses.interval(model, x[i : i + 1], y[i : i + 1], **alone) for i in range(10)]
    assert (torch.stack(found) >= tried.amax(0)).all()
    assert tried.amax(0).mean() > tried.amin(0).mean() + 0.1


def small(kind=nn.ReLU):
    """Two hidden layers, float64, and six images."""
    layers = nn.Conv2d(1, 3, 3), kind(), nn.Flatten(), nn.Linear(12, 6), kind(), nn.Linear(6, 3)
    model = nn.Sequential(*layers).double()
    return model, torch.rand(6, 1, 4, 4, dtype=torch.float64), torch.arange(6) % 3


@pytest.mark.parametrize("kind", ["exact", "projected"])
def test_dual_on_a_linear_model_is_its_formula(kind):
    """Without hidden units there is nothing to estimate: both are the optimum."""
    model, x, y = linear()
    want = F.cross_entropy(exact(model, x, y, EPS), y)
    drawn = {"projections": 3, "generator": torch.Generator().manual_seed(0)}
    changes = drawn if kind == "projected" else {}
    torch.testing.assert_close(losses.dual(model, x, y, **DUAL | changes), want)


@pytest.mark.parametrize("method", ["interval", "zonotope", "dual"])
def test_each_loss_is_a_formula_of_the_checked_bounds(method):
    model, x, y = small()
    worst = bounds.worst_case_logits(model, x, y, eps=EPS, method=method, clip_input=True)
    cut = {"clip_input": True}
    if method == "dual":
        found, want = losses.dual(model, x, y, **DUAL | cut), F.cross_entropy(worst, y)
    else:
        found = losses.abstract(model, x, y, **ABSTRACT | cut | {"method": method})
        others = [[row[j] for j in range(3) if j != k] for row, k in zip(worst, y, strict=True)]
        soft = torch.stack([(1 + max(row).exp()).log() for row in others]).mean()
        want = (0.2 * soft + F.cross_entropy(model(x), y)) / 1.2
    torch.testing.assert_close(found, want)
    for gradient in torch.autograd.grad(found, list(model.parameters())):
        assert gradient.isfinite().all()
        assert gradient.any()


def test_projections_come_near_the_exact_loss_and_follow_their_generator():
    model, x, y = small()
    for parameter in model.parameters():
        parameter.data *= 2  # so that much of the loss comes from the hidden units' bounds
    settings = DUAL | {"eps": 0.2}

    def estimated(count, seed):
        drawn = {"projections": count, "generator": torch.Generator().manual_seed(seed)}
        return losses.dual(model, x, y, **settings | drawn).item()

    exactly = losses.dual(model, x, y, **settings).item()
    rise = exactly - losses.natural(model, x, y).item()
    assert rise > 0.3
    assert estimated(40001, 0) == pytest.approx(exactly, abs=0.02 * rise)
    assert estimated(1, 0) != pytest.approx(exactly, abs=0.02 * rise)
    assert estimated(5, 1) == estimated(5, 1) != estimated(5, 2)
    with pytest.raises(ValueError, match="5 projections need a generator"):
        losses.dual(model, x, y, **settings | {"projections": 5})


def test_without_a_ball_interval_is_the_natural_loss(tiny):
    model, x, y = tiny.to(torch.float64)
    for clip in (True, False):
        found = losses.interval(model, x, y, **INTERVAL | {"eps": 0.0, "clip_input": clip})
        torch.testing.assert_close(found, losses.natural(model, x, y))


def test_cutting_the_ball_to_the_range_of_pixels_lowers_the_loss():
    model, x, y = linear()
    free, cut = (
        losses.interval(model, x.round(), y, **INTERVAL | {"clip_input": c}) for c in (False, True)
    )
    assert cut < free


def test_a_weight_of_zero_is_the_other_part_alone(tiny):
    model, x, y = tiny.to(torch.float64)
    warm = losses.interval(model, x, y, **INTERVAL | {"w_nom": 1.0, "w_ver": 0.0})
    assert torch.equal(warm, losses.natural(model, x, y))
    parts = [
        losses.interval(model, x, y, **INTERVAL | {"w_nom": a, "w_ver": b})
        for a, b in ((1.0, 0.0), (0.0, 1.0))
    ]
    both = losses.interval(model, x, y, **INTERVAL)
    torch.testing.assert_close(both, 0.3 * parts[0] + 0.7 * parts[1])


def test_a_layer_without_bounds_is_named():
    model, x, y = small(nn.Tanh)
    for loss, settings in (
        (losses.interval, INTERVAL),
        (losses.abstract, ABSTRACT),
        (losses.dual, DUAL),
    ):
        with pytest.raises(ValueError, match="Tanh"):
            loss(model, x, y, **settings)
