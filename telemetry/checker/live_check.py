"""Checks samples one by one against a registry, and counts what it found.

What is said about a sample depends on few things: of an attribute its name, its type, the value where it is an
enum's, and the signal that it sits in. So each judgement is made once, kept, and counted; counts reach the
statistics when they are asked for. Judgements are kept in bounded number.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import Any, NamedTuple

from telemetry.checker.advice import (
    association_advice,
    attribute_advice,
    event_advice,
    metric_advice,
    requirement_advice,
)
from telemetry.checker.extensions import CardinalityMeter, Extensions, SpanMatcher
from telemetry.checker.findings import Advice, Finding, FindingLevel, worst
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

MAX_JUDGEMENTS = 50_000
LONGEST_KEPT = 256
"""Characters of a name or value of which a judgement is kept; above, it is made anew each time."""

Node = dict[str, Any]


class Signal(NamedTuple):
    """The root sample that findings are about: its type and name, None for one that is no signal."""

    type: str | None
    name: str | None


NO_SIGNAL = Signal(None, None)


class _Judgement:
    """What is said about equal samples, and how many of them were seen since the last count."""

    __slots__ = ("covers", "findings", "kind", "node", "seen")

    def __init__(self, kind: Kind, findings: Sequence[Finding], covers: str | None) -> None:
        self.kind = kind
        self.findings = findings
        self.covers = covers
        self.seen = 0
        level = worst(findings)
        # One object in all reports of equal samples; nobody changes it.
        self.node: Node = {
            "all_advice": [finding.as_node() for finding in findings],
            "highest_advice_level": None if level is None else level.value,
        }


_Kept = dict[Any, _Judgement]


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
        self._modifier = modifier
        self._policy = NamePolicy(registry)
        self._enums = frozenset(name for name, found in registry.attributes.items() if found.is_enum)
        self._spans = SpanMatcher(registry) if chosen.spans else None
        self._meter = None if chosen.cardinality is None else CardinalityMeter(registry, chosen.cardinality)
        self._statistics = Statistics(registry)
        self._kept: dict[Signal, _Kept] = {}
        self._signal = NO_SIGNAL
        self._judgements: _Kept = {}
        self._n = 0
        self._resource: tuple[str, ...] = ()

    @property
    def statistics(self) -> Statistics:
        """The counts of everything that was checked."""
        self._settle()
        return self._statistics

    @property
    def highest(self) -> FindingLevel | None:
        """The worst level that was found."""
        return self.statistics.highest

    def extension_node(self) -> Node | None:
        """What the extensions counted; None when none is on."""
        self._settle()
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
                self._enter(Signal("resource", None))
                result = self._plain(Kind.RESOURCE)
                return {"resource": {"attributes": self._attributes(sample.attributes), "live_check_result": result}}
            case ScopeSample():
                return {"instrumentation_scope": self._scope(sample)}
            case AttributeSample():
                self._enter(NO_SIGNAL)
                return {"attribute": self._attributes((sample,))[0]}
            case SpanEventSample():
                self._enter(NO_SIGNAL)
                return {"span_event": self._span_event(sample)}
            case SpanLinkSample():
                self._enter(NO_SIGNAL)
                return {"span_link": self._span_link(sample)}
            case ProfileSample():
                self._enter(Signal("profile", None))
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
        self._enter(Signal("span", span.name))
        if self._spans is None:
            result = self._plain(Kind.SPAN)
        else:
            matcher = self._spans
            key = (Kind.SPAN, span.kind, tuple([attribute.name for attribute in span.attributes]))
            result = self._judged(key, Kind.SPAN, lambda: matcher.advise(span), span.name, span.name)
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
        self._enter(NO_SIGNAL)
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
        self._enter(Signal("metric", metric.name))
        definition = self._registry.metric(metric.name)

        def advise() -> Iterable[Advice]:
            yield from metric_advice(metric.name, metric.instrument, metric.unit, definition)
            yield from self._policy.metric(metric.name)
            if definition is not None:
                yield from association_advice(definition.associations, self._registry, self._resource)

        key = (Kind.METRIC, metric.instrument, metric.unit, self._resource)
        result = self._judged(key, Kind.METRIC, advise, metric.name, metric.name)
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
        self._enter(Signal("log", log.event_name))
        names = tuple([attribute.name for attribute in log.attributes])
        definition = self._registry.event(log.event_name) if log.event_name else None

        def advise() -> Iterable[Advice]:
            yield from event_advice(log.event_name, names, definition)
            if definition is not None:
                yield from association_advice(definition.associations, self._registry, self._resource)

        key = (Kind.LOG, names, self._resource)
        result = self._judged(key, Kind.LOG, advise, log.event_name, log.event_name)
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
        result = self._judged(
            (Kind.DATA_POINT, needing is None, names, tuple([advice.message for advice in further])),
            Kind.DATA_POINT,
            lambda: [*requirement_advice(names, needing), *further],
            None,
            None,
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
        enums, kept = self._enums, self._judgements
        for name, value, kind in attributes:
            valued = name in enums and (kind == "string" or kind == "int")
            key = (name, kind, value) if valued else (name, kind)
            judgement = kept.get(key)
            if judgement is None:
                judgement = self._judge_attribute(key, name, kind, value)
            judgement.seen += 1
            nodes.append({"name": name, "value": value, "type": kind, "live_check_result": judgement.node})
        return nodes

    # Judgements

    def _enter(self, signal: Signal) -> None:
        """What follows is about this signal."""
        found = self._kept.get(signal)
        if found is None:
            if len(signal.name or "") > LONGEST_KEPT or self._n > MAX_JUDGEMENTS:
                self._settle()
            found = self._kept[signal] = {}
            self._n += 1
        self._signal, self._judgements = signal, found

    def _plain(self, kind: Kind) -> Node:
        """The result of a sample about which nothing is ever said."""
        return self._judged(kind, kind, tuple, None, None)

    def _judged(
        self,
        key: Any,
        kind: Kind,
        advise: Callable[[], Iterable[Advice]],
        sample_name: str | None,
        covers: str | None,
    ) -> Node:
        judgement = self._judgements.get(key)
        if judgement is None:
            judgement = self._keep(key, _Judgement(kind, self._findings(advise(), sample_name), covers))
        judgement.seen += 1
        return judgement.node

    def _judge_attribute(self, key: Any, name: str, type: str | None, value: Any) -> _Judgement:
        definition = self._registry.attribute(name) or self._registry.template(name)
        advice = [*attribute_advice(name, type, value, definition), *self._policy.attribute(name)]
        covers = definition.name if definition is not None and definition.is_template else name
        return self._keep(key, _Judgement(Kind.ATTRIBUTE, self._findings(advice, name), covers))

    def _findings(self, advice: Iterable[Advice], sample_name: str | None) -> list[Finding]:
        signal = self._signal
        made = (
            Finding(
                id=one.id,
                level=one.level,
                message=one.message,
                context=one.context,
                signal_type=signal.type,
                signal_name=signal.name,
            )
            for one in advice
        )
        if self._modifier is None:
            return list(made)
        changed = (self._modifier.apply(finding, sample_name) for finding in made)
        return [finding for finding in changed if finding is not None]

    def _keep(self, key: Any, judgement: _Judgement) -> _Judgement:
        weight = 1 + (sum(map(_weight, key)) if isinstance(key, tuple) else 0) // LONGEST_KEPT
        if self._n + weight > MAX_JUDGEMENTS:
            self._settle()
        self._judgements[key] = judgement
        self._n += weight
        return judgement

    def _settle(self) -> None:
        """Count what was seen, and forget all judgements; those of the sample under way go on in the same place."""
        for signal, kept in self._kept.items():
            for judgement in kept.values():
                if judgement.seen:
                    self._statistics.add(
                        judgement.kind, judgement.findings, name=judgement.covers, times=judgement.seen
                    )
                    if judgement.kind is Kind.SPAN and self._spans is not None and signal.name is not None:
                        self._spans.saw(signal.name, judgement.seen)
                    judgement.seen = 0
            kept.clear()
        self._kept = {self._signal: self._judgements}
        self._n = 1


def _weight(part: Any) -> int:
    """About how many characters a part of a key holds."""
    if isinstance(part, str):
        return len(part)
    return sum(map(_weight, part)) if isinstance(part, tuple) else 0


def _buckets(buckets: Buckets | None) -> Node | None:
    return None if buckets is None else {"offset": buckets.offset, "bucket_counts": buckets.bucket_counts}
