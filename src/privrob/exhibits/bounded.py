"""What LiRA shows of a private training, beside what its accountant allows: epsilon from two sides.

The lower bound is an observation at a level of confidence, the upper one a theorem. A lower bound
above the upper one says that the engine, or the accounting, is broken. It is the one by guesses;
that by rates, which takes the points of a training for independent, stands beside it as a
heuristic and decides nothing.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import lru_cache

import numpy as np

from privrob import plot
from privrob.exhibits.leaks import TableRow, leak_stamp
from privrob.exhibits.notes import sentence
from privrob.exhibits.shadows import Arm
from privrob.lab.budgets import delta_text, training_of
from privrob.lab.spec import DpSgd
from privrob.membership import lira
from privrob.membership.audit import LowerBound, epsilon_lower_bound

# Of the two deltas of this book the one that is below 1 / coins for the halves of CIFAR-10, with
# one model of each pair held out. Settled before all halves were recorded, hence before any audit
# of them: at 1e-5, as first written, 160 right guesses beyond chance would have shown nothing.
DELTA, LEVEL = 1e-6, 0.95


@dataclass(frozen=True)
class Bounded:
    """An arm's lower bounds, by guesses and by rates, and the accounted upper one; None without
    noise.
    """

    arm: Arm
    lower: LowerBound
    heuristic: LowerBound
    upper: float | None

    @property
    def holds(self) -> bool:
        """The lower bound does not lie above the upper one."""
        return self.upper is None or self.lower.epsilon <= self.upper


@lru_cache(maxsize=16)
def bounded(arm: Arm) -> Bounded:
    """The bounds of an arm's training: each operating point from one model of each pair, the lower
    bound from the other.
    """
    scores = lira.online_without_partner(arm.log_odds("benign"), arm.members, variance="pooled")
    first = np.arange(len(scores)) % 2 == 0
    asked = {"chosen_on": first, "delta": DELTA, "level": LEVEL}
    guesses = epsilon_lower_bound(scores, arm.members, by="guesses", **asked)
    rates = epsilon_lower_bound(scores, arm.members, by="rates", **asked)
    return Bounded(arm, guesses, rates, accounted(arm))


def accounted(arm: Arm) -> float | None:
    """The accountant's bound for the arm's own sample rate and updates; None without privacy."""
    train = arm.leaks[0].row.variant.train
    if not isinstance(train.training, DpSgd):
        return None
    return training_of(train).tightest(delta=DELTA)


def bound_rows(shown: Sequence[Arm]) -> list[TableRow]:
    """Of every arm the lower bound, the heuristic one, and the upper bound."""
    found = [bounded(arm) for arm in shown]
    return [_row(b, lower) for b in found for lower in (b.lower, b.heuristic)]


def _row(b: Bounded, lower: LowerBound) -> TableRow:
    told = f"{lower.right:,} of {lower.positives:,}, {lower.wrong:,} of {lower.negatives:,}"
    names = {"guesses": "guesses", "rates": "rates, a heuristic"}
    return {
        "models": f"{b.arm.described}, {len(b.arm.leaks)}",
        "by": names[lower.by],
        "called": lower.called,
        "right of these,\nwrong of the others": told,
        "ε at least": plot.Value(lower.epsilon, **b.arm.evidence, digits=2),
        "ε at most,\naccounted": _upper(b.upper),
    }


def _upper(value: float | None) -> object:
    return "no bound" if value is None else plot.Value(value, tier="derived", digits=2)


def bound_stamp(shown: Sequence[Arm], command: str) -> plot.Stamp:
    """The evidence behind `bound_rows`."""
    stamp = leak_stamp([leak for arm in shown for leak in arm.leaks], command)
    return replace(stamp, tiers=(*stamp.tiers, "derived"))


def bounds_told(shown: Sequence[Arm]) -> plot.Figure:
    """Whether any lower bound lies above its upper one, in a sentence an arm."""
    said = [_told(bounded(arm)) for arm in shown if accounted(arm) is not None]
    return sentence(" ".join(said) or "No arm of private models is here: no bound to compare.")


def _told(b: Bounded) -> str:
    found = "no more than" if b.holds else "MORE THAN"
    assert b.upper is not None
    return (
        f"{b.arm.described}: at {100 * LEVEL:.0f} % confidence the attack shows ε of at least "
        f"{b.lower.epsilon:.2f} ({delta_text(DELTA)}), {found} the "
        f"accounted {b.upper:.2f}."
    )
