"""OTLP requests and answers: bytes to records and back, in protobuf; `gateway.otlp_json` has the JSON form.

Nothing that comes in is trusted: sizes are bounded before and after decompression, the number of spans is bounded, and
attributes pass the door (`workloads.trajectories.Admission`) here, before any record exists. A span that is malformed
is rejected by itself and counted; a request that is no OTLP at all is an error.

OTLP 1.x, https://opentelemetry.io/docs/specs/otlp/.
"""

from __future__ import annotations

import math
import zlib
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any

from google.protobuf.message import DecodeError
from google.rpc.status_pb2 import Status as RpcStatus
from opentelemetry.proto.collector.logs.v1.logs_service_pb2 import ExportLogsServiceRequest, ExportLogsServiceResponse
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import (
    ExportTraceServiceRequest,
    ExportTraceServiceResponse,
)

from federation.errors import SwarmError
from workloads.trajectories import Admission, EventRecord, SpanEvent, SpanRecord, Status
from workloads.trajectories.conventions import (
    CONTENTS,
    EVALUATION_EVENT,
    EVALUATION_LABEL,
    EVALUATION_SCORE,
    EVENT_NAME,
    EXECUTE_TOOL,
    OPERATION,
)

MOST_RECORDS = 100_000
_NAME_LIMIT = 128
_TOOL = EXECUTE_TOOL + " "
_DEEPEST = 32
_STATUS = {0: Status.UNSET, 1: Status.OK, 2: Status.ERROR}
_SPAN_EVENTS = 64


class Encoding(StrEnum):
    """How a request is encoded, by its content type."""

    PROTOBUF = "application/x-protobuf"
    JSON = "application/json"


class Signal(StrEnum):
    """What a request brings."""

    TRACES = "traces"
    LOGS = "logs"


class MalformedError(SwarmError):
    """A request that is no OTLP."""

    code = "otlp.malformed"

    def __init__(self, *, found: str, needed: str) -> None:
        super().__init__(
            f"The request holds {found}; needed {needed}. Check the exporter's protocol and endpoint.",
            found=found,
            needed=needed,
        )


class TooLargeError(SwarmError):
    """A request beyond what is taken at once."""

    code = "otlp.too_large"

    def __init__(self, *, what: str, limit: int) -> None:
        super().__init__(
            f"The request has more than {limit} {what}. Send smaller batches, or raise the limit.",
            what=what,
            limit=limit,
        )


class EncodingError(SwarmError):
    """A content type or a compression that is not understood."""

    code = "otlp.encoding"

    def __init__(self, *, header: str, found: str, needed: str) -> None:
        super().__init__(f"{header} is {found!r}; it must be {needed}.", header=header, found=found, needed=needed)


@dataclass(frozen=True, slots=True, kw_only=True)
class Decoded:
    """What one request brought.

    Attributes:
        spans: of agents; what the door let through of them.
        events: evaluation results.
        not_agent: spans that have nothing to do with agents; taken, and not kept.
        rejected: spans or log records that are malformed.
        problem: what is wrong with the first of those.
        contents: message contents left at the door.
    """

    spans: tuple[SpanRecord, ...] = ()
    events: tuple[EventRecord, ...] = ()
    not_agent: int = 0
    rejected: int = 0
    problem: str = ""
    contents: int = 0


@dataclass(slots=True)
class Door:
    """Decides over one span after the other, and keeps count. Shared by both encodings."""

    admission: Admission
    spans: list[SpanRecord] = field(default_factory=list)
    events: list[EventRecord] = field(default_factory=list)
    not_agent: int = 0
    rejected: int = 0
    problem: str = ""
    contents: int = 0

    def reject(self, problem: str) -> None:
        """Count a malformed span or log record."""
        self.rejected += 1
        self.problem = self.problem or problem

    def passed(self, attributes: dict[str, object], *, evaluations: bool) -> bool:
        """Whether what was kept of a span makes it one of an agent."""
        if evaluations or OPERATION in attributes or EVALUATION_SCORE in attributes or EVALUATION_LABEL in attributes:
            return True
        self.not_agent += 1
        return False

    def room(self) -> None:
        """Make sure that one more record may come.

        Raises:
            TooLargeError: when it may not.
        """
        if len(self.spans) + len(self.events) + self.not_agent + self.rejected > MOST_RECORDS:
            raise TooLargeError(what="spans or log records", limit=MOST_RECORDS)

    def decoded(self) -> Decoded:
        """What came through."""
        return Decoded(
            spans=tuple(self.spans),
            events=tuple(self.events),
            not_agent=self.not_agent,
            rejected=self.rejected,
            problem=self.problem,
            contents=self.contents,
        )


