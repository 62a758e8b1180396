"""FGSM and PGD against foolbox, torchattacks, plain loops and closed forms."""

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from privrob import attacks, evaluate, models

EPS, STEP = 0.1, 0.02
DTYPES = [torch.float32, torch.float64]
# Rounding alone moves an iterate by one unit in the last place; a flipped sign by 2 * STEP.
TOLERANCE = {torch.float32: 1e-6, torch.float64: 1e-12}


def pgd(model, x, y, **changes):
    settings = {"eps": EPS, "step_size": STEP, "steps": 8, "random_start": False}
    return attacks.pgd(model, x, y, **settings | changes)


def survivors(model: nn.Module, x: Tensor, y: Tensor) -> Tensor:
    return evaluate.logits(model, x, bounded=False).argmax(1) == y


def flat(x: Tensor) -> Tensor:
    """A linear model's images: (N, D) as (N, 1, 1, D)."""
    return x[:, None, None, :]


def linear(weight: Tensor, bias: Tensor | None = None) -> nn.Module:
    """Logits weight @ x + bias."""
    layer = nn.Linear(weight.shape[1], weight.shape[0])
    layer.weight.data, layer.bias.data = weight, torch.zeros(len(weight)) if bias is None else bias
    return nn.Sequential(nn.Flatten(), layer.to(weight.dtype))


# -- other libraries ----------------------------------------------------------------------------


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("eps", [0.02, 0.1, 0.3])
def test_foolbox_agrees(either, dtype, eps):
    foolbox = pytest.importorskip("foolbox")
    model, x, y = either.to(dtype)
    other = foolbox.PyTorchModel(model.eval(), bounds=(0, 1))
    ours = {
        foolbox.attacks.LinfFastGradientAttack(random_start=False): attacks.fgsm(
            model, x, y, eps=eps
        ),
        foolbox.attacks.LinfPGD(abs_stepsize=STEP, steps=8, random_start=False): pgd(
            model, x, y, eps=eps
        ),
    }
    for attack, x_adv in ours.items():
        _, theirs, fooled = attack(other, x, y, epsilons=eps)
        torch.testing.assert_close(x_adv, theirs, rtol=0, atol=TOLERANCE[dtype])
        assert torch.equal(survivors(model, x_adv, y), ~fooled)


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("eps", [0.02, 0.1, 0.3])
def test_torchattacks_agrees(either, dtype, eps):
    torchattacks = pytest.importorskip("torchattacks")
    model, x, y = either.to(dtype)
    model.eval()
    fgsm = torchattacks.FGSM(model, eps=eps)(x, y)
    walk = torchattacks.PGD(model, eps=eps, alpha=STEP, steps=8, random_start=False)(x, y)
    for ours, theirs in [
        (attacks.fgsm(model, x, y, eps=eps), fgsm),
        (pgd(model, x, y, eps=eps), walk),
    ]:
        torch.testing.assert_close(ours, theirs, rtol=0, atol=TOLERANCE[dtype])
        assert torch.equal(survivors(model, ours, y), survivors(model, theirs, y))


# -- closed forms -------------------------------------------------------------------------------


def test_linear_model_moves_along_the_sign_of_the_weights():
    weight = torch.randn(2, 9, dtype=torch.float64)
    x, y = flat(torch.rand(5, 9, dtype=torch.float64)), torch.tensor([0, 1, 0, 1, 1])
    away = flat((weight[1 - y] - weight[y]).sign())
    expected = (x + EPS * away).clamp(0, 1)
    model = linear(weight)
    torch.testing.assert_close(attacks.fgsm(model, x, y, eps=EPS), expected)
    torch.testing.assert_close(pgd(model, x, y), expected)  # 8 steps of 0.02 pass 0.1
    torch.testing.assert_close(attacks.fgsm(model, x, y, eps=EPS, clip=None), x + EPS * away)
    back = attacks.fgsm(model, x, 1 - y, eps=EPS, targeted=True)
    torch.testing.assert_close(back, expected)


