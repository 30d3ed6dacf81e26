"""Who is kept out by the swarm's ledger, by a door that streams, and by an operator."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from actors.storage import Client, ClientState, Storage
from gateway.federation.clerk_telling import ClerkTelling
from gateway.federation.standings import Standings
from tests.gateway.federation.office_hours import ScriptedSwarm


class GroupsOnly(ScriptedSwarm):
    """A swarm whose ledger knows no client."""

    async def quarantine(self, agent: str) -> dict[str, Any]:
        return await self.reinstate(agent)


def client(number: int) -> Client:
    return Client(
        id=f"{number:064x}",
        public_key=bytes(32),
        platform="linux",
        consent_at=0.0,
        registered_at=0.0,
        seen_at=0.0,
    )


async def test_the_mirror_leaves_in_peace_whom_a_door_keeps_out(tmp_path: Path) -> None:
    with Storage.open(f"sqlite:///{tmp_path}/outside.sqlite") as storage:
        for number in range(3):
            storage.clients.put(client(number))
        standings: Any = Standings(GroupsOnly(storage), storage, ClerkTelling(None))  # pyright: ignore[reportArgumentType]

        def state(number: int) -> ClientState:
            found = storage.clients.get(client(number).id)
            assert found is not None
            return found.state

        storage.windows.keep_out(client(0).id, "global")
        for number in (0, 1):
            storage.clients.set_state(client(number).id, ClientState.QUARANTINED, 1.0)
        changed = await standings.mirror(2.0)
        assert (changed.quarantined, changed.reinstated) == (0, 1)
        assert (state(0), state(1)) == (ClientState.QUARANTINED, ClientState.ACTIVE)
        await standings.order(client(0).id, ClientState.ACTIVE, 3.0)
        await standings.order(client(2).id, ClientState.QUARANTINED, 3.0)
        await standings.mirror(4.0)
        assert (state(0), state(2)) == (ClientState.ACTIVE, ClientState.QUARANTINED)
