"""Who asks: clients by their tokens, operators by theirs.

What is known of a token is kept for some seconds, so that a client that was quarantined, or whose token was replaced,
is found out that much later by the processes that had not done it themselves. Tokens are looked up by their hashes,
many in one question.
"""

from __future__ import annotations

import hashlib
import hmac
from collections import OrderedDict
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING

from gateway.federation.archive import Archive
from gateway.federation.batches import Batches
from gateway.federation.errors import (
    AwayError,
    OperatorTokenError,
    QuarantinedError,
    RateError,
    UnauthorizedError,
)
from gateway.federation.settings import PREFIX, Limits
from telemetry.semconv import StoragePart

if TYPE_CHECKING:
    from actors.storage import Client, Storage

TOKEN_PREFIX = b"fed_"
_KEPT = 100_000
_BATCH = 256
_PACE_S = 0.005
_LONGEST = 200
Headers = Mapping[bytes, bytes]


def token_hash(token: bytes) -> bytes:
    """What is stored of a token. It has 256 random bits, so that a fast hash is enough."""
    return hashlib.sha256(token).digest()


def bearer(headers: Headers) -> bytes:
    """The token in the Authorization header; empty where there is none."""
    scheme, _, token = headers.get(b"authorization", b"").partition(b" ")
    return token.strip() if scheme.lower() == b"bearer" else b""


class Access:
    """Tells clients and operators.

    Args:
        storage: of clients.
        archive: that it is asked through.
        limits: see `Limits`.
        operator_token: hash of the operators' token; None where there are no operators.
        clock: seconds since 1970.
    """

    def __init__(
        self,
        storage: Storage,
        archive: Archive,
        *,
        limits: Limits,
        operator_token: bytes | None,
        clock: Callable[[], float],
    ) -> None:
        self._storage, self._limits, self._clock = storage, limits, clock
        self._operator = operator_token
        self._known: OrderedDict[bytes, tuple[float, Client]] = OrderedDict()
        self._attempts: dict[str, int] = {}
        self._minute = 0
        self._lookups: Batches[bytes, Client | None] = Batches(
            self._found, archive, StoragePart.CLIENTS, most=_BATCH, waiting=limits.waiting, pace_s=_PACE_S
        )

    async def client(self, headers: Headers, *, quarantined_too: bool = False) -> Client:
        """The client that asks.

        Raises:
            UnauthorizedError: without a token that holds, or with that of another client.
            QuarantinedError: for a quarantined one, unless ``quarantined_too``.
            AwayError: when it is not known here, and the storage is away.
        """
        token = bearer(headers)
        if not token.startswith(TOKEN_PREFIX) or len(token) > _LONGEST:
            raise UnauthorizedError(found="There is no client token.")
        digest, now = token_hash(token), self._clock()
        kept = self._known.get(digest)
        if kept is not None and now < kept[0]:
            found = kept[1]
        else:
            found = await self._looked_up(digest, now)
        if now >= found.token_expires:
            raise UnauthorizedError(found="The client token has expired.")
        if headers.get(b"x-client-id", b"") != found.id.encode():
            raise UnauthorizedError(found="X-Client-ID is not the client that the token was given to.")
        if found.state == "quarantined" and not quarantined_too:
            raise QuarantinedError(appeal=f"{PREFIX}/appeal")
        return found

    async def reader(self, headers: Headers) -> Client | None:
        """As `client`, for who only reads what was released: None while the storage is away and cannot tell."""
        try:
            return await self.client(headers)
        except AwayError:
            return None

    def count(self, client: str) -> None:
        """Count a request with a body.

        Raises:
            RateError: when it is one too many in this minute.
        """
        minute = int(self._clock() // 60)
        if minute != self._minute:
            self._minute, self._attempts = minute, {}
        tried = self._attempts.get(client, 0) + 1
        self._attempts[client] = tried
        if tried > self._limits.attempts:
            wait = max(1, int(60 - self._clock() % 60))
            raise RateError(limit=f"{self._limits.attempts} requests a minute", retry_after_s=wait)

    def forget(self, client: str) -> None:
        """Look the client up anew when it comes again: what is known of it was changed here."""
        for digest in [digest for digest, (_, known) in self._known.items() if known.id == client]:
            del self._known[digest]

    def operator(self, headers: Headers) -> str:
        """The operator that asks, as the audit log names it.

        Raises:
            OperatorTokenError: when it is none.
        """
        given = hashlib.sha256(bearer(headers)).digest()
        if self._operator is None or not hmac.compare_digest(given, self._operator):
            raise OperatorTokenError
        return "operator"

    async def close(self) -> None:
        """Finish what is under way."""
        await self._lookups.close()

    async def _looked_up(self, digest: bytes, now: float) -> Client:
        found = await self._lookups.ask(digest)
        if found is None or found.state == "deregistered":
            self._known.pop(digest, None)
            raise UnauthorizedError(found="The client token is not known: it was replaced or revoked.")
        self._known[digest] = (now + self._limits.fresh_s, found)
        self._known.move_to_end(digest)
        while len(self._known) > _KEPT:
            self._known.popitem(last=False)
        return found

    def _found(self, digests: Sequence[bytes]) -> Sequence[Client | None]:
        known = self._storage.clients.by_tokens(digests)
        return [known.get(digest) for digest in digests]
