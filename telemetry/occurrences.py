"""Events on their way: what is kept of one until it is exported, and what exporters other than ours are given.

The SDK makes two records of each event where it happens, and checks and copies its attributes; here that is left to
the thread that exports, if it is needed at all.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol, runtime_checkable

from opentelemetry._logs import LogRecord, SeverityNumber
from opentelemetry.context import Context
from opentelemetry.sdk._logs import ReadableLogRecord
from opentelemetry.sdk._logs.export import LogRecordExportResult
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.util.instrumentation import InstrumentationScope
from opentelemetry.trace import NonRecordingSpan, SpanContext, TraceFlags, set_span_in_context

from telemetry.span import Attributes


@runtime_checkable
class TakesOccurrences(Protocol):
    """An exporter that takes events as they are."""

    def export_occurrences(self, items: Sequence[Occurrence]) -> LogRecordExportResult:
        """Export events."""
        ...

    def shutdown(self) -> None:
        """Give the connection up."""

    def force_flush(self, timeout_millis: int = 30_000) -> bool:
        """Send what waits in the exporter; whether that was done."""
        ...


_ALWAYS = SpanContext(1, 1, False, TraceFlags(TraceFlags.SAMPLED))


@dataclass(frozen=True, slots=True, kw_only=True)
class Occurrence:
    """Something that happened.

    Attributes:
        span: the context of the span in which it happened; an invalid one when there was none.
    """

    name: str
    at_ns: int
    severity: SeverityNumber
    attributes: Attributes
    span: SpanContext
    resource: Resource
    instrumentation_scope: InstrumentationScope

    @property
    def context(self) -> SpanContext:
        """What the queue goes by, which is the one for spans: an event waits whether its trace is sampled or not."""
        return _ALWAYS

    def record(self) -> ReadableLogRecord:
        """The event as the SDK's exporters take it."""
        within = set_span_in_context(NonRecordingSpan(self.span), Context())
        record = LogRecord(
            timestamp=self.at_ns,
            observed_timestamp=self.at_ns,
            context=within,
            severity_number=self.severity,
            severity_text=self.severity.name,
            attributes=dict(self.attributes),
            event_name=self.name,
        )
        return ReadableLogRecord(record, self.resource, self.instrumentation_scope)
