"""DP-SGD against micro-batches of one, against opacus, and against its own stated noise."""

import subprocess
import sys

import pytest
import torch
from torch import nn
from torch.nn import functional as F

from privrob import models
from privrob.training import loop, losses, private


def mnist(**changes):
    settings = {"width": 0.3, "hidden": (40,), "normalize": False} | changes
    return models.build("mnist_cnn", seed=3, **settings)


NETWORKS = {
    "paper": (mnist, (1, 28, 28)),
    "normalised, two hidden layers": (lambda: mnist(hidden=(30, 20), normalize=True), (1, 28, 28)),
    "linear": (lambda: nn.Sequential(nn.Flatten(), nn.Linear(27, 4, bias=False)), (3, 3, 3)),
    "stride, padding, colour": (
        lambda: nn.Sequential(
            nn.Conv2d(3, 5, 3, stride=2, padding=1),
            nn.ReLU(),
            nn.Conv2d(5, 4, (3, 2), stride=(1, 2), padding=(0, 1), bias=False),
            nn.AvgPool2d(2),
            nn.Flatten(),
            nn.LazyLinear(4),
        ),
        (3, 13, 11),
    ),
    "ghost norm": (  # few positions, many channels: the Gram matrices are less work
        lambda: nn.Sequential(nn.Conv2d(30, 40, 3), nn.ReLU(), nn.Flatten(), nn.Linear(40 * 4, 4)),
        (30, 4, 4),
    ),
}


def problem(name, *, count=12, dtype=torch.float64):
    build, shape = NETWORKS[name]
    torch.manual_seed(0)
    model = build()
    model(torch.rand(2, *shape))  # lazy layers learn their shape
    x = torch.rand(count, *shape, generator=torch.Generator().manual_seed(1), dtype=dtype)
    return model.to(dtype), x, torch.arange(count) % 4


def one_by_one(model, x, y):
    """Each example's gradient by its own backward pass: the slow and obvious way."""
    parameters = list(model.parameters())
    return [
        torch.autograd.grad(F.cross_entropy(model(x[i : i + 1]), y[i : i + 1]), parameters)
        for i in range(len(x))
    ]


def clipped_sum(gradients, clip_norm):
    norms = [torch.cat([g.flatten() for g in each]).norm() for each in gradients]
    scaled = [
        [g / max(1.0, float(n / clip_norm)) for g in each]
        for each, n in zip(gradients, norms, strict=True)
    ]
    return [torch.stack(parts).sum(0) for parts in zip(*scaled, strict=True)], norms


@pytest.mark.parametrize("name", NETWORKS)
def test_clipped_sum_equals_micro_batches_of_one(name):
    model, x, y = problem(name)
    _, norms = clipped_sum(one_by_one(model, x, y), 1.0)
    clip_norm = float(torch.stack(norms).median())  # so that some are clipped and some are not
    expected, _ = clipped_sum(one_by_one(model, x, y), clip_norm)
    assert min(norms) < clip_norm < max(norms)
    found = private.clipped_gradient(model, x, y, clip_norm=clip_norm)
    for (key, _), want in zip(model.named_parameters(), expected, strict=True):
        torch.testing.assert_close(found[key], want, rtol=1e-10, atol=1e-10)


@pytest.mark.parametrize("piece", [1, 10**9])
def test_the_size_of_the_pieces_changes_no_bit(monkeypatch, piece):
    model, x, y = problem("paper")
    one = private.clipped_gradient(model, x, y, clip_norm=0.5)
    monkeypatch.setattr(private, "PIECE", piece)
    other = private.clipped_gradient(model, x, y, clip_norm=0.5)
    assert all(torch.equal(one[name], other[name]) for name in one)


def test_the_ghost_network_takes_the_ghost_path_and_the_paper_network_does_not():
    ways = {}
    for name in ("ghost norm", "paper"):
        model, x, y = problem(name)
        tape = private._tape(model, x, y)
        rules = [private._ConvRule(m, a, g) for _, m, a, g in tape if isinstance(m, nn.Conv2d)]
        ways[name] = [rule.each is None for rule in rules]
    assert ways == {"ghost norm": [True], "paper": [False, False]}


def _in_nchw(model):
    """The same network without channels_last memory, which opacus 1.6 misreads."""
    kept = [m for m in model if not isinstance(m, models.ChannelsLast)]
    return nn.Sequential(*kept).to(memory_format=torch.contiguous_format)


def test_clipped_sum_equals_opacus_per_example_gradients_clipped_alike():
    from opacus import GradSampleModule

    model, x, y = problem("paper")
    clip_norm = 1.0
    found = private.clipped_gradient(model, x, y, clip_norm=clip_norm)
    wrapped = GradSampleModule(_in_nchw(model), loss_reduction="sum")
    F.cross_entropy(wrapped(x), y, reduction="sum").backward()
    norms = torch.stack([p.grad_sample.flatten(1).norm(dim=1) for p in model.parameters()]).norm(
        dim=0
    )
    factor = 1 / (norms / clip_norm).clamp(min=1)
    for mine, parameter in zip(found.values(), model.parameters(), strict=True):
        want = torch.einsum("b,b...->...", factor, parameter.grad_sample)
        torch.testing.assert_close(mine, want, rtol=1e-10, atol=1e-10)


