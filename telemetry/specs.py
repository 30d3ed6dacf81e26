"""What the generated `telemetry.semconv` says of each name: its type, its attributes, its buckets."""

from __future__ import annotations

from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True, kw_only=True)
class AttributeSpec:
    """An attribute of the registry.

    Attributes:
        key: its full name.
        type: ``string int double boolean``, one of these with ``[]``, or ``any``.
        values: the values an enum knows; empty for any other type.
        bounded: False for an attribute that may take any number of values, and so never goes on a metric.
    """

    key: str
    type: str
    values: tuple[str, ...] = ()
    bounded: bool = True


@dataclass(frozen=True, slots=True, kw_only=True)
class SignalSpec:
    """A span or an event of the registry.

    Attributes:
        name: its full name.
        description: what it tells, one sentence.
        required: attributes that are always there.
        optional: attributes that may be there.
    """

    name: str
    description: str
    required: frozenset[str]
    optional: frozenset[str]


@dataclass(frozen=True, slots=True, kw_only=True)
class MetricSpec(SignalSpec):
    """A metric of the registry.

    Attributes:
        instrument: ``counter``, ``updowncounter``, ``gauge`` or ``histogram``.
        unit: UCUM, or a word in braces where there is no unit.
        buckets: upper boundaries of a histogram, in ``unit``; empty for the others.
    """

    instrument: str
    unit: str
    buckets: tuple[float, ...] = field(default=())
