"""What comes in: spans and log records as plain values, after the door."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import IntEnum

Attributes = Mapping[str, object]


class Status(IntEnum):
    """Status of a span, numbered as OTLP numbers it."""

    UNSET = 0
    OK = 1
    ERROR = 2


@dataclass(frozen=True, slots=True, kw_only=True)
class SpanEvent:
    """An event on a span."""

    name: str
    time_ns: int
    attributes: Attributes = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class SpanRecord:
    """One span, with what the door let through of it.

    Attributes:
        trace_id, span_id: 32 and 16 lower-case hexadecimal digits.
        parent_id: of its parent span; empty for the root of a trace.
        name: as the sender named it; used only where a tool span does not name its tool.
        kind: as OTLP numbers it.
        start_ns, end_ns: nanoseconds since 1970; the end is 0 while the span has not ended.
        attributes, resource: what was kept of the span's and of its resource's.
        status: of the operation. Its message is never kept.
        events: those of evaluation results.
    """

    trace_id: str
    span_id: str
    parent_id: str = ""
    name: str = ""
    kind: int = 0
    start_ns: int = 0
    end_ns: int = 0
    attributes: Attributes = field(default_factory=dict)
    status: Status = Status.UNSET
    resource: Attributes = field(default_factory=dict)
    events: tuple[SpanEvent, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class EventRecord:
    """A log record that tells of an event. The ids are empty where the sender left them out."""

    name: str
    time_ns: int = 0
    trace_id: str = ""
    span_id: str = ""
    attributes: Attributes = field(default_factory=dict)
