"""Spans as actors use them, and how a trace crosses from one actor to the next.

A span starts when it is made. Used with ``with`` it is also the current span of this task until
the block ends; without ``with`` it must be ended by `Span.end`. What is current follows asyncio
tasks and `asyncio.to_thread`, and no other way of changing threads or processes, so a message to
another actor carries `Span.traceparent` and the receiver passes it as ``parent``. A block must not
contain a ``yield`` of an asynchronous generator: the rest of it might run in another context.
"""

from __future__ import annotations

import re
import time
from collections.abc import Callable, Mapping, Sequence
from contextvars import Token
from types import TracebackType
from typing import Any

from opentelemetry import context as otel_context
from opentelemetry import trace

AttributeValue = str | bool | int | float | Sequence[str] | Sequence[bool] | Sequence[int] | Sequence[float]
Attributes = Mapping[str, AttributeValue]

_VERSION = "00"
_INVALID_VERSION = "ff"
_TRACEPARENT = re.compile(r"([0-9a-f]{2})-([0-9a-f]{32})-([0-9a-f]{16})-([0-9a-f]{2})(-.*)?")


class Span:
    """A span that records nothing; what `telemetry.Telemetry.span` gives when telemetry is off.

    Attributes:
        traceparent: the span's W3C trace context, to send to other actors. Without telemetry it is
            what came in, so that a caller's own trace is not cut.
    """

    __slots__ = ("_parent",)

    def __init__(self, parent: str = "") -> None:
        self._parent = parent

    @property
    def traceparent(self) -> str:
        return self._parent

    def set(self, key: str, value: AttributeValue) -> None:
        """Set one attribute."""

    def update(self, attributes: Attributes) -> None:
        """Set several attributes."""

    def fail(self, error: BaseException | str, message: str = "") -> None:
        """Mark the span as failed: with an exception, or with a stable code and a message."""

    def end(self, end_ns: int | None = None) -> None:
        """End the span, now or at a time in nanoseconds since 1970. A second call changes nothing."""

    def __enter__(self) -> Span:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.end()


SILENT = Span()
"""The one span that all callers without telemetry and without a parent share."""


class RecordingSpan(Span):
    """A span that is recorded, if its trace is sampled.

    Args:
        span: OpenTelemetry's span.
        timed: called with the span's duration in seconds when it ends.
        error_key: attribute that `fail` sets.
    """

    __slots__ = ("_ended", "_error_key", "_span", "_started", "_timed", "_token")

    def __init__(self, span: trace.Span, *, error_key: str, timed: Callable[[float], None] | None = None) -> None:
        self._span = span
        self._error_key = error_key
        self._timed = timed
        self._token: Token[Any] | None = None
        self._ended = False
        self._started = time.perf_counter() if timed else 0.0

    @property
    def traceparent(self) -> str:
        return format_traceparent(self._span.get_span_context())

    def set(self, key: str, value: AttributeValue) -> None:
        self._span.set_attribute(key, value)

    def update(self, attributes: Attributes) -> None:
        self._span.set_attributes(attributes)

    def fail(self, error: BaseException | str, message: str = "") -> None:
        code, text = (error, message) if isinstance(error, str) else (error_type(error), message or str(error))
        self._span.set_attribute(self._error_key, code)
        self._span.set_status(trace.StatusCode.ERROR, text or None)

    def end(self, end_ns: int | None = None) -> None:
        if self._ended:
            return
        self._ended = True
        if self._timed:
            self._timed(time.perf_counter() - self._started)
        self._span.end(end_ns)

    def __enter__(self) -> Span:
        self._token = otel_context.attach(trace.set_span_in_context(self._span))
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if error is not None:
            self.fail(error)
        self.end()  # while the span is current, so that its duration's exemplar points at it
        if self._token is not None:
            otel_context.detach(self._token)
            self._token = None


def error_type(error: BaseException) -> str:
    """The stable code of an error that has one, or the name of its class."""
    code = getattr(error, "code", None)
    return code if isinstance(code, str) else type(error).__name__


def format_traceparent(context: trace.SpanContext) -> str:
    """The W3C form of a span context; empty for an invalid one."""
    if not context.is_valid:
        return ""
    return f"{_VERSION}-{context.trace_id:032x}-{context.span_id:016x}-{context.trace_flags:02x}"


def parse_traceparent(text: str) -> trace.SpanContext:
    """The span context that a traceparent names; an invalid one for anything else, as W3C asks."""
    match = _TRACEPARENT.fullmatch(text)
    if match is None:
        return trace.INVALID_SPAN_CONTEXT
    version, trace_id, span_id, flags, more = match.groups()
    # Later versions may append fields; the first four keep their meaning.
    if version == _INVALID_VERSION or (version == _VERSION and more):
        return trace.INVALID_SPAN_CONTEXT
    return trace.SpanContext(
        int(trace_id, 16), int(span_id, 16), is_remote=True, trace_flags=trace.TraceFlags(int(flags, 16))
    )


def context_from(parent: str | None) -> otel_context.Context | None:
    """The context whose current span is the parent; None, which means the task's own, without a parent."""
    if not parent:
        return None
    return trace.set_span_in_context(trace.NonRecordingSpan(parse_traceparent(parent)), otel_context.Context())
