"""OTLP as samples, from protobuf and from JSON."""

from __future__ import annotations

import json
from typing import Any

import pytest
from google.protobuf.json_format import MessageToDict
from hypothesis import given, settings
from hypothesis import strategies as st
from opentelemetry.proto.collector.logs.v1.logs_service_pb2 import ExportLogsServiceRequest
from opentelemetry.proto.collector.metrics.v1.metrics_service_pb2 import ExportMetricsServiceRequest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.proto.common.v1.common_pb2 import AnyValue, KeyValue

from telemetry.checker.debug import debug_text
from telemetry.checker.otlp import OtlpError, OtlpSignal, parsed, rfc3339, samples
from telemetry.checker.otlp_json import samples_of, samples_of_signal
from telemetry.checker.samples import (
    AttributeSample,
    ExponentialPoint,
    HistogramPoint,
    LogSample,
    MetricSample,
    NumberPoint,
    ResourceSample,
    ScopeSample,
    SpanSample,
)

TRACE, SPAN = bytes(range(16)), bytes(range(8))


def value(**kind: Any) -> AnyValue:
    return AnyValue(**kind)


def spans() -> ExportTraceServiceRequest:
    request = ExportTraceServiceRequest()
    block = request.resource_spans.add()
    block.resource.attributes.append(KeyValue(key="service.name", value=value(string_value="s")))
    scope = block.scope_spans.add(schema_url="u")
    scope.scope.name, scope.scope.version, scope.scope.dropped_attributes_count = "n", "1", 2
    span = scope.spans.add(name="a", kind=2)  # type: ignore[arg-type]
    span.status.code, span.status.message = 2, "broken"  # type: ignore[assignment]
    for key, held in {
        "b": value(bool_value=True),
        "i": value(int_value=-3),
        "d": value(double_value=2.5),
        "nan": value(double_value=float("nan")),
        "bytes": value(bytes_value=b"x"),
        "none": value(),
    }.items():
        span.attributes.append(KeyValue(key=key, value=held))
    for key, last in {"l": value(string_value="y"), "mixed": value(int_value=1)}.items():
        pair = span.attributes.add(key=key)
        pair.value.array_value.values.extend([value(string_value="x"), last])
    pair = span.attributes.add(key="pairs")
    pair.value.kvlist_value.values.append(KeyValue(key="k", value=value(int_value=1)))
    span.events.add(name="e").attributes.append(KeyValue(key="k", value=value(int_value=1)))
    span.links.add(trace_id=TRACE, span_id=SPAN)
    scope.spans.add(name="b")
    block.scope_spans.add().spans.add(name="c", kind=77)  # type: ignore[arg-type]
    return request


def test_spans() -> None:
    resource, scope, first, second, third = samples(spans())
    assert resource == ResourceSample(attributes=[AttributeSample("service.name", "s", "string")])
    assert isinstance(scope, ScopeSample)
    assert (scope.name, scope.version, scope.schema_url, scope.dropped_attributes_count) == ("n", "1", "u", 2)
    assert isinstance(first, SpanSample)
    assert (first.name, first.kind, first.status) == ("a", "server", ("error", "broken"))
    assert list(first.attributes) == [
        ("b", True, "boolean"), ("i", -3, "int"), ("d", 2.5, "double"), ("nan", None, None), ("bytes", None, None),
        ("none", None, None), ("l", ["x", "y"], "string[]"), ("mixed", ["x", 1], None), ("pairs", None, None),
    ]  # fmt: skip
    assert first.span_events[0].attributes == [("k", 1, "int")]
    assert len(first.span_links) == 1
    assert isinstance(second, SpanSample)
    assert (second.kind, second.status) == ("internal", None)  # unspecified is internal
    assert isinstance(third, SpanSample)  # no scope was sent, so there is no scope sample
    assert third.kind == "internal"


