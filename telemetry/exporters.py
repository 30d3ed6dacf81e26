"""Where a process's telemetry goes: OTLP over HTTP by code of our own, over gRPC by OpenTelemetry's."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from opentelemetry.exporter.otlp.proto.common.metrics_encoder import encode_metrics
from opentelemetry.sdk._logs.export import LogRecordExporter, LogRecordExportResult
from opentelemetry.sdk.metrics import (
    Counter,
    Histogram,
    ObservableCounter,
    ObservableGauge,
    ObservableUpDownCounter,
    UpDownCounter,
)
from opentelemetry.sdk.metrics.export import AggregationTemporality, MetricExporter, MetricExportResult, MetricsData
from opentelemetry.sdk.trace import ReadableSpan
from opentelemetry.sdk.trace.export import SpanExporter, SpanExportResult

from telemetry.blocks import SpanBlock
from telemetry.config import GRPC, LOGS, METRICS, TRACES, MissingGrpcError, Target, TelemetryConfig
from telemetry.occurrences import Occurrence, TakesOccurrences
from telemetry.transport import Transport
from telemetry.wire import log_request, trace_request


@dataclass(frozen=True, slots=True, kw_only=True)
class Exporters:
    """Where a process's telemetry goes; None for a signal that goes nowhere."""

    spans: SpanExporter | None = None
    events: LogRecordExporter | TakesOccurrences | None = None
    metrics: MetricExporter | None = None

    @classmethod
    def of(cls, config: TelemetryConfig) -> Exporters:
        """Exporters to the targets of the configuration.

        Raises:
            MissingGrpcError: for gRPC without the extra.
        """
        traces, metrics, logs = (config.target(signal) for signal in (TRACES, METRICS, LOGS))
        temporality = _temporality(config.temporality)
        return cls(
            spans=None if traces is None else HttpSpans(traces) if traces.protocol != GRPC else _grpc(TRACES, traces),
            events=None if logs is None else HttpEvents(logs) if logs.protocol != GRPC else _grpc(LOGS, logs),
            metrics=None
            if metrics is None
            else HttpMetrics(metrics, temporality)
            if metrics.protocol != GRPC
            else _grpc(METRICS, metrics, preferred_temporality=temporality),
        )


class HttpSpans(SpanExporter):
    """Spans over HTTP.

    Attributes:
        rejected: spans of the last export that the receiver says it did not keep.
    """

    def __init__(self, target: Target) -> None:
        self.rejected = 0
        self._transport = Transport(target, TRACES)

    def export(self, spans: Sequence[ReadableSpan]) -> SpanExportResult:
        return self.export_blocks(spans)

    def export_blocks(self, items: Sequence[ReadableSpan | SpanBlock]) -> SpanExportResult:
        """Export spans and blocks in one request."""
        rejected = self._transport.send(trace_request(items))
        self.rejected = rejected or 0
        return SpanExportResult.FAILURE if rejected is None else SpanExportResult.SUCCESS

    def shutdown(self) -> None:
        self._transport.close()


class HttpEvents:
    """Events over HTTP.

    Attributes:
        rejected: events of the last export that the receiver says it did not keep.
    """

    def __init__(self, target: Target) -> None:
        self.rejected = 0
        self._transport = Transport(target, LOGS)

    def export_occurrences(self, items: Sequence[Occurrence]) -> LogRecordExportResult:
        """Export events in one request."""
        rejected = self._transport.send(log_request(items))
        self.rejected = rejected or 0
        return LogRecordExportResult.FAILURE if rejected is None else LogRecordExportResult.SUCCESS

    def shutdown(self) -> None:
        self._transport.close()

    def force_flush(self, timeout_millis: int = 30_000) -> bool:
        """Nothing waits here."""
        del timeout_millis
        return True


class HttpMetrics(MetricExporter):
    """Metrics over HTTP."""

    def __init__(self, target: Target, temporality: dict[type, AggregationTemporality]) -> None:
        super().__init__(preferred_temporality=temporality)
        self._transport = Transport(target, METRICS)

    def export(self, metrics_data: MetricsData, timeout_millis: float = 10_000, **kwargs: object) -> MetricExportResult:
        del timeout_millis, kwargs
        sent = self._transport.send(encode_metrics(metrics_data).SerializeToString())
        return MetricExportResult.FAILURE if sent is None else MetricExportResult.SUCCESS

    def shutdown(self, timeout_millis: float = 30_000, **kwargs: object) -> None:
        del timeout_millis, kwargs
        self._transport.close()

    def force_flush(self, timeout_millis: float = 10_000) -> bool:
        """Nothing waits here."""
        del timeout_millis
        return True


def _temporality(preference: str) -> dict[type, AggregationTemporality]:
    """What the specification makes of a preference (metrics SDK exporters, OTLP)."""
    delta, cumulative = AggregationTemporality.DELTA, AggregationTemporality.CUMULATIVE
    kinds: Mapping[str, tuple[type, ...]] = {
        "delta": (Counter, Histogram, ObservableCounter),
        "lowmemory": (Counter, Histogram),
    }
    everything = (Counter, UpDownCounter, Histogram, ObservableCounter, ObservableUpDownCounter, ObservableGauge)
    return {kind: delta if kind in kinds.get(preference, ()) else cumulative for kind in everything}


def _grpc(signal: str, target: Target, **settings: Any) -> Any:
    try:
        import grpc
        from opentelemetry.exporter.otlp.proto.grpc._log_exporter import OTLPLogExporter
        from opentelemetry.exporter.otlp.proto.grpc.metric_exporter import OTLPMetricExporter
        from opentelemetry.exporter.otlp.proto.grpc.trace_exporter import OTLPSpanExporter
    except ImportError as error:
        raise MissingGrpcError from error
    secure = target.url.startswith("https://")
    settings |= {
        "endpoint": target.url,
        "insecure": not secure,
        "headers": tuple(target.headers),
        "timeout": target.timeout_s,
        "compression": grpc.Compression.Gzip if target.compression == "gzip" else grpc.Compression.NoCompression,
    }
    if secure:
        files = (target.certificate, target.client_key, target.client_certificate)
        settings["credentials"] = grpc.ssl_channel_credentials(*(_content(path) for path in files))
    if signal == TRACES:
        return OTLPSpanExporter(**settings)
    return OTLPLogExporter(**settings) if signal == LOGS else OTLPMetricExporter(**settings)


def _content(path: str | None) -> bytes | None:
    if path is None:
        return None
    with open(path, "rb") as file:  # noqa: PTH123
        return file.read()
