"""What live-check has to say about a sample: identifiers, levels and the records that carry them.

Spelled as OpenTelemetry Weaver spells them, so that filters and graders written for it keep working.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Any


class FindingLevel(StrEnum):
    """How bad a finding is, from the least to the worst."""

    INFORMATION = "information"
    IMPROVEMENT = "improvement"
    VIOLATION = "violation"

    @property
    def rank(self) -> int:
        """0 for the least, 2 for the worst."""
        return _RANKS[self]


_RANKS = {level: rank for rank, level in enumerate(FindingLevel)}


class FindingId(StrEnum):
    """The findings that Weaver has built in, then those of its default policy, then our extensions."""

    MISSING_ATTRIBUTE = "missing_attribute"
    TEMPLATE_ATTRIBUTE = "template_attribute"
    MISSING_METRIC = "missing_metric"
    MISSING_EVENT = "missing_event"
    DEPRECATED = "deprecated"
    NOT_STABLE = "not_stable"
    TYPE_MISMATCH = "type_mismatch"
    UNDEFINED_ENUM_VARIANT = "undefined_enum_variant"
    UNEXPECTED_INSTRUMENT = "unexpected_instrument"
    UNIT_MISMATCH = "unit_mismatch"
    REQUIRED_ATTRIBUTE_NOT_PRESENT = "required_attribute_not_present"
    RECOMMENDED_ATTRIBUTE_NOT_PRESENT = "recommended_attribute_not_present"
    OPT_IN_ATTRIBUTE_NOT_PRESENT = "opt_in_attribute_not_present"
    CONDITIONALLY_REQUIRED_ATTRIBUTE_NOT_PRESENT = "conditionally_required_attribute_not_present"
    ENTITY_REQUIRED_ATTRIBUTE_NOT_PRESENT = "entity_required_attribute_not_present"
    ENTITY_RECOMMENDED_ATTRIBUTE_NOT_PRESENT = "entity_recommended_attribute_not_present"
    ENTITY_OPT_IN_ATTRIBUTE_NOT_PRESENT = "entity_opt_in_attribute_not_present"
    ENTITY_CONDITIONALLY_REQUIRED_ATTRIBUTE_NOT_PRESENT = "entity_conditionally_required_attribute_not_present"
    ENTITY_ASSOCIATION_NOT_SATISFIED = "entity_association_not_satisfied"

    MISSING_NAMESPACE = "missing_namespace"
    INVALID_FORMAT = "invalid_format"
    ILLEGAL_NAMESPACE = "illegal_namespace"
    EXTENDS_NAMESPACE = "extends_namespace"

    SPAN_MISSING = "span_missing"
    SPAN_DEPRECATED = "span_deprecated"
    SPAN_KIND_MISMATCH = "span_kind_mismatch"
    SPAN_REQUIRED_ATTRIBUTE_NOT_PRESENT = "span_required_attribute_not_present"
    SPAN_RECOMMENDED_ATTRIBUTE_NOT_PRESENT = "span_recommended_attribute_not_present"
    SPAN_UNEXPECTED_ATTRIBUTE = "span_unexpected_attribute"
    METRIC_ATTRIBUTE_UNBOUNDED = "metric_attribute_unbounded"
    METRIC_ATTRIBUTE_CARDINALITY = "metric_attribute_cardinality"
    METRIC_OVERFLOW = "metric_overflow"


@dataclass(frozen=True, slots=True, kw_only=True)
class Advice:
    """A finding that does not know yet in which signal the sample sits.

    Attributes:
        context: what the message speaks of, for programs; None where Weaver gives none.
    """

    id: str
    level: FindingLevel
    message: str
    context: Mapping[str, Any] | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """A finding, with the signal whose sample it was found in.

    Attributes:
        signal_type: ``span metric log resource profile``, or None for a sample that is no signal.
        signal_name: name of the span, metric or event; the empty string for a log record without an event name.
    """

    id: str
    level: FindingLevel
    message: str
    context: Mapping[str, Any] | None
    signal_type: str | None
    signal_name: str | None

    def as_node(self) -> dict[str, Any]:
        """The finding as the report has it; its keys are in Weaver's order, those of the context sorted."""
        return {
            "type": "PolicyFinding",
            "id": str(self.id),
            "context": None if self.context is None else dict(sorted(self.context.items())),
            "message": self.message,
            "level": self.level.value,
            "signal_type": self.signal_type,
            "signal_name": self.signal_name,
        }


def worst(findings: Iterable[Finding | Advice]) -> FindingLevel | None:
    """The highest level among the findings; None without any."""
    return max((finding.level for finding in findings), key=lambda level: level.rank, default=None)
