"""POST secure/join, GET and POST secure/mail, GET secure/draw: how clients take part in sums that nobody sees into.

The door only carries: who takes part is written down, and so are the members' answers, for the sorter; what the sorter
tells members is handed out to who asks for it, also to who waits. A masked row stands in no log and no error.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Annotated, Any, Literal
from urllib.parse import parse_qs

from pydantic import BaseModel, ConfigDict, Field, ValidationError
from pydantic.alias_generators import to_camel

from federation.errors import SwarmError
from federation.identity import verify
from federation.privacy.secure import from_wire
from gateway.federation import canonical
from gateway.federation.access import Access
from gateway.federation.archive import Archive
from gateway.federation.batches import Batches
from gateway.federation.errors import (
    AwayError,
    InvalidSchemaError,
    NotSecureError,
    SecureLateError,
    SignatureError,
    StaleBaseError,
    StaleSubmissionError,
    UnauthorizedError,
)
from gateway.federation.exchange import Answer, Exchange, parsed, told, unfit
from gateway.federation.registration import key_bytes, moment
from gateway.federation.secure_words import KINDS
from gateway.federation.settings import DoorSettings
from gateway.federation.view import Viewer
from telemetry import semconv
from telemetry.semconv import StoragePart
from workloads.patterns.buckets import addend_dimension
from workloads.patterns.schema import Signature, Version

if TYPE_CHECKING:
    from actors.storage import Client, Storage, StoredLetter

LONGEST_WAIT_S = 25.0
"""How long a question for mail may stay open."""
_AGAIN_S = 0.25
_AGAIN_OPEN_S = 2.0
"""Between two looks for mail: while sums are under way, and while the roster is open, when none can be there."""
_BATCH = 256
_PACE_S = 0.02
_PAGE = 1000
_JOIN_LIMIT = 8 * 1024


class _Body(BaseModel):
    model_config = ConfigDict(alias_generator=to_camel, extra="forbid", frozen=True)


class Participation(_Body):
    """That a client takes part in the sums of a round, with changes to a release. Signed as a delta is."""

    client_id: Annotated[str, Field(pattern=r"^[a-f0-9]{64}$")]
    round: Annotated[int, Field(ge=1, lt=2**53)]
    base_version: Version
    nonce: Annotated[str, Field(pattern=r"^[a-f0-9]{32}$")]
    signature: Signature | None = None


class SecureMessage(BaseModel):
    """A member's answer in a secret sum, as `federation.privacy.secure.to_wire` writes it."""

    model_config = ConfigDict(extra="allow", frozen=True)

    form: Literal[1]
    kind: Annotated[str, Field(pattern=r"^(keys|dealt|row|revealed)$")]
    agent: Annotated[str, Field(pattern=r"^[a-f0-9]{64}$")]


class _Asked(_Body):
    round: Annotated[int, Field(ge=1, lt=2**53)]
    after: Annotated[int, Field(ge=0, le=100)] = 0
    wait: Annotated[float, Field(ge=0, le=LONGEST_WAIT_S)] = 0.0


class _Which(_Body):
    round: Annotated[int, Field(ge=1, lt=2**53)]


class _Page(_Which):
    after: Annotated[str, Field(pattern=r"^([a-f0-9]{64})?$")] = ""


