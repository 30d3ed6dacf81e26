"""The clerk's books: his state, what the doors are told of it, the audit log, and answers to operators."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from functools import partial
from typing import Any

from actors.storage import Lease, Storage
from federation.errors import SettingError
from gateway.federation.clerk_state import State
from gateway.federation.clerk_telling import ClerkTelling
from gateway.federation.desk import Desk
from gateway.federation.tenure import Tenure

STATE = "clerk"
"""Fact that the state is kept under; the others are for the doors, which read no more than they need."""


class Books:
    """What one clerk writes down.

    Args:
        storage: where.
        desk: with the operators' requests.
        tell: of pauses that begin and end.
        tenure: without which nothing is written; None where there cannot be another clerk.
    """

    def __init__(self, storage: Storage, desk: Desk, tell: ClerkTelling, tenure: Tenure | None = None) -> None:
        self._storage, self._desk, self._tell, self._tenure = storage, desk, tell, tenure
        self._kept: State | None = None

    @property
    def _under(self) -> Lease | None:
        return None if self._tenure is None else self._tenure.lease

    @property
    def state(self) -> State:
        """What was written down last.

        Raises:
            SettingError: before anything was.
        """
        if self._kept is None:
            raise SettingError(name="state", found=None, needed="written down first: await clerk.start()")
        return self._kept

    async def read(self) -> State | None:
        """What another clerk has left; None when there was none."""
        found = await asyncio.to_thread(self._storage.facts.get, STATE)
        return None if found is None else State.from_dict(found)

    async def keep(self, state: State, **further: Mapping[str, Any] | None) -> None:
        """Write the state down, with what the doors are told, and further facts: all of it or nothing.

        Raises:
            LeaseError: when another clerk has taken over.
        """
        facts: dict[str, Any] = {STATE: state.to_dict(), **state.told(), **further}
        await asyncio.to_thread(partial(self._storage.facts.put_many, facts, under=self._under))
        before, self._kept = self._kept, state
        self._tell.state(before, state)

    async def answer(
        self, asked: str, now: float, *, code: str = "ok", detail: str = "", result: Mapping[str, Any] | None = None
    ) -> None:
        """Answer the operator's request of this id, if it is one that waits."""
        request = await asyncio.to_thread(self._desk.request, asked) if asked else None
        if request is not None:
            answer = partial(self._desk.answer, request, now, code=code, detail=detail, result=result)
            await asyncio.to_thread(partial(answer, under=self._under))

    async def audit(self, action: str, *, code: str, now: float) -> None:
        """Write down that the clerk did something."""
        await asyncio.to_thread(partial(self._storage.audit.add, action, code=code, now=now))
