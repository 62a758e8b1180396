"""SGD and DP-SGD as methods of training."""

from collections.abc import Iterator
from functools import partial

import torch
from torch import Tensor, nn

from privrob import evaluate
from privrob.lab.spec import DpSgd, Sgd, Train, seed_for, spec_digest
from privrob.lab.tasks.method import Method, shuffled
from privrob.training import graphs, loop, losses, private


def sgd(spec: Train, model: nn.Module, size: int) -> Method:
    """Gradient descent over shuffled batches."""
    t = spec.training
    assert isinstance(t, Sgd)
    batches = partial(shuffled, size=size, batch_size=t.batch_size, key=spec_digest(spec))
    return Method(loop.sgd_step(model, lr=t.lr, loss=losses.natural), batches, t.epochs)


def dpsgd(spec: Train, model: nn.Module, size: int) -> Method:
    """DP-SGD over Poisson batches; its noise is seeded by the epoch alone."""
    t = spec.training
    assert isinstance(t, DpSgd)
    noise = torch.Generator(evaluate.home(model)[0])
    step = private.private_step(
        model,
        lr=t.lr,
        clip_norm=t.clip_norm,
        noise_std=t.noise_std,
        expected_batch=t.batch_size,
        engine="fast",
        generator=noise,
    )
    batches = partial(_poisson, training=t, size=size, key=spec_digest(spec), noise=noise)
    padded = graphs.room(expected=t.sample_rate * size)
    return Method(step, batches, t.epochs, generators=(noise,), padded=padded)


def _poisson(
    epoch: int, *, training: DpSgd, size: int, key: str, noise: torch.Generator
) -> Iterator[Tensor]:
    generator = torch.Generator().manual_seed(seed_for(key, f"batches/{epoch}"))
    noise.manual_seed(seed_for(key, f"noise/{epoch}"))
    updates = loop.updates_per_epoch(size, batch_size=training.batch_size)
    return private.poisson_batches(
        size, sample_rate=training.sample_rate, updates=updates, generator=generator
    )