def metrics() -> ExportMetricsServiceRequest:
    request = ExportMetricsServiceRequest()
    found = request.resource_metrics.add().scope_metrics.add().metrics
    total = found.add(name="counter", unit="1").sum
    total.is_monotonic = True
    point = total.data_points.add(as_int=3, flags=1)
    point.exemplars.add(as_double=1.5, time_unix_nano=1_700_000_000_500_000_000, span_id=SPAN, trace_id=TRACE)
    point.exemplars.add(as_int=1, span_id=b"short")
    found.add(name="updown").sum.data_points.add(as_double=float("inf"))
    found.add(name="gauge").gauge.data_points.add()
    histogram = found.add(name="histogram").histogram.data_points.add(count=2, sum=1.5, bucket_counts=[1, 1], max=1.0)
    histogram.explicit_bounds.append(0.5)
    exponential = found.add(name="exponential").exponential_histogram.data_points.add(count=2, scale=3, zero_count=1)
    exponential.positive.offset = 1
    exponential.positive.bucket_counts.append(1)
    found.add(name="summary").summary.data_points.add(count=1)
    found.add(name="empty")
    return request


def test_metrics() -> None:
    found = list(samples(metrics()))
    made = {metric.name: metric for metric in found if isinstance(metric, MetricSample)}
    assert {name: metric.instrument for name, metric in made.items()} == {
        "counter": "counter", "updown": "updowncounter", "gauge": "gauge", "histogram": "histogram",
        "exponential": "histogram", "summary": "Summary", "empty": "Unspecified",
    }  # fmt: skip
    [point] = list(made["counter"].data_points or ())
    assert isinstance(point, NumberPoint)
    assert (point.value, point.flags) == (3, 1)
    exemplar, other = point.exemplars
    assert (exemplar.value, exemplar.timestamp) == (1.5, "2023-11-14T22:13:20.500+00:00")
    assert (exemplar.span_id, exemplar.trace_id) == (SPAN.hex(), TRACE.hex())
    assert (other.span_id, other.trace_id) == ("", "")
    assert [p.value for p in made["updown"].data_points or () if isinstance(p, NumberPoint)] == [None]
    assert [p.value for p in made["gauge"].data_points or () if isinstance(p, NumberPoint)] == [None]
    [histogram] = list(made["histogram"].data_points or ())
    assert isinstance(histogram, HistogramPoint)
    assert (histogram.count, histogram.sum, histogram.bucket_counts, histogram.explicit_bounds) == (
        2,
        1.5,
        [1, 1],
        [0.5],
    )
    assert (histogram.min, histogram.max) == (None, 1.0)
    [exponential] = list(made["exponential"].data_points or ())
    assert isinstance(exponential, ExponentialPoint)
    assert (exponential.scale, exponential.zero_count, exponential.negative) == (3, 1, None)
    assert exponential.positive == (1, [1])
    assert made["summary"].data_points is None
    assert made["empty"].data_points is None


def logs() -> ExportLogsServiceRequest:
    request = ExportLogsServiceRequest()
    found = request.resource_logs.add().scope_logs.add(schema_url="only the url").log_records
    record = found.add(event_name="e", severity_text="INFO", trace_id=TRACE, span_id=SPAN)
    record.severity_number = 9  # type: ignore[assignment]
    record.body.string_value = 'said "x"\n'
    found.add(trace_id=b"short")
    return request


def test_logs() -> None:
    scope, first, second = samples(logs())
    assert scope == ScopeSample(schema_url="only the url", attributes=[])
    assert first == LogSample(
        event_name="e",
        severity_number=9,
        severity_text="INFO",
        body='StringValue("said \\"x\\"\\n")',
        attributes=[],
        trace_id=TRACE.hex(),
        span_id=SPAN.hex(),
    )
    assert second == LogSample(event_name="", severity_number=0, severity_text="", attributes=[])


@pytest.mark.parametrize(
    ("body", "text"),
    [
        (value(bool_value=True), "BoolValue(true)"),
        (value(int_value=-1), "IntValue(-1)"),
        (value(double_value=1.0), "DoubleValue(1.0)"),
        (value(double_value=float("nan")), "DoubleValue(NaN)"),
        (value(double_value=float("-inf")), "DoubleValue(-inf)"),
        (value(double_value=1e20), "DoubleValue(1e20)"),
        (value(bytes_value=b"\x01\x02"), "BytesValue([1, 2])"),
        (value(string_value="\x07é"), 'StringValue("\\u{7}é")'),
        (value(), None),
    ],
)
def test_bodies_are_rusts_debug_text(body: AnyValue, text: str | None) -> None:
    assert debug_text(body) == text


