"""Who may ask: the bearer token, the names that a loopback address answers to, and requests of foreign web pages.

A page of another site can make a browser send requests to 127.0.0.1. It cannot set our token, but
without a token it could run a round: so requests that change something must come from our own page or
from no page at all, and a gateway on loopback answers only to loopback's names (DNS rebinding).
"""

from __future__ import annotations

import hmac
from collections.abc import Collection
from ipaddress import ip_address
from urllib.parse import urlsplit

from starlette.datastructures import Headers, MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from federation.errors import SettingError, SwarmError
from gateway.problems import of_error

OPEN = ("/", "/healthz", "/readyz", "/favicon.ico")
"""Paths that need no token: they say nothing of the swarm but whether it works."""
OPEN_FOLDER = "/page/"
LOOPBACK_NAMES = frozenset({"localhost", "127.0.0.1", "::1"})
SHORTEST_TOKEN = 16
_READING = frozenset({"GET", "HEAD", "OPTIONS"})
_HEADERS = {
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "Cross-Origin-Resource-Policy": "same-origin",
}


class TokenError(SwarmError):
    """A request without the token that this gateway asks for."""

    code = "access.token"

    def __init__(self) -> None:
        super().__init__(
            "This gateway asks for a token. Send `Authorization: Bearer TOKEN` with what its --token-file holds."
        )


class OriginError(SwarmError):
    """A request that the page of another site made a browser send."""

    code = "access.origin"

    def __init__(self, *, origin: str) -> None:
        super().__init__(
            f"A page of {origin} asked to change something. Only this gateway's own page, and programs, may.",
            origin=origin,
        )


class HostError(SwarmError):
    """A request for a name that this gateway does not answer to."""

    code = "access.host"

    def __init__(self, *, host: str) -> None:
        super().__init__(
            f"The request is for {host!r}; without a token this gateway answers only to localhost. Ask for "
            "http://127.0.0.1, or start it with --token-file.",
            host=host,
        )


def is_loopback(host: str) -> bool:
    """Whether an address is this machine's own, and cannot be reached from others."""
    if host == "localhost":
        return True
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return False


def checked_token(token: str) -> str:
    """The token without the white space around it.

    Raises:
        SettingError: when it is too short to be a secret, or cannot be sent in a header.
    """
    stripped = token.strip()
    if len(stripped) < SHORTEST_TOKEN or not stripped.isascii() or not stripped.isprintable() or " " in stripped:
        raise SettingError(
            name="token",
            found=f"{len(stripped)} characters",
            needed=f"{SHORTEST_TOKEN} or more printable ASCII characters without blanks, as `openssl rand -hex 32` "
            "makes them",
        )
    return stripped


class Guard:
    """ASGI middleware. See the module.

    Args:
        app: what is guarded.
        token: that requests must bring; None for none.
        names: host names that it answers to; None for any.
    """

    def __init__(self, app: ASGIApp, *, token: str | None = None, names: Collection[str] | None = None) -> None:
        self._app = app
        self._token = None if token is None else token.encode()
        self._names = None if names is None else frozenset(names)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return

        async def send_guarded(message: Message) -> None:
            if message["type"] == "http.response.start":
                headers = MutableHeaders(scope=message)
                for name, value in _HEADERS.items():
                    headers.setdefault(name, value)
            await send(message)

        error = self._refusal(scope)
        if error is None:
            await self._app(scope, receive, send_guarded)
            return
        asks = {"WWW-Authenticate": 'Bearer realm="swarmlore"'} if isinstance(error, TokenError) else {}
        await of_error(error, scope["path"], headers=asks)(scope, receive, send_guarded)

    def _refusal(self, scope: Scope) -> SwarmError | None:
        headers = Headers(scope=scope)
        host = headers.get("host", "")
        if self._names is not None and _name(host) not in self._names:
            return HostError(host=host[:100])
        if scope["method"] not in _READING:
            origin = headers.get("origin")
            foreign = headers.get("sec-fetch-site", "none") not in ("none", "same-origin")
            if foreign or (origin is not None and urlsplit(origin).netloc != host):
                return OriginError(origin=(origin or "another site")[:100])
        path: str = scope["path"]
        if self._token is None or path in OPEN or path.startswith(OPEN_FOLDER):
            return None
        scheme, _, sent = headers.get("authorization", "").partition(" ")
        same = hmac.compare_digest(sent.strip().encode("utf-8", "surrogateescape"), self._token)
        return None if same and scheme.lower() == "bearer" else TokenError()


def _name(host: str) -> str:
    """The name in a Host header, without its port."""
    try:
        return urlsplit(f"//{host}").hostname or ""
    except ValueError:
        return ""
