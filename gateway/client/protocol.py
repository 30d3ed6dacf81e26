"""The federation's requests and answers, as functions of values; what an answer means is decided here."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from gateway.client.errors import (
    AnswerError,
    ClientError,
    QuarantinedError,
    RateLimitedError,
    RefusedError,
    ServerFailedError,
    TokenError,
)
from gateway.client.identity import raw_of
from gateway.client.transport import Arrived, Reply, Transport

MOST_ANSWER = 1 << 16
MOST_MANIFEST = 1 << 20
QUARANTINED = "CLIENT_QUARANTINED"
_CODE = re.compile(r"[A-Za-z][A-Za-z0-9_.-]{0,63}")
_CLIENT_ID = re.compile(r"(?:sha256:)?([a-f0-9]{64})")
_TOKEN = re.compile(r"[\x21-\x7e]{16,512}")
_ETAG = re.compile(r'(?:W/)?"[\x21\x23-\x7e]{1,128}"')


@dataclass(frozen=True, slots=True, kw_only=True)
class Session:
    """What an installation shows with each request.

    Attributes:
        client: its id at the server.
        token: that belongs to it.
    """

    client: str
    token: str

    def __repr__(self) -> str:
        return f"Session(client={self.client!r})"


@dataclass(frozen=True, slots=True, kw_only=True)
class Registered:
    """What a registration gave.

    Attributes:
        session: to go on with.
        expires_at: Unix time; None where the server did not say.
        server_key: that releases are signed with.
    """

    session: Session
    expires_at: float | None
    server_key: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Downloaded:
    """What ``weights/latest`` gave.

    Attributes:
        content: bytes of a release; None for "nothing newer".
        etag: to ask with next time.
        group: of the rollout that this installation is in.
    """

    content: bytes | None
    etag: str | None
    group: str | None


class Protocol:
    """The endpoints of one federation server.

    Args:
        transport: that carries the requests.
        schema_version: that this client speaks.
        most_bytes: of a release.
    """

    def __init__(self, transport: Transport, *, schema_version: str, agent: str, most_bytes: int) -> None:
        self._transport = transport
        self._schema = schema_version
        self._agent = agent
        self._most_bytes = most_bytes

    def health(self) -> Mapping[str, Any]:
        """How the federation is."""
        return _document(self._call("GET", "/health", None))

    def register(self, request: Mapping[str, Any]) -> Registered:
        """Register, or register again."""
        found = _document(self._call("POST", "/register", None, body=request))
        token, client, key = found.get("clientToken"), found.get("clientId"), found.get("serverPublicKey")
        match = _CLIENT_ID.fullmatch(client) if isinstance(client, str) else None
        if not isinstance(token, str) or not _TOKEN.fullmatch(token) or match is None:
            raise AnswerError(found="no token or client id", needed="both, after a registration")
        if not isinstance(key, str) or raw_of(key, length=32) is None:
            raise AnswerError(found="no server key", needed="ed25519: and 32 bytes")
        expires = _moment(found.get("expiresAt"))
        return Registered(session=Session(client=match[1], token=token), expires_at=expires, server_key=key)

    def deregister(self, session: Session) -> None:
        """End the registration; the server forgets this installation within a day."""
        self._call("DELETE", "/register", session)

    def submit(self, session: Session, document: str) -> Mapping[str, Any]:
        """Hand in a signed delta."""
        return _document(self._call("POST", "/weights/submit", session, raw=document.encode()))

    def join(self, session: Session, request: Mapping[str, Any]) -> Mapping[str, Any]:
        """Take part in the secret sums of a round."""
        return _document(self._call("POST", "/secure/join", session, body=request))

    def mail(self, session: Session, round_number: int, *, after: int, wait_s: float) -> Mapping[str, Any]:
        """What members of a secret sum are told: ``joined``, and ``letters`` with ``number``, ``kind`` and ``body``."""
        path = f"/secure/mail?round={round_number}&after={after}&wait={wait_s:g}"
        found = _document(self._call("GET", path, session, most_bytes=MOST_MANIFEST))
        letters: Any = found.get("letters")
        shapes = {"number": int, "kind": str, "body": str}
        if not isinstance(letters, list) or not all(
            isinstance(one, dict) and all(isinstance(one.get(name), kind) for name, kind in shapes.items())
            for one in letters
        ):
            raise AnswerError(found="no letters", needed="a list of letters")
        return {"joined": found.get("joined") is True, "letters": letters}

    def answer(self, session: Session, round_number: int, message: bytes) -> None:
        """Answer in a secret sum."""
        self._call("POST", f"/secure/mail?round={round_number}", session, raw=message)

    def latest(self, session: Session, *, etag: str | None, arrived: Arrived | None = None) -> Downloaded:
        """The newest release for this installation, unless it is the one with this tag. Without, caches are passed."""
        extra = {"If-None-Match": etag} if etag else {"Cache-Control": "no-cache"}
        reply = self._call("GET", "/weights/latest", session, extra=extra, most_bytes=self._most_bytes, arrived=arrived)
        found = reply.headers.get("etag", "")
        return Downloaded(
            content=None if reply.status == 304 else reply.body,
            etag=found if _ETAG.fullmatch(found) else None,
            group=clean(reply.headers.get("x-rollout-group", ""), 32) or None,
        )

    def manifest(self, session: Session) -> Mapping[str, Any]:
        """The versions that there are."""
        return _document(self._call("GET", "/weights/manifest", session, most_bytes=MOST_MANIFEST))

    def report(self, session: Session, document: Mapping[str, Any]) -> None:
        """Tell error rates of versions."""
        self._call("POST", "/reports", session, body=document)

    def appeal(self, session: Session, document: Mapping[str, Any]) -> None:
        """Ask for a review of a quarantine."""
        self._call("POST", "/appeal", session, body=document)

    def _call(
        self,
        method: str,
        path: str,
        session: Session | None,
        *,
        body: Mapping[str, Any] | None = None,
        raw: bytes | None = None,
        extra: Mapping[str, str] | None = None,
        most_bytes: int = MOST_ANSWER,
        arrived: Arrived | None = None,
    ) -> Reply:
        headers = {"Accept": "application/json", "User-Agent": self._agent, "X-Schema-Version": self._schema}
        headers.update(extra or {})
        if session is not None:
            headers.update({"Authorization": f"Bearer {session.token}", "X-Client-ID": session.client})
        content = json.dumps(body, allow_nan=False).encode() if body is not None else raw
        if content is not None:
            headers["Content-Type"] = "application/json"
        # An error is told in few words, whatever a success may weigh.
        reply = self._transport.request(
            method, path, headers=headers, body=content, most_bytes=most_bytes, arrived=arrived
        )
        if 200 <= reply.status < 300 or (reply.status == 304 and method == "GET"):
            return reply
        raise problem_of(reply)


def problem_of(reply: Reply) -> ClientError:
    """The error that an answer stands for (RFC 9457, with the protocol's ``code``)."""
    found: Any = None
    if len(reply.body) <= MOST_ANSWER:
        try:
            found = json.loads(reply.body)
        except (ValueError, RecursionError):
            found = None
    plain: Mapping[str, Any] = found if isinstance(found, dict) else {}
    code, detail = plain.get("code"), clean(plain.get("detail"), 300)
    code = code if isinstance(code, str) and _CODE.fullmatch(code) else f"HTTP_{reply.status}"
    wait = _seconds(reply.headers.get("retry-after"))
    if reply.status >= 500:
        return ServerFailedError(status=reply.status, detail=detail, retry_after_s=wait)
    if reply.status == 401:
        return TokenError(detail=detail)
    if reply.status == 403 and code == QUARANTINED:
        return QuarantinedError(detail=detail)
    if reply.status == 429:
        return RateLimitedError(reason=code, retry_after_s=wait)
    if reply.status == 408:
        return ServerFailedError(status=reply.status, detail=detail, retry_after_s=wait)
    return RefusedError(status=reply.status, reason=code, detail=detail)


def clean(text: object, most: int) -> str:
    """A server's words for a person: short, on one line, and without what a terminal would obey."""
    if not isinstance(text, str):
        return ""
    return "".join(letter if letter.isprintable() else " " for letter in text[:most]).strip()


def _document(reply: Reply) -> Mapping[str, Any]:
    try:
        found = json.loads(reply.body)
    except (ValueError, RecursionError) as error:
        raise AnswerError(found="no JSON", needed="a JSON object") from error
    if not isinstance(found, dict):
        raise AnswerError(found=f"a {type(found).__name__}", needed="a JSON object")
    return found


def _moment(text: object) -> float | None:
    try:
        made = datetime.fromisoformat(text) if isinstance(text, str) else None
        return None if made is None or made.tzinfo is None else made.timestamp()
    except (ValueError, OverflowError):
        return None


def _seconds(text: str | None) -> float | None:
    """Retry-After in seconds; a date is not taken, as the clocks need not agree."""
    return float(text) if text and text.isascii() and text.isdigit() and len(text) < 10 else None
