"""Checks that Weaver does not have; off unless asked for, with finding ids of their own.

- spans: a span is held against the span definition of its name: kind, required and recommended attributes,
  attributes that the definition does not list, deprecation. Weaver 0.26 in v1 mode matches no span to anything.
- cardinality: how many values an attribute takes on a metric, attributes that the registry annotates with
  ``cardinality: unbounded``, and the overflow series into which an SDK folds what is too much.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from telemetry.checker.findings import Advice, FindingId, FindingLevel
from telemetry.checker.model import Level, Span
from telemetry.checker.registry import Registry
from telemetry.checker.samples import Attributes, SpanSample
from telemetry.checker.statistics import MAX_NAMES, OTHERS, single_precision

DEFAULT_LIMIT = 100
OVERFLOW = "otel.metric.overflow"
"""Attribute of the series that the OpenTelemetry SDK makes when a metric has too many."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Extensions:
    """Which extensions are on.

    Attributes:
        spans: match spans to span definitions.
        cardinality: values that an attribute may take on one metric; None for no such check.
    """

    spans: bool = False
    cardinality: int | None = None

    def __post_init__(self) -> None:
        if self.cardinality is not None and self.cardinality < 1:
            raise ValueError(f"cardinality is {self.cardinality}; it must be 1 or more.")


class SpanMatcher:
    """Holds spans against the span definitions of a registry."""

    def __init__(self, registry: Registry) -> None:
        self._registry = registry
        self._seen = {span.name: 0 for span in registry.spans.values() if span.deprecated is None}
        self._strange: Counter[str] = Counter()

    def advise(self, span: SpanSample) -> list[Advice]:
        """Advice about a span; depends on its name, its kind and the names of its attributes only."""
        definition = self._registry.span(span.name)
        if definition is None:
            return [
                Advice(
                    id=FindingId.SPAN_MISSING,
                    level=FindingLevel.VIOLATION,
                    message=f"Span '{span.name}' does not exist in the registry.",
                    context={"span_name": span.name},
                )
            ]
        return list(_span_advice(span, definition))

    def saw(self, name: str, times: int) -> None:
        """Count spans of a name."""
        definition = self._registry.span(name)
        if definition is not None and definition.name in self._seen:
            self._seen[definition.name] += times
        else:
            known = name in self._strange or len(self._strange) < MAX_NAMES
            self._strange[name if known else OTHERS] += times

    def as_node(self) -> dict[str, Any]:
        """How much of the registry's spans was seen, like Weaver's counts of metrics and events."""
        seen = sum(n > 0 for n in self._seen.values())
        return {
            "seen_registry_spans": dict(self._seen),
            "seen_non_registry_spans": dict(self._strange),
            "span_coverage": single_precision(seen / len(self._seen)) if self._seen else 0.0,
        }


def _span_advice(span: SpanSample, definition: Span) -> Iterable[Advice]:
    name = {"span_name": span.name}
    if definition.deprecated is not None:
        yield Advice(
            id=FindingId.SPAN_DEPRECATED,
            level=FindingLevel.VIOLATION,
            message=f"Span '{span.name}' is deprecated; note = '{definition.deprecated.note}'.",
            context=name | {"deprecation_note": definition.deprecated.note},
        )
    if definition.kind is not None and definition.kind != span.kind:
        yield Advice(
            id=FindingId.SPAN_KIND_MISMATCH,
            level=FindingLevel.VIOLATION,
            message=f"Kind of span '{span.name}' should be '{definition.kind}', but found '{span.kind}'.",
            context=name | {"kind": span.kind, "expected": definition.kind},
        )
    present = [attribute.name for attribute in span.attributes]
    families = tuple(attribute.name for attribute in definition.attributes if attribute.is_template)
    for attribute in definition.attributes:
        wanted = _WANTED.get(attribute.level)
        held = any(key.startswith(attribute.name) for key in present) if attribute.is_template else False
        if wanted is None or held or attribute.name in present:
            continue
        finding, title, level = wanted
        yield Advice(
            id=finding,
            level=level,
            message=f"{title} attribute '{attribute.name}' of span '{span.name}' is not present.",
            context=name | {"attribute_key": attribute.name},
        )
    listed = {attribute.name for attribute in definition.attributes}
    for key in dict.fromkeys(present):
        if key not in listed and not key.startswith(families):
            yield Advice(
                id=FindingId.SPAN_UNEXPECTED_ATTRIBUTE,
                level=FindingLevel.IMPROVEMENT,
                message=f"Attribute '{key}' is not one that span '{span.name}' lists.",
                context=name | {"attribute_key": key},
            )


_WANTED = {
    Level.REQUIRED: (FindingId.SPAN_REQUIRED_ATTRIBUTE_NOT_PRESENT, "Required", FindingLevel.VIOLATION),
    Level.RECOMMENDED: (FindingId.SPAN_RECOMMENDED_ATTRIBUTE_NOT_PRESENT, "Recommended", FindingLevel.IMPROVEMENT),
}


class CardinalityMeter:
    """Counts the values that attributes take on metrics; never keeps more than ``limit`` + 1 of each."""

    def __init__(self, registry: Registry, limit: int) -> None:
        self._registry = registry
        self._limit = limit
        self._values: dict[tuple[str, str], set[tuple[str | None, str]]] = {}

    def advise(self, metric: str, attributes: Attributes) -> list[Advice]:
        """Advice about the attributes of a data point; depends on all points of the metric before it."""
        return [advice for attribute in attributes for advice in self._advise(metric, *attribute)]

    def _advise(self, metric: str, key: str, value: Any, type: str | None) -> Iterable[Advice]:
        context = {"metric_name": metric, "attribute_key": key}
        if key == OVERFLOW and value is True:
            yield Advice(
                id=FindingId.METRIC_OVERFLOW,
                level=FindingLevel.VIOLATION,
                message=f"Metric '{metric}' has more series than its SDK keeps.",
                context=context,
            )
            return
        definition = self._registry.attribute(key)
        if definition is not None and definition.annotations.get("cardinality") == "unbounded":
            yield Advice(
                id=FindingId.METRIC_ATTRIBUTE_UNBOUNDED,
                level=FindingLevel.VIOLATION,
                message=f"Attribute '{key}' of metric '{metric}' may take any number of values.",
                context=context,
            )
        if self._full(metric, key, type, value):
            yield Advice(
                id=FindingId.METRIC_ATTRIBUTE_CARDINALITY,
                level=FindingLevel.VIOLATION,
                message=f"Attribute '{key}' of metric '{metric}' takes more than {self._limit} values.",
                context=context | {"limit": self._limit},
            )

    def _full(self, metric: str, key: str, type: str | None, value: Any) -> bool:
        values = self._values.get((metric, key))
        if values is None:
            if len(self._values) >= MAX_NAMES:
                return False
            values = self._values[metric, key] = set()
        if len(values) <= self._limit:
            values.add((type, repr(value)[:256]))
        return len(values) > self._limit

    def as_node(self) -> dict[str, dict[str, int]]:
        """Distinct values by metric and attribute; ``limit`` + 1 stands for any more."""
        found: dict[str, dict[str, int]] = {}
        for (metric, key), values in self._values.items():
            found.setdefault(metric, {})[key] = len(values)
        return found
