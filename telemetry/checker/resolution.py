"""From the files of a registry to the registry: every reference replaced by what it refers to."""

from __future__ import annotations

import fnmatch
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field, replace
from typing import Any

from telemetry.checker.declarations import AttributeSpec, GroupSpec, Imports
from telemetry.checker.diagnostics import Diagnostic, Fatal, Fault, Provenance, Severity
from telemetry.checker.inheritance import Locate, overridden, with_inherited
from telemetry.checker.loading import Loader, Repository
from telemetry.checker.manifest import unsupported
from telemetry.checker.model import (
    Attribute,
    Entity,
    Event,
    Group,
    GroupType,
    Level,
    Metric,
    Span,
)
from telemetry.checker.registry import Registry, assemble
from telemetry.checker.uniqueness import collisions, entity_type
from telemetry.checker.validation import referenced

_LAYERS = ("Resolver",)
_SIGNAL_OF = {
    GroupType.METRIC: "metrics",
    GroupType.EVENT: "events",
    GroupType.ENTITY: "entities",
    GroupType.SPAN: "spans",
    GroupType.ATTRIBUTE_GROUP: "attribute_groups",
}
_EXCLUSION = "dependency_resolution"


@dataclass(frozen=True, slots=True, kw_only=True)
class Resolution:
    """What came of reading a registry.

    Attributes:
        registry: the registry; None after a fatal fault.
        diagnostics: everything that was found.
    """

    registry: Registry | None
    diagnostics: tuple[Diagnostic, ...]


@dataclass(slots=True, kw_only=True)
class _Resolved:
    """A repository whose references are resolved."""

    schema_url: str
    groups: list[GroupSpec]
    definitions: dict[str, AttributeSpec]
    extended: dict[str, GroupType] = field(default_factory=dict)
    entities: set[str] = field(default_factory=set)


def resolve(
    path: str,
    *,
    follow_symlinks: bool = False,
    policies: bool = True,
    include_unreferenced: bool = False,
) -> Resolution:
    """Read, check and resolve the registry in a folder.

    Args:
        path: the folder.
        follow_symlinks: whether links to folders are followed.
        policies: whether policies are to be heeded; then a registry with policies is refused.
        include_unreferenced: whether everything of the dependencies is imported, which is obsolete.
    """
    loader = Loader(follow_symlinks=follow_symlinks, policies=policies)
    try:
        repository = loader.load(path)
        resolver = _Resolver(include_unreferenced=include_unreferenced)
        resolved = resolver.resolve(repository)
    except Fatal as fatal:
        return Resolution(registry=None, diagnostics=(fatal.diagnostic,))
    # Internal groups stay where they are, and v1 mode knows no refinements.
    visible = [
        group
        for group in resolved.groups
        if not group.internal and not (group.second and group.id in resolved.extended)
    ]
    registry = assemble(
        tuple(_group(group) for group in visible),
        schema_url=repository.manifest.schema_url,
        description=repository.manifest.description,
    )
    found = [Diagnostic(fault=fault, severity=fault.severity) for fault in resolver.faults]
    return Resolution(registry=registry, diagnostics=(*loader.diagnostics, *found))


