"""OTLP in both encodings: what comes through, what does not, and what is said of what is broken."""

from __future__ import annotations

import base64
import gzip
import json
import zlib
from typing import Any

import pytest
from google.protobuf.json_format import MessageToDict
from google.rpc.status_pb2 import Status as RpcStatus
from hypothesis import given, settings
from hypothesis import strategies as st
from opentelemetry.proto.collector.logs.v1.logs_service_pb2 import ExportLogsServiceRequest, ExportLogsServiceResponse
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import (
    ExportTraceServiceRequest,
    ExportTraceServiceResponse,
)
from opentelemetry.proto.trace.v1.trace_pb2 import Status as SpanStatus

from gateway import otlp
from gateway.otlp import (
    Encoding,
    EncodingError,
    MalformedError,
    Signal,
    TooLargeError,
    answer,
    decoded,
    inflated,
    refusal,
)
from gateway.otlp_json import decoded_line
from workloads.trajectories import Admission, Assembler, Status
from workloads.trajectories.conventions import CONTENTS

SECRET = "mia.li3818@example.com, card ending in 7447"
DOOR = Admission()
TRACE, SPAN = "0af7651916cd43dd8448eb211c80319c", "00f067aa0ba902b7"


def in_json(request: Any) -> bytes:
    """A protobuf request as OTLP's JSON: like proto3's mapping, but ids in hexadecimal and enums as numbers."""

    def hexed(found: Any) -> Any:
        if isinstance(found, list):
            return [hexed(part) for part in found]
        if isinstance(found, dict):
            return {
                name: base64.b64decode(part).hex() if name in ("traceId", "spanId", "parentSpanId") else hexed(part)
                for name, part in found.items()
            }
        return found

    return json.dumps(hexed(MessageToDict(request, use_integers_for_enums=True))).encode()


def fill(attributes: Any, facts: dict[str, Any]) -> None:
    for name, fact in facts.items():
        value = attributes.add(key=name).value
        match fact:
            case bool():
                value.bool_value = fact
            case int():
                value.int_value = fact
            case float():
                value.double_value = fact
            case str():
                value.string_value = fact
            case bytes():
                value.bytes_value = fact
            case list():
                for part in fact:
                    value.array_value.values.add(string_value=part)
            case _:
                for key, part in fact.items():
                    value.kvlist_value.values.add(key=key).value.string_value = part


values = st.one_of(
    st.text(max_size=20),
    st.integers(-(2**63), 2**63 - 1),
    st.floats(),
    st.booleans(),
    st.binary(max_size=4),
    st.lists(st.text(max_size=5), max_size=2),
    st.dictionaries(st.text(max_size=5), st.text(max_size=5), max_size=2),
)
names = st.sampled_from(sorted(DOOR.kept | CONTENTS)) | st.text(min_size=1, max_size=12)
facts = st.dictionaries(names, values, max_size=5)
ids = st.sampled_from([b"", b"\0" * 16, b"\1" * 16, b"\2" * 16, b"\3" * 8, b"\4" * 7])
nanoseconds = st.integers(0, 2**64 - 1)


@st.composite
def trace_requests(draw: st.DrawFn) -> ExportTraceServiceRequest:
    request = ExportTraceServiceRequest()
    group = request.resource_spans.add()
    fill(group.resource.attributes, draw(facts))
    for _ in range(draw(st.integers(0, 3))):
        span = group.scope_spans.add().spans.add(
            trace_id=draw(ids),
            span_id=draw(st.sampled_from([b"", b"\0" * 8, b"\5" * 8, b"\6" * 8])),
            parent_span_id=draw(st.sampled_from([b"", b"\5" * 8, b"\7" * 3])),
            name=draw(st.text(max_size=20) | st.sampled_from(["execute_tool x", "gen_ai.evaluation.result"])),
            kind=draw(st.integers(0, 5)),
            start_time_unix_nano=draw(nanoseconds),
            end_time_unix_nano=draw(nanoseconds),
        )
        fill(span.attributes, draw(facts))
        span.status.MergeFrom(SpanStatus(code=draw(st.sampled_from(SpanStatus.StatusCode.values()))))
        for _ in range(draw(st.integers(0, 2))):
            event = span.events.add(
                name=draw(st.sampled_from(["gen_ai.evaluation.result", "other"])), time_unix_nano=draw(nanoseconds)
            )
            fill(event.attributes, draw(facts))
    return request


@settings(deadline=None, max_examples=60)
@given(trace_requests(), st.sampled_from([frozenset(), CONTENTS]))
def test_both_encodings_say_the_same_of_traces(request: ExportTraceServiceRequest, contents: frozenset[str]) -> None:
    door = Admission(contents=contents)
    binary = decoded(request.SerializeToString(), Signal.TRACES, Encoding.PROTOBUF, door)
    assert decoded(in_json(request), Signal.TRACES, Encoding.JSON, door) == binary
    spans = sum(len(scope.spans) for group in request.resource_spans for scope in group.scope_spans)
    assert len(binary.spans) + binary.not_agent + binary.rejected == spans


