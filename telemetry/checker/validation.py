"""What Weaver says of each group of a v1 file before it resolves anything.

The order of the faults, and their words, are those of Weaver's `GroupSpec::validate`.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

from telemetry.checker.declarations import AttributeSpec, BodySpec, GroupSpec
from telemetry.checker.diagnostics import Fault, Severity
from telemetry.checker.model import AllOf, Association, Deprecation, GroupType, OneOf, Stability
from telemetry.checker.syntax import examples_kind

_WARNING, _ERROR = Severity.WARNING, Severity.ERROR
_ASSOCIATED = (GroupType.EVENT, GroupType.METRIC, GroupType.SPAN)
_OBSOLETE = "stability is set to 'deprecated' which is no longer supported."
# How Rust prints the type in the one message that names it.
_RUST = {kind: "".join(part.capitalize() for part in kind.value.split("_")) for kind in GroupType}
# Examples that 0.14 took, and that a later version will not.
_TOLERATED = {
    **{f"{kind}[]": {f"{kind}[]"} for kind in ("int", "double", "boolean", "string")},
    "template[string[]]": {"string", "string[]"},
}


def group_faults(group: GroupSpec, path: str) -> Iterator[Fault]:
    """The faults of one group of a v1 file.

    Args:
        group: the group.
        path: its file, as it is named in messages.
    """
    yield from _form_faults(group, path)
    yield from _signal_faults(group, path)
    if group.deprecated is not None:
        yield from _deprecation_faults(
            group, path, group.id, group.deprecated, "Unstructured deprecated note is not supported on groups."
        )
    for attribute in group.attributes:
        if not attribute.reference:
            yield from _attribute_faults(group, attribute, path)
            yield from _example_faults(group, attribute, path)
    yield from _association_faults(group, path)


def _fault(at: GroupSpec | AttributeSpec, kind: str, message: str, severity: Severity | None, **fields: str) -> Fault:
    path = fields["path_or_url"]
    return Fault(kind=kind, fields=fields, message=message, severity=severity, file=path, line=at.line)


def _at(path: str) -> str:
    return f"detected while resolving '{json.dumps(path, ensure_ascii=False)}'"


def _invalid_group(group: GroupSpec, path: str, error: str) -> Fault:
    message = f"Invalid group '{group.id}' {_at(path)}. {error}"
    return _fault(group, "InvalidGroup", message, None, path_or_url=path, group_id=group.id, error=error)


def _group_stability(group: GroupSpec, path: str, error: str) -> Fault:
    message = f"Invalid stability on group '{group.id}' {_at(path)}. {error}"
    return _fault(group, "InvalidGroupStability", message, _WARNING, path_or_url=path, group_id=group.id, error=error)


def _form_faults(group: GroupSpec, path: str) -> Iterator[Fault]:
    kind = group.type
    if group.prefix:
        message = f"The group `{group.id}` defines a prefix. These are no longer used.\nProvenance: {_quoted(path)}"
        yield _fault(group, "InvalidGroupUsesPrefix", message, _WARNING, path_or_url=path, group_id=group.id)
    if kind is not GroupType.ATTRIBUTE_GROUP and group.stability is None:
        yield _group_stability(group, path, "This group does not contain a stability field.")
    if group.stability is Stability.DEPRECATED:
        yield _group_stability(group, path, f"Group {_OBSOLETE}")
    seen: set[str] = set()
    for attribute in group.attributes:
        if attribute.reference and attribute.name in seen:
            message = f"Duplicate attribute refs for '{attribute.name}' found on group '{group.id}' {_at(path)}."
            kind_name = "InvalidGroupDuplicateAttributeRef"
            fields = {"path_or_url": path, "group_id": group.id, "attribute_ref": attribute.name}
            yield _fault(group, kind_name, message, _WARNING, **fields)
        if attribute.reference:
            seen.add(attribute.name)
    if kind not in (GroupType.METRIC, GroupType.EVENT) and group.extends is None and not group.attributes:
        error = "This group does not contain an extends or attributes field."
        message = f"Invalid group '{group.id}', missing extends or attributes, {_at(path)}. {error}"
        fields = {"path_or_url": path, "group_id": group.id, "error": error}
        yield _fault(group, "InvalidGroupMissingExtendsOrAttributes", message, _WARNING, **fields)
    if kind not in (GroupType.SPAN, GroupType.UNDEFINED):
        if group.span_kind is not None:
            yield _invalid_group(group, path, "This group contains a span_kind field but the type is not set to span.")
        if group.events:
            yield _invalid_group(group, path, "This group contains an events field but the type is not set to span.")
    if kind is GroupType.UNDEFINED:
        error = "This group does not contain a type field."
        message = f"Invalid group '{group.id}', missing type, {_at(path)}. {error}"
        yield _fault(
            group, "InvalidGroupMissingType", message, _WARNING, path_or_url=path, group_id=group.id, error=error
        )


def _signal_faults(group: GroupSpec, path: str) -> Iterator[Fault]:
    if group.type is GroupType.SPAN and group.span_kind is None:
        error = "This group is a Span but the span_kind is not set."
        message = f"Invalid Span group '{group.id}', missing span_kind, {_at(path)}. {error}"
        fields = {"path_or_url": path, "group_id": group.id, "error": error}
        yield _fault(group, "InvalidSpanMissingSpanKind", message, _WARNING, **fields)
    if group.type is GroupType.EVENT:
        begin = "This group contains an event type"
        if group.body is not None and group.name is None:
            yield _invalid_group(group, path, f"{begin} with a body definition but the name is not set.")
        if group.body is None and group.name is None and not group.prefix:
            yield _invalid_group(group, path, f"{begin} but the name is not set and no prefix is defined.")
        if group.body is not None:
            yield from _body_faults(group, group.body, path)
            yield from _body_example_faults(group, group.body, path)
    elif group.body is not None:
        yield _invalid_group(group, path, "This group contains a body field but the type is not set to event.")
    if group.type is GroupType.METRIC:
        for name in ("metric_name", "instrument", "unit"):
            if getattr(group, name) is None:
                error = f"This group contains a metric type but the {name} is not set."
                message = f"Invalid metric definition in {_quoted(path)}.\ngroup_id=`{group.id}`. {error}"
                fields = {"path_or_url": path, "group_id": group.id, "error": error}
                yield _fault(group, "InvalidMetric", message, None, **fields)


def _quoted(path: str) -> str:
    return json.dumps(path, ensure_ascii=False)


def _body_faults(group: GroupSpec, body: BodySpec, path: str) -> Iterator[Fault]:
    errors = ["Missing stability field."] if body.stability is None else []
    errors += [f"Missing stability field for enum member {m.id}." for m in body.members if m.stability is None]
    for error in errors:
        message = f"The value `{body.id}` in the group `{group.id}` is invalid. {error}\nProvenance: {_quoted(path)}"
        fields = {"path_or_url": path, "group_id": group.id, "value_id": body.id, "error": error}
        yield _fault(group, "InvalidAnyValue", message, _WARNING, **fields)
    if body.type == "map":
        for field in body.fields:
            yield from _body_faults(group, field, path)


def _body_example_faults(group: GroupSpec, body: BodySpec, path: str) -> Iterator[Fault]:
    error = _body_example_error(body)
    if error:
        message = (
            f"The value `{body.id}` in the group `{group.id}` contains an invalid example. {error}.\n"
            f"Provenance: {_quoted(path)}"
        )
        fields = {"path_or_url": path, "group_id": group.id, "value_id": body.id, "error": error}
        yield _fault(group, "InvalidAnyValueExampleError", message, _ERROR, **fields)
    if body.type == "map":
        for field in body.fields:
            yield from _body_example_faults(group, field, path)


def _body_example_error(body: BodySpec) -> str | None:
    kind = body.type
    if body.examples is None:
        named = {"string": "string", "string[]": "string array"}.get(kind)
        return f"This value is a {named} but it does not contain any examples." if named else None
    given = examples_kind(body.examples)
    if kind in ("enum", "bytes", "undefined"):
        return None
    if kind in ("map", "map[]"):
        fits = given in ("string", "string[]", "string[][]")
        return None if fits else f"Examples for `{kind}` values MUST be a supported string type"
    if given == kind and kind.endswith("[]"):
        return f"All examples SHOULD be of type `{kind}`"
    fits = given == f"{kind}[]" or (given == kind and not kind.endswith("[]"))
    return None if fits else f"All examples MUST be of type `{kind}`"


def _deprecation_faults(group: GroupSpec, path: str, name: str, deprecated: Deprecation, error: str) -> Iterator[Fault]:
    if deprecated.reason == "unspecified":
        message = f"The `deprecated` property in `{name}` is invalid. {error}\nProvenance: {_quoted(path)}"
        fields = {"path_or_url": path, "id": name, "error": error}
        yield _fault(group, "UnstructuredDeprecatedProperty", message, _WARNING, **fields)


def _attribute_faults(group: GroupSpec, attribute: AttributeSpec, path: str) -> Iterator[Fault]:
    def fault(error: str, severity: Severity | None) -> Fault:
        name = "InvalidAttributeWarning" if severity else "InvalidAttribute"
        message = (
            f"Invalid attribute definition {_at(path)} "
            f"(group_id='{group.id}', attribute_id='{attribute.name}'). {error}"
        )
        fields = {"path_or_url": path, "group_id": group.id, "attribute_id": attribute.name, "error": error}
        return _fault(attribute, name, message, severity, **fields)

    if attribute.brief is None and attribute.deprecated is None:
        yield fault("This attribute is not deprecated and does not contain a brief field.", None)
    if attribute.stability is None:
        yield fault("Missing stability field.", _WARNING)
    elif attribute.stability is Stability.DEPRECATED:
        yield fault(f"Attribute {_OBSOLETE}", _WARNING)
    for member in attribute.members:
        if member.stability is None:
            yield fault(f"Missing stability field on enum member {member.id}.", _WARNING)
        elif member.stability is Stability.DEPRECATED:
            yield fault(f"Member {member.id} {_OBSOLETE}", _WARNING)
        if member.deprecated is not None:
            error = f"Unstructured deprecated note is used on enum member {member.id}."
            yield from _deprecation_faults(group, path, attribute.name, member.deprecated, error)
    if attribute.deprecated is not None:
        error = "Unstructured deprecated note is not supported on attributes."
        yield from _deprecation_faults(group, path, attribute.name, attribute.deprecated, error)


def _example_faults(group: GroupSpec, attribute: AttributeSpec, path: str) -> Iterator[Fault]:
    found = example_error(attribute.type, attribute.examples)
    if found is None:
        return
    error, severity = found
    warns = severity is _WARNING
    what = "an example that will be considered invalid in the future" if warns else "an invalid example"
    message = (
        f"The attribute `{attribute.name}` in the group `{group.id}` contains {what}. {error}.\n"
        f"Provenance: {_quoted(path)}"
    )
    fields = {"path_or_url": path, "group_id": group.id, "attribute_id": attribute.name, "error": error}
    yield _fault(attribute, f"InvalidExample{'Warning' if warns else 'Error'}", message, severity, **fields)


def example_error(kind: str, examples: Any) -> tuple[str, Severity] | None:
    """What is wrong with the examples of an attribute of a type, and how bad it is; None when nothing is."""
    if examples is None:
        named = {"string": "string", "string[]": "string array"}.get(kind)
        return (f"This attribute is a {named} but it does not contain any examples.", _WARNING) if named else None
    if kind in ("any", "enum", "template[any]"):
        return None
    plain = kind.removeprefix("template[").removesuffix("]") if kind.startswith("template[") else kind
    given = examples_kind(examples)
    if given == f"{plain}[]" or (given == plain and not plain.endswith("[]")):
        return None
    if given in _TOLERATED.get(kind, ()):
        return f"All examples SHOULD be of type `{kind}`", _WARNING
    return f"All examples MUST be of type `{kind}`", _ERROR


def _association_faults(group: GroupSpec, path: str) -> Iterator[Fault]:
    if group.associations and group.type not in _ASSOCIATED:
        yield _invalid_group(group, path, f"Group with entity_associations cannot have type: {_RUST[group.type]}")
    for association in group.associations:
        error = _association_error(association)
        if error:
            yield _invalid_group(group, path, f"entity_associations contains an empty {error}")


def _association_error(association: Association) -> str | None:
    if isinstance(association, str):
        return None if association.strip() else "entity reference"
    if not association.parts:
        return f"`{'one_of' if isinstance(association, OneOf) else 'all_of'}` group"
    return next((error for part in association.parts if (error := _association_error(part))), None)


def named(association: Association) -> Iterator[str]:
    """The names of the entities that an association speaks of."""
    if isinstance(association, OneOf | AllOf):
        for part in association.parts:
            yield from named(part)
    else:
        yield association
