"""An OTLP/HTTP receiver on loopback that decodes what it gets, or misbehaves as a test asks."""

from __future__ import annotations

import gzip
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from google.protobuf.message import Message
from opentelemetry.proto.collector.logs.v1.logs_service_pb2 import ExportLogsServiceRequest
from opentelemetry.proto.collector.metrics.v1.metrics_service_pb2 import ExportMetricsServiceRequest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

from telemetry import semconv

_REQUESTS: dict[str, type[Message]] = {
    "/v1/traces": ExportTraceServiceRequest,
    "/v1/metrics": ExportMetricsServiceRequest,
    "/v1/logs": ExportLogsServiceRequest,
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Received:
    """A span, an event or a metric, and the process that it is from."""

    item: Any
    kind: str
    instance: str

    @property
    def attributes(self) -> dict[str, Any]:
        return {pair.key: value_of(pair.value) for pair in self.item.attributes}


def value_of(value: Any) -> Any:
    """An attribute's value as Python has it."""
    kind = value.WhichOneof("value")
    return [value_of(item) for item in value.array_value.values] if kind == "array_value" else getattr(value, kind)


class Receiver(ThreadingHTTPServer):
    """The receiver. See `receiving`.

    Attributes:
        answer: status of every answer, and headers that go with it.
        body: of every answer.
        headers: those of each request.
        attempts: requests so far.
    """

    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.answer: tuple[int, dict[str, str]] = (200, {})
        self.body = b""
        self.headers: list[dict[str, str]] = []
        self.attempts = 0
        self._kept: dict[str, list[Any]] = {path: [] for path in _REQUESTS}
        self._lock = threading.Lock()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_port}"

    def take(self, path: str, headers: dict[str, str], body: bytes) -> None:
        """Keep a request, if requests are taken."""
        with self._lock:
            self.attempts += 1
            self.headers.append(headers)
            if self.answer[0] == 200:
                content = gzip.decompress(body) if headers.get("content-encoding") == "gzip" else body
                self._kept[path].append(_REQUESTS[path].FromString(content))

    @property
    def spans(self) -> list[Received]:
        return self._items("/v1/traces", "resource_spans", "scope_spans", "spans")

    @property
    def events(self) -> list[Received]:
        return self._items("/v1/logs", "resource_logs", "scope_logs", "log_records")

    @property
    def metrics(self) -> list[Received]:
        return self._items("/v1/metrics", "resource_metrics", "scope_metrics", "metrics")

    def _items(self, path: str, wholes: str, scopes: str, items: str) -> list[Received]:
        with self._lock:
            requests = list(self._kept[path])
        found: list[Received] = []
        for request in requests:
            for whole in getattr(request, wholes):
                resource = {pair.key: value_of(pair.value) for pair in whole.resource.attributes}
                kind, instance = resource[semconv.ATTR_ACTOR_KIND], resource[semconv.ATTR_SERVICE_INSTANCE_ID]
                found += [
                    Received(item=item, kind=kind, instance=instance)
                    for scope in getattr(whole, scopes)
                    for item in getattr(scope, items)
                ]
        return found


class _Handler(BaseHTTPRequestHandler):
    server: Any
    protocol_version = "HTTP/1.1"

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["content-length"]))
        self.server.take(self.path, {name.lower(): value for name, value in self.headers.items()}, body)
        status, headers = self.server.answer
        self.send_response(status)
        for name, value in {"content-length": str(len(self.server.body)), **headers}.items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(self.server.body)

    def log_message(self, format: str, *args: Any) -> None:
        return


@contextmanager
def receiving() -> Iterator[Receiver]:
    """A receiver that is there until the block ends."""
    server = Receiver()
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True)
    thread.start()
    try:
        yield server
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


@contextmanager
def silence() -> Iterator[str]:
    """The URL of somebody who takes connections and never answers."""
    with socket.create_server(("127.0.0.1", 0), backlog=64) as server:
        yield f"http://127.0.0.1:{server.getsockname()[1]}"


def nobody() -> str:
    """The URL of a port that nobody listens on."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        return f"http://127.0.0.1:{server.getsockname()[1]}"
