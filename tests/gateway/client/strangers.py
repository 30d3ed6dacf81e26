"""A small federation server that misbehaves when it is told to. Everything on the wire is kept, to be looked at."""

from __future__ import annotations

import base64
import json
import secrets
import ssl
import threading
import time
from collections import defaultdict, deque
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import rfc8785
from nacl.exceptions import BadSignatureError
from nacl.signing import SigningKey, VerifyKey

from workloads.patterns import DeltaWeightVector, GlobalWeightVector, PatternType, checksum
from workloads.patterns.schema import GlobalMetadata, GlobalPatternWeight

PREFIX = "/federation/v1"
Fault = Callable[["Handler"], None]


def weight(
    category: str, confidence: float, kind: PatternType = PatternType.TOOL, **fields: Any
) -> GlobalPatternWeight:
    """What a fleet knows of one pattern."""
    found = {"best_composite": 0.9, "group_mean": 0.7, "total_samples": 100, "contributor_count": 6}
    tool = {"tool_success_rate": confidence} if kind is PatternType.TOOL else {}
    return GlobalPatternWeight(type=kind, category=category, confidence=confidence, **{**found, **tool, **fields})


def release(
    version: str, key: SigningKey, *weights: GlobalPatternWeight, schema: str = "1.0", **metadata: Any
) -> bytes:
    """A signed release."""
    found = {f"{one.type}::{one.category}": one for one in weights}
    blank = GlobalWeightVector(
        version=version,
        schema_version=schema,
        timestamp=datetime(2026, 11, 21, tzinfo=UTC),
        weights=found,
        metadata=GlobalMetadata(
            **{
                "round": 1,
                "participants": 10,
                "pattern_count": len(found),
                "epsilon_spent": 0.5,
                "checksum": checksum(found),
                **metadata,
            }
        ),
        signature="ed25519:0",
    )
    signature = base64.b64encode(key.sign(blank.canonical()).signature).decode()
    return rfc8785.dumps(blank.model_copy(update={"signature": f"ed25519:{signature}"}).plain())


class Handler(BaseHTTPRequestHandler):
    """One connection."""

    protocol_version = "HTTP/1.1"
    server: Stranger  # pyright: ignore[reportIncompatibleVariableOverride] - no other server has this handler

    def log_message(self, format: str, *args: Any) -> None:
        del format, args

    def handle_one_request(self) -> None:
        try:
            super().handle_one_request()
        except (OSError, ValueError):
            self.close_connection = True

    def do_GET(self) -> None:
        self._serve()

    def do_POST(self) -> None:
        self._serve()

    def do_DELETE(self) -> None:
        self._serve()

    def _serve(self) -> None:
        length = int(self.headers.get("Content-Length", 0))
        self.body = self.rfile.read(length)
        path = self.path.removeprefix(PREFIX)
        found = self.server
        with found.lock:
            found.seen.append((self.command, path, dict(self.headers), self.body))
            faults = found.faults[f"{self.command} {path}"]
            fault = faults.popleft() if faults else found.always.get(f"{self.command} {path}")
        if fault is not None:
            fault(self)
            return
        answer = getattr(found, f"{self.command}_{path.strip('/').replace('/', '_')}".lower(), None)
        if answer is None:
            self.answer(404, {"code": "NOT_FOUND"})
            return
        with found.lock:
            answer(self)

    def answer(self, status: int, body: Any = None, headers: dict[str, str] | None = None) -> None:
        content = body if isinstance(body, bytes) else b"" if body is None else json.dumps(body).encode()
        self.send_response(status)
        for name, value in {"Content-Type": "application/json", **(headers or {})}.items():
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        if self.command != "HEAD" and status != 304:
            self.wfile.write(content)


