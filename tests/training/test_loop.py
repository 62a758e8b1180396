"""The epoch loop: order of batches, resuming, plain SGD."""

import pytest
import torch
from torch import nn

from privrob.data import Split
from privrob.training import loop, losses


def split(count=20):
    x = torch.arange(count, dtype=torch.uint8).view(count, 1, 1, 1)
    return Split(x, torch.arange(count) % 2)


def batches(epoch):
    generator = torch.Generator().manual_seed(epoch)
    return loop.shuffled_batches(20, batch_size=6, generator=generator)


def test_an_epoch_of_mnist_has_235_updates():
    assert loop.updates_per_epoch(60000, batch_size=256) == 235


def test_shuffled_batches_hold_every_index_once():
    first, second = list(batches(0)), list(batches(1))
    assert [len(b) for b in first] == [6, 6, 6, 2]
    assert sorted(torch.cat(first).tolist()) == list(range(20))
    assert torch.cat(first).tolist() != torch.cat(second).tolist()


def test_steps_get_floats_and_epochs_are_announced_in_order():
    seen, epochs = [], []

    def step(x, y):
        assert x.dtype == torch.float32
        assert x.max() <= 1
        seen.extend((x * 255).round().flatten().int().tolist())

    loop.fit(nn.Identity(), split(), step=step, batches=batches, epochs=2, on_epoch=epochs.append)
    assert epochs == [1, 2]
    assert sorted(seen) == sorted(list(range(20)) * 2)


def test_the_model_is_in_training_mode_again_after_an_evaluation():
    model, modes = nn.Sequential(nn.Dropout()), []

    def step(x, y):
        modes.append(model.training)

    loop.fit(
        model,
        split(),
        step=step,
        batches=batches,
        epochs=2,
        on_epoch=lambda epoch: model.eval() and None,
    )
    assert all(modes)


def test_a_resumed_run_sees_what_an_unbroken_one_sees():
    def run(done, epochs):
        seen = []
        loop.fit(
            nn.Identity(),
            split(),
            step=lambda x, y: seen.append(x.flatten()),
            batches=batches,
            epochs=epochs,
            on_epoch=lambda epoch: None,
            done=done,
        )
        return torch.cat(seen)

    assert torch.equal(run(0, 3), torch.cat([run(0, 1), run(1, 3)]))


def test_one_step_is_minus_lr_times_the_mean_gradient():
    model = nn.Sequential(nn.Flatten(), nn.Linear(1, 2)).double()
    weight = model[1].weight.detach().clone()
    x, y = torch.rand(5, 1, 1, 1).double(), torch.tensor([0, 1, 0, 1, 1])
    p = torch.softmax(model(x), 1).detach()
    gradient = (p - nn.functional.one_hot(y, 2)).T @ x.flatten(1) / 5
    loop.sgd_step(model, lr=0.3, loss=losses.natural)(x, y)
    torch.testing.assert_close(model[1].weight.detach(), weight - 0.3 * gradient)


def test_a_learning_rate_of_zero_is_refused():
    with pytest.raises(ValueError, match="lr must be above 0, got 0"):
        loop.sgd_step(nn.Linear(1, 1), lr=0, loss=losses.natural)


# -- scheduled steps ----------------------------------------------------------------------------


def data_of(seed=0):
    generator = torch.Generator().manual_seed(seed)
    x = torch.rand(20, 1, 5, 5, generator=generator)
    return Split((x * 255).to(torch.uint8), torch.arange(20) % 3)


def network():
    torch.manual_seed(4)
    layers = nn.Conv2d(1, 6, 3), nn.ReLU(), nn.Conv2d(6, 5, 2), nn.Flatten(), nn.Linear(20, 3)
    return nn.Sequential(*layers).to(memory_format=torch.channels_last)


OPTIMIZERS = {
    "adam": lambda m: loop.adam(m, weight_decay=0.01, decay_biases=False),
    "momentum": lambda m: loop.momentum_sgd(m, momentum=0.9, weight_decay=0.01, decay_biases=True),
}


