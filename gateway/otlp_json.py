"""OTLP in JSON: hexadecimal ids, 64-bit integers as strings or numbers, enums as numbers; unknown fields ignored."""

from __future__ import annotations

import json
import math
from collections.abc import Iterator, Mapping
from typing import Any

from gateway.otlp import Decoded, Door, MalformedError, Signal, kept_name, wrong_ids, wrong_log_ids
from workloads.trajectories import EventRecord, SpanEvent, SpanRecord, Status
from workloads.trajectories.admission import Admission
from workloads.trajectories.conventions import EVALUATION_EVENT, EVENT_NAME

_DEEPEST = 32
_SPAN_EVENTS = 64
_FIELDS = {Signal.TRACES: "resourceSpans", Signal.LOGS: "resourceLogs"}
_MOST_DIGITS = 20
_HEXADECIMAL = frozenset("0123456789abcdefABCDEF")


class _WrongError(ValueError):
    """A span or log record that is not what it should be."""


def decoded_json(body: bytes | str, signal: Signal, admission: Admission) -> Decoded:
    """What a request in JSON brings.

    Raises:
        MalformedError: when it is no OTLP request of this signal.
        TooLargeError: when it has too many spans or log records.
    """
    return _decoded(_object(body), signal, admission)


def decoded_line(line: bytes | str, admission: Admission) -> tuple[Signal, Decoded]:
    """What a line of an OTLP JSON lines file brings, as the collector's file exporter writes them.

    Raises:
        MalformedError: when it is no request that carries spans or log records.
        TooLargeError: when it has too many of them.
    """
    found = _object(line)
    for signal, name in _FIELDS.items():
        if name in found:
            return signal, _decoded(found, signal, admission)
    raise MalformedError(found="neither resourceSpans nor resourceLogs", needed="an OTLP request in JSON, one a line")


def answer_json(signal: Signal, *, rejected: int, message: str) -> bytes:
    """The body of a success; of a partial one when something was rejected."""
    if not rejected:
        return b"{}"
    name = "rejectedSpans" if signal is Signal.TRACES else "rejectedLogRecords"
    return json.dumps({"partialSuccess": {name: str(rejected), "errorMessage": message}}).encode()


def refusal_json(*, code: int, message: str) -> bytes:
    """The body of a failure: a ``google.rpc.Status``."""
    return json.dumps({"code": code, "message": message}).encode()


def _object(body: bytes | str) -> dict[str, Any]:
    try:
        found = json.loads(body)
    except (ValueError, RecursionError) as error:
        # The error's text names a place, never what stands there.
        raise MalformedError(found=f"no JSON ({error})"[:200], needed="an OTLP request in JSON") from None
    if not isinstance(found, dict):
        raise MalformedError(found=f"a {type(found).__name__}", needed="a JSON object")
    return found


def _decoded(request: Mapping[str, Any], signal: Signal, admission: Admission) -> Decoded:
    door = Door(admission)
    try:
        for group in _list(request, _FIELDS[signal]):
            resource: dict[str, object] = {}
            if signal is Signal.TRACES:
                resource, left = admission.admit(_attributes(_mapping(group.get("resource")), admission))
                door.contents += left
            for scope in _list(group, "scopeSpans" if signal is Signal.TRACES else "scopeLogs"):
                for record in _list(scope, "spans" if signal is Signal.TRACES else "logRecords"):
                    door.room()
                    try:
                        if signal is Signal.TRACES:
                            _span(record, resource, door)
                        else:
                            _log(record, door)
                    except _WrongError as error:
                        door.reject(str(error))
    except _WrongError as error:
        raise MalformedError(found=str(error), needed="an OTLP request in JSON") from None
    return door.decoded()


def _span(span: Mapping[str, Any], resource: dict[str, object], door: Door) -> None:
    trace_id, span_id = _id(span, "traceId"), _id(span, "spanId")
    parent_id = _id(span, "parentSpanId")
    problem = wrong_ids(trace_id, span_id, parent_id)
    if problem:
        raise _WrongError(problem)
    attributes, left = door.admission.admit(_attributes(span, door.admission))
    events = tuple(_events(span, door)) if span.get("events") else ()
    start_ns, end_ns = _nanoseconds(span, "startTimeUnixNano"), _nanoseconds(span, "endTimeUnixNano")
    kind, status = _number(span, "kind"), _number(_mapping(span.get("status")), "code")
    name = span.get("name") or ""
    if not isinstance(name, str):
        raise _WrongError("a span's name is no text")
    door.contents += left
    if not door.passed(attributes, evaluations=bool(events)):
        return
    door.spans.append(
        SpanRecord(
            trace_id=trace_id.hex(),
            span_id=span_id.hex(),
            parent_id=parent_id.hex(),
            name=kept_name(name),
            kind=kind,
            start_ns=start_ns,
            end_ns=end_ns,
            attributes=attributes,
            status=Status(status) if status in (0, 1, 2) else Status.UNSET,
            resource=resource,
            events=events,
        )
    )


