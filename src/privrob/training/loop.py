"""The one epoch loop: batches of indices, a step that updates the model, a callback per epoch."""

from collections.abc import Callable, Hashable, Iterable, Iterator, Mapping
from itertools import islice
from math import ceil
from typing import Any, Protocol

import torch
from torch import Tensor, nn

from privrob import evaluate
from privrob.training.losses import Loss

Step = Callable[[Tensor, Tensor], None]


class Examples(Protocol):
    """What is trained on: a `data.Split`, or features of one."""

    @property
    def y(self) -> Tensor: ...

    def batch(self, index: Tensor) -> tuple[Tensor, Tensor]:
        """The examples at `index`, which lies on the device; nothing waits for it."""


def fit(
    model: nn.Module,
    split: Examples,
    *,
    step: Step,
    batches: Callable[[int], Iterable[Tensor]],
    epochs: int,
    on_epoch: Callable[[int], None],
    done: int = 0,
) -> None:
    """Runs epochs `done`, ..., `epochs` - 1; `on_epoch(n)` is called when n epochs are complete.

    `split` lies on the model's device. `batches(epoch)` yields index tensors and draws its random
    numbers from the epoch alone, so that a run resumed at `done` sees what an unbroken one sees.
    """
    for epoch in range(done, epochs):
        model.train()
        for index in batches(epoch):
            step(*split.batch(index))
        on_epoch(epoch + 1)


def updates_per_epoch(size: int, *, batch_size: int) -> int:
    """How many updates one epoch has: 235 for 60,000 images in batches of 256."""
    return ceil(size / batch_size)


def shuffled_batches(size: int, *, batch_size: int, generator: torch.Generator) -> Iterator[Tensor]:
    """Every index once, in random order; the last batch may be smaller. Drawn on the CPU."""
    yield from torch.randperm(size, generator=generator).split(batch_size)


def sgd_step(model: nn.Module, *, lr: float, loss: Loss) -> Step:
    """One step of plain gradient descent on `loss`: no momentum, no weight decay."""
    if not lr > 0:
        raise ValueError(f"lr must be above 0, got {lr}")
    optimizer = torch.optim.SGD(model.parameters(), lr=lr)

    def step(x: Tensor, y: Tensor) -> None:
        optimizer.zero_grad(set_to_none=True)
        loss(model, x, y).backward()
        optimizer.step()

    return step


# -- schedules, optimisers with a state, and going on where a run stopped -----------------------

ScheduledLoss = Callable[[nn.Module, Tensor, Tensor, float], Tensor]


def cut(
    batches: Callable[[int], Iterable[Tensor]], *, updates: int, per_epoch: int
) -> Callable[[int], Iterator[Tensor]]:
    """The batches of each epoch, the last epoch ended so that there are `updates` in all."""
    return lambda epoch: islice(batches(epoch), max(0, updates - epoch * per_epoch))


def adam(model: nn.Module, *, weight_decay: float, decay_biases: bool) -> torch.optim.Optimizer:
    """Adam at PyTorch's betas and epsilon; `weight_decay` * w is added to the gradient (L2).

    `decay_biases` False leaves out every parameter of one dimension. The rate is the step's.
    """
    return torch.optim.Adam(_groups(model, weight_decay, decay_biases), lr=0.0)


def momentum_sgd(
    model: nn.Module, *, momentum: float, weight_decay: float, decay_biases: bool
) -> torch.optim.Optimizer:
    """SGD with momentum, its decay as `adam`'s. The rate is the step's."""
    groups = _groups(model, weight_decay, decay_biases)
    return torch.optim.SGD(groups, lr=0.0, momentum=momentum)


def _groups(model: nn.Module, weight_decay: float, decay_biases: bool) -> list[dict[str, Any]]:
    decayed = [p for p in model.parameters() if decay_biases or p.ndim > 1]
    rest = [p for p in model.parameters() if not (decay_biases or p.ndim > 1)]
    groups: list[dict[str, Any]] = [{"params": decayed, "weight_decay": weight_decay}]
    return groups + ([{"params": rest, "weight_decay": 0.0}] if rest else [])


