"""The clerk's tenure: a federation has one clerk at a time, who holds a lease in the storage as long as he works.

He renews it while he works. A second one is told who holds it, and waits or leaves. That of one who was killed runs
out. One who was cut off, and whose place was taken, writes nothing more down (`Books`), and ends.
"""

from __future__ import annotations

import asyncio
import os
import secrets
import socket
import time
from collections.abc import Awaitable, Callable
from typing import Any

from actors.storage import Lease, LeaseError, Storage, StorageUnavailableError

NAME = "clerk"
LASTS_S = 20.0
"""How long a federation is without a clerk, at most, when one was killed and another waits."""
_PARTS = 4
"""How often a lease is renewed before it would run out."""


class Tenure:
    """The time in which one clerk, and nobody else, works on a storage.

    Args:
        storage: with the lease.
        holder: who works; by default a name for this machine and process, which no other one has.
        lasts_s: how long the lease holds when it is not renewed.
        clock: seconds since 1970; those of several machines should agree to a few seconds.
        sleep: waits for so many seconds.
    """

    def __init__(
        self,
        storage: Storage,
        holder: str | None = None,
        *,
        lasts_s: float = LASTS_S,
        clock: Callable[[], float] = time.time,
        sleep: Callable[[float], Awaitable[Any]] = asyncio.sleep,
    ) -> None:
        self.holder = holder or f"{socket.gethostname()}:{os.getpid()}:{secrets.token_hex(4)}"
        self._storage, self._lasts_s, self._clock, self._sleep = storage, lasts_s, clock, sleep
        self._lease: Lease | None = None

    @property
    def lease(self) -> Lease | None:
        """What was taken last; None before `begin` and after `end`."""
        return self._lease

    async def begin(self, *, wait: bool, told: Callable[[LeaseError], None] = lambda _: None) -> None:
        """Take the lease.

        Args:
            wait: until it is free, when somebody else holds it.
            told: of everybody who is waited for, once each.

        Raises:
            LeaseError: when somebody else holds it and nobody is to wait.
            StorageUnavailableError: when the storage does not answer.
        """
        before = ""
        while True:
            try:
                await self._take()
            except LeaseError as error:
                if not wait:
                    raise
                if error.holder != before:
                    told(error)
                before = error.holder
                await self._sleep(self._lasts_s / _PARTS)
            else:
                return

    async def renew(self) -> None:
        """Renew the lease when a part of its time is over.

        Raises:
            LeaseError: when somebody else holds it by now.
        """
        lease = self._lease
        if lease is None or self._clock() >= lease.expires - self._lasts_s * (1 - 1 / _PARTS):
            await self._take()

    async def keep(self) -> None:
        """Renew the lease again and again. A storage that does not answer is asked again.

        Raises:
            LeaseError: when somebody else has taken over.
        """
        while True:
            await self._sleep(self._lasts_s / _PARTS)
            try:
                await self._take()
            except StorageUnavailableError:
                continue  # nobody can take over there either; what is written needs the lease

    async def end(self) -> None:
        """Give the lease back, so that the next one need not wait. One that cannot be given back runs out."""
        if self._lease is not None:
            self._lease = None
            try:
                await asyncio.to_thread(self._storage.leases.end, NAME, self.holder)
            except StorageUnavailableError:
                return

    async def _take(self) -> None:
        now = self._clock()
        found = await asyncio.to_thread(
            lambda: self._storage.leases.take(NAME, self.holder, now=now, lasts_s=self._lasts_s)
        )
        if found.holder != self.holder:
            raise LeaseError(name=NAME, holder=found.holder, left_s=max(found.expires - now, 0.0))
        self._lease = found
