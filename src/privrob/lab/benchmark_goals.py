"""What our code should cost, beside others or at all, and whether a result meets it."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class Goal:
    """The time of `ours` is to be at most `limit` times that of `peer`, in one subject.

    `why` is the reason to show where the goal is missed.
    """

    subject: str
    ours: str
    peer: str
    limit: float
    why: str = ""


@dataclass(frozen=True)
class Outcome:
    """A goal beside what was measured: median and quartiles of the ratio, or why there is none."""

    goal: Goal
    ratio: tuple[float, float, float] | None
    missing: str = ""

    @property
    def met(self) -> bool | None:
        """The median is within the limit; None where there is no ratio."""
        return None if self.ratio is None else self.ratio[0] <= self.goal.limit


_OURS = "DP-SGD, fast"
_DROP = "PGD-40, fooled images dropped"
_SAME = (
    "Both sides call the same convolutions, forward and backward. What we gain is the memory order "
    "of the network: on our network torchattacks is as fast as we are, as the table below shows."
)
_NOISE = (
    "The noise: at every update a normal number for each weight, which PyTorch draws on a CPU one "
    "after another. Clipping costs no more than the plain step: the table below has both apart."
)
GOALS = (
    Goal("dp_step", _OURS, "SGD, usual network", 1.0),
    Goal("dp_step", _OURS, "SGD, our network", 1.4),
    Goal("dp_step", _OURS, "opacus hooks", 0.12),
    Goal("dp_step", _OURS, "opacus ghost", 0.45),
    Goal("dp_head", _OURS, "SGD", 1.3, _NOISE),
    Goal("fgsm_grid", "FGSM grid", "torchattacks", 0.25),
    Goal("pgd", "PGD-40", "torchattacks", 0.65, _SAME),
    Goal("pgd", _DROP, "torchattacks", 0.35),
    Goal("threshold", "threshold attack", "scikit-learn's curve", 0.6),
    Goal("threshold", "threshold attack", "every score tried", 0.02),
    Goal("bounds", "IBP step", "plain step", 3.7),
    Goal("defences", "interval step", "plain step", 3.7),
    Goal("defences", "PGD-10 step", "naive PGD-10 step", 0.70),
)


@dataclass(frozen=True)
class Limit:
    """`ours` is to need at most `most` of `unit`, in one subject and whatever others need.

    MiB are the peak at the subject's settings; s (seconds) are of the growth with `setting`, at
    `value`.
    """

    subject: str
    ours: str
    unit: str
    most: float
    setting: str = ""
    value: float = 0

    def needed(self, subjects: Mapping[str, Any]) -> float | None:
        """What was measured; None where nothing was."""
        subject = subjects.get(self.subject)
        if subject is None or "seconds" not in subject["contestants"].get(self.ours, {}):
            return None
        if self.unit == "MiB":
            peak: float | None = subject["contestants"][self.ours]["peak_mib"]
            return peak
        place = self.setting, self.value
        at = (p for p in subject["growth"] if (p["setting"], p["value"]) == place)
        return next((point["seconds"][self.ours] for point in at), None)

    def verdict(self, subjects: Mapping[str, Any]) -> str:
        """'met', 'not met' or 'not measured'."""
        needed = self.needed(subjects)
        return "not measured" if needed is None else "met" if needed <= self.most else "not met"


LIMITS = (
    Limit("threshold", "threshold attack", "s", 0.020, "members", 60_000),
    Limit("corruptions", "31 corruptions", "s", 120, "images", 10_000),
    Limit("whole_set", "distances, streamed", "MiB", 2048),
    Limit("whole_set", "FGSM grid, streamed", "MiB", 2048),
)


def judge(subjects: Mapping[str, Any]) -> list[Outcome]:
    """Every goal beside the result's subjects, in the order of GOALS."""
    return [_judge(goal, subjects.get(goal.subject)) for goal in GOALS]


def _judge(goal: Goal, subject: Mapping[str, Any] | None) -> Outcome:
    if subject is None:
        return Outcome(goal, None, "not measured")
    for name in (goal.ours, goal.peer):
        note = subject["contestants"].get(name)
        if note is None:
            return Outcome(goal, None, f"{name}: not measured")
        if note["skipped"]:
            return Outcome(goal, None, f"{name}: {note['skipped']}")
        if not note["passed"]:
            return Outcome(goal, None, f"{name} gives another answer: no ratio")
    found = subject["contestants"][goal.ours]["ratios"][goal.peer]
    return Outcome(goal, (found[0], found[1], found[2]))
