"""TLS 1.3, certificates of clients, bounds on headers; over real sockets, with certificates that openssl made."""

from __future__ import annotations

import contextlib
import json
import socket
import ssl
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from typer.testing import Result

from federation.errors import SettingError
from gateway.exits import Exit
from gateway.federation import exchange, transport
from gateway.federation.transport import Tls, listener, reserved
from gateway.serving import BindError
from tests.deploy.tools import needed, ran
from tests.gateway.federation.served import serving
from tests.gateway.federation.stand import OPERATOR

HEALTH = b"GET /federation/v1/health HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n"


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A server's certificate, and an authority with a client's."""
    needed("openssl", "openssl")
    folder = tmp_path_factory.mktemp("tls")
    for name, about in (("server", "/CN=localhost"), ("authority", "/CN=authority"), ("stranger", "/CN=stranger")):
        done = ran(
            "openssl", "req", "-x509", "-newkey", "ed25519", "-nodes", "-days", "1", "-subj", about,
            "-addext", "subjectAltName=DNS:localhost",
            "-keyout", folder / f"{name}.key", "-out", folder / f"{name}.pem",
        )  # fmt: skip
        assert done.returncode == 0, done.stderr
    asked = ran(
        "openssl", "req", "-newkey", "ed25519", "-nodes", "-subj", "/CN=installation",
        "-keyout", folder / "client.key", "-out", folder / "client.csr",
    )  # fmt: skip
    assert asked.returncode == 0, asked.stderr
    signed = ran(
        "openssl", "x509", "-req", "-days", "1", "-in", folder / "client.csr", "-CA", folder / "authority.pem",
        "-CAkey", folder / "authority.key", "-out", folder / "client.pem",
    )  # fmt: skip
    assert signed.returncode == 0, signed.stderr
    return folder


@pytest.fixture(scope="module")
def secured(files: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[int]:
    """The port of a door that asks for a client's certificate."""
    tls = Tls(certificate=files / "server.pem", key=files / "server.key", client_authority=files / "authority.pem")
    with serving(tmp_path_factory.mktemp("door"), tls=tls) as door:
        yield door.port


def _context(files: Path, shown: str | None) -> ssl.SSLContext:
    context = ssl.create_default_context(cafile=str(files / "server.pem"))
    if shown is not None:
        context.load_cert_chain(files / f"{shown}.pem", files / f"{shown}.key")
    return context


def _asked(port: int, context: ssl.SSLContext, request: bytes = HEALTH) -> tuple[str | None, bytes]:
    """The version of TLS, and the answer."""
    with (
        socket.create_connection(("127.0.0.1", port), timeout=10) as raw,
        context.wrap_socket(raw, server_hostname="localhost") as wire,
    ):
        wire.sendall(request)
        found = b""
        while chunk := wire.recv(65_536):
            found += chunk
        return wire.version(), found


def test_who_shows_a_certificate_of_the_authority_is_answered_over_tls_1_3(files: Path, secured: int) -> None:
    version, answer = _asked(secured, _context(files, "client"))
    assert version == "TLSv1.3"
    assert answer.startswith(b"HTTP/1.1 200 ")
    assert b'"status":"healthy"' in answer
    assert b"server:" not in answer.lower()


@pytest.mark.parametrize("shown", [None, "stranger"])
def test_who_shows_none_or_another_is_not_let_in(files: Path, secured: int, shown: str | None) -> None:
    # In TLS 1.3 a client has finished its part before the server says no.
    answer = b""
    with contextlib.suppress(ssl.SSLError, ConnectionResetError, BrokenPipeError):
        _, answer = _asked(secured, _context(files, shown))
    assert answer == b""


