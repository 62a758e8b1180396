"""Does PGD find what there is to find? song2019's models under other attacks on the same images.

Used as a module: `from privrob.exhibits import doubts`. Evidence is that of the experiment
`song2019/attacks`, a `Leak` for each model.
"""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from privrob import plot, stats
from privrob.exhibits.leaks import Leak
from privrob.exhibits.masking import NAMES
from privrob.exhibits.notes import sentence
from privrob.exhibits.tables import words
from privrob.lab import song2019
from privrob.lab.measures.masking import every_attack

TableRow = dict[str, object]
Masks = NDArray[np.bool_]
# FGSM, the attack in doubt, and what does not follow the model's own cross-entropy from the image.
SHOWN = ("fgsm", "pgd", "pgd_restarts", "pgd_margin", "pgd_transfer", "square")
EVERY = "every_attack"


def after(leak: Leak, attack: str) -> Masks:
    """Right after an attack, or after 'every_attack', (radii, images)."""
    arrays = leak.row.result.arrays
    found: Masks = every_attack(arrays) if attack == EVERY else arrays[attack]
    return found


def own(leak: Leak) -> int:
    """The place, among the radii, of the one that the data set is attacked with."""
    radii = leak.row.result.arrays["eps"]
    return int(np.abs(radii - song2019.EPS_OF[leak.row.variant.train.data.name]).argmin())


def table(found: Sequence[Leak]) -> list[TableRow]:
    """Percent of zero input gradients and right after each attack, at the data set's own radius."""
    return [_row(leak) for leak in found]


def _row(leak: Leak) -> TableRow:
    arrays, at = leak.row.result.arrays, own(leak)
    row: TableRow = {"training": leak.name, "evidence": leak.source or leak.tier}
    row["zero\ngradient"] = _share(leak, arrays["zero_gradient"])
    row["clean"] = _share(leak, arrays["clean"])
    names = NAMES | {"pgd_transfer": "PGD on\nnatural", "pgd_restarts": "PGD,\nrandom starts"}
    row |= {names[a].replace(", m", ",\nm"): _share(leak, after(leak, a)[at]) for a in SHOWN}
    return row | {names[EVERY]: _share(leak, after(leak, EVERY)[at])}


def _share(leak: Leak, mask: Masks) -> plot.Value:
    ends = stats.proportion_interval(int(mask.sum()), len(mask))
    return leak.value(*(100 * float(v) for v in (mask.mean(), ends.low, ends.high)))


def contradictions(found: Sequence[Leak], scored: Sequence[Leak]) -> int:
    """How many answers are wrong, at a radius up to the data set's own, to verified images.

    `scored` are scores with a verifier; those of the same trained model are looked at.
    """
    wrong = 0
    for leak in found:
        for k in scored:
            if k.row.variant.train == leak.row.variant.train and k.has("verified"):
                right = after(leak, EVERY)[: own(leak) + 1]
                verified = k.sides("verified")[1][: right.shape[-1]]
                wrong += int((verified & ~right).sum())
    return wrong


def told(found: Sequence[Leak]) -> plot.Figure:
    """What speaks for and against PGD on each model, in words."""
    return words([_told(leak) for leak in found]) if found else sentence("No record is here yet.")


def _told(leak: Leak) -> TableRow:
    arrays, at = leak.row.result.arrays, own(leak)
    pgd, fgsm = after(leak, "pgd"), after(leak, "fgsm")
    by_eps = zip(arrays["eps"], pgd.mean(1), strict=True)
    left = [f"{100 * share:.0f} % at {e / arrays['eps'][at]:g}" for e, share in by_eps]
    falls = bool((np.diff(pgd.mean(1)) <= 0).all())
    weaker = bool((fgsm.mean(1) >= pgd.mean(1)).all())
    return {
        "model": f"{leak.name} ({leak.source or leak.tier})",
        "gradient is zero on": f"{int(arrays['zero_gradient'].sum())} of {pgd.shape[1]} images",
        "right after PGD, by multiple of the radius": ", ".join(left),
        "falls as the radius grows": "yes" if falls else "no, which cannot be",
        "FGSM is weaker than PGD": "at every radius" if weaker else "not at every radius",
        "right under PGD, wrong under another": int((pgd[at] & ~after(leak, EVERY)[at]).sum()),
    }
