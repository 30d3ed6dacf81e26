"""The members of a swarm: the hosts with their agents, the validators, and how the coordinator reaches them."""

from __future__ import annotations

import asyncio
from bisect import bisect_right
from collections.abc import Callable, Collection, Iterable, Mapping
from typing import Any

import numpy as np

from actors.cast import Cast, Handle, Handles, spread_release
from actors.config import AGGREGATOR, SwarmConfig, host_name, validator_name
from actors.faults import LOST
from actors.journal import Journal
from actors.releases import Published
from federation.errors import SettingError, SwarmError
from federation.heterogeneity import heterogeneity
from federation.trust import Standing, TrustLedger

ANSWER_S = 2.0
"""How long an actor may take to say how it is before it is reported as silent."""

LISTED = 10_000
"""Clients that one answer names at most."""


class ChangedKeyError(SwarmError):
    """An agent that comes back with another key than it was enrolled with."""

    code = "coordinator.changed_key"

    def __init__(self, *, agents: tuple[str, ...]) -> None:
        super().__init__(
            f"{len(agents)} agents come with other keys than they enrolled with: {', '.join(agents[:5])}. "
            "Start with the state directory that holds their secret, or under another run id.",
            agents=agents,
        )


class Members:
    """Who belongs to the swarm.

    Args:
        config: of the swarm.
        shares: the agents of each host, in the order of the hosts' numbers.
        find: from a name to an actor handle.
        put: keeps a large value where all nodes can read it.
        revive: makes a host again that Ray has given up.
    """

    def __init__(
        self,
        config: SwarmConfig,
        shares: tuple[tuple[str, ...], ...],
        find: Callable[[str], Handle],
        put: Callable[[Any], Any],
        revive: Callable[[str], None],
    ) -> None:
        self.agents: tuple[str, ...] = config.agents
        self._limit = None if config.federation is None else LISTED
        self._bound = config.used_fault_bound
        self.hosts = {host_name(number): agents for number, agents in enumerate(shares)}
        self.validators = [validator_name(number) for number in range(config.validators)]
        self.idle: frozenset[str] = frozenset()
        self.find, self._put, self._revive = Handles(find), put, revive

    @property
    def fault_bound(self) -> int:
        """How many of the members may lie or be silent."""
        return self._bound

    @property
    def roster(self) -> tuple[str, ...]:
        """The agents that have something to learn from; all of them when none has."""
        return tuple(agent for agent in self.agents if agent not in self.idle) or self.agents

    async def enrol(self, journal: Journal) -> None:
        """Write down every agent's public key, and find out who is idle.

        Raises:
            ChangedKeyError: when an agent comes with another key than the journal knows.
        """
        known = await asyncio.to_thread(journal.keys)

        async def keys_of(host: str) -> tuple[dict[str, bytes], tuple[str, ...]]:
            handle = self.find(host)
            try:
                return await handle.enrol.remote(), tuple(await handle.idle.remote())
            except LOST:
                if not known.keys() >= set(self.hosts[host]):
                    raise
                return {}, ()  # after a restart: its agents are enrolled, and the host may come back

        shares = await asyncio.gather(*(keys_of(host) for host in self.hosts))
        changed = tuple(
            sorted(agent for keys, _ in shares for agent, public in keys.items() if known.get(agent, public) != public)
        )
        if changed:
            raise ChangedKeyError(agents=changed)
        for host, (keys, _) in zip(self.hosts, shares, strict=True):
            await asyncio.to_thread(journal.enrol, host, keys)
        self.idle = frozenset(agent for _, agents in shares for agent in agents)

    async def gather(self, number: int, journal: Journal, kept_out: Collection[str]) -> tuple[str, ...]:
        """Find out who takes part in round ``number``. Its agents are always the same: none is new."""
        del number, journal, kept_out
        return ()

    def described(
        self, trust: TrustLedger, *, after: str = "", limit: int | None = None, standing: str | None = None
    ) -> list[dict[str, Any]]:
        """Agents by id, above ``after``: host, whether they have data, and their conduct."""
        words = [Standing(code).word for code in trust.standing.tolist()]
        rows = [row for row in range(bisect_right(trust.agents, after), len(words)) if standing in (None, words[row])]
        most = min((found for found in (limit, self._limit) if found is not None), default=len(rows))
        if self._limit is not None:
            rows = rows[:most]
        homes = self._homes([trust.agents[row] for row in rows])
        return [
            {
                "agent": agent,
                "host": homes[agent],
                "idle": self._idle(agent),
                "standing": words[row],
                "reputation": round(float(trust.reputation[row]), 4),
                "quarantine_rounds": int(trust.wait[row]),
            }
            for row, agent in ((row, trust.agents[row]) for row in rows)
            if agent in homes
        ][:most]

    def _homes(self, agents: Collection[str]) -> Mapping[str, str]:
        """agent -> its host, for those of these that live here."""
        del agents
        return {agent: host for host, agents in self.hosts.items() for agent in agents}

    def _idle(self, agent: str) -> bool:
        return agent in self.idle

    def first_round(self, journal: Journal, host: str, own: str, first: int) -> int:
        """The first round that a host may sign for, which goes by its journal ``own`` and waits for ``first``.

        The coordinator's journal knows by which one it last went; none means that nothing was ever kept, and that
        whatever the host signs can be made again from seeds and data.
        """
        known = journal.recall(f"host.{host}") or ""
        if own == known:
            return 0
        needed = journal.last_round() + 1 if known else 0
        if first >= needed:
            journal.remember({f"host.{host}": own})
        return needed

    async def heterogeneity(self) -> float:
        """How differently the agents act, 0 to 1 (specification 5.3)."""
        answers = await asyncio.gather(*(self.find(host).histogram.remote() for host in self.hosts))
        return heterogeneity(np.concatenate([counts for _, counts in answers]))

    def host_of(self, agent: str) -> str:
        """The name of the host that an agent lives on."""
        for host, agents in self.hosts.items():
            if agent in agents:
                return host
        raise SettingError(name="agent", found=agent, needed=f"one of the {len(self.agents)} that are enrolled")

    def cast(self, roster: tuple[str, ...]) -> Cast:
        """Who plays in a round of these agents."""
        asked = frozenset(roster)
        hosts = {host: tuple(agent for agent in agents if agent in asked) for host, agents in self.hosts.items()}
        return Cast(hosts=hosts, validators=self.validators, aggregator=AGGREGATOR, find=self.find, put=self._put)

    def follow_up(self, applied: int, published: Published, public: bytes) -> None:
        """Nothing: hosts that did not take a release get it with their next question."""

    async def spread(self, published: Published, public: bytes) -> tuple[str, ...]:
        """Give a release to all hosts. Returns those that have it."""
        return await spread_release(self.cast(self.agents), published.release, published.artefact, public)

    async def statuses(self) -> dict[str, dict[str, Any] | None]:
        """name -> what each actor says about itself; None for one that is silent."""
        names = [*self.hosts, AGGREGATOR, *self.validators]
        answers = await asyncio.gather(*(self._status_of(name) for name in names))
        return dict(zip(names, answers, strict=True))

    async def revived(self, hosts: Iterable[str]) -> tuple[str, ...]:
        """Make those of the hosts again that are silent. Returns them."""
        silent: list[str] = []
        for host in hosts:
            if await self._status_of(host) is None:
                self._revive(host)
                self.find.forget(host)
                silent.append(host)
        return tuple(silent)

    async def drain(self) -> dict[str, bool]:
        """Have every actor send what telemetry is still waiting; name -> whether it could."""
        names = [*self.hosts, AGGREGATOR, *self.validators]

        async def drained(name: str) -> bool:
            try:
                async with asyncio.timeout(3 * ANSWER_S):
                    return bool(await self.find(name).drain.remote())
            except (*LOST, TimeoutError, ValueError):
                return False

        done = await asyncio.gather(*(drained(name) for name in names))
        return dict(zip(names, done, strict=True))

    async def _status_of(self, name: str) -> dict[str, Any] | None:
        try:
            async with asyncio.timeout(ANSWER_S):
                return await self.find(name).status.remote()
        except (*LOST, TimeoutError, ValueError):
            return None
