"""POST and DELETE register: how an installation comes in, renews its token, and leaves.

A client's id is a keyed hash of its installation's hash, so that neither says anything to who lacks the server's
secret. The key that it comes with first stays its key; who shows it again gets a new token, and the old one ends. A
client in quarantine gets one too, for its appeal: standing goes by client, not by token.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
import ipaddress
import secrets
from collections.abc import Callable
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Annotated, Any

from pydantic import BaseModel, ConfigDict, Field
from pydantic.alias_generators import to_camel

from federation.identity import verify
from gateway.federation.access import TOKEN_PREFIX, Access, token_hash
from gateway.federation.archive import Archive
from gateway.federation.canonical import without
from gateway.federation.errors import (
    ConsentError,
    EnrolmentError,
    EnrolmentRateError,
    InvalidSchemaError,
    KeyMismatchError,
    SignatureError,
)
from gateway.federation.exchange import Answer, Exchange, parsed, told
from gateway.federation.settings import DAY_S, DoorSettings
from telemetry import Telemetry, semconv
from telemetry.semconv import ClientTransition, StoragePart
from workloads.patterns.schema import SchemaVersion, Signature

if TYPE_CHECKING:
    from actors.storage import Client, Storage

KEY_PREFIX = "ed25519:"
Word = Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9._+-]{0,63}$")]
_BODY_LIMIT = 8 * 1024


class _Body(BaseModel):
    model_config = ConfigDict(alias_generator=to_camel, extra="forbid", frozen=True)


class Consent(_Body):
    """What the user has agreed to, and when."""

    federation: bool
    analytics: bool = False
    timestamp: datetime


class Registration(_Body):
    """What an installation says of itself."""

    installation_hash: Annotated[str, Field(pattern=r"^sha256:[a-f0-9]{64}$")]
    plugin_version: Word
    schema_version: SchemaVersion
    platform: Word
    consent: Consent
    public_key: Annotated[str, Field(pattern=r"^ed25519:[A-Za-z0-9+/_-]{43}=?$", description="Ed25519, in base64.")]
    region: Word | None = None
    enrolment_code: Annotated[str, Field(max_length=200)] | None = None
    proof: Signature


def key_bytes(text: str) -> bytes:
    """The bytes of a key or a signature that is written as ``ed25519:`` and base64; empty when it is none."""
    encoded = text.removeprefix(KEY_PREFIX).translate(_URL_SAFE)
    try:
        return base64.b64decode(encoded + "=" * (-len(encoded) % 4), validate=True)
    except (binascii.Error, ValueError):
        return b""


def key_text(key: bytes) -> str:
    """A key as ``ed25519:`` and base64."""
    return KEY_PREFIX + base64.b64encode(key).decode()


def moment(seconds: float) -> str:
    """Seconds since 1970 as RFC 3339, in UTC and whole seconds."""
    return datetime.fromtimestamp(int(seconds), UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def network_of(address: str) -> str:
    """What counts as one address: an IPv4 address, or the /64 network of an IPv6 address."""
    try:
        found = ipaddress.ip_address(address.partition("%")[0])
    except ValueError:
        return ""
    if found.version == 6 and found.ipv4_mapped is None:
        return str(ipaddress.ip_network((found, 64), strict=False))
    return str(getattr(found, "ipv4_mapped", None) or found)


class Registrar:
    """Registers clients, and lets them go.

    Args:
        settings: of the door.
        storage: of clients.
        archive: that it is asked through.
        access: that is told of changes.
        telemetry: of the process.
        clock: seconds since 1970.
    """

    def __init__(
        self,
        settings: DoorSettings,
        storage: Storage,
        archive: Archive,
        access: Access,
        telemetry: Telemetry,
        clock: Callable[[], float],
    ) -> None:
        self._settings, self._storage, self._archive = settings, storage, archive
        self._access, self._telemetry, self._clock = access, telemetry, clock
        self._ids = settings.secret.derive("federation-clients").reveal()
        self._addresses = settings.secret.derive("federation-addresses").reveal()
        for transition in (ClientTransition.REGISTERED, ClientTransition.REFRESHED, ClientTransition.DEREGISTERED):
            telemetry.count(semconv.METRIC_CLIENT_TRANSITIONS, 0, {semconv.ATTR_CLIENT_TRANSITION: transition})

    def client_id(self, installation_hash: str) -> str:
        """The client id of an installation."""
        return hmac.new(self._ids, installation_hash.encode(), hashlib.sha256).hexdigest()

    async def register(self, exchange: Exchange) -> Answer:
        """Take a new installation in, or give a known one a new token."""
        body = await exchange.body(_BODY_LIMIT)
        asked = parsed(Registration, body)
        key = key_bytes(asked.public_key)
        if len(key) != 32 or not verify(key, without(body, "proof")[0], key_bytes(asked.proof)):
            raise SignatureError(what="proof")
        if not asked.consent.federation:
            raise ConsentError
        self._check_words(asked)
        client, now = self.client_id(asked.installation_hash), self._clock()
        known = await self._archive.ask(StoragePart.CLIENTS, lambda: self._storage.clients.get(client))
        if known is None:
            await self._let_in(asked, exchange.address, now)
        elif known.public_key != key:
            raise KeyMismatchError
        token = TOKEN_PREFIX + base64.urlsafe_b64encode(secrets.token_bytes(32)).rstrip(b"=")
        made = self._client(asked, client, key, token, now)
        stored = await self._archive.ask(StoragePart.CLIENTS, lambda: self._stored(made, known is None, now))
        if stored is None:
            raise KeyMismatchError  # two came at the same moment
        self._access.forget(client)
        self._tell(ClientTransition.REGISTERED if known is None else ClientTransition.REFRESHED, stored)
        exchange.attributes[semconv.ATTR_CLIENT_ID] = client
        exchange.attributes[semconv.ATTR_REGION] = stored.region
        document = {
            "clientToken": token.decode(),
            "clientId": client,
            "expiresAt": moment(made.token_expires),
            "serverPublicKey": key_text(self._settings.public_key),
            "region": stored.region,
        }
        return told(document, 201 if known is None else 200)

    async def deregister(self, exchange: Exchange) -> Answer:
        """Let a client go: its token ends now, what is known of it goes within the day."""
        client = await self._access.client(exchange.headers, quarantined_too=True)
        now = self._clock()
        due = now + self._settings.limits.purge_s

        def gone() -> None:
            self._storage.clients.deregister(client.id, now)
            self._storage.audit.add("deregister", code="ok", now=now, client=client.id)

        await self._archive.ask(StoragePart.CLIENTS, gone)
        self._access.forget(client.id)
        self._tell(ClientTransition.DEREGISTERED, client)
        exchange.attributes[semconv.ATTR_CLIENT_ID] = client.id
        return told({"status": "deregistered", "purgeBy": moment(due)}, 202)

    def _check_words(self, asked: Registration) -> None:
        ours = self._settings.space.version.partition(".")[0]
        if asked.schema_version.partition(".")[0] != ours:
            raise InvalidSchemaError(
                found=f"schemaVersion is {asked.schema_version}; this federation has major {ours}."
            )
        if asked.region is not None and asked.region not in self._settings.regions:
            raise InvalidSchemaError(
                found=f"region is {asked.region}; here it is one of {', '.join(self._settings.regions)}, or left out."
            )

    async def _let_in(self, asked: Registration, address: str, now: float) -> None:
        """Refuse a new installation that has no code where one is asked for, or that is one too many of its address."""
        limit, needed = self._settings.limits.enrolments, self._settings.enrolment_code
        given = hashlib.sha256((asked.enrolment_code or "").encode()).digest()
        wrong = needed is not None and not hmac.compare_digest(given, needed)
        day = int(now // DAY_S)
        where = hmac.new(self._addresses, f"{day} {wrong} {network_of(address)}".encode(), hashlib.sha256).digest()
        room = await self._archive.ask(StoragePart.CLIENTS, lambda: self._storage.clients.enrol_from(where, day, limit))
        if not room:
            raise EnrolmentRateError(limit=limit, retry_after_s=max(1, int((day + 1) * DAY_S - now)))
        if wrong:
            raise EnrolmentError

    def _client(self, asked: Registration, client: str, key: bytes, token: bytes, now: float) -> Client:
        from actors.storage import Client

        return Client(
            id=client,
            public_key=key,
            region=asked.region or self._settings.regions[0],
            platform=asked.platform,
            plugin_version=asked.plugin_version,
            schema_version=asked.schema_version,
            consent_at=asked.consent.timestamp.timestamp(),
            analytics=asked.consent.analytics,
            registered_at=now,
            seen_at=now,
            token_hash=token_hash(token),
            token_expires=now + self._settings.limits.token_s,
        )

    def _stored(self, made: Client, is_new: bool, now: float) -> Client | None:
        from actors.storage import ClientKeyError

        try:
            stored = self._storage.clients.put(made)
        except ClientKeyError:
            return None
        self._storage.audit.add("register" if is_new else "refresh", code="ok", now=now, client=made.id)
        return stored

    def _tell(self, transition: ClientTransition, client: Client) -> None:
        self._telemetry.count(semconv.METRIC_CLIENT_TRANSITIONS, 1, {semconv.ATTR_CLIENT_TRANSITION: transition})
        who: dict[str, Any] = {semconv.ATTR_CLIENT_ID: client.id, semconv.ATTR_REGION: client.region}
        if transition is ClientTransition.REGISTERED:
            event = {**who, semconv.ATTR_PLATFORM: client.platform}
            self._telemetry.event(semconv.EVENT_CLIENT_REGISTERED, event)
        elif transition is ClientTransition.DEREGISTERED:
            self._telemetry.event(semconv.EVENT_CLIENT_DEREGISTERED, who)


_URL_SAFE = str.maketrans("-_", "+/")