@settings(deadline=None, max_examples=80)
@given(ids, st.sampled_from([b"", b"\5" * 8, b"\7" * 3]), facts, st.booleans(), nanoseconds)
def test_both_encodings_say_the_same_of_logs(
    trace_id: bytes, span_id: bytes, found: dict[str, Any], by_field: bool, time: int
) -> None:
    request = ExportLogsServiceRequest()
    record = (
        request.resource_logs.add()
        .scope_logs.add()
        .log_records.add(trace_id=trace_id, span_id=span_id, observed_time_unix_nano=time)
    )
    record.body.string_value = SECRET
    if by_field:
        record.event_name = "gen_ai.evaluation.result"
    else:
        found = {**found, "event.name": "gen_ai.evaluation.result"}
    fill(record.attributes, found)
    binary = decoded(request.SerializeToString(), Signal.LOGS, Encoding.PROTOBUF, DOOR)
    assert decoded(in_json(request), Signal.LOGS, Encoding.JSON, DOOR) == binary
    assert len(binary.events) + binary.rejected == 1
    assert SECRET not in repr(binary)


@settings(deadline=None, max_examples=50)
@given(
    st.dictionaries(st.sampled_from(sorted(CONTENTS)) | st.text(min_size=1, max_size=20), st.just(SECRET), max_size=6),
    st.sampled_from(Encoding),
    st.sampled_from(["invoke_agent", "execute_tool", "chat"]),
)
def test_no_message_text_survives(secrets: dict[str, str], encoding: Encoding, operation: str) -> None:
    """Wherever text is put, but for ids and names, it is not in what comes out, nor in any trajectory."""
    secrets = {name: text for name, text in secrets.items() if name not in DOOR.kept}
    request = ExportTraceServiceRequest()
    group = request.resource_spans.add()
    group.scope_spans.add().scope.name = SECRET
    fill(group.resource.attributes, secrets)
    span = group.scope_spans[0].spans.add(
        trace_id=b"\1" * 16, span_id=b"\2" * 8, start_time_unix_nano=1, end_time_unix_nano=2, trace_state=SECRET
    )
    span.name = SECRET
    # Text where an id belongs is too long for one.
    fill(span.attributes, {**secrets, "gen_ai.operation.name": operation, "gen_ai.agent.id": SECRET * 10})
    fill(span.attributes, {"gen_ai.tool.name": "search", "gen_ai.conversation.id": [SECRET]})
    span.status.message = SECRET
    fill(span.links.add(trace_id=b"\1" * 16).attributes, secrets)
    for name in (SECRET, "gen_ai.evaluation.result"):
        fill(span.events.add(name=name).attributes, {**secrets, "gen_ai.evaluation.score.value": 1.0})
    body = request.SerializeToString() if encoding is Encoding.PROTOBUF else in_json(request)
    found = decoded(body, Signal.TRACES, encoding, DOOR)
    assert SECRET[:10] not in repr(found)
    assert found.contents == 4 * len(secrets.keys() & CONTENTS)
    assembler = Assembler()
    assembler.add(found.spans, found.events, now_ns=0)
    (trajectory,) = assembler.finish()
    assert SECRET[:10] not in repr(trajectory)


def test_a_span_as_the_collector_writes_it() -> None:
    line = {
        "resourceSpans": [
            {
                "resource": {"attributes": [{"key": "service.name", "value": {"stringValue": "desk"}}]},
                "scopeSpans": [
                    {
                        "scope": {"name": "x"},
                        "unheardOf": [1],
                        "spans": [
                            {
                                "traceId": TRACE.upper(),
                                "spanId": SPAN,
                                "name": "execute_tool search",
                                "kind": 1,
                                "startTimeUnixNano": "1720000000000000001",
                                "endTimeUnixNano": 1720000000000000002,
                                "attributes": [
                                    {"key": "gen_ai.operation.name", "value": {"stringValue": "execute_tool"}},
                                    {"key": "gen_ai.evaluation.score.value", "value": {"intValue": "7"}},
                                    {"key": "gen_ai.agent.id", "value": None},
                                ],
                                "status": {"code": 2, "message": SECRET},
                            }
                        ],
                    }
                ],
            }
        ]
    }
    signal, found = decoded_line(json.dumps(line), DOOR)
    (span,) = found.spans
    assert (signal, span.trace_id, span.span_id, span.parent_id) == (Signal.TRACES, TRACE, SPAN, "")
    assert (span.start_ns, span.end_ns, span.kind) == (1720000000000000001, 1720000000000000002, 1)
    assert span.attributes == {"gen_ai.operation.name": "execute_tool", "gen_ai.evaluation.score.value": 7}
    assert (span.status, span.resource) == (Status.ERROR, {"service.name": "desk"})


