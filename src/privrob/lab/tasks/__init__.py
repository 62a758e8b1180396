"""One function per kind of spec: the spec and its upstream results in, arrays out.

Everything that is stored is per example, so that each threshold, interval and verdict can be
computed again from a record. Nothing here knows a file, a key's folder or another task.
"""

from collections.abc import Callable, Mapping
from typing import Any

from privrob.lab.tasks.attacks import fgsm, pgd
from privrob.lab.tasks.base import Arrays, Context, Output
from privrob.lab.tasks.heads import head, pretrained, stoppedhead
from privrob.lab.tasks.membership import membership, targeted
from privrob.lab.tasks.probes import (
    corrupted,
    curvature,
    distance,
    logits,
    masking,
    section,
    steps,
)
from privrob.lab.tasks.training import stopped, train

__all__ = ["TASKS", "Arrays", "Context", "Output"]

TASKS: dict[str, Callable[[Any, Mapping[str, Output], Context], Output]] = {
    task.__name__: task
    for task in (
        train, stopped, fgsm, pgd, logits, distance, curvature, section, steps, masking, corrupted,
        membership, targeted, pretrained, head, stoppedhead,
    )
}  # fmt: skip