def test_an_operator_shows_a_certificate_too(
    files: Path, secured: int, command: Callable[..., Result], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SWARMLORE_OPERATOR_TOKEN", OPERATOR)
    monkeypatch.setenv("REQUESTS_CA_BUNDLE", str(files / "stranger.pem"))
    about = ("--url", f"https://localhost:{secured}", "--ca", files / "server.pem", "--json")
    both = ("--certificate", files / "client.pem", "--certificate-key", files / "client.key")
    found = command("federation", *both, "status", *about)
    assert found.exit_code == 0, found.output
    assert json.loads(found.stdout)["window"]["number"] > 0
    without = command("federation", "status", *about)
    assert without.exit_code == Exit.NO_FEDERATION
    assert "--certificate" in json.loads(without.stderr)["error"]["message"]
    assert command("federation", *both[2:], "status", *about).exit_code == Exit.USAGE
    assert command("federation", "--certificate", files / "none.pem", "status", *about).exit_code == Exit.USAGE


def test_tls_1_2_is_not_spoken(files: Path, secured: int) -> None:
    context = _context(files, "client")
    context.maximum_version = ssl.TLSVersion.TLSv1_2
    with pytest.raises(ssl.SSLError):
        _asked(secured, context)


def test_plain_http_is_not_answered_where_tls_is_asked_for(secured: int) -> None:
    with socket.create_connection(("127.0.0.1", secured), timeout=10) as wire:
        wire.sendall(HEALTH)
        with contextlib.suppress(ConnectionResetError):
            assert not wire.recv(65_536).startswith(b"HTTP")


@pytest.mark.parametrize(
    ("names", "option"),
    [
        (("none.pem", "server.key", None), "tls-cert"),
        (("server.pem", "authority.key", None), "tls-cert"),
        (("server.key", "server.key", None), "tls-cert"),
        (("server.pem", "server.key", "none.pem"), "client-ca"),
        (("server.pem", "server.key", "server.key"), "client-ca"),
    ],
)
def test_files_that_do_not_fit_are_named(files: Path, names: tuple[str, str, str | None], option: str) -> None:
    certificate, key, authority = names
    tls = Tls(
        certificate=files / certificate,
        key=files / key,
        client_authority=None if authority is None else files / authority,
    )
    with pytest.raises(SettingError) as caught:
        tls.context()
    assert caught.value.name == option


def test_headers_have_a_bound_in_size_and_in_time(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(transport, "HEADER_S", 0.2)
    with serving(tmp_path) as door:
        with socket.create_connection(("127.0.0.1", door.port), timeout=10) as wire:
            wire.sendall(HEALTH[:-2] + b"X-Long: " + b"x" * 20_000 + b"\r\n\r\n")
            assert wire.recv(65_536).startswith(b"HTTP/1.1 400 ")
        with socket.create_connection(("127.0.0.1", door.port), timeout=10) as wire:
            wire.sendall(HEALTH[:20])
            began = time.monotonic()
            with contextlib.suppress(ConnectionResetError):
                assert wire.recv(65_536) == b""
            assert time.monotonic() - began < 5
        with socket.create_connection(("127.0.0.1", door.port), timeout=10) as wire:
            wire.sendall(HEALTH)
            assert wire.recv(65_536).startswith(b"HTTP/1.1 200 ")


def _code(wire: socket.socket) -> str:
    """The code of the problem that is answered."""
    found = b""
    while not found.endswith(b"}"):
        chunk = wire.recv(65_536)
        assert chunk
        found += chunk
    return json.loads(found.partition(b"\r\n\r\n")[2])["code"]


@pytest.mark.parametrize("ended", [True, False])
def test_a_body_that_comes_in_pieces_is_read_and_one_that_does_not_end_is_refused(tmp_path: Path, ended: bool) -> None:
    head = b"POST /federation/v1/register HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\n"
    with serving(tmp_path) as door:
        with socket.create_connection(("127.0.0.1", door.port), timeout=10) as wire:
            wire.sendall(head + b"Content-Length: 4\r\n\r\n{")
            wire.sendall(b'"a"')
            assert _code(wire) == "INVALID_SCHEMA"
        with socket.create_connection(("127.0.0.1", door.port), timeout=10) as wire:
            wire.sendall(head + b"Transfer-Encoding: chunked\r\n\r\n")
            for _ in range(20):
                wire.sendall(b"1000\r\n" + b"x" * 4096 + b"\r\n")
            wire.sendall(b"0\r\n\r\n" if ended else b"")
            assert _code(wire) == "PAYLOAD_TOO_LARGE"


def test_a_body_that_does_not_come_is_not_waited_for(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(exchange, "BODY_S", 0.1)
    head = b"POST /federation/v1/register HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\n"
    with serving(tmp_path) as door, socket.create_connection(("127.0.0.1", door.port), timeout=10) as wire:
        wire.sendall(head + b"Content-Length: 4\r\n\r\n{")
        assert _code(wire) == "REQUEST_TIMEOUT"


def test_an_address_is_shared_only_when_asked_for() -> None:
    with reserved("127.0.0.1", 0) as held:
        port = held.getsockname()[1]
        with listener("127.0.0.1", port, shared=True) as one, listener("127.0.0.1", port, shared=True) as two:
            one.listen()
            two.listen()
            with pytest.raises(BindError):
                listener("127.0.0.1", port, shared=False)
            with pytest.raises(BindError):
                reserved("127.0.0.1", port)  # another federation does not take part of our connections
