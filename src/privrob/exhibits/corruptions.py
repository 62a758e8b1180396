"""The corruptions of MNIST-C: groups of results, a gallery, the zoo's check."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from privrob import corruptions, data, evaluate, plot
from privrob.corruptions import CORRUPTIONS
from privrob.exhibits.check import Agreement, model, name_of
from privrob.exhibits.figures import claim
from privrob.exhibits.groups import MODELS, Group, grouped, live
from privrob.exhibits.values import evidence
from privrob.lab import joined, study
from privrob.lab.measures import corruptions as measures
from privrob.lab.recompute import ATTACK_SLACK, margin
from privrob.lab.run import Lab, open_store
from privrob.lab.spec import Corrupted, seed_for
from privrob.lab.statements import Claim
from privrob.lab.study import Row

NAME = "tursynbek2020/corruptions"
LIVE_IMAGES = 200
_SHORT = {"jpeg_compression": "jpeg", "elastic_transform": "elastic"}

TableRow = dict[str, object]


# -- groups -------------------------------------------------------------------------------------


def corruption_groups(computed: Sequence[Row], *, device: str = "auto") -> list[Group]:
    """Recorded, zoo on a few images, then quick; each with its models' clean answers."""
    parts = (
        (study.recorded(NAME), "paper", "recorded", ""),
        (live(NAME, device=device, cut=_cut), "quick", "executed", "zoo"),
        (_small(computed), "quick", "executed", "quick"),
    )
    return [
        group
        for rows, profile, tier, source in parts
        for group in grouped(_with_clean(rows, profile), tier, source)
    ]


def _cut(spec: Any) -> Corrupted:
    assert isinstance(spec, Corrupted)
    return replace(spec, data=replace(spec.data, test=LIVE_IMAGES))


def _small(computed: Sequence[Row]) -> list[Row]:
    return [row for row in computed if row.variant.train.scale == "reduced"]


def _with_clean(rows: Sequence[Row], profile: str) -> list[Row]:
    lab = Lab(open_store(profile), on="cpu")
    found = ((row.variant, joined.join(lab, row.variant, row.result)) for row in rows)
    return [Row(variant, result) for variant, result in found if result]


def base_groups(groups: Sequence[Group]) -> list[Group]:
    """The groups of the paper's base pair, one a reading."""
    return [g for g in groups if not g.note]


# -- stand-ins ----------------------------------------------------------------------------------


def stand_ins(groups: Sequence[Group]) -> list[str]:
    """The corruptions for which some result used a generated stand-in."""
    none = np.zeros(len(CORRUPTIONS), bool)
    used = np.any([none, *(measures.stand_ins(p) for g in groups for p in g.pairs)], axis=0)
    return [name for name, here in zip(CORRUPTIONS, used, strict=True) if here]


def stand_in_words(groups: Sequence[Group]) -> str:
    """What a caption says of stand-ins: by group, which corruptions rest on one."""
    used = {g.name: stand_ins([g]) for g in groups}
    told = [f"{name}: {', '.join(map(title, found))}" for name, found in used.items() if found]
    if not told:
        return "No stand-in was used."
    return f"Generated stand-ins replaced the benchmark's files in {'; '.join(told)}."


def live_stand_ins() -> list[str]:
    """The corruptions that use a stand-in on this machine."""
    return [title(name) for name in CORRUPTIONS if corruptions.stand_in(name)]


# -- the gallery --------------------------------------------------------------------------------


def title(name: str) -> str:
    """'gaussian_noise' -> 'gaussian noise'."""
    return name.replace("_", " ")


def corruption_gallery(
    networks: Mapping[str, nn.Module], image: Tensor, label: Tensor, *, seed: int
) -> tuple[Any, str, list[TableRow]]:
    """One image (1, 1, 28, 28) under every corruption, and what the networks say of it.

    The figure, its alt text and its data; answers stand in the order of `networks`.
    """
    shown = {"no corruption": image} | {
        name: corruptions.corrupt(image, name, seed=seed) for name in CORRUPTIONS
    }
    images = torch.cat([one.float() for one in shown.values()])
    answers = {m: evaluate.logits(n, images).argmax(1).tolist() for m, n in networks.items()}
    rows: list[TableRow] = [
        {"corruption": title(name), "label": int(label), "stand_in": _stands_in(name)}
        | {m: said[k] for m, said in answers.items()}
        for k, name in enumerate(shown)
    ]
    titles = [
        _caption(name, [said[k] for said in answers.values()]) for k, name in enumerate(shown)
    ]
    figure = plot.image_strip(images[:, 0].cpu().numpy(), titles, per_row=6)
    return figure, _gallery_alt(rows, list(answers), int(label)), rows


