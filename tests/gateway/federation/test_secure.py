"""Secret sums from end to end: installations with the SDK over real HTTP, the clerk with his sorter, and real rounds.

Ray alone is missing: actors are those of the stage.
"""

from __future__ import annotations

import asyncio
import contextlib
import sqlite3
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import uvicorn

from actors.config import FederationConfig, SwarmConfig
from actors.secure import SecureConfig
from actors.storage import ReleaseStore, Storage
from federation.identity import Secret
from federation.rules import Median
from gateway.client import ClientSettings, FederationClient
from gateway.client.errors import RefusedError
from gateway.client.participation import Participated, ParticipationSettings
from gateway.federation.app import Door
from gateway.federation.clerk import Clerk
from gateway.federation.clerk_state import ClerkSettings
from gateway.federation.publishing import federation_key
from gateway.federation.settings import DoorSettings
from gateway.federation.sorting import Sorter
from gateway.federation.transport import listener, uvicorn_settings
from telemetry import Telemetry, TelemetryConfig, semconv
from tests.actors.conftest import Stage
from tests.gateway.federation.served import _Server
from workloads.patterns import STANDARD, GroupedPatternsWorkload, PatternsWorkload, weights_of

SECRET = Secret(bytes(range(32)))
KEY = federation_key(SECRET)
TINY = SecureConfig(size=7, liars=1, dropped=1, stage_s=20.0)
ASKED = ParticipationSettings(members=7, rows=5, patience_s=120.0)
RATES = {"Edit": 0.7, "Grep": 0.95, "Read": 0.9}


class Swarm:
    """The handle of a swarm on the stage."""

    def __init__(self, play: Stage) -> None:
        self._play = play

    def __getattr__(self, name: str) -> Callable[..., Any]:
        async def asked(*given: Any, **named: Any) -> Any:
            return await getattr(self._play.coordinator, name).remote(*given, **named)

        return asked