def inflated(body: bytes, content_encoding: str, *, limit: int) -> bytes:
    """The body without its compression, which may be ``gzip`` or none.

    Raises:
        EncodingError: for another compression.
        TooLargeError: above ``limit`` bytes; no more than that is ever decompressed.
        MalformedError: when it is not what it says.
    """
    match content_encoding.strip().lower():
        case "" | "identity":
            found = body
        case "gzip" | "x-gzip":
            stream = zlib.decompressobj(wbits=31)
            try:
                found = stream.decompress(body, limit + 1)
            except zlib.error as error:
                raise MalformedError(found=f"no gzip stream ({error})", needed="what Content-Encoding says") from None
            if len(found) <= limit and not stream.eof:
                raise MalformedError(found="a gzip stream that breaks off", needed="a whole one")
        case _:
            raise EncodingError(header="Content-Encoding", found=content_encoding, needed="gzip, or left out")
    if len(found) > limit:
        raise TooLargeError(what="bytes", limit=limit)
    return found


def decoded(body: bytes, signal: Signal, encoding: Encoding, admission: Admission) -> Decoded:
    """What a request brings, in either encoding.

    Raises:
        MalformedError: when it is no OTLP request of this signal.
        TooLargeError: when it has too many spans or log records.
    """
    if encoding is Encoding.JSON:
        from gateway.otlp_json import decoded_json

        return decoded_json(body, signal, admission)
    door = Door(admission)
    if signal is Signal.TRACES:
        _spans(_parsed(ExportTraceServiceRequest(), body), door)
    else:
        _logs(_parsed(ExportLogsServiceRequest(), body), door)
    return door.decoded()


def answer(signal: Signal, encoding: Encoding, *, rejected: int, message: str) -> bytes:
    """The body of a success; of a partial one when something was rejected."""
    if encoding is Encoding.JSON:
        from gateway.otlp_json import answer_json

        return answer_json(signal, rejected=rejected, message=message)
    if signal is Signal.TRACES:
        made: Any = ExportTraceServiceResponse()
        if rejected:
            made.partial_success.rejected_spans = rejected
    else:
        made = ExportLogsServiceResponse()
        if rejected:
            made.partial_success.rejected_log_records = rejected
    if rejected:
        made.partial_success.error_message = message
    return made.SerializeToString()


def refusal(encoding: Encoding, *, code: int, message: str) -> bytes:
    """The body of a failure: a ``google.rpc.Status``, as OTLP/HTTP asks."""
    if encoding is Encoding.JSON:
        from gateway.otlp_json import refusal_json

        return refusal_json(code=code, message=message)
    return RpcStatus(code=code, message=message).SerializeToString()


def _parsed(request: Any, body: bytes) -> Any:
    try:
        request.ParseFromString(body)
    except (DecodeError, RecursionError, ValueError):
        raise MalformedError(
            found=f"{len(body)} bytes that are no {request.DESCRIPTOR.name}", needed="one in protobuf"
        ) from None
    return request


def _spans(request: Any, door: Door) -> None:
    for group in request.resource_spans:
        resource, left = _kept(group.resource.attributes, door.admission)
        door.contents += left
        for scope in group.scope_spans:
            for span in scope.spans:
                door.room()
                _span(span, resource, door)


def _span(span: Any, resource: dict[str, object], door: Door) -> None:
    trace_id, span_id, parent_id = span.trace_id, span.span_id, span.parent_span_id
    problem = wrong_ids(trace_id, span_id, parent_id)
    if problem:
        door.reject(problem)
        return
    attributes, left = _kept(span.attributes, door.admission)
    door.contents += left
    events: tuple[SpanEvent, ...] = ()
    if span.events:
        events = tuple(_events(span.events, door))
    if not door.passed(attributes, evaluations=bool(events)):
        return
    door.spans.append(
        SpanRecord(
            trace_id=trace_id.hex(),
            span_id=span_id.hex(),
            parent_id=parent_id.hex(),
            name=kept_name(span.name),
            kind=span.kind,
            start_ns=span.start_time_unix_nano,
            end_ns=span.end_time_unix_nano,
            attributes=attributes,
            status=_STATUS.get(span.status.code, Status.UNSET),
            resource=resource,
            events=events,
        )
    )


