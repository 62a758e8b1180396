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
