"""The door: brings clients outside of Ray into the swarm's rounds. To the coordinator it is a host whose agents change.

Clients' own signatures are checked where they come in. Inside the operator's trust domain the door signs each client's
row with a key of that client's, derived from the swarm's secret, as a host does for its agents.

A door keeps nothing on disk. What it has taken for a round stands in the storage before anybody hears of it, so the
same terms are answered with the same bytes after a restart, on another node too; there is no journal that could be
lost, and no round that has to be sat out for one. When the release of the round is in force, what has counted is
erased.
"""

from __future__ import annotations

import asyncio
import os
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from typing import Any, TypeVar

import numpy as np
from numpy.typing import NDArray

from actors.arrivals import Arrivals, ClientRows
from actors.config import COORDINATOR, SwarmConfig
from actors.faults import LOST
from actors.group_arrivals import GroupRows
from actors.host import AbstainingError
from actors.in_force import InForce
from actors.messages import Presence
from actors.secure_arrivals import BucketRows
from actors.signing import Signatory
from actors.storage import StorageFailedError, StorageUnavailableError
from federation.errors import SwarmError
from federation.identity import Secret
from federation.release import Release
from federation.terms import Terms
from federation.update import CommitBatch, UpdateBatch
from federation.workload import Row
from telemetry import Telemetry, semconv

T = TypeVar("T")

STORED = {semconv.ATTR_STORAGE_PART: semconv.StoragePart.SUBMISSIONS.value}
"""What a door reads of the storage."""


class OutsideError(SwarmError):
    """A request for what only an agent that lives in the swarm can do."""

    code = "door.outside"

    def __init__(self, *, agent: str, asked: str) -> None:
        super().__init__(
            f"{agent!r} is a client of a federation: it lives outside of the swarm, which cannot {asked} for it. It "
            "learns where it is, and submits what has changed.",
            agent=agent,
            asked=asked,
        )