def _events(events: Iterable[Any], door: Door) -> Iterator[SpanEvent]:
    found = 0
    for event in events:
        attributes, left = _kept(event.attributes, door.admission)
        door.contents += left
        if event.name == EVALUATION_EVENT and found < _SPAN_EVENTS:
            found += 1
            yield SpanEvent(name=event.name, time_ns=event.time_unix_nano, attributes=attributes)


def _logs(request: Any, door: Door) -> None:
    for group in request.resource_logs:
        for scope in group.scope_logs:
            for record in scope.log_records:
                door.room()
                _log(record, door)


def _log(record: Any, door: Door) -> None:
    attributes, left = _kept(record.attributes, door.admission)
    door.contents += left
    if (record.event_name or attributes.get(EVENT_NAME)) != EVALUATION_EVENT:
        return
    trace_id, span_id = record.trace_id, record.span_id
    problem = wrong_log_ids(trace_id, span_id)
    if problem:
        door.reject(problem)
        return
    door.events.append(
        EventRecord(
            name=EVALUATION_EVENT,
            time_ns=record.time_unix_nano or record.observed_time_unix_nano,
            trace_id=trace_id.hex() if any(trace_id) else "",
            span_id=span_id.hex() if any(span_id) else "",
            attributes=attributes,
        )
    )


def kept_name(name: str) -> str:
    """What is kept of a span's name: the tool in it, or that it stands for an evaluation; else nothing."""
    return name[:_NAME_LIMIT] if name.startswith(_TOOL) or name == EVALUATION_EVENT else ""


def wrong_ids(trace_id: bytes, span_id: bytes, parent_id: bytes) -> str:
    """What is wrong with the ids of a span; empty when nothing is."""
    if len(trace_id) != 16 or not any(trace_id):
        return f"a span's trace id has {len(trace_id)} bytes; it must have 16, not all zero"
    if len(span_id) != 8 or not any(span_id):
        return f"a span id has {len(span_id)} bytes; it must have 8, not all zero"
    if len(parent_id) not in (0, 8):
        return f"a parent span id has {len(parent_id)} bytes; it must have 8, or none"
    return ""


def wrong_log_ids(trace_id: bytes, span_id: bytes) -> str:
    """What is wrong with the ids of a log record, which may be missing; empty when nothing is."""
    if len(trace_id) not in (0, 16) or len(span_id) not in (0, 8):
        return f"a log record's ids have {len(trace_id)} and {len(span_id)} bytes; they must have 16 and 8, or none"
    return ""


def _kept(attributes: Iterable[Any], admission: Admission) -> tuple[dict[str, object], int]:
    found: dict[str, object] = {}
    left = 0
    kept = admission.kept
    for attribute in attributes:
        key = attribute.key
        if key not in kept:
            left += key in CONTENTS
            continue
        value = attribute.value
        kind = value.WhichOneof("value")
        if key in admission.contents:
            content = _plain(value)
            if len(str(content)) <= admission.contents_limit:
                found[key] = content
            else:
                left += 1
        elif kind in _SCALARS:
            scalar = admission.scalar(getattr(value, kind))
            if scalar is not None:
                found[key] = scalar
    return found, left


_SCALARS = frozenset({"string_value", "int_value", "double_value", "bool_value"})


def _plain(value: Any, depth: int = 0) -> object:
    """A value as strings, finite numbers, lists and mappings; None for all else, and below 32 levels."""
    kind = value.WhichOneof("value")
    if depth > _DEEPEST or kind is None or kind == "bytes_value":
        return None
    if kind == "array_value":
        return [_plain(part, depth + 1) for part in value.array_value.values]
    if kind == "kvlist_value":
        return {part.key: _plain(part.value, depth + 1) for part in value.kvlist_value.values}
    found = getattr(value, kind)
    return None if isinstance(found, float) and not math.isfinite(found) else found
