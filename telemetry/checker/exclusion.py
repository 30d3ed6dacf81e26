"""What a registry keeps to itself: the annotation ``dependency_resolution: {exclude: true}``.

An attribute or a group so marked is not there for dependents. In its own registry only groups that are
kept back as well may use it, so that nothing leaks through them.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from telemetry.checker.declarations import AttributeSpec, GroupSpec
from telemetry.checker.diagnostics import Fault
from telemetry.checker.model import GroupType


def kept_back(spec: AttributeSpec | GroupSpec) -> bool:
    """Whether an attribute or a group is marked."""
    return _marked(spec.annotations or {})


def private(group: GroupSpec) -> bool:
    """Whether a group may use what is kept back: one that is marked, or an attribute group that is not public."""
    public = group.second and not group.internal
    return kept_back(group) or (group.type is GroupType.ATTRIBUTE_GROUP and not public)


def excluded(name: str, kind: str, used_in: str) -> Fault:
    """The fault of using something that is kept back."""
    message = f"{kind} '{name}' is marked as excluded from dependency resolution and cannot be used by '{used_in}'"
    fields = {"id": name, "type": kind, "used_in": used_in}
    return Fault(kind="ExcludedFromDependencyResolution", fields=fields, message=message)


def _marked(annotations: Mapping[str, Any]) -> bool:
    found = annotations.get("dependency_resolution")
    return isinstance(found, dict) and found.get("exclude") is True