def test_eps_is_in_pixels_whatever_each_channel_is_divided_by():
    front = models.NormalizeChannels((0.0, 0.0, 0.0), (0.25, 0.5, 2.0))
    weight = torch.randn(2, 12, dtype=torch.float64)
    model = nn.Sequential(front, linear(weight))
    x, y = torch.rand(5, 3, 2, 2, dtype=torch.float64), torch.tensor([0, 1, 0, 1, 1])
    away = (weight[1 - y] - weight[y]).sign().view_as(x)
    expected = (x + EPS * away).clamp(0, 1)
    torch.testing.assert_close(attacks.fgsm(model, x, y, eps=EPS), expected)
    torch.testing.assert_close(pgd(model, x, y), expected)


def test_linear_model_falls_after_margin_over_step_times_l1_norm():
    """Each step lowers the margin by step * |w|_1, until the ball ends at eps."""
    weight = torch.randn(2, 9, dtype=torch.float64)
    x, y = flat(torch.rand(40, 9, dtype=torch.float64)), torch.randint(2, (40,))
    g = x.flatten(1) @ weight.T
    margin = g.gather(1, y[:, None]).squeeze(1) - g.gather(1, 1 - y[:, None]).squeeze(1)
    norm = (weight[0] - weight[1]).abs().sum()
    needed = (margin / (0.01 * norm)).floor().long() + 1
    expected = needed.clamp(min=0).masked_fill(margin < 0, 0).masked_fill(needed > 20, -1)
    steps = attacks.steps_to_success(
        linear(weight), x, y, eps=0.2, step_size=0.01, steps=25, clip=None
    )
    assert {-1, 0} < set(expected.tolist())  # the case has never-fooled, at-once and others
    assert torch.equal(steps, expected)


# -- plain loops --------------------------------------------------------------------------------


def plain_walk(model: nn.Module, x: Tensor, y: Tensor, eps: float, sign: int) -> list[Tensor]:
    """x and 12 iterates of PGD on one image, as a user would write it."""
    iterates = [x]
    for _ in range(12):
        last = iterates[-1].clone().requires_grad_()
        (gradient,) = torch.autograd.grad(sign * F.cross_entropy(model(last), y), last)
        moved = last.detach() + STEP * gradient.sign()
        moved = torch.minimum(torch.maximum(moved, x - eps), x + eps)
        iterates.append(moved.clamp(0, 1))
    return iterates


@pytest.mark.parametrize("targeted", [False, True])
@pytest.mark.parametrize("eps", [0.06, 0.2])
def test_trace_and_steps_equal_the_plain_loop(either, eps, targeted):
    model, x, y = either.to(torch.float64)
    y = (y + 1) % 4 if targeted else y
    first, last = [], []
    for image, label in zip(x.split(1), y.split(1), strict=True):
        iterates = plain_walk(model, image, label, eps, -1 if targeted else 1)
        hits = [(model(at).argmax(1) == label).item() is targeted for at in iterates]
        first.append(hits.index(True) if any(hits) else -1)
        last.append(iterates[-1])
    walk = {"eps": eps, "step_size": STEP, "targeted": targeted}
    trace = attacks.pgd_trace(model, x, y, snapshots=(5, 12), **walk)
    steps = attacks.steps_to_success(model, x, y, steps=12, **walk)
    assert len(set(first)) > 3
    assert steps.dtype == torch.int64
    assert trace.first_success.tolist() == steps.tolist() == first
    torch.testing.assert_close(trace.x_at[12], torch.cat(last), rtol=0, atol=1e-12)


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("targeted", [False, True])
def test_trace_equals_pgd_at_each_snapshot(either, dtype, targeted):
    model, x, y = either.to(dtype)
    y = (y + 1) % 4 if targeted else y
    walk = {"eps": EPS, "step_size": STEP, "targeted": targeted}
    trace = attacks.pgd_trace(model, x, y, snapshots=(1, 3, 8), **walk)
    assert list(trace.x_at) == list(trace.logits_at) == [1, 3, 8]
    for steps, x_adv in trace.x_at.items():
        assert torch.equal(x_adv, attacks.pgd(model, x, y, steps=steps, random_start=False, **walk))
        assert torch.equal(trace.logits_at[steps], evaluate.logits(model, x_adv))
    steps = attacks.steps_to_success(model, x, y, steps=8, **walk)
    assert torch.equal(steps, trace.first_success)


