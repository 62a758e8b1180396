"""The defences' losses against slow versions written out from their formulas, in float64."""

from copy import deepcopy

import pytest
import torch
from torch import nn
from torch.nn import functional as F

from privrob import attacks, evaluate
from privrob.attacks import walk
from privrob.training import losses

WALK = {"eps": 0.1, "step_size": 0.03, "steps": 4}
PGD = WALK | {"random_start": False, "attack_mode": "eval", "fraction": 1.0, "generator": None}
DIST = {"step_size": 0.4, "steps": 4, "attack_mode": "eval"}
TRADES = WALK | {"start_std": 0.001, "beta": 2.0, "detach_clean": True, "generator": None}
ATTACKING = {
    "pgd": (losses.pgd, PGD),
    "distributional": (losses.distributional, DIST),
    "trades": (losses.trades, TRADES),
}


def seeded(seed=3):
    return torch.Generator().manual_seed(seed)


def problem(tiny):
    """A small batch in float64, where rounding flips no sign."""
    model, x, y = tiny.to(torch.float64)
    return model, x[:12], y[:12]


def normed(dtype=torch.float64):
    """A network with batch normalisation, in training mode, and a batch for it."""
    model = nn.Sequential(
        nn.Conv2d(1, 4, 3), nn.BatchNorm2d(4), nn.ReLU(), nn.Flatten(), nn.Linear(4 * 36, 3)
    ).to(dtype)
    x = torch.rand(10, 1, 8, 8, generator=seeded(), dtype=dtype)
    return model, x, torch.arange(10) % 3


def gradient_of(loss, model):
    return torch.autograd.grad(loss, list(model.parameters()))


def projected(x_adv, x, eps):
    return torch.max(torch.min(x_adv, x + eps), x - eps).clamp(0, 1)


def slope(objective, x_adv):
    x_adv = x_adv.detach().requires_grad_()
    return torch.autograd.grad(objective(x_adv), x_adv)[0]


# -- pgd ----------------------------------------------------------------------------------------


@pytest.mark.parametrize("random_start", [False, True])
def test_pgd_is_cross_entropy_at_the_attack_s_last_iterate(tiny, random_start):
    model, x, y = problem(tiny)
    start = {"random_start": random_start}
    found = losses.pgd(model, x, y, **PGD | start | {"generator": seeded()})
    x_adv = attacks.pgd(model, x, y, **WALK, **start, generator=seeded())
    want = F.cross_entropy(model(x_adv), y)
    torch.testing.assert_close(found, want, rtol=0, atol=0)
    for a, b in zip(gradient_of(found, model), gradient_of(want, model), strict=True):
        assert torch.equal(a, b)
    assert found > F.cross_entropy(model(x), y) + 0.1


def test_pgd_is_the_loop_as_one_would_write_it(tiny):
    model, x, y = problem(tiny)
    x_adv = x + (2 * torch.rand(x.shape, generator=seeded(), dtype=x.dtype) - 1) * 0.1
    x_adv = projected(x_adv, x, 0.1)
    for _ in range(4):
        up = slope(lambda z: F.cross_entropy(model(z), y), x_adv).sign()
        x_adv = projected(x_adv + 0.03 * up, x, 0.1)
    found = losses.pgd(model, x, y, **PGD | {"random_start": True, "generator": seeded()})
    torch.testing.assert_close(found, F.cross_entropy(model(x_adv), y), rtol=1e-12, atol=1e-12)


@pytest.mark.parametrize(("fraction", "count"), [(0.0, 0), (0.5, 6), (0.75, 9), (1.0, 12)])
def test_a_fraction_of_the_batch_is_attacked_and_the_rest_stays_clean(tiny, fraction, count):
    model, x, y = problem(tiny)
    found = losses.pgd(model, x, y, **PGD | {"fraction": fraction})
    mixed = x.clone()
    if count:
        mixed[:count] = attacks.pgd(model, x[:count], y[:count], **WALK, random_start=False)
    torch.testing.assert_close(found, F.cross_entropy(model(mixed), y), rtol=1e-12, atol=1e-12)


def test_a_radius_of_zero_is_the_natural_loss(tiny):
    """The first update of a ramp: eps and step size both 0."""
    model, x, y = problem(tiny)
    none = {"eps": 0.0, "step_size": 0.0, "random_start": True, "generator": seeded()}
    assert torch.equal(losses.pgd(model, x, y, **PGD | none), losses.natural(model, x, y))


# -- distributional -----------------------------------------------------------------------------


