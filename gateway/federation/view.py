"""What a door process knows of the federation, a second old at most: so that most requests ask the storage nothing.

While the storage is away the last view stands, marked as degraded, and what was released goes on being served.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

from gateway.federation.archive import Archive
from gateway.federation.errors import AwayError
from telemetry.semconv import StoragePart

if TYPE_CHECKING:
    from actors.storage import ReleaseRecord, Storage
    from federation.rollout import Rollout

FRESH_S = 1.0
"""How often it is looked at anew."""
LISTED = 50
"""Releases in the manifest, at most."""
_COUNTED = 10
"""Clients are counted, and releases listed, every so many looks."""
_LOG = logging.getLogger("swarmlore.federation")


@dataclass(frozen=True, slots=True, kw_only=True)
class View:
    """The federation at one moment.

    Attributes:
        window: number of the one that is open; 0 before the clerk has opened the first.
        closes_at: seconds since 1970.
        paused, publishing, short, privacy, last_round: facts of the clerk; None where nothing is to be said.
        served: versions that clients may have, newest first.
        rollout: which version a client gets.
        releases: the newest, newest first, without their rows.
        clients: how many are active.
        degraded: the storage is away, and all this is from before.
    """

    window: int = 0
    closes_at: float = 0.0
    paused: Mapping[str, Any] | None = None
    publishing: Mapping[str, Any] | None = None
    short: Mapping[str, Any] | None = None
    privacy: Mapping[str, Any] | None = None
    last_round: Mapping[str, Any] | None = None
    served: tuple[str, ...] = ()
    rollout: Rollout | None = None
    releases: tuple[ReleaseRecord, ...] = field(default=())
    clients: int = 0
    degraded: bool = False

    @property
    def everybody(self) -> bool:
        """Whether everybody gets the same version."""
        found = self.rollout
        return found is None or found.state != "running" or found.parent is None or found.share >= 1

    @property
    def current(self) -> str | None:
        """The newest version that everybody has, or may have."""
        return None if self.rollout is None else _for_all(self.rollout)

    def version_for(self, client: str | None) -> str | None:
        """The version that a client gets; for a client that cannot be told, the one that is there for all."""
        if self.rollout is None or client is None:
            return self.current
        return self.rollout.served(client)

    def group_of(self, client: str | None) -> str:
        """The stage with which a client gets a new release; the present one where that is everybody's."""
        if self.rollout is None or client is None or self.everybody:
            return "full" if self.rollout is None else self.rollout.stages[-1].name
        place = self.rollout.position(client)
        return next(stage.name for stage in self.rollout.stages if place < stage.share)


def _for_all(rollout: Rollout) -> str | None:
    newest = rollout.state == "running" and (rollout.parent is None or rollout.share >= 1)
    return rollout.version if newest else rollout.parent


class Viewer:
    """Keeps the view.

    Args:
        storage: that it is read from.
        archive: through which.
        then: told of each new view, to have at hand what it will need.
    """

    def __init__(self, storage: Storage, archive: Archive, then: Callable[[View], Awaitable[None]]) -> None:
        self._storage, self._archive, self._then = storage, archive, then
        self._task: asyncio.Task[None] | None = None
        self._looks = 0
        self.view = View(degraded=True)

    async def start(self) -> None:
        """Look once, and then again and again."""
        await self.refresh()
        self._task = asyncio.create_task(self._run())

    async def refresh(self) -> View:
        """Look now."""
        thorough = self._looks % _COUNTED == 0 or self.view.degraded
        try:
            self.view = await self._archive.ask(StoragePart.FACTS, lambda: self._read(thorough=thorough))
        except AwayError:
            self.view = replace(self.view, degraded=True)
        else:
            await self._then(self.view)
        self._looks += 1
        return self.view

    async def close(self) -> None:
        """Look no more."""
        if self._task is not None:
            self._task.cancel()
            with suppress(asyncio.CancelledError):
                await self._task

    async def _run(self) -> None:
        while True:
            await asyncio.sleep(FRESH_S)
            try:
                await self.refresh()
            except Exception:  # noqa: BLE001 - whatever it is, the last view stands and is marked
                _LOG.exception("what the federation does could not be read")
                self.view = replace(self.view, degraded=True)

    def _read(self, *, thorough: bool) -> View:
        facts, old = self._storage.facts.all(), self.view
        window = facts.get("window") or {}
        served = tuple((facts.get("served") or {}).get("versions", ()))
        thorough = thorough or served != old.served
        return View(
            window=window.get("number", 0),
            closes_at=window.get("closes_at", 0.0),
            paused=facts.get("paused"),
            publishing=facts.get("publishing"),
            short=facts.get("short"),
            privacy=facts.get("privacy"),
            last_round=facts.get("last_round"),
            served=served,
            rollout=self._storage.rollouts.get(),
            releases=tuple(self._storage.releases.list(LISTED)) if thorough else old.releases,
            clients=self._storage.clients.count("active") if thorough else old.clients,
        )