class ScheduledStep:
    """One update at a time: the loss and the learning rate of the moment, clipping, optimiser.

    Called as a `Step`. Update n of `updates`, from 0, is at progress n / `updates`, which `lr` and
    `loss` are given. `clip_grad_norm` bounds the norm of the whole gradient, None for no bound;
    `zero_nan` sets NaN entries of the gradient to 0 before. `constant` gives what `loss` takes from
    a progress, so that a recorded update can be replayed while that stays; None if nobody knows.
    Nothing waits for the device; ask `require_finite` once an epoch.
    """

    def __init__(
        self,
        model: nn.Module,
        *,
        optimizer: torch.optim.Optimizer,
        lr: Callable[[float], float],
        loss: ScheduledLoss,
        updates: int,
        clip_grad_norm: float | None,
        zero_nan: bool,
        constant: Callable[[float], Hashable] | None = None,
    ) -> None:
        if updates < 1:
            raise ValueError(f"updates must be at least 1, got {updates}")
        if clip_grad_norm is not None and not clip_grad_norm > 0:
            raise ValueError(f"clip_grad_norm must be above 0 or None, got {clip_grad_norm}")
        self.model, self.optimizer, self.lr, self.loss = model, optimizer, lr, loss
        self.updates, self.clip_grad_norm, self.zero_nan = updates, clip_grad_norm, zero_nan
        self.constant, self.done = constant, 0
        self._bad = torch.zeros((), dtype=torch.int64, device=evaluate.home(model)[0])

    def __call__(self, x: Tensor, y: Tensor) -> None:
        progress = self._progress()
        rate = self.lr(progress)
        for group in self.optimizer.param_groups:
            group["lr"] = rate
        self.optimizer.zero_grad(set_to_none=True)
        loss = self.loss(self.model, x, y, progress)
        loss.backward()
        self._bad += ~loss.detach().isfinite()
        self._condition()
        self.optimizer.step()
        self.count()

    def _progress(self) -> float:
        if self.done >= self.updates:
            raise ValueError(f"all {self.updates} updates are done")
        return self.done / self.updates

    def moment(self) -> Hashable:
        """All that the next update depends on beside batch and weights; unlike any other's if
        that is not known.
        """
        progress = self._progress()
        return (self.lr(progress), self.constant(progress)) if self.constant else self.done

    def count(self) -> None:
        """One more update is done, here or by replaying one."""
        self.done += 1

    def stay_on_device(self) -> None:
        """Keep what the optimiser counts beside the weights, as a recorded update needs it."""
        for group in self.optimizer.param_groups:
            if "capturable" in group:  # Adam: its count of steps
                group["capturable"] = self._bad.is_cuda
        for parameter, kept in self.optimizer.state.items():
            for name, value in kept.items():
                kept[name] = value.to(parameter.device) if isinstance(value, Tensor) else value

    def _condition(self) -> None:
        """Clear and clip the gradients, as asked."""
        found = [p.grad for p in self.model.parameters() if p.grad is not None]
        if self.zero_nan:
            for gradient in found:
                gradient.nan_to_num_(nan=0.0, posinf=torch.inf, neginf=-torch.inf)
        if self.clip_grad_norm is not None:
            nn.utils.clip_grad_norm_(self.model.parameters(), self.clip_grad_norm)

    def require_finite(self) -> None:
        """ValueError if a loss was NaN or infinite at some update so far; waits for the device."""
        if bad := int(self._bad):
            raise ValueError(f"the loss was NaN or infinite at {bad} of {self.done} updates")

    def state(self) -> dict[str, Tensor]:
        """All that is needed to go on, beside the model's weights: flat names, tensors alone.

        Copies, which later updates leave as they are.
        """
        kept = {"done": torch.tensor(self.done), "bad": self._bad.clone()}
        for name, parameter in self.model.named_parameters():
            for what, value in self.optimizer.state.get(parameter, {}).items():
                if value is not None:  # a momentum that is off
                    kept[f"{what}/{name}"] = value.detach().clone()
        return kept

    def load(self, state: Mapping[str, Tensor]) -> None:
        """Go on from `state`, with the weights of the same moment in the model already.

        The next updates are bit for bit those of the run that gave the state. ValueError for a
        name of no parameter.
        """
        parameters = dict(self.model.named_parameters())
        self.optimizer.state.clear()
        for key, value in state.items():
            what, _, name = key.partition("/")
            if name and name not in parameters:
                raise ValueError(f"the state has {key!r}, and the model has no {name!r}")
            if name:
                self.optimizer.state[parameters[name]][what] = _like(value, parameters[name])
        self.done = int(state["done"])
        self._bad = state["bad"].to(self._bad.device, copy=True)


def _like(value: Tensor, parameter: Tensor) -> Tensor:
    """A copy in the parameter's memory order, which a file does not keep and rounding may feel."""
    if value.shape != parameter.shape:
        return value.clone()  # Adam's count of steps
    return torch.empty_like(parameter, requires_grad=False).copy_(value)
