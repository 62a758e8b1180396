"""Confidences that float32 rounds to one: what they cost an attack, and a verdict.

The official score is the confidence; the log-odds have the same order without these ties.
"""

from collections.abc import Sequence
from statistics import fmean

import numpy as np

from privrob.exhibits.leaks import INFERENCES, Leak, TableRow, attack_values
from privrob.exhibits.outputs import SCORE, entries, full_scale
from privrob.lab import song2019
from privrob.lab.claims import Entry
from privrob.lab.measures import Target
from privrob.membership.threshold import threshold_attack

SCORES = {"confidence": "confidence", "log_odds": "log-odds"}  # the official one first


def certain(leak: Leak, inference: str) -> tuple[float, float]:
    """Percent of members and of others whose confidence is exactly 1 in float32."""
    inside, outside = (np.float32(side) for side in leak.sides(f"confidence_{inference}"))
    return 100 * float((inside == 1).mean()), 100 * float((outside == 1).mean())


def rows(leaks: Sequence[Leak]) -> list[TableRow]:
    """Of each recorded model and inference the share of ties, then the attack by both scores."""
    return [
        _row(leak, kind, score)
        for leak in _recorded(leaks)
        for kind in INFERENCES
        if leak.has(kind)
        for score in SCORES
    ]


def _row(leak: Leak, kind: str, score: str) -> TableRow:
    tied = [leak.value(share) for share in certain(leak, kind)] if score == SCORE else [None] * 2
    official, chance, held_out = attack_values(leak, kind, score=score)
    return {
        "model": f"{leak.name}, seed {leak.row.variant.seed}",
        "inference": INFERENCES[kind],
        "score": SCORES[score],
        "members:\nconfidence 1, %": tied[0],
        "others:\nconfidence 1, %": tied[1],
        "official, %": official,
        "95 %\nof chance": chance,
        "held out": held_out,
    }


def _recorded(leaks: Sequence[Leak]) -> list[Leak]:
    return [leak for leak in leaks if not leak.source and full_scale(leak)]


def _accuracy(leak: Leak, inference: str, score: str) -> float:
    return 100 * threshold_attack(*leak.sides(f"{score}_{inference}")).accuracy


def told(leaks: Sequence[Leak]) -> str:
    """Which verdicts on the Yale faces the log-odds would change, in sentences."""
    claims = [e for i, e in entries().items() if i.startswith("yale/") and "/infer-" in i]
    parts = [text for e in claims if (text := _changed(e, _recorded(leaks)))]
    return " ".join(parts) or "By log-odds no verdict on an inference accuracy would be another."


def _changed(entry: Entry, leaks: Sequence[Leak]) -> str:
    claim = entry.claim
    model, kind = claim.arguments["model"], claim.arguments["inference"]
    mine = [leak for leak in leaks if leak.model == model]
    if not mine or claim.tolerance is None:
        return ""
    found = {s: fmean(_accuracy(leak, kind, s) for leak in mine) for s in SCORES}
    target = Target(claim.target, claim.tolerance)
    judged, other = (target.reached(value) for value in found.values())
    if judged == other:
        return ""
    inside, outside = (fmean(side) for side in zip(*(certain(k, kind) for k in mine), strict=True))
    official, untied = found.values()
    return (
        f"{INFERENCES[kind]} on the {song2019.NAMES[model]} model is {official:.2f} % by "
        f"confidences and {untied:.2f} % by log-odds, beside {claim.target:.2f} ± "
        f"{claim.tolerance:g} % as stored: the verdict is {entry.headline.verdict.word}, and by "
        f"log-odds it would be {'reproduced' if other else 'not reproduced'}. Ties make the "
        f"difference: {inside:.1f} % of the members and {outside:.1f} % of the others have a "
        "confidence of exactly 1 in float32, and no threshold lies between them."
    )
