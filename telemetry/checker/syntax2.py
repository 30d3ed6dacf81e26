"""The syntax of definition/2 files, read into the groups that Weaver makes of them.

Attributes are defined in one list; signals refer to them, and to groups of them. What refines a
signal is checked, but does not reach the registry in v1 mode.
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial
from pathlib import PurePosixPath
from typing import Any

from yaml.nodes import MappingNode, Node, ScalarNode

from telemetry.checker.declarations import AttributeSpec, FileSpec, GroupSpec
from telemetry.checker.diagnostics import Fatal, Fault, Severity
from telemetry.checker.documents import scalar
from telemetry.checker.model import Deprecation, GroupType
from telemetry.checker.reading import (
    Convert,
    Reader,
    anything,
    choice,
    flag,
    many,
    maybe,
    peek,
    shown,
    text,
    tree,
    words,
)
from telemetry.checker.syntax import (
    association,
    attribute_spec,
    attribute_type,
    deprecation,
    examples,
    imports,
    instrument,
    level,
    span_kind,
    stability,
)

_LEVEL: Convert = maybe(choice(words("recommended", "opt_in")))

_LEVELLED = {
    "metrics": ("metric", "name"),
    "spans": ("span", "type"),
    "events": ("event", "name"),
    "entities": ("entity", "type"),
}


def _deprecated(reader: Reader, node: Node) -> Deprecation:
    """As in v1, but never a string, and never without a note where nothing can stand for it."""
    if isinstance(node, ScalarNode):
        raise reader.refuse(node, f"Value {shown(node)} is not of the required type: 'object'.")
    found = deprecation(reader, node)
    keys = {key.value for key, _ in node.value}
    if found.reason != "renamed" and "note" not in keys:
        raise reader.refuse(node, 'Missing required property: "note".')
    return found


_COMMON: dict[str, Convert] = {
    "brief": text,
    "note": text,
    "stability": stability,
    "deprecated": maybe(_deprecated),
    "annotations": tree,
}
_OVERRIDES: dict[str, Convert] = {
    "brief": maybe(text),
    "note": maybe(text),
    "stability": maybe(stability),
    "deprecated": maybe(_deprecated),
    "annotations": tree,
}
_NEEDED = ("brief", "stability")


def _definition(file: str, reader: Reader, node: Node) -> AttributeSpec:
    fields = {**_COMMON, "key": text, "type": attribute_type, "examples": maybe(examples)}
    found = reader.table(node, fields, ("key", "type", *_NEEDED))
    return attribute_spec(found, name=found.pop("key"), reference=False, file=file, line=reader.line(node))


def _reference(file: str, role: str | None, sampling: bool, reader: Reader, node: Node) -> AttributeSpec:
    # `stability` and `deprecated` on a reference: taken until 0.25.1 and in the snapshot, refused by 0.26.
    fields: dict[str, Convert] = {
        "ref": text,
        "brief": maybe(text),
        "note": maybe(text),
        "examples": maybe(examples),
        "requirement_level": maybe(level),
        "annotations": tree,
    }
    if sampling:
        fields["sampling_relevant"] = maybe(flag)
    found = reader.table(node, fields, ("ref",))
    name = found.pop("ref")
    return attribute_spec({**found, "role": role}, name=name, reference=True, file=file, line=reader.line(node))


def _reference_or_group(file: str, sampling: bool, reader: Reader, node: Node) -> AttributeSpec | str:
    if isinstance(node, MappingNode) and [key.value for key, _ in node.value] == ["ref_group"]:
        return text(reader, node.value[0][1])
    return _reference(file, None, sampling, reader, node)


def _signal_attributes(file: str, *, sampling: bool = False) -> Convert:
    return many(partial(_reference_or_group, file, sampling))


def _group(found: dict[str, Any], kind: GroupType, *, id: str, file: str, line: int, **fields: Any) -> GroupSpec:
    listed = found.pop("attributes", ())
    associations = found.pop("entity_associations", ())
    common = {key: found[key] for key in _COMMON if found.get(key) is not None}
    return GroupSpec(
        id=id,
        type=kind,
        attributes=tuple(item for item in listed if isinstance(item, AttributeSpec)),
        included=tuple(item for item in listed if isinstance(item, str)),
        associations=associations,
        second=True,
        file=file,
        line=line,
        **{**common, **fields},
    )


def _span_name(reader: Reader, node: Node) -> str:
    return reader.table(node, {"note": text}, ("note",))["note"]


def _metric(file: str, reader: Reader, node: Node) -> GroupSpec:
    fields = _signal_fields(file) | {"name": text, "instrument": instrument, "unit": text}
    found = reader.table(node, fields, ("name", "instrument", "unit", *_NEEDED))
    name, line = found.pop("name"), reader.line(node)
    shape = {"metric_name": name, "instrument": found.pop("instrument"), "unit": found.pop("unit")}
    return _group(found, GroupType.METRIC, id=f"metric.{name}", file=file, line=line, **shape)


def _event(file: str, reader: Reader, node: Node) -> GroupSpec:
    found = reader.table(node, _signal_fields(file) | {"name": text}, ("name", *_NEEDED))
    name = found.pop("name")
    return _group(found, GroupType.EVENT, id=f"event.{name}", file=file, line=reader.line(node), name=name)


def _span(file: str, reader: Reader, node: Node) -> GroupSpec:
    fields = _signal_fields(file, sampling=True) | {"type": text, "kind": span_kind, "name": _span_name}
    found = reader.table(node, fields, ("type", "kind", "name", *_NEEDED))
    name, line = found.pop("type"), reader.line(node)
    return _group(
        found, GroupType.SPAN, id=f"span.{name}", file=file, line=line, name=name, span_kind=found.pop("kind")
    )


def _entity(file: str, reader: Reader, node: Node) -> GroupSpec:
    fields = {**_COMMON, **_identity_fields(file), "type": text, "requirement_level": _LEVEL}
    found = reader.table(node, fields, ("type", "identity", *_NEEDED))
    name = found.pop("type")
    found["attributes"] = (*found.pop("identity"), *found.pop("description", ()))
    return _group(found, GroupType.ENTITY, id=f"entity.{name}", file=file, line=reader.line(node), name=name)


def _attribute_group(file: str, reader: Reader, node: Node) -> GroupSpec:
    fields: dict[str, Convert] = {
        "id": text,
        "visibility": choice(words("internal", "public")),
        "attributes": _signal_attributes(file),
    }
    public = peek(node, "visibility") == "public"
    found = reader.table(node, fields | (_COMMON if public else {}), ("id", "visibility", *(_NEEDED if public else ())))
    name = found.pop("id")
    found.setdefault("brief", name)
    kind = GroupType.ATTRIBUTE_GROUP
    return _group(found, kind, id=name, file=file, line=reader.line(node), internal=not public)


def _refinement(file: str, kind: GroupType, reader: Reader, node: Node) -> GroupSpec:
    fields = {**_OVERRIDES, "id": text, "ref": text}
    if kind is GroupType.ENTITY:
        fields |= _identity_fields(file)
    else:
        fields |= {
            "attributes": _signal_attributes(file, sampling=kind is GroupType.SPAN),
            "entity_associations": many(association),
        }
    if kind is GroupType.SPAN:
        fields["name"] = maybe(_span_name)
    found = reader.table(node, fields, ("id", "ref"))
    if kind is GroupType.ENTITY:
        found["attributes"] = (*found.pop("identity", ()), *found.pop("description", ()))
    name, parent = found.pop("id"), f"{kind.value}.{found.pop('ref')}"
    shape = {} if kind is GroupType.METRIC else {"name": name}
    return _group(found, kind, id=name, file=file, line=reader.line(node), extends=parent, **shape)


def _signal_fields(file: str, *, sampling: bool = False) -> dict[str, Convert]:
    return {
        **_COMMON,
        "attributes": _signal_attributes(file, sampling=sampling),
        "entity_associations": many(association),
        "requirement_level": _LEVEL,
    }


def _identity_fields(file: str) -> dict[str, Convert]:
    return {
        "identity": many(partial(_reference, file, "identifying", False)),
        "description": many(partial(_reference, file, "descriptive", False)),
    }


def file_spec(file: str, reader: Reader, node: Node) -> FileSpec:
    """A whole definition/2 file."""
    refinements = (GroupType.ENTITY, GroupType.EVENT, GroupType.METRIC, GroupType.SPAN)
    lists: dict[str, Convert] = {
        "entities": many(partial(_entity, file)),
        "events": many(partial(_event, file)),
        "metrics": many(partial(_metric, file)),
        "spans": many(partial(_span, file)),
        "attribute_groups": many(partial(_attribute_group, file)),
        **{f"{kind.value}_refinements": many(partial(_refinement, file, kind)) for kind in refinements},
    }
    fields: dict[str, Convert] = {
        **lists,
        "attributes": many(partial(_definition, file)),
        "imports": maybe(partial(imports, file)),
        "file_format": anything,
        "version": anything,
    }
    found = reader.table(node, fields, ())
    groups: list[GroupSpec] = []
    if found.get("attributes"):
        stem = ".".join(PurePosixPath(part).stem for part in PurePosixPath(file).parts)
        groups.append(
            GroupSpec(
                id=f"registry.{stem}",
                type=GroupType.ATTRIBUTE_GROUP,
                brief="<synthetic v2>",
                attributes=found["attributes"],
                second=True,
                file=file,
            )
        )
    for key in lists:
        groups += found.get(key, ())
    return FileSpec(groups=tuple(groups), imports=found.get("imports"), path=file)


def refuse(spec: FileSpec, path: str) -> None:
    """Raise for entities that nothing identifies, or that list an attribute under both headings.

    Raises:
        Fatal: with all of them.
    """
    faults: list[Fault] = []
    for group in spec.groups:
        if group.type is not GroupType.ENTITY:
            continue
        name = group.name or group.id
        identity = {item.name for item in group.attributes if item.role == "identifying"}
        described = [item.name for item in group.attributes if item.role == "descriptive"]
        for key in described:
            if key in identity:
                message = (
                    f"The attribute `{key}` is listed under both `identity` and `description` of `{name}`.\n"
                    f'Provenance: "{path}"'
                )
                fields = {"path_or_url": path, "group_id": name, "attribute_id": key}
                kind = "AttributeInIdentityAndDescription"
                faults.append(Fault(kind=kind, fields=fields, message=message, file=path, line=group.line))
        if not identity and group.extends is None:
            message = f'The entity `{name}` does not declare any `identity` attributes.\nProvenance: "{path}"'
            fields = {"path_or_url": path, "group_id": name}
            faults.append(
                Fault(kind="EntityMissingIdentity", fields=fields, message=message, file=path, line=group.line)
            )
    if faults:
        raise Fatal(*faults, together=True)


def warnings(root: MappingNode, path: str) -> list[Fault]:
    """A warning for each signal that does not say how much it is asked for."""
    return [
        Fault(
            kind="MissingRequirementLevelWarning",
            fields={"path_or_url": path, "group_id": group},
            message=f"The signal group `{group}` does not set `requirement_level`. "
            f'This will be required in the future.\nProvenance: "{path}"',
            severity=Severity.WARNING,
            file=path,
        )
        for group in _without_level(root)
    ]


def _without_level(root: MappingNode) -> Iterator[str]:
    lists = {key.value: item.value for key, item in root.value}
    for key, (kind, naming) in _LEVELLED.items():
        for node in lists.get(key, ()):
            found = {part.value: scalar(item) for part, item in node.value if isinstance(item, ScalarNode)}
            if found.get("requirement_level") is None:
                yield f"{kind}.{found[naming]}"