def scheduled(model, optimizer="adam", **changes):
    settings = {
        "lr": lambda progress: 0.01 * (1 - progress),
        "loss": lambda model, x, y, progress: losses.natural(model, x + progress, y),
        "updates": 12,
        "clip_grad_norm": None,
        "zero_nan": False,
    }
    return loop.ScheduledStep(model, optimizer=OPTIMIZERS[optimizer](model), **settings | changes)


def flat(model):
    return torch.cat([p.detach().flatten() for p in model.parameters()])


def test_each_update_is_given_its_own_progress():
    model, seen = network(), []

    def loss(model, x, y, progress):
        seen.append(progress)
        return losses.natural(model, x, y)

    step = scheduled(model, loss=loss, lr=lambda p: seen.append(p) or 0.1, updates=5)
    for _ in range(5):
        step(*data_of().batch(slice(0, 4)))
    assert seen == [p for n in range(5) for p in (n / 5, n / 5)]
    with pytest.raises(ValueError, match="all 5 updates are done"):
        step(*data_of().batch(slice(0, 4)))


def slow_adam(weights, gradient, *, rates, decay):
    """Kingma and Ba's algorithm 1, with decay * w added to the gradient of every matrix."""
    m, v = [torch.zeros_like(w) for w in weights], [torch.zeros_like(w) for w in weights]
    for t, lr in enumerate(rates, 1):
        now = gradient(*weights)
        for i, w in enumerate(weights):
            g = now[i] + (decay * w if w.ndim > 1 else 0)
            m[i], v[i] = 0.9 * m[i] + 0.1 * g, 0.999 * v[i] + 0.001 * g * g
            root = (v[i] / (1 - 0.999**t)).sqrt() + 1e-8
            weights[i] = w - lr * (m[i] / (1 - 0.9**t)) / root
    return weights


def test_adam_with_decay_of_weights_alone_is_the_textbook_s():
    model = nn.Sequential(nn.Flatten(), nn.Linear(4, 3)).double()
    x, y = torch.rand(6, 1, 2, 2).double(), torch.tensor([0, 1, 2, 0, 1, 2])

    def gradient(w, b):
        error = torch.softmax(x.flatten(1) @ w.T + b, 1) - nn.functional.one_hot(y, 3)
        return error.T @ x.flatten(1) / 6, error.mean(0)

    start = [p.detach().clone() for p in model.parameters()]
    want = slow_adam(start, gradient, rates=[0.01, 0.01 * 2 / 3, 0.01 / 3], decay=0.01)
    step = scheduled(model, loss=lambda m, x, y, _: losses.natural(m, x, y), updates=3)
    for _ in range(3):
        step(x, y)
    for parameter, w in zip(model.parameters(), want, strict=True):
        torch.testing.assert_close(parameter.detach(), w, rtol=1e-10, atol=1e-12)


def test_clipping_bounds_the_whole_gradient_and_leaves_a_small_one():
    x, y = data_of().batch(slice(0, 20))
    moved = {}
    for bound in (None, 1e9, 1e-3):
        model = network()
        before = flat(model)
        step = loop.ScheduledStep(
            model,
            optimizer=loop.momentum_sgd(model, momentum=0.0, weight_decay=0.0, decay_biases=True),
            lr=lambda p: 1.0,
            loss=lambda m, x, y, p: losses.natural(m, x, y),
            updates=1,
            clip_grad_norm=bound,
            zero_nan=False,
        )
        step(x, y)
        moved[bound] = flat(model) - before
    assert torch.equal(moved[None], moved[1e9])
    assert moved[1e-3].norm() == pytest.approx(1e-3, rel=2e-3)
    direction = torch.nn.functional.cosine_similarity(moved[None], moved[1e-3], 0)
    assert direction == pytest.approx(1, abs=1e-4)


