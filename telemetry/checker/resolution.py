"""From the files of a registry to the registry: every reference replaced by what it refers to."""

from __future__ import annotations

import fnmatch
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from typing import Any

from telemetry.checker.declarations import AttributeSpec, GroupSpec, Imports
from telemetry.checker.diagnostics import Diagnostic, Fatal, Fault, Provenance, Severity
from telemetry.checker.exclusion import excluded, kept_back
from telemetry.checker.inheritance import with_inherited
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
from telemetry.checker.references import LAYERS, Resolved, definitions_of, referenced, refuse_unknown_entities
from telemetry.checker.registry import Registry, assemble
from telemetry.checker.uniqueness import collisions, entity_type

_SIGNAL_OF = {
    GroupType.METRIC: "metrics",
    GroupType.EVENT: "events",
    GroupType.ENTITY: "entities",
    GroupType.SPAN: "spans",
    GroupType.ATTRIBUTE_GROUP: "attribute_groups",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Resolution:
    """What came of reading a registry.

    Attributes:
        registry: the registry; None after a fatal fault.
        diagnostics: everything that was found.
    """

    registry: Registry | None
    diagnostics: tuple[Diagnostic, ...]


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

    def resolve(self, repository: Repository) -> Resolved:
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
        theirs = [group for dependency in reversed(dependencies) for group in dependency.groups]
        # What is kept back stands for its id only where nothing else does.
        foreign = {group.id: group for group in sorted(theirs, key=kept_back, reverse=True)}
        groups, extended = with_inherited(declared, foreign, where)
        definitions = definitions_of(groups)
        groups = referenced(groups, definitions, dependencies, where)
        imported = self._imported(repository, dependencies)
        refuse_unknown_entities(groups, imported, dependencies, where)
        every = sorted([*groups, *imported], key=lambda group: group.id)
        entities = {name: kept_back(group) for group in every if (name := entity_type(group)) is not None}
        self.faults += collisions(every, declared, extended, where)
        return Resolved(schema_url=url, groups=every, definitions=definitions, extended=extended, entities=entities)

    def _imported(self, repository: Repository, dependencies: list[Resolved]) -> list[GroupSpec]:
        asked = [file.imports for file in repository.files if file.imports is not None]
        found: dict[str, GroupSpec] = {}
        matched: set[tuple[str, str]] = set()
        faults: list[Fault] = []
        for group in (group for dependency in dependencies for group in dependency.groups):
            signal = _SIGNAL_OF.get(group.type)
            if signal is None or group.internal:
                continue
            hits = {(signal, p) for p in _patterns(asked, signal) if any(_glob(p, key) for key in _keys(group))}
            matched |= hits
            if kept_back(group):
                faults += [excluded(group.id, group.type.value, "imports")] if hits else []
            elif hits or self._everything:
                found.setdefault(group.id, group)
        if faults:
            raise Fatal(*faults, layers=LAYERS, together=True)
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
