"""Samples from Weaver's own JSON form and from its text form.

Unknown keys are ignored, what a sample needs must be there and of the right type, and what Weaver infers is
inferred.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from typing import Any, TypeVar

from telemetry.checker.otlp import SPAN_KINDS, STATUS_CODES
from telemetry.checker.samples import (
    AttributeSample,
    Buckets,
    ExemplarSample,
    ExponentialPoint,
    HistogramPoint,
    Kind,
    LogSample,
    MetricSample,
    NumberPoint,
    Point,
    ProfileSample,
    ResourceSample,
    Sample,
    ScopeSample,
    SpanEventSample,
    SpanLinkSample,
    SpanSample,
    infer_type,
)

T = TypeVar("T")

Node = Mapping[str, Any]

_TYPES = frozenset({"string", "int", "double", "boolean", "any", "string[]", "int[]", "double[]", "boolean[]"})
_JSON_NAMES = {str: "a string", int: "a whole number", float: "a number", list: "a list", dict: "an object"}


class SampleError(ValueError):
    """JSON or text that is no sample."""


def sample_of(document: Any) -> Sample:
    """The sample in one JSON document: an object with one key, its kind.

    Raises:
        SampleError: when it is none, with the place of what is wrong.
    """
    if not isinstance(document, dict) or len(document) != 1:
        raise SampleError(f"a sample is an object with one key, its kind; found {_short(document)}")
    [(kind, node)] = document.items()
    if kind not in _READERS:
        raise SampleError(f"{kind!r} is no kind of sample; there are {', '.join(_READERS)}")
    if not isinstance(node, dict):
        raise SampleError(f"{kind} is {_short(node)}; it must be an object")
    return _READERS[kind](node, kind)


def sample_of_line(line: str) -> AttributeSample | None:
    """The attribute in a line of text: ``name``, or ``name=value`` with a value in JSON, else a string.

    None for an empty line.
    """
    text = line.strip()
    if not text:
        return None
    name, equals, value = text.partition("=")
    if not equals:
        return AttributeSample(text)
    try:
        found = json.loads(value.strip(), parse_constant=_no_constant)
    except (ValueError, RecursionError):
        found = value.strip()
    return AttributeSample(name.strip(), found, infer_type(found))


def _no_constant(text: str) -> Any:
    raise ValueError(f"{text} is no JSON")


def _attribute(node: Node, at: str) -> AttributeSample:
    name = _needed(node, "name", str, at)
    value, kind = node.get("value"), node.get("type")
    if kind is None:
        return AttributeSample(name, value, infer_type(value))
    if not isinstance(kind, str) or kind not in _TYPES:
        raise SampleError(f"{at}.type is {_short(kind)}; it must be one of {', '.join(sorted(_TYPES))}")
    return AttributeSample(name, value, kind)


def _resource(node: Node, at: str) -> ResourceSample:
    return ResourceSample(attributes=_many(node, "attributes", _attribute, at))


def _scope(node: Node, at: str) -> ScopeSample:
    return ScopeSample(
        name=_given(node, "name", str, at, ""),
        version=_given(node, "version", str, at, ""),
        schema_url=_given(node, "schema_url", str, at, ""),
        attributes=_many(node, "attributes", _attribute, at),
        dropped_attributes_count=_given(node, "dropped_attributes_count", int, at, 0),
    )


def _span(node: Node, at: str) -> SpanSample:
    status = node.get("status")
    if status is not None:
        status = _inner(status, f"{at}.status")
        status = (_one_of(status, "code", STATUS_CODES, f"{at}.status"), _needed(status, "message", str, at))
    return SpanSample(
        name=_needed(node, "name", str, at),
        kind=_one_of(node, "kind", SPAN_KINDS[1:], at),
        status=status,
        attributes=_many(node, "attributes", _attribute, at),
        span_events=_many(node, "span_events", _span_event, at),
        span_links=_many(node, "span_links", _span_link, at),
    )


def _span_event(node: Node, at: str) -> SpanEventSample:
    return SpanEventSample(name=_needed(node, "name", str, at), attributes=_many(node, "attributes", _attribute, at))


def _span_link(node: Node, at: str) -> SpanLinkSample:
    return SpanLinkSample(attributes=_many(node, "attributes", _attribute, at))


def _log(node: Node, at: str) -> LogSample:
    return LogSample(
        event_name=_needed(node, "event_name", str, at),
        severity_number=_given(node, "severity_number", int, at, None),
        severity_text=_given(node, "severity_text", str, at, None),
        body=_given(node, "body", str, at, None),
        attributes=_many(node, "attributes", _attribute, at),
        trace_id=_given(node, "trace_id", str, at, None),
        span_id=_given(node, "span_id", str, at, None),
    )


def _profile(node: Node, at: str) -> ProfileSample:
    return ProfileSample(
        original_payload_format=_needed(node, "original_payload_format", str, at),
        attributes=_many(node, "attributes", _attribute, at),
    )


def _metric(node: Node, at: str) -> MetricSample:
    return MetricSample(
        name=_needed(node, "name", str, at),
        instrument=_needed(node, "instrument", str, at),
        unit=_needed(node, "unit", str, at),
        data_points=None if node.get("data_points") is None else _points(node, at),
    )


def _points(node: Node, at: str) -> list[Any]:
    """The points, all of the first form that fits all of them: number, histogram, exponential histogram.

    A histogram's form takes every exponential point, so JSON never gives one, here as in Weaver.
    """
    errors: list[SampleError] = []
    for read in (_number, _histogram, _exponential):
        try:
            return _many(node, "data_points", read, at)
        except SampleError as error:
            errors.append(error)
    raise SampleError(f"{at}.data_points are of no known form: {errors[0]}; {errors[1]}")


def _number(node: Node, at: str) -> Point:
    if "value" not in node:
        raise SampleError(f"{at}.value is missing")
    return NumberPoint(
        attributes=_attributes_of(node, at),
        value=node["value"],
        flags=_given(node, "flags", int, at, 0),
        exemplars=_many(node, "exemplars", _exemplar, at),
    )


def _histogram(node: Node, at: str) -> Point:
    return HistogramPoint(
        attributes=_attributes_of(node, at),
        count=_needed(node, "count", int, at),
        sum=_given(node, "sum", float, at, None),
        bucket_counts=_plain(node, "bucket_counts", int, at),
        explicit_bounds=_plain(node, "explicit_bounds", float, at),
        min=_given(node, "min", float, at, None),
        max=_given(node, "max", float, at, None),
        flags=_given(node, "flags", int, at, 0),
        exemplars=_many(node, "exemplars", _exemplar, at),
    )


def _exponential(node: Node, at: str) -> Point:
    return ExponentialPoint(
        attributes=_attributes_of(node, at),
        count=_needed(node, "count", int, at),
        sum=_given(node, "sum", float, at, None),
        scale=_given(node, "scale", int, at, 0),
        zero_count=_given(node, "zero_count", int, at, 0),
        positive=_side(node, "positive", at),
        negative=_side(node, "negative", at),
        flags=_given(node, "flags", int, at, 0),
        min=_given(node, "min", float, at, None),
        max=_given(node, "max", float, at, None),
        zero_threshold=_given(node, "zero_threshold", float, at, 0.0),
        exemplars=_many(node, "exemplars", _exemplar, at),
    )


def _side(node: Node, key: str, at: str) -> Buckets | None:
    if node.get(key) is None:
        return None
    inner = _inner(node[key], f"{at}.{key}")
    return Buckets(_needed(inner, "offset", int, at), _plain(inner, "bucket_counts", int, at))


def _exemplar(node: Node, at: str) -> ExemplarSample:
    _needed(node, "filtered_attributes", list, at)
    if "value" not in node:
        raise SampleError(f"{at}.value is missing")
    return ExemplarSample(
        filtered_attributes=_many(node, "filtered_attributes", _attribute, at),
        value=node["value"],
        timestamp=_needed(node, "timestamp", str, at),
        span_id=_needed(node, "span_id", str, at),
        trace_id=_needed(node, "trace_id", str, at),
    )


def _attributes_of(node: Node, at: str) -> list[AttributeSample]:
    _needed(node, "attributes", list, at)
    return _many(node, "attributes", _attribute, at)


def _needed(node: Node, key: str, kind: type[Any], at: str) -> Any:
    if key not in node:
        raise SampleError(f"{at}.{key} is missing; it must be {_JSON_NAMES[kind]}")
    return _checked(node[key], kind, f"{at}.{key}")


def _given(node: Node, key: str, kind: type[Any], at: str, default: Any) -> Any:
    value = node.get(key)
    if value is None and (default is None or key not in node):
        return default
    return _checked(value, kind, f"{at}.{key}")


def _checked(value: Any, kind: type[Any], at: str) -> Any:
    fits = isinstance(value, int | float) if kind is float else isinstance(value, kind)
    if not fits or isinstance(value, bool):
        raise SampleError(f"{at} is {_short(value)}; it must be {_JSON_NAMES[kind]}")
    return value


def _one_of(node: Node, key: str, words: tuple[str, ...], at: str) -> str:
    found = _needed(node, key, str, at)
    if found not in words:
        raise SampleError(f"{at}.{key} is {_short(found)}; it must be one of {', '.join(words)}")
    return found


def _inner(value: Any, at: str) -> Node:
    return _checked(value, dict, at)


def _plain(node: Node, key: str, kind: type[Any], at: str) -> list[Any]:
    return [_checked(value, kind, f"{at}.{key}[{n}]") for n, value in enumerate(_given(node, key, list, at, []))]


def _many(node: Node, key: str, read: Callable[[Node, str], T], at: str) -> list[T]:
    found = _given(node, key, list, at, [])
    return [read(_inner(part, f"{at}.{key}[{n}]"), f"{at}.{key}[{n}]") for n, part in enumerate(found)]


def _short(value: Any) -> str:
    text = json.dumps(value, default=repr)
    return text if len(text) <= 60 else text[:57] + "..."


_READERS: dict[str, Callable[[Node, str], Sample]] = {
    Kind.ATTRIBUTE.value: _attribute,
    Kind.SPAN.value: _span,
    Kind.SPAN_EVENT.value: _span_event,
    Kind.SPAN_LINK.value: _span_link,
    Kind.RESOURCE.value: _resource,
    Kind.SCOPE.value: _scope,
    Kind.METRIC.value: _metric,
    Kind.LOG.value: _log,
    Kind.PROFILE.value: _profile,
}
