"""Fixtures for all tests, and the tests that this machine cannot run, skipped by name."""

import os
from collections.abc import Callable
from copy import deepcopy
from pathlib import Path
from typing import NamedTuple

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from privrob import models


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    root = os.environ.get("PRIVROB_DATA")
    missing = {
        "gpu": None if torch.cuda.is_available() else "needs CUDA",
        "mnist": None
        if root and Path(root, "mnist.npz").is_file()
        else "needs $PRIVROB_DATA/mnist.npz",
    }
    for item in items:
        for name, reason in missing.items():
            if reason and item.get_closest_marker(name):
                item.add_marker(pytest.mark.skip(reason=reason))


def pytest_configure() -> None:
    # The tests' tensors are small: more threads cost time, most of all beside other work.
    torch.set_num_threads(1)


@pytest.fixture(autouse=True)
def _seed() -> None:
    torch.manual_seed(0)


class Tiny(NamedTuple):
    """A trained classifier of four classes, and 64 of its test images (64, channels, 12, 12)."""

    model: nn.Module
    x: Tensor
    y: Tensor

    def to(self, dtype: torch.dtype) -> "Tiny":
        return Tiny(self.model.to(dtype), self.x.to(dtype), self.y)


def _patterns(size: int, generator: torch.Generator, channels: int) -> tuple[Tensor, Tensor]:
    """Noisy images in [0, 1], each of one of four coarse patterns."""
    coarse = torch.rand(4, channels, 4, 4, generator=torch.Generator().manual_seed(7))
    y = torch.randint(4, (size,), generator=generator)
    x = F.interpolate(coarse, 12)[y] * 0.5 + 0.25
    return (x + 0.3 * torch.randn(x.shape, generator=generator)).clamp(0, 1), y


def _grey() -> nn.Module:
    return nn.Sequential(
        nn.Conv2d(1, 6, 3), nn.ReLU(), nn.MaxPool2d(2), nn.Conv2d(6, 8, 3), nn.ReLU(),
        nn.Flatten(), nn.Linear(72, 4),
    )  # fmt: skip


def _colour() -> nn.Module:
    """As CIFAR-10's network: channels normalised in front, windows of the maximum that overlap."""
    return nn.Sequential(
        models.NormalizeChannels((0.49, 0.48, 0.45), (0.2, 0.3, 0.4)),
        models.ChannelsLast(),
        nn.Conv2d(3, 6, 3), nn.ReLU(), nn.MaxPool2d(3, 2), nn.Conv2d(6, 8, 3), nn.ReLU(),
        nn.Flatten(), nn.Linear(32, 4),
    )  # fmt: skip


def _train(build: Callable[[], nn.Module], channels: int) -> Tiny:
    torch.manual_seed(0)  # a session's fixture comes before a test's `_seed`
    generator = torch.Generator().manual_seed(1)
    model = build()
    optimizer = torch.optim.Adam(model.parameters(), lr=0.01)
    for _ in range(40):
        x, y = _patterns(64, generator, channels)
        optimizer.zero_grad()
        F.cross_entropy(model(x), y).backward()
        optimizer.step()
    optimizer.zero_grad()
    return Tiny(model, *_patterns(64, generator, channels))


@pytest.fixture(scope="session")
def _trained() -> dict[str, Tiny]:
    return {"grey": _train(_grey, 1), "colour": _train(_colour, 3)}


def _copy(kept: Tiny) -> Tiny:
    return Tiny(deepcopy(kept.model), kept.x.clone(), kept.y.clone())


@pytest.fixture
def tiny(_trained: dict[str, Tiny]) -> Tiny:
    """A copy for each test, which may alter it: grey images, float32, in training mode."""
    return _copy(_trained["grey"])


@pytest.fixture(params=["grey", "colour"])
def either(request: pytest.FixtureRequest, _trained: dict[str, Tiny]) -> Tiny:
    """As `tiny`, once with grey images and once with three channels, normalised in front."""
    return _copy(_trained[request.param])