def test_distributional_is_its_formula_pixel_by_pixel(tiny):
    model, x, y = problem(tiny)
    now = x
    for _ in range(4):
        u = 0.4 * slope(lambda z: F.cross_entropy(model(z), y, reduction="sum"), now)
        mean = sum(abs(v) for v in u.flatten().tolist()) / u.numel()
        pixels = zip(
            now.flatten().tolist(), u.flatten().tolist(), x.flatten().tolist(), strict=True
        )
        moved = [(p + du, p + du - p0) for p, du, p0 in pixels]
        back = [p - mean * ((d > 0) - (d < 0)) for p, d in moved]
        now = torch.tensor(back, dtype=x.dtype).view(x.shape).clamp(0, 1)
    found = losses.distributional(model, x, y, **DIST)
    torch.testing.assert_close(found, F.cross_entropy(model(now), y), rtol=1e-12, atol=1e-12)
    assert found > F.cross_entropy(model(x), y)


def test_the_proximal_step_is_a_subgradient_step_of_its_penalty():
    """argmin over z of |z - (x_adv + u)|^2 / 2 + m * sign(x_adv + u - x) . z, unclipped."""
    x = torch.full((2, 1, 3, 3), 0.5, dtype=torch.float64)
    x_adv = x + 0.01 * torch.randn(x.shape, generator=seeded(1), dtype=x.dtype)
    u = 0.05 * torch.randn(x.shape, generator=seeded(2), dtype=x.dtype)
    z = walk.proximal_step(x_adv, x, u)
    v = (x_adv + u - x).requires_grad_()
    penalty = u.abs().mean() * v.abs().sum()
    torch.testing.assert_close(z - x, v.detach() - torch.autograd.grad(penalty, v)[0])


def test_the_first_proximal_step_takes_back_what_it_gave_on_average():
    """From x itself the l1 length of the move against its own direction sums to zero."""
    x = torch.full((4, 1, 5, 5), 0.5, dtype=torch.float64)
    u = 0.02 * torch.randn(x.shape, generator=seeded(), dtype=x.dtype)
    z = walk.proximal_step(x, x, u)
    assert abs(((z - x) * u.sign()).sum()) < 1e-14
    assert (z - x).abs().max() > 0.01


def test_the_proximal_step_has_no_ball_and_stays_in_the_range_of_pixels():
    x = torch.tensor([0.1, 0.5, 0.9, 0.3]).view(1, 1, 2, 2)
    u = torch.tensor([-5.0, 0.0, 5.0, 2.5]).view(1, 1, 2, 2)
    # mean |u| is 3.125; where nothing moved nothing goes back; the last one overshoots
    want = torch.tensor([0.0, 0.5, 1.0, 0.0]).view(1, 1, 2, 2)
    torch.testing.assert_close(walk.proximal_step(x, x, u), want)


# -- trades -------------------------------------------------------------------------------------


def slow_trades(model, x, y, *, detach):
    """The formula with its sums written out, by probabilities rather than by their logarithms."""
    p = torch.softmax(model(x), 1)
    fixed = p.detach()

    def kl(p, z):
        q = torch.softmax(model(z), 1)
        return (p * (p.log() - q.log())).sum()

    noise = torch.randn(x.shape, generator=seeded(), dtype=x.dtype)
    x_adv = x + 0.001 * noise
    for _ in range(4):
        x_adv = projected(x_adv + 0.03 * slope(lambda z: kl(fixed, z), x_adv).sign(), x, 0.1)
    outer = kl(fixed if detach else p, x_adv) / len(x)
    return -p[torch.arange(len(y)), y].log().mean() + 2.0 * outer, outer


@pytest.mark.parametrize("detach", [True, False])
def test_trades_and_its_gradient_are_the_formula(tiny, detach):
    model, x, y = problem(tiny)
    switch = {"detach_clean": detach, "generator": seeded()}
    found = losses.trades(model, x, y, **TRADES | switch)
    want, gap = slow_trades(model, x, y, detach=detach)
    torch.testing.assert_close(found, want, rtol=1e-10, atol=1e-12)
    assert gap > 0.01
    for a, b in zip(gradient_of(found, model), gradient_of(want, model), strict=True):
        torch.testing.assert_close(a, b, rtol=1e-8, atol=1e-12)


def test_the_switch_changes_the_gradient_and_not_the_value(tiny):
    model, x, y = problem(tiny)
    both = [
        losses.trades(model, x, y, **TRADES | {"detach_clean": d, "generator": seeded()})
        for d in (True, False)
    ]
    assert torch.equal(*both)
    one, other = (torch.cat([g.flatten() for g in gradient_of(v, model)]) for v in both)
    assert (one - other).norm() > 0.05 * one.norm()