def test_nested_bodies() -> None:
    body = AnyValue()
    body.array_value.values.append(value(int_value=1))
    body.array_value.values.append(value())
    assert debug_text(body) == (
        "ArrayValue(ArrayValue { values: [AnyValue { value: Some(IntValue(1)) }, AnyValue { value: None }] })"
    )
    body = AnyValue()
    body.kvlist_value.values.append(KeyValue(key="k", value=value(int_value=1)))
    body.kvlist_value.values.append(KeyValue(key="n"))
    assert debug_text(body) == (
        'KvlistValue(KeyValueList { values: [KeyValue { key: "k", value: Some(AnyValue { value: Some(IntValue(1)) '
        '}) }, KeyValue { key: "n", value: None }] })'
    )


@pytest.mark.parametrize(
    ("nanoseconds", "text"),
    [
        (0, "1970-01-01T00:00:00+00:00"),
        (1_000, "1970-01-01T00:00:00.000001+00:00"),
        (1, "1970-01-01T00:00:00.000000001+00:00"),
        (2**63, ""),
    ],
)
def test_times(nanoseconds: int, text: str) -> None:
    assert rfc3339(nanoseconds) == text


@pytest.mark.parametrize("request_", [spans(), metrics(), logs()])
def test_json_says_the_same_as_protobuf(request_: Any) -> None:
    document = MessageToDict(request_)
    _hexadecimal(document)
    assert repr(list(samples_of(json.loads(json.dumps(document))))) == repr(list(samples(request_)))
    snake = MessageToDict(request_, preserving_proto_field_name=True)
    _hexadecimal(snake)
    assert repr(list(samples_of(snake))) == repr(list(samples(request_)))


def _hexadecimal(node: Any) -> None:
    """OTLP/JSON has ids in hexadecimal."""
    import base64

    for part in node if isinstance(node, list) else node.values() if isinstance(node, dict) else ():
        _hexadecimal(part)
    if isinstance(node, dict):
        for key in {"traceId", "spanId", "trace_id", "span_id"} & node.keys():
            node[key] = base64.b64decode(node[key]).hex()


def test_json_of_several_signals_and_unknown_fields() -> None:
    document = {
        "resourceSpans": [{"scopeSpans": [{"spans": [{"name": "s", "newer": 1}]}]}],
        "resource_logs": [{"resource": {}, "scopeLogs": [], "new": 1}],
        "alsoNew": True,
    }
    assert {type(sample) for sample in samples_of(document)} == {SpanSample, ResourceSample}
    assert list(samples_of_signal(OtlpSignal.METRICS, {})) == []


@pytest.mark.parametrize(
    "document",
    [
        5, None, [], {}, {"resourceProfiles": []}, {"resourceSpans": 5},
        {"resourceSpans": [{"scopeSpans": [{"spans": 5}]}]},
        {"resourceSpans": [{"scopeSpans": [{"spans": [{"traceId": "not hex"}]}]}]},
        {"resourceSpans": [{"scopeSpans": [{"spans": [{"kind": "SIDEWAYS", "name": 7}]}]}]},
    ],
)  # fmt: skip
def test_json_that_is_no_otlp(document: Any) -> None:
    with pytest.raises(OtlpError):
        list(samples_of(document))


def test_json_of_the_wrong_signal_and_json_without_bottom() -> None:
    with pytest.raises(OtlpError, match="does not belong to logs"):
        samples_of_signal(OtlpSignal.LOGS, {"resourceSpans": []})
    deep: Any = {"stringValue": "x"}
    for _ in range(200):
        deep = {"arrayValue": {"values": [deep]}}
    span = {"name": "s", "attributes": [{"key": "k", "value": deep}]}
    with pytest.raises(OtlpError, match="deeper than"):
        list(samples_of({"resourceSpans": [{"scopeSpans": [{"spans": [span]}]}]}))


