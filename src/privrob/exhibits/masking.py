"""Is a plateau robustness, or does it only hide gradients? The attacks side by side, and a word.

The rule. Where less than half of what FGSM leaves is left by all attacks together, the network is
not robust. It masks its gradients where at least half of what FGSM leaves is fooled by an attack
without the gradient of the network's own cross-entropy, and not by the long walk along it.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

import torch
from torch import Tensor, nn

from privrob import attacks, data, evaluate, plot
from privrob.exhibits.check import model as trained_network
from privrob.exhibits.figures import stamp
from privrob.exhibits.groups import MODELS, Estimate, Group
from privrob.exhibits.notes import sentence
from privrob.exhibits.values import cell, evidence
from privrob.lab import measures
from privrob.lab.measures.masking import OTHERS, WHITE_BOX
from privrob.lab.tasks.probes import margin_loss

Row = dict[str, object]
SHARE = 0.5  # of what FGSM leaves: as the claim on it has it
ALL = "every_attack"
NAMES = {
    "fgsm": "FGSM",
    "pgd": "PGD",
    "pgd_restarts": "PGD, random starts",
    "fgsm_margin": "FGSM, margin",
    "pgd_margin": "PGD, margin",
    "fgsm_transfer": "FGSM on SGD",
    "pgd_transfer": "PGD on SGD",
    "square": "Square Attack",
    "noise": "random signs",
    ALL: "all of them",
}
ORDER = (*WHITE_BOX, *OTHERS, ALL)  # the first ones follow the model's own cross-entropy
# What a walk that sees no saturated softmax is compared with PGD for.
SIGNS = ("pgd_margin", "pgd_transfer", "square")


# -- models -------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Network:
    """One model of a group: SGD, or DP-SGD under its note."""

    group: Group
    model: str

    @property
    def name(self) -> str:
        note = self.group.note.split(", ")[-1]
        return MODELS[self.model] if self.model == "sgd" or not note else note

    def estimate(self, measure: Any, **arguments: Any) -> Estimate:
        e = self.group.estimate(partial(measure, model=self.model, **arguments))
        assert e is not None  # shares are never missing
        return e

    def after(self, attack: str, *, eps: float) -> Estimate:
        """Accuracy after an attack, percent."""
        measure = partial(measures.masking_accuracy, model=self.model, attack=attack, eps=eps)
        return self.group.share(measure)

    @property
    def flat(self) -> float:
        """Percent of the images whose gradient is exactly zero; of several seeds the most."""
        return max(100 * float(p[self.model]["zero_gradient"].mean()) for p in self.group.pairs)


def networks(groups: Sequence[Group]) -> list[Network]:
    """SGD, which is the same in all groups of a tier, where it was asked, and every DP-SGD."""
    plain = [Network(g, "sgd") for g in groups[:1] if "sgd" in g.models]
    return plain + [Network(g, "dpsgd") for g in groups]


# -- what is found ------------------------------------------------------------------------------


@dataclass(frozen=True)
class Finding:
    """What the rule says of a network at one eps, with the signs that made it say so."""

    word: str  # 'robustness', 'masking', 'neither' or 'undecided'
    signs: tuple[str, ...]


def finding(network: Network, *, eps: float) -> Finding:
    """Apply the rule; an interval that contains zero decides nothing."""
    kept = network.estimate(measures.masking_kept, eps=eps, share=SHARE)
    if float(kept.low) > 0:
        return Finding("robustness", ())
    if not float(kept.high) < 0:
        return Finding("undecided", ())
    hidden = partial(network.estimate, measures.masking_hidden, eps=eps, share=SHARE)
    signs = tuple(s for s in SIGNS if float(hidden(over=s).low) > 0)
    return Finding("masking" if signs else "neither", signs)


def _cell(n: Network, e: Estimate) -> plot.Value:
    return cell(n.group, e, digits=1)


def _excess(network: Network, over: str, eps: float) -> Estimate:
    return network.estimate(measures.masking_excess, attack="pgd", over=over, eps=eps)


def findings(groups: Sequence[Group], *, eps: float) -> list[Row]:
    """A row for each network: what FGSM and all attacks leave, the signs, and the word."""
    return [_row(n, eps) for n in networks(groups)]


def _row(n: Network, eps: float) -> Row:
    row: Row = {"model": n.name.replace("-", "\N{NON-BREAKING HYPHEN}")}
    row |= {f"{NAMES[a]}\nleaves, %": _cell(n, n.after(a, eps=eps)) for a in ("fgsm", ALL)}
    row |= {f"PGD leaves more\nthan {NAMES[s]}": _cell(n, _excess(n, s, eps)) for s in SIGNS}
    row["zero input\ngradient, %"] = plot.Value(n.flat, **evidence(n.group), digits=1)
    return row | {"so it is": finding(n, eps=eps).word}


def concluded(groups: Sequence[Group], *, eps: float) -> plot.Figure:
    """The verdict of this page on the network with the highest plateau, as a sentence."""
    if not groups:
        return sentence("No record of the attacks is here yet: no verdict.")
    n = max(networks(groups)[1:], key=lambda n: float(n.after("fgsm", eps=eps).mean))
    return sentence(f"{_left(n, eps)} {_SO[finding(n, eps=eps).word]}")


def judged(groups: Sequence[Group], *, eps: float) -> plot.Figure:
    """What is left of every DP-SGD network and the word of the rule, a sentence each."""
    found = [n for n in networks(groups) if n.model == "dpsgd"]
    told = [f"{_left(n, eps)} By the rule: {finding(n, eps=eps).word}." for n in found]
    return sentence(" ".join(told) or "No record of the attacks is here yet: no word.")


def _left(n: Network, eps: float) -> str:
    left = {a: f"{float(n.after(a, eps=eps).mean):.1f} %" for a in ORDER}
    others = "; ".join(f"{NAMES[a]} {left[a]}" for a in SIGNS)
    return (
        f"{_capital(n)}: at ε = {eps:.3g} FGSM leaves {left['fgsm']} of the answers right and PGD "
        f"along the same gradient {left['pgd']}. The others leave: {others}; all attacks together "
        f"{left[ALL]}. The gradient is exactly zero on {n.flat:.1f} % of the images."
    )


def _capital(n: Network) -> str:
    g = n.group
    source = f" ({g.source})" if g.source else ""
    return ", ".join(filter(None, [f"{g.tier.capitalize()}{source}", "DP-SGD", g.note]))


_SO = {
    "masking": "By the rule of this page that is masking: the plateau is not robustness.",
    "robustness": "By the rule of this page the plateau is robustness.",
    "neither": "By the rule of this page it is neither: what FGSM left, a better attack takes.",
    "undecided": "By the rule of this page that is undecided.",
}


# -- the picture --------------------------------------------------------------------------------


def attack_dots(groups: Sequence[Group], *, eps: float) -> list[plot.Dots]:
    """A column for each network: its accuracy after every attack, in `ORDER`."""
    return [_dots(n, eps) for n in networks(groups)]


def _dots(n: Network, eps: float) -> plot.Dots:
    found = [n.after(attack, eps=eps) for attack in ORDER]
    mean, low, high = ([float(getattr(e, end)) for e in found] for end in ("mean", "low", "high"))
    return plot.Dots(n.name, mean, low, high, n.group.tier, n.group.source)


def show_attacks(groups: Sequence[Group], *, eps: float, command: str) -> plot.Figure:
    """The picture with caption, stamp and data; a sentence where there is no record."""
    if not groups:
        return sentence("No record of the attacks is here yet.")
    columns = attack_dots(groups, eps=eps)
    names = [NAMES[a] for a in ORDER]
    figure, _ = plot.dot_columns(names, columns, split=len(WHITE_BOX))
    g = groups[0]
    lead = f"{g.tier.capitalize()}{f' ({g.source})' if g.source else ''}"
    told = ". ".join(
        f"{c.label}: " + ", ".join(f"{n} {v:.0f} %" for n, v in zip(names, c.mean, strict=True))
        for c in columns
    )
    return plot.show(
        figure,
        alt=f"Accuracy after each attack at eps {eps:g}. {told}.",
        caption=f"{lead}: accuracy at ε = {eps:g} after each attack, on the first "
        f"{_images(g)} test images. Above the line the attacks that follow the gradient of the "
        "network's own cross-entropy, below it the others, and all of them together.",
        stamp=stamp(groups, command, published=False),
        data=list(_rows(columns, names)),
    )


def _images(g: Group) -> int:
    return int(g.rows[0].result.arrays["clean"].shape[-1])


def _rows(columns: Iterable[plot.Dots], names: Sequence[str]) -> Iterable[Row]:
    for c in columns:
        for name, *ends in zip(names, c.mean, c.low, c.high, strict=True):
            mean, low, high = ends
            yield {"model": c.label, "tier": c.tier, "attack": name, "accuracy_percent": mean} | {
                "low": low,
                "high": high,
            }


# -- one network, looked into -------------------------------------------------------------------


class Scaled(nn.Module):
    """A network with all logits times `factor`: the same answer to every image."""

    def __init__(self, network: nn.Module, *, factor: float) -> None:
        super().__init__()
        self.network, self.factor = network, factor

    def forward(self, x: Tensor) -> Tensor:
        g: Tensor = self.factor * self.network(x)
        return g


def saturation(network: nn.Module, x: Tensor, y: Tensor, *, eps: float) -> dict[str, float]:
    """Percent of zero input gradients, and right after FGSM along cross-entropy and margin."""
    with evaluate.eval_mode(network), evaluate.frozen(network):
        gradient, _ = evaluate.input_gradient(network, x, y)
    entropy = attacks.fgsm(network, x, y, eps=eps)
    margin = attacks.fgsm(network, x, y, eps=eps, loss=margin_loss)
    right = (evaluate.accuracy(network, images, y) for images in (x, entropy, margin))
    clean, after, after_margin = (100 * share for share in right)
    flat = (~gradient.flatten(1).any(1)).double().mean().item()
    return {
        "zero_gradient": 100 * flat,
        "clean": clean,
        "cross_entropy": after,
        "margin": after_margin,
    }


def confidence_margin(network: nn.Module, x: Tensor, y: Tensor) -> float:
    """The median over images of the label's logit minus the largest other."""
    return float(torch.median(-margin_loss(evaluate.logits(network, x), y)))


def looked_into(groups: Sequence[Group], *, images: int, eps: float) -> list[Row]:
    """The DP-SGD networks of executed groups in float32 and float64, on their first images."""
    return [row for g in groups for row in _both_precisions(g, images, eps)]


def _both_precisions(g: Group, n: int, eps: float) -> Iterable[Row]:
    row = g.rows[1]  # DP-SGD's
    split = data.load(row.variant.spec.data.name).test.first(n)
    x, y = split.x.float() / 255, split.y
    for precision, dtype in (("float32", torch.float32), ("float64", torch.float64)):
        network = trained_network(row).to(dtype)
        seen = saturation(network, x.to(dtype), y, eps=eps)
        yield {
            "model": f"DP-SGD, {g.note}",
            "computed in": precision,
            "median\nmargin": f"{confidence_margin(network, x.to(dtype), y):.0f}",
        } | {_HEADS[key]: plot.Value(value, **evidence(g), digits=1) for key, value in seen.items()}


_HEADS = {
    "zero_gradient": "zero input\ngradient, %",
    "clean": "clean",
    "cross_entropy": "FGSM",
    "margin": "FGSM,\nmargin",
}