class _Resolver:
    def __init__(self, *, include_unreferenced: bool) -> None:
        self._everything = include_unreferenced
        self.faults: list[Fault] = []

    def resolve(self, repository: Repository) -> _Resolved:
        dependencies = [self.resolve(dependency) for dependency in repository.dependencies]
        url, shown = repository.manifest.schema_url, repository.shown.rstrip("/")

        def where(file: str) -> Provenance:
            return Provenance(schema_url=url, path=f"{shown}/{file}")

        if self._everything:
            message = (
                "The flag `include_unreferenced` is deprecated. Please prefer manually adding the required imports "
                "to your schema files in the future."
            )
            kind = "DeprecatedIncludeUnreferencedWarning"
            self.faults.append(Fault(kind=kind, fields={}, message=message, severity=Severity.WARNING))
        declared = [_prefixed(group) for file in repository.files for group in file.groups]
        _refuse_exclusions(declared)
        foreign = {group.id: group for dependency in reversed(dependencies) for group in dependency.groups}
        groups, extended = with_inherited(declared, foreign, where)
        definitions = _definitions(groups)
        groups = _referenced(groups, definitions, dependencies, where)
        imported = self._imported(repository, dependencies)
        known = {name for group in (*groups, *imported) if (name := entity_type(group)) is not None}
        _refuse_unknown_entities(groups, known, dependencies, where)
        every = sorted([*groups, *imported], key=lambda group: group.id)
        self.faults += collisions(every, declared, extended, where)
        return _Resolved(schema_url=url, groups=every, definitions=definitions, extended=extended, entities=known)

    def _imported(self, repository: Repository, dependencies: list[_Resolved]) -> list[GroupSpec]:
        asked = [file.imports for file in repository.files if file.imports is not None]
        found: dict[str, GroupSpec] = {}
        matched: set[tuple[str, str]] = set()
        for group in (group for dependency in dependencies for group in dependency.groups):
            signal = _SIGNAL_OF.get(group.type)
            if signal is None or group.internal:
                continue
            hits = {(signal, p) for p in _patterns(asked, signal) if any(_glob(p, key) for key in _keys(group))}
            matched |= hits
            if hits or self._everything:
                found.setdefault(group.id, group)
        for signal in _SIGNAL_OF.values():
            for pattern in _patterns(asked, signal):
                if (signal, pattern) not in matched:
                    message = f"The import `{pattern}` under `{signal}` matched nothing in any dependency"
                    advice = (
                        "Check the spelling, and check that a dependency exports it. Imports are not transitive: a "
                        "registry further down the chain is reachable only when the registry in between re-exports it."
                    )
                    self.faults.append(
                        Fault(
                            kind="UnmatchedImport",
                            fields={"pattern": pattern, "signal": signal},
                            message=message,
                            severity=Severity.WARNING,
                            help=advice,
                        )
                    )
        return list(found.values())


def _patterns(imports: Iterable[Imports], signal: str) -> Iterator[str]:
    for found in imports:
        yield from found.patterns.get(signal, ())


def _glob(pattern: str, key: str) -> bool:
    if re.search(r"[{\\]", pattern):
        raise Fatal(
            unsupported(
                f"The import pattern {pattern} uses alternatives or escapes, which this checker does not know. "
                "List the patterns one by one, or use --engine weaver."
            )
        )
    return fnmatch.fnmatchcase(key, pattern)


def _keys(group: GroupSpec) -> tuple[str, ...]:
    match group.type:
        case GroupType.METRIC:
            return (group.metric_name,) if group.metric_name else ()
        case GroupType.EVENT:
            return (group.name,) if group.name else ()
        case GroupType.ENTITY:
            return tuple({group.id, group.id.removeprefix("entity."), group.name or group.id})
        case _:
            return (group.id, group.id.removeprefix(f"{group.type.value}.")) if group.second else (group.id,)


def _prefixed(group: GroupSpec) -> GroupSpec:
    if not group.prefix:
        return group
    renamed = tuple(
        attribute if attribute.reference else replace(attribute, name=f"{group.prefix}.{attribute.name}")
        for attribute in group.attributes
    )
    return replace(group, attributes=renamed)


def _refuse_exclusions(groups: Iterable[GroupSpec]) -> None:
    for group in groups:
        annotated = [group.annotations, *(item.annotations or {} for item in group.attributes)]
        if any(_EXCLUSION in annotations for annotations in annotated):
            raise Fatal(
                unsupported(
                    f"The group {group.id} uses the annotation {_EXCLUSION}, whose rules this checker does not know. "
                    "Use --engine weaver.",
                    group.file,
                )
            )


def _definitions(groups: Iterable[GroupSpec]) -> dict[str, AttributeSpec]:
    found: dict[str, AttributeSpec] = {}
    for group in groups:
        for attribute in group.attributes:
            if not attribute.reference:
                found.setdefault(attribute.name, attribute)
    return found


def _referenced(
    groups: list[GroupSpec],
    definitions: dict[str, AttributeSpec],
    dependencies: list[_Resolved],
    where: Locate,
) -> list[GroupSpec]:
    """The groups with every reference replaced, attributes sorted by name; definitions of dependencies are added."""
    made: list[list[AttributeSpec]] = [[] for _ in groups]
    waiting = [(i, attribute) for i, group in enumerate(groups) for attribute in group.attributes]
    while waiting:
        left: list[tuple[int, AttributeSpec]] = []
        for i, attribute in waiting:
            if not attribute.reference:
                made[i].append(attribute)
                continue
            root = definitions.get(attribute.name) or _foreign(attribute.name, definitions, dependencies)
            if root is None:
                left.append((i, attribute))
                continue
            found = replace(overridden(root, attribute), prefix=False)
            if attribute.prefix:
                found = replace(found, name=f"{groups[i].prefix}.{attribute.name}")
                definitions[found.name] = found
            made[i].append(found)
        if len(left) == len(waiting):
            faults = (_unresolved(groups[i], item.name, where) for i, item in left)
            raise Fatal(*faults, layers=_LAYERS, together=True)
        waiting = left
    return [
        replace(group, attributes=tuple(sorted(attributes, key=lambda item: item.name)))
        for group, attributes in zip(groups, made, strict=True)
    ]