class Federation:
    """A federation that sees no single update, with its installations."""

    def __init__(self, folder: Path, *, secure: SecureConfig = TINY, least: int = 7, count: int = 15) -> None:
        self.folder, self.url = folder, f"sqlite:///{folder}/federation.db"
        workload = PatternsWorkload(inner=Median())
        self.play = Stage(
            SwarmConfig(
                workload=GroupedPatternsWorkload.of(workload),
                federation=FederationConfig(storage=self.url, secure=secure),
                state_dir=folder / "state",
                deadline_s=20.0,
                linger_s=0.5,
            )
        )
        self.storage = Storage.open(self.url)
        self.files = ReleaseStore(f"file://{folder}/releases")
        self.secure, self.count = secure, count
        self.telemetry = Telemetry.start(
            TelemetryConfig(prometheus=True), actor_kind=semconv.ActorKind.CLERK, instance="test"
        )
        self.ahead = 0.0
        self.clerk = self.hired(least)
        self.door: Door | None = None
        self.clients: list[FederationClient] = []
        self.pool = ThreadPoolExecutor(count)

    def hired(self, least: int = 7) -> Clerk:
        """Another clerk, with another sorter."""
        sorter = Sorter(
            self.storage,
            self.secure,
            run=self.play.config.run,
            keys=len(STANDARD.keys),
            telemetry=self.telemetry,
            clock=self.now,
            pulse_s=0.02,
        )
        return Clerk(
            Swarm(self.play),  # type: ignore[arg-type]
            self.storage,
            self.files,
            KEY,
            space=STANDARD,
            settings=ClerkSettings(interval_s=3600.0, min_participants=least),
            sorter=sorter,
            telemetry=self.telemetry,
            clock=self.now,
        )

    def now(self) -> float:
        return time.time() + self.ahead

    @contextlib.contextmanager
    def serving(self) -> Iterator[None]:
        """Have the door listen on a port, in a thread of its own; with installations that have the first release."""
        settings = DoorSettings(storage=self.url, releases="", secret=SECRET, public_key=KEY.public, secure=self.secure)
        storage = Storage.open(self.url)
        with storage, listener("127.0.0.1", 0, shared=False) as bound:
            self.door = Door(settings, storage, self.files, telemetry=self.telemetry)
            ready = threading.Event()
            server = _Server(uvicorn.Config(self.door, **uvicorn_settings(None, "")), ready)
            thread = threading.Thread(target=lambda: asyncio.run(server.serve(sockets=[bound])), daemon=True)
            thread.start()
            assert ready.wait(30)
            self.clients = [
                FederationClient(
                    ClientSettings.of(
                        f"http://127.0.0.1:{bound.getsockname()[1]}",
                        state_dir=self.folder / f"installation-{number}",
                        keychain=False,
                    ),
                )
                for number in range(self.count)
            ]
            try:
                yield
            finally:
                self.pool.shutdown(cancel_futures=True)
                server.should_exit = True
                thread.join(30)
                assert not thread.is_alive()

    def begun(self, number: int) -> None:
        """Have an installation agree, register, get the release that is there, and learn."""
        client = self.clients[number]
        client.give_consent()
        client.register()
        client.pull()
        client.hot_swap()
        client.learn(experiences(shift=0.002 * number))

    def join(self, numbers: Any = None) -> list[Future[Participated]]:
        """Have installations take part, each in a thread."""
        chosen = range(self.count) if numbers is None else numbers
        return [self.pool.submit(self.clients[number].participate, ASKED) for number in chosen]

    async def joined(self, count: int) -> None:
        """Wait until so many are on the roster."""
        for _ in range(600):
            if self.storage.mail.count_joined() >= count:
                return
            await asyncio.sleep(0.05)
        raise AssertionError(self.storage.mail.count_joined())

    async def closed(self) -> list[str]:
        """Put the time ahead to the window's end; what the clerk then does."""
        self.ahead += 3600.0
        done: list[str] = []
        for _ in range(30):
            step = type(await self.clerk.turn()).__name__
            if step == "Wait":
                return done
            done.append(step)
        raise AssertionError(done)

    def known(self) -> dict[str, float]:
        """The success rates of the newest release."""
        record = self.storage.releases.get(self.storage.releases.list(1)[0].version)
        assert record is not None
        weights = weights_of(PatternsWorkload().unpack(record.row), STANDARD)
        return {one.category: one.tool_success_rate or 0.0 for one in weights.values()}

    def written(self) -> bytes:
        """Every byte that the database's files hold."""
        found = sqlite3.connect(self.folder / "federation.db")
        found.close()
        return b"".join(path.read_bytes() for path in sorted(self.folder.glob("federation.db*")))


def experiences(*, shift: float) -> list[dict[str, Any]]:
    """Uses of three tools, 120 calls each, the first of which was the quickest."""
    return [
        {
            "type": "tool",
            "category": tool,
            "success": round(rate - shift, 4),
            "errors": round(1 - rate + shift, 4),
            "count": 10,
            "duration_s": 0.05 if place == 0 else 3.0,
            "resources": 10.0,
        }
        for tool, rate in RATES.items()
        for place in range(12)
    ]


async def test_a_release_from_sums_that_nobody_saw_into(tmp_path: Path) -> None:
    federation = Federation(tmp_path)
    await federation.clerk.start()
    with federation.serving():
        await asyncio.gather(*(asyncio.to_thread(federation.begun, number) for number in range(15)))
        with pytest.raises(RefusedError) as refused:
            await asyncio.to_thread(federation.clients[0].push)
        assert refused.value.fields["reason"] == "SECURE_ONLY"
        parts = federation.join()
        await federation.joined(15)
        assert (await federation.closed())[1:4] == ["Seal", "RunRound", "Publish"]
        found = [await asyncio.wrap_future(part) for part in parts]
    assert [one.status for one in found] == ["done"] * 15
    assert all(one.drawn and one.members in (7, 8) and one.round == 1 for one in found)
    record = federation.storage.releases.list(1)[0]
    assert (record.version, record.participants) == ("1.0.1", 15)
    assert record.facts["secure"] == {"buckets": 2, "members": 15, "failed": 0, "window": 1}
    assert federation.known() == pytest.approx({tool: rate - 0.014 for tool, rate in RATES.items()}, abs=0.005)
    assert not np.isnan(list(federation.known().values())).any()
