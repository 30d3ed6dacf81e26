"""Samples from OTLP/JSON: what collectors and SDKs write to files, and what they send over HTTP as JSON.

OTLP/JSON is protobuf's JSON with two differences: ids of traces and spans are hexadecimal, and unknown fields are
ignored. It is read as it is, because protobuf's own reader takes five times as long.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping
from typing import Any

from google.protobuf.json_format import ParseDict, ParseError
from opentelemetry.proto.common.v1.common_pb2 import AnyValue

from telemetry.checker.debug import debug_text
from telemetry.checker.otlp import SPAN_KINDS, STATUS_CODES, OtlpError, OtlpSignal, rfc3339
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

Node = Mapping[str, Any]

_DEEPEST = 100
_KIND_NAMES = {f"SPAN_KIND_{name.upper()}": number for number, name in enumerate(SPAN_KINDS) if number}
_KIND_NAMES["SPAN_KIND_UNSPECIFIED"] = 0
_STATUS_NAMES = {f"STATUS_CODE_{name.upper()}": number for number, name in enumerate(STATUS_CODES)}


def samples_of(document: Any) -> Iterator[Sample]:
    """The samples in one JSON document: of one signal, or of several one after the other.

    Raises:
        OtlpError: when it holds none; what is wrong further inside is told when it is come to.
    """
    node = _object(document, "OTLP/JSON")
    signals = sorted({_ROOTS[key] for key in node if key in _ROOTS})
    if not signals:
        keys = ", ".join(sorted(map(str, node))[:5]) or "nothing"
        raise OtlpError(f"OTLP/JSON has resourceSpans, resourceMetrics or resourceLogs; found {keys}")
    return (sample for signal in signals for sample in _walk(node, signal))


def samples_of_signal(signal: OtlpSignal, document: Any) -> Iterator[Sample]:
    """The samples in an export request of one signal; an empty one is an empty object.

    Raises:
        OtlpError: when it is none; what is wrong further inside is told when it is come to.
    """
    node = _object(document, "OTLP/JSON")
    strange = [key for key in node if key in _ROOTS and _ROOTS[key] is not signal]
    if strange:
        raise OtlpError(f"{strange[0]} does not belong to {signal.value}")
    return _walk(node, signal)


def _walk(node: Node, signal: OtlpSignal) -> Iterator[Sample]:
    blocks, scopes, items, make = _SHAPES[signal]
    for block in _objects(node, blocks):
        resource = _field(block, "resource")
        if resource is not None:
            yield ResourceSample(attributes=_attributes(_object(resource, "resource")))
        for part in _objects(block, scopes):
            scope, url = _field(part, "scope"), _text(part, "schemaUrl")
            if scope is not None or url:
                held = {} if scope is None else _object(scope, "scope")
                yield ScopeSample(
                    name=_text(held, "name"),
                    version=_text(held, "version"),
                    schema_url=url,
                    attributes=_attributes(held),
                    dropped_attributes_count=_whole(held, "droppedAttributesCount"),
                )
            for item in _objects(part, items):
                yield make(item)


def _span(node: Node) -> SpanSample:
    status = _field(node, "status")
    if status is not None:
        held = _object(status, "status")
        status = (STATUS_CODES[_enum(held, "code", _STATUS_NAMES)], _text(held, "message"))
    for key in ("traceId", "spanId", "parentSpanId"):
        _id(node, key)
    return SpanSample(
        name=_text(node, "name"),
        kind=SPAN_KINDS[_enum(node, "kind", _KIND_NAMES)],
        status=status,
        attributes=_attributes(node),
        span_events=[
            SpanEventSample(name=_text(event, "name"), attributes=_attributes(event))
            for event in _objects(node, "events")
        ],
        span_links=[SpanLinkSample(attributes=_attributes(link)) for link in _objects(node, "links")],
    )


def _log(node: Node) -> LogSample:
    body, trace, span = _field(node, "body"), _id(node, "traceId"), _id(node, "spanId")
    return LogSample(
        event_name=_text(node, "eventName"),
        severity_number=_severity(node),
        severity_text=_text(node, "severityText"),
        body=None if body is None else _body(body),
        attributes=_attributes(node),
        trace_id=trace if len(trace) == 32 else None,
        span_id=span if len(span) == 16 else None,
    )


def _severity(node: Node) -> int:
    found = _field(node, "severityNumber")
    if isinstance(found, str) and found.startswith("SEVERITY_NUMBER_"):
        word = found.removeprefix("SEVERITY_NUMBER_").rstrip("234")
        step = found[-1] if found[-1] in "234" else "1"
        if word in _SEVERITIES:
            return 1 + 4 * _SEVERITIES.index(word) + int(step) - 1
        if word == "UNSPECIFIED":
            return 0
    return _whole(node, "severityNumber")


def _body(value: Any) -> str | None:
    try:
        return debug_text(ParseDict(value, AnyValue(), ignore_unknown_fields=True))
    except (ParseError, ValueError, TypeError, AttributeError) as error:
        raise OtlpError(f"body is no value: {error}") from None


def _metric(node: Node) -> MetricSample:
    instrument, points = "Unspecified", None
    for key, (name, read) in _DATA.items():
        data = _field(node, key)
        if data is None:
            continue
        held = _object(data, key)
        instrument = name
        if key == "sum":
            instrument = "counter" if _field(held, "isMonotonic") is True else "updowncounter"
        points = None if read is None else [read(point) for point in _objects(held, "dataPoints")]
        break
    return MetricSample(name=_text(node, "name"), instrument=instrument, unit=_text(node, "unit"), data_points=points)


def _number(node: Node) -> Point:
    return NumberPoint(
        attributes=_attributes(node), value=_value(node), flags=_whole(node, "flags"), exemplars=_exemplars(node)
    )


def _histogram(node: Node) -> Point:
    return HistogramPoint(
        attributes=_attributes(node),
        count=_whole(node, "count"),
        sum=_optional(node, "sum"),
        bucket_counts=_wholes(node, "bucketCounts"),
        explicit_bounds=[_double(bound, "explicitBounds") for bound in _list(node, "explicitBounds")],
        min=_optional(node, "min"),
        max=_optional(node, "max"),
        flags=_whole(node, "flags"),
        exemplars=_exemplars(node),
    )


def _exponential(node: Node) -> Point:
    return ExponentialPoint(
        attributes=_attributes(node),
        count=_whole(node, "count"),
        sum=_optional(node, "sum"),
        scale=_whole(node, "scale"),
        zero_count=_whole(node, "zeroCount"),
        positive=_buckets(node, "positive"),
        negative=_buckets(node, "negative"),
        flags=_whole(node, "flags"),
        min=_optional(node, "min"),
        max=_optional(node, "max"),
        zero_threshold=_double(_field(node, "zeroThreshold") or 0.0, "zeroThreshold"),
        exemplars=_exemplars(node),
    )


def _buckets(node: Node, key: str) -> Buckets | None:
    found = _field(node, key)
    if found is None:
        return None
    held = _object(found, key)
    return Buckets(_whole(held, "offset"), _wholes(held, "bucketCounts"))


def _exemplars(node: Node) -> list[ExemplarSample]:
    return [_exemplar(exemplar) for exemplar in _objects(node, "exemplars")]


def _exemplar(node: Node) -> ExemplarSample:
    trace, span = _id(node, "traceId"), _id(node, "spanId")
    return ExemplarSample(
        filtered_attributes=_attributes(node, "filteredAttributes"),
        value=_value(node),
        timestamp=rfc3339(_whole(node, "timeUnixNano")),
        span_id=span if len(span) == 16 else "",
        trace_id=trace if len(trace) == 32 else "",
    )


def _value(node: Node) -> int | float | None:
    if _field(node, "asInt") is not None:
        return _whole(node, "asInt")
    found = _field(node, "asDouble")
    return None if found is None else _double(found, "asDouble")


# Attributes


def _attributes(node: Node, key: str = "attributes") -> list[AttributeSample]:
    made: list[AttributeSample] = []
    for pair in _objects(node, key):
        name, value = pair.get("key"), pair.get("value")
        # Nearly all are like this: one key, and one value of a simple kind.
        if isinstance(name, str) and isinstance(value, dict) and len(value) == 1:
            [(kind, held)] = value.items()
            if kind == "stringValue" and isinstance(held, str):
                made.append(AttributeSample(name, held, "string"))
                continue
            if kind == "intValue":
                made.append(AttributeSample(name, _int(held, kind), "int"))
                continue
        found = None if value is None else _any(_object(value, "value"), 0)
        made.append(AttributeSample(_text(pair, "key"), found, infer_type(found)))
    return made


def _any(node: Node, depth: int) -> Any:
    """The value of an ``AnyValue`` in JSON; None for bytes, pairs and nothing."""
    if depth > _DEEPEST:
        raise OtlpError(f"a value is nested deeper than {_DEEPEST}")
    for kind, value in node.items():
        match kind:
            case "stringValue" | "string_value":
                return _text(node, "stringValue")
            case "intValue" | "int_value":
                return _whole(node, "intValue")
            case "doubleValue" | "double_value":
                return _double(value, kind)
            case "boolValue" | "bool_value":
                if not isinstance(value, bool):
                    raise OtlpError(f"{kind} is {_short(value)}; it must be true or false")
                return value
            case "arrayValue" | "array_value":
                items = (_object(item, "values") for item in _list(_object(value, kind), "values"))
                return [_any(item, depth + 1) for item in items if _has_value(item)]
            case _:
                pass
    return None


def _has_value(node: Node) -> bool:
    """Whether it is a value that reports can show; bytes, pairs and nothing are left out of arrays."""
    return any(kind in _SHOWN for kind in node)


# Fields


def _field(node: Node, key: str) -> Any:
    """A field by its name in JSON, or by its name in the proto file, which readers have to take as well."""
    found = node.get(key)
    return node.get(_SNAKE[key]) if found is None and key in _SNAKE else found


def _text(node: Node, key: str) -> str:
    found = _field(node, key)
    if found is None:
        return ""
    if not isinstance(found, str):
        raise OtlpError(f"{key} is {_short(found)}; it must be a string")
    return found


def _list(node: Node, key: str) -> list[Any]:
    found = _field(node, key)
    if found is None:
        return []
    if not isinstance(found, list):
        raise OtlpError(f"{key} is {_short(found)}; it must be a list")
    return found


def _objects(node: Node, key: str) -> Iterator[Node]:
    for part in _list(node, key):
        yield _object(part, key)


def _object(value: Any, what: str) -> Node:
    if not isinstance(value, dict):
        raise OtlpError(f"{what} is {_short(value)}; it must be an object")
    return value


def _whole(node: Node, key: str) -> int:
    return _int(_field(node, key), key)


def _wholes(node: Node, key: str) -> list[int]:
    return [_int(value, key) for value in _list(node, key)]


def _int(value: Any, what: str) -> int:
    """A whole number; 64-bit ones are strings in protobuf's JSON."""
    if value is None:
        return 0
    if isinstance(value, str) and len(value) <= 20 and value.lstrip("-").isdecimal() and value.isascii():
        value = int(value)
    if isinstance(value, float) and value.is_integer():
        value = int(value)
    if isinstance(value, bool) or not isinstance(value, int) or not -(2**63) <= value < 2**64:
        raise OtlpError(f"{what} is {_short(value)}; it must be a whole number of 64 bits")
    return value


