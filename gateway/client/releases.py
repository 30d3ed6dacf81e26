"""Fetching releases: verified, never older than what was applied, kept as the base of the next delta."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from enum import StrEnum
from typing import TYPE_CHECKING, Any

from gateway.client.account import STATE, WAIT_S, Account
from gateway.client.errors import (
    AnswerError,
    ChecksumError,
    ClientError,
    NotRegisteredError,
    OutdatedError,
    RefusedError,
)
from gateway.client.folder import Folder
from gateway.client.memory import NO_VERSION, Held, Memory, State
from gateway.client.telling import ClientTelling
from gateway.client.transport import Arrived
from gateway.client.verification import release_of
from workloads.patterns import GlobalWeightVector, KeySpace, PatternError
from workloads.patterns.blending import version_of

if TYPE_CHECKING:
    from gateway.client.protocol import Downloaded, Protocol, Session

PROTOCOL_VERSION = "0.2.0"
"""What this client speaks; a manifest's ``minSupportedClient`` is compared with it."""
MOST_MISSED = 5
"""Who has missed more versions than these goes by the release as a newcomer does."""


class Found(StrEnum):
    """What a look for a release gave."""

    NEW = "new"
    CURRENT = "current"
    OLDER = "older"
    NONE = "none"


@dataclass(frozen=True, slots=True, kw_only=True)
class Pulled:
    """What a look for a release gave.

    Attributes:
        status: a new release, the one that is held, an older one (left alone), or none yet.
        version: of the release that is held now; None before the first.
        offered: version that the server gave; None where it gave none.
        group: of the rollout that this installation is in.
        fresh_start: more than `MOST_MISSED` versions had been missed.
        downloads: how many it took: two when the first came damaged.
    """

    status: Found
    version: str | None
    offered: str | None = None
    group: str | None = None
    fresh_start: bool = False
    downloads: int = 0


class Releases:
    """Fetches releases.

    Args:
        folder: of the state.
        memory: that keeps them.
        account: that they are asked for with.
        protocol: to the server.
        space: whose schema they must have.
        telling: told of each look.
    """

    def __init__(
        self,
        folder: Folder,
        memory: Memory,
        account: Account,
        protocol: Callable[[], Protocol],
        space: KeySpace,
        *,
        telling: ClientTelling,
    ) -> None:
        self._folder, self._memory, self._account = folder, memory, account
        self._protocol, self._space, self._telling = protocol, space, telling

    def pull(self, *, anew: bool = False, arrived: Arrived | None = None) -> Pulled:
        """Look for a release, and keep a newer one. Nothing is applied by this.

        Args:
            anew: take it also where it is the one that is held, as after damage.
            arrived: told how much has come.

        Raises:
            SignatureError: when the pinned key did not sign it.
            ChecksumError: when it came damaged, and once more.
            SchemaError: for another major version of the schema.
            OutdatedError: when a new minor version is for newer clients than this one.
            ClientError: as the server answers.
        """
        self._account.agreed("a download")
        with self._telling.pull() as told:
            found = self._looked(anew=anew, arrived=arrived)
            told.version = found.offered or found.version
            return found

    def _looked(self, *, anew: bool, arrived: Arrived | None) -> Pulled:
        account = self._account
        state = self._memory.load()
        anew = anew or state.reset or account.standing.damaged
        etag = state.held.etag if state.held and not anew else None
        downloads = 0
        # Once more, past every cache, when the first one came damaged.
        for ask in (etag, None):
            downloads += 1
            try:
                found = account.call("a download", lambda session, ask=ask: self._latest(session, ask, arrived))
            except RefusedError as error:
                if error.status == 404:
                    return Pulled(status=Found.NONE, version=_held(state), downloads=downloads)
                raise
            if found.content is None:
                if ask is None:
                    raise AnswerError(found="304", needed="a release, as none was named to compare with")
                return Pulled(status=Found.CURRENT, version=_held(state), group=found.group, downloads=downloads)
            pinned = account.pinned
            if pinned is None:
                raise NotRegisteredError(doing="Checking a release")
            try:
                document = release_of(found.content, server_key=pinned, schema_version=self._space.version)
                self._same_as_before(state, document)
            except ChecksumError:
                if downloads == 2:
                    raise
                continue
            return replace(self._kept(state, document, found), downloads=downloads)
        raise AssertionError("a second download is returned or raised")

    def _latest(self, session: Session, etag: str | None, arrived: Arrived | None) -> Downloaded:
        return self._protocol().latest(session, etag=etag, arrived=arrived)

    def _same_as_before(self, state: State, document: GlobalWeightVector) -> None:
        held = state.held
        if held is None or held.version != document.version:
            return
        before, now = held.document.metadata.checksum, document.metadata.checksum
        if before != now:
            raise ChecksumError(found=f"another {document.version} ({now})", needed=f"the one that is held ({before})")

    def _kept(self, state: State, document: GlobalWeightVector, found: Downloaded) -> Pulled:
        floor = self.floor(state)
        offered = version_of(document.version)
        fields: dict[str, Any] = {"offered": document.version, "group": found.group}
        if offered < floor:
            return Pulled(status=Found.OLDER, version=_held(state), **fields)
        if offered == floor and state.held is not None and not state.reset:
            fresh = state.held.fresh_start
        else:
            fresh = self._missed_many(state, document.version)
        assert found.content is not None
        held = Held(document=document, text=found.content.decode(), etag=found.etag, fresh_start=fresh)
        with self._folder.locked(STATE, wait_s=WAIT_S):
            self._memory.keep_release(held)
        if self._account.standing.damaged:
            self._account.update(damaged=False)
        known = state.held is not None and offered == version_of(state.held.version)
        return Pulled(
            status=Found.CURRENT if known else Found.NEW, version=document.version, fresh_start=fresh, **fields
        )

    def floor(self, state: State) -> tuple[int, int, int]:
        """The version below which nothing is applied any more."""
        known = [state.version, self._account.standing.version or NO_VERSION, _held(state) or NO_VERSION]
        return max(version_of(one) for one in known)

    def _missed_many(self, state: State, offered: str) -> bool:
        """Whether more than `MOST_MISSED` versions lie between the weights in force and this one."""
        known = self._account.standing.version or state.version
        if known == NO_VERSION:
            return False  # nothing was missed by who has never had any
        before, now = version_of(known), version_of(offered)
        if before[:2] == now[:2]:
            return now[2] - before[2] > MOST_MISSED
        try:
            listed = self._account.call("a download", lambda session: self._protocol().manifest(session))
            versions = [version_of(one["version"]) for one in listed["versions"]]
            needed = str(listed.get("minSupportedClient", PROTOCOL_VERSION))
            outdated = version_of(needed) > version_of(PROTOCOL_VERSION)
        except (ClientError, PatternError, KeyError, TypeError):
            return True  # who cannot tell goes by the release
        if outdated:
            raise OutdatedError(version=offered, needed=needed, found=PROTOCOL_VERSION)
        return sum(before < version <= now for version in versions) > MOST_MISSED


def _held(state: State) -> str | None:
    return state.held.version if state.held else None