@pytest.mark.parametrize(
    ("value", "found"),
    [
        ({"intValue": "-5"}, (-5, "int")), ({"intValue": 5}, (5, "int")), ({"doubleValue": 1}, (1.0, "double")),
        ({"doubleValue": "NaN"}, (None, None)), ({"doubleValue": "1.5"}, (1.5, "double")),
        ({"boolValue": True}, (True, "boolean")),
        ({"string_value": "x"}, ("x", "string")), ({"bytesValue": "eA=="}, (None, None)), ({}, (None, None)),
        (None, (None, None)),
        ({"arrayValue": {"values": [{"intValue": "1"}, {"bytesValue": ""}, {}]}}, ([1], "int[]")),
        ({"arrayValue": {}}, ([], None)), ({"kvlistValue": {"values": []}}, (None, None)),
    ],
)  # fmt: skip
def test_values_in_json(value: Any, found: tuple[Any, str | None]) -> None:
    document = {"resourceLogs": [{"resource": {"attributes": [{"key": "k", "value": value}]}}]}
    [resource] = samples_of(document)
    assert isinstance(resource, ResourceSample)
    assert resource.attributes == [AttributeSample("k", *found)]


@pytest.mark.parametrize(
    "value",
    [{"intValue": "x"}, {"intValue": 1.5}, {"intValue": True}, {"intValue": 2**70}, {"doubleValue": "x"},
    {"boolValue": "yes"},
     {"stringValue": 5}, {"arrayValue": 5}, {"arrayValue": {"values": 5}}, 5, "x"],
)  # fmt: skip
def test_values_that_are_none_in_json(value: Any) -> None:
    with pytest.raises(OtlpError):
        list(samples_of({"resourceLogs": [{"resource": {"attributes": [{"key": "k", "value": value}]}}]}))


def test_enums_by_name_in_json() -> None:
    span = {"name": "s", "kind": "SPAN_KIND_CLIENT", "status": {"code": "STATUS_CODE_OK"}}
    [found] = samples_of({"resourceSpans": [{"scopeSpans": [{"spans": [span]}]}]})
    assert isinstance(found, SpanSample)
    assert (found.kind, found.status) == ("client", ("ok", ""))
    for name, number in (("SEVERITY_NUMBER_WARN3", 15), ("SEVERITY_NUMBER_TRACE", 1), ("SEVERITY_NUMBER_FATAL4", 24)):
        [log] = samples_of({"resourceLogs": [{"scopeLogs": [{"logRecords": [{"severityNumber": name}]}]}]})
        assert isinstance(log, LogSample)
        assert log.severity_number == number


@given(
    st.recursive(
        st.none() | st.booleans() | st.integers() | st.text(max_size=5),
        lambda inner: (
            st.lists(inner, max_size=3)
            | st.dictionaries(
                st.sampled_from(
                    [
                        "resourceSpans",
                        "resource",
                        "scopeSpans",
                        "spans",
                        "attributes",
                        "key",
                        "value",
                        "arrayValue",
                        "values",
                        "intValue",
                        "kind",
                        "status",
                        "events",
                        "traceId",
                        "resourceMetrics",
                        "scopeMetrics",
                        "metrics",
                        "sum",
                        "dataPoints",
                    ]
                ),
                inner,
                max_size=4,
            )
        ),
        max_leaves=12,
    )
)
@settings(deadline=None)
def test_any_json_is_samples_or_a_clear_error(document: Any) -> None:
    try:
        found = list(samples_of(document))
    except OtlpError as error:
        found = str(error)
    assert isinstance(found, list) or found


@given(st.binary(max_size=200), st.sampled_from(OtlpSignal))
@settings(deadline=None)
def test_any_bytes_are_a_request_or_a_clear_error(data: bytes, signal: OtlpSignal) -> None:
    try:
        found = list(samples(parsed(signal, data)))
    except OtlpError as error:
        found = str(error)
    assert isinstance(found, list) or "no Export" in found


@given(st.data())
@settings(deadline=None, max_examples=50)
def test_cut_off_requests_are_a_clear_error_or_less(data: st.DataObject) -> None:
    whole = spans().SerializeToString()
    cut = data.draw(st.integers(0, len(whole) - 1))
    try:
        found = list(samples(parsed(OtlpSignal.TRACES, whole[:cut])))
    except OtlpError as error:
        found = str(error)
    assert isinstance(found, list) or f"{cut} bytes" in found


def test_other_messages_are_refused() -> None:
    with pytest.raises(OtlpError, match="no export request"):
        samples(AnyValue())
