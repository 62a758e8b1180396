"""Defences that end early, or that train against an inference of membership, as methods."""

from collections.abc import Iterator
from dataclasses import fields, replace
from functools import partial
from math import ceil

import torch
from torch import Tensor, nn

from privrob import evaluate
from privrob.data.catalogue import known
from privrob.lab.spec import Defended, Early, Regularised, Train, seed_for, spec_digest
from privrob.lab.tasks.defences import defended
from privrob.lab.tasks.method import Method
from privrob.training import loop
from privrob.training.regularised import Adversary, MinMaxStep


def early(spec: Train, model: nn.Module, size: int) -> Method:
    """The first updates of the whole training, bit for bit."""
    t = spec.training
    assert isinstance(t, Early)
    method = defended(replace(spec, training=_whole(t)), model, size)
    per_epoch = loop.updates_per_epoch(size, batch_size=t.batch_size)
    batches = loop.cut(method.batches, updates=t.stop, per_epoch=per_epoch)
    return replace(method, batches=batches, epochs=ceil(t.stop / per_epoch))


def regularised(spec: Train, model: nn.Module, size: int) -> Method:
    """The same training of the members alone, batch by batch, under `MinMaxStep`."""
    t = spec.training
    assert isinstance(t, Regularised)
    members = size - t.reference
    if members < 1:
        raise ValueError(f"{t.reference} reference images of {size} leave no member")
    data = replace(spec.data, train=members)
    method = defended(replace(spec, data=data, training=_whole(t)), model, members)
    assert method.scheduled is not None
    key = spec_digest(spec)
    adversary = Adversary(
        classes=known(spec.data.name).classes,
        hidden=t.hidden,
        lr=t.inner_lr,
        updates=t.updates * t.inner_steps,
        seed=seed_for(key, "adversary"),
        device=evaluate.home(model)[0],
    )
    step = MinMaxStep(
        method.scheduled, adversary=adversary, weight=t.weight, inner_steps=t.inner_steps
    )
    batches = partial(_beside, method=method, members=members, reference=t.reference, key=key)
    return replace(method, step=step, batches=batches, scheduled=step)


def _whole(t: Defended) -> Defended:
    """The training without its countermeasure."""
    return Defended(**{f.name: getattr(t, f.name) for f in fields(Defended)})


def _beside(
    epoch: int, *, method: Method, members: int, reference: int, key: str
) -> Iterator[Tensor]:
    """Each batch of members, then as many reference images, drawn anew for each batch."""
    generator = torch.Generator().manual_seed(seed_for(key, f"reference/{epoch}"))
    for index in method.batches(epoch):
        others = members + torch.randint(reference, (len(index),), generator=generator)
        yield torch.cat([index, others])
