"""Cross-sections of the decision regions of the zoo's models, drawn now."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from privrob import data, evaluate, geometry, plot
from privrob.exhibits.check import model
from privrob.exhibits.geometry import Table
from privrob.exhibits.groups import MODELS, Group, grouped, live
from privrob.exhibits.values import heading
from privrob.lab import questions


@dataclass(frozen=True)
class Picture:
    """A figure with what `plot.show` needs beside it."""

    figure: Any
    alt: str
    rows: list[dict[str, object]]


def zoo(*, device: str = "auto") -> list[Group]:
    """The zoo's base pairs as groups, one a reading: nothing is computed."""
    return list(grouped(live("tursynbek2020/base", device=device), "executed", "zoo"))


def networks(group: Group) -> dict[str, nn.Module]:
    """A pair's networks, SGD's first."""
    return {row.variant.model: model(row) for row in group.rows[:2]}


def samples(group: Group, count: int) -> tuple[Tensor, Tensor]:
    """The first test images of different classes that both networks of a pair have right."""
    train = group.rows[0].variant.train.data.name
    test = data.load("mnist_slice" if train == "mnist" else train).test.first(200)
    x, y = test.x.float() / 255, test.y
    right = torch.stack([evaluate.logits(n, x).argmax(1) == y for n in networks(group).values()])
    chosen: dict[int, int] = {}
    for i in right.all(0).nonzero().flatten().tolist():
        chosen.setdefault(int(y[i]), i)
    if len(chosen) < count:
        raise ValueError(f"{count} classes are asked for, {len(chosen)} have an image")
    index = sorted(chosen.values())[:count]
    return x[index], y[index]


def picture(group: Group, *, count: int, draw: int, resolution: int | None = None) -> Picture:
    """`count` images above their cross-sections for both networks of a pair.

    `draw` seeds the random directions, the same ones for both networks.
    """
    x, y = samples(group, count)
    rows = [
        (MODELS[name], _regions(network, x, y, draw, resolution))
        for name, network in networks(group).items()
    ]
    figure = plot.region_grid(x[:, 0].numpy(), rows, tier_word=group.tier)
    flat = [
        {"model": name, "sample": i, "answer": r.right, "distance": r.distance, "bend": r.title}
        for name, regions in rows
        for i, r in enumerate(regions)
    ]
    return Picture(figure, _alt(rows), flat)


def _regions(
    network: nn.Module, x: Tensor, y: Tensor, draw: int, resolution: int | None
) -> list[plot.Region]:
    generator = torch.Generator().manual_seed(draw)
    through = geometry.plane(network, x, y, steps=questions.DEEPFOOL_STEPS, generator=generator)
    size = {
        "extent": questions.SECTION_EXTENT,
        "resolution": resolution or questions.SECTION_RESOLUTION,
    }
    seen = geometry.cross_section(network, x, y, through, **size)  # type: ignore[arg-type]
    bends = 100 * geometry.bend(seen)
    return [
        plot.Region(
            label.numpy(), margin.numpy(), seen.offsets.numpy(), int(right), float(far),
            f"{float(far):.2f} away,\nbend {float(bend):.2f} %",
        )
        for label, margin, right, far, bend in zip(
            seen.label, seen.margin, y, through.distance, bends, strict=True
        )
    ]  # fmt: skip


def _alt(rows: Sequence[tuple[str, Sequence[plot.Region]]]) -> str:
    parts = [
        f"{name}, a {r.right}: boundary {r.distance:.2f} away, other answers "
        f"{', '.join(str(k) for k in np.unique(r.answers) if k != r.right) or 'none'}"
        for name, regions in rows
        for r in regions
    ]
    return "Decision regions in planes through test images. " + "; ".join(parts) + "."


def seen_rows(groups: Sequence[Group]) -> Table:
    """Of how many images the boundary was found, and of how many its bend could be measured."""
    rows: Table = []
    for model_name, title in MODELS.items():
        records = {heading(g): [p[model_name] for p in g.pairs] for g in groups}
        counts = {
            "images": lambda a: a["distance"].size,
            "right, boundary found": lambda a: int((a["distance"] > 0).sum()),
            "boundary in the plane": lambda a: int(
                ((a["distance"] > 0) & ~np.isnan(a["bend"])).sum()
            ),
        }
        rows += [
            {"what": f"{title}: {what}"} | {c: sum(map(count, of)) for c, of in records.items()}
            for what, count in counts.items()
        ]
    return rows
