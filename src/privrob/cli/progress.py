"""Progress of a run: the unit at work, all units, and the time left of each."""

import time
from collections.abc import Sequence
from types import TracebackType
from typing import Self

from rich import progress as bars
from rich.text import Text

from privrob.cli.base import console
from privrob.lab.costs import describe
from privrob.lab.markup import duration
from privrob.lab.run import Result, Step, key_of
from privrob.lab.spec import Spec


class _Left(bars.ProgressColumn):
    """The time left, as the bar's owner worked it out."""

    def render(self, task: bars.Task) -> Text:
        minutes = task.fields.get("left")
        return Text("" if minutes is None else f"{duration(minutes)} left", style="cyan")


class Progress:
    """Two bars. Estimates come from the plan and give way to what was measured in this run."""

    def __init__(self, missing: Sequence[Step]) -> None:
        self._estimates = {step.key: step.minutes for step in missing}
        self._open = dict(self._estimates)
        self._total = sum(self._estimates.values())
        self._bars = bars.Progress(
            bars.TextColumn("{task.description}"),
            bars.BarColumn(bar_width=30),
            bars.TaskProgressColumn(),
            _Left(),
            console=console(),
        )
        self._unit = self._bars.add_task("", total=None, visible=False)
        self._all = self._bars.add_task("all units", total=self._total or 1, left=self._total)
        self._first: tuple[float, int] = (0.0, 0)  # when, and at which step, a unit was first seen
        self._begun = time.monotonic()
        self._done = 0.0  # estimated minutes of what is finished
        self._skipped = 0.0  # and of that, what an earlier run had done

    def __enter__(self) -> Self:
        if self._estimates:
            self._bars.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if self._estimates:
            self._bars.stop()

    def listen(self, spec: Spec, done: int, total: int) -> None:
        """A unit is at step `done` of `total`; it begins as 0 of 1."""
        now, estimate = time.monotonic(), self._estimates.get(key_of(spec), 0.0)
        if done == 0:
            self._first = (now, -1)
            left = estimate
        elif self._first[1] < 0:
            self._first = (now, done)  # a resumed unit begins in the middle: measure from here
            self._skipped += estimate * (done - 1) / total
            left = estimate * (1 - done / total)
        else:
            since, at = self._first
            left = (now - since) / max(1, done - at) * (total - done) / 60
        self._bars.update(
            self._unit,
            description=describe(spec),
            completed=done,
            total=total if done else None,
            left=left,
            visible=True,
        )
        self._update_all(estimate * done / total if done else 0.0)

    def finish(self, result: Result) -> None:
        """A unit is complete."""
        self._done += self._open.pop(result.key, 0.0)
        self._update_all(0.0)

    def say(self, line: str) -> None:
        """A line above the bars, which stays."""
        self._bars.console.print(Text(line))

    def _update_all(self, part: float) -> None:
        """`part` of the unit at work is done, in estimated minutes."""
        done = self._done + part
        spent = (time.monotonic() - self._begun) / 60
        here = done - self._skipped
        pace = spent / here if here > 0.1 * self._total else 1.0  # of the estimates, once known
        self._bars.update(self._all, completed=done, left=max(0.0, self._total - done) * pace)
