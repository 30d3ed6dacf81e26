"""What is asked about a swarm's members while rounds run, and what an operator decides about one of them."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Collection
from dataclasses import replace
from typing import Any

from actors.chronicle import Chronicle
from actors.journal import Journal
from actors.ledger import Ledger
from actors.members import LISTED, Members
from federation.trust import TrustLedger


class Reception(Chronicle):
    """Answers for the members.

    Args:
        members: of the swarm.
        journal: that everything is written to.
        ledger: as it is now; only who holds the round's turn replaces it.
    """

    def __init__(self, members: Members, journal: Journal, ledger: Ledger) -> None:
        super().__init__(journal, most=LISTED if ledger.changing else None)
        self._members, self._ledger = members, ledger
        self._rounds = asyncio.Lock()

    async def agents(
        self, after: str = "", limit: int | None = None, standing: str | None = None
    ) -> list[dict[str, Any]]:
        """Agents by id: host, whether they have nothing to tell now, and how the trust ledger sees them.

        Args:
            after: only ids above this one.
            limit: at most so many. Where clients come and go, never more than `LISTED`.
            standing: only those of this standing.
        """
        return await asyncio.to_thread(
            self._members.described, self._ledger.trust, after=after, limit=limit, standing=standing
        )

    async def host_of(self, agent: str) -> str:
        """The name of the host that an agent lives on, or of the door that a client came in by."""
        return await asyncio.to_thread(self._members.host_of, agent)

    async def first_round(self, host: str, journal: str, first: int) -> int:
        """The first round that a host may sign for; `Members.first_round` says why."""
        return await asyncio.to_thread(self._members.first_round, self._journal, host, journal, first)

    async def judged(self, round_number: int, host: str) -> bool:
        """Whether what a host brought was judged in a round that has a release, and has counted with that."""
        return await asyncio.to_thread(self._journal.judged, round_number, host)

    async def quarantine(self, agent: str) -> dict[str, Any]:
        """Quarantine an agent from the next round on, because somebody says so. How it stands now.

        Raises:
            SettingError: for one that is not enrolled.
        """
        return await self._decided(agent, lambda trust: trust.quarantine(agent))

    async def reinstate(self, agent: str) -> dict[str, Any]:
        """Trust an agent as if nothing had been, because somebody says so. How it stands now.

        Raises:
            SettingError: for one that is not enrolled.
        """
        return await self._decided(agent, lambda trust: trust.reinstate(agent))

    async def forget(self, agents: Collection[str]) -> int:
        """Erase what is kept of agents that have left. How many are not known any more.

        Who is kept out stays known, by its id and its standing, or it would be back in by leaving. Releases and proofs
        stay as they were signed. Nobody of a round that is open is forgotten.
        """
        async with self._rounds:
            found = await asyncio.to_thread(self._journal.unfinished)
            asked = frozenset(agents).difference(found.terms.roster if found is not None else ())
            trust = self._ledger.trust.forget(asked)
            gone = asked.intersection(self._ledger.trust.agents).difference(trust.agents)
            previous = {agent: digest for agent, digest in self._ledger.previous.items() if agent not in gone}
            await asyncio.to_thread(self._journal.forget, sorted(gone))
            await self._keep(replace(self._ledger, trust=trust, previous=previous))
        return len(gone)

    async def _decided(self, agent: str, change: Callable[[TrustLedger], TrustLedger]) -> dict[str, Any]:
        async with self._rounds:
            await self._keep(replace(self._ledger, trust=change(self._ledger.trust)))
        known = self._members.described(self._ledger.trust.among([agent]))
        return known[0] if known else {"agent": agent}

    async def _keep(self, ledger: Ledger) -> None:
        await asyncio.to_thread(self._journal.remember, ledger.facts())
        self._ledger = ledger

    def _listed(self) -> tuple[str, ...]:
        """The agents that `agents` lists when it is not asked for more."""
        return self._ledger.trust.agents[:LISTED] if self._ledger.changing else self._members.agents