@pytest.mark.parametrize(
    "change",
    [
        {"traceId": "xyz"},
        {"traceId": TRACE[:-2]},
        {"traceId": 7},
        {"traceId": "0" * 32},
        {"spanId": ""},
        {"spanId": SPAN + "00"},
        {"parentSpanId": "!!"},
        {"startTimeUnixNano": "soon"},
        {"startTimeUnixNano": -1},
        {"endTimeUnixNano": str(2**64)},
        {"name": 7},
        {"attributes": 7},
        {"attributes": [{"key": 7}]},
        {"events": [7]},
        {"status": []},
    ],
)
def test_a_malformed_span_is_rejected_alone(change: dict[str, Any]) -> None:
    good = {
        "traceId": TRACE,
        "spanId": SPAN,
        "attributes": [{"key": "gen_ai.operation.name", "value": {"stringValue": "chat"}}],
    }
    body = json.dumps({"resourceSpans": [{"scopeSpans": [{"spans": [{**good, **change}, good]}]}]}).encode()
    found = decoded(body, Signal.TRACES, Encoding.JSON, DOOR)
    assert (len(found.spans), found.rejected) == (1, 1)
    assert found.problem


@pytest.mark.parametrize(
    "body",
    [b"", b"no", b"[]", b'"x"', b'{"resourceSpans": 7}', b'{"resourceSpans": [{"scopeSpans": [7]}]}', b"\xff",
     b"[" * 100_000, b'{"resourceSpans": [{"resource": 7}]}', b"9" * 5000],
)  # fmt: skip
def test_what_is_no_request_in_json(body: bytes) -> None:
    with pytest.raises(MalformedError) as error:
        decoded(body, Signal.TRACES, Encoding.JSON, DOOR)
    assert error.value.code == "otlp.malformed"


def test_a_line_must_carry_spans_or_logs() -> None:
    with pytest.raises(MalformedError, match="resourceSpans"):
        decoded_line("{}", DOOR)


@settings(deadline=None)
@given(st.binary(max_size=60), st.sampled_from(Signal), st.sampled_from(Encoding))
def test_any_bytes_are_decoded_or_refused(body: bytes, signal: Signal, encoding: Encoding) -> None:
    try:
        decoded(body, signal, encoding, DOOR)
    except MalformedError as error:
        assert str(error)  # noqa: PT017 - either is right


def test_the_number_of_spans_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(otlp, "MOST_RECORDS", 3)
    request = ExportTraceServiceRequest()
    for _ in range(5):
        request.resource_spans.add().scope_spans.add().spans.add()
    for encoding, body in ((Encoding.PROTOBUF, request.SerializeToString()), (Encoding.JSON, in_json(request))):
        with pytest.raises(TooLargeError):
            decoded(body, Signal.TRACES, encoding, DOOR)


def test_gzip_is_undone_up_to_the_limit() -> None:
    assert inflated(b"abc", "", limit=3) == inflated(gzip.compress(b"abc"), "GZIP", limit=3) == b"abc"
    bomb = gzip.compress(bytes(50_000_000))
    with pytest.raises(TooLargeError):
        inflated(bomb, "gzip", limit=1000)
    with pytest.raises(TooLargeError):
        inflated(b"abcd", "identity", limit=3)
    for broken in (b"abc", gzip.compress(b"abc" * 100)[:-9], zlib.compress(b"abc")):
        with pytest.raises(MalformedError):
            inflated(broken, "gzip", limit=1000)
    with pytest.raises(EncodingError):
        inflated(b"abc", "br", limit=3)


def test_answers() -> None:
    assert answer(Signal.TRACES, Encoding.PROTOBUF, rejected=0, message="") == b""
    assert answer(Signal.LOGS, Encoding.JSON, rejected=0, message="") == b"{}"
    traces = ExportTraceServiceResponse.FromString(answer(Signal.TRACES, Encoding.PROTOBUF, rejected=2, message="x"))
    assert (traces.partial_success.rejected_spans, traces.partial_success.error_message) == (2, "x")
    logs = ExportLogsServiceResponse.FromString(answer(Signal.LOGS, Encoding.PROTOBUF, rejected=2, message="x"))
    assert (logs.partial_success.rejected_log_records, logs.partial_success.error_message) == (2, "x")
    partial = {"partialSuccess": {"rejectedSpans": "2", "errorMessage": "x"}}
    assert json.loads(answer(Signal.TRACES, Encoding.JSON, rejected=2, message="x")) == partial
    assert RpcStatus.FromString(refusal(Encoding.PROTOBUF, code=3, message="x")) == RpcStatus(code=3, message="x")
    assert json.loads(refusal(Encoding.JSON, code=3, message="x")) == {"code": 3, "message": "x"}