class Door:
    """The clients of one region.

    Args:
        name: of the actor.
        region: whose clients.
        config: of the swarm, with a federation.
        secret: that the clients' signing keys inside the swarm derive from.
        find: from a name to an actor handle.
        telemetry: of this process; made from the config when not given.
        arrivals: what has come in; from the storage of the federation when not given.
        clock: unix seconds.
    """

    def __init__(
        self,
        name: str,
        region: str,
        config: SwarmConfig,
        secret: Secret,
        find: Callable[[str], Any],
        telemetry: Telemetry | None = None,
        arrivals: Arrivals | None = None,
        clock: Callable[[], float] = time.time,
    ) -> None:
        assert config.federation is not None
        self.name, self.region, self.config = name, region, config
        self._telemetry = telemetry or Telemetry.start(
            config.telemetry, actor_kind=semconv.ActorKind.DOOR, instance=name
        )
        self._labels = {semconv.ATTR_REGION: region}
        for outcome in (semconv.Outcome.SUCCESS, semconv.Outcome.REFUSED):
            self._telemetry.count(
                semconv.METRIC_SUBMISSIONS_GATHERED, 0, {**self._labels, semconv.ATTR_OUTCOME: outcome}
            )
        self._telemetry.count(semconv.METRIC_STORAGE_FAILURES, 0, STORED)
        self._workload = config.workload
        self._secret, self._find = secret, find
        self._arrivals = arrivals or _arrivals_of(region, config, secret, clock, self._telemetry)
        self._folding: asyncio.Task[None] | None = None
        self._single = ThreadPoolExecutor(1, thread_name_prefix="door")
        self._working = asyncio.Lock()
        self._force = InForce(name, config.workload)
        self._signatory: Signatory | None = None
        self._batches: dict[tuple[int, bytes], UpdateBatch] = {}
        self._rounds = 0

    async def present(self, round_number: int) -> Presence:
        """Take what has come in for a round that is about to be opened. Whose it is, and by what keys it is signed.

        Raises:
            SwarmError: when the storage or the coordinator cannot be reached.
        """
        async with self._working:
            try:
                await self._settle()
                taken = await self._in_thread(self._arrivals.take, round_number)
            except SwarmError as error:
                self._failed(error)
                raise
            public = await self._in_thread(lambda: self._signing(taken.agents).public)
            self._count(semconv.Outcome.REFUSED, taken.left_out)
            return Presence(keys=public, clients=taken.clients)

    async def enrol(self) -> dict[str, bytes]:
        """Nobody: clients are enrolled when a round opens, by `present`."""
        return {}

    async def idle(self) -> tuple[str, ...]:
        """Nobody: who is present has something to tell."""
        return ()

    async def learn(self, terms: Terms, traceparent: str = "") -> tuple[int, list[UpdateBatch]]:
        """How many clients are in it, and their updates: the first for who waits, the second for who sums.

        Raises:
            MissingBaseError: when the base is not the release that this door has.
            AbstainingError: when it has taken nothing for this round, or no longer what it had taken.
        """
        batch = await self._brought(terms, traceparent)
        return len(batch), [batch]

    async def commit(self, terms: Terms, traceparent: str = "") -> CommitBatch:
        """Signed commitments to what `learn` will show."""
        batch = await self._brought(terms, traceparent)
        return await self._in_thread(lambda: self._signing(batch.agents).commit(terms, batch))

    async def apply(self, release: Release, artefact: bytes, public: bytes, traceparent: str = "") -> int:
        """Take a release into force, and erase what has counted in it. Returns its version.

        Raises:
            ReleaseError: when it does not verify; the last good one stays in force.
            SwarmError: when the storage or the coordinator cannot be reached. The release is in force all the same;
                given again, or at the latest before the next round takes anything, what has counted is erased.
        """
        told = {
            semconv.ATTR_ROUND: release.round,
            semconv.ATTR_WORKLOAD: release.kind,
            semconv.ATTR_RELEASE_VERSION: release.version,
        }
        with self._telemetry.span(semconv.SPAN_APPLY, parent=traceparent or None, attributes=told):
            version = self._force.take(release, artefact, public)
            if isinstance(self._arrivals, GroupRows) and self._folding is None:
                self._folding = asyncio.create_task(self._keep_folding(self._arrivals))
            if version != release.version:
                return version
            await self._in_thread(self._arrivals.adopt, version, self._force.value)
            async with self._working:
                try:
                    await self._settle(release.round)
                except SwarmError as error:
                    self._failed(error)
                    raise
            if isinstance(self._arrivals, BucketRows):
                self._forget(await self._in_thread(self._arrivals.outdated))
        return version

    async def predict(self, agent: str, states: NDArray[np.float32]) -> NDArray[np.intp]:
        """Actions for ``(m, features)`` states by the last release, which is the same for every client."""
        del agent
        return self._workload.predict(self._force.value, np.asarray(states, dtype=np.float32))

    async def observe(self, agent: str, experiences: Sequence[object]) -> int:
        """Nothing.

        Raises:
            OutsideError: always.
        """
        del experiences
        raise OutsideError(agent=agent, asked="remember experiences")

    async def manage(self, agent: str, reading: object) -> dict[str, Any]:
        """Nothing.

        Raises:
            OutsideError: always.
        """
        del reading
        raise OutsideError(agent=agent, asked="manage a system")

    async def histogram(self) -> tuple[tuple[str, ...], NDArray[np.float64]]:
        """Nobody: what clients met stays with them."""
        return (), np.zeros((0, 1))

    async def status(self) -> dict[str, Any]:
        """What this door is and has, as plain data."""
        return {
            "name": self.name,
            "process": os.getpid(),
            "agents": 0 if self._signatory is None else len(self._signatory.agents),
            "idle": [],
            "release": self._force.version,
            "rounds": self._rounds,
            "journal": False,
            "first_round": 0,
            "learning": self._working.locked(),
            "mape": {},
            "telemetry_dropped": dict(self._telemetry.dropped),
            **self._arrivals.summary(),
        }

    async def agents(self) -> tuple[str, ...]:
        """The clients of the round that was opened last."""
        return () if self._signatory is None else self._signatory.agents

    async def node(self) -> str:
        """Id of the Ray node that this door is on."""
        import ray

        return ray.get_runtime_context().get_node_id()

    async def metrics(self) -> bytes:
        """This process's metrics as they are now, for `telemetry.prometheus`."""
        return await asyncio.to_thread(self._telemetry.metrics)

    async def drain(self) -> bool:
        """Send what telemetry is still waiting."""
        return await asyncio.to_thread(self._telemetry.drain, 2.0)

    async def _brought(self, terms: Terms, traceparent: str) -> UpdateBatch:
        async with self._working:
            key = (terms.round, terms.base)
            if key not in self._batches:
                base = self._force.base(terms)
                if await self._in_thread(self._arrivals.taken) != terms.round:
                    raise AbstainingError(host=self.name, round=terms.round, first=terms.round + 1)
                try:
                    batch = await self._in_thread(self._gather, terms, base, traceparent)
                except SwarmError as error:
                    self._failed(error)
                    raise
                self._batches = {key: batch}
                self._rounds += 1
            return self._batches[key]

    def _gather(self, terms: Terms, base: Row, traceparent: str) -> UpdateBatch:
        told = {
            semconv.ATTR_ROUND: terms.round,
            semconv.ATTR_WORKLOAD: terms.kind,
            semconv.ATTR_HOST_ID: self.name,
            **self._labels,
        }
        with self._telemetry.phase(semconv.Phase.LEARN, attributes=told, parent=traceparent or None) as span:
            found = self._arrivals.brought(terms, base)
            clients = len(found.agents) if found.clients is None else found.clients
            span.set(semconv.ATTR_AGENTS_COUNT, len(found.agents))
            window = self._arrivals.summary().get("window")
            if window is not None:
                span.set(semconv.ATTR_WINDOW, window)
            span.set(semconv.ATTR_SUBMISSIONS_COUNT, clients + sum(found.left_out.values()))
            self._count(semconv.Outcome.SUCCESS, clients)
            self._count(semconv.Outcome.REFUSED, sum(found.left_out.values()))
            signed = self._signing(found.agents).sign(terms, found.learned, range(len(found.agents)))
            return replace(signed, trace=span.traceparent)

    async def _keep_folding(self, arrivals: GroupRows) -> None:
        """Fold what comes in, for as long as this door lives. A storage that is down is asked again."""
        assert self.config.federation is not None
        while True:
            await asyncio.sleep(self.config.federation.fold_every_s)
            try:
                async with self._working:
                    await self._in_thread(arrivals.fold)
                    outdated = await self._in_thread(arrivals.outdated)
                if outdated:
                    await self._find(COORDINATOR).forget.remote(outdated)
            except (SwarmError, *LOST) as error:
                self._failed(error)

    def _forget(self, outdated: tuple[str, ...]) -> None:
        """Have the coordinator forget these names, when it has time: it waits for this door now."""

        async def forgotten() -> None:
            try:
                await self._find(COORDINATOR).forget.remote(outdated)
            except (SwarmError, *LOST) as error:
                self._failed(error)

        if outdated:
            self._folding = asyncio.create_task(forgotten())

    async def _settle(self, released: int | None = None) -> None:
        """Erase what was taken and has counted, give back what has not. With ``released``, only of rounds up to it."""
        taken = await self._in_thread(self._arrivals.taken)
        if taken is None or (released is not None and taken > released):
            return
        counted = await self._find(COORDINATOR).judged.remote(taken, self.name)
        await self._in_thread(lambda: self._arrivals.settle(taken, counted=counted))
        self._batches = {}

    def _signing(self, agents: Sequence[str]) -> Signatory:
        """The keys of these agents; those of the last round are kept."""
        if self._signatory is None or self._signatory.agents != tuple(agents):
            run, codec = self.config.run, self._workload.codec
            self._signatory = Signatory(self.name, agents, codec, self._secret, run)
        return self._signatory

    async def _in_thread(self, work: Callable[..., T], *arguments: Any) -> T:
        return await asyncio.get_running_loop().run_in_executor(self._single, work, *arguments)

    def _count(self, outcome: semconv.Outcome, submissions: int) -> None:
        if submissions:
            told = {**self._labels, semconv.ATTR_OUTCOME: outcome}
            self._telemetry.count(semconv.METRIC_SUBMISSIONS_GATHERED, submissions, told)

    def _failed(self, error: Exception) -> None:
        if not isinstance(error, StorageUnavailableError | StorageFailedError):
            return
        self._telemetry.count(semconv.METRIC_STORAGE_FAILURES, 1, STORED)
        self._telemetry.event(semconv.EVENT_STORAGE_FAILED, {**STORED, semconv.ATTR_ERROR_TYPE: error.code})


def _arrivals_of(
    region: str,
    config: SwarmConfig,
    secret: Secret,
    clock: Callable[[], float],
    telemetry: Telemetry,
) -> Arrivals:
    """What a door of a region asks: folded groups where it streams, secret sums, else every client's own row."""
    federation = config.federation
    assert federation is not None
    if federation.secure is not None:
        return BucketRows(region, federation, config.workload, seed=config.seed, clock=clock)
    if not federation.streaming:
        return ClientRows(region, federation, config.workload, seed=config.seed, clock=clock)
    return GroupRows(
        region,
        federation,
        config.workload,
        run=config.run,
        seed=config.seed,
        secret=secret,
        clock=clock,
        telemetry=telemetry,
    )
