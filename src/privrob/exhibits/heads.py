"""Fully connected layers on frozen public features: where they come from, how training went."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from privrob import data, evaluate, plot, stats
from privrob.exhibits.check import model
from privrob.exhibits.figures import claim, stamp
from privrob.exhibits.groups import MODELS, Estimate, Group, gather_alone, grouped, live
from privrob.exhibits.leaks import AUDIT_SEED, INFERENCES, PERMUTATIONS, Leak
from privrob.exhibits.notes import sentence
from privrob.exhibits.values import curve_of, evidence
from privrob.lab import cifar, registry, settling
from privrob.lab.cifar_experiments import STOPPED, TARGET
from privrob.lab.recompute.base import PROBE_SLACK
from privrob.lab.spec import Pgd
from privrob.lab.study import Row
from privrob.membership import threshold

PRIVATE, PUBLIC = "cifar10", "cifar100"  # the data set that the budget is about, and the other
CLASSES = ("airplane", "automobile", "bird", "cat", "deer", "dog", "frog", "horse", "ship", "truck")
PRETRAINING = "tursynbek2020/cifar-pretraining"
READING = cifar.SETTLED  # what all but the base pair runs in
TableRow = dict[str, object]

# -- the public part ----------------------------------------------------------------------------


def pretrained(computed: Sequence[Row]) -> list[Group]:
    """The networks whose convolutions are kept: recorded, then what a notebook just computed."""
    return gather_alone(PRETRAINING, computed, model="sgd")


def pretraining_rows(groups: Sequence[Group]) -> list[TableRow]:
    """A row for each: its public images, and how good it is on those held out."""
    return [_pretraining_row(group) for group in groups]


def _pretraining_row(group: Group) -> TableRow:
    arrays, facts = group.pairs[0]["sgd"], {**evidence(group), "digits": 1}
    shares = {part: 100 * float(arrays[f"correct_{part}"].mean()) for part in ("train", "test")}
    return {
        "evidence": group.name,
        "public images": group.rows[0].variant.train.data.name,
        "trained on": f"{len(arrays['correct_train']):,}",
        "held out": f"{len(arrays['correct_test']):,}",
        "epochs": len(arrays["history"]),
        "right, training\nimages, %": plot.Value(shares["train"], **facts),
        "right, held-out\nimages, %": plot.Value(shares["test"], **facts),
    }


def shared_images() -> dict[str, dict[str, int]] | None:
    """How many images of each part of CIFAR-10 are public ones too, pixel by pixel.

    Public are CIFAR-100's training images: those that the convolutions were 'trained on', and
    those 'held out'. None where the two data sets are not both here.
    """
    if not all(data.locate(name).found for name in (PRIVATE, PUBLIC)):
        return None
    public, pretraining = list(_pixels(data.load(PUBLIC).train)), cifar.PRETRAINING
    seen = {
        "trained on": set(public[: pretraining.data.train]),
        "held out": set(public[-pretraining.holdout :]),
    }
    parts = data.load(PRIVATE).splits
    return {
        part: {how: sum(image in images for image in _pixels(s)) for how, images in seen.items()}
        for part, s in parts.items()
    }


def _pixels(split: data.Split) -> Iterator[bytes]:
    return (image.tobytes() for image in split.x.numpy())


# What `shared_images` gives of the published files, whose checksums the catalogue names; a test
# counts again where both are here.
SHARED = {"train": {"trained on": 0, "held out": 0}, "test": {"trained on": 0, "held out": 1}}


def shared_told(found: dict[str, dict[str, int]] | None) -> plot.Figure:
    """What `shared_images` counts, as a sentence; where it cannot, what it counted before."""
    before = "" if found else " (Counted before: the two data sets are not both on this machine.)"
    found = found or SHARED
    words = {"train": "training", "test": "test"}
    told = [
        f"of its {words[part]} images {n['trained on']} with those that the convolutions were "
        f"trained on, and {n['held out']} with those held out"
        for part, n in found.items()
    ]
    return sentence(f"CIFAR-10 shares images with CIFAR-100: {'; '.join(told)}.{before}")


# -- readings -----------------------------------------------------------------------------------


def candidate_rows() -> list[TableRow]:
    """A row for each candidate reading: clean accuracy on the selection seed, percent."""
    s = settling.cifar10()
    return [
        {"candidate": c.name}
        | {MODELS[m]: _accuracy(c.accuracies.get(m)) for m in MODELS}
        | {"both printed accuracies": c.status}
        for c in settling.settlement(s).candidates
    ]


def _accuracy(percent: float | None) -> object:
    return "not attempted" if percent is None else plot.Value(percent, tier="recorded")


def candidates_told() -> plot.Figure:
    """What was to be reached, and what did, as a sentence."""
    s = settling.cifar10()
    return sentence(settling.told(s, settling.settlement(s)).replace("*", ""))


# -- how training went --------------------------------------------------------------------------


def history_curves(groups: Sequence[Group]) -> list[plot.Curve]:
    """Accuracy on the test images after each epoch, percent: a curve a group and model."""
    return [_history(group, model) for group in groups for model in MODELS]


def _history(group: Group, model: str) -> plot.Curve:
    values = np.stack([100 * pair[model]["history"] for pair in group.pairs])
    each = [stats.seed_summary(epoch) for epoch in values.T]
    mean = np.array([s.mean for s in each])
    several = len(values) > 1  # of one seed there is no interval: a history knows no images
    low, high = ([getattr(s, end) for s in each] if several else mean for end in ("low", "high"))
    e = Estimate(mean, np.array(low), np.array(high), len(values))
    label = f"{MODELS[model]}, {group.source or group.tier}"
    return curve_of(group, e, [n + 1.0 for n in range(len(each))], label, model)


def printed_accuracies(at: float) -> list[plot.Anchor]:
    """The two that the paper prints, as points over an epoch."""
    printed = {m: float(claim(f"section3.6/accuracy/{m}").published) for m in MODELS}
    sides = {"sgd": "above left", "dpsgd": "below left"}
    return [plot.Anchor(at, p, f"printed {p:g}", side=sides[m]) for m, p in printed.items()]


# -- who leaks ----------------------------------------------------------------------------------


def equally_told(shown: Sequence[Leak]) -> plot.Figure:
    """I_B and I_A on the stopped SGD network and on its DP-SGD, a sentence a tier and seed."""
    found = {(m.tier, m.row.variant.seed, m.row.variant.note): m for m in shown}
    return sentence(
        " ".join(
            f"{stopped.tier.capitalize()}, seed {seed}: the official attack is right on "
            f"{_attacked(stopped)} of SGD that was stopped and on {_attacked(target)} of the "
            "DP-SGD that it is to equal."
            for (tier, seed, note), stopped in found.items()
            if note == STOPPED and (target := found.get((tier, seed, TARGET)))
        )
        or "No scores of two equally accurate networks are here."
    )


def _attacked(leak: Leak) -> str:
    """'53.4 % by I_B and 50.8 % by I_A (chance up to 51.9 % and 51.8 %)'."""
    audits = {name: leak.audit(kind, score="log_odds") for kind, name in INFERENCES.items()
              if leak.has(kind)}  # fmt: skip
    reached = " and ".join(f"{100 * a.official.accuracy:.1f} % by {n}" for n, a in audits.items())
    chance = " and ".join(f"{100 * a.null.high:.1f} %" for a in audits.values())
    return f"{reached} (chance up to {chance})"


# -- images that are here -----------------------------------------------------------------------


def images_here() -> bool:
    """Whether CIFAR-10's images are on this machine."""
    return data.locate(PRIVATE).found


