"""The syntax of v1 files: ``groups`` and ``imports``, every key known."""

from __future__ import annotations

from functools import partial
from typing import Any

from yaml.nodes import MappingNode, Node, ScalarNode

from telemetry.checker.declarations import AttributeSpec, BodySpec, FileSpec, GroupSpec, Imports
from telemetry.checker.documents import scalar, value
from telemetry.checker.model import AllOf, Association, Deprecation, GroupType, Level, Member, OneOf, Stability
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

PRIMITIVES = ("boolean", "int", "double", "string")
ARRAYS = tuple(f"{kind}[]" for kind in PRIMITIVES)
TYPES = (*PRIMITIVES, "any", *ARRAYS, *(f"template[{kind}]" for kind in (*PRIMITIVES, "any", *ARRAYS)))
INSTRUMENTS = ("updowncounter", "counter", "gauge", "histogram")
KINDS = ("internal", "client", "server", "producer", "consumer")
ROLES = ("identifying", "descriptive")
SIGNALS = ("metrics", "events", "entities", "spans", "attribute_groups")

stability: Convert = choice({**{level.value: level for level in Stability}, "experimental": Stability.DEVELOPMENT})
span_kind: Convert = choice(words(*KINDS))
instrument: Convert = choice(words(*INSTRUMENTS))
_LEVELS: dict[str, Level] = {level.value: level for level in Level if level is not Level.CONDITIONALLY_REQUIRED}
_CONDITIONS: dict[str, Level] = {level.value: level for level in Level if level is not Level.REQUIRED}
_group_type = choice({**{kind.value: kind for kind in GroupType}, "resource": GroupType.ENTITY})
_NOTES = {"obsoleted": "Obsoleted.", "uncategorized": "Uncategorized."}


def level(reader: Reader, node: Node) -> tuple[Level, str]:
    """A requirement level and the text that belongs to it."""
    if isinstance(node, MappingNode) and len(node.value) == 1:
        key, condition = node.value[0]
        if key.value in _CONDITIONS:
            return _CONDITIONS[key.value], text(reader, condition)
    return choice(_LEVELS)(reader, node), ""


def deprecation(reader: Reader, node: Node) -> Deprecation:
    """Why something is deprecated: a map, or the old form, a string."""
    if isinstance(node, ScalarNode):
        return Deprecation(reason="unspecified", note=text(reader, node))
    found = reader.table(node, {"reason": text, "note": maybe(text), "renamed_to": text}, ("reason",))
    reason, renamed_to = found["reason"], found.get("renamed_to")
    if reason == "renamed":
        if renamed_to is None:
            raise reader.refuse(node, 'Missing required property: "renamed_to".')
        note = found.get("note") or f"Replaced by `{renamed_to}`."
        return Deprecation(reason=reason, note=note, renamed_to=renamed_to)
    if reason not in _NOTES:
        raise reader.refuse(
            node, f'Value "{reason}" is not among the allowed options: ["renamed","obsoleted","uncategorized"].'
        )
    return Deprecation(reason=reason, note=found.get("note") or _NOTES[reason])


def member(reader: Reader, node: Node) -> Member:
    """A value of an enum; without ``value`` it is the id."""
    found = reader.table(node, _MEMBER, ("id",))
    if found.get("value") is None:
        found["value"] = found["id"]
    if found.get("annotations") is None:
        found.pop("annotations", None)
    return Member(**found)


def _member_value(reader: Reader, node: Node) -> str | int | float | bool | None:
    if not isinstance(node, ScalarNode):
        raise reader.refuse(node, f"Value {shown(node)} is not a string, an int, a double or a boolean.")
    return scalar(node)


def attribute_type(reader: Reader, node: Node) -> tuple[str, tuple[Member, ...]]:
    """The name of a type, and the members if it is an enum."""
    if not isinstance(node, MappingNode):
        return choice(words(*TYPES))(reader, node), ()
    # Weaver has ignored allow_custom_values since 0.15.2.
    found = reader.table(node, {"members": many(member), "allow_custom_values": anything}, ("members",))
    return "enum", found["members"]


def examples(reader: Reader, node: Node) -> Any:
    """Examples of one of the forms that Weaver knows."""
    found = value(node)
    if examples_kind(found) is None:
        raise reader.refuse(node, f"Value {shown(node)} is not an example, a list of examples, or a list of lists.")
    return found


def examples_kind(found: Any) -> str | None:
    """What Weaver takes examples for, ``int``, ``int[]`` or ``int[][]`` for instance; None for what it does not take.

    An empty list is one of ints, and a list of ints and doubles one of doubles; other mixtures are ``any[]``.
    """
    if not isinstance(found, list):
        return next((kind for kind in PRIMITIVES if _is(found, kind)), None)
    for kind in ("int", "double", "boolean", "string"):
        if all(_is(item, kind) for item in found):
            return f"{kind}[]"
    if all(any(_is(item, kind) for kind in PRIMITIVES) for item in found):
        return "any[]"
    for kind in ("int", "double", "boolean", "string"):
        if all(isinstance(item, list) and all(_is(inner, kind) for inner in item) for item in found):
            return f"{kind}[][]"
    return None


def _is(found: Any, kind: str) -> bool:
    if kind == "boolean":
        return isinstance(found, bool)
    if kind == "int":
        return isinstance(found, int) and not isinstance(found, bool) and -(2**63) <= found < 2**63
    if kind == "double":
        return isinstance(found, int | float) and not isinstance(found, bool)
    return isinstance(found, str)


