"""What Weaver's default policy (``live_check_advice/otel.rego``) says about names.

These rules run on every attribute wherever it sits, and on every metric. No rule looks at the names of spans,
span events, events or enum members.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from itertools import accumulate

from telemetry.checker.findings import Advice, FindingId, FindingLevel
from telemetry.checker.registry import Registry

DEEPEST = 64
"""Dotted prefixes of a name that are looked at: a name that is all dots must not cost the square of its length."""

_NAME = re.compile(r"[a-z][a-z0-9]*([._][a-z0-9]+)*")


class NamePolicy:
    """The rules, with the names of one registry."""

    def __init__(self, registry: Registry) -> None:
        self._registered = frozenset(registry.attributes)
        self._reserved = frozenset(name for name, found in registry.attributes.items() if found.deprecated is None)
        self._templates = tuple(registry.templates)
        self._namespaces = frozenset(namespace for name in registry.attributes for namespace in namespaces(name))

    def attribute(self, name: str) -> list[Advice]:
        """Advice about the name of an attribute, in the order of a Rego set: by context, then level, then id."""
        return sorted(self._attribute(name), key=_rego_order)

    def metric(self, name: str) -> list[Advice]:
        """Advice about the name of a metric."""
        if _NAME.fullmatch(name):
            return []
        return [
            Advice(
                id=FindingId.INVALID_FORMAT,
                level=FindingLevel.VIOLATION,
                message=f"Metric name '{name}' does not match name formatting rules.",
                context={"metric_name": name},
            )
        ]

    def _attribute(self, name: str) -> Iterator[Advice]:
        prefixes = namespaces(name)
        templated = name.startswith(self._templates)
        if not prefixes:
            yield Advice(
                id=FindingId.MISSING_NAMESPACE,
                level=FindingLevel.IMPROVEMENT,
                # The braces are Weaver's, word for word.
                message=f"Attribute key '{name}' must include a namespace (e.g. '{{namespace}}.{{attribute_key}}')",
                context={"attribute_key": name},
            )
        if not templated and not _NAME.fullmatch(name):
            yield Advice(
                id=FindingId.INVALID_FORMAT,
                level=FindingLevel.VIOLATION,
                message=f"Attribute key '{name}' does not match name formatting rules.",
                context={"attribute_key": name},
            )
        for namespace in prefixes:
            if namespace in self._reserved:
                yield Advice(
                    id=FindingId.ILLEGAL_NAMESPACE,
                    level=FindingLevel.VIOLATION,
                    message=f"Namespace '{namespace}' collides with existing attribute '{name}'",
                    context={"attribute_key": name, "namespace": namespace},
                )
        extended = [namespace for namespace in prefixes if namespace in self._namespaces]
        if extended and not templated and name not in self._registered:
            yield Advice(
                id=FindingId.EXTENDS_NAMESPACE,
                level=FindingLevel.INFORMATION,
                message=f"Attribute key '{name}' collides with existing namespace '{extended[-1]}'",
                context={"attribute_key": name, "namespace": extended[-1]},
            )


def namespaces(name: str) -> list[str]:
    """The proper dotted prefixes of a name, the shortest first; at most `DEEPEST` of them."""
    parts = name.split(".", DEEPEST + 1)
    return list(accumulate(parts[: min(len(parts) - 1, DEEPEST)], lambda left, right: f"{left}.{right}"))


def _rego_order(advice: Advice) -> tuple[object, ...]:
    return tuple(sorted((advice.context or {}).items())), advice.level.value, str(advice.id)
