"""Telemetry as live-check sees it, whatever it came as: one record a kind of sample.

Values are those of JSON. An attribute's type is one of ``string int double boolean``, one of these with
``[]``, or None where it cannot be told, and then it is not checked.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, NamedTuple

_LEAST, _MOST = -(2**63), 2**64 - 1


class Kind(StrEnum):
    """What a sample is; the key under which it stands in a report."""

    ATTRIBUTE = "attribute"
    SPAN = "span"
    SPAN_EVENT = "span_event"
    SPAN_LINK = "span_link"
    RESOURCE = "resource"
    SCOPE = "instrumentation_scope"
    METRIC = "metric"
    DATA_POINT = "data_point"
    EXEMPLAR = "exemplar"
    LOG = "log"
    PROFILE = "profile"


class AttributeSample(NamedTuple):
    """An attribute; a tuple, because there are many more of these than of anything else."""

    name: str
    value: Any = None
    type: str | None = None


Attributes = Sequence[AttributeSample]


@dataclass(frozen=True, slots=True, kw_only=True)
class ResourceSample:
    """A resource."""

    attributes: Attributes = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class ScopeSample:
    """An instrumentation scope."""

    name: str = ""
    version: str = ""
    schema_url: str = ""
    attributes: Attributes = ()
    dropped_attributes_count: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class SpanEventSample:
    """An event of a span."""

    name: str
    attributes: Attributes = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class SpanLinkSample:
    """A link of a span."""

    attributes: Attributes = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class SpanSample:
    """A span; ``status`` is (code, message), or None."""

    name: str
    kind: str
    status: tuple[str, str] | None = None
    attributes: Attributes = ()
    span_events: Sequence[SpanEventSample] = ()
    span_links: Sequence[SpanLinkSample] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class ExemplarSample:
    """An exemplar of a data point; ``timestamp`` is RFC 3339, ids are in hex."""

    filtered_attributes: Attributes
    value: Any
    timestamp: str
    span_id: str
    trace_id: str


@dataclass(frozen=True, slots=True, kw_only=True)
class NumberPoint:
    """A data point of a counter or a gauge."""

    attributes: Attributes
    value: Any
    flags: int = 0
    exemplars: Sequence[ExemplarSample] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class HistogramPoint:
    """A data point of a histogram with explicit bounds."""

    attributes: Attributes
    count: int
    sum: float | None = None
    bucket_counts: Sequence[int] = ()
    explicit_bounds: Sequence[float | None] = ()
    min: float | None = None
    max: float | None = None
    flags: int = 0
    exemplars: Sequence[ExemplarSample] = ()


class Buckets(NamedTuple):
    """Buckets of an exponential histogram on one side of zero."""

    offset: int
    bucket_counts: Sequence[int]


@dataclass(frozen=True, slots=True, kw_only=True)
class ExponentialPoint:
    """A data point of an exponential histogram."""

    attributes: Attributes
    count: int
    sum: float | None = None
    scale: int = 0
    zero_count: int = 0
    positive: Buckets | None = None
    negative: Buckets | None = None
    flags: int = 0
    min: float | None = None
    max: float | None = None
    zero_threshold: float | None = 0.0
    exemplars: Sequence[ExemplarSample] = ()


Point = NumberPoint | HistogramPoint | ExponentialPoint


@dataclass(frozen=True, slots=True, kw_only=True)
class MetricSample:
    """A metric; ``data_points`` is None for an instrument that has none that are checked, such as a summary."""

    name: str
    instrument: str
    unit: str
    data_points: Sequence[Point] | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class LogSample:
    """A log record; an event when ``event_name`` is not empty."""

    event_name: str
    severity_number: int | None = None
    severity_text: str | None = None
    body: str | None = None
    attributes: Attributes = ()
    trace_id: str | None = None
    span_id: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class ProfileSample:
    """A profile."""

    original_payload_format: str
    attributes: Attributes = ()


Sample = (
    AttributeSample
    | ResourceSample
    | ScopeSample
    | SpanSample
    | SpanEventSample
    | SpanLinkSample
    | MetricSample
    | LogSample
    | ProfileSample
)
"""What may stand at the root of a report."""


def infer_type(value: Any) -> str | None:
    """The attribute type of a JSON value; None for null, an object, and a list that is empty or mixed.

    A list is of the type of its first element that is not null, if all the others agree; whole numbers and
    fractions together are ``double[]``.
    """
    if isinstance(value, list | tuple):
        found = {_scalar(item) for item in value if item is not None}
        if len(found) == 1:
            (one,) = found
            return None if one is None else f"{one}[]"
        return "double[]" if found == {"int", "double"} else None
    return _scalar(value)


def _scalar(value: Any) -> str | None:
    if isinstance(value, bool):
        return "boolean"
    if isinstance(value, int):
        return "int" if _LEAST <= value <= _MOST else "double"
    if isinstance(value, float):
        return "double"
    return "string" if isinstance(value, str) else None


def finite(value: float) -> float | None:
    """The number, or None where JSON has no way to write it."""
    return value if math.isfinite(value) else None