def test_nan_in_the_gradient_is_zeroed_before_clipping_where_asked():
    def loss(model, x, y, progress):  # sqrt has no slope at 0: NaN in one weight's gradient alone
        w = model[4].weight
        return losses.natural(model, x, y) + (w[0, 0] * 0).abs().sqrt() * 0

    moved = {}
    for zero in (True, False):
        model = network()
        before = flat(model)
        scheduled(model, loss=loss, zero_nan=zero, clip_grad_norm=1.0)(
            *data_of().batch(slice(0, 20))
        )
        moved[zero] = flat(model) - before
    assert moved[True].isfinite().all()
    assert (moved[True] != 0).sum() > 100
    assert moved[False].isnan().any()


def test_a_loss_that_is_not_finite_is_told_when_asked():
    def loss(model, x, y, progress):
        return losses.natural(model, x, y) * (float("nan") if progress == 0.25 else 1.0)

    step = scheduled(network(), loss=loss, updates=4, zero_nan=True)
    step(*data_of().batch(slice(0, 4)))
    step.require_finite()
    step(*data_of().batch(slice(0, 4)))
    step(*data_of().batch(slice(0, 4)))
    with pytest.raises(ValueError, match="NaN or infinite at 1 of 3 updates"):
        step.require_finite()


@pytest.mark.parametrize("optimizer", OPTIMIZERS)
def test_a_run_that_went_on_from_a_file_ends_in_the_same_bits(tmp_path, optimizer):
    from safetensors.torch import load_file, save_file

    split = data_of()

    def epochs(model, step, done, last):
        loop.fit(
            model,
            split,
            step=step,
            batches=loop.cut(batches, updates=10, per_epoch=4),
            epochs=last,
            on_epoch=lambda epoch: step.require_finite(),
            done=done,
        )

    whole = network()
    unbroken = scheduled(whole, optimizer, updates=10, clip_grad_norm=0.5)
    epochs(whole, unbroken, 0, 3)

    first = network()
    step = scheduled(first, optimizer, updates=10, clip_grad_norm=0.5)
    epochs(first, step, 0, 1)
    save_file({k: v.contiguous() for k, v in first.state_dict().items()}, tmp_path / "w")
    save_file({k: v.contiguous() for k, v in step.state().items()}, tmp_path / "s")

    second = network()
    second.load_state_dict(load_file(tmp_path / "w"))
    step = scheduled(second, optimizer, updates=10, clip_grad_norm=0.5)
    step.load(load_file(tmp_path / "s"))
    epochs(second, step, 1, 3)
    assert step.done == unbroken.done == 10
    assert torch.equal(flat(second), flat(whole))
    torch.testing.assert_close(step.state(), unbroken.state(), rtol=0, atol=0)
    assert not torch.equal(flat(first), flat(whole))


def test_a_state_is_a_copy_and_comes_back_in_the_weights_memory_order():
    model = network()
    step = scheduled(model)
    step(*data_of().batch(slice(0, 4)))
    state = step.state()
    kept = {k: v.clone() for k, v in state.items()}
    step(*data_of().batch(slice(0, 4)))
    assert all(torch.equal(state[k], kept[k]) for k in state)
    step.load({k: v.contiguous() for k, v in state.items()})
    assert step.done == 1
    for parameter in model.parameters():
        assert step.optimizer.state[parameter]["exp_avg"].stride() == parameter.stride()


def test_a_state_of_another_network_is_refused():
    step = scheduled(network())
    state = {"done": torch.tensor(1), "bad": torch.tensor(0), "exp_avg/7.weight": torch.zeros(2)}
    with pytest.raises(ValueError, match=r"exp_avg/7.weight.*no '7.weight'"):
        step.load(state)


def test_the_last_epoch_is_cut_where_the_updates_end():
    some = loop.cut(batches, updates=10, per_epoch=4)
    assert [len(list(some(epoch))) for epoch in range(4)] == [4, 4, 2, 0]
    assert torch.equal(next(some(2)), next(batches(2)))


@pytest.mark.parametrize(
    ("changes", "word"),
    [({"updates": 0}, "updates"), ({"clip_grad_norm": 0.0}, "clip_grad_norm")],
)
def test_bad_settings_of_a_scheduled_step_are_refused(changes, word):
    with pytest.raises(ValueError, match=f"{word} must be"):
        scheduled(network(), **changes)