def test_float32_agrees_with_float64_on_stable_examples():
    model, x, y = problem("paper", dtype=torch.float64)
    exact = private.clipped_gradient(model, x, y, clip_norm=1.0)
    single = private.clipped_gradient(model.float(), x.float(), y, clip_norm=1.0)
    for name, want in exact.items():
        torch.testing.assert_close(single[name].double(), want, rtol=1e-4, atol=1e-5)


def step_of(model, **changes):
    settings = {
        "lr": 0.5,
        "clip_norm": 1.0,
        "noise_std": 0.0,
        "expected_batch": 12,
        "engine": "fast",
        "generator": torch.Generator().manual_seed(7),
    }
    return private.private_step(model, **(settings | changes))


def flat(model):
    return torch.cat([p.detach().flatten() for p in model.parameters()])


@pytest.mark.parametrize("engine", private.ENGINES)
def test_without_noise_and_clipping_it_is_sgd(engine):
    (plain, x, y), (dp, _, _) = problem("paper"), problem("paper")
    sgd = loop.sgd_step(plain, lr=0.5, loss=losses.natural)
    step = step_of(dp, clip_norm=1e6, engine=engine)
    for part in (slice(0, 12), slice(0, 12)):
        sgd(x[part], y[part])
        step(x[part], y[part])
    torch.testing.assert_close(flat(dp), flat(plain), rtol=1e-7, atol=1e-9)


def test_engines_take_the_same_step():
    (fast, x, y), (slow, _, _) = problem("paper"), problem("paper")
    for model, engine in ((fast, "fast"), (slow, "opacus")):
        step_of(model, engine=engine, clip_norm=0.7)(x, y)
    start = flat(problem("paper")[0])
    # opacus clips by C / (norm + 1e-6): that, and not more, may lie between them
    torch.testing.assert_close(flat(fast) - start, flat(slow) - start, rtol=1e-5, atol=1e-8)


@pytest.mark.parametrize("engine", private.ENGINES)
@pytest.mark.parametrize("noise_std", [1.3, 3.0])
def test_noise_has_the_stated_deviation_whatever_the_clipping(engine, noise_std):
    """An update minus its noiseless twin, times b/lr, is N(0, noise_std^2): mean, sd, shape."""
    (noisy, x, y), (clean, _, _) = problem("paper"), problem("paper")
    step_of(clean, clip_norm=0.5, engine=engine)(x, y)
    step_of(noisy, clip_norm=0.5, noise_std=noise_std, engine=engine)(x, y)
    noise = (flat(noisy) - flat(clean)) * 12 / 0.5
    n = len(noise)
    assert abs(noise.mean()) < 4 * noise_std / n**0.5
    assert abs(noise.std() / noise_std - 1) < 4 / (2 * n) ** 0.5
    within = (noise.abs() < noise_std).double().mean()
    assert abs(within - 0.6827) < 4 * (0.6827 * 0.3173 / n) ** 0.5


def test_every_parameter_gets_noise_of_its_own():
    model, x, y = problem("paper")
    before = [p.clone() for p in model.parameters()]
    step_of(model, noise_std=2.0)(x[:0], y[:0])  # an empty batch: noise and nothing else
    moved = [(p - b).flatten() * 12 / 0.5 for p, b in zip(model.parameters(), before, strict=True)]
    assert all(part.std() > 1 for part in moved if len(part) > 5)
    assert len(torch.cat(moved).unique()) > 0.999 * len(torch.cat(moved))


def test_an_empty_batch_moves_nothing_without_noise():
    model, x, y = problem("paper")
    before = flat(model)
    step_of(model)(x[:0], y[:0])
    assert torch.equal(flat(model), before)


def test_the_divisor_is_the_expected_batch_and_not_the_drawn_one():
    (small, x, y), (large, _, _) = problem("paper"), problem("paper")
    start = flat(small)
    step_of(small, clip_norm=1e6)(x[:6], y[:6])
    step_of(large, clip_norm=1e6)(torch.cat([x[:6]] * 2), torch.cat([y[:6]] * 2))
    torch.testing.assert_close(
        flat(large) - start, 2 * (flat(small) - start), rtol=1e-9, atol=1e-12
    )


def test_one_example_moves_the_sum_by_at_most_the_clipping_norm():
    model, x, y = problem("paper")
    clip_norm = 0.1
    whole = private.clipped_gradient(model, x, y, clip_norm=clip_norm)
    for i in range(len(x)):
        keep = torch.arange(len(x)) != i
        rest = private.clipped_gradient(model, x[keep], y[keep], clip_norm=clip_norm)
        moved = torch.cat([(whole[n] - rest[n]).flatten() for n in whole]).norm()
        assert moved <= clip_norm * (1 + 1e-9)


