"""Measurements wait for who reads the metrics, in their order, bounded, and each with its span."""

from __future__ import annotations

import threading
from typing import Any

from opentelemetry import trace
from opentelemetry.context import Context
from opentelemetry.trace import NonRecordingSpan, SpanContext, TraceFlags

from telemetry.measurements import Measurements

Taken = list[tuple[float, Any, int]]


def taking() -> tuple[Taken, Any]:
    taken: Taken = []

    def record(value: float, attributes: Any, context: Context) -> None:
        taken.append((value, attributes, trace.get_current_span(context).get_span_context().trace_id))

    return taken, record


def test_order_and_spans_are_kept() -> None:
    taken, record = taking()
    measurements = Measurements()
    measurements.keep(record, 1, {"a": 1})
    with trace.use_span(NonRecordingSpan(SpanContext(7, 8, False, TraceFlags(1)))):
        measurements.keep(record, 2, None)
    with trace.use_span(NonRecordingSpan(SpanContext(9, 8, False, TraceFlags(0)))):
        measurements.keep(record, 3, None)
        assert taken == []
        measurements.flush()  # what is current now is nobody's span
    assert taken == [(1, {"a": 1}, 0), (2, None, 7), (3, None, 0)]
    measurements.flush()
    assert len(taken) == 3


def test_no_more_than_the_limit_wait() -> None:
    taken, record = taking()
    measurements = Measurements(limit=3)
    for number in range(7):
        measurements.keep(record, number, None)
    assert [value for value, *_ in taken] == [0, 1, 2, 3, 4, 5]


def test_many_threads_lose_nothing() -> None:
    taken, record = taking()
    measurements = Measurements(limit=5)

    def speak() -> None:
        for number in range(200):
            measurements.keep(record, number, None)
            if number % 7 == 0:
                measurements.flush()

    threads = [threading.Thread(target=speak) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    measurements.flush()
    assert len(taken) == 800
