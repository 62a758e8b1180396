"""Recorded updates are the loop's own: on the CPU by a stand-in for the recording."""

from copy import deepcopy
from functools import partial

import pytest
import torch

from privrob.data import Split
from privrob.training import graphs, loop, losses, private

EPOCHS, BATCH = 3, 16


@pytest.fixture
def split(tiny):
    return Split((tiny.x * 255).to(torch.uint8), tiny.y)


class Again:
    """What a CUDA graph does, done by running the update anew."""

    def __init__(self, run):
        self.run = run

    def replay(self):
        done = self.run.scheduled.done if self.run.scheduled else 0
        self.run._update()
        if self.run.scheduled:
            self.run.scheduled.done = done


def recorded(run):
    if run.scheduled:
        run.scheduled.count()  # as the update that is being recorded would
    run.records += 1
    return Again(run)


def fit_recorded(split, step, batches, *, padded=None):
    """`graphs.fit` without a GPU; gives the recorder."""
    run = graphs._Recorder(split, step, generators=(), padded=padded)
    run.records = 0
    run._record = partial(recorded, run)
    for epoch in range(EPOCHS):
        run.epoch(list(batches(epoch)))
    return run


def fit_plainly(model, split, step, batches):
    loop.fit(model, split, step=step, batches=batches, epochs=EPOCHS, on_epoch=lambda n: None)


def shuffled(epoch, *, size):
    generator = torch.Generator().manual_seed(epoch)
    return loop.shuffled_batches(size, batch_size=BATCH, generator=generator)


def poisson(epoch, *, size, noise, rate=BATCH / 64):
    noise.manual_seed(100 + epoch)
    generator = torch.Generator().manual_seed(epoch)
    return private.poisson_batches(size, sample_rate=rate, updates=8, generator=generator)


def private_step(model, noise):
    return private.private_step(
        model, lr=0.1, clip_norm=1.0, noise_std=0.5, expected_batch=BATCH, engine="fast",
        generator=noise,
    )  # fmt: skip


def scheduled_step(model, *, changes, noise=None):
    """Steps whose loss depends on the progress through `changes`; None if nobody knows how."""
    return loop.ScheduledStep(
        model,
        optimizer=loop.adam(model, weight_decay=0.01, decay_biases=False),
        lr=lambda progress: 0.01 if progress < 0.5 else 0.001,
        loss=lambda m, x, y, progress: losses.natural(m, x, y),
        updates=100,
        clip_grad_norm=1.0,
        zero_nan=False,
        constant=changes,
    )


def same(model, other, *, atol):
    pairs = zip(model.state_dict().items(), other.state_dict().values(), strict=True)
    for (name, a), b in pairs:
        torch.testing.assert_close(a.cpu(), b.cpu(), rtol=0, atol=atol, msg=name)


def test_plain_updates_are_the_loops(tiny, split):
    other = deepcopy(tiny.model)
    batches = partial(shuffled, size=61)  # the last of each epoch is smaller
    fit_plainly(other, split, loop.sgd_step(other, lr=0.1, loss=losses.natural), batches)
    run = fit_recorded(split, loop.sgd_step(tiny.model, lr=0.1, loss=losses.natural), batches)
    same(tiny.model, other, atol=0)
    assert run.records == 1


def test_padded_images_count_for_nothing(tiny, split):
    other, noises = deepcopy(tiny.model), [torch.Generator(), torch.Generator()]
    batches = [partial(poisson, size=64, noise=noise) for noise in noises]
    fit_plainly(other, split, private_step(other, noises[0]), batches[0])
    padded = graphs.room(expected=BATCH)
    run = fit_recorded(split, private_step(tiny.model, noises[1]), batches[1], padded=padded)
    same(tiny.model, other, atol=1e-5)
    assert run.records == 1


def test_batches_that_are_empty_or_too_large_run_plainly(tiny, split):
    other, noises = deepcopy(tiny.model), [torch.Generator(), torch.Generator()]
    sizes = (8, 8, 8, 8, 0, 40, 8, 12)

    def batches(epoch):
        return (torch.arange(n) for n in sizes)

    fit_plainly(other, split, private_step(other, noises[0].manual_seed(0)), batches)
    step = private_step(tiny.model, noises[1].manual_seed(0))
    fit_recorded(split, step, batches, padded=16)
    same(tiny.model, other, atol=1e-5)


def test_a_recording_lasts_while_nothing_changes(tiny, split):
    other = deepcopy(tiny.model)
    batches = partial(shuffled, size=64)
    run = fit_recorded(split, scheduled_step(tiny.model, changes=lambda p: p < 0.06), batches)
    fit_plainly(other, split, scheduled_step(other, changes=None), batches)
    same(tiny.model, other, atol=1e-7)
    assert run.records == 2  # before the change and after it
    assert run.scheduled.done == 4 * EPOCHS


def test_what_changes_is_not_recorded(tiny, split):
    batches = partial(shuffled, size=64)
    for changes in (None, lambda progress: progress):
        run = fit_recorded(split, scheduled_step(tiny.model, changes=changes), batches)
        assert run.records == 0


def test_room_is_for_nearly_all_batches():
    sizes = torch.distributions.Binomial(60000, torch.tensor(256 / 60000)).sample((20000,))
    assert (sizes > graphs.room(expected=256)).float().mean() < 1e-3
    assert graphs.room(expected=256) < 2 * 256


@pytest.mark.gpu
@pytest.mark.parametrize("kind", ["sgd", "dpsgd", "scheduled"])
def test_gpu_replays_what_the_loop_does(tiny, split, kind):
    models, on_gpu = [tiny.model.cuda(), deepcopy(tiny.model).cuda()], split.to("cuda")
    for model, fit in zip(models, (loop.fit, graphs.fit), strict=True):
        noise = torch.Generator("cuda") if kind == "dpsgd" else None
        step, batches, padded = _on_gpu(model, kind, noise)
        more = (
            {"generators": [noise] if noise else [], "padded": padded} if fit is graphs.fit else {}
        )
        ended = []
        fit(
            model,
            on_gpu,
            step=step,
            batches=batches,
            epochs=6,
            on_epoch=ended.append,
            done=0,
            **more,
        )
        assert ended == [1, 2, 3, 4, 5, 6]
    same(*models, atol=2e-5)


def _on_gpu(model, kind, noise):
    if kind == "sgd":
        return loop.sgd_step(model, lr=0.1, loss=losses.natural), partial(shuffled, size=61), None
    if kind == "dpsgd":
        batches = partial(poisson, size=64, noise=noise)
        return private_step(model, noise), batches, graphs.room(expected=BATCH)
    return scheduled_step(model, changes=lambda p: p < 0.05), partial(shuffled, size=61), None