def test_grid_is_fgsm_at_each_eps_and_one_step_of_pgd(either):
    model, x, y = either
    grid = [0.0, 0.01, 0.1, 0.3]
    for eps, x_adv in zip(grid, attacks.fgsm_grid(model, x, y, eps=grid), strict=True):
        assert torch.equal(x_adv, attacks.fgsm(model, x, y, eps=eps))
        if eps:
            assert torch.equal(x_adv, pgd(model, x, y, eps=eps, step_size=eps, steps=1))
    assert torch.equal(next(attacks.fgsm_grid(model, x, y, eps=(e for e in grid))), x)


def test_grid_takes_one_gradient(tiny, monkeypatch):
    calls = []
    real = evaluate.input_gradient

    def counted(*args, **named):
        calls.append(args)
        return real(*args, **named)

    monkeypatch.setattr(evaluate, "input_gradient", counted)
    list(attacks.fgsm_grid(*tiny, eps=[0.1, 0.2, 0.3]))
    assert len(calls) == 1


# -- properties ---------------------------------------------------------------------------------


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("random_start", [False, True])
@pytest.mark.parametrize("eps", [0.03, 0.5, 2.0])
def test_result_stays_in_the_ball_and_among_pixels(tiny, dtype, random_start, eps):
    model, _, y = tiny.to(dtype)
    x = torch.rand(64, 1, 12, 12, dtype=dtype).mul(1.4).sub(0.2).clamp(0, 1)
    for x_adv in (
        pgd(model, x, y, eps=eps, random_start=random_start),
        attacks.fgsm(model, x, y, eps=eps),
    ):
        assert x_adv.dtype == dtype
        assert ((x_adv >= 0) & (x_adv <= 1)).all()
        assert ((x_adv >= x - eps) & (x_adv <= x + eps)).all()


def test_eps_zero_gives_the_images_themselves(tiny):
    model, x, y = tiny
    assert torch.equal(attacks.fgsm(model, x, y, eps=0), x)
    assert torch.equal(pgd(model, x, y, eps=0), x)
    assert torch.equal(pgd(model, x, y, eps=0, random_start=True), x)


def test_unclipped_attack_leaves_the_range(tiny):
    x_adv = attacks.fgsm(*tiny, eps=0.4, clip=None)
    assert x_adv.min() < 0
    assert x_adv.max() > 1
    assert pgd(*tiny, eps=0.4, step_size=0.4, clip=None).max() > 1


def test_random_start_is_uniform_and_comes_from_its_generator(tiny):
    x = torch.full((64, 1, 12, 12), 0.5)
    weightless = linear(torch.zeros(4, 144))  # zero gradients: what is left is the start itself

    def start(seed: int) -> Tensor:
        generator = torch.Generator().manual_seed(seed)
        return pgd(weightless, x, tiny.y, random_start=True, generator=generator) - x

    assert torch.equal(start(3), start(3))
    assert not torch.equal(start(3), start(4))
    deviation = start(3).std().item()  # of a uniform draw: 2 eps / sqrt(12)
    assert deviation == pytest.approx(2 * EPS / 12**0.5, rel=0.02)
    assert start(3).abs().max() <= EPS + 1e-6


def test_targeted_attack_lowers_the_targets_loss(tiny):
    model, x, y = tiny
    target = (y + 1) % 4
    x_adv = pgd(model, x, target, targeted=True)

    def loss_at(images: Tensor) -> Tensor:
        return evaluate.cross_entropy(evaluate.logits(model, images), target)

    assert (loss_at(x_adv) < loss_at(x)).all()


def test_any_loss_and_its_shape(tiny):
    model, x, y = tiny

    def margin(g: Tensor, y: Tensor) -> Tensor:
        return -g.gather(1, y[:, None]).squeeze(1)

    x_adv = pgd(model, x, y, loss=margin)
    g, g_adv = evaluate.logits(model, x), evaluate.logits(model, x_adv)
    assert (margin(g_adv, y) > margin(g, y)).all()
    with pytest.raises(ValueError, match=r"loss must return \(64,\), got \(\)"):
        pgd(model, x, y, loss=F.cross_entropy)


