"""Tests of the data sets: away from the user's own data, cache and network."""

import os
import socket
from pathlib import Path
from typing import Any

import pytest


@pytest.fixture(autouse=True)
def alone(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """An empty cache, no PRIVROB_DATA, no connection to anywhere."""

    def refuse(*args: Any) -> None:
        raise AssertionError(f"a test of the data sets wants the network: {args[1:]}")

    monkeypatch.delenv("PRIVROB_DATA", raising=False)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.setattr(socket.socket, "connect", refuse)


@pytest.fixture(scope="session")
def real() -> Path:
    """The folder with the real data, for tests marked `mnist`, which are skipped without it."""
    return Path(os.environ["PRIVROB_DATA"])