def _stands_in(name: str) -> bool:
    return name in CORRUPTIONS and corruptions.stand_in(name)


def _caption(name: str, said: Sequence[int]) -> str:
    words = _SHORT.get(name, name).replace("_", "\n").replace(" ", "\n")
    lines = words if "\n" in words else f"{words}\n"
    star = "*" if _stands_in(name) else ""
    return f"{lines}{star}\n{' | '.join(map(str, said))}"


def _gallery_alt(rows: Sequence[TableRow], models: Sequence[str], label: int) -> str:
    told = []
    for m in models:
        wrong = [str(r["corruption"]) for r in rows if r[m] != label]
        told.append(f"{MODELS[m]} is wrong under {', '.join(wrong) or 'none'}")
    return f"The digit {label}, clean and under all 31 corruptions. {'; '.join(told)}."


def accuracies(
    networks: Mapping[str, nn.Module], images: Mapping[str, Tensor], y: Tensor, group: Group
) -> list[TableRow]:
    """Right answers of a group's networks to several versions of the images of labels `y`, percent:
    a row for each version.
    """
    return [
        {"images": name}
        | {
            MODELS[m]: plot.Value(100 * evaluate.accuracy(n, x, y), **evidence(group), digits=1)
            for m, n in networks.items()
        }
        for name, x in images.items()
    ]


# -- printed values, and how images were drawn ----------------------------------------------------


def published_value(row: str, column: str) -> plot.Value:
    """A printed number of Table 2, as printed."""
    return plot.Value(float(table2_claim(row, column).published), tier="published", digits=2)


def table2_claim(row: str, column: str) -> Claim:
    """The claim of a cell: 'gaussian_noise', 'sgd'."""
    return claim(f"table2/{row.replace('_', '-')}/{column}")


def corruption_seed(draw: int) -> int:
    """The seed under which the records' corruptions were drawn."""
    return seed_for("corruptions", str(draw))


# -- the zoo against the records ----------------------------------------------------------------


def corruption_agreements(groups: Sequence[Group]) -> list[Agreement]:
    """The zoo's answers against the records', where neither or both rest on a stand-in."""
    rows = {tier: _rows(groups, tier) for tier in ("recorded", "zoo")}
    return [
        _agree(now, rows["recorded"][key])
        for key, now in rows["zoo"].items()
        if key in rows["recorded"]
    ]


def _rows(groups: Sequence[Group], of: str) -> dict[tuple[object, ...], Row]:
    """By model, reading, seed and note; SGD, the same beside every variant, once."""
    found: dict[tuple[object, ...], Row] = {}
    for row in (r for g in groups if of in (g.tier, g.source) for r in g.rows):
        v = row.variant
        found[v.model, v.reading, v.seed, "" if v.model == "sgd" else v.note] = row
    return found


def _agree(now: Row, then: Row) -> Agreement:
    mine, its = now.result.arrays, then.result.arrays
    alike = mine["stand_in"] == its["stand_in"]
    n = mine["correct"].shape[-1]
    apart = np.argwhere((mine["correct"] != its["correct"][:, :n]) & alike[:, None]).tolist()
    beyond = [(i, CORRUPTIONS[k]) for k, i in apart if abs(_margin(now, k, i)) > ATTACK_SLACK]
    v, images = now.variant, len({i for _, i in apart})
    return Agreement(name_of(v), v.model, n, int(alike.sum()) * n, len(apart), images, beyond)


def _margin(row: Row, k: int, i: int) -> float:
    """The margin of one image under one corruption: rounding may turn it only near 0."""
    test, spec = data.load("mnist_slice").test, row.variant.spec
    assert isinstance(spec, Corrupted)
    seed = corruption_seed(spec.draw)
    x = corruptions.corrupt(test.x[i : i + 1], CORRUPTIONS[k], seed=seed, offset=i)
    return float(margin(evaluate.logits(model(row), x), test.y[i : i + 1])[0])