def test_the_divergence_is_zero_at_equality_and_finite_far_away():
    g = torch.tensor([[0.0, 500.0], [3.0, 1.0]])
    same, far = F.log_softmax(g, 1), F.log_softmax(-g, 1)
    assert torch.equal(losses.divergence(same, same), torch.zeros(2))
    torch.testing.assert_close(losses.divergence(same, far)[0], torch.tensor(500.0))


# -- what an attack leaves behind ---------------------------------------------------------------


@pytest.mark.parametrize("name", ATTACKING)
def test_the_attack_leaves_no_gradient_no_flag_and_no_mode_behind(tiny, name):
    model, x, y = problem(tiny)
    loss, settings = ATTACKING[name]
    model.train()
    model[0].eval()
    next(model.parameters()).requires_grad_(False)
    modes = [m.training for m in model.modules()]
    flags = [p.requires_grad for p in model.parameters()]
    image = x.clone()
    loss(model, x, y, **settings)
    assert all(p.grad is None for p in model.parameters())
    assert [m.training for m in model.modules()] == modes
    assert [p.requires_grad for p in model.parameters()] == flags
    assert torch.equal(image, x)


def statistics(model):
    return {k: v.clone() for k, v in model.state_dict().items() if "running" in k or "num" in k}


@pytest.mark.parametrize("name", ATTACKING)
def test_an_attack_in_eval_mode_leaves_running_statistics_to_the_outer_passes(name):
    model, x, y = normed()
    seen = []
    model[0].register_forward_pre_hook(
        lambda m, i: seen.append(i[0].detach().clone()) if m.training else None
    )
    loss, settings = ATTACKING[name]
    twin = deepcopy(model)
    twin[0]._forward_pre_hooks.clear()
    loss(model, x, y, **settings)
    assert len(seen) == (2 if name == "trades" else 1)  # clean and adversarial, or the latter
    for batch in seen:
        twin(batch)
    for key, value in statistics(twin).items():
        torch.testing.assert_close(statistics(model)[key], value, rtol=0, atol=0)


@pytest.mark.parametrize("name", ["pgd", "distributional"])
def test_an_attack_in_train_mode_uses_the_batch_and_moves_the_running_statistics(name):
    found = {}
    for mode in ("train", "eval"):
        torch.manual_seed(0)
        model, x, y = normed()
        loss, settings = ATTACKING[name]
        value = loss(model, x, y, **settings | {"attack_mode": mode})
        found[mode] = (value.item(), int(model[1].num_batches_tracked))
    assert found["train"][1] == 5  # four steps and the outer pass
    assert found["eval"][1] == 1
    assert found["train"][0] != found["eval"][0]


def test_pgd_in_train_mode_is_the_loop_on_the_model_as_it_is():
    model, x, y = normed()
    twin, x_adv = deepcopy(model), x
    for _ in range(4):
        up = slope(lambda z: F.cross_entropy(twin(z), y, reduction="sum"), x_adv).sign()
        x_adv = projected(x_adv + 0.03 * up, x, 0.1)
    want = F.cross_entropy(twin(x_adv), y)
    found = losses.pgd(model, x, y, **PGD | {"attack_mode": "train"})
    torch.testing.assert_close(found, want, rtol=1e-12, atol=1e-12)
    for key, value in statistics(twin).items():
        torch.testing.assert_close(statistics(model)[key], value)


@pytest.mark.parametrize("name", ["pgd", "distributional"])
def test_a_mode_that_does_not_exist_is_refused(tiny, name):
    model, x, y = problem(tiny)
    loss, settings = ATTACKING[name]
    with pytest.raises(ValueError, match="attack_mode must be 'train' or 'eval', got 'test'"):
        loss(model, x, y, **settings | {"attack_mode": "test"})


def test_the_walk_keeps_to_its_ball_and_leaves_the_caller_s_start_alone(tiny):
    model, x, y = problem(tiny)
    start = x + 0.001 * torch.randn(x.shape, generator=seeded(), dtype=x.dtype)
    kept = start.clone()
    with evaluate.eval_mode(model), evaluate.frozen(model):
        x_adv = walk.ascend(model, x, y, start=start, **WALK)
    assert (x_adv - x).abs().max() <= 0.1 + 1e-12
    assert x_adv.min() >= 0
    assert x_adv.max() <= 1
    assert torch.equal(start, kept)
