"""The OpenTelemetry providers of one process. Imported only where telemetry is on: the SDK is slow to load."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, version
from types import MappingProxyType

from opentelemetry._logs import SeverityNumber
from opentelemetry.context import Context
from opentelemetry.exporter.otlp.proto.common.metrics_encoder import encode_metrics
from opentelemetry.metrics import CallbackOptions, Observation
from opentelemetry.sdk._logs import LoggerProvider, LogRecordProcessor
from opentelemetry.sdk.metrics import MeterProvider
from opentelemetry.sdk.metrics.export import InMemoryMetricReader, MetricExporter, MetricReader
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import SpanProcessor
from opentelemetry.sdk.trace.sampling import ALWAYS_OFF, ALWAYS_ON, ParentBased, Sampler, TraceIdRatioBased
from opentelemetry.sdk.util.instrumentation import InstrumentationScope
from opentelemetry.trace import NonRecordingSpan, SpanContext, set_span_in_context

from telemetry import semconv
from telemetry.blocks import SpanBlock, ended
from telemetry.config import SCOPE, TelemetryConfig
from telemetry.delivery import Breaker, EventQueue, MetricDelivery, SpanQueue, Tally
from telemetry.exporters import Exporters
from telemetry.live import SpanMaker
from telemetry.measurements import Measurements
from telemetry.occurrences import Occurrence
from telemetry.reading import SharedReader, keeping_exemplars
from telemetry.span import Attributes

_SCOPE = InstrumentationScope(SCOPE, "", semconv.SCHEMA_URL)


@dataclass(frozen=True, slots=True, kw_only=True)
class Pipeline:
    """The providers of one process, never set as OpenTelemetry's global ones.

    Attributes:
        spans: what takes ended spans; None, like the makers and providers below, for a signal that goes nowhere.
        reader: what reads the metrics in between; None when nobody may ask.
        tallies: what became of the spans and events, where they wait in queues; empty where they do not.
    """

    resource: Resource
    spans: SpanProcessor | None
    maker: SpanMaker | None
    meters: MeterProvider | None
    events: EventQueue | None
    loggers: LoggerProvider | None
    measurements: Measurements | None
    reader: SharedReader | InMemoryMetricReader | None = None
    tallies: Mapping[semconv.Signal, Tally]

    @classmethod
    def queued(cls, config: TelemetryConfig, resource: Resource, exporters: Exporters) -> Pipeline:
        """A pipeline that exports from threads of its own, with bounded queues before them.

        Each signal has a breaker of its own: a receiver that takes traces may know no logs.
        """
        capacity = config.queue_size
        tallies: dict[semconv.Signal, Tally] = {}
        spans, events = None, None
        if exporters.spans is not None:
            tallies[semconv.Signal.SPANS] = Tally()
            spans = SpanQueue(exporters.spans, Breaker(), tallies[semconv.Signal.SPANS], capacity=capacity)
        if exporters.events is not None:
            tallies[semconv.Signal.EVENTS] = Tally()
            events = EventQueue(exporters.events, Breaker(), tallies[semconv.Signal.EVENTS], capacity=capacity)
        return cls.assembled(config, resource, spans, events, _readers(config, exporters.metrics), tallies)

    @classmethod
    def assembled(
        cls,
        config: TelemetryConfig,
        resource: Resource,
        spans: SpanProcessor | None,
        events: EventQueue | LogRecordProcessor | None,
        readers: Sequence[MetricReader],
        tallies: Mapping[semconv.Signal, Tally] = MappingProxyType({}),
    ) -> Pipeline:
        """A pipeline of ready processors and readers."""
        meters = maker = loggers = None
        if readers:
            # What is read for a scrape is not lost for an export; a delta has to forget, exemplars too.
            views = (keeping_exemplars(),) if config.temporality == "cumulative" else ()
            meters = MeterProvider(readers, resource=resource, shutdown_on_exit=False, views=views)
        if spans is not None:
            maker = SpanMaker(spans.on_end, _sampler(config), resource, _SCOPE)
        queue = events if isinstance(events, EventQueue) else None
        if events is not None and not isinstance(events, EventQueue):
            # For tests, which look at what the SDK makes of an event.
            loggers = LoggerProvider(resource=resource, shutdown_on_exit=False, meter_provider=meters)
            loggers.add_log_record_processor(events)
        measurements = None
        if meters is not None:
            measurements = Measurements()
            kind = str(resource.attributes[semconv.ATTR_ACTOR_KIND])
            _observe_tallies(meters, tallies, kind, measurements.flush)
        reader = next((one for one in readers if isinstance(one, SharedReader | InMemoryMetricReader)), None)
        return cls(
            resource=resource,
            spans=spans,
            maker=maker,
            meters=meters,
            events=queue,
            loggers=loggers,
            measurements=measurements,
            reader=reader,
            tallies=tallies,
        )

    def ended(
        self, name: str, start_ns: int, end_ns: int, attributes: Attributes | None, parent: SpanContext
    ) -> SpanContext:
        """Take in a span that is over, below a parent; its context."""
        span = ended(
            name, start_ns, end_ns, dict(attributes or {}), parent=parent, resource=self.resource, scope=_SCOPE
        )
        if self.spans is not None and parent.trace_flags.sampled:
            self.spans.on_end(span)
        return span.get_span_context() or parent

    def ended_together(
        self,
        name: str,
        start_ns: int,
        end_ns: int,
        shared: Attributes,
        columns: Mapping[str, Sequence[str] | Sequence[float]],
        parent: SpanContext,
    ) -> None:
        """Take in spans that are over and differ in a few attributes only."""
        if self.spans is None or not parent.trace_flags.sampled or not all(columns.values()):
            return
        block = SpanBlock(
            name=name,
            start_ns=start_ns,
            end_ns=end_ns,
            parent=parent,
            resource=self.resource,
            instrumentation_scope=_SCOPE,
            shared=shared,
            columns=columns,
        )
        if isinstance(self.spans, SpanQueue):
            self.spans.on_end(block)
            return
        for span in block.spans():
            self.spans.on_end(span)

    def happened(
        self, name: str, attributes: Attributes | None, severity: SeverityNumber, parent: SpanContext, at_ns: int
    ) -> None:
        """Take in an event."""
        if self.events is not None:
            event = Occurrence(
                name=name,
                at_ns=at_ns,
                severity=severity,
                attributes=dict(attributes or {}),
                span=parent,
                resource=self.resource,
                instrumentation_scope=_SCOPE,
            )
            self.events.take(event)
        elif self.loggers is not None:
            self.loggers.get_logger(SCOPE, schema_url=semconv.SCHEMA_URL).emit(
                timestamp=at_ns,
                context=set_span_in_context(NonRecordingSpan(parent), Context()),
                severity_number=severity,
                severity_text=severity.name,
                attributes=attributes,
                event_name=name,
            )

    def snapshot(self) -> bytes:
        """All metrics as they are now, as an OTLP request; empty when nothing was measured, or nobody may ask."""
        data = self.reader.get_metrics_data() if self.reader is not None else None
        return encode_metrics(data).SerializeToString() if data is not None else b""

    @property
    def flushes(self) -> tuple[Callable[[], object], ...]:
        """What sends all that waits. The SDK heeds no timeout here; run these in threads of their own."""
        return tuple(part.force_flush for part in self._parts)

    @property
    def closes(self) -> tuple[Callable[[], object], ...]:
        """What sends all that waits and ends the threads; once."""
        return tuple(part.shutdown for part in self._parts)

    @property
    def _parts(self) -> tuple[SpanProcessor | MeterProvider | LoggerProvider, ...]:
        return tuple(part for part in (self.spans, self.events, self.loggers, self.meters) if part is not None)


def resource_of(config: TelemetryConfig, *, actor_kind: semconv.ActorKind, instance: str) -> Resource:
    """What identifies a process. The instance is given, so that a restart does not make new series."""
    try:
        release = version("swarmlore")
    except PackageNotFoundError:  # run from a checkout that is not installed
        release = "0+unknown"
    return Resource.create(
        {
            **dict(config.resource),
            semconv.ATTR_SERVICE_NAME: config.service_name,
            semconv.ATTR_SERVICE_NAMESPACE: config.service_namespace,
            semconv.ATTR_SERVICE_INSTANCE_ID: instance,
            semconv.ATTR_SERVICE_VERSION: release,
            semconv.ATTR_DEPLOYMENT_ENVIRONMENT_NAME: config.environment,
            semconv.ATTR_ACTOR_KIND: actor_kind.value,
        }
    )


def _readers(config: TelemetryConfig, exporter: MetricExporter | None) -> list[MetricReader]:
    """One reader for exports and scrapes; two where exports want deltas, and none where nobody wants anything."""
    if exporter is None:
        return [InMemoryMetricReader()] if config.prometheus else []
    shared = SharedReader(MetricDelivery(exporter, Breaker()), interval_s=config.metric_interval_s)
    return [InMemoryMetricReader(), shared] if config.prometheus and config.temporality != "cumulative" else [shared]


def _sampler(config: TelemetryConfig) -> Sampler:
    root = config.sampler.removeprefix("parentbased_")
    roots: Mapping[str, Sampler] = {
        "always_on": ALWAYS_ON,
        "always_off": ALWAYS_OFF,
        "traceidratio": TraceIdRatioBased(config.sample_ratio),
    }
    return ParentBased(roots[root]) if root != config.sampler else roots[root]


def _observe_tallies(
    meters: MeterProvider, tallies: Mapping[semconv.Signal, Tally], actor_kind: str, before: Callable[[], None]
) -> None:
    """Metrics of what became of spans and events; who reads any metric calls ``before``."""
    meter = meters.get_meter(SCOPE, schema_url=semconv.SCHEMA_URL)

    def reader(name: str) -> Callable[[CallbackOptions], Iterable[Observation]]:
        def read(_: CallbackOptions) -> Iterable[Observation]:
            before()  # the SDK asks its observers first, and then looks at what was recorded
            for signal, tally in tallies.items():
                attributes = {semconv.ATTR_SIGNAL: signal.value, semconv.ATTR_ACTOR_KIND: actor_kind}
                yield Observation(getattr(tally, name), attributes)

        return read

    for metric, name in (
        (semconv.METRIC_TELEMETRY_DELIVERED, "delivered"),
        (semconv.METRIC_TELEMETRY_DROPPED, "dropped"),
    ):
        semconv.METRICS[metric].observe(meter, reader(name))
    semconv.METRICS[semconv.METRIC_TELEMETRY_PENDING].observe(meter, reader("pending"))
