"""The handle that users hold: start a swarm, join one, run rounds, ask it, stop it."""

from __future__ import annotations

import asyncio
import uuid
from collections.abc import AsyncIterator, Callable, Sequence
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from actors import cluster
from actors.agent import Reading
from actors.cast import Handle, Handles
from actors.config import AGGREGATOR, COORDINATOR, NAMESPACE, SwarmConfig, host_name, validator_name
from federation.errors import SwarmError

PATIENCE_S = 60.0
"""How long the handle waits for a coordinator that is being restarted."""


class Swarm:
    """A running swarm. Make one with `start` or `connect`.

    Every method may be called while a round runs. Errors of the federation arrive as themselves.
    """

    def __init__(
        self, facts: dict[str, Any], *, owns_cluster: bool, find: Callable[[str], Handle] = cluster.find
    ) -> None:
        self.facts = facts
        self._owns_cluster = owns_cluster
        self._find = Handles(find)
        self._homes: dict[str, str] = {}

    @classmethod
    async def start(cls, config: SwarmConfig, *, address: str = "local", cpus: int | None = None) -> Swarm:
        """Start a swarm on a Ray cluster: one of its own (``"local"``), ``"auto"``, or ``"host:port"``.

        Raises:
            ClusterError: when the cluster cannot be reached.
            SwarmRunningError: when a swarm is there already.
        """
        owns = address == "local" and not cluster.joined()
        found = await asyncio.to_thread(cluster.join, address, cpus=cpus)
        cluster.keep_signals()
        if cluster.running():
            raise cluster.SwarmRunningError(namespace=NAMESPACE)
        await asyncio.to_thread(cluster.launch, config, cpus=found["cpus"], nodes=found["nodes"])
        swarm = cls({}, owns_cluster=owns)
        swarm.facts = {**await swarm._ask("start"), "address": found["address"]}
        return swarm

    @classmethod
    async def connect(cls, address: str = "auto") -> Swarm:
        """Join the swarm that runs on a cluster.

        Raises:
            ClusterError: when the cluster cannot be reached.
            NoSwarmError: when no swarm runs on it.
        """
        found = await asyncio.to_thread(cluster.join, address)
        cluster.keep_signals()
        if not cluster.running():
            raise cluster.NoSwarmError(namespace=NAMESPACE)
        swarm = cls({}, owns_cluster=False)
        swarm.facts = {**await swarm._ask("start"), "address": found["address"]}
        return swarm

    async def run_round(self, request: str = "") -> dict[str, Any]:
        """Run one round, and answer with its record. Survives a restart of the coordinator.

        The same ``request`` id is answered with the same round, however often it is asked.

        Raises:
            QuorumError, RuleBoundError, RoundAbortedError, ReviewError: when the round ends without a release.
        """
        return await self._ask("run_round", request or uuid.uuid4().hex)

    async def round_of(self, request: str) -> int | None:
        """The round that answers a request id; None for one that is not known, or not any more."""
        return await self._ask("round_of", request)

    async def rounds(self, count: int | None = None, *, until_converged: bool = True) -> AsyncIterator[dict[str, Any]]:
        """Run rounds, and yield the record of each; ends after ``count``, or once converged."""
        done = 0
        while count is None or done < count:
            record = await self.run_round()
            done += 1
            yield record
            if until_converged and record["converged"]:
                return

    async def watch(self, after: int | None = None) -> AsyncIterator[dict[str, Any]]:
        """Yield the record of every round that ends, whoever asked for it; forever."""
        last = (await self.status())["rounds"] if after is None else after
        while True:
            for record in await self._ask("records", last, wait_s=30.0):
                last = record["round"]
                yield record

    async def records(
        self, after: int = 0, *, wait_s: float = 0.0, limit: int = 1000, brief: bool = False
    ) -> list[dict[str, Any]]:
        """Records of rounds numbered above ``after``; waits for one when there is none. Brief ones name no agents."""
        return await self._ask("records", after, wait_s=wait_s, limit=limit, brief=brief)

    async def columns(self, rounds: Sequence[int]) -> dict[int, str]:
        """round -> its verdicts, one letter an agent in the order of `agents` (`actors.columns`)."""
        return await self._ask("columns", list(rounds))

    async def agents(
        self, after: str = "", limit: int | None = None, standing: str | None = None
    ) -> list[dict[str, Any]]:
        """Agents by id, above ``after``: host, whether they have data, standing and reputation.

        Of a federation everybody who ever took part, at most 10,000 at a time.
        """
        return await self._ask("agents", after, limit, standing)

    async def quarantine(self, agent: str) -> dict[str, Any]:
        """Quarantine an agent from the next round on, whatever it does. How it stands now."""
        return await self._ask("quarantine", agent)

    async def reinstate(self, agent: str) -> dict[str, Any]:
        """Trust an agent as if nothing had been. How it stands now."""
        return await self._ask("reinstate", agent)

    async def forget(self, agents: Sequence[str]) -> int:
        """Erase what is kept of agents that have left, but for those that are kept out. How many are forgotten."""
        return await self._ask("forget", list(agents))

    async def abort_round(self, reason: str) -> bool:
        """End the round that is open without a release. False when none is, or its release is written."""
        return await self._ask("abort_round", reason)

    async def start_learning(
        self, interval_s: float = 0.0, *, rounds: int | None = None, until_converged: bool = False
    ) -> None:
        """Learn in the background, round after round."""
        await self._ask("start_learning", interval_s, rounds=rounds, until_converged=until_converged)

    async def stop_learning(self) -> None:
        """Stop learning in the background."""
        await self._ask("stop_learning")

    async def status(self, *, actors: bool = True) -> dict[str, Any]:
        """What the swarm is doing, as plain data; without the actors' own words if so asked."""
        return await self._ask("status", actors=actors)

    async def releases(self, limit: int = 100) -> list[dict[str, Any]]:
        """The newest releases, newest first."""
        return await self._ask("releases", limit)

    async def release(self, version: int | None = None) -> dict[str, Any]:
        """A release with its artefact and the key to verify it; the current one when no version is named."""
        return await self._ask("release", version)

    async def rollback(self, version: int) -> dict[str, Any]:
        """Bring back the value of an earlier release, as a new release."""
        return await self._ask("rollback", version)

    async def verdicts(
        self, round_number: int | None = None, agent: str | None = None, *, after: int = 0, limit: int | None = None
    ) -> list[dict[str, Any]]:
        """Verdicts of a round, of an agent, or of both; those of rounds above ``after``, at most ``limit``."""
        return await self._ask("verdicts", round_number, agent, after=after, limit=limit)

    async def proofs(self) -> list[dict[str, Any]]:
        """Every proof of equivocation."""
        return await self._ask("proofs")

    async def predict(self, agent: str, state: ArrayLike) -> int | NDArray[np.intp]:
        """The action of an agent in a state, or the actions for a matrix of states, by the last release."""
        states = np.asarray(state, dtype=np.float32)
        single = states.ndim == 1
        actions = await self._at_home(agent, "predict", np.atleast_2d(states))
        return int(actions[0]) if single else actions

    async def observe(self, agent: str, experiences: Sequence[object]) -> int:
        """Add what an agent lived through to its memory. Returns how many experiences it now holds."""
        return await self._at_home(agent, "observe", list(experiences))

    async def manage(self, agent: str, reading: Reading) -> dict[str, Any]:
        """One turn of an agent's MAPE-K loop over the system that it manages.

        The released policy chooses the adaptation; ``SwarmConfig(systems=...)`` carries it out.
        """
        return await self._at_home(agent, "manage", reading)

    async def metrics(self, timeout_s: float = 2.0) -> dict[str, bytes | None]:
        """name -> what each actor has measured, for `telemetry.prometheus`; None for one that did not answer in time.

        The actors are asked at once and directly, so that one that is down leaves the others in sight.
        """
        names = [host_name(number) for number in range(self.facts["hosts"])]
        names += [validator_name(number) for number in range(self.facts["validators"])]
        names += [AGGREGATOR, COORDINATOR]

        async def told(name: str) -> bytes | None:
            try:
                async with asyncio.timeout(timeout_s):
                    return await self._find(name).metrics.remote()
            except (*_lost(), SwarmError, TimeoutError, ValueError):
                self._find.forget(name)
                return None

        return dict(zip(names, await asyncio.gather(*(told(name) for name in names)), strict=True))

    async def drain(self) -> dict[str, bool]:
        """Have every actor send what telemetry is still waiting."""
        return await self._ask("drain")

    async def stop(self) -> int:
        """End the swarm: telemetry is drained, actors end, and a cluster of our own shuts down."""
        try:
            async with asyncio.timeout(15.0):
                await self._ask("stop_learning")
                await self._ask("drain")
        except (SwarmError, TimeoutError, *_lost()):
            pass  # what cannot be drained is lost; ending the actors matters more
        ended = await asyncio.to_thread(cluster.dismiss)
        if self._owns_cluster:
            await asyncio.to_thread(cluster.leave)
        return ended

    async def _at_home(self, agent: str, method: str, *arguments: Any) -> Any:
        if agent not in self._homes:
            self._homes[agent] = await self._ask("host_of", agent)
        try:
            return await _answer(getattr(self._find(self._homes[agent]), method).remote(agent, *arguments))
        except _lost():
            self._find.forget(self._homes[agent])
            raise

    async def _ask(self, method: str, *arguments: Any, **named: Any) -> Any:
        """The coordinator's answer; waits while it is being restarted, and asks again."""
        deadline = asyncio.get_running_loop().time() + PATIENCE_S
        while True:
            try:
                coordinator = self._find(COORDINATOR)
            except ValueError as error:
                raise cluster.NoSwarmError(namespace=NAMESPACE) from error
            try:
                return await _answer(getattr(coordinator, method).remote(*arguments, **named))
            except _lost():
                self._find.forget(COORDINATOR)
                if asyncio.get_running_loop().time() > deadline:
                    raise
                await asyncio.sleep(0.2)


async def _answer(reference: Any) -> Any:
    """What a call answers; an error that an actor raised comes as itself, without Ray's wrapper."""
    try:
        return await reference
    except SwarmError as error:
        from actors.faults import itself

        raise itself(error) from None


def _lost() -> tuple[type[BaseException], ...]:
    from actors.faults import LOST

    return LOST
