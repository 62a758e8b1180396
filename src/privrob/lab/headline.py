"""A result in a few words, for the command line: what a person looks at first."""

from collections.abc import Callable, Mapping

import numpy as np

from privrob.lab import spec as specs
from privrob.lab.run import Result
from privrob.membership.threshold import threshold_attack

Arrays = Mapping[str, np.ndarray]


def headline(result: Result) -> str:
    """The main number of a result of any kind, with its name."""
    return _WORDS[specs.kind(result.spec)](result.arrays)


def _clean(arrays: Arrays) -> str:
    return f"test accuracy {arrays['correct_test'].mean():.2%}"


def _attacked(arrays: Arrays) -> str:
    eps, accuracy = arrays["eps"], arrays["correct"].mean(-1).reshape(len(arrays["eps"]), -1)
    ends = dict.fromkeys((0, len(eps) - 1))
    return "accuracy " + ", ".join(f"{accuracy[i, -1]:.2%} at eps {eps[i]:g}" for i in ends)


def _logits(arrays: Arrays) -> str:
    return f"accuracy {(arrays['logits'].argmax(0) == arrays['labels']).mean():.2%}"


def _distance(arrays: Arrays) -> str:
    right = arrays["l2"] > 0
    means = ", ".join(f"{arrays[n][right].mean():.3f} in {n}" for n in ("l2", "linf"))
    return f"mean distance {means}"


def _curvature(arrays: Arrays) -> str:
    return f"largest eigenvalue {np.median(arrays['hessian'][0]):.2e}, the median"


def _section(arrays: Arrays) -> str:
    seen = arrays["bend"][~np.isnan(arrays["bend"])]
    return f"mean bend {seen.mean():.3f}" if seen.size else "no boundary in sight"


def _steps(arrays: Arrays) -> str:
    never = (arrays["first_success"] < 0).mean((1, 2))
    each = zip(arrays["eps"], never, strict=True)
    return "never fooled " + ", ".join(f"{share:.1%} at eps {eps:g}" for eps, share in each)


def _masking(arrays: Arrays) -> str:
    ends = (f"{name} {arrays[name][-1].mean():.1%}" for name in ("fgsm", "pgd", "square"))
    return f"accuracy at eps {arrays['eps'][-1]:g}: " + ", ".join(ends)


def _corrupted(arrays: Arrays) -> str:
    made = int(arrays["stand_in"].sum())
    told = f"mean accuracy {arrays['correct'].mean():.2%} over {len(arrays['correct'])} corruptions"
    return f"{told}, {made} of them by generated stand-ins" if made else told


def _membership(arrays: Arrays) -> str:
    reached = {
        kind: threshold_attack(*(arrays[f"log_odds_{kind}_{side}"] for side in ("train", "test")))
        for kind in ("benign", "adversarial")
    }
    told = ", ".join(f"{found.accuracy:.2%} {kind}" for kind, found in reached.items())
    return f"inference accuracy {told}"


def _targeted(arrays: Arrays) -> str:
    rows = zip(*(arrays[f"log_odds_targeted_{side}"] for side in ("train", "test")), strict=True)
    best = max(threshold_attack(*row).accuracy for row in rows)
    return f"inference accuracy {best:.2%} towards the best of the wrong labels"


_WORDS: dict[str, Callable[[Arrays], str]] = {
    "train": _clean,
    "stopped": _clean,
    "pretrained": _clean,
    "head": _clean,
    "stoppedhead": _clean,
    "fgsm": _attacked,
    "pgd": _attacked,
    "logits": _logits,
    "distance": _distance,
    "curvature": _curvature,
    "section": _section,
    "steps": _steps,
    "masking": _masking,
    "corrupted": _corrupted,
    "membership": _membership,
    "targeted": _targeted,
}