def test_uint8_images_are_read_as_fractions_of_255(tiny):
    model, x, y = tiny
    pixels = x.mul(255).round().to(torch.uint8)
    assert torch.equal(pgd(model, pixels, y), pgd(model, pixels.float() / 255, y))


def test_channels_last_changes_nothing(tiny):
    model, x, y = tiny.to(torch.float64)
    expected = pgd(model, x, y)
    model.to(memory_format=torch.channels_last)
    torch.testing.assert_close(pgd(model, x, y), expected, rtol=0, atol=1e-12)


# -- what must be left alone --------------------------------------------------------------------


def every_attack(model: nn.Module, x: Tensor, y: Tensor, **shared) -> None:
    walk = {"eps": EPS, "step_size": STEP} | shared
    attacks.fgsm(model, x, y, eps=EPS, **shared)
    attacks.pgd(model, x, y, steps=2, random_start=True, **walk)
    attacks.pgd_trace(model, x, y, snapshots=[2], **walk)
    attacks.steps_to_success(model, x, y, steps=2, **walk)


def test_model_is_left_as_it_was():
    model = nn.Sequential(
        nn.Conv2d(1, 3, 3), nn.BatchNorm2d(3), nn.Dropout(0.5), nn.Flatten(), nn.Linear(300, 4)
    )
    model.train()
    model[1].eval()  # a mixture of modes, and of flags
    model[0].weight.requires_grad_(False)
    before = {name: value.clone() for name, value in model.state_dict().items()}
    every_attack(model, torch.rand(8, 1, 12, 12), torch.zeros(8, dtype=torch.int64))
    assert [m.training for m in model] == [True, False, True, True, True]
    assert [p.requires_grad for p in model.parameters()] == [False, *[True] * 5]
    assert all(p.grad is None for p in model.parameters())
    assert all(torch.equal(before[name], value) for name, value in model.state_dict().items())


def test_model_is_left_as_it_was_after_an_error(tiny):
    tiny.model.train()

    def fail(g: Tensor, y: Tensor) -> Tensor:
        raise RuntimeError("no loss today")

    with pytest.raises(RuntimeError, match="no loss today"):
        attacks.fgsm(*tiny, eps=EPS, loss=fail)
    assert all(m.training for m in tiny.model.modules())
    assert all(p.requires_grad for p in tiny.model.parameters())


def test_attacks_run_in_eval_mode_and_without_outer_gradients(tiny):
    model = nn.Sequential(nn.Dropout(0.9), tiny.model).train()
    with torch.no_grad():
        x_adv = pgd(model, tiny.x, tiny.y)
    assert not x_adv.requires_grad
    assert torch.equal(x_adv, pgd(tiny.model, tiny.x, tiny.y))


def test_images_are_not_written_to(tiny):
    model, x, y = tiny
    before = x.clone()
    every_attack(model, x, y)
    every_attack(model, x, y, clip=None)
    assert torch.equal(x, before)
    assert not x.requires_grad


# -- bad input ----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"eps": -0.1}, "eps .* got -0.1"),
        ({"eps": float("nan")}, "eps .* got nan"),
        ({"step_size": 0.0}, "step_size .* got 0.0"),
        ({"step_size": -1.0}, "step_size .* got -1.0"),
        ({"steps": 0}, "steps .* got 0"),
        ({"steps": 1.5}, "steps .* got 1.5"),
    ],
)
def test_bad_numbers_are_refused(tiny, changes, message):
    walk = {"eps": EPS, "step_size": STEP, "steps": 2} | changes
    with pytest.raises(ValueError, match=message):
        pgd(*tiny, **walk)
    with pytest.raises(ValueError, match=message):
        attacks.steps_to_success(*tiny, **walk)
    walk["snapshots"] = [2, walk.pop("steps")]
    with pytest.raises(ValueError, match=message):
        attacks.pgd_trace(*tiny, **walk)


