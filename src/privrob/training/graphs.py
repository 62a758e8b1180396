"""The epoch loop on a GPU: one update recorded as a CUDA graph and replayed from then on.

The updates of small networks are some seventy short kernels each, and starting them one by one
takes longer than running them. A graph starts them all at once. What a graph cannot follow runs
as it would without one: updates while a schedule moves, and batches of another size.
"""

from collections.abc import Callable, Hashable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from math import ceil, sqrt

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from privrob.models import ChannelsLast
from privrob.training.loop import Examples, ScheduledStep, Step

WARM = 3  # updates that run before the recording, so that libraries have set themselves up
IGNORED = -100  # cross-entropy's own label for an example that is not there: no loss, no gradient
DEVIATIONS = 4  # of a batch's size, that padded batches leave room for


def room(*, expected: float) -> int:
    """The size that Poisson batches of an `expected` one are padded to; larger ones are rare."""
    return ceil(expected + DEVIATIONS * sqrt(expected))


def fit(
    model: nn.Module,
    split: Examples,
    *,
    step: Step,
    batches: Callable[[int], Iterable[Tensor]],
    epochs: int,
    on_epoch: Callable[[int], None],
    done: int,
    generators: Sequence[torch.Generator],
    padded: int | None,
) -> None:
    """`loop.fit` for a model, a split and a step on a GPU; the same updates in the same order.

    `generators` are those that split and step draw from. Batches whose size varies are filled up to
    `padded` images that count for nothing; None for a step that would count them. Of a
    `ScheduledStep`, only updates of equal moments are replays of one recording.
    """
    run = _Recorder(split, step, generators=generators, padded=padded)
    stream = torch.cuda.Stream()
    stream.wait_stream(torch.cuda.current_stream())
    with torch.cuda.stream(stream), _planar(model):
        for epoch in range(done, epochs):
            model.train()
            run.epoch(list(batches(epoch)))
            on_epoch(epoch + 1)
    torch.cuda.current_stream().wait_stream(stream)


@contextmanager
def _planar(model: nn.Module) -> Iterator[None]:
    """NCHW order inside: without TF32 a GPU computes convolutions faster in it."""
    order = [layer for layer in model.modules() if isinstance(layer, ChannelsLast)]
    hooks = [layer.register_forward_hook(lambda layer, x, out: x[0]) for layer in order]
    model.to(memory_format=torch.contiguous_format)  # type: ignore[call-overload]
    try:
        yield
    finally:
        model.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
        for hook in hooks:
            hook.remove()


class _Recorder:
    """Runs updates, and records one as soon as nothing but batch and weights changes.

    The indices of an epoch lie on the device as rows of one table, and a counter there says which
    row is next: a replay needs nothing from the host.
    """

    def __init__(
        self,
        split: Examples,
        step: Step,
        *,
        generators: Sequence[torch.Generator],
        padded: int | None,
    ) -> None:
        self.split, self.step, self.generators, self.padded = split, step, generators, padded
        self.scheduled = step if isinstance(step, ScheduledStep) else None
        if self.scheduled is not None:
            self.scheduled.stay_on_device()
        self.row = torch.zeros(1, dtype=torch.int64, device=split.y.device)
        self.table = self.row.new_empty(0, 0)
        self.graph: torch.cuda.CUDAGraph | None = None
        self.last: Hashable = None
        self.same = 0  # updates in a row that a recording would have served

    def epoch(self, batches: list[Tensor]) -> None:
        """One update for each of the batches, index tensors on the CPU."""
        self._lay_out(batches)
        for row, index in enumerate(batches):
            if self._fits(index) and self._steady(index):
                self._replay()
            else:
                self._plainly(row, index)

    def _lay_out(self, batches: list[Tensor]) -> None:
        """The epoch's table, -1 where a row is not full."""
        width = self.padded or max(map(len, batches), default=0)
        rows = [
            F.pad(index[:width], (0, max(0, width - len(index))), value=-1) for index in batches
        ]
        table = torch.stack(rows).to(self.row.device)
        if table.shape == self.table.shape:
            self.table.copy_(table)  # where a recording looks for it
        else:
            self.table, self.graph, self.same = table, None, 0
        self.row.zero_()

    def _fits(self, index: Tensor) -> bool:
        width = self.table.shape[1]
        return 0 < len(index) <= width if self.padded else len(index) == width

    def _steady(self, index: Tensor) -> bool:
        """Has a recording made now served the last few updates, too?"""
        now = self.scheduled.moment() if self.scheduled else None
        if now != self.last:
            self.last, self.graph, self.same = now, None, 0
        self.same += 1
        return self.same > WARM

    def _plainly(self, row: int, index: Tensor) -> None:
        self.row += 1
        self.step(*self.split.batch(index.to(self.row.device)))

    def _update(self) -> None:
        """The next row's update, as the graph has it."""
        index = self.table.index_select(0, self.row).squeeze(0)
        x, y = self.split.batch(index.clamp(min=0))
        if self.padded:
            y = torch.where(index < 0, IGNORED, y)
        self.row += 1
        self.step(x, y)

    def _replay(self) -> None:
        if self.graph is None:
            self.graph = self._record()  # the step counts this update
        elif self.scheduled:
            self.scheduled.count()
        self.graph.replay()

    def _record(self) -> torch.cuda.CUDAGraph:
        graph = torch.cuda.CUDAGraph()
        for generator in self.generators:
            graph.register_generator_state(generator)
        torch.cuda.synchronize()
        graph.capture_begin()
        try:
            self._update()
        finally:
            graph.capture_end()
        return graph