def association(reader: Reader, node: Node) -> Association:
    """The name of an entity, or a combination of associations."""
    if isinstance(node, ScalarNode):
        return text(reader, node)
    if isinstance(node, MappingNode) and len(node.value) == 1:
        key, parts = node.value[0]
        if key.value in ("one_of", "all_of"):
            found = many(association)(reader, parts)
            return OneOf(parts=found) if key.value == "one_of" else AllOf(parts=found)
    raise reader.refuse(node, f"Value {shown(node)} is not the name of an entity, one_of, or all_of.")


def attribute(file: str, reader: Reader, node: Node) -> AttributeSpec:
    """A definition, which has an ``id``, or a reference, which has a ``ref``."""
    keys = {key.value for key, _ in node.value} if isinstance(node, MappingNode) else set[str]()
    if ("ref" in keys) == ("id" in keys):
        raise reader.refuse(
            node,
            f"The following YAML snippet does not match any of the allowed schemas: {shown(node)}.",
            "An attribute has either an id, which defines it, or a ref, which refers to a definition.",
        )
    if "ref" in keys:
        found = reader.table(node, _REFERENCE, ("ref",))
        return attribute_spec(found, name=found.pop("ref"), reference=True, file=file, line=reader.line(node))
    found = reader.table(node, _DEFINITION, ("id", "type"))
    return attribute_spec(found, name=found.pop("id"), reference=False, file=file, line=reader.line(node))


def attribute_spec(found: dict[str, Any], *, name: str, reference: bool, file: str, line: int) -> AttributeSpec:
    """The record of what was read of an attribute."""
    kind, members = found.pop("type", ("", ()))
    asked, condition = found.pop("requirement_level", None) or (None, "")
    return AttributeSpec(
        name=name,
        reference=reference,
        type=kind,
        members=members,
        level=asked,
        condition=condition,
        file=file,
        line=line,
        **found,
    )


def body(reader: Reader, node: Node) -> BodySpec:
    """The body of an event, or a field of one."""
    kinds = words(*PRIMITIVES, *ARRAYS, "map", "map[]", "bytes", "undefined", "enum")
    kind = peek(node, "type")
    fields = dict(_BODY) | {"type": choice(kinds)}
    required = ["id", "type", "requirement_level"]
    if kind in ("map", "map[]"):
        fields["fields"] = many(body)
        required.append("fields")
    if kind == "enum":
        fields["members"] = many(member)
        required.append("members")
    found = reader.table(node, fields, required)
    kept = ("id", "type", "stability", "examples", "members", "fields")
    return BodySpec(**{key: found[key] for key in kept if key in found})


def _body_and_tree(reader: Reader, node: Node) -> tuple[BodySpec, Any]:
    return body(reader, node), value(node)


def group(file: str, reader: Reader, node: Node) -> GroupSpec:
    """A group."""
    found = reader.table(node, {**_GROUP, "attributes": many(partial(attribute, file))}, ("id", "brief"))
    found["associations"] = found.pop("entity_associations", ())
    content, content_tree = found.pop("body", None) or (None, None)
    if found.get("annotations") is None:
        found.pop("annotations", None)
    return GroupSpec(**found, body=content, body_tree=content_tree, file=file, line=reader.line(node))


def imports(file: str, reader: Reader, node: Node) -> Imports:
    """What the file takes over from dependencies."""
    found = reader.table(node, {signal: maybe(many(text)) for signal in SIGNALS}, ())
    return Imports(patterns={signal: patterns or () for signal, patterns in found.items()}, file=file)


def file_spec(file: str, reader: Reader, node: Node) -> FileSpec:
    """A whole v1 file, without the keys that name its format."""
    fields: dict[str, Convert] = {
        "groups": many(partial(group, file)),
        "imports": maybe(partial(imports, file)),
        "file_format": anything,
        "version": anything,
    }
    found = reader.table(node, fields, ())
    return FileSpec(groups=found.get("groups", ()), imports=found.get("imports"), path=file)


_MEMBER: dict[str, Convert] = {
    "id": text,
    "value": _member_value,
    "brief": maybe(text),
    "note": maybe(text),
    "stability": maybe(stability),
    "deprecated": maybe(deprecation),
    "annotations": maybe(tree),
}
_SHARED: dict[str, Convert] = {
    "brief": maybe(text),
    "examples": maybe(examples),
    "tag": maybe(text),
    "sampling_relevant": maybe(flag),
    "stability": maybe(stability),
    "deprecated": maybe(deprecation),
    "annotations": maybe(tree),
    "role": maybe(choice(words(*ROLES))),
}
_REFERENCE: dict[str, Convert] = {
    **_SHARED,
    "ref": text,
    "note": maybe(text),
    "requirement_level": maybe(level),
    "prefix": flag,
}
_DEFINITION: dict[str, Convert] = {
    **_SHARED,
    "id": text,
    "type": attribute_type,
    "note": text,
    "requirement_level": level,
}
_BODY: dict[str, Convert] = {
    "id": text,
    "brief": text,
    "note": text,
    "stability": maybe(stability),
    "examples": maybe(examples),
    "requirement_level": level,
}
_GROUP: dict[str, Convert] = {
    "id": text,
    "type": _group_type,
    "brief": text,
    "note": text,
    "prefix": text,
    "extends": maybe(text),
    "stability": maybe(stability),
    "deprecated": maybe(deprecation),
    "span_kind": maybe(span_kind),
    "events": many(text),
    "metric_name": maybe(text),
    "instrument": maybe(instrument),
    "unit": maybe(text),
    "name": maybe(text),
    "display_name": maybe(text),
    "body": maybe(_body_and_tree),
    "annotations": maybe(tree),
    "entity_associations": many(association),
}
