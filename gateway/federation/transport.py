"""How bytes come in: TLS 1.3, and an HTTP reader that bounds what a peer may send and how long it may take."""

from __future__ import annotations

import asyncio
import socket
import ssl
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from federation.errors import SettingError
from gateway.serving import BindError

HEADER_BYTES = 16 * 1024
"""Of a request line and its headers together."""
HEADER_S = 15.0
"""Within which a request's headers have to be there."""
KEEP_ALIVE_S = 30
"""How long a connection may be idle between two requests."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Tls:
    """The files of the transport's security.

    Attributes:
        certificate: chain of the server, PEM.
        key: of the certificate, PEM.
        client_authority: whose certificates clients have to show (mTLS); None where they need none.
    """

    certificate: Path
    key: Path
    client_authority: Path | None = None

    def context(self) -> ssl.SSLContext:
        """A context that speaks TLS 1.3 and nothing below.

        Raises:
            SettingError: when a file cannot be read, or is not what it should be.
        """
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.minimum_version = ssl.TLSVersion.TLSv1_3
        context.set_alpn_protocols(["http/1.1"])
        try:
            # A key with a password would have somebody asked for it on a terminal; here nobody sits.
            context.load_cert_chain(self.certificate, self.key, password=lambda: b"")
        except (OSError, ssl.SSLError) as error:
            found = f"{self.certificate}, {self.key}: {error}"
            raise SettingError(name="tls-cert", found=found, needed="a PEM chain and its key") from error
        if self.client_authority is not None:
            try:
                context.load_verify_locations(self.client_authority)
            except (OSError, ssl.SSLError) as error:
                found = f"{self.client_authority}: {error}"
                raise SettingError(name="client-ca", found=found, needed="PEM certificates") from error
            context.verify_mode = ssl.CERT_REQUIRED
        return context


def listener(host: str, port: int, *, shared: bool) -> socket.socket:
    """A socket bound to an address; ``shared`` with others of this user, among which the kernel spreads connections.

    Raises:
        BindError: when the address cannot be had.
        SettingError: when this system cannot share one.
    """
    if shared and not hasattr(socket, "SO_REUSEPORT"):
        raise SettingError(name="workers", found="on this system", needed="1, as an address cannot be shared here")
    bound = socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET, socket.SOCK_STREAM)
    try:
        bound.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        if shared:
            bound.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
        bound.bind((host, port))
    except OSError as error:
        bound.close()
        raise BindError(host=host, port=port, reason=error.strerror or str(error)) from error
    return bound


def reserved(host: str, port: int) -> socket.socket:
    """A socket that keeps an address for processes which share it, and takes no connections itself.

    Raises:
        BindError: when the address cannot be had, or somebody serves there already.
        SettingError: when this system cannot share one.
    """
    with listener(host, port, shared=False) as alone:
        port = alone.getsockname()[1]
    return listener(host, port, shared=True)


class HeadersError(Exception):
    """Headers that are larger than what is taken."""


class BoundedProtocol(HttpToolsProtocol):
    """uvicorn's protocol, with a bound on headers and on the time that they may take."""

    _size = 0
    _due: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.Transport) -> None:  # pyright: ignore[reportIncompatibleMethodOverride]
        super().connection_made(transport)
        self._await_headers()

    def connection_lost(self, exc: Exception | None) -> None:
        self._have_headers()
        super().connection_lost(exc)

    def on_message_begin(self) -> None:
        self._size = 0
        self._await_headers()
        super().on_message_begin()

    def on_url(self, url: bytes) -> None:
        self._take(len(url))
        super().on_url(url)

    def on_header(self, name: bytes, value: bytes) -> None:
        self._take(len(name) + len(value))
        super().on_header(name, value)

    def on_headers_complete(self) -> None:
        self._have_headers()
        super().on_headers_complete()

    def _take(self, count: int) -> None:
        self._size += count
        if self._size > HEADER_BYTES:
            raise HeadersError  # the parser makes a 400 of it, and closes

    def _await_headers(self) -> None:
        self._have_headers()
        self._due = self.loop.call_later(HEADER_S, self._give_up)

    def _have_headers(self) -> None:
        if self._due is not None:
            self._due.cancel()
            self._due = None

    def _give_up(self) -> None:
        self._due = None
        if self.transport is not None and not self.transport.is_closing():
            self.transport.abort()


def uvicorn_settings(tls: Tls | None, proxies: str) -> dict[str, Any]:
    """What uvicorn is started with, but for the application and its address.

    Args:
        tls: None for plain HTTP.
        proxies: addresses of proxies whose word on the client's address is believed, as uvicorn takes them.
    """
    secured: dict[str, Any] = {}
    if tls is not None:
        context = tls.context()
        secured = {"ssl_context_factory": lambda _config, _default: context}
    return {
        "http": BoundedProtocol,
        "ws": "none",
        "lifespan": "on",
        "log_level": "warning",
        "access_log": False,
        "server_header": False,
        "proxy_headers": bool(proxies),
        "forwarded_allow_ips": proxies or None,
        "limit_concurrency": 8192,
        "timeout_keep_alive": KEEP_ALIVE_S,
        "timeout_graceful_shutdown": 10,
        **secured,
    }