def test_poisson_batches_draw_each_example_with_the_stated_rate():
    size, rate, updates = 600, 0.05, 2000
    generator = torch.Generator().manual_seed(0)
    batches = list(
        private.poisson_batches(size, sample_rate=rate, updates=updates, generator=generator)
    )
    sizes = torch.tensor([len(b) for b in batches]).double()
    deviation = (size * rate * (1 - rate)) ** 0.5
    assert len(batches) == updates
    assert all(len(b.unique()) == len(b) for b in batches)
    assert abs(sizes.mean() - size * rate) < 4 * deviation / updates**0.5
    assert abs(sizes.std() / deviation - 1) < 4 / (2 * updates) ** 0.5  # not a fixed size
    counts = torch.bincount(torch.cat(batches), minlength=size).double()
    assert (counts - updates * rate).abs().max() < 5 * (updates * rate * (1 - rate)) ** 0.5


def test_parameters_come_back_as_they_were():
    model, x, y = problem("paper")
    next(model.parameters()).requires_grad_(False)
    flags = [p.requires_grad for p in model.parameters()]
    private.clipped_gradient(model, x, y, clip_norm=1.0)
    assert [p.requires_grad for p in model.parameters()] == flags
    assert all(p.grad is None for p in model.parameters())
    assert not any(m._forward_hooks for m in model.modules())


@pytest.mark.parametrize(
    ("changes", "word"),
    [
        ({"clip_norm": 0.0}, "clip_norm"),
        ({"clip_norm": -1.0}, "clip_norm"),
        ({"clip_norm": float("nan")}, "clip_norm"),
        ({"noise_std": -0.1}, "noise_std"),
        ({"noise_std": float("inf")}, "noise_std"),
        ({"lr": 0.0}, "lr"),
        ({"expected_batch": 0}, "expected_batch"),
        ({"engine": "turbo"}, "turbo"),
    ],
)
def test_bad_settings_are_refused_by_name(changes, word):
    with pytest.raises(ValueError, match=word):
        step_of(problem("linear")[0], **changes)


@pytest.mark.parametrize(
    ("layer", "word"),
    [
        (nn.BatchNorm2d(3), "BatchNorm2d"),
        (nn.Conv2d(3, 3, 1, groups=3), "Conv2d"),
        (nn.Conv2d(3, 3, 2, padding="same"), "same"),
    ],
)
def test_layers_without_a_rule_are_refused_by_name(layer, word):
    model = nn.Sequential(layer, nn.Flatten(), nn.LazyLinear(4))
    x = torch.rand(3, 3, 5, 5)
    model.eval()(x)
    with pytest.raises(ValueError, match=word):
        private.clipped_gradient(model, x, torch.tensor([0, 1, 2]), clip_norm=1.0)


def test_a_layer_that_is_used_twice_is_refused():
    shared = nn.Linear(4, 4)
    model = nn.Sequential(nn.Flatten(), shared, nn.ReLU(), shared)
    with pytest.raises(ValueError, match="twice"):
        private.clipped_gradient(model, torch.rand(2, 1, 2, 2), torch.tensor([0, 1]), clip_norm=1.0)


MEMORY = """
import torch
from privrob import models
from privrob.training import private
model = models.build("mnist_cnn", seed=0, width=1.0, hidden=(500,), normalize=False)
x, y = torch.rand(256, 1, 28, 28), torch.randint(10, (256,))
step = private.private_step(model, lr=0.05, clip_norm=1.0, noise_std=1.3, expected_batch=256,
                            engine="fast", generator=torch.Generator())
def memory(which):
    text = open("/proc/self/status").read().split(which + ":")[1]
    return int(text.split()[0]) / 2**20
open("/proc/self/clear_refs", "w").write("5")  # the peak starts again from here
before = memory("VmRSS")
for _ in range(3):
    step(x, y)
print(memory("VmHWM") - before)
"""


@pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")
def test_a_step_of_the_paper_s_network_stays_under_a_gibibyte():
    done = subprocess.run(
        [sys.executable, "-c", MEMORY], capture_output=True, text=True, check=True
    )
    assert 0 < float(done.stdout) < 1


@pytest.mark.gpu
def test_gpu_and_cpu_give_the_same_clipped_sum():
    model, x, y = problem("paper")
    here = private.clipped_gradient(model, x, y, clip_norm=1.0)
    there = private.clipped_gradient(model.cuda(), x.cuda(), y.cuda(), clip_norm=1.0)
    for name, want in here.items():  # float64 on both: only the order of sums differs
        torch.testing.assert_close(there[name].cpu(), want, rtol=1e-9, atol=1e-9)
