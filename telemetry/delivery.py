"""Getting spans, events and metrics out without ever holding up those who made them.

The SDK's own batch processors drop the oldest item when their queue is full, log each loss and
count none; its OTLP exporter encodes every batch before it finds that nobody listens. Here a full
queue turns new items away and counts them, and after a failed export a breaker turns everything away
for a time that doubles from one second to fifteen. Nothing is kept for an endpoint that may be dead
but the batch it is tried with: thousands of waiting spans make the garbage collector stop the
process for tens of milliseconds.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Sequence
from typing import Protocol, runtime_checkable

from opentelemetry.sdk._logs.export import LogRecordExporter, LogRecordExportResult
from opentelemetry.sdk.metrics.export import MetricExporter, MetricExportResult, MetricsData
from opentelemetry.sdk.trace import ReadableSpan
from opentelemetry.sdk.trace.export import BatchSpanProcessor, SpanExporter, SpanExportResult

from telemetry.blocks import SpanBlock, count, single
from telemetry.occurrences import Occurrence, TakesOccurrences

SHORTEST_WAIT_S = 1.0
LONGEST_WAIT_S = 15.0
BATCH_SIZE = 512
DELAY_MS = 1_000


@runtime_checkable
class TakesBlocks(Protocol):
    """An exporter that takes blocks of spans as they are."""

    def export_blocks(self, items: Sequence[ReadableSpan | SpanBlock]) -> SpanExportResult:
        """Export spans and blocks."""
        ...


class Breaker:
    """Says whether an endpoint is worth trying. Each signal has its own: who takes traces need not know logs.

    Args:
        clock: seconds that only rise.
    """

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._lock = threading.Lock()
        self._wait_s = SHORTEST_WAIT_S
        self._open_until = float("-inf")
        self._failed = False

    @property
    def closed(self) -> bool:
        """Whether to try."""
        return self._clock() >= self._open_until

    def room(self, capacity: int) -> int:
        """Items that may wait: all that a queue holds, one batch after a failure, none while it is not worth trying."""
        if not self._failed:
            return capacity
        return min(BATCH_SIZE, capacity) if self.closed else 0

    def report(self, *, delivered: bool) -> None:
        """Take note of how an attempt ended."""
        with self._lock:
            self._failed = not delivered
            if delivered:
                self._wait_s = SHORTEST_WAIT_S
                return
            self._open_until = self._clock() + self._wait_s
            self._wait_s = min(2 * self._wait_s, LONGEST_WAIT_S)

    def attempt(self, export: Callable[[], bool]) -> bool:
        """Export if it is worth trying; whether that was done and went well."""
        if not self.closed:
            return False
        delivered = False
        try:
            delivered = export()
        finally:
            self.report(delivered=delivered)
        return delivered


class Tally:
    """Counts what became of the items of one signal: pending, delivered or dropped."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self.pending = 0
        self.delivered = 0
        self.dropped = 0

    def admit(self, room: int, n: int = 1) -> bool:
        """Take n items in, unless more would be pending then than there is room for; whether they were taken."""
        with self._lock:
            if self.pending + n > room:
                self.dropped += n
                return False
            self.pending += n
            return True

    def settle(self, n: int, *, delivered: bool, rejected: int = 0) -> None:
        """Take note of what became of n pending items; of delivered ones the receiver may have rejected some."""
        with self._lock:
            self.pending -= n
            lost = min(rejected, n) if delivered else n
            self.delivered += n - lost
            self.dropped += lost


class SpanDelivery(SpanExporter):
    """A span exporter behind a breaker, with a tally."""

    def __init__(self, exporter: SpanExporter, breaker: Breaker, tally: Tally) -> None:
        self._exporter = exporter
        self._breaker = breaker
        self._tally = tally

    def export(self, spans: Sequence[ReadableSpan | SpanBlock]) -> SpanExportResult:
        delivered = False
        try:
            delivered = self._breaker.attempt(lambda: self._sent(spans) is SpanExportResult.SUCCESS)
        finally:
            rejected = getattr(self._exporter, "rejected", 0)
            self._tally.settle(count(spans), delivered=delivered, rejected=rejected)
        return SpanExportResult.SUCCESS if delivered else SpanExportResult.FAILURE

    def _sent(self, spans: Sequence[ReadableSpan | SpanBlock]) -> SpanExportResult:
        if isinstance(self._exporter, TakesBlocks):
            return self._exporter.export_blocks(spans)
        return self._exporter.export(single(spans))

    def shutdown(self) -> None:
        self._exporter.shutdown()

    def force_flush(self, timeout_millis: int = 30_000) -> bool:
        return self._exporter.force_flush(timeout_millis)


