"""A door on a real port, in a thread of its own."""

from __future__ import annotations

import asyncio
import contextlib
import shutil
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import uvicorn

from actors.storage import ReleaseStore, Storage
from gateway.federation.app import Door
from gateway.federation.settings import DoorSettings
from gateway.federation.transport import Tls, listener, uvicorn_settings
from telemetry import Telemetry, TelemetryConfig, semconv
from tests.gateway.federation.stand import OPERATOR, SECRET, SERVER, hashed, prepared


class _Server(uvicorn.Server):
    def __init__(self, config: uvicorn.Config, ready: threading.Event) -> None:
        super().__init__(config)
        self._ready = ready

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        yield

    async def startup(self, sockets: Any = None) -> None:
        await super().startup(sockets=sockets)
        self._ready.set()


@dataclass(frozen=True, kw_only=True)
class Served:
    """What is served, and where.

    Attributes:
        port: that it listens on.
        storage: behind it.
        door: the application; it belongs to the other thread.
    """

    port: int
    storage: Storage
    door: Door


@contextlib.contextmanager
def serving(folder: Path, *, tls: Tls | None = None, **settings: Any) -> Iterator[Served]:
    """A door as `stand.opened` has it, but with the real time, and reachable."""
    shutil.copytree(prepared(), folder, dirs_exist_ok=True)
    url, files = f"sqlite:///{folder}/federation.db", ReleaseStore(f"file://{folder}/releases")
    given: dict[str, Any] = {
        "storage": url,
        "releases": "",
        "secret": SECRET,
        "public_key": SERVER.public,
        "operator_token": hashed(OPERATOR),
        **settings,
    }
    telemetry = Telemetry.start(TelemetryConfig(prometheus=True), actor_kind=semconv.ActorKind.GATEWAY, instance="test")
    with Storage.open(url) as storage, listener("127.0.0.1", 0, shared=False) as bound:
        now = time.time()
        storage.facts.put("window", {"number": 7, "opened_at": now, "closes_at": now + 7_200})
        door = Door(DoorSettings(**given), storage, files, telemetry=telemetry)
        ready = threading.Event()
        server = _Server(uvicorn.Config(door, **uvicorn_settings(tls, "")), ready)
        thread = threading.Thread(target=lambda: asyncio.run(server.serve(sockets=[bound])), daemon=True)
        thread.start()
        assert ready.wait(30)
        try:
            yield Served(port=bound.getsockname()[1], storage=storage, door=door)
        finally:
            server.should_exit = True
            thread.join(30)
            assert not thread.is_alive()
    telemetry.stop()
