"""Spans as bytes: what OpenTelemetry's own encoder makes of them, for any span and any block."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from opentelemetry._logs import SeverityNumber
from opentelemetry.exporter.otlp.proto.common._log_encoder import encode_logs
from opentelemetry.exporter.otlp.proto.common.trace_encoder import encode_spans
from opentelemetry.proto.collector.logs.v1.logs_service_pb2 import ExportLogsServiceRequest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import Event, ReadableSpan
from opentelemetry.sdk.util.instrumentation import InstrumentationScope
from opentelemetry.trace import (
    INVALID_SPAN_CONTEXT,
    Link,
    SpanContext,
    SpanKind,
    Status,
    StatusCode,
    TraceFlags,
    TraceState,
)

from telemetry.blocks import SpanBlock, count, single
from telemetry.occurrences import Occurrence
from telemetry.wire import log_request, trace_request

RESOURCES = [Resource({"service.name": "a", "n": 1}), Resource({"service.name": "b"}, "https://schema")]
SCOPES = [None, InstrumentationScope("s"), InstrumentationScope("s", "1.0", "https://schema", {"k": "v"})]

texts = st.text(max_size=80)
integers = st.integers(-(2**63), 2**63 - 1)
floats = st.floats(allow_nan=False)  # NaN is not equal to itself
values = st.one_of(
    texts, st.booleans(), integers, floats, st.binary(max_size=8), st.lists(texts, max_size=3).map(tuple),
    st.lists(integers, max_size=3).map(tuple), st.lists(floats, max_size=3).map(tuple),
    st.dictionaries(st.text(min_size=1, max_size=5), integers, max_size=2),
)  # fmt: skip
attributes = st.dictionaries(st.text(min_size=1, max_size=20), values, max_size=6)
times = st.integers(1, 2**63)
contexts = st.builds(
    lambda trace, span, remote, flags, state: SpanContext(trace, span, remote, TraceFlags(flags), state),
    st.integers(1, 2**128 - 1),
    st.integers(1, 2**64 - 1),
    st.booleans(),
    st.integers(0, 1),
    st.sampled_from([TraceState(), TraceState([("a", "1"), ("b", "2")])]),
)
spans = st.builds(
    ReadableSpan,
    name=texts,
    context=contexts,
    parent=st.none() | contexts,
    resource=st.sampled_from(RESOURCES),
    attributes=attributes,
    events=st.lists(st.builds(Event, name=texts, attributes=attributes, timestamp=times), max_size=2),
    links=st.lists(st.builds(Link, context=contexts, attributes=attributes), max_size=2),
    kind=st.sampled_from(list(SpanKind)),
    status=st.sampled_from([Status(), Status(StatusCode.OK), Status(StatusCode.ERROR, "it broke")]),
    start_time=times,
    end_time=times,
    instrumentation_scope=st.sampled_from(SCOPES),
)


@given(st.lists(spans, max_size=5))
@settings(deadline=None, max_examples=60)
def test_the_bytes_say_what_opentelemetrys_encoder_says(found: list[ReadableSpan]) -> None:
    ours = ExportTraceServiceRequest.FromString(trace_request(found))
    theirs = encode_spans(found)
    # We begin a group of spans at each new pair of resource and scope, they at each new resource.
    assert sorted(_flat(ours)) == sorted(_flat(theirs))


def _flat(request: Any) -> list[tuple[bytes, ...]]:
    return [
        tuple(
            part.SerializeToString(deterministic=True) if not isinstance(part, str) else part.encode()
            for part in (whole.resource, whole.schema_url, inner.scope, inner.schema_url, span)
        )
        for whole in request.resource_spans
        for inner in whole.scope_spans
        for span in inner.spans
    ]


@given(contexts, attributes, st.lists(st.tuples(texts, floats), min_size=1, max_size=5))
@settings(deadline=None, max_examples=60)
def test_a_block_is_the_spans_that_it_stands_for(
    parent: SpanContext, shared: dict[str, Any], rows: list[tuple[str, float]]
) -> None:
    columns = {"block.text": [text for text, _ in rows], "block.float": [number for _, number in rows]}
    block = SpanBlock(
        name="block",
        start_ns=1,
        end_ns=2,
        parent=parent,
        resource=RESOURCES[0],
        instrumentation_scope=InstrumentationScope("s"),
        shared=shared,
        columns=columns,
    )
    ours = _plain(ExportTraceServiceRequest.FromString(trace_request([block])))
    assert ours == _plain(encode_spans(single([block])))
    assert len(ours) == len(block) == count([block]) == len(rows)


def _plain(request: ExportTraceServiceRequest) -> list[bytes]:
    """The spans without their ids, which are drawn, and with their attributes in one order."""
    found: list[bytes] = []
    ids: set[bytes] = set()
    for span in request.resource_spans[0].scope_spans[0].spans:
        assert len(span.span_id) == 8
        ids.add(span.span_id)
        span.span_id = b""
        ordered = sorted(span.attributes, key=lambda pair: pair.key)
        del span.attributes[:]
        span.attributes.extend(ordered)
        found.append(span.SerializeToString(deterministic=True))
    assert len(ids) == len(found)
    return found


events = st.builds(
    Occurrence,
    name=texts,
    at_ns=times,
    severity=st.sampled_from([SeverityNumber.INFO, SeverityNumber.WARN]),
    attributes=attributes,
    span=st.sampled_from([INVALID_SPAN_CONTEXT]) | contexts,
    resource=st.just(RESOURCES[1]),
    instrumentation_scope=st.just(SCOPES[2]),
)


@given(st.lists(events, min_size=1, max_size=5))
@settings(deadline=None, max_examples=60)
def test_events_say_what_opentelemetrys_encoder_says(found: list[Occurrence]) -> None:
    ours = ExportLogsServiceRequest.FromString(log_request(found))
    assert ours == encode_logs([event.record() for event in found])


def test_a_block_has_columns_of_one_length() -> None:
    context = SpanContext(1, 1, False)
    common: dict[str, Any] = {"name": "b", "start_ns": 1, "end_ns": 2, "parent": context, "shared": {}}
    common |= {"resource": RESOURCES[0], "instrumentation_scope": InstrumentationScope("s")}
    for columns in ({}, {"a": ["x"], "b": [1.0, 2.0]}):
        with pytest.raises(ValueError, match="differ in length"):
            SpanBlock(columns=columns, **common)