class Stranger(ThreadingHTTPServer):
    """The server. It keeps to the protocol where no fault is set.

    Attributes:
        key: that signs releases.
        faults: "METHOD /path" -> what to do for the next requests, in place of an answer.
        always: the same, for every request.
        seen: (method, path, headers, body) of every request.
        release: bytes of the newest; None before the first.
        round: that is open.
    """

    daemon_threads = True

    def __init__(self, tls: ssl.SSLContext | None = None) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.scheme = "http" if tls is None else "https"
        if tls is not None:
            self.socket = tls.wrap_socket(self.socket, server_side=True, do_handshake_on_connect=False)
        self.lock = threading.RLock()
        self.key = SigningKey(secrets.token_bytes(32))
        self.faults: dict[str, deque[Fault]] = defaultdict(deque)
        self.always: dict[str, Fault] = {}
        self.seen: list[tuple[str, str, dict[str, str], bytes]] = []
        self.keys: dict[str, bytes] = {}
        self.tokens: dict[str, str] = {}
        self.accepted: list[DeltaWeightVector] = []
        self.reports: list[dict[str, Any]] = []
        self.appeals: list[str] = []
        self.release: bytes | None = None
        self.etag: str | None = None
        self.versions: list[str] = []
        self.round = 7
        self.expires = "2027-02-19T00:00:00Z"

    def handle_error(self, request: Any, client_address: Any) -> None:
        del request, client_address  # clients hang up here

    @property
    def url(self) -> str:
        return f"{self.scheme}://127.0.0.1:{self.server_address[1]}"

    @property
    def public_key(self) -> str:
        return "ed25519:" + base64.b64encode(bytes(self.key.verify_key)).decode()

    def publish(self, version: str, *weights: GlobalPatternWeight, **fields: Any) -> None:
        """Release a version."""
        self.release = release(version, self.key, *weights, **fields)
        self.etag = f'"v{version}"'
        self.versions.insert(0, version)

    def fault(self, request: str, *faults: Fault) -> None:
        """Let the next requests of a kind go wrong."""
        self.faults[request].extend(faults)

    def asked(self, request: str) -> int:
        """How many requests of a kind came."""
        return sum(f"{method} {path}" == request for method, path, _, _ in self.seen)

    # The protocol.

    def get_health(self, on: Handler) -> None:
        about = {"activeClients": 3, "latestVersion": "1.0.0", "serverPublicKey": self.public_key}
        on.answer(200, {"status": "healthy", "currentRound": self.round, **about})

    def post_register(self, on: Handler) -> None:
        plain = json.loads(on.body)
        proof, public = (base64.b64decode(plain[name].partition(":")[2]) for name in ("proof", "publicKey"))
        del plain["proof"]
        VerifyKey(public).verify(rfc8785.dumps(plain), proof)
        assert plain["consent"]["federation"] is True
        client = plain["installationHash"].partition(":")[2]
        if self.keys.setdefault(client, public) != public:
            on.answer(409, {"code": "KEY_MISMATCH", "detail": "another key"})
            return
        self.tokens[client] = "fed_" + secrets.token_urlsafe(32)
        answer = {
            "clientToken": self.tokens[client],
            "clientId": client,
            "expiresAt": self.expires,
            "serverPublicKey": self.public_key,
        }
        on.answer(201, answer)

    def delete_register(self, on: Handler) -> None:
        if self._known(on):
            client = on.headers["X-Client-ID"]
            del self.keys[client], self.tokens[client]
            on.answer(202, {"status": "deregistered"})

    def post_weights_submit(self, on: Handler) -> None:
        if not self._known(on):
            return
        delta = DeltaWeightVector.model_validate_json(on.body)
        raw = base64.b64decode((delta.signature or "").partition(":")[2])
        try:
            VerifyKey(self.keys[delta.client_id]).verify(delta.canonical(), raw)
        except BadSignatureError:
            on.answer(400, {"code": "INVALID_SIGNATURE"})
            return
        if delta.nonce not in {one.nonce for one in self.accepted}:
            self.accepted.append(delta)
        on.answer(202, {"status": "accepted", "round": self.round, "currentVersion": "1.0.0"})

    def get_weights_latest(self, on: Handler) -> None:
        if not self._known(on):
            return
        if self.release is None:
            on.answer(404, {"code": "NOT_FOUND"})
        elif on.headers.get("If-None-Match") == self.etag:
            on.answer(304, None, {"ETag": self.etag or ""})
        else:
            on.answer(200, self.release, {"ETag": self.etag or "", "X-Rollout-Group": "general"})

    def get_weights_manifest(self, on: Handler) -> None:
        if self._known(on):
            on.answer(200, {"latest": self.versions[0], "versions": [{"version": one} for one in self.versions]})

    def post_reports(self, on: Handler) -> None:
        if self._known(on):
            self.reports.append(json.loads(on.body))
            on.answer(204)

    def post_appeal(self, on: Handler) -> None:
        if self._known(on):
            self.appeals.append(json.loads(on.body)["text"])
            on.answer(202, {"status": "recorded"})

    def _known(self, on: Handler) -> bool:
        client = on.headers.get("X-Client-ID", "")
        good = on.headers.get("Authorization") == f"Bearer {self.tokens.get(client)}"
        if not good:
            on.answer(401, {"code": "UNAUTHORIZED", "detail": "The token has expired."})
        return good


# Faults.


def refuses(status: int, code: str = "", detail: str = "", **headers: str) -> Fault:
    """Answers with a problem."""
    body = {"code": code, "detail": detail} if code else b"<html>no json</html>"
    names = {name.replace("_", "-"): value for name, value in headers.items()}
    return lambda on: on.answer(status, body, names)


def answers(body: Any, status: int = 200, headers: dict[str, str] | None = None) -> Fault:
    """Answers with something else."""
    return lambda on: on.answer(status, body, headers)


def hangs(seconds: float = 5.0) -> Fault:
    """Says nothing for longer than anybody waits."""

    def fault(on: Handler) -> None:
        time.sleep(seconds)
        on.close_connection = True

    return fault


def drips(seconds: float = 5.0) -> Fault:
    """Sends a byte of a long answer now and then, so that no single read takes long."""

    def fault(on: Handler) -> None:
        on.send_response(200)
        on.send_header("Content-Length", "1000")
        on.end_headers()
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            on.wfile.write(b" ")
            on.wfile.flush()
            time.sleep(0.05)

    return fault


def hangs_up(on: Handler) -> None:
    """Closes the connection without a word."""
    on.connection.close()
    on.close_connection = True


def stops_halfway(content: bytes) -> Fault:
    """Sends half of what it announces."""

    def fault(on: Handler) -> None:
        on.send_response(200)
        on.send_header("Content-Length", str(len(content)))
        on.end_headers()
        on.wfile.write(content[: len(content) // 2])
        on.wfile.flush()
        hangs_up(on)

    return fault


def floods(count: int) -> Fault:
    """Sends more than anybody takes, without saying how much it is."""

    def fault(on: Handler) -> None:
        on.send_response(200)
        on.send_header("Connection", "close")
        on.end_headers()
        for _ in range(count):
            on.wfile.write(b"x" * 65536)
        on.close_connection = True

    return fault


@contextmanager
def stranger(certificate: Path | None = None, authority: Path | None = None) -> Iterator[Stranger]:
    """A running server; over TLS with a certificate (PEM with its key), asking for one's own with an authority."""
    context = None
    if certificate is not None:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(certificate)
        if authority is not None:
            context.load_verify_locations(authority)
            context.verify_mode = ssl.CERT_REQUIRED
    server = Stranger(context)
    thread = threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True)
    thread.start()
    try:
        yield server
    finally:
        server.shutdown()
        server.server_close()
        thread.join(5)
