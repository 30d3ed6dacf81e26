"""A server that misbehaves when told to, a client of it with a clock that is set by hand, and its experiences."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from gateway.client import ClientSettings, FederationClient
from tests.gateway.client.strangers import Stranger, stranger, weight


class Clock:
    """Unix time that stands still until it is set."""

    def __init__(self) -> None:
        self.now = 1_795_284_000.0  # 2026-11-21, 18:00 UTC

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def server() -> Iterator[Stranger]:
    with stranger() as found:
        found.publish("1.0.0", weight("Read", 0.8), weight("Bash", 0.4))
        yield found


@pytest.fixture
def place() -> Iterator[Path]:
    """A folder in memory where there is one: every write is made to last, and a disk takes its time for that."""
    memory = Path("/dev/shm")
    with tempfile.TemporaryDirectory(dir=memory if os.access(memory, os.W_OK) else None) as found:
        yield Path(found)


@pytest.fixture
def make(place: Path, clock: Clock, server: Stranger) -> Callable[..., FederationClient]:
    """``make(**settings)``: a client of the server; the same folder unless another is named."""

    def made(folder: str = "state", *, on_change: Any = None, server_url: str | None = None, **settings: Any):
        given = {"state_dir": place / folder, "keychain": False, "timeout_s": 5.0, **settings}
        return FederationClient(ClientSettings.of(server_url or server.url, **given), clock=clock, on_change=on_change)

    return made


@pytest.fixture
def client(make: Callable[..., FederationClient]) -> FederationClient:
    """A client that knows a few patterns, with consent, registered."""
    found = make()
    found.give_consent()
    found.learn(experiences())
    found.register()
    return found


def experiences(count: int = 12, *, tool: str = "Read", success: float = 0.9) -> list[dict[str, Any]]:
    """Uses of a tool, of which the first was the quickest."""
    return [
        {"type": "tool", "category": tool, "success": success, "errors": 1 - success, "count": 10,
         "duration_s": 0.05 if place == 0 else 3.0, "resources": 10.0}
        for place in range(count)
    ]  # fmt: skip