def _foreign(name: str, definitions: dict[str, AttributeSpec], dependencies: list[_Resolved]) -> AttributeSpec | None:
    holders = [dependency for dependency in dependencies if name in dependency.definitions]
    for other in holders[1:]:
        if other.schema_url != holders[0].schema_url:
            first, second = holders[0].schema_url, other.schema_url
            message = (
                f"Ambiguous reference '{name}' found in multiple dependencies with different SchemaURLs: "
                f"{first} and {second}"
            )
            fields = {"ref": name, "schema_url1": first, "schema_url2": second}
            raise Fatal(Fault(kind="AmbiguousReference", fields=fields, message=message), layers=_LAYERS)
    if holders:
        definitions[name] = holders[0].definitions[name]
    return definitions.get(name)


def _unresolved(group: GroupSpec, name: str, where: Locate) -> Fault:
    message = (
        f"The following attribute reference is not resolved for the group '{group.id}'.\n"
        f"Attribute reference: {name}\nProvenance: {where(group.file)}"
    )
    fields = {"group_id": group.id, "attribute_ref": name, "provenance": where(group.file).json}
    return Fault(kind="UnresolvedAttributeRef", fields=fields, message=message, file=group.file, line=group.line)


def _refuse_unknown_entities(
    groups: Iterable[GroupSpec],
    known: set[str],
    dependencies: list[_Resolved],
    where: Locate,
) -> None:
    faults: list[Fault] = []
    for group in groups:
        names = dict.fromkeys(name for item in group.associations for name in referenced(item))
        for name in names:
            owners = sorted({d.schema_url for d in dependencies if name in d.entities})
            if name in known or len(owners) == 1:
                continue
            if owners:
                kind = "AmbiguousEntityAssociation"
                message = (
                    f"The entity association '{name}' of group '{group.id}' is ambiguous.\n"
                    f"Declared by: {', '.join(owners)}"
                )
                fields: dict[str, Any] = {"group_id": group.id, "entity_type": name, "registries": owners}
            else:
                kind = "UnresolvedEntityAssociation"
                message = (
                    f"The following entity association is not resolved for the group '{group.id}'.\n"
                    f"Entity association: {name}\nProvenance: {where(group.file)}"
                )
                fields = {"group_id": group.id, "entity_type": name, "provenance": where(group.file).json}
            faults.append(Fault(kind=kind, fields=fields, message=message, file=group.file, line=group.line))
    if faults:
        raise Fatal(*faults, layers=_LAYERS, together=True)


def _group(spec: GroupSpec) -> Group:
    shared: dict[str, Any] = {
        "id": spec.id,
        "type": spec.type,
        "brief": spec.brief,
        "note": spec.note,
        "stability": spec.stability,
        "deprecated": spec.deprecated,
        "attributes": tuple(_attribute(attribute) for attribute in spec.attributes),
        "associations": spec.associations,
        "annotations": spec.annotations,
        "display_name": spec.display_name,
        "file": spec.file,
        "line": spec.line,
    }
    if spec.type is GroupType.METRIC and spec.metric_name is not None:
        return Metric(name=spec.metric_name, instrument=spec.instrument or "", unit=spec.unit or "", **shared)
    if spec.type is GroupType.EVENT and spec.name is not None:
        return Event(name=spec.name, body=spec.body_tree, **shared)
    if spec.type is GroupType.ENTITY and spec.name is not None:
        return Entity(name=spec.name, **shared)
    if spec.type is GroupType.SPAN:
        return Span(name=spec.id.removeprefix("span."), kind=spec.span_kind, **shared)
    return Group(**shared)


def _attribute(spec: AttributeSpec) -> Attribute:
    return Attribute(
        name=spec.name,
        type=spec.type,
        members=spec.members,
        brief=spec.brief or "",
        note=spec.note or "",
        stability=spec.stability,
        deprecated=spec.deprecated,
        level=spec.level or Level.RECOMMENDED,
        condition=spec.condition,
        role=spec.role,
        sampling_relevant=spec.sampling_relevant,
        tag=spec.tag,
        examples=spec.examples,
        annotations=spec.annotations or {},
        file=spec.file,
        line=spec.line,
    )
