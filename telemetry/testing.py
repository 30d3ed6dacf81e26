"""Telemetry kept in memory, for tests, and held against the registry when the test ends.

    with captured(actor_kind=ActorKind.AGGREGATOR) as capture:
        Aggregator(telemetry=capture.telemetry).close()
        assert capture.total(semconv.METRIC_UPDATES) == 100

Leaving the block fails the test when a span, an event or a data point has an unknown name, an
unknown attribute, a value of the wrong type, or lacks an attribute that the registry requires.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from opentelemetry.sdk._logs.export import InMemoryLogRecordExporter, SimpleLogRecordProcessor
from opentelemetry.sdk.metrics.export import HistogramDataPoint, InMemoryMetricReader, Metric, NumberDataPoint
from opentelemetry.sdk.trace import ReadableSpan
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

from telemetry import semconv
from telemetry.config import TelemetryConfig
from telemetry.pipeline import Pipeline, resource_of
from telemetry.semconv import ActorKind
from telemetry.setup import Telemetry
from telemetry.specs import AttributeSpec, SignalSpec

_PYTHON_TYPES: Mapping[str, tuple[type, ...]] = {
    "string": (str,),
    "int": (int,),
    "double": (float, int),
    "boolean": (bool,),
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Event:
    """An event that was emitted."""

    name: str
    severity: str
    attributes: Mapping[str, Any]
    trace_id: int
    span_id: int


class Captured:
    """Telemetry and what went through it so far."""

    def __init__(self, *, actor_kind: ActorKind, instance: str, config: TelemetryConfig) -> None:
        self._spans = InMemorySpanExporter()
        self._events = InMemoryLogRecordExporter()
        self._metrics = InMemoryMetricReader()
        self.resource = resource_of(config, actor_kind=actor_kind, instance=instance)
        self.pipeline = Pipeline.assembled(
            config,
            self.resource,
            SimpleSpanProcessor(self._spans),
            SimpleLogRecordProcessor(self._events),
            (self._metrics,),
        )
        self.telemetry = Telemetry(config, actor_kind=actor_kind, pipeline=self.pipeline)

    @property
    def spans(self) -> tuple[ReadableSpan, ...]:
        """The spans that have ended, in the order of their ends."""
        return self._spans.get_finished_spans()

    @property
    def events(self) -> tuple[Event, ...]:
        """The events, in their order."""
        return tuple(
            Event(
                name=log.log_record.event_name or "",
                severity=log.log_record.severity_text or "",
                attributes=dict(log.log_record.attributes or {}),
                trace_id=log.log_record.trace_id or 0,
                span_id=log.log_record.span_id or 0,
            )
            for log in self._events.get_finished_logs()
        )

    @property
    def metrics(self) -> dict[str, Metric]:
        """The metrics with all of their data points, by name."""
        data = self._metrics.get_metrics_data()
        scopes = (scope for resource in data.resource_metrics for scope in resource.scope_metrics) if data else ()
        return {metric.name: metric for scope in scopes for metric in scope.metrics}

    def named(self, name: str) -> tuple[ReadableSpan | Event, ...]:
        """The spans, or else the events, of one name."""
        return tuple(item for item in (*self.spans, *self.events) if item.name == name)

    def points(self, metric: str, attributes: Mapping[str, Any] | None = None) -> tuple[Any, ...]:
        """The data points of a metric that have all of the given attributes."""
        wanted = (attributes or {}).items()
        found = self.metrics.get(metric)
        return tuple(
            point for point in (found.data.data_points if found else ()) if wanted <= (point.attributes or {}).items()
        )

    def total(self, metric: str, attributes: Mapping[str, Any] | None = None) -> float:
        """The sum of a counter, the sum of gauges, or the number of a histogram's observations."""
        return sum(
            point.count if isinstance(point, HistogramDataPoint) else point.value
            for point in self.points(metric, attributes)
            if isinstance(point, HistogramDataPoint | NumberDataPoint)
        )

    def problems(self) -> list[str]:
        """Whatever was emitted and is not as the registry says."""
        found: list[str] = []
        for span in self.spans:
            found += _signal_problems("span", span.name, semconv.SPANS.get(span.name), span.attributes or {})
        for event in self.events:
            found += _signal_problems("event", event.name, semconv.EVENTS.get(event.name), event.attributes)
        for metric in self.metrics.values():
            for point in metric.data.data_points:
                found += _signal_problems(
                    "metric", metric.name, semconv.METRICS.get(metric.name), point.attributes or {}
                )
        for key, value in self.resource.attributes.items():
            found += _value_problems("resource", key, value)
        return found


@contextmanager
def captured(
    *,
    actor_kind: ActorKind = ActorKind.COORDINATOR,
    instance: str = "test",
    config: TelemetryConfig | None = None,
    strict: bool = True,
) -> Iterator[Captured]:
    """Telemetry that stays in memory; with ``strict``, an AssertionError at the end for what the registry forbids."""
    capture = Captured(actor_kind=actor_kind, instance=instance, config=config or TelemetryConfig())
    yield capture
    problems = capture.problems() if strict else []
    if problems:
        raise AssertionError("Telemetry that the registry does not allow:\n" + "\n".join(dict.fromkeys(problems)))


def _signal_problems(what: str, name: str, spec: SignalSpec | None, attributes: Mapping[str, Any]) -> Iterator[str]:
    if spec is None:
        yield f"{what} {name} is not in the registry"
        return
    yield from (f"{what} {name} lacks {key}" for key in sorted(spec.required - set(attributes)))
    for key, value in attributes.items():
        if key not in spec.required | spec.optional:
            yield f"{what} {name} has {key}, which the registry does not give it"
        else:
            yield from _value_problems(f"{what} {name}", key, value)


def _value_problems(where: str, key: str, value: object) -> Iterator[str]:
    spec = semconv.ATTRIBUTES.get(key)
    if spec is None:
        yield f"{where} has {key}, which is not in the registry"
    elif not _fits(value, spec.type):
        yield f"{where}: {key} is {value!r}; it must be {spec.type}"
    elif not _known(value, spec):
        yield f"{where}: {key} is {value!r}; it must be one of {list(map(str, spec.values))}"


def _fits(value: object, kind: str) -> bool:
    if kind.endswith("[]"):
        return isinstance(value, list | tuple) and all(_fits(item, kind[:-2]) for item in value)
    return isinstance(value, _PYTHON_TYPES[kind]) and (kind == "boolean" or not isinstance(value, bool))


def _known(value: object, spec: AttributeSpec) -> bool:
    return not spec.values or value in spec.values
