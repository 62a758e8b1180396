"""Where the published code of MNIST-C can be read in two ways: both, beside the print."""

from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

import torch
from torch import Tensor, nn

from privrob import data, evaluate, plot
from privrob.corruptions import blur
from privrob.corruptions.draws import Array, Draws
from privrob.corruptions.table import METHODS
from privrob.exhibits.check import model
from privrob.exhibits.corruptions import base_groups, corruption_seed, published_value, title
from privrob.exhibits.groups import MODELS, Group

TableRow = dict[str, object]
Blur = Callable[[Array, Draws], Array]


def _levels(name: str) -> tuple[Any, ...]:
    method = METHODS[name]
    assert method.default is not None
    return method.levels[method.default - 1]


def _gaussian(x: Array, draws: Draws, axes: blur.Axes) -> Array:
    (sigma,) = _levels("gaussian_blur")
    return blur.gaussian(x, draws, sigma, axes)


def _glass(x: Array, draws: Draws, axes: blur.Axes) -> Array:
    sigma, reach, sweeps = _levels("glass_blur")
    return blur.glass(x, draws, sigma, reach, sweeps, axes)


def _motion(x: Array, draws: Draws, turn: float) -> Array:
    """Motion blur, its direction turned by so many degrees."""
    radius, sigma = _levels("motion_blur")
    return blur.motion_along(x, draws.uniform("angle", (), -45, 45) + turn, radius, sigma)


# What the published code leaves to be read, each as the package has it and the other way.
READINGS: dict[str, dict[str, Blur]] = {
    "gaussian_blur": {
        "vertically (ours)": partial(_gaussian, axes=blur.VERTICAL),
        "both ways": partial(_gaussian, axes=blur.BOTH),
    },
    "glass_blur": {
        "vertically (ours)": partial(_glass, axes=blur.VERTICAL),
        "both ways": partial(_glass, axes=blur.BOTH),
    },
    "motion_blur": {
        "smeared to the left (ours)": partial(_motion, turn=0),
        "smeared to the right": partial(_motion, turn=180),
    },
}


def other_readings(groups: Sequence[Group], *, images: int) -> list[TableRow]:
    """Accuracy of the zoo's base pairs under each reading of a blur, beside the printed ones."""
    pairs = [g for g in base_groups(groups) if g.source == "zoo"]
    test = data.load("mnist_slice").test.first(images)
    pixels = test.x[:, 0].double().numpy() / 255
    rows = []
    for name, readings in READINGS.items():
        draws = Draws(corruption_seed(0), name, first=0, count=images)
        for words, function in readings.items():
            x = torch.from_numpy(function(pixels, draws).clip(0, 1)).float()[:, None]
            row: TableRow = {"corruption": title(name), "blurred": words}
            for k, (m, label) in enumerate(MODELS.items()):
                row[f"{label}\npublished"] = published_value(name, m)
                for g in pairs:
                    row[f"{label}\n{g.reading}"] = _accuracy(model(g.rows[k]), x, test.y)
            rows.append(row)
    return rows


def nearer_readings(rows: Sequence[TableRow]) -> str:
    """Which reading of each blur lies nearer to the print, by both models together."""
    told = []
    for name in dict.fromkeys(str(row["corruption"]) for row in rows):
        mine = [row for row in rows if row["corruption"] == name]
        pairs = [c.rpartition("\n")[2] for c in mine[0] if c.startswith(f"{MODELS['sgd']}\n")][1:]
        for pair in pairs:
            best = min(mine, key=lambda row, pair=pair: _off(row, pair))  # type: ignore[misc]
            told.append(f"{name}, {pair}: {best['blurred']}")
    if not told:
        return "No zoo model is here to compare the readings with."
    return f"Nearer to the printed accuracies of SGD and DP-SGD together: {'; '.join(told)}."


def _off(row: TableRow, pair: str) -> float:
    """By how many points the two models' accuracies miss the printed ones, in sum."""
    values = {c: v.mean for c, v in row.items() if isinstance(v, plot.Value)}
    return sum(abs(values[f"{m}\n{pair}"] - values[f"{m}\npublished"]) for m in MODELS.values())


def _accuracy(network: nn.Module, x: Tensor, y: Tensor) -> plot.Value:
    right = (evaluate.logits(network, x).argmax(1) == y).float().mean()
    return plot.Value(100 * float(right), tier="executed", source="zoo", digits=1)
