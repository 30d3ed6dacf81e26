"""Groups and attributes as a file declares them, before anything refers to anything."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from telemetry.checker.model import Association, Deprecation, GroupType, Level, Member, Stability


@dataclass(frozen=True, slots=True, kw_only=True)
class AttributeSpec:
    """An attribute of a group: a definition, or a reference to one with overrides.

    Attributes:
        name: its id, or the id that it refers to.
        reference: whether it is a reference. None in any field below then means: as defined.
        type: as in `telemetry.checker.model.Attribute`.
        prefix: whether the group's obsolete prefix stands before the name.
        file: where it is declared, relative to the registry.
        line: line of the file, from 1.
    """

    name: str
    reference: bool
    type: str = ""
    members: tuple[Member, ...] = ()
    brief: str | None = None
    note: str | None = None
    examples: Any = None
    tag: str | None = None
    level: Level | None = None
    condition: str = ""
    sampling_relevant: bool | None = None
    stability: Stability | None = None
    deprecated: Deprecation | None = None
    annotations: Mapping[str, Any] | None = None
    role: str | None = None
    prefix: bool = False
    file: str = ""
    line: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class BodySpec:
    """The body of an event, or one field of it."""

    id: str
    type: str
    stability: Stability | None = None
    examples: Any = None
    members: tuple[Member, ...] = ()
    fields: tuple[BodySpec, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class GroupSpec:
    """A group as a file declares it. Fields as in `telemetry.checker.model.Group`, and:

    Attributes:
        prefix: obsolete; stands before the ids of the group's attributes.
        extends: id of the group whose attributes it takes over.
        included: ids of the groups that a definition/2 signal refers to by ``ref_group``.
        internal: an attribute group of definition/2 that stays inside of its registry.
        second: declared in the syntax of definition/2.
        body_tree: the body as the YAML has it.
        file: where it stands, relative to the registry.
        line: line of the file, from 1.
    """

    id: str
    type: GroupType = GroupType.UNDEFINED
    brief: str = ""
    note: str = ""
    prefix: str = ""
    extends: str | None = None
    included: tuple[str, ...] = ()
    stability: Stability | None = None
    deprecated: Deprecation | None = None
    attributes: tuple[AttributeSpec, ...] = ()
    span_kind: str | None = None
    events: tuple[str, ...] = ()
    metric_name: str | None = None
    instrument: str | None = None
    unit: str | None = None
    name: str | None = None
    display_name: str | None = None
    body: BodySpec | None = None
    body_tree: Any = None
    annotations: Mapping[str, Any] = field(default_factory=dict[str, Any])
    associations: tuple[Association, ...] = ()
    internal: bool = False
    second: bool = False
    file: str = ""
    line: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Imports:
    """What a file takes over from dependencies: patterns by kind of signal."""

    patterns: Mapping[str, tuple[str, ...]]
    file: str


@dataclass(frozen=True, slots=True, kw_only=True)
class FileSpec:
    """All that one file declares."""

    groups: tuple[GroupSpec, ...]
    imports: Imports | None
    path: str
