"""How clients stand: what the swarm's trust ledger says of them, carried over to where the doors read it.

A client that the ledger quarantines is refused at the door, too. When its quarantine has run out it may submit again,
on probation: it is judged, and counts again after some clean rounds.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from dataclasses import dataclass

from actors import Swarm
from actors.storage import ClientState, Storage
from federation.errors import SettingError, SwarmError
from gateway.federation.clerk_telling import ClerkTelling
from telemetry.semconv import ClientTransition

_PAGE = 10_000


class UnknownClientError(SwarmError):
    """A client that is not registered, or has left."""

    code = "federation.client"

    def __init__(self, *, client: str) -> None:
        super().__init__(
            f"There is no client {client[:64]!r}, or it has left. `swarmlore federation clients` lists them.",
            client=client,
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Changed:
    """How many clients stand otherwise than before."""

    quarantined: int
    reinstated: int


class Standings:
    """The standings of a federation's clients.

    Args:
        swarm: whose ledger counts.
        storage: where the doors read.
        tell: what was changed.
    """

    def __init__(self, swarm: Swarm, storage: Storage, tell: ClerkTelling) -> None:
        self._swarm, self._storage, self._tell = swarm, storage, tell

    async def mirror(self, now: float) -> Changed:
        """Bring the storage in line with the ledger. The audit log has each change before it is made.

        Clients that doors which stream keep out are none of the ledger's: it knows groups only.
        """
        ledger = frozenset([client async for client in self._out()])
        doors = frozenset([client async for client in self._kept_out()])
        out = await asyncio.to_thread(self._move, sorted(ledger - doors), ClientState.QUARANTINED, now)
        theirs = await asyncio.to_thread(self._storage.windows.kept_out)
        back = await asyncio.to_thread(self._move, sorted(doors - ledger - theirs), ClientState.ACTIVE, now)
        self._tell.moved(ClientTransition.QUARANTINED, out)
        self._tell.moved(ClientTransition.REINSTATED, back)
        return Changed(quarantined=out, reinstated=back)

    async def order(self, client: str, state: ClientState, now: float) -> None:
        """Quarantine or reinstate a client because an operator wants it.

        Raises:
            UnknownClientError: when it is not registered.
        """
        known = await asyncio.to_thread(self._storage.clients.get, client)
        if known is None or known.state is ClientState.DEREGISTERED:
            raise UnknownClientError(client=client)
        out = state is ClientState.QUARANTINED
        try:
            await (self._swarm.quarantine(client) if out else self._swarm.reinstate(client))
        except SettingError:
            # It has not taken part in a round by itself, so the ledger does not know it.
            if out:
                await asyncio.to_thread(self._storage.windows.keep_out, client, known.region)
        if not out:
            await asyncio.to_thread(self._storage.windows.pardon, client)
        await asyncio.to_thread(self._storage.clients.set_state, client, state, now)
        self._tell.moved(ClientTransition.QUARANTINED if out else ClientTransition.REINSTATED, 1)

    async def forget(self, now: float) -> int:
        """Erase what is kept of clients that have left, in the swarm and in the storage. Returns how many."""
        due = [client async for client in self._leaving(now)]
        if not due:
            return 0
        await self._swarm.forget(tuple(due))
        gone = await asyncio.to_thread(self._storage.clients.purge, now)
        await asyncio.to_thread(self._storage.audit.add, "purge", code=str(gone), now=now)
        self._tell.moved(ClientTransition.PURGED, gone)
        return gone

    def _move(self, clients: list[str], state: ClientState, now: float) -> int:
        """How many of these registered clients have that state now, which they had not before."""
        moved = 0
        action = "quarantine" if state is ClientState.QUARANTINED else "reinstate"
        for client in clients:
            known = self._storage.clients.get(client)
            if known is None or known.state in (state, ClientState.DEREGISTERED):
                continue
            self._storage.audit.add(action, code="ledger", now=now, client=client)
            moved += self._storage.clients.set_state(client, state, now)
        return moved

    async def _out(self) -> AsyncIterator[str]:
        after = ""
        while True:
            page = await self._swarm.agents(after, limit=_PAGE, standing="quarantined")
            for one in page:
                yield one["agent"]
            if len(page) < _PAGE:
                return
            after = page[-1]["agent"]

    async def _kept_out(self) -> AsyncIterator[str]:
        after = ""
        while True:
            page = await asyncio.to_thread(self._storage.clients.list, after, _PAGE, ClientState.QUARANTINED)
            for one in page:
                yield one.id
            if len(page) < _PAGE:
                return
            after = page[-1].id

    async def _leaving(self, now: float) -> AsyncIterator[str]:
        after = ""
        while True:
            page = await asyncio.to_thread(self._storage.clients.list, after, _PAGE, ClientState.DEREGISTERED)
            for one in page:
                if one.purge_at is not None and one.purge_at <= now:
                    yield one.id
            if len(page) < _PAGE:
                return
            after = page[-1].id
