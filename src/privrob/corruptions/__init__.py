"""The 31 corruptions of MNIST-C (Mu and Gilmer 2019) as pure functions of (images, name, seed).

Our own code after the published benchmark: its methods, its parameters and its default severities,
but seeded and over whole batches. The originals drew their noise unseeded, so agreement with them
is statistical where a corruption is random. `table` has every parameter.

`frost` and `pessimal_noise` rest on files of the benchmark, looked for in `$PRIVROB_DATA/mnist_c`
(frost1.png, frost2.png, frost3.png, frost4.jpg, frost5.jpg; pessimal_noise_matrix.npz with the
array `matrix`). Without them a generated stand-in is used, and `stand_in` says so.
"""

from difflib import get_close_matches

import numpy as np
import torch
from torch import Tensor

from privrob import evaluate
from privrob.corruptions import assets
from privrob.corruptions.draws import Draws
from privrob.corruptions.table import METHODS, Method

__all__ = ["CORRUPTIONS", "SEVERITIES", "corrupt", "default_severity", "stand_in"]

CORRUPTIONS = tuple(METHODS)
SEVERITIES = (1, 2, 3, 4, 5)
_CHUNK = 250  # images at once: the fog of one needs a map of 256x256, so this is 130 MB a copy


def corrupt(
    x: Tensor, name: str, *, seed: int, severity: int | None = None, offset: int = 0
) -> Tensor:
    """The images x (N, 1, 28, 28), corrupted: in [0, 1], of the same shape, dtype and device.

    uint8 is read as value / 255 and comes back as float32. `severity` is 1 to 5, None the
    benchmark's default. What is random about image i depends on (seed, name, offset + i) alone,
    so batches may be cut anywhere if each says where it begins.

    Raises ValueError for an unknown name, a severity that the corruption does not have, a negative
    seed or offset, and images of another shape, type or range.
    """
    method = _method(name)
    parameters = _parameters(name, method, severity)
    _check_count("seed", seed)
    _check_count("offset", offset)
    _check_images(x)
    floats = x.float().div(255) if x.dtype == torch.uint8 else x.detach()
    pixels = floats[:, 0].cpu().double().numpy()
    out = np.empty_like(pixels)
    for start in range(0, len(pixels), _CHUNK):
        part = pixels[start : start + _CHUNK]
        draws = Draws(seed, name, first=offset + start, count=len(part))
        out[start : start + _CHUNK] = method.apply(part, draws, *parameters)
    return torch.from_numpy(out.clip(0, 1))[:, None].to(floats)


def default_severity(name: str) -> int | None:
    """The severity that None stands for; None for a corruption that has no severities."""
    return _method(name).default


def stand_in(name: str) -> bool:
    """True where this machine lacks the benchmark's files for `name` and a stand-in is used."""
    _method(name)
    return assets.stand_in(name)


def _method(name: str) -> Method:
    if not isinstance(name, str) or name not in METHODS:
        near = get_close_matches(str(name), CORRUPTIONS, n=1, cutoff=0.4)
        hint = f"did you mean {near[0]!r}? " if near else ""
        raise ValueError(f"unknown corruption {name!r}; {hint}known: {', '.join(CORRUPTIONS)}")
    return METHODS[name]


def _parameters(name: str, method: Method, severity: int | None) -> tuple[float, ...]:
    if severity is None:
        severity = method.default
    elif method.default is None:
        raise ValueError(f"{name} has no severities, got severity {severity!r}")
    if severity is None:
        return ()
    if type(severity) is not int or severity not in SEVERITIES:  # True == 1, and 2.0 == 2
        raise ValueError(f"severity must be one of 1 to 5, got {severity!r}")
    return method.levels[severity - 1]


def _check_count(word: str, value: int) -> None:
    if isinstance(value, bool) or not isinstance(value, int) or value < 0:
        raise ValueError(f"{word} must be an integer of at least 0, got {value!r}")


def _check_images(x: Tensor) -> None:
    evaluate.check_images(x)
    if x.shape[1:] != (1, 28, 28):
        raise ValueError(f"images must be (N, 1, 28, 28), got shape {tuple(x.shape)}")
