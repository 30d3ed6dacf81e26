"""Operations: what an operator sees of a federation and asks of it, with the operators' token.

What only the clerk can do is left on its desk, and answered there. Who asked what stands in the audit log.
"""

from __future__ import annotations

import secrets
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict
from functools import partial
from typing import TYPE_CHECKING, Annotated, Any, TypeVar
from urllib.parse import parse_qs

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from federation.errors import SettingError
from gateway.federation.access import Access
from gateway.federation.archive import Archive
from gateway.federation.desk import ANSWER, REQUEST
from gateway.federation.errors import InvalidSchemaError, UnknownAnswerError, UnknownVersionError
from gateway.federation.exchange import Answer, Exchange, parsed, told, unfit
from gateway.federation.settings import PREFIX
from gateway.federation.tenure import NAME as CLERK
from gateway.federation.view import Viewer
from gateway.output import plain
from telemetry.semconv import StoragePart
from workloads.patterns.schema import Version

if TYPE_CHECKING:
    from actors.storage import Storage
    from federation.rollout import Rollout

Model = TypeVar("Model", bound=BaseModel)
_BODY_LIMIT = 8 * 1024
_HIDDEN = ("public_key", "token_hash", "row")


class _Body(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class Nothing(_Body):
    """No arguments."""


class Pausing(_Body):
    """Why rounds are to pause."""

    detail: Annotated[str, Field(max_length=200, pattern=r"^[^\x00]*$")] = ""


class Resuming(_Body):
    """Whether the submissions that wait are to be erased first, as after a mass anomaly."""

    discard: bool = False


class VersionNamed(_Body):
    """One release."""

    version: Version


class ClientNamed(_Body):
    """One client."""

    client: Annotated[str, Field(pattern=r"^[a-f0-9]{64}$")]


class Page(_Body):
    """Which part of a list: ``after`` is `next` of the part before."""

    limit: Annotated[int, Field(ge=1, le=1000)] = 100
    after: Annotated[str, Field(pattern=r"^[A-Za-z0-9._-]{0,64}$")] = ""
    state: Annotated[str, Field(pattern=r"^(active|quarantined|deregistered)$")] | None = None


ASKED: Mapping[str, tuple[type[_Body], str]] = {
    "round": (Nothing, "Run a round now, without waiting for the window's end"),
    "resume": (Resuming, "End a pause of rounds or of publishing"),
    "pause": (Pausing, "Pause rounds; submissions are still taken"),
    "rollback": (VersionNamed, "Bring back an earlier release, as a new one"),
    "reinstate": (ClientNamed, "End a client's quarantine"),
    "quarantine": (ClientNamed, "Put a client into quarantine"),
}
"""What the clerk carries out: name -> what it is asked with, and what it does."""


class Operations:
    """The operators' side of the door.

    Args:
        storage: of everything.
        archive: that it is asked through.
        access: tells operators.
        viewer: of the federation.
        clock: seconds since 1970.
    """

    def __init__(
        self, storage: Storage, archive: Archive, access: Access, viewer: Viewer, clock: Callable[[], float]
    ) -> None:
        self._storage, self._archive, self._access = storage, archive, access
        self._viewer, self._clock = viewer, clock

    async def status(self, exchange: Exchange) -> Answer:
        """What the federation is doing."""
        self._access.operator(exchange.headers)
        view = await self._viewer.refresh()

        def counted() -> dict[str, Any]:
            clients = self._storage.clients
            states = ("active", "quarantined", "deregistered")
            return {
                "clerk": None if (lease := self._storage.leases.get(CLERK)) is None else asdict(lease),
                "clients": {state: clients.count(state) for state in states},
                "pending": self._storage.submissions.count_pending() + self._storage.mail.count_joined(),
            }

        counts = await self._archive.ask(StoragePart.CLIENTS, counted)
        document = {
            "window": {"number": view.window, "closesAt": view.closes_at},
            "paused": view.paused,
            "publishing": view.publishing,
            "short": view.short,
            "privacy": view.privacy,
            "served": view.served,
            "rollout": None if view.rollout is None else _rollout(view.rollout),
            "lastRound": view.last_round,
            **counts,
        }
        return told(plain(document))

    async def releases(self, exchange: Exchange) -> Answer:
        """The releases, newest first."""
        self._access.operator(exchange.headers)
        page = _query(exchange)
        below = int(page.after) if page.after.isdecimal() and len(page.after) < 16 else None
        found = await self._archive.ask(
            StoragePart.RELEASES, lambda: self._storage.releases.list(page.limit, below=below)
        )
        listed = [_document(one) for one in found]
        return told({"releases": listed, "next": _next(found, page.limit, lambda one: str(one.number))})

    async def clients(self, exchange: Exchange) -> Answer:
        """The clients in the order of their ids, without keys and tokens."""
        self._access.operator(exchange.headers)
        page = _query(exchange)
        found = await self._archive.ask(
            StoragePart.CLIENTS, lambda: self._storage.clients.list(page.after, page.limit, page.state)
        )
        listed = [_document(one) for one in found]
        return told({"clients": listed, "next": _next(found, page.limit, lambda one: one.id)})

    async def appeals(self, exchange: Exchange) -> Answer:
        """What quarantined clients say for themselves, the longest waiting first."""
        self._access.operator(exchange.headers)
        page = _query(exchange)
        found = await self._archive.ask(StoragePart.CLIENTS, lambda: self._storage.appeals.list(page.limit))
        return told({"appeals": [_document(one) for one in found]})

    async def audit(self, exchange: Exchange) -> Answer:
        """The audit log, newest first."""
        self._access.operator(exchange.headers)
        page = _query(exchange)
        below = int(page.after) if page.after.isdecimal() and len(page.after) < 16 else None
        found = await self._archive.ask(
            StoragePart.AUDIT, lambda: self._storage.audit.list(limit=page.limit, below=below)
        )
        listed = [_document(one) for one in found]
        return told({"entries": listed, "next": _next(found, page.limit, lambda one: str(one.sequence))})

    async def answer(self, exchange: Exchange) -> Answer:
        """What became of something that the clerk was asked for."""
        self._access.operator(exchange.headers)
        wanted = exchange.arguments[0]
        facts = self._storage.facts

        def looked_up() -> tuple[Any, Any]:
            return facts.get(f"{ANSWER}{wanted}"[:100]), facts.get(f"{REQUEST}{wanted}"[:100])

        done, waiting = await self._archive.ask(StoragePart.FACTS, looked_up)
        if done is None and waiting is None:
            raise UnknownAnswerError
        found = {_camel(name): value for name, value in (done or waiting).items()}
        return told({**found, "state": "done" if done else "waiting"})

    async def approve(self, exchange: Exchange) -> Answer:
        """Agree to the next stage of a rollout."""
        by = self._access.operator(exchange.headers)
        asked = await self._asked(VersionNamed, exchange)
        now = self._clock()

        def approved() -> Rollout:
            rollout = self._storage.rollouts.approve(asked.version, by, now)
            self._storage.audit.add("approve", code="ok", now=now, operator=by)
            return rollout

        from actors.storage import UnknownReleaseError

        try:
            rollout = await self._archive.ask(StoragePart.ROLLOUTS, approved)
        except UnknownReleaseError:
            raise UnknownVersionError(version=asked.version) from None
        except SettingError as error:
            raise InvalidSchemaError(found=str(error)) from None
        return told(plain(_rollout(rollout)))

    def leaving(self, what: str) -> Callable[[Exchange], Any]:
        """The handler that leaves a request of this kind on the clerk's desk."""
        return partial(self._left, what)

    async def _left(self, what: str, exchange: Exchange) -> Answer:
        by = self._access.operator(exchange.headers)
        asked = await self._asked(ASKED[what][0], exchange)
        name, now = secrets.token_hex(16), self._clock()
        request = {**asked.model_dump(), "id": name, "what": what, "by": by, "at": now}

        def left() -> None:
            self._storage.facts.put(f"{REQUEST}{name}", request)
            self._storage.audit.add(f"ask.{what}", code="ok", now=now, operator=by)

        await self._archive.ask(StoragePart.FACTS, left)
        where = f"{PREFIX}/operations/answers/{name}"
        return told({"id": name, "what": what, "answer": where}, 202, {"Location": where})

    async def _asked(self, model: type[Model], exchange: Exchange) -> Model:
        """The body; none is the same as an empty one."""
        if exchange.headers.get(b"content-length", b"0") == b"0" and b"transfer-encoding" not in exchange.headers:
            return parsed(model, b"{}")
        return parsed(model, await exchange.body(_BODY_LIMIT))


def _query(exchange: Exchange) -> Page:
    query: bytes = exchange.scope["query_string"]
    try:
        found = parse_qs(query.decode("ascii"), keep_blank_values=True, max_num_fields=20)
    except ValueError:
        raise InvalidSchemaError(found="The query cannot be read.") from None
    given = {name: values[-1] for name, values in found.items() if name in Page.model_fields}
    try:
        return Page.model_validate(given)
    except ValidationError as error:
        raise unfit(error) from None


def _document(record: Any) -> dict[str, Any]:
    """A record as a document, without what is secret or large."""
    return {_camel(name): plain(value) for name, value in asdict(record).items() if name not in _HIDDEN}


def _rollout(rollout: Rollout) -> dict[str, Any]:
    found = {_camel(name): value for name, value in rollout.to_dict().items()}
    return {**found, "share": rollout.share}


def _camel(name: str) -> str:
    first, *rest = name.split("_")
    return first + "".join(part.capitalize() for part in rest)


def _next(found: Sequence[Any], limit: int, cursor: Callable[[Any], str]) -> str | None:
    return cursor(found[-1]) if len(found) == limit else None
