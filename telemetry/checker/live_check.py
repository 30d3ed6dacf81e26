"""Checks samples one by one against a registry, and counts what it found.

What is said about a sample depends on few things: of an attribute its name, its type, the value where it is an
enum's, and the signal that it sits in. So each judgement is made once, kept, and counted; counts reach the
statistics when they are asked for. Judgements are kept in bounded number.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from telemetry.checker.advice import (
    association_advice,
    attribute_advice,
    event_advice,
    metric_advice,
    requirement_advice,
)
from telemetry.checker.extensions import CardinalityMeter, Extensions, SpanMatcher
from telemetry.checker.findings import Advice, FindingLevel
from telemetry.checker.judgements import NO_SIGNAL, Judgement, Judgements, Node, Signal
from telemetry.checker.model import Group
from telemetry.checker.modifiers import Modifier
from telemetry.checker.policy import NamePolicy
from telemetry.checker.registry import Registry
from telemetry.checker.samples import (
    Attributes,
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
)
from telemetry.checker.statistics import Statistics


class LiveCheck:
    """A live check in progress. Not safe for threads: one caller at a time.

    Args:
        registry: what samples are held against.
        modifier: changes or drops findings.
        extensions: checks that Weaver does not have.
    """

    def __init__(
        self, registry: Registry, *, modifier: Modifier | None = None, extensions: Extensions | None = None
    ) -> None:
        chosen = extensions or Extensions()
        self.roots = 0
        self._registry = registry
        self._policy = NamePolicy(registry)
        self._enums = frozenset(name for name, found in registry.attributes.items() if found.is_enum)
        self._spans = SpanMatcher(registry) if chosen.spans else None
        self._meter = None if chosen.cardinality is None else CardinalityMeter(registry, chosen.cardinality)
        self._statistics = Statistics(registry)
        self._judgements = Judgements(self._count, modifier)
        self._resource: tuple[str, ...] = ()

    @property
    def statistics(self) -> Statistics:
        """The counts of everything that was checked."""
        self._judgements.settle()
        return self._statistics

    @property
    def highest(self) -> FindingLevel | None:
        """The worst level that was found."""
        return self.statistics.highest

    def extension_node(self) -> Node | None:
        """What the extensions counted; None when none is on."""
        self._judgements.settle()
        found: Node = {}
        if self._spans is not None:
            found |= self._spans.as_node()
        if self._meter is not None:
            found["metric_cardinality"] = self._meter.as_node()
        return found or None

    def check(self, sample: Sample) -> Node:
        """The sample with all of its findings, as the report has it: an object with one key, its kind.

        Signals are held against the most recent resource before them. Parts of the node are shared with other
        nodes; it must not be changed.
        """
        self.roots += 1
        match sample:
            case SpanSample():
                return {"span": self._span(sample)}
            case MetricSample():
                return {"metric": self._metric(sample)}
            case LogSample():
                return {"log": self._log(sample)}
            case ResourceSample():
                self._resource = tuple(attribute.name for attribute in sample.attributes)
                self._judgements.enter(Signal("resource", None))
                result = self._plain(Kind.RESOURCE)
                return {"resource": {"attributes": self._attributes(sample.attributes), "live_check_result": result}}
            case ScopeSample():
                return {"instrumentation_scope": self._scope(sample)}
            case AttributeSample():
                self._judgements.enter(NO_SIGNAL)
                return {"attribute": self._attributes((sample,))[0]}
            case SpanEventSample():
                self._judgements.enter(NO_SIGNAL)
                return {"span_event": self._span_event(sample)}
            case SpanLinkSample():
                self._judgements.enter(NO_SIGNAL)
                return {"span_link": self._span_link(sample)}
            case ProfileSample():
                self._judgements.enter(Signal("profile", None))
                result = self._plain(Kind.PROFILE)
                return {
                    "profile": {
                        "original_payload_format": sample.original_payload_format,
                        "attributes": self._attributes(sample.attributes),
                        "live_check_result": result,
                    }
                }

    # Samples of each kind

    def _span(self, span: SpanSample) -> Node:
        self._judgements.enter(Signal("span", span.name))
        if self._spans is None:
            result = self._plain(Kind.SPAN)
        else:
            matcher = self._spans
            key = (Kind.SPAN, span.kind, tuple([attribute.name for attribute in span.attributes]))
            result = self._judgements.judged(key, Kind.SPAN, lambda: matcher.advise(span), span.name, span.name)
        status = span.status
        return {
            "name": span.name,
            "kind": span.kind,
            "status": None if status is None else {"code": status[0], "message": status[1]},
            "attributes": self._attributes(span.attributes),
            "span_events": [self._span_event(event) for event in span.span_events],
            "span_links": [self._span_link(link) for link in span.span_links],
            "live_check_result": result,
        }

    def _span_event(self, event: SpanEventSample) -> Node:
        result = self._plain(Kind.SPAN_EVENT)
        return {"name": event.name, "attributes": self._attributes(event.attributes), "live_check_result": result}

    def _span_link(self, link: SpanLinkSample) -> Node:
        result = self._plain(Kind.SPAN_LINK)
        return {"attributes": self._attributes(link.attributes), "live_check_result": result}

    def _scope(self, scope: ScopeSample) -> Node:
        self._judgements.enter(NO_SIGNAL)
        result = self._plain(Kind.SCOPE)
        return {
            "name": scope.name,
            "version": scope.version,
            "schema_url": scope.schema_url,
            "attributes": self._attributes(scope.attributes),
            "dropped_attributes_count": scope.dropped_attributes_count,
            "live_check_result": result,
        }

    def _metric(self, metric: MetricSample) -> Node:
        self._judgements.enter(Signal("metric", metric.name))
        definition = self._registry.metric(metric.name)

        def advise() -> Iterable[Advice]:
            yield from metric_advice(metric.name, metric.instrument, metric.unit, definition)
            yield from self._policy.metric(metric.name)
            if definition is not None:
                yield from association_advice(definition.associations, self._registry, self._resource)

        key = (Kind.METRIC, metric.instrument, metric.unit, self._resource)
        result = self._judgements.judged(key, Kind.METRIC, advise, metric.name, metric.name)
        points = metric.data_points
        return {
            "name": metric.name,
            "instrument": metric.instrument,
            "unit": metric.unit,
            "data_points": None
            if points is None
            else [self._point(point, metric.name, definition) for point in points],
            "live_check_result": result,
        }

    def _log(self, log: LogSample) -> Node:
        self._judgements.enter(Signal("log", log.event_name))
        names = tuple([attribute.name for attribute in log.attributes])
        definition = self._registry.event(log.event_name) if log.event_name else None

        def advise() -> Iterable[Advice]:
            yield from event_advice(log.event_name, names, definition)
            if definition is not None:
                yield from association_advice(definition.associations, self._registry, self._resource)

        key = (Kind.LOG, names, self._resource)
        result = self._judgements.judged(key, Kind.LOG, advise, log.event_name, log.event_name)
        return {
            "event_name": log.event_name,
            "severity_number": log.severity_number,
            "severity_text": log.severity_text,
            "body": log.body,
            "attributes": self._attributes(log.attributes),
            "trace_id": log.trace_id,
            "span_id": log.span_id,
            "live_check_result": result,
        }

    def _point(self, point: Point, metric: str, definition: Group | None) -> Node:
        # Weaver holds exponential points against no requirements.
        needing = None if isinstance(point, ExponentialPoint) else definition
        further = self._meter.advise(metric, point.attributes) if self._meter is not None else []
        names = tuple([attribute.name for attribute in point.attributes])
        result = self._judgements.judged(
            (Kind.DATA_POINT, needing is None, names, tuple([advice.message for advice in further])),
            Kind.DATA_POINT,
            lambda: [*requirement_advice(names, needing), *further],
        )
        node: Node = {"attributes": self._attributes(point.attributes)}
        exemplars = [self._exemplar(exemplar) for exemplar in point.exemplars]
        match point:
            case NumberPoint():
                node["value"] = point.value
                node["flags"] = point.flags
            case HistogramPoint():
                node["count"] = point.count
                node["sum"] = point.sum
                node["bucket_counts"] = point.bucket_counts
                node["explicit_bounds"] = point.explicit_bounds
                node["min"] = point.min
                node["max"] = point.max
                node["flags"] = point.flags
            case ExponentialPoint():
                node["count"] = point.count
                node["sum"] = point.sum
                node["scale"] = point.scale
                node["zero_count"] = point.zero_count
                node["positive"] = _buckets(point.positive)
                node["negative"] = _buckets(point.negative)
                node["flags"] = point.flags
                node["min"] = point.min
                node["max"] = point.max
                node["zero_threshold"] = point.zero_threshold
        node["exemplars"] = exemplars
        node["live_check_result"] = result
        return node

    def _exemplar(self, exemplar: ExemplarSample) -> Node:
        result = self._plain(Kind.EXEMPLAR)
        return {
            "filtered_attributes": self._attributes(exemplar.filtered_attributes),
            "value": exemplar.value,
            "timestamp": exemplar.timestamp,
            "span_id": exemplar.span_id,
            "trace_id": exemplar.trace_id,
            "live_check_result": result,
        }

    def _attributes(self, attributes: Attributes) -> list[Node]:
        nodes: list[Node] = []
        enums, kept = self._enums, self._judgements.current
        for name, value, kind in attributes:
            valued = name in enums and (kind == "string" or kind == "int")
            key = (name, kind, value) if valued else (name, kind)
            judgement = kept.get(key)
            if judgement is None:
                judgement = self._judge_attribute(key, name, kind, value)
            judgement.seen += 1
            nodes.append({"name": name, "value": value, "type": kind, "live_check_result": judgement.node})
        return nodes

    def _plain(self, kind: Kind) -> Node:
        """The result of a sample about which nothing is ever said."""
        return self._judgements.judged(kind, kind, tuple)

    def _judge_attribute(self, key: Any, name: str, kind: str | None, value: Any) -> Judgement:
        definition = self._registry.attribute(name) or self._registry.template(name)
        advice = [*attribute_advice(name, kind, value, definition), *self._policy.attribute(name)]
        covers = definition.name if definition is not None and definition.is_template else name
        return self._judgements.make(key, Kind.ATTRIBUTE, advice, name, covers)

    def _count(self, signal: Signal, judgement: Judgement) -> None:
        self._statistics.add(judgement.kind, judgement.findings, name=judgement.covers, times=judgement.seen)
        if judgement.kind is Kind.SPAN and self._spans is not None and signal.name is not None:
            self._spans.saw(signal.name, judgement.seen)


def _buckets(buckets: Buckets | None) -> Node | None:
    return None if buckets is None else {"offset": buckets.offset, "bucket_counts": buckets.bucket_counts}