def zoo(*, device: str = "auto") -> list[Group]:
    """The zoo's pair, where CIFAR-10's images are here: nothing is computed."""
    if not images_here():
        return []
    return list(grouped(live("tursynbek2020/cifar-base", device=device), "executed", "zoo"))


def radii(group: Group) -> tuple[float, ...]:
    """Those of PGD for the group's networks: drawn digits are attacked at larger ones."""
    profile = "quick" if group.source == "quick" else "paper"
    spec = registry.experiment("tursynbek2020/cifar-pgd").variants(profile, seed=0)[0].spec
    assert isinstance(spec, Pgd)
    return spec.eps


@dataclass(frozen=True)
class AskedAgain:
    """I_B of a zoo model on its first members and as many test images, asked now, percent.

    `differ` counts the images whose log-odds are not those of the record, up to its rounding.
    """

    model: str
    images: int
    differ: int
    accuracy: float
    chance: float


def asked_again(*, images: int, device: str = "auto") -> list[AskedAgain]:
    """The zoo's pair, where CIFAR-10's images are here."""
    rows = [row for group in zoo(device=device) for row in group.rows]
    return [_asked_again(row, images) for row in rows]


def _asked_again(row: Row, images: int) -> AskedAgain:
    network, parts = model(row), data.load(PRIVATE).splits
    odds, differ = {}, 0
    for part in ("train", "test"):
        x, y = parts[part].x[:images].float() / 255, parts[part].y[:images]
        odds[part] = evaluate.log_odds(evaluate.logits(network, x), y).numpy()
        stored = row.result.arrays[f"log_odds_{part}"][:images].astype(np.float64)
        differ += int((~np.isclose(odds[part], stored, rtol=PROBE_SLACK, atol=PROBE_SLACK)).sum())
    sides = odds["train"], odds["test"]
    dealt = threshold.permutation_null(*sides, permutations=PERMUTATIONS, seed=AUDIT_SEED)
    official = threshold.threshold_attack(*sides).accuracy
    name = MODELS[row.variant.model]
    return AskedAgain(name, 2 * images, differ, 100 * official, 100 * dealt.high)


def show_asked(found: Sequence[AskedAgain], *, command: str) -> plot.Figure:
    """A row for each model; a sentence where none was asked."""
    if not found:
        return sentence("No zoo model is here together with its images: nothing was asked.")
    facts: dict[str, Any] = {"tier": "executed", "source": "zoo", "digits": 1}
    rows: list[TableRow] = [
        {"zoo model": a.model, "images": a.images, "differ from\nthe record": a.differ}
        | {"I_B": plot.Value(a.accuracy, **facts)}
        | {"I_B, 95 %\nof chance": plot.Value(a.chance, **facts)}
        for a in found
    ]
    caption = (
        "Executed (zoo): the official attack from log-odds on members and test images, percent."
    )
    return plot.table(rows, caption=caption, stamp=stamp(zoo(), command, published=False))


def images_told() -> plot.Figure:
    """Whether they are, and what that means for a page, as a sentence."""
    if images_here():
        return sentence(
            "CIFAR-10 is on this machine: the zoo's models, where they are kept, are asked again "
            "about its first test images."
        )
    return sentence(
        "CIFAR-10 is not on this machine: what is said of full-scale models comes from their "
        "records, and none of them is asked again in this build."
    )
