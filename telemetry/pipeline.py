"""The OpenTelemetry providers of one process. Imported only where telemetry is on: the SDK is slow to load."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, version
from types import MappingProxyType

from opentelemetry.exporter.otlp.proto.http._log_exporter import OTLPLogExporter
from opentelemetry.exporter.otlp.proto.http.metric_exporter import OTLPMetricExporter
from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.metrics import CallbackOptions, Observation
from opentelemetry.sdk._logs import LoggerProvider, LogRecordProcessor
from opentelemetry.sdk._logs.export import LogRecordExporter
from opentelemetry.sdk.metrics import MeterProvider
from opentelemetry.sdk.metrics.export import MetricExporter, MetricReader, PeriodicExportingMetricReader
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import ReadableSpan, SpanProcessor, TracerProvider
from opentelemetry.sdk.trace.export import SpanExporter
from opentelemetry.sdk.trace.id_generator import RandomIdGenerator
from opentelemetry.sdk.trace.sampling import ParentBased, TraceIdRatioBased
from opentelemetry.sdk.util.instrumentation import InstrumentationScope
from opentelemetry.trace import SpanContext, SpanKind, Status

from telemetry import semconv
from telemetry.config import SCOPE, TelemetryConfig
from telemetry.delivery import Breaker, EventQueue, MetricDelivery, SpanQueue, Tally
from telemetry.span import Attributes

_IDS = RandomIdGenerator()
_SCOPE = InstrumentationScope(SCOPE, "", semconv.SCHEMA_URL)
_UNSET = Status()


@dataclass(frozen=True, slots=True, kw_only=True)
class Exporters:
    """Where a process's telemetry goes."""

    spans: SpanExporter
    events: LogRecordExporter
    metrics: MetricExporter

    @classmethod
    def otlp(cls, config: TelemetryConfig, endpoint: str) -> Exporters:
        """Exporters that send protobuf over HTTP to the endpoint's ``/v1/...`` paths."""
        base, headers = endpoint.rstrip("/"), dict(config.headers)
        return cls(
            spans=OTLPSpanExporter(f"{base}/v1/traces", headers=headers, timeout=config.timeout_s),
            events=OTLPLogExporter(f"{base}/v1/logs", headers=headers, timeout=config.timeout_s),
            metrics=OTLPMetricExporter(f"{base}/v1/metrics", headers=headers, timeout=config.timeout_s),
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Pipeline:
    """The providers of one process, never set as OpenTelemetry's global ones.

    Attributes:
        spans: what takes ended spans.
        tallies: what became of the spans and events, where they wait in queues; empty where they do not.
    """

    resource: Resource
    spans: SpanProcessor
    tracers: TracerProvider
    meters: MeterProvider
    loggers: LoggerProvider
    tallies: Mapping[semconv.Signal, Tally]

    @classmethod
    def queued(cls, config: TelemetryConfig, resource: Resource, exporters: Exporters) -> Pipeline:
        """A pipeline that exports from threads of its own, with bounded queues before them."""
        breaker = Breaker()
        capacity = config.queue_size
        tallies = {semconv.Signal.SPANS: Tally(), semconv.Signal.EVENTS: Tally()}
        return cls.assembled(
            config,
            resource,
            SpanQueue(exporters.spans, breaker, tallies[semconv.Signal.SPANS], capacity=capacity),
            EventQueue(exporters.events, breaker, tallies[semconv.Signal.EVENTS], capacity=capacity),
            PeriodicExportingMetricReader(
                MetricDelivery(exporters.metrics, breaker), export_interval_millis=1_000 * config.metric_interval_s
            ),
            tallies,
        )

    @classmethod
    def assembled(
        cls,
        config: TelemetryConfig,
        resource: Resource,
        spans: SpanProcessor,
        events: LogRecordProcessor,
        metrics: MetricReader,
        tallies: Mapping[semconv.Signal, Tally] = MappingProxyType({}),
    ) -> Pipeline:
        """A pipeline of ready processors and a reader."""
        sampler = ParentBased(TraceIdRatioBased(config.sample_ratio))
        meters = MeterProvider([metrics], resource=resource, shutdown_on_exit=False)
        tracers = TracerProvider(sampler=sampler, resource=resource, shutdown_on_exit=False, meter_provider=meters)
        tracers.add_span_processor(spans)
        loggers = LoggerProvider(resource=resource, shutdown_on_exit=False, meter_provider=meters)
        loggers.add_log_record_processor(events)
        if tallies:
            _observe_tallies(meters, tallies, str(resource.attributes[semconv.ATTR_ACTOR_KIND]))
        return cls(resource=resource, spans=spans, tracers=tracers, meters=meters, loggers=loggers, tallies=tallies)

    def ended(
        self, name: str, start_ns: int, end_ns: int, attributes: Attributes | None, parent: SpanContext
    ) -> SpanContext:
        """Take in a span that is over, below a parent; its context.

        A fifth of the cost of starting and ending one: there is nothing to sample, lock or check.
        """
        context = SpanContext(parent.trace_id, _IDS.generate_span_id(), False, parent.trace_flags, parent.trace_state)
        if parent.trace_flags.sampled:
            self.spans.on_end(
                ReadableSpan(
                    name=name,
                    context=context,
                    parent=parent,
                    resource=self.resource,
                    attributes=dict(attributes or {}),
                    kind=SpanKind.INTERNAL,
                    status=_UNSET,
                    start_time=start_ns,
                    end_time=end_ns,
                    instrumentation_scope=_SCOPE,
                )
            )
        return context

    @property
    def flushes(self) -> tuple[Callable[[], object], ...]:
        """What sends all that waits. The SDK heeds no timeout here; run these in threads of their own."""
        return self.tracers.force_flush, self.loggers.force_flush, self.meters.force_flush

    @property
    def closes(self) -> tuple[Callable[[], object], ...]:
        """What sends all that waits and ends the threads; once."""
        return self.tracers.shutdown, self.loggers.shutdown, self.meters.shutdown


def resource_of(config: TelemetryConfig, *, actor_kind: semconv.ActorKind, instance: str) -> Resource:
    """What identifies a process. The instance is given, so that a restart does not make new series."""
    try:
        release = version("swarmlore")
    except PackageNotFoundError:  # run from a checkout that is not installed
        release = "0+unknown"
    return Resource.create(
        {
            semconv.ATTR_SERVICE_NAME: config.service_name,
            semconv.ATTR_SERVICE_NAMESPACE: config.service_namespace,
            semconv.ATTR_SERVICE_INSTANCE_ID: instance,
            semconv.ATTR_SERVICE_VERSION: release,
            semconv.ATTR_DEPLOYMENT_ENVIRONMENT_NAME: config.environment,
            semconv.ATTR_ACTOR_KIND: actor_kind.value,
        }
    )


def _observe_tallies(meters: MeterProvider, tallies: Mapping[semconv.Signal, Tally], actor_kind: str) -> None:
    """Metrics of what became of spans and events."""
    meter = meters.get_meter(SCOPE, schema_url=semconv.SCHEMA_URL)

    def reader(name: str) -> Callable[[CallbackOptions], Iterable[Observation]]:
        return lambda _: [
            Observation(getattr(tally, name), {semconv.ATTR_SIGNAL: signal.value, semconv.ATTR_ACTOR_KIND: actor_kind})
            for signal, tally in tallies.items()
        ]

    for metric, name in (
        (semconv.METRIC_TELEMETRY_DELIVERED, "delivered"),
        (semconv.METRIC_TELEMETRY_DROPPED, "dropped"),
    ):
        spec = semconv.METRICS[metric]
        meter.create_observable_counter(spec.name, [reader(name)], unit=spec.unit, description=spec.description)
    spec = semconv.METRICS[semconv.METRIC_TELEMETRY_PENDING]
    meter.create_observable_gauge(spec.name, [reader("pending")], unit=spec.unit, description=spec.description)