def _double(value: Any, what: str) -> float | None:
    """A number; None for those that JSON cannot write."""
    if isinstance(value, str):
        try:
            value = float(value)
        except ValueError:
            value = None
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise OtlpError(f"{what} is {_short(value)}; it must be a number")
    try:
        return finite(float(value))
    except OverflowError:
        return finite(math.inf)


def _optional(node: Node, key: str) -> float | None:
    found = _field(node, key)
    return None if found is None else _double(found, key)


def _enum(node: Node, key: str, names: Mapping[str, int]) -> int:
    """The number of an enum; one that is not known counts as 0."""
    found = _field(node, key)
    if isinstance(found, str) and found in names:
        return names[found]
    number = _int(found, key)
    return number if number in names.values() else 0


def _id(node: Node, key: str) -> str:
    found = _text(node, key)
    try:
        return bytes.fromhex(found).hex()
    except ValueError:
        raise OtlpError(f"{key} is {found[:40]!r}; it must be hexadecimal") from None


def _short(value: object) -> str:
    text = "null" if value is None else repr(value)
    return text if len(text) <= 60 else text[:57] + "..."


_SNAKE = {
    camel: "".join(f"_{letter.lower()}" if letter.isupper() else letter for letter in camel)
    for camel in (
        *("resourceSpans", "scopeSpans", "resourceMetrics", "scopeMetrics", "resourceLogs", "scopeLogs", "logRecords"),
        *("schemaUrl", "droppedAttributesCount", "traceId", "spanId", "parentSpanId", "eventName", "severityNumber"),
        *("severityText", "dataPoints", "isMonotonic", "exponentialHistogram", "bucketCounts", "explicitBounds"),
        *("zeroCount", "zeroThreshold", "filteredAttributes", "timeUnixNano", "asInt", "asDouble", "stringValue"),
        "intValue",
    )
}
_SHOWN = frozenset(
    name for camel in ("string", "int", "double", "bool", "array") for name in (f"{camel}Value", f"{camel}_value")
)
_SEVERITIES = ("TRACE", "DEBUG", "INFO", "WARN", "ERROR", "FATAL")
_DATA: Mapping[str, tuple[str, Callable[[Node], Point] | None]] = {
    "sum": ("counter", _number),
    "gauge": ("gauge", _number),
    "histogram": ("histogram", _histogram),
    "exponentialHistogram": ("histogram", _exponential),
    "summary": ("Summary", None),
}
_SHAPES: Mapping[OtlpSignal, tuple[str, str, str, Callable[[Node], Sample]]] = {
    OtlpSignal.TRACES: ("resourceSpans", "scopeSpans", "spans", _span),
    OtlpSignal.METRICS: ("resourceMetrics", "scopeMetrics", "metrics", _metric),
    OtlpSignal.LOGS: ("resourceLogs", "scopeLogs", "logRecords", _log),
}
_ROOTS = {name: signal for signal, shape in _SHAPES.items() for name in (shape[0], _SNAKE[shape[0]])}
