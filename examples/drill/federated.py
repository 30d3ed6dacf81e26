"""A federation as a drill needs it: doors on Ray, REST and the clerk in this process, and clients that come in over it.

All parts are the real ones. Time is real, and put ahead by hours where a federation would wait for them.
"""

from __future__ import annotations

import asyncio
import contextlib
import hashlib
import socket
import time
from collections.abc import AsyncIterator, Callable, Coroutine, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import uvicorn

from actors import Swarm, SwarmConfig
from actors.config import FederationConfig
from actors.privacy import PrivacyConfig
from actors.secure import SecureConfig
from actors.storage import ReleaseStore, Storage
from federation.identity import Secret, SigningKey
from federation.rollout import Rollout, Stage
from gateway.client import ClientSettings, FederationClient
from gateway.federation.app import Door
from gateway.federation.clerk import Clerk
from gateway.federation.office import Office
from gateway.federation.publishing import federation_key
from gateway.federation.schedule import ClerkSettings
from gateway.federation.scrape import Snapshots, leaving
from gateway.federation.settings import DoorSettings
from gateway.federation.sorting import Sorter
from gateway.metrics import Gathering
from telemetry import Telemetry, TelemetryConfig
from telemetry.semconv import ActorKind
from workloads.patterns import STANDARD, GroupedPatternsWorkload, PatternsWorkload

REGIONS = ("eu", "us")
CLIENTS = 12
"""Two more than a round needs."""
INTERVAL_S = 3600.0
STAGE_S = 600.0
STAGES = (
    # Nearly everybody is served the candidate at once, so that a dozen clients are enough to judge it.
    Stage(name="canary", share=0.99, lasts_s=STAGE_S),
    Stage(name="staged", share=0.995, lasts_s=STAGE_S, approval=True),
    Stage(name="full", share=1.0, lasts_s=0.0),
)
PATIENCE_S = 60.0
LEAVING_S = 0.5
"""Between two times that the clerk leaves its metrics for whoever is scraped."""

CLERK = "federation-clerk"
OPERATOR = "the-drills-operator"


@dataclass
class Ahead:
    """The time, put ahead now and then."""

    seconds: float = 0.0

    def __call__(self) -> float:
        return time.time() + self.seconds


@dataclass(frozen=True, kw_only=True)
class Federated:
    """A federation that runs.

    Attributes:
        swarm: whose hosts are doors.
        door: the REST application, served at ``url``.
        clerk: at work until the end.
        office: an operator's.
        clients: registered ones.
        clock: of the door, the clerk and the clients.
        releases: folder of the files of releases.
        dwell_s: how long to look around after each time that passes.
    """

    swarm: Swarm
    storage: Storage
    door: Door
    clerk: Clerk
    office: Office
    url: str
    clock: Ahead
    folder: Path
    releases: Path
    telemetry: Telemetry
    dwell_s: float
    clients: list[FederationClient] = field(default_factory=list[FederationClient])

    def client(self, name: str, **settings: Any) -> FederationClient:
        """A client with a folder of its own."""
        region = REGIONS[len(self.clients) % len(REGIONS)]
        given: dict[str, Any] = {"state_dir": self.folder / name, "keychain": False, "region": region, **settings}
        return FederationClient(ClientSettings.of(self.url, **given), clock=self.clock, telemetry=self.telemetry)

    def rollout(self) -> Rollout:
        """The rollout as it stands; there is one once the clerk has started."""
        found = self.storage.rollouts.get()
        assert found is not None
        return found

    async def all(self, work: Callable[[FederationClient], Any]) -> list[Any]:
        """What each client gives, one after the other: they are of different machines, and share this one."""
        return [await asyncio.to_thread(work, client) for client in self.clients]

    async def passes(self, seconds: float) -> None:
        """Put the time ahead, and have the door look at what came of it."""
        self.clock.seconds += seconds
        await asyncio.sleep(self.dwell_s)
        await self.looked()

    async def looked(self) -> None:
        """Have the door look at the federation now, and not within a second."""
        await self.door.parts.viewer.refresh()

    async def until(self, holds: Callable[[], bool], what: str) -> None:
        """Wait for the clerk.

        Raises:
            TimeoutError: when it takes longer than `PATIENCE_S`.
        """
        begun = time.monotonic()
        while not await asyncio.to_thread(holds):
            if time.monotonic() - begun > PATIENCE_S:
                raise TimeoutError(f"the federation has not {what} in {PATIENCE_S:g} s: {self.clerk.state}")
            await asyncio.sleep(0.05)
        await self.looked()

    async def carried_out(self, what: str, **body: Any) -> None:
        """Have the clerk carry an operator's wish out."""
        await asyncio.to_thread(lambda: self.office.carry_out(what, wait_s=PATIENCE_S, **body))
        await self.looked()


