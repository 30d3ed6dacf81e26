"""Whom a client talks to: TLS 1.3, authorities, pins, its own certificate, and redirects."""

from __future__ import annotations

import contextlib
import ipaddress
import socket
import ssl
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec

from federation.errors import SettingError
from gateway.client import ClientSettings, FederationClient
from gateway.client.errors import AnswerError, CertificateError, RedirectError, UnreachableError
from gateway.client.releases import Found
from gateway.client.settings import server_of
from gateway.client.transport import Transport, pins_of
from tests.gateway.client.strangers import Stranger, answers, drips, stranger, weight

Make = Callable[..., FederationClient]
LATEST = "GET /weights/latest"


class Papers:
    """An authority, and a certificate of it for this machine."""

    def __init__(self, folder: Path, name: str = "papers") -> None:
        key, self._key = ec.generate_private_key(ec.SECP256R1()), ec.generate_private_key(ec.SECP256R1())
        authority = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, f"{name} authority")])
        self.root = self._signed(authority, authority, self._key, self._key, ca=True)
        subject = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, name)])
        self.leaf = self._signed(subject, authority, key, self._key, ca=False)
        self.authority, self.certificate = folder / f"{name}-ca.pem", folder / f"{name}.pem"
        self.authority.write_bytes(self.root.public_bytes(serialization.Encoding.PEM))
        private = key.private_bytes(
            serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
        )
        self.certificate.write_bytes(self.leaf.public_bytes(serialization.Encoding.PEM) + private)

    @property
    def pins(self) -> tuple[str, str]:
        return pins_of(self.leaf.public_bytes(serialization.Encoding.DER))

    def _signed(self, subject: Any, issuer: Any, key: Any, by: Any, *, ca: bool) -> x509.Certificate:
        now = datetime.now(UTC)
        builder = (
            x509.CertificateBuilder()
            .subject_name(subject)
            .issuer_name(issuer)
            .public_key(key.public_key())
            .serial_number(x509.random_serial_number())
            .not_valid_before(now - timedelta(days=1))
            .not_valid_after(now + timedelta(days=1))
            .add_extension(x509.BasicConstraints(ca=ca, path_length=None), critical=True)
            .add_extension(
                x509.SubjectAlternativeName([x509.IPAddress(ipaddress.ip_address("127.0.0.1"))]), critical=False
            )
        )
        return builder.sign(by, hashes.SHA256())


@pytest.fixture(scope="module")
def papers(tmp_path_factory: pytest.TempPathFactory) -> Papers:
    return Papers(tmp_path_factory.mktemp("papers"))


@pytest.fixture
def secure(papers: Papers) -> Iterator[Stranger]:
    with stranger(papers.certificate) as found:
        found.publish("1.0.0", weight("Read", 0.8))
        yield found


