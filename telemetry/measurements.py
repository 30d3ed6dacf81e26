"""Measurements that wait until somebody reads the metrics.

Between two rounds' measurements so much else runs that the SDK's eight layers are cold each time, and a measurement
costs ten times what a benchmark shows. Here one costs an entry in a queue; all of them are recorded at once, in the
thread that reads.
"""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable

from opentelemetry import trace
from opentelemetry.context import Context

from telemetry.span import Attributes

LIMIT = 1_024
"""Measurements that wait at most; who brings the last records them all, in five milliseconds or so."""

Record = Callable[[float, Attributes | None, Context], None]
"""``add``, ``record`` or ``set`` of one of the SDK's instruments."""

_NOWHERE = trace.set_span_in_context(trace.INVALID_SPAN, Context())  # an empty one would mean the current one


class Measurements:
    """A queue of measurements, each with the span it was made in, for its exemplar."""

    def __init__(self, limit: int = LIMIT) -> None:
        self._limit = limit
        self._lock = threading.Lock()
        self._waiting: deque[tuple[Record, float, Attributes | None, trace.SpanContext]] = deque()

    def keep(self, record: Record, value: float, attributes: Attributes | None) -> None:
        """Take a measurement in. Its attributes are kept, not copied."""
        self._waiting.append((record, value, attributes, trace.get_current_span().get_span_context()))
        if len(self._waiting) >= self._limit:
            self.flush()

    def flush(self) -> None:
        """Record what waits, in its order."""
        with self._lock:
            while True:
                try:
                    record, value, attributes, span = self._waiting.popleft()
                except IndexError:
                    return
                sampled = span.trace_flags.sampled
                record(value, attributes, _within(span) if sampled else _NOWHERE)


def _within(span: trace.SpanContext) -> Context:
    return trace.set_span_in_context(trace.NonRecordingSpan(span), Context())
