"""Samples from OTLP protobuf messages: export requests and what collectors write to files."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from datetime import UTC, datetime
from enum import StrEnum
from typing import Any

from google.protobuf.message import DecodeError, Message
from opentelemetry.proto.collector.logs.v1.logs_service_pb2 import ExportLogsServiceRequest, ExportLogsServiceResponse
from opentelemetry.proto.collector.metrics.v1.metrics_service_pb2 import (
    ExportMetricsServiceRequest,
    ExportMetricsServiceResponse,
)
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import (
    ExportTraceServiceRequest,
    ExportTraceServiceResponse,
)

from telemetry.checker.debug import debug_text
from telemetry.checker.samples import (
    AttributeSample,
    Buckets,
    ExemplarSample,
    ExponentialPoint,
    HistogramPoint,
    LogSample,
    MetricSample,
    NumberPoint,
    Point,
    ResourceSample,
    Sample,
    ScopeSample,
    SpanEventSample,
    SpanLinkSample,
    SpanSample,
    finite,
    infer_type,
)

SPAN_KINDS = ("internal", "internal", "server", "client", "producer", "consumer")
"""By OTLP's number; unspecified is internal."""

STATUS_CODES = ("unset", "ok", "error")


class OtlpError(ValueError):
    """Bytes or JSON that are no OTLP."""


class OtlpSignal(StrEnum):
    """What an export request carries; also the last part of its OTLP/HTTP path."""

    TRACES = "traces"
    METRICS = "metrics"
    LOGS = "logs"

    @property
    def request(self) -> type[Message]:
        """The message that clients send."""
        return _MESSAGES[self][0]

    @property
    def response(self) -> type[Message]:
        """The message that they are answered with."""
        return _MESSAGES[self][1]


_MESSAGES: dict[OtlpSignal, tuple[type[Message], type[Message]]] = {
    OtlpSignal.TRACES: (ExportTraceServiceRequest, ExportTraceServiceResponse),
    OtlpSignal.METRICS: (ExportMetricsServiceRequest, ExportMetricsServiceResponse),
    OtlpSignal.LOGS: (ExportLogsServiceRequest, ExportLogsServiceResponse),
}


def parsed(signal: OtlpSignal, data: bytes) -> Message:
    """The export request in the bytes.

    Raises:
        OtlpError: when they hold no such request.
    """
    request = signal.request()
    try:
        request.ParseFromString(data)
    except DecodeError as error:
        raise OtlpError(f"{len(data)} bytes are no {signal.request.DESCRIPTOR.name}: {error}") from None
    return request


def samples(request: Any) -> Iterator[Sample]:
    """The samples of an export request, in Weaver's order: each resource and scope before what belongs to it."""
    match request:
        case ExportTraceServiceRequest():
            return _walk(request.resource_spans, "scope_spans", "spans", _span)
        case ExportMetricsServiceRequest():
            return _walk(request.resource_metrics, "scope_metrics", "metrics", _metric)
        case ExportLogsServiceRequest():
            return _walk(request.resource_logs, "scope_logs", "log_records", _log)
        case _:
            raise OtlpError(f"{type(request).__name__} is no export request for traces, metrics or logs")


def _walk(blocks: Iterable[Any], scopes: str, items: str, make: Callable[[Any], Sample]) -> Iterator[Sample]:
    for block in blocks:
        if block.HasField("resource"):
            yield ResourceSample(attributes=_attributes(block.resource.attributes))
        for part in getattr(block, scopes):
            if part.HasField("scope") or part.schema_url:
                scope = part.scope
                yield ScopeSample(
                    name=scope.name,
                    version=scope.version,
                    schema_url=part.schema_url,
                    attributes=_attributes(scope.attributes),
                    dropped_attributes_count=scope.dropped_attributes_count,
                )
            for item in getattr(part, items):
                yield make(item)


def _attributes(pairs: Iterable[Any]) -> list[AttributeSample]:
    made: list[AttributeSample] = []
    for pair in pairs:
        value = pair.value
        match value.WhichOneof("value"):
            case "string_value":
                made.append(AttributeSample(pair.key, value.string_value, "string"))
            case "int_value":
                made.append(AttributeSample(pair.key, value.int_value, "int"))
            case "double_value":
                number = finite(value.double_value)
                made.append(AttributeSample(pair.key, number, None if number is None else "double"))
            case "bool_value":
                made.append(AttributeSample(pair.key, value.bool_value, "boolean"))
            case "array_value":
                items = _items(value.array_value)
                made.append(AttributeSample(pair.key, items, infer_type(items)))
            case _:
                made.append(AttributeSample(pair.key))
    return made


def _items(array: Any) -> list[Any]:
    """The values of an array; bytes, lists of pairs and empty values are left out."""
    made: list[Any] = []
    for value in array.values:
        match value.WhichOneof("value"):
            case "array_value":
                made.append(_items(value.array_value))
            case "double_value":
                made.append(finite(value.double_value))
            case "string_value" | "int_value" | "bool_value" as which:
                made.append(getattr(value, which))
            case _:
                pass
    return made