class EventDelivery(SpanExporter):
    """A log record exporter behind a breaker, with a tally. To the queue that it stands behind it exports spans."""

    def __init__(self, exporter: LogRecordExporter | TakesOccurrences, breaker: Breaker, tally: Tally) -> None:
        self._exporter = exporter
        self._breaker = breaker
        self._tally = tally

    def export(self, spans: Sequence[Occurrence]) -> SpanExportResult:  # pyright: ignore[reportIncompatibleMethodOverride]
        delivered = False
        try:
            delivered = self._breaker.attempt(lambda: self._sent(spans) is LogRecordExportResult.SUCCESS)
        finally:
            rejected = getattr(self._exporter, "rejected", 0)
            self._tally.settle(len(spans), delivered=delivered, rejected=rejected)
        return SpanExportResult.SUCCESS if delivered else SpanExportResult.FAILURE

    def _sent(self, events: Sequence[Occurrence]) -> LogRecordExportResult:
        if isinstance(self._exporter, TakesOccurrences):
            return self._exporter.export_occurrences(events)
        return self._exporter.export([event.record() for event in events])

    def shutdown(self) -> None:
        self._exporter.shutdown()

    def force_flush(self, timeout_millis: int = 30_000) -> bool:
        return self._exporter.force_flush(timeout_millis)


class MetricDelivery(MetricExporter):
    """A metric exporter behind a breaker. Sums are cumulative, so a batch that is not sent loses nothing."""

    def __init__(self, exporter: MetricExporter, breaker: Breaker) -> None:
        # The SDK's reader asks for it by this name, too.
        super().__init__(preferred_temporality=getattr(exporter, "_preferred_temporality", None))
        self._exporter = exporter
        self._breaker = breaker

    def export(self, metrics_data: MetricsData, timeout_millis: float = 10_000, **kwargs: object) -> MetricExportResult:
        delivered = self._breaker.attempt(
            lambda: (
                self._exporter.export(metrics_data, timeout_millis=timeout_millis, **kwargs)
                is MetricExportResult.SUCCESS
            )
        )
        return MetricExportResult.SUCCESS if delivered else MetricExportResult.FAILURE

    def force_flush(self, timeout_millis: float = 10_000) -> bool:
        return self._exporter.force_flush(timeout_millis)

    def shutdown(self, timeout_millis: float = 30_000, **kwargs: object) -> None:
        self._exporter.shutdown(timeout_millis=timeout_millis, **kwargs)


class SpanQueue(BatchSpanProcessor):
    """A bounded queue of spans before an exporter; a span that finds it full is dropped and counted."""

    def __init__(self, exporter: SpanExporter, breaker: Breaker, tally: Tally, *, capacity: int) -> None:
        self._breaker = breaker
        self._tally = tally
        self._capacity = capacity
        super().__init__(
            SpanDelivery(exporter, breaker, tally),
            max_queue_size=capacity,
            schedule_delay_millis=DELAY_MS,
            max_export_batch_size=min(BATCH_SIZE, capacity),
        )

    def on_end(self, span: ReadableSpan | SpanBlock) -> None:
        sampled = span.context is not None and span.context.trace_flags.sampled
        n = len(span) if isinstance(span, SpanBlock) else 1
        if sampled and self._tally.admit(self._breaker.room(self._capacity), n):
            super().on_end(span)  # pyright: ignore[reportArgumentType] - it only looks at the context, and passes it on


class EventQueue(BatchSpanProcessor):
    """A bounded queue of events before an exporter; an event that finds it full is dropped and counted."""

    def __init__(
        self, exporter: LogRecordExporter | TakesOccurrences, breaker: Breaker, tally: Tally, *, capacity: int
    ) -> None:
        self._breaker = breaker
        self._tally = tally
        self._capacity = capacity
        super().__init__(
            EventDelivery(exporter, breaker, tally),
            max_queue_size=capacity,
            schedule_delay_millis=DELAY_MS,
            max_export_batch_size=min(BATCH_SIZE, capacity),
        )

    def take(self, event: Occurrence) -> None:
        """Take an event in, if there is room."""
        if self._tally.admit(self._breaker.room(self._capacity)):
            self.on_end(event)  # pyright: ignore[reportArgumentType] - it only looks at the context, and passes it on
