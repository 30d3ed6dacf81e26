"""What a resolved registry is made of: attributes with their levels, and the signals that carry them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any

Value = str | int | float | bool


class Stability(StrEnum):
    """How far a definition may be relied on."""

    STABLE = "stable"
    DEVELOPMENT = "development"
    ALPHA = "alpha"
    BETA = "beta"
    RELEASE_CANDIDATE = "release_candidate"
    DEPRECATED = "deprecated"


class Level(StrEnum):
    """How much an attribute is asked for by a signal."""

    REQUIRED = "required"
    CONDITIONALLY_REQUIRED = "conditionally_required"
    RECOMMENDED = "recommended"
    OPT_IN = "opt_in"


class GroupType(StrEnum):
    """What a group of the registry describes."""

    ATTRIBUTE_GROUP = "attribute_group"
    SPAN = "span"
    EVENT = "event"
    METRIC = "metric"
    METRIC_GROUP = "metric_group"
    ENTITY = "entity"
    SCOPE = "scope"
    UNDEFINED = "undefined"


@dataclass(frozen=True, slots=True, kw_only=True)
class Deprecation:
    """Why a definition should not be used any more.

    Attributes:
        reason: ``renamed``, ``obsoleted``, ``uncategorized``, or ``unspecified`` for the old form, a bare string.
        note: what the registry says about it, or what Weaver says when the registry says nothing.
        renamed_to: the new name, for ``renamed``.
    """

    reason: str
    note: str
    renamed_to: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Member:
    """One value of an enum."""

    id: str
    value: Value
    brief: str | None = None
    note: str | None = None
    stability: Stability | None = None
    deprecated: Deprecation | None = None
    annotations: Mapping[str, Any] = field(default_factory=dict[str, Any])


@dataclass(frozen=True, slots=True, kw_only=True)
class Attribute:
    """An attribute as one group sees it: its definition, with what the group's reference overrides.

    Attributes:
        name: full name; for a template, what comes before the part that varies.
        type: ``string int double boolean any``, one of the first four with ``[]``, ``template[...]`` around
            any of these, or ``enum``.
        members: the values that an enum knows; empty for other types.
        level: how much the group asks for it.
        condition: the text that belongs to the level; empty when there is none.
        role: ``identifying`` or ``descriptive``, of an entity's attribute.
        examples: as the YAML has them; None when it has none.
        file: where it is defined, relative to the registry.
        line: line of the file, from 1.
    """

    name: str
    type: str
    members: tuple[Member, ...] = ()
    brief: str = ""
    note: str = ""
    stability: Stability | None = None
    deprecated: Deprecation | None = None
    level: Level = Level.RECOMMENDED
    condition: str = ""
    role: str | None = None
    sampling_relevant: bool | None = None
    tag: str | None = None
    examples: Any = None
    annotations: Mapping[str, Any] = field(default_factory=dict[str, Any])
    file: str = ""
    line: int = 0

    @property
    def is_enum(self) -> bool:
        """Whether the values are those of `members`."""
        return self.type == "enum"

    @property
    def is_template(self) -> bool:
        """Whether the name is the beginning of a family of names."""
        return self.type.startswith("template[")

    @property
    def value_type(self) -> str:
        """The type of the values: the bracketed one for a template."""
        return self.type.removeprefix("template[").removesuffix("]") if self.is_template else self.type


@dataclass(frozen=True, slots=True, kw_only=True)
class OneOf:
    """An association that holds when one of its parts does."""

    parts: tuple[Association, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class AllOf:
    """An association that holds when all of its parts do."""

    parts: tuple[Association, ...]


Association = str | OneOf | AllOf
"""What a signal says of its resource: the name of an entity, or a combination."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Group:
    """A resolved group.

    Attributes:
        id: identifier of the group, unique in the registry.
        type: what it describes.
        attributes: its own, referenced and inherited attributes, sorted by name.
        associations: the entities that it is about; the list is an implicit `OneOf`.
        file: where it stands, relative to the registry.
        line: line of the file, from 1.
    """

    id: str
    type: GroupType
    brief: str = ""
    note: str = ""
    stability: Stability | None = None
    deprecated: Deprecation | None = None
    attributes: tuple[Attribute, ...] = ()
    associations: tuple[Association, ...] = ()
    annotations: Mapping[str, Any] = field(default_factory=dict[str, Any])
    display_name: str | None = None
    file: str = ""
    line: int = 0

    @property
    def levels(self) -> Mapping[str, Level]:
        """The level of each attribute, by name."""
        return {attribute.name: attribute.level for attribute in self.attributes}

    def at(self, *levels: Level) -> Sequence[str]:
        """The names of the attributes of some levels, sorted."""
        return tuple(attribute.name for attribute in self.attributes if attribute.level in levels)


@dataclass(frozen=True, slots=True, kw_only=True)
class Metric(Group):
    """A metric: `instrument` is ``counter``, ``updowncounter``, ``gauge`` or ``histogram``."""

    name: str
    instrument: str
    unit: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Event(Group):
    """An event, which is a log record with this name; `body` is the YAML tree of its body, None without one."""

    name: str
    body: Any = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Span(Group):
    """A span. v1 files give spans no names; `name` is the group's id without ``span.``."""

    name: str
    kind: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Entity(Group):
    """What a resource may be; `name` is the type that associations speak of."""

    name: str
