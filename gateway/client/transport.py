"""One HTTP request, with what a client of strangers needs: limits of time and size, pins, and no redirects elsewhere.

Python's own client, and not a library, because it imports in a moment and lets the certificate be looked at before
anything is sent.
"""

from __future__ import annotations

import contextlib
import hashlib
import http.client
import socket
import ssl
import threading
import urllib.request
from base64 import b64encode
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from urllib.parse import unquote, urljoin, urlsplit

from gateway.client.errors import AnswerError, CertificateError, RedirectError, UnreachableError
from gateway.client.settings import ClientSettings, Trust

_REDIRECTS = frozenset({301, 302, 303, 307, 308})
_MOST_REDIRECTS = 3
_PART = 1 << 16

Arrived = Callable[[int, int | None], None]
"""Told how many bytes have arrived, and of how many, where that is known."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Reply:
    """What a server answered.

    Attributes:
        status: of HTTP.
        headers: names in lower case.
        body: within the limit that was set.
    """

    status: int
    headers: Mapping[str, str]
    body: bytes = field(repr=False)


class _Secure(http.client.HTTPConnection):
    """A connection over TLS whose socket is at hand during the handshake, too, so that it can be cut then.

    Args:
        host, port: to connect to; of the proxy where there is one.
        timeout_s: of one read.
        context: of TLS.
        name: that the certificate must be of.
    """

    def __init__(self, host: str, port: int, timeout_s: float, context: ssl.SSLContext, name: str) -> None:
        super().__init__(host, port, timeout=timeout_s)
        self._tls, self._name = context, name

    def connect(self) -> None:
        """Connect, through a tunnel where one is set, and shake hands."""
        super().connect()
        made = self._tls.wrap_socket(self.sock, server_hostname=self._name, do_handshake_on_connect=False)
        self.sock = made
        made.do_handshake()


class Transport:
    """Requests to one server. Each has a connection of its own.

    Args:
        settings: with the server, the time limit, and whom to trust.
    """

    def __init__(self, settings: ClientSettings) -> None:
        self._base = settings.server
        self._trust = settings.trust
        self._timeout_s = settings.timeout_s
        self._context: ssl.SSLContext | None = None

    def request(
        self,
        method: str,
        path: str,
        *,
        headers: Mapping[str, str],
        body: bytes | None = None,
        most_bytes: int,
        arrived: Arrived | None = None,
    ) -> Reply:
        """The server's answer, whatever its status. A GET follows redirects within the same server.

        Raises:
            UnreachableError: without a whole answer in time.
            CertificateError: when the connection is not to whom it should be.
            RedirectError: for any other redirect.
            AnswerError: for an answer above the limit.
        """
        url = self._base + path
        for _ in range(_MOST_REDIRECTS + 1):
            reply = self._once(method, url, headers, body, most_bytes, arrived)
            if reply.status not in _REDIRECTS:
                return reply
            there, host = _target(url, reply.headers.get("location", ""))
            if method != "GET" or _origin(there) != _origin(url):
                raise RedirectError(status=reply.status, host=_printable(host) or "nowhere")
            url = there
        raise AnswerError(found=f"more than {_MOST_REDIRECTS} redirects", needed="a document")

    def _once(
        self,
        method: str,
        url: str,
        headers: Mapping[str, str],
        body: bytes | None,
        most_bytes: int,
        arrived: Arrived | None,
    ) -> Reply:
        parts = urlsplit(url)
        connection = self._connection(parts.scheme, parts.hostname or "", parts.port)
        late = threading.Event()
        # A socket's own time limit is for one read; a server that sends a byte now and then would never meet it.
        guard = threading.Timer(self._timeout_s, _cut, (connection, late))
        guard.daemon = True
        guard.start()
        try:
            connection.connect()
            self._check_pins(connection)
            target = parts.path + (f"?{parts.query}" if parts.query else "")
            connection.request(method, target, body, {**headers, "Accept-Encoding": "identity", "Connection": "close"})
            answer = connection.getresponse()
            content = _content(answer, most_bytes, arrived)
            return Reply(
                status=answer.status, headers={name.lower(): value for name, value in answer.getheaders()}, body=content
            )
        except ssl.SSLCertVerificationError as error:
            found = f"its certificate does not verify ({error.verify_message})"
            raise CertificateError(server=self._base, found=found, needed="a valid one") from error
        except (OSError, http.client.HTTPException) as error:
            reason = f"no whole answer within {self._timeout_s:g} s" if late.is_set() else _reason(error)
            if isinstance(error, ssl.SSLError | ConnectionResetError) and self._trust.certificate is None:
                # In TLS 1.3 a server says only after the handshake that it wanted one, if it says so at all.
                reason += "; so ends a server that asks for a certificate, and none is given" * (
                    parts.scheme == "https"
                )
            raise UnreachableError(server=self._base, reason=reason) from error
        finally:
            guard.cancel()
            connection.close()

    def _connection(self, scheme: str, host: str, port: int | None) -> http.client.HTTPConnection:
        proxy = self._proxy(scheme, host)
        if scheme == "http":
            return http.client.HTTPConnection(host, port, timeout=self._timeout_s)
        if proxy is None:
            return _Secure(host, port or 443, self._timeout_s, self._tls(), host)
        parts = urlsplit(proxy if "//" in proxy else f"http://{proxy}")
        made = _Secure(parts.hostname or "", parts.port or 80, self._timeout_s, self._tls(), host)
        credentials = {}
        if parts.username is not None:
            pair = f"{unquote(parts.username)}:{unquote(parts.password or '')}"
            credentials["Proxy-Authorization"] = "Basic " + b64encode(pair.encode()).decode()
        made.set_tunnel(host, port or 443, headers=credentials)  # TLS is with the server, through the proxy
        return made

    def _proxy(self, scheme: str, host: str) -> str | None:
        if not self._trust.proxy or scheme != "https" or urllib.request.proxy_bypass(host):
            return None
        return urllib.request.getproxies().get(scheme)

    def _tls(self) -> ssl.SSLContext:
        if self._context is None:
            self._context = context_of(self._trust, server=self._base)
        return self._context

    def _check_pins(self, connection: http.client.HTTPConnection) -> None:
        if not self._trust.pins or not isinstance(connection.sock, ssl.SSLSocket):
            return
        shown = connection.sock.getpeercert(binary_form=True) or b""
        found = pins_of(shown)
        if not set(found) & set(self._trust.pins):
            raise CertificateError(server=self._base, found=", ".join(found), needed="a pinned one")


def context_of(trust: Trust, *, server: str) -> ssl.SSLContext:
    """TLS 1.3, the server's certificate checked, one's own shown where there is one.

    Raises:
        CertificateError: when a file of these is none.
    """
    try:
        context = ssl.create_default_context(cafile=trust.ca_file)
        if trust.certificate is not None:
            # A key with a password would have somebody asked for it on a terminal; a plugin has none.
            context.load_cert_chain(trust.certificate, trust.certificate_key, password=lambda: b"")
    except (OSError, ssl.SSLError) as error:
        needed = "PEM files of an authority, a certificate and its key, that can be read"
        raise CertificateError(server=server, found=_reason(error), needed=needed) from error
    context.minimum_version = ssl.TLSVersion.TLSv1_3
    return context


def pins_of(certificate: bytes) -> tuple[str, str]:
    """The two pins that a certificate (DER) satisfies: its own and its public key's."""
    from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
    from cryptography.x509 import load_der_x509_certificate

    key = load_der_x509_certificate(certificate).public_key().public_bytes(
        Encoding.DER, PublicFormat.SubjectPublicKeyInfo
    )  # fmt: skip
    return (
        f"cert-sha256:{hashlib.sha256(certificate).hexdigest()}",
        f"spki-sha256:{hashlib.sha256(key).hexdigest()}",
    )