def _span(span: Any) -> SpanSample:
    status = None
    if span.HasField("status"):
        status = (_named(STATUS_CODES, span.status.code), span.status.message)
    return SpanSample(
        name=span.name,
        kind=_named(SPAN_KINDS, span.kind),
        status=status,
        attributes=_attributes(span.attributes),
        span_events=[SpanEventSample(name=e.name, attributes=_attributes(e.attributes)) for e in span.events],
        span_links=[SpanLinkSample(attributes=_attributes(link.attributes)) for link in span.links],
    )


def _named(names: Sequence[str], number: int) -> str:
    return names[number] if 0 <= number < len(names) else names[0]


def _log(log: Any) -> LogSample:
    return LogSample(
        event_name=log.event_name,
        severity_number=log.severity_number,
        severity_text=log.severity_text,
        body=debug_text(log.body) if log.HasField("body") else None,
        attributes=_attributes(log.attributes),
        trace_id=log.trace_id.hex() if len(log.trace_id) == 16 else None,
        span_id=log.span_id.hex() if len(log.span_id) == 8 else None,
    )


def _metric(metric: Any) -> MetricSample:
    which = metric.WhichOneof("data")
    instrument, points = "Unspecified", None
    match which:
        case "sum":
            instrument = "counter" if metric.sum.is_monotonic else "updowncounter"
            points = [_number(point) for point in metric.sum.data_points]
        case "gauge":
            instrument, points = "gauge", [_number(point) for point in metric.gauge.data_points]
        case "histogram":
            instrument, points = "histogram", [_histogram(point) for point in metric.histogram.data_points]
        case "exponential_histogram":
            found = metric.exponential_histogram.data_points
            instrument, points = "histogram", [_exponential(point) for point in found]
        case "summary":
            instrument = "Summary"
        case _:
            pass
    return MetricSample(name=metric.name, instrument=instrument, unit=metric.unit, data_points=points)


def _number(point: Any) -> Point:
    return NumberPoint(
        attributes=_attributes(point.attributes),
        value=_value(point),
        flags=point.flags,
        exemplars=[_exemplar(exemplar) for exemplar in point.exemplars],
    )


def _value(holder: Any) -> int | float | None:
    """The number of a point or an exemplar; None where there is none, or none that JSON can write."""
    match holder.WhichOneof("value"):
        case "as_int":
            return holder.as_int
        case "as_double":
            return finite(holder.as_double)
        case _:
            return None


def _histogram(point: Any) -> Point:
    return HistogramPoint(
        attributes=_attributes(point.attributes),
        count=point.count,
        sum=_optional(point, "sum"),
        bucket_counts=list(point.bucket_counts),
        explicit_bounds=[finite(bound) for bound in point.explicit_bounds],
        min=_optional(point, "min"),
        max=_optional(point, "max"),
        flags=point.flags,
        exemplars=[_exemplar(exemplar) for exemplar in point.exemplars],
    )


def _exponential(point: Any) -> Point:
    return ExponentialPoint(
        attributes=_attributes(point.attributes),
        count=point.count,
        sum=_optional(point, "sum"),
        scale=point.scale,
        zero_count=point.zero_count,
        positive=_buckets(point, "positive"),
        negative=_buckets(point, "negative"),
        flags=point.flags,
        min=_optional(point, "min"),
        max=_optional(point, "max"),
        zero_threshold=finite(point.zero_threshold),
        exemplars=[_exemplar(exemplar) for exemplar in point.exemplars],
    )


def _optional(point: Any, name: str) -> float | None:
    return finite(getattr(point, name)) if point.HasField(name) else None


def _buckets(point: Any, side: str) -> Buckets | None:
    if not point.HasField(side):
        return None
    buckets = getattr(point, side)
    return Buckets(buckets.offset, list(buckets.bucket_counts))


def _exemplar(exemplar: Any) -> ExemplarSample:
    return ExemplarSample(
        filtered_attributes=_attributes(exemplar.filtered_attributes),
        value=_value(exemplar),
        timestamp=rfc3339(exemplar.time_unix_nano),
        span_id=exemplar.span_id.hex() if len(exemplar.span_id) == 8 else "",
        trace_id=exemplar.trace_id.hex() if len(exemplar.trace_id) == 16 else "",
    )


def rfc3339(nanoseconds: int) -> str:
    """The time in UTC with as many digits as it needs, in steps of three; empty when it does not fit 63 bits."""
    if not 0 <= nanoseconds < 2**63:
        return ""
    seconds, rest = divmod(nanoseconds, 10**9)
    text = datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%dT%H:%M:%S")
    if rest:
        digits = 3 if rest % 10**6 == 0 else 6 if rest % 10**3 == 0 else 9
        text += f".{rest:09d}"[: digits + 1]
    return text + "+00:00"
