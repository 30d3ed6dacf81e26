"""What groups refer to: attributes, and the entities that they are about."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from typing import Any

from telemetry.checker.declarations import AttributeSpec, GroupSpec
from telemetry.checker.diagnostics import Fatal, Fault
from telemetry.checker.exclusion import excluded, kept_back, private
from telemetry.checker.inheritance import Locate, overridden
from telemetry.checker.model import GroupType
from telemetry.checker.uniqueness import entity_type
from telemetry.checker.validation import named

LAYERS = ("Resolver",)


@dataclass(slots=True, kw_only=True)
class Resolved:
    """A repository whose references are resolved.

    Attributes:
        schema_url: of its manifest.
        groups: its groups, and what it imports, sorted by id.
        definitions: attributes that it defines, or takes from its dependencies, by name.
        extended: what each group that extends another one extends, by id.
        entities: names of entities, and whether they are kept back.
    """

    schema_url: str
    groups: list[GroupSpec]
    definitions: dict[str, AttributeSpec]
    extended: dict[str, GroupType] = field(default_factory=dict[str, GroupType])
    entities: dict[str, bool] = field(default_factory=dict[str, bool])


def definitions_of(groups: Iterable[GroupSpec]) -> dict[str, AttributeSpec]:
    """The definition of each attribute: the first one, or the first that is not kept back."""
    found: dict[str, AttributeSpec] = {}
    for group in groups:
        for attribute in group.attributes:
            known = found.get(attribute.name)
            if not attribute.reference and (known is None or (kept_back(known) and not kept_back(attribute))):
                found[attribute.name] = attribute
    return found


def referenced(
    groups: list[GroupSpec],
    definitions: dict[str, AttributeSpec],
    dependencies: list[Resolved],
    where: Locate,
) -> list[GroupSpec]:
    """The groups with every reference replaced, attributes sorted by name; definitions of dependencies are added."""
    made: list[list[AttributeSpec]] = [[] for _ in groups]
    own = set(definitions)
    faults: list[Fault] = []
    waiting = [(i, attribute) for i, group in enumerate(groups) for attribute in group.attributes]
    while waiting:
        left: list[tuple[int, AttributeSpec]] = []
        for i, attribute in waiting:
            if not attribute.reference:
                if kept_back(attribute) and not private(groups[i]):
                    faults.append(excluded(attribute.name, "Attribute", groups[i].id))
                made[i].append(attribute)
                continue
            root = definitions.get(attribute.name) or _foreign(attribute.name, definitions, dependencies)
            if root is None:
                left.append((i, attribute))
                continue
            if kept_back(root) and not (attribute.name in own and private(groups[i])):
                faults.append(excluded(attribute.name, "Attribute", groups[i].id))
            found = replace(overridden(root, attribute), prefix=False)
            if attribute.prefix:
                found = replace(found, name=f"{groups[i].prefix}.{attribute.name}")
                definitions[found.name] = found
            made[i].append(found)
        if len(left) == len(waiting):
            faults += [_unresolved(groups[i], item.name, where) for i, item in left]
            break
        waiting = left
    if faults:
        raise Fatal(*faults, layers=LAYERS, together=True)
    return [
        replace(group, attributes=tuple(sorted(attributes, key=lambda item: item.name)))
        for group, attributes in zip(groups, made, strict=True)
    ]


def _foreign(name: str, definitions: dict[str, AttributeSpec], dependencies: list[Resolved]) -> AttributeSpec | None:
    holders = [dependency for dependency in dependencies if name in dependency.definitions]
    for other in holders[1:]:
        if other.schema_url != holders[0].schema_url:
            first, second = holders[0].schema_url, other.schema_url
            message = (
                f"Ambiguous reference '{name}' found in multiple dependencies with different SchemaURLs: "
                f"{first} and {second}"
            )
            fields = {"ref": name, "schema_url1": first, "schema_url2": second}
            raise Fatal(Fault(kind="AmbiguousReference", fields=fields, message=message), layers=LAYERS)
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


def refuse_unknown_entities(
    groups: Iterable[GroupSpec],
    imported: Iterable[GroupSpec],
    dependencies: list[Resolved],
    where: Locate,
) -> None:
    """Raise for associations with entities that are not there, or kept back, or in several dependencies.

    Raises:
        Fatal: with all of them.
    """
    faults: list[Fault] = []
    known = {name: group for group in (*groups, *imported) if (name := entity_type(group)) is not None}
    for group in groups:
        names = dict.fromkeys(name for item in group.associations for name in named(item))
        for name in names:
            owners = sorted({d.schema_url for d in dependencies if d.entities.get(name) is False})
            entity = known.get(name)
            hidden = any(name in d.entities for d in dependencies) if entity is None else private(entity)
            if entity is not None and not (hidden and not private(group)):
                continue
            if entity is None and len(owners) == 1:
                continue
            if hidden and not owners:
                faults.append(excluded(name, "entity", group.id))
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
        raise Fatal(*faults, layers=LAYERS, together=True)
