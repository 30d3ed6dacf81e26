"""OTLP requests over HTTP. One attempt each: what to do after a failure is for the breaker to say.

Said in logs is where a request went and what came back: once when it stops working, and once when it works
again. Headers, user and password never are.
"""

from __future__ import annotations

import gzip
import logging
from http import HTTPStatus

import requests
import urllib3
from google.protobuf.message import DecodeError, Message
from opentelemetry.proto.collector.logs.v1.logs_service_pb2 import ExportLogsServiceResponse
from opentelemetry.proto.collector.metrics.v1.metrics_service_pb2 import ExportMetricsServiceResponse
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceResponse

from telemetry.config import LOGS, METRICS, TRACES, Target

logger = logging.getLogger("telemetry")

LONGEST_ANSWER = 65_536
"""Bytes of an answer that are read; the rest is left."""

_ANSWERS: dict[str, tuple[type[Message], str]] = {
    TRACES: (ExportTraceServiceResponse, "rejected_spans"),
    METRICS: (ExportMetricsServiceResponse, "rejected_data_points"),
    LOGS: (ExportLogsServiceResponse, "rejected_log_records"),
}


class Transport:
    """Takes requests of one signal to its target.

    Args:
        target: where, and what to show there.
        signal: one of `telemetry.config.SIGNALS`.
    """

    def __init__(self, target: Target, signal: str) -> None:
        self._target = target
        self._signal = signal
        self._works = True
        session = self._session = requests.Session()
        session.headers.clear()
        session.headers.update({"content-type": "application/x-protobuf", "user-agent": "swarmlore"})
        if target.compression == "gzip":
            session.headers["content-encoding"] = "gzip"
        session.headers.update(dict(target.headers))
        session.verify = target.certificate or True
        if target.client_certificate:
            key = target.client_key
            session.cert = (target.client_certificate, key) if key else target.client_certificate

    def send(self, body: bytes) -> int | None:
        """Send one request; how many of its items the receiver rejected, or None when it did not take the request."""
        data = gzip.compress(body, 1) if self._target.compression == "gzip" else body
        try:
            try:
                status, answer = self._post(data)
            except requests.exceptions.ConnectionError as error:
                if isinstance(error, requests.exceptions.Timeout):
                    raise
                status, answer = self._post(data)  # a connection that was kept had been closed at the other end
        except (requests.exceptions.RequestException, urllib3.exceptions.HTTPError) as error:
            return self._failed(type(error).__name__)
        if not HTTPStatus.OK <= status < HTTPStatus.MULTIPLE_CHOICES:
            return self._failed(f"HTTP {status}")
        if not self._works:
            self._works = True
            logger.info("%s takes %s again", self._target.place, self._signal)
        return self._rejected(answer)

    def close(self) -> None:
        """Give the connection up."""
        self._session.close()

    def _post(self, data: bytes) -> tuple[int, bytes]:
        # A redirect would take the headers elsewhere.
        with self._session.post(
            self._target.url, data=data, timeout=self._target.timeout_s, stream=True, allow_redirects=False
        ) as response:
            return response.status_code, response.raw.read(LONGEST_ANSWER, decode_content=True)

    def _failed(self, reason: str) -> None:
        # No traceback and no text of the error: both may hold the URL with its password.
        log = logger.warning if self._works else logger.debug
        log("%s does not take %s: %s", self._target.place, self._signal, reason)
        self._works = False

    def _rejected(self, answer: bytes) -> int:
        kind, field = _ANSWERS[self._signal]
        if not answer:
            return 0
        try:
            found = kind.FromString(answer)
        except DecodeError:
            return 0  # something else answers 200 to everything; there is nothing to learn from it
        return max(0, int(getattr(getattr(found, "partial_success"), field)))  # noqa: B009 - generated classes have no types
