"""From evidence to a verdict, by rule: nothing here knows a file, a claim or an experiment."""

from collections.abc import Sequence
from dataclasses import dataclass
from decimal import ROUND_HALF_UP, Decimal

from privrob.lab.measures import Target

WORDS = (
    "reproduced",
    "reproduced in direction",
    "not reproduced",
    "undecided",
    "not attempted",
    "blocked",
)
_WHY = {
    "examples": "n = 1, interval over examples",
    "set sizes": "interval from the sizes of the two sets",
}


@dataclass(frozen=True, kw_only=True)
class Evidence:
    """What the records of one reading say: the mean of `values`, one a seed, and its interval.

    `basis` says what the 95 % interval is over: 'seeds' (Student's t), 'examples' (one seed alone:
    a bootstrap over its test images, paired between the models, with members drawn apart where
    there are some), 'set sizes' (examples of which only the number is known), or 'arithmetic' (no
    interval).
    `states` are those of `records` and of the trained models under them.
    """

    reading: str
    value: float
    low: float
    high: float
    basis: str
    seeds: tuple[int, ...] = ()
    planned: int = 0  # seeds that the experiment has
    values: tuple[float, ...] = ()
    records: tuple[str, ...] = ()
    states: tuple[str, ...] = ()
    note: str = ""  # of a variant that gives no verdict: 'step size 2/255'
    margin: float | None = None  # of arithmetic: positive where the statement holds, if not `value`
    why: str = ""  # what a verdict on it needs said

    @property
    def n(self) -> int:
        """The number of seeds."""
        return len(self.seeds)

    @property
    def stale(self) -> bool:
        """Whether it rests on code that has changed since and was not checked again."""
        return not set(self.states) <= {"fresh", "verified"}

    @property
    def sign(self) -> int:
        """1 or -1 where the interval, of arithmetic the margin itself, excludes zero, else 0."""
        return self.side(0.0)

    def side(self, bound: float) -> int:
        """1 or -1 where the interval, of arithmetic the margin, is above or below it, else 0."""
        margin = self.value if self.margin is None else self.margin
        low, high = (margin,) * 2 if self.basis == "arithmetic" else (self.low, self.high)
        return int(low > bound) - int(high < bound)


@dataclass(frozen=True)
class Verdict:
    """One of `WORDS`, and in `why` what it needs said with it."""

    word: str
    why: str = ""
    stale: bool = False

    def __str__(self) -> str:
        notes = [self.why] if self.why else []
        notes += ["rests on a stale record"] if self.stale else []
        return f"{self.word} ({'; '.join(notes)})" if notes else self.word


def counts(found: Sequence[Verdict]) -> dict[str, int]:
    """How many verdicts there are of each word."""
    return {word: sum(verdict.word == word for verdict in found) for word in WORDS}


def judge_value(
    evidence: Evidence, *, published: float, tolerance: float, direction: str | None
) -> Verdict:
    """A printed number: within its tolerance, or at least of its sign where it names one.

    A sign that is clearly the opposite one is not reproduced, however near the number. Outside
    the tolerance with a sign that the interval leaves open, it is undecided.
    """
    near = Target(published, tolerance).reached(evidence.value)
    if direction is None:
        return _verdict("reproduced" if near else "not reproduced", evidence)
    word = _SIGNS[evidence.sign * (-1 if direction == "negative" else 1)]
    if word == "not reproduced":
        return _verdict(word, evidence)
    if near:
        return _verdict("reproduced", evidence)
    return _verdict("reproduced in direction" if word == "reproduced" else word, evidence)


def judge_contrast(evidence: Evidence, *, above: float = 0.0) -> Verdict:
    """An ordering or a trend, whose contrast is `above` that number where it holds."""
    return _verdict(_SIGNS[evidence.side(above)], evidence)


def judge_arithmetic(
    evidence: Evidence, *, published: float, direction: str | None, decimals: int
) -> Verdict:
    """Arithmetic on printed numbers: 'below' the published one, or equal to so many decimals."""
    if direction == "below":
        holds = evidence.value < published
    else:
        holds = _printed(evidence.value, decimals) == _printed(published, decimals)
    return _verdict("reproduced" if holds else "not reproduced", evidence)


_SIGNS = {1: "reproduced", -1: "not reproduced", 0: "undecided"}


def _printed(value: float, decimals: int) -> Decimal:
    return Decimal(str(value)).quantize(Decimal(1).scaleb(-decimals), ROUND_HALF_UP)


def _verdict(word: str, evidence: Evidence) -> Verdict:
    why = evidence.why or _WHY.get(evidence.basis, "")
    if evidence.basis == "seeds" and (word == "undecided" or evidence.n < evidence.planned):
        why = f"n = {evidence.n}"
    return Verdict(word, why, evidence.stale)
