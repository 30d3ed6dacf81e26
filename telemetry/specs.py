"""What the generated `telemetry.semconv` says of each name: its type, its attributes, its buckets."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from opentelemetry.metrics import CallbackOptions, Meter, Observation


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

    def create(self, meter: Meter) -> Any:
        """The instrument of this metric, made by a meter, with its unit and its buckets."""
        if self.instrument == "histogram":
            return meter.create_histogram(
                self.name, self.unit, self.description, explicit_bucket_boundaries_advisory=self.buckets
            )
        make = {
            "counter": meter.create_counter,
            "updowncounter": meter.create_up_down_counter,
            "gauge": meter.create_gauge,
        }[self.instrument]
        return make(self.name, self.unit, self.description)

    def observe(self, meter: Meter, read: Callable[[CallbackOptions], Iterable[Observation]]) -> Any:
        """The instrument of this metric, made by a meter, which asks ``read`` for its values at each export.

        Raises:
            TypeError: for a histogram, whose observations cannot be asked for.
        """
        if self.instrument == "histogram":
            raise TypeError(f"{self.name} is a histogram; its observations are recorded, not asked for.")
        make = {
            "counter": meter.create_observable_counter,
            "updowncounter": meter.create_observable_up_down_counter,
            "gauge": meter.create_observable_gauge,
        }[self.instrument]
        return make(self.name, [read], self.unit, self.description)
