"""Our own rules for the registry, on top of Weaver's.

Whatever Weaver calls an error or a warning is a fault here, and so is what its live check would say of
a name at run time. Then come the house's rules: attributes are defined in attribute groups, no unbounded
attribute on a metric, buckets for every histogram, seconds for every duration, and names that stay apart
after their way to Prometheus.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import replace
from itertools import pairwise
from pathlib import Path
from typing import TypeVar

from telemetry.checker.diagnostics import Diagnostic, Fault, RegistryError, Severity
from telemetry.checker.model import Attribute, Entity, Event, Group, GroupType, Metric, Span
from telemetry.checker.registry import Registry
from telemetry.checker.resolution import resolve
from telemetry.promnames import label_name, metric_name

G = TypeVar("G", bound=Group)

ROOT = "federated.learning"
_NAME = re.compile(r"[a-z][a-z0-9]*([._][a-z0-9]+)*")
_TYPES = (GroupType.ATTRIBUTE_GROUP, GroupType.SPAN, GroupType.EVENT, GroupType.METRIC, GroupType.ENTITY)


def read(folder: Path) -> Registry:
    """The registry in a folder.

    Raises:
        RegistryError: with all faults, Weaver's and ours, when there are any.
    """
    found = resolve(str(folder))
    faults = [replace(diagnostic, severity=Severity.ERROR) for diagnostic in found.diagnostics]
    if found.registry is not None:
        rules = (_group_faults, _metric_faults, _definition_faults, _name_faults)
        texts = [text for rule in rules for text in rule(found.registry)]
        faults += [Diagnostic(fault=Fault(kind="HouseRule", fields={"error": t}, message=t)) for t in texts]
    if faults or found.registry is None:
        raise RegistryError(faults)
    return found.registry


def declared(groups: Iterable[G]) -> list[G]:
    """The groups in the order of their files and lines."""
    return sorted(groups, key=lambda group: (group.file, group.line))


def signals(registry: Registry, kind: type[G]) -> list[G]:
    """The groups of one kind, `Span` or `Metric` for instance, in the order of their files and lines."""
    return declared(group for group in registry.groups if isinstance(group, kind))


def definitions(registry: Registry) -> dict[str, Attribute]:
    """Every attribute as its attribute group defines it, by name, in the order of files and lines."""
    groups = [group for group in registry.groups if group.type is GroupType.ATTRIBUTE_GROUP]
    found = [attribute for group in groups for attribute in group.attributes]
    return {attribute.name: attribute for attribute in sorted(found, key=lambda item: (item.file, item.line))}


def bounded(attribute: Attribute) -> bool:
    """Whether an attribute takes few enough values for a metric."""
    return attribute.annotations.get("cardinality") != "unbounded"


def prometheus_name(name: str, instrument: str, unit: str) -> str:
    """The name under which a metric arrives in Prometheus, without ``_bucket`` and the like."""
    return metric_name(name, unit=unit, instrument=instrument)


def _at(group: Group) -> str:
    return f"{group.file}: {group.id}"


def _group_faults(registry: Registry) -> Iterator[str]:
    defined = definitions(registry)
    for group in registry.groups:
        if group.type not in _TYPES:
            yield f"{_at(group)}: the type {group.type} has no place here"
        elif group.type is not GroupType.ATTRIBUTE_GROUP:
            for attribute in group.attributes:
                if attribute.name not in defined:
                    yield f"{_at(group)}: {attribute.name} is not defined in an attribute group"
        if isinstance(group, Span) and f"span.{group.name}" != group.id:
            yield f"{_at(group)}: the id of a span is span. and its name"
    carriers = (group for group in registry.groups if group.type is not GroupType.ATTRIBUTE_GROUP)
    used = {attribute.name for group in carriers for attribute in group.attributes}
    yield from (f"{found.file}: nothing refers to {name}" for name, found in defined.items() if name not in used)


def _metric_faults(registry: Registry) -> Iterator[str]:
    for metric in signals(registry, Metric):
        if metric.unit == "1":
            yield f"{_at(metric)}: unit 1 gets a suffix from some exporters and none from others; use a word in braces"
        if metric.name.endswith("_duration") != (metric.unit == "s"):
            yield f"{_at(metric)}: a metric ends in _duration when its unit is s, and only then"
        buckets = metric.annotations.get("buckets")
        if (metric.instrument == "histogram") != (buckets is not None):
            yield f"{_at(metric)}: a histogram has the annotation buckets, and nothing else has"
        if buckets is not None and not _rising(buckets):
            yield f"{_at(metric)}: buckets must rise"
        for attribute in metric.attributes:
            if not bounded(attribute):
                yield f"{_at(metric)}: it is a metric, and {attribute.name} may take any number of values"


def _rising(buckets: object) -> bool:
    if not isinstance(buckets, list) or not buckets:
        return False
    return all(isinstance(edge, int | float) for edge in buckets) and all(b > a for a, b in pairwise(buckets))


def _definition_faults(registry: Registry) -> Iterator[str]:
    for name, attribute in definitions(registry).items():
        if attribute.is_enum:
            for member in attribute.members:
                if not isinstance(member.value, str) or not member.brief:
                    yield f"{attribute.file}: {name}: {member.id}: a member has a brief, and its value is a string"
            values = Counter(member.value for member in attribute.members)
            yield from (f"{attribute.file}: {name}: value {v} occurs {n} times" for v, n in values.items() if n > 1)
        elif not attribute.is_template and not isinstance(attribute.examples, list):
            yield f"{attribute.file}: {name}: examples must be a list"
        elif attribute.is_template or attribute.type == "any":
            yield f"{attribute.file}: {name}: the generated code knows no attribute of type {attribute.type}"


def _name_faults(registry: Registry) -> Iterator[str]:
    attributes = list(definitions(registry))
    metrics = signals(registry, Metric)
    named = [group for kind in (Span, Event) for group in signals(registry, kind)]
    flat = [prometheus_name(metric.name, metric.instrument, metric.unit) for metric in metrics]
    yield from _twice(flat, "Prometheus name")
    yield from _twice([label_name(name) for name in attributes], "Prometheus label")
    yield from _twice([group.name for group in (*named, *signals(registry, Entity))], "span, event or entity")
    for name in (*attributes, *(group.name for group in (*metrics, *named, *signals(registry, Entity)))):
        if not _NAME.fullmatch(name):
            yield f"name {name} is not lower case words joined by . or _"
    for group in (*metrics, *named):
        if not group.name.startswith(f"{ROOT}."):
            yield f"name {group.name} does not start with {ROOT}."
    yield from prefix_faults(attributes)


def prefix_faults(names: Iterable[str]) -> Iterator[str]:
    """What Weaver's live check would say of attribute names: no namespace, or one that is an attribute itself."""
    known = set(names)
    for name in sorted(known):
        parts = name.split(".")
        if len(parts) == 1:
            yield f"attribute {name} has no namespace"
        for n in range(1, len(parts)):
            if ".".join(parts[:n]) in known:
                yield f"attribute {'.'.join(parts[:n])} is a dotted prefix of {name}"


def _twice(names: list[str], what: str) -> Iterator[str]:
    yield from (f"{what} {name} occurs {n} times" for name, n in Counter(names).items() if n > 1)