def federated_config(
    folder: Path, telemetry: TelemetryConfig, *, streaming: bool = False, secure: bool = False
) -> SwarmConfig:
    """The swarm of a federation in a folder: with private rounds, with groups summed as they come in, or in secret."""
    workload = PatternsWorkload(space=STANDARD)
    return SwarmConfig(
        workload=GroupedPatternsWorkload.of(workload) if streaming or secure else workload,
        federation=FederationConfig(
            storage=f"sqlite:///{folder}/federation.sqlite",
            regions=REGIONS,
            streaming=streaming,
            groups=4,
            fold_every_s=0.2,
            secure=SecureConfig(size=CLIENTS // len(REGIONS), liars=1, dropped=1) if secure else None,
        ),
        privacy=None if streaming or secure else PrivacyConfig(epsilon_round=4.0, epsilon_period=16.0, radius=2.0),
        run="drill-federated",
        linger_s=0.2,
        state_dir=folder / "state",
        telemetry=telemetry,
    )


@contextlib.asynccontextmanager
async def federated(
    swarm: Swarm, config: SwarmConfig, folder: Path, *, scrapes: Path | None = None, dwell_s: float = 0.2
) -> AsyncIterator[Federated]:
    """REST and the clerk of a federation whose doors run already.

    Args:
        swarm: that runs with the config.
        config: of `federated_config`.
        folder: for the clients and the releases.
        scrapes: where processes leave their metrics; None for nowhere.
        dwell_s: how long the course stays where it is, for those who scrape.
    """
    assert config.federation is not None
    clock, releases = Ahead(), folder / "releases"
    secret, space = Secret(hashlib.sha256(b"drill").digest()), config.workload.space
    key = federation_key(secret)
    files = ReleaseStore(f"file://{releases}")
    started = [
        Telemetry.start(config.telemetry, actor_kind=kind, instance=instance)
        for kind, instance in (
            (ActorKind.GATEWAY, "federation-0"),
            (ActorKind.CLERK, CLERK),
            (ActorKind.CLIENT, "plugin"),
        )
    ]
    ours, clerks, theirs = started
    with Storage.open(config.federation.storage) as storage:
        clerk = Clerk(
            swarm,
            storage,
            files,
            key,
            space=space,
            regions=REGIONS,
            settings=ClerkSettings(
                interval_s=INTERVAL_S, stages=STAGES, pulse_s=0.05, write_again_s=(0.05,), tidy_s=INTERVAL_S
            ),
            sorter=None
            if config.federation.secure is None
            else Sorter(
                storage,
                config.federation.secure,
                run=config.run,
                keys=len(space.keys),
                regions=REGIONS,
                telemetry=clerks,
                clock=clock,
                pulse_s=0.05,
            ),
            telemetry=clerks,
            clock=clock,
        )
        await clerk.start()
        door = Door(_settings(config, key, releases, secret, scrapes), storage, files, telemetry=ours, clock=clock)
        beside: list[Coroutine[Any, Any, None]] = []
        if scrapes is not None:
            actors = Gathering(swarm, clerks).of_actors
            beside.append(leaving(Snapshots(scrapes), CLERK, clerks, others=actors, every_s=LEAVING_S))
        async with _served(door) as url, _at_work(clerk.run(), *beside):
            yield Federated(
                swarm=swarm,
                storage=storage,
                door=door,
                clerk=clerk,
                office=Office(url, OPERATOR),
                url=url,
                clock=clock,
                folder=folder / "clients",
                releases=releases,
                telemetry=theirs,
                dwell_s=dwell_s,
            )
        for telemetry in started:
            await asyncio.to_thread(telemetry.stop, 5.0)


def _settings(
    config: SwarmConfig, key: SigningKey, releases: Path, secret: Secret, scrapes: Path | None
) -> DoorSettings:
    assert config.federation is not None
    return DoorSettings(
        storage=config.federation.storage,
        releases=f"file://{releases}",
        secret=secret,
        public_key=key.public,
        regions=REGIONS,
        space=config.workload.space,
        secure=config.federation.secure,
        operator_token=hashlib.sha256(OPERATOR.encode()).digest(),
        scrapes=scrapes,
        telemetry=config.telemetry,
    )


@contextlib.asynccontextmanager
async def _served(door: Door) -> AsyncIterator[str]:
    with socket.create_server(("127.0.0.1", 0)) as listening:
        server = uvicorn.Server(uvicorn.Config(door, log_level="warning", access_log=False))
        task = asyncio.create_task(server.serve(sockets=[listening]))
        try:
            while not server.started:
                if task.done():
                    task.result()
                await asyncio.sleep(0.02)
            yield f"http://127.0.0.1:{listening.getsockname()[1]}"
        finally:
            server.should_exit = True
            await task


@contextlib.asynccontextmanager
async def _at_work(*works: Coroutine[Any, Any, None]) -> AsyncIterator[None]:
    tasks = [asyncio.create_task(work) for work in works]
    try:
        yield
    finally:
        for task in tasks:
            task.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await task


def experiences(place: int, *, failed: float = 0.1) -> Sequence[dict[str, Any]]:
    """Uses of tools by an installation, of which the first was the quickest and a share failed."""
    return [
        {
            "type": "tool",
            "category": tool,
            "success": 1 - failed,
            "errors": failed,
            "count": 10,
            "duration_s": 0.05 if turn == 0 else 2.0 + 0.1 * place,
            "resources": 10.0,
        }
        for tool in ("Read", "Edit", "Bash")
        for turn in range(12)
    ]
