"""The members of a swarm whose agents are clients outside of it: they come and go, and doors say who is there."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Callable, Collection, Mapping
from typing import Any

from actors.cast import Handle
from actors.config import SwarmConfig
from actors.faults import LOST, RETRY_S, itself, pause_s
from actors.journal import Journal
from actors.members import ChangedKeyError, Members
from actors.messages import Presence
from actors.releases import Published
from federation.errors import SettingError, SwarmError
from federation.terms import fault_bound
from workloads.patterns import MassAnomalyError

FOLLOWED_S = (*RETRY_S, *(2.0,) * 10)
"""Pauses between attempts to have a door take a release. After them it settles what it has before the next round."""


class ParticipantsError(SwarmError):
    """Fewer clients than a round needs. Nothing was opened, and what they have submitted waits."""

    code = "federation.participants"

    def __init__(self, *, found: int, needed: int) -> None:
        super().__init__(
            f"{found} clients have a submission that counts, and a round needs {needed}. None was opened and nothing "
            "is lost: run one when more have come.",
            found=found,
            needed=needed,
        )


class AbsentDoorsError(SwarmError):
    """No door could say who is there."""

    code = "federation.absent_doors"

    def __init__(self, *, doors: int, reason: str) -> None:
        super().__init__(
            f"None of {doors} doors could say who is there ({reason}). None was opened: see that their storage can be "
            "reached, and run a round again.",
            doors=doors,
            reason=reason,
        )


class Clientele(Members):
    """Clients behind doors. A door is asked anew before each round; a client is at one door only.

    Args:
        config: of the swarm, with a federation.
        find: from a name to an actor handle.
        put: keeps a large value where all nodes can read it.
        revive: makes a door again that Ray has given up.
        journal: who came by which door.
    """

    def __init__(
        self,
        config: SwarmConfig,
        find: Callable[[str], Handle],
        put: Callable[[Any], Any],
        revive: Callable[[str], None],
        journal: Journal,
    ) -> None:
        assert config.federation is not None
        super().__init__(config, ((),) * len(config.federation.regions), find, put, revive)
        self._config = config
        self._journal = journal
        self._there: frozenset[str] = frozenset()
        self._following: asyncio.Task[None] | None = None

    @property
    def fault_bound(self) -> int:
        """Of the last roster."""
        return fault_bound(len(self.agents)) if self._config.fault_bound is None else self._config.fault_bound

    async def enrol(self, journal: Journal) -> None:
        """Find out who is behind which door in the round that a stopped coordinator left open, if there is one."""
        found = await asyncio.to_thread(journal.unfinished)
        if found is not None:
            homes = await asyncio.to_thread(journal.homes, found.terms.roster)
            self._place({host: [agent for agent, home in homes.items() if home == host] for host in self.hosts})

    async def gather(self, number: int, journal: Journal, kept_out: Collection[str]) -> tuple[str, ...]:
        """Ask the doors who takes part in round ``number``, and enrol these. Their ids.

        Those ``kept_out`` are left out of the roster, and so is who is at two doors at once: from both, it would come
        with two updates. A door that does not answer is done without, and made again.

        Raises:
            AbsentDoorsError: when none answers.
            ParticipantsError: when fewer clients are there than a round needs.
            MassAnomalyError: when that is because too many of a streaming door's submissions were flagged.
            ChangedKeyError: when a client comes with another key than the journal knows.
        """
        found_by = await asyncio.gather(*(self._asked(door, number) for door in self.hosts))
        answers = dict(zip(self.hosts, found_by, strict=True))
        present = {door: answer for door, answer in answers.items() if isinstance(answer, Presence)}
        anomalous = next((answer for answer in answers.values() if isinstance(answer, MassAnomalyError)), None)
        if not present:
            reason = next(iter(answers.values()))
            if anomalous is not None:
                raise anomalous
            raise AbsentDoorsError(doors=len(answers), reason=getattr(reason, "code", type(reason).__name__))
        doors = Counter(agent for presence in present.values() for agent in presence.keys)
        out = frozenset(kept_out).union(agent for agent, count in doors.items() if count > 1)
        found = sum(presence.clients - len(out.intersection(presence.keys)) for presence in present.values())
        if found < self._config.workload.participants or not doors.keys() - out:
            if anomalous is not None:
                raise anomalous
            raise ParticipantsError(found=found, needed=self._config.workload.participants)
        keys = {
            door: {agent: public for agent, public in presence.keys.items() if agent not in out}
            for door, presence in present.items()
        }
        await asyncio.to_thread(self._enrol, journal, keys)
        self._place(keys)
        return self.agents

    def follow_up(self, applied: int, published: Published, public: bytes) -> None:
        """Give a release again to doors that have not taken it: with it they erase what has counted."""
        if self._following is not None:
            self._following.cancel()
            self._following = None
        if applied < len(self.hosts):
            self._following = asyncio.ensure_future(self._followed(published, public))

    async def followed_up(self) -> None:
        """Wait until no door is followed up any more."""
        if self._following is not None:
            await asyncio.gather(self._following, return_exceptions=True)

    async def _followed(self, published: Published, public: bytes) -> None:
        for pause in FOLLOWED_S:
            await asyncio.sleep(pause)
            if len(await self.spread(published, public)) == len(self.hosts):
                return

    def host_of(self, agent: str) -> str:
        """The name of the door that a client came in by last."""
        home = self._journal.home(agent)
        if home is None:
            raise SettingError(name="agent", found=agent, needed="a client that has taken part in a round")
        return home

    def _homes(self, agents: Collection[str]) -> Mapping[str, str]:
        return self._journal.homes(agents)

    def _idle(self, agent: str) -> bool:
        return agent not in self._there

    def _place(self, keys: Mapping[str, Collection[str]]) -> None:
        for door in self.hosts:
            self.hosts[door] = tuple(sorted(keys.get(door, ())))
        self.agents = tuple(sorted(agent for agents in self.hosts.values() for agent in agents))
        self._there = frozenset(self.agents)

    @staticmethod
    def _enrol(journal: Journal, keys: Mapping[str, Mapping[str, bytes]]) -> None:
        known = journal.keys()
        changed = [
            agent for theirs in keys.values() for agent, public in theirs.items() if known.get(agent, public) != public
        ]
        if changed:
            raise ChangedKeyError(agents=tuple(sorted(changed)))
        for door, theirs in keys.items():
            journal.enrol(door, theirs)

    async def _asked(self, door: str, number: int) -> Presence | BaseException:
        """Who is behind a door; while it is being restarted it is asked again, as long as a round may take."""
        loop = asyncio.get_running_loop()
        deadline, attempt = loop.time() + self._config.deadline_s, 0
        while True:
            try:
                return await self.find(door).present.remote(number)
            except (*LOST, SwarmError, ValueError) as error:
                if isinstance(error, MassAnomalyError):
                    return itself(error)  # the door has dropped what it found so: asked again it would say nobody
                if loop.time() >= deadline:
                    if not isinstance(error, SwarmError):
                        self._revive(door)
                    self.find.forget(door)
                    return itself(error) if isinstance(error, SwarmError) else error
            await asyncio.sleep(pause_s(attempt))
            attempt += 1


def members_of(
    config: SwarmConfig,
    shares: tuple[tuple[str, ...], ...],
    find: Callable[[str], Handle],
    put: Callable[[Any], Any],
    revive: Callable[[str], None],
    journal: Journal,
) -> Members:
    """The members of a swarm: clients where there is a federation, else its agents."""
    if config.federation is None:
        return Members(config, shares, find, put, revive)
    return Clientele(config, find, put, revive, journal)
