"""Where requests become checked samples: one at a time, from whatever thread they come."""

from __future__ import annotations

import threading
import time
import zlib
from collections.abc import Callable, Iterable

from telemetry.checker.json_stream import JsonStreamError, values
from telemetry.checker.live_check import LiveCheck
from telemetry.checker.otlp import OtlpError, OtlpSignal, parsed, samples
from telemetry.checker.otlp_json import samples_of_signal
from telemetry.checker.report import Report
from telemetry.checker.samples import Sample

DEFAULT_LIMIT = 4 << 20
"""Bytes of one request, compressed or not; as Weaver, and every gRPC server by default."""

GZIP = 16 + zlib.MAX_WBITS
ZLIB = zlib.MAX_WBITS


class TooLargeError(OtlpError):
    """A request above the limit."""


class ClosedError(RuntimeError):
    """A request after the end."""


class Intake:
    """Takes samples in, checks them and writes them to the report.

    A client is answered when its samples are checked, so that a fast one is slowed down instead of piling up
    requests: memory holds as many requests as there are threads that serve them.

    Args:
        check: the live check.
        report: where checked samples go.
        limit: bytes that one request may take.
        clock: seconds that only rise.
    """

    def __init__(
        self,
        check: LiveCheck,
        report: Report,
        *,
        limit: int = DEFAULT_LIMIT,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self.limit = limit
        self.requests = 0
        self.refused = 0
        self.failure: Exception | None = None
        self.failed = threading.Event()
        self._check = check
        self._report = report
        self._clock = clock
        self._lock = threading.Lock()
        self._closed = False
        self._last = clock()

    @property
    def idle_s(self) -> float:
        """Seconds since the last request."""
        return self._clock() - self._last

    def take(self, found: Iterable[Sample]) -> None:
        """Check samples, in their order and without others in between.

        Raises:
            OtlpError: when they cannot be decoded; those before the bad one are checked.
            ClosedError: after `close`.
            OSError: when the report cannot be written; also kept in ``failure``.
        """
        with self._lock:
            if self._closed:
                raise ClosedError("the live check has ended")
            try:
                for sample in found:
                    self._report.sample(self._check.check(sample))
            except OtlpError:
                raise
            except Exception as error:
                # Whatever it is, the report is not whole any more; the run must say so and end.
                self.failure = error
                self.failed.set()
                raise
            finally:
                self._last = self._clock()

    def take_protobuf(self, signal: OtlpSignal, data: bytes) -> None:
        """Check an export request in protobuf."""
        self._request(lambda: samples(parsed(signal, data)))

    def take_json(self, signal: OtlpSignal, data: bytes) -> None:
        """Check an export request in OTLP/JSON."""
        # Before anything is counted, the whole request is found to be sound.
        self._request(lambda: list(samples_of_signal(signal, _document(data))))

    def refuse(self) -> None:
        """Count a request that was refused before it came here."""
        with self._lock:
            self.refused += 1
            self._last = self._clock()

    def close(self) -> None:
        """Take no more; waits for the request that is being checked."""
        with self._lock:
            self._closed = True

    def _request(self, read: Callable[[], Iterable[Sample]]) -> None:
        try:
            self.take(read())
        except OtlpError:
            self.refuse()
            raise
        with self._lock:
            self.requests += 1


def _document(data: bytes) -> object:
    import io

    try:
        found = list(values(io.BytesIO(data)))
    except JsonStreamError as error:
        raise OtlpError(f"no JSON: {error}") from None
    if len(found) != 1:
        raise OtlpError(f"a request is one JSON object; found {len(found)}")
    return found[0]


def inflated(data: bytes, wbits: int, limit: int) -> bytes:
    """The data without its compression.

    Args:
        data: what came.
        wbits: `GZIP` or `ZLIB`.
        limit: bytes that it may come to; no more than these are ever made.

    Raises:
        TooLargeError: above the limit.
        OtlpError: when it is no such compression, or cut off.
    """
    machine = zlib.decompressobj(wbits)
    try:
        made = machine.decompress(data, limit + 1)
    except zlib.error as error:
        raise OtlpError(f"the body is not compressed as it says: {error}") from None
    if len(made) > limit:
        raise TooLargeError(f"the body is larger than {limit} bytes once it is decompressed")
    if not machine.eof:
        raise OtlpError("the compressed body is cut off")
    return made