def _content(answer: http.client.HTTPResponse, most: int, arrived: Arrived | None) -> bytes:
    coding = answer.getheader("Content-Encoding", "identity")
    if coding.lower() != "identity":
        raise AnswerError(found=f"the encoding {_printable(coding)}", needed="identity, as was asked for")
    length = answer.length
    if length is not None and length > most:
        raise AnswerError(found=f"{length} bytes", needed=f"at most {most}")
    found = bytearray()
    while part := answer.read1(min(_PART, most + 1 - len(found))):
        found += part
        if len(found) > most:
            raise AnswerError(found=f"more than {most} bytes", needed="no more than that")
        if arrived is not None:
            arrived(len(found), length)
    if length is not None and len(found) < length:
        raise http.client.IncompleteRead(bytes(found[:0]), length - len(found))
    return bytes(found)


def _cut(connection: http.client.HTTPConnection, late: threading.Event) -> None:
    late.set()
    found = connection.sock
    if found is not None:
        with contextlib.suppress(OSError):
            # Not SSLSocket's own, which takes the TLS away from under whoever is reading.
            socket.socket.shutdown(found, socket.SHUT_RDWR)


def _target(url: str, location: str) -> tuple[str, str]:
    """Where a redirect points to, and which host that is; both empty for no URL."""
    try:
        there = urljoin(url, location)
        return there, urlsplit(there).netloc
    except ValueError:
        return "", ""


def _origin(url: str) -> tuple[str, str | None, int | None]:
    try:
        parts = urlsplit(url)
        return parts.scheme, parts.hostname, parts.port or {"http": 80, "https": 443}.get(parts.scheme)
    except ValueError:
        return "", None, None


def _reason(error: Exception) -> str:
    if isinstance(error, TimeoutError):
        return "the time limit"
    if isinstance(error, OSError) and error.strerror:
        return _printable(error.strerror)
    return type(error).__name__


def _printable(text: str) -> str:
    """Text of a stranger, short and without what a terminal would obey."""
    return "".join(letter for letter in text if letter.isprintable())[:200]