def test_bad_eps_and_snapshots_are_refused(tiny):
    with pytest.raises(ValueError, match=r"eps .* got -0\.1"):
        attacks.fgsm(*tiny, eps=-0.1)
    with pytest.raises(ValueError, match=r"eps .* got -0\.2"):
        attacks.fgsm_grid(*tiny, eps=[0.1, -0.2])  # at once, not when first asked for an image
    with pytest.raises(ValueError, match="steps must be .* got 0"):
        attacks.pgd_trace(*tiny, eps=EPS, step_size=STEP, snapshots=[])


def test_bad_images_and_labels_are_refused(tiny):
    model, x, y = tiny
    with pytest.raises(ValueError, match=r"<= 1, got a pixel of 1\.5"):
        pgd(model, x + (1.5 - x.max()), y)
    with pytest.raises(ValueError, match="got a pixel of nan"):
        pgd(model, x.clone().index_fill_(0, torch.tensor(3), float("nan")), y, clip=None)
    with pytest.raises(ValueError, match=r"labels must lie in 0\.\.3, got 4"):
        pgd(model, x, y + 4 - y.max())
    with pytest.raises(ValueError, match=r"labels must lie in 0\.\.3, got -1"):
        pgd(model, x, y - 1 - y.min())
    with pytest.raises(ValueError, match=r"labels must have shape \(64,\), got \(63,\)"):
        pgd(model, x, y[1:])
    with pytest.raises(ValueError, match=r"labels must be int64, got torch\.int32"):
        pgd(model, x, y.int())
    pgd(model, 2 * x, y, clip=(0.0, 2.0))


class NaNFor(nn.Module):
    """The model's logits, but NaN for images whose first pixel is black."""

    def __init__(self, model: nn.Module) -> None:
        super().__init__()
        self.model = model

    def forward(self, x: Tensor) -> Tensor:
        return self.model(x).masked_fill(x[:, :, 0, 0] == 0, float("nan"))


def test_nan_logits_are_refused(tiny):
    x = tiny.x.clone()
    x[:, 0, 0, 0] = 0.5
    x[[5, 9], 0, 0, 0] = 0
    with pytest.raises(ValueError, match="NaN or infinite logits for 2 images"):
        every_attack(NaNFor(tiny.model), x, tiny.y)
    with pytest.raises(ValueError, match="NaN or infinite logits for 2 images"):
        attacks.steps_to_success(
            NaNFor(tiny.model), x, tiny.y, eps=1e-6, step_size=1e-7, steps=3, clip=(0.0, 1.0)
        )


def test_nan_gradients_are_refused(tiny):
    def root(g: Tensor, y: Tensor) -> Tensor:
        return (g[:, 0] * 0).sqrt()  # 0, with slope 0 * inf

    with pytest.raises(ValueError, match="NaN or infinite loss gradients for 64 images"):
        attacks.fgsm(*tiny, eps=EPS, loss=root)


def test_loss_without_gradient_is_refused(tiny):
    with pytest.raises(ValueError, match="does not depend on the images"):
        attacks.fgsm(*tiny, eps=EPS, loss=lambda g, y: g.detach().sum(1))


# -- GPU ----------------------------------------------------------------------------------------


@pytest.mark.gpu
def test_gpu_agrees(tiny):
    """float64: rounding alone, 1e-12; the order of sums differs, signs of gradients do not."""
    model, x, y = tiny.to(torch.float64)
    walk = {"eps": EPS, "step_size": STEP}
    fgsm = attacks.fgsm(model, x, y, eps=EPS)
    last = pgd(model, x, y)
    first = attacks.steps_to_success(model, x, y, steps=8, **walk)
    model.cuda()
    assert attacks.fgsm(model, x, y, eps=EPS).is_cuda
    torch.testing.assert_close(attacks.fgsm(model, x, y, eps=EPS).cpu(), fgsm, rtol=0, atol=1e-12)
    torch.testing.assert_close(pgd(model, x, y).cpu(), last, rtol=0, atol=1e-12)
    assert torch.equal(attacks.steps_to_success(model, x, y, steps=8, **walk).cpu(), first)
