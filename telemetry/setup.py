"""Telemetry of one process: built once where the process starts, then handed to whoever speaks.

Nothing here waits: spans and events go into bounded queues, metrics into sums, and threads of
their own take them to the endpoint. Only `Telemetry.drain` and `Telemetry.stop` wait, for as long as
they are told to. Without an endpoint nothing is loaded, started or recorded.
"""

from __future__ import annotations

import atexit
import threading
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from enum import StrEnum
from functools import partial
from typing import TYPE_CHECKING, Any

from opentelemetry import trace
from opentelemetry._logs import SeverityNumber
from opentelemetry.metrics import CallbackOptions, NoOpMeter, Observation

from telemetry import semconv
from telemetry.config import SCOPE, TelemetryConfig
from telemetry.semconv import ActorKind, Phase
from telemetry.span import (
    SILENT,
    Attributes,
    AttributeValue,
    RecordingSpan,
    Span,
    format_traceparent,
    parse_traceparent,
)

if TYPE_CHECKING:
    from telemetry.exporters import Exporters
    from telemetry.pipeline import Pipeline

Severity = SeverityNumber
SpanKind = trace.SpanKind

_SPAN_OF: Mapping[Phase, str] = {
    Phase.OPEN: semconv.SPAN_OPEN,
    Phase.LEARN: semconv.SPAN_LOCAL_TRAINING,
    Phase.COMMIT: semconv.SPAN_COMMIT,
    Phase.SUBMIT: semconv.SPAN_SUBMIT,
    Phase.GATE: semconv.SPAN_GATE,
    Phase.CLOSE: semconv.SPAN_CLOSE,
    Phase.SCREEN: semconv.SPAN_SCREEN,
    Phase.AGGREGATE: semconv.SPAN_AGGREGATE,
    Phase.PROTECT: semconv.SPAN_PROTECT,
    Phase.VALIDATE: semconv.SPAN_VALIDATE,
    Phase.RELEASE: semconv.SPAN_RELEASE,
    Phase.APPLY: semconv.SPAN_APPLY,
    Phase.MONITOR: semconv.SPAN_MONITOR,
    Phase.ANALYZE: semconv.SPAN_ANALYZE,
    Phase.PLAN: semconv.SPAN_PLAN,
    Phase.EXECUTE: semconv.SPAN_EXECUTE,
}
_DURATION_OF: Mapping[Phase, str] = {
    Phase.LEARN: semconv.METRIC_LOCAL_TRAINING_DURATION,
    Phase.AGGREGATE: semconv.METRIC_AGGREGATION_DURATION,
    Phase.VALIDATE: semconv.METRIC_CONVERGENCE_DURATION,
    Phase.APPLY: semconv.METRIC_DISTRIBUTION_DURATION,
}
_LEARNING = {ActorKind.HOST: semconv.SPAN_HOST_LEARNING, ActorKind.DOOR: semconv.SPAN_DOOR_GATHER}
_LOOP = frozenset({Phase.MONITOR, Phase.ANALYZE, Phase.PLAN, Phase.EXECUTE})


