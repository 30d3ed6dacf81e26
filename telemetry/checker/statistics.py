"""Counts over all that was checked, as Weaver's report has them."""

from __future__ import annotations

import struct
from collections import Counter
from collections.abc import Iterable, Mapping
from typing import Any

from telemetry.checker.findings import Advice, Finding, FindingLevel, worst
from telemetry.checker.model import Event, Metric
from telemetry.checker.registry import Registry
from telemetry.checker.samples import Kind

MAX_NAMES = 10_000
"""Names, or messages, that one map of counts holds; what comes after is counted under `OTHERS`."""

LONGEST_NAME = 1_024
"""Characters of a name, or message, that is counted; the rest of it is cut off."""

OTHERS = "(others)"


class Statistics:
    """Counts of samples, findings and names; bounded however much is checked.

    Deprecated names are none of the registry's here, as in Weaver: they stay out of coverage.
    """

    def __init__(self, registry: Registry) -> None:
        groups = registry.groups
        self._by_kind: Counter[str] = Counter()
        self._levels: Counter[FindingLevel] = Counter()
        self._worst: Counter[FindingLevel] = Counter()
        self._ids: Counter[str] = Counter()
        self._messages: Counter[str] = Counter()
        self._clean = 0
        self._seen: dict[Kind, dict[str, int]] = {
            Kind.ATTRIBUTE: {a.name: 0 for group in groups for a in group.attributes if a.deprecated is None},
            Kind.METRIC: {g.name: 0 for g in groups if isinstance(g, Metric) and g.deprecated is None},
            Kind.LOG: {g.name: 0 for g in groups if isinstance(g, Event) and g.deprecated is None},
        }
        self._strange: dict[Kind, Counter[str]] = {kind: Counter() for kind in self._seen}

    @property
    def total(self) -> int:
        """Samples, with all samples inside of them."""
        return self._by_kind.total()

    @property
    def highest(self) -> FindingLevel | None:
        """The worst level so far; None without findings."""
        return max(self._worst, key=lambda level: level.rank, default=None)

    def count(self, level: FindingLevel) -> int:
        """Findings of a level."""
        return self._levels[level]

    def add(self, kind: Kind, findings: Iterable[Finding | Advice], *, name: str | None = None, times: int = 1) -> None:
        """Count a sample that was seen so many times, what was found in it each time, and the name it covers."""
        found = tuple(findings)
        self._by_kind[kind.value] += times
        for finding in found:
            self._levels[finding.level] += times
            self._ids[str(finding.id)] += times
            _bounded(self._messages, finding.message, times)
        level = worst(found)
        if level is None:
            self._clean += times
        else:
            self._worst[level] += times
        if kind in self._seen and name:
            known = self._seen[kind]
            if name in known:
                known[name] += times
            else:
                _bounded(self._strange[kind], name, times)

    def unseen(self) -> dict[str, list[str]]:
        """The names of the registry that were not seen, by kind."""
        return {kind.value: [name for name, n in names.items() if not n] for kind, names in self._seen.items()}

    def coverage(self) -> float:
        """Share of the registry's attributes, metrics and events that were seen; 0 for an empty registry."""
        counts = [n for names in self._seen.values() for n in names.values()]
        return single_precision(sum(n > 0 for n in counts) / len(counts)) if counts else 0.0

    def as_node(self) -> dict[str, Any]:
        """The statistics as the report has them."""
        seen, strange = self._seen, self._strange
        return {
            "total_entities": self.total,
            "total_entities_by_type": dict(self._by_kind),
            "total_advisories": self._levels.total(),
            "advice_level_counts": _by_level(self._levels),
            "highest_advice_level_counts": _by_level(self._worst),
            "no_advice_count": self._clean,
            "advice_type_counts": dict(self._ids),
            "advice_message_counts": dict(self._messages),
            "seen_registry_attributes": dict(seen[Kind.ATTRIBUTE]),
            "seen_non_registry_attributes": dict(strange[Kind.ATTRIBUTE]),
            "seen_registry_metrics": dict(seen[Kind.METRIC]),
            "seen_non_registry_metrics": dict(strange[Kind.METRIC]),
            "seen_registry_events": dict(seen[Kind.LOG]),
            "seen_non_registry_events": dict(strange[Kind.LOG]),
            "registry_coverage": self.coverage(),
        }


def single_precision(value: float) -> float:
    """The number whose shortest decimal form is that of the nearest 32-bit float, which is what Weaver writes."""
    packed = struct.pack("<f", value)
    [exact] = struct.unpack("<f", packed)
    return next(short for digits in range(1, 10) if struct.pack("<f", short := float(f"{exact:.{digits}g}")) == packed)


def _bounded(counts: Counter[str], name: str, times: int) -> None:
    name = name[:LONGEST_NAME]
    counts[name if name in counts or len(counts) < MAX_NAMES else OTHERS] += times


def _by_level(counts: Mapping[FindingLevel, int]) -> dict[str, int]:
    return {level.value: counts[level] for level in FindingLevel if counts.get(level)}
