"""How a group comes to its attributes: from its parent, from the groups it includes, and from itself."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import replace

from telemetry.checker.declarations import AttributeSpec, GroupSpec
from telemetry.checker.diagnostics import Fatal, Fault, Provenance
from telemetry.checker.exclusion import excluded, kept_back, private
from telemetry.checker.model import GroupType

Locate = Callable[[str], Provenance]
"""Names a file of the registry for messages."""

_OVERRIDES = (
    "brief",
    "note",
    "examples",
    "tag",
    "sampling_relevant",
    "stability",
    "deprecated",
    "annotations",
    "role",
)


def overridden(parent: AttributeSpec, reference: AttributeSpec) -> AttributeSpec:
    """The parent, with what the reference says instead."""
    changes = {name: found for name in _OVERRIDES if (found := getattr(reference, name)) is not None}
    if reference.level is not None:
        changes |= {"level": reference.level, "condition": reference.condition}
    return replace(parent, prefix=parent.prefix or reference.prefix, **changes)


def merged(own: Iterable[AttributeSpec], bases: Iterable[Iterable[AttributeSpec]]) -> tuple[AttributeSpec, ...]:
    """Own attributes over those of the bases, later bases over earlier ones, sorted by name."""
    found: dict[str, AttributeSpec] = {}
    for attribute in [item for base in bases for item in base] + list(own):
        known = found.get(attribute.name)
        replaced = attribute if known is None or not attribute.reference else overridden(known, attribute)
        found[attribute.name] = replaced
    return tuple(found[name] for name in sorted(found))


def with_inherited(
    groups: Sequence[GroupSpec], foreign: Mapping[str, GroupSpec], where: Locate
) -> tuple[list[GroupSpec], dict[str, GroupType]]:
    """The groups with the attributes that they inherit, and the type of what each of them extends.

    Args:
        groups: all groups of the registry.
        foreign: groups of dependencies, by id, resolved.
        where: names a file for messages.

    Raises:
        Fatal: for parents and included groups that are not there, or that inherit from each other in a circle, and
            for refinements that change what they refine.
    """
    done = {group.id: group for group in groups if group.extends is None and not group.included}
    result = {i: group for i, group in enumerate(groups) if group.extends is None and not group.included}
    waiting = [i for i in range(len(groups)) if i not in result]
    extended: dict[str, GroupType] = {}
    fatal: list[Fault] = []
    while waiting:
        faults: list[Fault] = []
        left: list[int] = []
        for i in waiting:
            group = groups[i]
            found = _bases(group, done, foreign, where)
            if isinstance(found, list):
                faults += found
                left.append(i)
                continue
            parent, bases = found
            if parent is not None:
                extended[group.id] = parent.type
                fatal += _refinement_faults(group, parent, where)
                group = _refined(group, parent)
            ready = replace(group, attributes=merged(group.attributes, bases))
            result[i] = ready
            done[ready.id] = ready
        if len(left) == len(waiting):
            raise Fatal(*fatal, *faults, layers=("Resolver",), together=True)
        waiting = left
    if fatal:
        raise Fatal(*fatal, layers=("Resolver",), together=True)
    return [result[i] for i in range(len(groups))], extended


def _bases(
    group: GroupSpec, done: Mapping[str, GroupSpec], foreign: Mapping[str, GroupSpec], where: Locate
) -> list[Fault] | tuple[GroupSpec | None, list[tuple[AttributeSpec, ...]]]:
    """The parent and the attributes to inherit, or what is in the way."""
    faults: list[Fault] = []
    bases: list[tuple[AttributeSpec, ...]] = []
    parent: GroupSpec | None = None
    if group.extends is not None:
        parent = done.get(group.extends) or foreign.get(group.extends)
        if parent is None:
            faults.append(_unresolved(group, "extends", group.extends, where))
        elif kept_back(parent) and not (group.extends in done and private(group)):
            faults.append(excluded(group.extends, parent.type.value, group.id))
        else:
            bases.append(parent.attributes)
    seen: set[str] = set()
    for name in group.included:
        included = done.get(name)
        if included is None:
            faults.append(_unresolved(group, "include", name, where))
            continue
        if kept_back(included) and not private(group):
            faults.append(excluded(name, included.type.value, group.id))
            continue
        for attribute in included.attributes:
            if attribute.name in seen:
                faults.append(duplicate_attribute(attribute.name, list(group.included)))
            seen.add(attribute.name)
        bases.append(included.attributes)
    return faults or (parent, bases)


def _unresolved(group: GroupSpec, clause: str, target: str, where: Locate) -> Fault:
    named = "`extends` clause reference" if clause == "extends" else "`include` reference"
    message = (
        f"The following {named} is not resolved for the group '{group.id}'.\n{named}: {target}\n"
        f"Provenance: {where(group.file)}"
    )
    fields = {"group_id": group.id, f"{clause}_ref": target, "provenance": where(group.file).json}
    kind = f"Unresolved{clause.capitalize()}Ref"
    return Fault(kind=kind, fields=fields, message=message, file=group.file, line=group.line)


def duplicate_attribute(name: str, groups: list[str]) -> Fault:
    """The fault of an attribute that several groups define."""
    shown = "[" + ", ".join(f'"{group}"' for group in groups) + "]"
    message = f"The attribute id `{name}` is declared multiple times in the following groups:\n{shown}"
    return Fault(kind="DuplicateAttributeId", fields={"group_ids": groups, "attribute_id": name}, message=message)


def _refined(group: GroupSpec, parent: GroupSpec) -> GroupSpec:
    if not group.second:
        return group
    return replace(
        group,
        instrument=parent.instrument,
        unit=parent.unit,
        span_kind=parent.span_kind,
        metric_name=parent.metric_name,
        stability=group.stability or parent.stability,
        deprecated=group.deprecated or parent.deprecated,
        brief=group.brief or parent.brief,
        note=group.note or parent.note,
        annotations={**parent.annotations, **group.annotations},
    )


def _refinement_faults(group: GroupSpec, parent: GroupSpec, where: Locate) -> list[Fault]:
    if not group.second:
        return []
    faults: list[Fault] = []
    if group.type is not parent.type:
        message = (
            f"Refinement `{group.id}` of type `{group.type}` cannot refine signal `{group.extends}` "
            f"of type `{parent.type}`."
        )
        fields = {
            "refinement_id": group.id,
            "ref": group.extends,
            "refinement_type": group.type.value,
            "signal_type": parent.type.value,
        }
        faults.append(Fault(kind="InvalidRefinement", fields=fields, message=message, file=group.file))
    if group.type is not GroupType.ENTITY or parent.type is not GroupType.ENTITY:
        return faults
    roles = {attribute.name: attribute.role for attribute in parent.attributes}
    for attribute in group.attributes:
        known = roles.get(attribute.name, "descriptive")
        if attribute.role is None or known is None or attribute.role == known:
            continue
        message = (
            f"Entity refinement `{group.id}` changes the identity of `{group.extends}` by referencing "
            f"`{attribute.name}` under `{attribute.role}`.\nProvenance: {where(group.file)}"
        )
        fields = {
            "refinement_id": group.id,
            "ref": group.extends,
            "attribute_id": attribute.name,
            "role": attribute.role,
            "provenance": where(group.file).json,
        }
        kind = "EntityRefinementChangedIdentity"
        faults.append(Fault(kind=kind, fields=fields, message=message, file=group.file, line=group.line))
    return faults