class Telemetry:
    """What an actor says about itself goes through one of these. Made by `Telemetry.start`."""

    def __init__(self, config: TelemetryConfig, *, actor_kind: ActorKind, pipeline: Pipeline | None) -> None:
        self.config = config
        self.actor_kind = actor_kind
        self.enabled = pipeline is not None
        self._pipeline = pipeline
        scope, url = SCOPE, semconv.SCHEMA_URL
        meters = pipeline.meters if pipeline else None
        self._maker = pipeline.maker if pipeline else None
        self._measurements = pipeline.measurements if pipeline else None
        self._meter = meters.get_meter(scope, schema_url=url) if meters else NoOpMeter(scope)
        self._instruments: dict[str, Any] = {}
        self._stopped = False

    @classmethod
    def start(
        cls,
        config: TelemetryConfig,
        *,
        actor_kind: ActorKind,
        instance: str,
        exporters: Exporters | None = None,
    ) -> Telemetry:
        """The telemetry of this process.

        Args:
            config: the swarm's settings; when nobody is to be told anything, and without exporters, all is silent.
            actor_kind: what kind of actor the process is.
            instance: the actor's name, the same after each restart: ``service.instance.id``.
            exporters: used in place of the OTLP ones.
        """
        if not config.speaks and exporters is None:
            return cls(config, actor_kind=actor_kind, pipeline=None)
        from telemetry.pipeline import Exporters, Pipeline, resource_of  # 0.2 s, only where needed

        sinks = exporters or Exporters.of(config)
        resource = resource_of(config, actor_kind=actor_kind, instance=instance)
        telemetry = cls(config, actor_kind=actor_kind, pipeline=Pipeline.queued(config, resource, sinks))
        atexit.register(telemetry._close)
        return telemetry

    # Spans

    def span(
        self,
        name: str,
        attributes: Attributes | None = None,
        *,
        parent: str | None = None,
        kind: SpanKind = SpanKind.INTERNAL,
        links: Sequence[str] = (),
        start_ns: int | None = None,
    ) -> Span:
        """A span that has started; use it with ``with``, or end it by `Span.end`.

        Args:
            name: one of ``semconv.SPAN_*``.
            attributes: what is known at the start.
            parent: traceparent of a span of another actor; without one, the task's current span.
            kind: PRODUCER where messages go out to other actors, CONSUMER where one is answered.
            links: traceparents of other spans that led to this one.
            start_ns: when it started, in nanoseconds since 1970; now, if None.
        """
        if self._maker is None:
            return Span(parent) if parent else SILENT
        return RecordingSpan(
            self._begin(name, attributes, parent, kind, links, start_ns), error_key=semconv.ATTR_ERROR_TYPE
        )

    def phase(
        self,
        phase: Phase,
        attributes: Attributes | None = None,
        *,
        parent: str | None = None,
        links: Sequence[str] = (),
        measures: Attributes | None = None,
    ) -> Span:
        """The span of a phase, whose duration is also recorded as metrics when it ends.

        On a host, `Phase.LEARN` is the host's own ``host_learning`` span, on a door its ``door_gather``. Learning,
        aggregation, validation and application are also recorded under the names that the specification gives them.
        The attribute ``actor.kind`` is set where the phase is one of a MAPE-K loop. The metrics have the
        actor kind, the phase, the workload if ``attributes`` name it, and what ``measures`` adds.
        """
        if not self.enabled:
            return Span(parent) if parent else SILENT
        given = dict(attributes or {})
        measured: dict[str, AttributeValue] = {semconv.ATTR_ACTOR_KIND: self.actor_kind.value}
        if phase in _LOOP:
            given |= measured
        if semconv.ATTR_WORKLOAD in given:
            measured[semconv.ATTR_WORKLOAD] = given[semconv.ATTR_WORKLOAD]
        if measures:
            measured |= measures
        name, kind = _SPAN_OF[phase], SpanKind.INTERNAL
        if phase is Phase.LEARN and self.actor_kind in _LEARNING:
            name, kind = _LEARNING[self.actor_kind], SpanKind.CONSUMER
        span = self._begin(name, given, parent, kind, links, None)
        return RecordingSpan(span, error_key=semconv.ATTR_ERROR_TYPE, timed=partial(self._timed, phase, measured))

    def record_span(
        self,
        name: str,
        start_ns: int,
        end_ns: int,
        attributes: Attributes | None = None,
        *,
        parent: str | None = None,
    ) -> str:
        """Record a span of which start and end are known, e.g. one agent's share of a batch; its traceparent.

        Without ``parent`` it goes below the task's current span. Values must be plain: they are not checked.
        """
        if self._pipeline is None or self._maker is None:
            return parent or ""
        above = parse_traceparent(parent) if parent else trace.get_current_span().get_span_context()
        if above.is_valid:
            return format_traceparent(self._pipeline.ended(name, start_ns, end_ns, attributes, above))
        span = self._begin(name, attributes, None, SpanKind.INTERNAL, (), start_ns)
        span.end(end_ns)
        return format_traceparent(span.get_span_context())

    def record_spans(
        self,
        name: str,
        start_ns: int,
        end_ns: int,
        shared: Attributes,
        columns: Mapping[str, Sequence[str] | Sequence[float]],
        *,
        parent: str,
    ) -> None:
        """Record spans that started and ended together, e.g. those of the agents of a batch, at a tenth of the cost.

        Args:
            name: one of ``semconv.SPAN_*``.
            start_ns, end_ns: in nanoseconds since 1970.
            shared: attributes that all of them have.
            columns: attribute -> its value for each of them, all texts or all floats. They are kept, not copied.
            parent: traceparent of the span above.
        """
        if self._pipeline is not None and self._maker is not None:
            self._pipeline.ended_together(name, start_ns, end_ns, shared, columns, parse_traceparent(parent))

    def detailed(self, agents: int) -> bool:
        """Whether each of so many agents gets a span of its own. Flagged agents always may."""
        return self._maker is not None and agents <= self.config.agent_span_limit

    def few(self, agents: Sequence[str]) -> Sequence[str]:
        """The first of the agents, up to the limit of per-agent spans: a list of ids that fits into an event."""
        return agents[: self.config.agent_span_limit]

    def _begin(
        self,
        name: str,
        attributes: Attributes | None,
        parent: str | None,
        kind: SpanKind,
        links: Sequence[str],
        start_ns: int | None,
    ) -> trace.Span:
        above = parse_traceparent(parent) if parent else trace.get_current_span().get_span_context()
        if self._maker is None:
            return trace.NonRecordingSpan(above)
        linked = [trace.Link(context) for context in map(parse_traceparent, links) if context.is_valid]
        return self._maker.start(name, above, kind=kind, attributes=attributes, links=linked, start_ns=start_ns)

    def _timed(self, phase: Phase, measured: dict[str, AttributeValue], seconds: float) -> None:
        if phase in _DURATION_OF and semconv.ATTR_WORKLOAD in measured:
            self.observe(_DURATION_OF[phase], seconds, measured)
        self.observe(semconv.METRIC_PHASE_DURATION, seconds, {semconv.ATTR_PHASE: phase.value, **measured})

    # Events and metrics

    def event(
        self,
        name: str,
        attributes: Attributes | None = None,
        *,
        severity: SeverityNumber = SeverityNumber.INFO,
        parent: str | None = None,
    ) -> None:
        """Say that something happened: one of ``semconv.EVENT_*``, in the current span or in ``parent``."""
        if self._pipeline is not None:
            within = parse_traceparent(parent) if parent else trace.get_current_span().get_span_context()
            self._pipeline.happened(name, attributes, severity, within, time.time_ns())

    def count(self, metric: str, value: int = 1, attributes: Attributes | None = None) -> None:
        """Add to a counter, one of ``semconv.METRIC_*``."""
        if self._measurements is not None:
            self._measurements.keep(self._instrument(metric, "counter").add, int(value), _plain(attributes))

    def observe(self, metric: str, value: float, attributes: Attributes | None = None) -> None:
        """Record a value, mostly seconds, in a histogram, one of ``semconv.METRIC_*``."""
        if self._measurements is not None:
            self._measurements.keep(self._instrument(metric, "histogram").record, float(value), _plain(attributes))

    def gauge(self, metric: str, value: float, attributes: Attributes | None = None) -> None:
        """Set a gauge, one of ``semconv.METRIC_*``. The SDK drops NaN and infinities; an event must tell them."""
        if self._measurements is not None:
            self._measurements.keep(self._instrument(metric, "gauge").set, float(value), _plain(attributes))

    def watch(self, metric: str, read: Callable[[], Iterable[tuple[float, Attributes]]]) -> None:
        """Have a gauge, one of ``semconv.METRIC_*``, read whenever somebody asks for the metrics.

        For a gauge whose series come and go: what ``read`` does not give is gone, while what `gauge` set once stays.

        Args:
            metric: used by this one call only, and by no `gauge`.
            read: the values and their attributes. Called in another thread; what it raises is logged, and nothing is
                told that time.

        Raises:
            TypeError: when the metric is no gauge.
        """
        spec = semconv.METRICS[metric]
        if spec.instrument != "gauge":
            raise TypeError(f"{metric} is a {spec.instrument} and was used as a gauge.")

        def observed(_: CallbackOptions) -> Iterable[Observation]:
            return [Observation(float(value), _plain(attributes)) for value, attributes in read()]

        spec.observe(self._meter, observed)

    def _instrument(self, metric: str, needed: str) -> Any:
        found = self._instruments.get(metric)
        if found is not None:
            return found
        spec = semconv.METRICS[metric]
        if spec.instrument != needed:
            raise TypeError(f"{metric} is a {spec.instrument} and was used as a {needed}.")
        return self._instruments.setdefault(metric, spec.create(self._meter))

    # What others ask

    def metrics(self) -> bytes:
        """All metrics of this process as they are now: an OTLP request, which `telemetry.prometheus` reads.

        Empty when nothing was measured. Takes a millisecond or two; from a coroutine, call it by `asyncio.to_thread`.
        """
        return self._pipeline.snapshot() if self._pipeline is not None and not self._stopped else b""

    # The end

    @property
    def dropped(self) -> dict[str, int]:
        """Spans and events that were not delivered so far."""
        return (
            {signal.value: tally.dropped for signal, tally in self._pipeline.tallies.items()} if self._pipeline else {}
        )

    def drain(self, timeout_s: float = 2.0) -> bool:
        """Send what waits; waits for it up to ``timeout_s`` seconds. From a coroutine, call it by `asyncio.to_thread`.

        Returns:
            Whether everything that waited was delivered in that time.
        """
        if self._pipeline is None or self._stopped:
            return True
        before = sum(self.dropped.values())
        return _finished(self._pipeline.flushes, timeout_s) and sum(self.dropped.values()) == before

    def stop(self, timeout_s: float = 2.0) -> bool:
        """Send what waits and end the threads; waits up to ``timeout_s`` seconds. Whether that was enough."""
        atexit.unregister(self._close)
        return _finished((self._close,), timeout_s)

    def _close(self) -> None:
        if self._pipeline is None or self._stopped:
            return
        self._stopped = True
        for close in self._pipeline.closes:
            close()


def _plain(attributes: Attributes | None) -> Attributes | None:
    """The attributes without enums: the SDK tells series apart by the types of values, not only by the values."""
    if not attributes:
        return attributes
    return {key: value.value if isinstance(value, StrEnum) else value for key, value in attributes.items()}


def _finished(calls: Iterable[Callable[[], object]], timeout_s: float) -> bool:
    """Run the calls, each in a thread of its own; whether all of them ended in time."""
    deadline = time.monotonic() + timeout_s
    threads = [threading.Thread(target=call, name="telemetry-drain", daemon=True) for call in calls]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(max(0.0, deadline - time.monotonic()))
    return not any(thread.is_alive() for thread in threads)
