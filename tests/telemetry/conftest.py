"""Exporters that behave as a test asks."""

from __future__ import annotations

import threading
from collections.abc import Sequence
from typing import Any

import pytest
from opentelemetry.sdk._logs import ReadableLogRecord
from opentelemetry.sdk._logs.export import LogRecordExporter, LogRecordExportResult
from opentelemetry.sdk.metrics.export import MetricExporter, MetricExportResult, MetricsData
from opentelemetry.sdk.trace import ReadableSpan
from opentelemetry.sdk.trace.export import SpanExporter, SpanExportResult

from telemetry.exporters import Exporters


class Endpoint:
    """A make-believe endpoint of all three signals: it takes, refuses, raises, or holds until `opened` is set."""

    def __init__(self) -> None:
        self.answer = True
        self.error: Exception | None = None
        self.opened = threading.Event()
        self.opened.set()
        self.entered = threading.Event()
        self.attempts = 0
        self.spans: list[ReadableSpan] = []
        self.events: list[ReadableLogRecord] = []
        self.metrics: list[MetricsData] = []

    def receive(self, kept: list[Any], items: Sequence[Any]) -> bool:
        self.attempts += 1
        self.entered.set()
        self.opened.wait(30)
        if self.error:
            raise self.error
        if self.answer:
            kept.extend(items)
        return self.answer

    @property
    def exporters(self) -> Exporters:
        return Exporters(spans=_Spans(self), events=_Events(self), metrics=_Metrics(self))


class _Spans(SpanExporter):
    def __init__(self, endpoint: Endpoint) -> None:
        self.endpoint = endpoint

    def export(self, spans: Sequence[ReadableSpan]) -> SpanExportResult:
        return (
            SpanExportResult.SUCCESS if self.endpoint.receive(self.endpoint.spans, spans) else SpanExportResult.FAILURE
        )


class _Events(LogRecordExporter):
    def __init__(self, endpoint: Endpoint) -> None:
        self.endpoint = endpoint

    def export(self, batch: Sequence[ReadableLogRecord]) -> LogRecordExportResult:
        taken = self.endpoint.receive(self.endpoint.events, batch)
        return LogRecordExportResult.SUCCESS if taken else LogRecordExportResult.FAILURE

    def shutdown(self) -> None:
        return None

    def force_flush(self, timeout_millis: int = 30_000) -> bool:
        return True


class _Metrics(MetricExporter):
    def __init__(self, endpoint: Endpoint) -> None:
        super().__init__()
        self.endpoint = endpoint

    def export(self, metrics_data: MetricsData, timeout_millis: float = 10_000, **kwargs: object) -> MetricExportResult:
        taken = self.endpoint.receive(self.endpoint.metrics, [metrics_data])
        return MetricExportResult.SUCCESS if taken else MetricExportResult.FAILURE

    def force_flush(self, timeout_millis: float = 10_000) -> bool:
        return True

    def shutdown(self, timeout_millis: float = 30_000, **kwargs: object) -> None:
        return None


@pytest.fixture
def endpoint() -> Endpoint:
    return Endpoint()