class TestTLS:
    def test_a_valid_server_is_talked_to(self, make: Make, secure: Stranger, papers: Papers) -> None:
        client = make(server_url=secure.url, ca_file=papers.authority)
        client.give_consent()
        client.register()
        assert client.pull().status is Found.NEW

    def test_an_unknown_authority_gets_nothing(self, make: Make, secure: Stranger) -> None:
        client = make(server_url=secure.url)
        client.give_consent()
        with pytest.raises(CertificateError, match="does not verify"):
            client.register()
        assert secure.seen == []

    @pytest.mark.parametrize("which", [0, 1], ids=["certificate", "public key"])
    def test_a_pinned_one_is_talked_to(self, make: Make, secure: Stranger, papers: Papers, which: int) -> None:
        spare = "spki-sha256:" + "0" * 64
        client = make(server_url=secure.url, ca_file=papers.authority, pins=(spare, papers.pins[which]))
        client.give_consent()
        assert client.register().client

    def test_another_than_the_pinned_one_gets_nothing(self, make: Make, secure: Stranger, papers: Papers) -> None:
        client = make(server_url=secure.url, ca_file=papers.authority, pins=("cert-sha256:" + "0" * 64,))
        client.give_consent()
        with pytest.raises(CertificateError, match="a pinned one"):
            client.register()
        assert secure.seen == []

    def test_a_client_shows_its_certificate(self, make: Make, papers: Papers) -> None:
        with stranger(papers.certificate, papers.authority) as server:
            with_it = make(server_url=server.url, ca_file=papers.authority, certificate=papers.certificate)
            with_it.give_consent()
            assert with_it.register().client
            without = make("second", server_url=server.url, ca_file=papers.authority)
            without.give_consent()
            with pytest.raises(UnreachableError, match="asks for a certificate, and none is given"):
                without.register()

    def test_nothing_older_than_tls_1_3(self, make: Make, papers: Papers) -> None:
        with stranger(papers.certificate) as server:
            server.socket.context.maximum_version = ssl.TLSVersion.TLSv1_2  # pyright: ignore[reportAttributeAccessIssue]
            client = make(server_url=server.url, ca_file=papers.authority)
            client.give_consent()
            with pytest.raises(UnreachableError):
                client.register()

    def test_the_time_limit_holds_over_tls(self, make: Make, secure: Stranger, papers: Papers) -> None:
        client = make(server_url=secure.url, ca_file=papers.authority, timeout_s=0.4)
        client.give_consent()
        secure.fault("POST /register", drips(2.0))
        with pytest.raises(UnreachableError, match=r"0\.4 s"):
            client.register()

    def test_a_handshake_that_drips_is_cut(self, make: Make) -> None:
        with dripping_handshake() as url:
            client = make(server_url=url, timeout_s=0.4)
            client.give_consent()
            began = time.monotonic()
            with pytest.raises(UnreachableError, match=r"time limit|0\.4 s"):
                client.register()
            assert time.monotonic() - began < 1.5

    def test_a_file_that_is_no_certificate_is_named(self, make: Make, secure: Stranger, tmp_path: Path) -> None:
        (tmp_path / "no.pem").write_text("no")
        client = make(server_url=secure.url, ca_file=tmp_path / "no.pem")
        client.give_consent()
        with pytest.raises(CertificateError, match="PEM"):
            client.register()

    def test_a_proxy_carries_it_and_sees_nothing(
        self, make: Make, secure: Stranger, papers: Papers, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        with tunnel() as (url, asked):
            for name in ("HTTPS_PROXY", "https_proxy"):
                monkeypatch.setenv(name, url)
            for name in ("NO_PROXY", "no_proxy"):
                monkeypatch.setenv(name, "")
            client = make(server_url=secure.url, ca_file=papers.authority, pins=papers.pins)
            client.give_consent()
            assert client.register().client
            assert asked[0].startswith(f"CONNECT 127.0.0.1:{secure.server_address[1]}")
            assert "Proxy-Authorization: Basic dXNlcjp3b3Jk" in asked[0]
            direct = make("second", server_url=secure.url, ca_file=papers.authority, proxy=False)
            direct.give_consent()
            direct.register()
            assert len(asked) == 1


class TestRedirects:
    def test_a_download_may_move_within_the_server(self, client: FederationClient, server: Stranger) -> None:
        server.fault(LATEST, answers(b"", 307, {"Location": "/federation/v1/weights/latest"}))
        assert client.pull().status is Found.NEW

    @pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
    def test_nothing_goes_to_another_server(self, client: FederationClient, server: Stranger, status: int) -> None:
        with stranger() as other:
            server.fault(LATEST, answers(b"", status, {"Location": f"{other.url}/federation/v1/weights/latest"}))
            with pytest.raises(RedirectError):
                client.pull()
            assert other.seen == []

    @pytest.mark.parametrize("there", ["", "//", "https://127.0.0.1", "ftp://127.0.0.1/", "http://[", "//a\x1b[2Jb/"])
    def test_odd_places_are_not_gone_to(self, client: FederationClient, server: Stranger, there: str) -> None:
        server.fault(LATEST, *[answers(b"", 302, {"Location": there})] * 5)
        with pytest.raises((RedirectError, AnswerError)) as caught:
            client.pull()
        assert "\x1b" not in str(caught.value)

    def test_a_submission_does_not_move_at_all(self, client: FederationClient, server: Stranger) -> None:
        server.fault("POST /weights/submit", answers(b"", 307, {"Location": "/federation/v1/weights/submit"}))
        with pytest.raises(RedirectError):
            client.push()
        assert server.accepted == []
        assert len(client.outbox.queue.items) == 1

    def test_a_circle_ends(self, client: FederationClient, server: Stranger) -> None:
        server.always[LATEST] = answers(b"", 302, {"Location": "/federation/v1/weights/latest"})
        with pytest.raises(AnswerError, match="redirects"):
            client.pull()
        assert server.asked(LATEST) == 4


@pytest.mark.parametrize(
    ("given", "needed"),
    [
        ("https://f.example", "https://f.example/federation/v1"),
        ("https://f.example:8443/", "https://f.example:8443/federation/v1"),
        ("https://f.example/other/", "https://f.example/other"),
        ("http://127.0.0.1:1", "http://127.0.0.1:1/federation/v1"),
        ("http://localhost", "http://localhost/federation/v1"),
        ("http://[::1]:80", "http://[::1]:80/federation/v1"),
    ],
)
def test_a_server_is_a_url(given: str, needed: str) -> None:
    assert server_of(given) == needed


@pytest.mark.parametrize(
    "given",
    ["", "f.example", "http://f.example", "ftp://f.example", "https://", "https://u:secret@f.example",
     "https://f.example?x=1", "https://f.example:99999", "http://127.0.0.1.evil.example", "https://[", "file:///etc"],
)  # fmt: skip
def test_what_is_no_safe_url_is_refused(given: str) -> None:
    with pytest.raises(SettingError) as caught:
        ClientSettings(server=given)
    assert "secret" not in str(caught.value)


@pytest.mark.parametrize(
    "given",
    [
        {"server_key": "ed25519:x"},
        {"pins": ("sha256:" + "0" * 64,)},
        {"certificate_key": Path("x")},
        {"timeout_s": 0},
        {"most_bytes": 1},
        {"plugin_version": "jane's"},
        {"region": "a b"},
    ],
)
def test_settings_are_checked(given: dict[str, Any]) -> None:
    with pytest.raises(SettingError):
        ClientSettings.of("https://f.example", **given)


def test_answers_in_pieces_tell_how_much_has_come(server: Stranger) -> None:
    server.fault("GET /x", answers(b"y" * 300_000))
    seen: list[tuple[int, int | None]] = []
    transport = Transport(ClientSettings(server=server.url))
    found = transport.request(
        "GET", "/x", headers={}, most_bytes=300_000, arrived=lambda done, total: seen.append((done, total))
    )
    assert found.body == b"y" * 300_000
    assert seen[-1] == (300_000, 300_000)
    assert [done for done, _ in seen] == sorted(done for done, _ in seen)


@contextmanager
def dripping_handshake() -> Iterator[str]:
    """A server that answers a TLS hello with a byte now and then."""
    listener = socket.create_server(("127.0.0.1", 0))

    def serve() -> None:
        near, _ = listener.accept()
        with near, contextlib.suppress(OSError):
            near.recv(4096)
            near.sendall(b"\x16\x03\x03\x40\x00")  # a handshake record of 16 KiB
            for _ in range(40):
                near.sendall(b"\x02")
                time.sleep(0.05)

    threading.Thread(target=serve, daemon=True).start()
    try:
        yield f"https://127.0.0.1:{listener.getsockname()[1]}"
    finally:
        listener.close()


@contextmanager
def tunnel() -> Iterator[tuple[str, list[str]]]:
    """A proxy with a name and a password that connects to whom it is asked to."""
    listener = socket.create_server(("127.0.0.1", 0))
    asked: list[str] = []

    def pump(one: socket.socket, other: socket.socket) -> None:
        try:
            while part := one.recv(65536):
                other.sendall(part)
        except OSError:
            pass
        finally:
            for end in (one, other):
                end.close()

    def serve() -> None:
        while True:
            try:
                near, _ = listener.accept()
            except OSError:
                return
            head = b""
            while b"\r\n\r\n" not in head:
                head += near.recv(4096)
            asked.append(head.decode())
            host, _, port = head.split()[1].decode().rpartition(":")
            far = socket.create_connection((host, int(port)))
            near.sendall(b"HTTP/1.1 200 OK\r\n\r\n")
            for pair in ((near, far), (far, near)):
                threading.Thread(target=pump, args=pair, daemon=True).start()

    threading.Thread(target=serve, daemon=True).start()
    try:
        yield f"http://user:word@127.0.0.1:{listener.getsockname()[1]}", asked
    finally:
        listener.close()
