"""What the HTTP servers of live-check share: bounded connections and waits, small answers, no log lines."""

from __future__ import annotations

import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from socket import AF_INET, AF_INET6, SHUT_WR
from typing import Any

from telemetry.checker.receiver import PortError

CONNECTIONS = 512
"""Exporters keep one connection for each signal of each process."""

WAIT_S = 10.0
"""Seconds that a client may take between two pieces of its request."""

DISCARD_S = 2.0

IDLE_S = 300.0
"""Seconds that a connection may be idle: an exporter whose connection was closed loses what it sends next."""


class Handler(BaseHTTPRequestHandler):
    """Handles the requests of one connection."""

    protocol_version = "HTTP/1.1"
    server_version = "swarmlore"
    sys_version = ""
    timeout = IDLE_S
    disable_nagle_algorithm = True

    def parse_request(self) -> bool:
        """Read the headers; from here on the client has to hurry."""
        self.connection.settimeout(WAIT_S)
        return super().parse_request()

    def handle_one_request(self) -> None:
        """Handle a request, or the end of the connection."""
        self.connection.settimeout(IDLE_S)
        super().handle_one_request()

    def answer(self, code: int, body: bytes = b"", *, content_type: str = "application/json") -> None:
        """Send a whole answer."""
        self.send_response(code)
        if body:
            self.send_header("Content-Type", content_type)
        self.send_header("Content-Length", str(len(body)))
        if self.close_connection:
            self.send_header("Connection", "close")
        self.end_headers()
        self.wfile.write(body)

    def discard(self) -> None:
        """Read and throw away what the client still sends, for a while: else it fails to send and never reads why."""
        self.wfile.flush()
        self.connection.shutdown(SHUT_WR)
        self.connection.settimeout(DISCARD_S)
        end = time.monotonic() + DISCARD_S
        while time.monotonic() < end and self.rfile.read1(1 << 16):
            pass

    def log_message(self, format: str, *args: Any) -> None:
        """Nothing: what matters is said elsewhere."""


class Server(ThreadingHTTPServer):
    """A server in threads of its own, on one address.

    Raises:
        PortError: when the port is taken.
    """

    daemon_threads = True
    block_on_close = False
    allow_reuse_address = True

    def __init__(self, what: str, address: str, port: int, handler: type[Handler]) -> None:
        self.address_family = AF_INET6 if ":" in address else AF_INET
        self._room = threading.BoundedSemaphore(CONNECTIONS)
        try:
            super().__init__((address, port), handler)
        except (OSError, OverflowError) as error:
            raise PortError(f"cannot listen on {address}:{port} for {what}: {error}") from None
        self.port = int(self.server_address[1])
        self._thread = threading.Thread(target=self.serve_forever, args=(0.1,), name=what, daemon=True)
        self._thread.start()

    def process_request(self, request: Any, client_address: Any) -> None:
        """Serve a connection in a thread, if there is room; else hang up, and the client comes back."""
        if not self._room.acquire(blocking=False):
            self.shutdown_request(request)
            return
        super().process_request(request, client_address)

    def process_request_thread(self, request: Any, client_address: Any) -> None:
        """Serve a connection, and make room."""
        try:
            super().process_request_thread(request, client_address)
        finally:
            self._room.release()

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Nothing: the client has gone."""

    def stop(self) -> None:
        """Take no more connections."""
        self.shutdown()
        self.server_close()
        self._thread.join(WAIT_S)
