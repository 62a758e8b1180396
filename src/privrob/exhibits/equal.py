"""Does privacy itself make a network weaker? Two equally accurate ones compared, and a word.

The rule. Each comparison is one of the ledger's controls, written before the runs: positive where
DP-SGD is weaker. DP-SGD is *less robust* where at least one interval is above zero and none below,
*more robust* where it is the other way round; with one of each the comparisons *contradict each
other*, and with none it is *undecided*. There is no word before all comparisons are there.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import partial

from privrob import plot
from privrob.exhibits import heads
from privrob.exhibits.geometry import Table
from privrob.exhibits.groups import Estimate, Group, Measure
from privrob.exhibits.notes import sentence
from privrob.exhibits.values import cell
from privrob.lab.measures import MEASURES

Evidence = Mapping[str, Sequence[Group]]  # 'FGSM', 'PGD', 'distance' -> the groups asked that
STEPS = 40  # of PGD


def contrasts(eps: float) -> dict[str, tuple[str, str, Measure]]:
    """Name -> what it is, its unit, and the measure; `eps` is the radius of the attacks."""
    return {
        "FGSM": (
            f"gap under FGSM, ε = {eps:.4f}, beyond the clean gap",
            "points",
            partial(MEASURES["fgsm_excess_gap"], eps=eps),
        ),
        "PGD": (
            f"gap under PGD, ε = {eps:.4f}, {STEPS} steps, beyond the clean gap",
            "points",
            partial(MEASURES["pgd_excess_gap"], eps=eps, steps=STEPS),
        ),
        "distance": (
            "how much nearer the boundary is, ℓ∞",
            "percent",
            partial(MEASURES["distance_drop"], norm="linf"),
        ),
    }


@dataclass(frozen=True)
class Compared:
    """Two equally accurate networks at one radius: name -> the group, and DP-SGD weaker by.

    `found` has those of the comparisons that are there.
    """

    eps: float
    found: Mapping[str, tuple[Group, Estimate]]

    @property
    def lacking(self) -> list[str]:
        return [name for name in contrasts(self.eps) if name not in self.found]

    @property
    def groups(self) -> list[Group]:
        return [group for group, _ in self.found.values()]

    @property
    def signs(self) -> dict[str, int]:
        """1 where DP-SGD is weaker, -1 where it is stronger, 0 where the interval holds zero."""
        return {name: int(e.low > 0) - int(e.high < 0) for name, (_, e) in self.found.items()}


def compare(evidence: Evidence) -> Compared:
    """The comparisons from records, or from the quick networks where nothing is recorded.

    At the smallest radius that PGD is asked about.
    """
    every = [group for groups in evidence.values() for group in groups]
    recorded = [g for g in every if g.tier == "recorded"]
    if not every:
        return Compared(0.0, {})
    first = (recorded or every)[0]
    eps = min(heads.radii(first))
    found = {}
    for name, (_, _, measure) in contrasts(eps).items():
        for group in [g for g in evidence[name] if g.tier == first.tier][:1]:
            if e := group.estimate(measure):
                found[name] = group, e
    return Compared(eps, found)


def rows(compared: Compared) -> Table:
    """A row for each comparison, positive where DP-SGD is weaker."""
    about = contrasts(compared.eps)
    return [
        {"comparison": about[name][0], "unit": about[name][1]}
        | {"DP-SGD weaker by": cell(group, e, digits=2)}
        for name, (group, e) in compared.found.items()
    ]


LESS, MORE = "less robust", "more robust"
SPLIT, OPEN = "the comparisons contradict each other", "undecided"


def word(signs: Sequence[int]) -> str:
    """The rule: from 1 (DP-SGD weaker), -1 (stronger) and 0 (the interval holds zero)."""
    if 1 in signs and -1 in signs:
        return SPLIT
    return LESS if 1 in signs else MORE if -1 in signs else OPEN


def verdict(compared: Compared) -> plot.Figure:
    """The word on these comparisons as a sentence; says so where there are none."""
    if not compared.found:
        return sentence("No record of equally accurate networks is here yet: no verdict.")
    said = {1: "weaker", -1: "stronger", 0: "not told apart"}
    told = "; ".join(f"{name}: {said[sign]}" for name, sign in compared.signs.items())
    first = compared.groups[0]
    return sentence(
        f"{first.name.capitalize()}, DP-SGD beside an equally accurate SGD network. {told}. "
        f"{_concluded(compared)}{_weight(first)}"
    )


def _concluded(compared: Compared) -> str:
    if compared.lacking:
        return f"Not recorded yet: {', '.join(compared.lacking)}; so the rule has no word."
    return f"By the rule of this page, DP-SGD: {word([*compared.signs.values()])}."


def _weight(group: Group) -> str:
    return " These are small networks, which decide nothing." if group.source == "quick" else ""