def _events(span: Mapping[str, Any], door: Door) -> Iterator[SpanEvent]:
    found = 0
    for event in _list(span, "events"):
        attributes, left = door.admission.admit(_attributes(event, door.admission))
        door.contents += left
        if event.get("name") == EVALUATION_EVENT and found < _SPAN_EVENTS:
            found += 1
            time_ns = _nanoseconds(event, "timeUnixNano")
            yield SpanEvent(name=EVALUATION_EVENT, time_ns=time_ns, attributes=attributes)


def _log(record: Mapping[str, Any], door: Door) -> None:
    attributes, left = door.admission.admit(_attributes(record, door.admission))
    door.contents += left
    if (record.get("eventName") or attributes.get(EVENT_NAME)) != EVALUATION_EVENT:
        return
    trace_id, span_id = _id(record, "traceId"), _id(record, "spanId")
    problem = wrong_log_ids(trace_id, span_id)
    if problem:
        raise _WrongError(problem)
    time_ns = _nanoseconds(record, "timeUnixNano") or _nanoseconds(record, "observedTimeUnixNano")
    door.events.append(
        EventRecord(
            name=EVALUATION_EVENT,
            time_ns=time_ns,
            trace_id=trace_id.hex() if any(trace_id) else "",
            span_id=span_id.hex() if any(span_id) else "",
            attributes=attributes,
        )
    )


def _attributes(holder: Mapping[str, Any], admission: Admission) -> Iterator[tuple[str, object]]:
    """Names and plain values; a value that is not kept is not looked at."""
    kept = admission.kept
    for attribute in _list(holder, "attributes"):
        key = attribute.get("key", "")
        if not isinstance(key, str):
            raise _WrongError("the key of an attribute is no text")
        yield key, _plain(attribute.get("value")) if key in kept else None


def _plain(value: Any, depth: int = 0) -> object:
    if not isinstance(value, dict) or depth > _DEEPEST:
        return None
    for kind, part in value.items():
        match kind:
            case "stringValue" | "boolValue":
                return part if isinstance(part, str | bool) else None
            case "intValue":
                return _integer(part)
            case "doubleValue":
                return _double(part)
            case "arrayValue":
                return [_plain(each, depth + 1) for each in _list(_mapping(part), "values")]
            case "kvlistValue":
                pairs = _list(_mapping(part), "values")
                return {str(each.get("key", "")): _plain(each.get("value"), depth + 1) for each in pairs}
            case _:
                continue
    return None


def _double(value: Any) -> float | None:
    if isinstance(value, bool) or not isinstance(value, int | float | str):
        return None
    try:
        found = float(value)
    except (ValueError, OverflowError):
        return None
    return found if math.isfinite(found) else None


def _integer(value: Any) -> int | None:
    if isinstance(value, str) and len(value) <= _MOST_DIGITS:
        try:
            return int(value)
        except ValueError:
            return None
    return value if isinstance(value, int) and not isinstance(value, bool) else None


def _id(holder: Mapping[str, Any], name: str) -> bytes:
    found = holder.get(name) or ""
    if isinstance(found, str) and len(found) <= 32 and set(found) <= _HEXADECIMAL and len(found) % 2 == 0:
        return bytes.fromhex(found)
    raise _WrongError(f"{name} is no hexadecimal id")


def _nanoseconds(holder: Mapping[str, Any], name: str) -> int:
    found = holder.get(name)
    number = 0 if found is None else _integer(found)
    if number is None or not 0 <= number < 1 << 64:
        raise _WrongError(f"{name} is no number of nanoseconds")
    return number


def _number(holder: Mapping[str, Any], name: str) -> int:
    found = holder.get(name)
    # Some senders write the names of enums, which OTLP forbids; they do not matter enough to lose a span.
    return found if isinstance(found, int) and not isinstance(found, bool) else 0


def _mapping(value: Any) -> Mapping[str, Any]:
    if value is None:
        return {}
    if not isinstance(value, dict):
        raise _WrongError(f"a {type(value).__name__} where an object belongs")
    return value


def _list(holder: Mapping[str, Any], name: str) -> list[dict[str, Any]]:
    found = holder.get(name)
    if found is None:
        return []
    if not isinstance(found, list) or not all(isinstance(part, dict) for part in found):
        raise _WrongError(f"{name} is no list of objects")
    return found