class Post:
    """Where members of secret sums come.

    Args:
        settings: of the door.
        storage: of the mail.
        archive: that it is asked through.
        access: tells clients.
        viewer: of the federation.
        clock: seconds since 1970.
    """

    def __init__(
        self,
        settings: DoorSettings,
        storage: Storage,
        archive: Archive,
        access: Access,
        viewer: Viewer,
        clock: Callable[[], float],
    ) -> None:
        self._settings, self._storage, self._archive = settings, storage, archive
        self._access, self._viewer, self._clock = access, viewer, clock
        self._closing = asyncio.Event()
        self._lookups: Batches[tuple[int, str, int], tuple[bool, list[StoredLetter]]] = Batches(
            self._found, archive, StoragePart.MAIL, most=_BATCH, waiting=settings.limits.waiting, pace_s=_PACE_S
        )

    async def close(self) -> None:
        """Let go of those who wait."""
        self._closing.set()
        await self._lookups.close()

    async def join(self, exchange: Exchange) -> Answer:
        """Take a client up in the roster of the round that is open."""
        exchange.attributes[semconv.ATTR_REGION] = "unknown"
        client = await self._member(exchange)
        exchange.attributes[semconv.ATTR_REGION] = client.region
        self._access.count(client.id)
        asked = _signed(await exchange.body(_JOIN_LIMIT), client)
        if asked.client_id != client.id:
            raise UnauthorizedError(found="clientId is not the client that the token was given to.")
        view = self._viewer.view
        if view.degraded or view.window != asked.round:
            view = await self._viewer.refresh()
        if view.degraded or not view.window:
            raise AwayError
        exchange.attributes[semconv.ATTR_WINDOW] = view.window
        if asked.round != view.window:
            raise StaleSubmissionError(member="round", found=str(asked.round), needed=str(view.window))
        current = view.version_for(client.id)
        if asked.base_version != current:
            raise StaleBaseError(base=asked.base_version, current=current or "none", behind=0)
        outcome = await self._archive.ask(StoragePart.MAIL, lambda: self._joined(asked, client))
        if outcome == "late":
            view = await self._viewer.refresh()  # so that health says the new one to who asks it now
            raise StaleSubmissionError(member="round", found=str(asked.round), needed=str(view.window))
        document = {"status": "joined", "round": asked.round, "closesAt": moment(view.closes_at)}
        answer = told(document, 202)
        answer.code = outcome
        return answer

    async def mail(self, exchange: Exchange) -> Answer:
        """What a member is told, as soon as there is something, or when it has waited long enough."""
        client = await self._member(exchange)
        asked = _query(_Asked, exchange)
        loop = asyncio.get_running_loop()
        until = loop.time() + asked.wait
        while True:
            there, letters = await self._lookups.ask((asked.round, client.id, asked.after))
            left = until - loop.time()
            if letters or not there or left <= 0 or self._closing.is_set():
                break
            again = _AGAIN_OPEN_S if asked.round == self._viewer.view.window else _AGAIN_S
            await asyncio.sleep(min(again, left))
        view = self._viewer.view
        return told(
            {
                "round": asked.round,
                "currentRound": view.window,
                "joined": there,
                "closesAt": moment(view.closes_at),
                "letters": [{"number": one.number, "kind": one.kind, "body": one.body} for one in letters],
            }
        )

    async def answer(self, exchange: Exchange) -> Answer:
        """Take a member's answer, for the sorter to judge."""
        exchange.check_size(self._settings.limits.body)
        client = await self._member(exchange)
        self._access.count(client.id)
        asked = _query(_Which, exchange)
        body = await exchange.body(self._settings.limits.body)
        kind = _message(body, client.id, addend_dimension(len(self._settings.space.keys)))
        outcome = await self._archive.ask(
            StoragePart.MAIL, lambda: self._storage.mail.answer(client.id, asked.round, kind, body)
        )
        if outcome == "late":
            raise SecureLateError(kind=kind)
        return told({"status": "accepted", "round": asked.round}, 202)

    async def draw(self, exchange: Exchange) -> Answer:
        """How the members of a round were drawn into buckets: for whoever wants to check it."""
        client = await self._member(exchange)
        del client
        asked = _query(_Page, exchange)

        def looked() -> dict[str, Any]:
            mail = self._storage.mail
            found, buckets = mail.draw(asked.round), mail.buckets(asked.round)
            roster = mail.roster(asked.round, asked.after, _PAGE)
            open_still = any(one.state == "open" for one in buckets)
            facts = {} if found is None else found[1]
            return {
                "round": asked.round,
                "commitment": facts.get("commitment"),
                "rosterDigest": facts.get("roster"),
                "secret": None if found is None or open_still else found[0].hex(),
                "buckets": [{"region": one.region, "members": one.members, "state": one.state} for one in buckets],
                "roster": [
                    {"client": one.client, "region": one.region, "baseVersion": one.base_version} for one in roster
                ],
                "next": roster[-1].client if len(roster) == _PAGE else None,
            }

        return told(await self._archive.ask(StoragePart.MAIL, looked))

    async def _member(self, exchange: Exchange) -> Client:
        if self._settings.secure is None:
            await self._access.client(exchange.headers)
            raise NotSecureError
        client = await self._access.client(exchange.headers)
        exchange.attributes[semconv.ATTR_CLIENT_ID] = client.id
        return client

    def _joined(self, asked: Participation, client: Client) -> str:
        from actors.storage import Join

        now = self._clock()
        outcome = self._storage.mail.join(
            Join(
                client=client.id,
                region=client.region,
                window=asked.round,
                base_version=asked.base_version,
                nonce=asked.nonce,
                received_at=now,
            )
        )
        self._storage.audit.add("join", client=client.id, code=outcome.value, now=now)
        self._storage.clients.seen({client.id}, now)
        return outcome.value

    def _found(self, asked: Sequence[tuple[int, str, int]]) -> Sequence[tuple[bool, list[StoredLetter]]]:
        return self._storage.mail.letters(asked)


def _signed(body: bytes, client: Client) -> Participation:
    signed, text = canonical.without(body, "signature")
    found = parsed(Participation, signed)
    signature = key_bytes(text) if isinstance(text, str) and text.startswith("ed25519:") else b""
    if len(signature) != 64 or not verify(client.public_key, signed, signature):
        raise SignatureError(what="signature")
    return found


def _message(body: bytes, client: str, dimension: int) -> str:
    """The kind of an answer that can be one. What is in it is never repeated."""
    try:
        message = from_wire(body, dimension=dimension)
    except SwarmError as error:
        raise InvalidSchemaError(found=f"The body is no answer of a secret sum ({error.code}).") from None
    kind = next((kind for kind, one in KINDS.items() if type(message) is one), None)
    if kind is None:
        raise InvalidSchemaError(found="The body is a message of the server's.")
    if getattr(message, "agent", None) != client:
        raise UnauthorizedError(found="agent is not the client that the token was given to.")
    return kind


def _query(model: type[Any], exchange: Exchange) -> Any:
    raw: bytes = exchange.scope.get("query_string", b"")
    found = parse_qs(raw.decode("latin-1"), keep_blank_values=True)
    try:
        return model.model_validate({name: values[-1] for name, values in found.items()})
    except ValidationError as error:
        raise unfit(error) from None
