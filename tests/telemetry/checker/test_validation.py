"""Each rule of the check, with a small bad registry and the finding that it gives."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from telemetry.checker.checking import CheckOptions, check, exit_code
from telemetry.checker.diagnostics import Diagnostic, Severity
from telemetry.checker.syntax import TYPES, examples_kind
from telemetry.checker.validation import example_error

W, E, N = Severity.WARNING, Severity.ERROR, None

ATTRIBUTE = "{id: a.b, type: int, stability: stable, brief: B.}"
GROUP = f"id: registry.a, type: attribute_group, brief: B., attributes: [{ATTRIBUTE}]"


def checked(folder: Path, text: str, **options: Any) -> tuple[Diagnostic, ...]:
    (folder / "a.yaml").write_text(text, "utf-8")
    return check(CheckOptions(registry=str(folder), **options))


def of(group: str) -> str:
    """A registry of one good attribute group, and of the group in question."""
    return f"groups:\n  - {{{GROUP}}}\n  - {{{group}}}\n"


def with_attribute(attribute: str) -> str:
    attribute = attribute.replace("STABLE", "stability: stable")
    return f"groups: [{{id: registry.x, type: attribute_group, brief: B., attributes: [{attribute}]}}]"


SPAN = "id: span.s, type: span, span_kind: internal, brief: B., stability: stable, attributes: [{ref: a.b}]"
EVENT = "id: event.e, type: event, name: e, brief: B., stability: stable"
METRIC = "id: metric.m, type: metric, metric_name: m, instrument: counter, unit: s, brief: B., stability: stable"
ENTITY = "id: entity.n, type: entity, name: n, brief: B., stability: stable, attributes: [{ref: a.b}]"
FIELDS = "fields: [{id: f, type: int, requirement_level: opt_in}]"
BODY = "id: f, type: string, requirement_level: required, stability: stable, examples: [x]"


def test_good_groups_have_no_finding(tmp_path: Path) -> None:
    groups = "".join(f"  - {{{group}}}\n" for group in (GROUP, SPAN, EVENT, METRIC, ENTITY))
    assert checked(tmp_path, f"groups:\n{groups}") == ()


RULES: list[tuple[str, str, Severity | None, str]] = [
    # text, kind, severity, the end of the message or of its first line
    (
        of(SPAN.replace(", stability: stable", "")),
        "InvalidGroupStability",
        W,
        "This group does not contain a stability field.",
    ),
    (
        of(SPAN.replace("stable", "deprecated")),
        "InvalidGroupStability",
        W,
        "Group stability is set to 'deprecated' which is no longer supported.",
    ),
    (
        of(SPAN.replace("span_kind: internal, ", "")),
        "InvalidSpanMissingSpanKind",
        W,
        "This group is a Span but the span_kind is not set.",
    ),
    (
        of(SPAN.replace("[{ref: a.b}]", "[{ref: a.b}, {ref: a.b}]")),
        "InvalidGroupDuplicateAttributeRef",
        W,
        "Duplicate attribute refs for 'a.b' found on group 'span.s'",
    ),
    (
        of(SPAN.replace(", attributes: [{ref: a.b}]", "")),
        "InvalidGroupMissingExtendsOrAttributes",
        W,
        "This group does not contain an extends or attributes field.",
    ),
    (of(SPAN.replace("type: span, ", "")), "InvalidGroupMissingType", W, "This group does not contain a type field."),
    (
        of(SPAN + ", prefix: p"),
        "InvalidGroupUsesPrefix",
        W,
        "The group `span.s` defines a prefix. These are no longer used.",
    ),
    (
        of(SPAN + ", deprecated: 'no'"),
        "UnstructuredDeprecatedProperty",
        W,
        "Unstructured deprecated note is not supported on groups.",
    ),
    (
        of(METRIC + ", span_kind: client"),
        "InvalidGroup",
        N,
        "This group contains a span_kind field but the type is not set to span.",
    ),
    (
        of(METRIC + ", events: [e]"),
        "InvalidGroup",
        N,
        "This group contains an events field but the type is not set to span.",
    ),
    (
        of(METRIC + f", body: {{{BODY}}}"),
        "InvalidGroup",
        N,
        "This group contains a body field but the type is not set to event.",
    ),
    (
        of(ENTITY + ", entity_associations: [n]"),
        "InvalidGroup",
        N,
        "Group with entity_associations cannot have type: Entity",
    ),
    (
        of(METRIC + ", entity_associations: [{one_of: []}]"),
        "InvalidGroup",
        N,
        "entity_associations contains an empty `one_of` group",
    ),
    (
        of(METRIC + ", entity_associations: [{one_of: [{all_of: []}]}]"),
        "InvalidGroup",
        N,
        "entity_associations contains an empty `all_of` group",
    ),
    (
        of(METRIC.replace("metric_name: m, ", "")),
        "InvalidMetric",
        N,
        "This group contains a metric type but the metric_name is not set.",
    ),
    (
        of(METRIC.replace("instrument: counter, ", "")),
        "InvalidMetric",
        N,
        "This group contains a metric type but the instrument is not set.",
    ),
    (
        of(METRIC.replace("unit: s, ", "")),
        "InvalidMetric",
        N,
        "This group contains a metric type but the unit is not set.",
    ),
    (
        of(EVENT.replace("name: e, ", "")),
        "InvalidGroup",
        N,
        "This group contains an event type but the name is not set and no prefix is defined.",
    ),
    (
        of(EVENT.replace("name: e, ", "") + f", body: {{{BODY}}}"),
        "InvalidGroup",
        N,
        "This group contains an event type with a body definition but the name is not set.",
    ),
    (
        of(EVENT + f", body: {{{BODY}}}".replace(", stability: stable", "")),
        "InvalidAnyValue",
        W,
        "Missing stability field.",
    ),
    (
        of(EVENT + f", body: {{{BODY}}}".replace(", examples: [x]", "")),
        "InvalidAnyValueExampleError",
        E,
        "This value is a string but it does not contain any examples",
    ),
    (
        of(EVENT + f", body: {{{BODY}}}".replace("[x]", "[1]")),
        "InvalidAnyValueExampleError",
        E,
        "All examples MUST be of type `string`",
    ),
    (
        of(EVENT + f", body: {{id: m, type: map, requirement_level: required, stability: stable, {FIELDS}}}"),
        "InvalidAnyValue",
        W,
        "The value `f` in the group `event.e` is invalid.",
    ),
    (
        of(EVENT + ", body: {id: m, type: enum, requirement_level: opt_in, stability: stable, members: [{id: x}]}"),
        "InvalidAnyValue",
        W,
        "Missing stability field for enum member x.",
    ),
    (
        with_attribute("{id: x.y, type: int, stability: stable}"),
        "InvalidAttribute",
        N,
        "This attribute is not deprecated and does not contain a brief field.",
    ),
    (with_attribute("{id: x.y, type: int, brief: B.}"), "InvalidAttributeWarning", W, "Missing stability field."),
    (
        with_attribute("{id: x.y, type: int, brief: B., stability: deprecated}"),
        "InvalidAttributeWarning",
        W,
        "Attribute stability is set to 'deprecated' which is no longer supported.",
    ),
    (
        with_attribute("{id: x.y, type: {members: [{id: m}]}, brief: B., STABLE}"),
        "InvalidAttributeWarning",
        W,
        "Missing stability field on enum member m.",
    ),
    (
        with_attribute("{id: x.y, type: {members: [{id: m, stability: deprecated}]}, brief: B., STABLE}"),
        "InvalidAttributeWarning",
        W,
        "Member m stability is set to 'deprecated' which is no longer supported.",
    ),
    (
        with_attribute("{id: x.y, type: {members: [{id: m, stability: stable, deprecated: 'no'}]}, brief: B., STABLE}"),
        "UnstructuredDeprecatedProperty",
        W,
        "Unstructured deprecated note is used on enum member m.",
    ),
    (
        with_attribute("{id: x.y, type: int, brief: B., stability: stable, deprecated: 'no'}"),
        "UnstructuredDeprecatedProperty",
        W,
        "Unstructured deprecated note is not supported on attributes.",
    ),
    (
        with_attribute("{id: x.y, type: string, brief: B., STABLE}"),
        "InvalidExampleWarning",
        W,
        "This attribute is a string but it does not contain any examples.",
    ),
    (
        with_attribute("{id: x.y, type: 'string[]', brief: B., STABLE}"),
        "InvalidExampleWarning",
        W,
        "This attribute is a string array but it does not contain any examples.",
    ),
    (
        with_attribute("{id: x.y, type: 'int[]', brief: B., stability: stable, examples: [1]}"),
        "InvalidExampleWarning",
        W,
        "All examples SHOULD be of type `int[]`",
    ),
    (
        with_attribute("{id: x.y, type: int, brief: B., stability: stable, examples: [one]}"),
        "InvalidExampleError",
        E,
        "All examples MUST be of type `int`",
    ),
    (
        with_attribute("{id: x.y, type: int, brief: B., STABLE}, {id: x.y, type: int, brief: C., STABLE}"),
        "DuplicateAttributeId",
        N,
        "The attribute id `x.y` is declared multiple times in the following groups:",
    ),
    (
        of(METRIC) + f"  - {{{METRIC.replace('metric.m', 'metric.n')}}}\n",
        "DuplicateMetricName",
        W,
        "The metric name `m` is declared multiple times",
    ),
    (
        of(EVENT) + f"  - {{{EVENT.replace('event.e', 'event.f')}}}\n",
        "DuplicateGroupName",
        W,
        "The group name `e` is declared multiple times",
    ),
    (of(SPAN) + f"  - {{{SPAN}}}\n", "DuplicateGroupId", W, "The group id `span.s` is declared multiple times"),
    (
        of(SPAN) + f"  - {{{SPAN.replace('span.s', 's')}}}\n",
        "CollidingV2SignalId",
        W,
        "all become `s` in the v2 output",
    ),
]


@pytest.mark.parametrize(("text", "kind", "severity", "message"), RULES)
def test_each_rule(tmp_path: Path, text: str, kind: str, severity: Severity | None, message: str) -> None:
    found = checked(tmp_path, text)
    hits = [diagnostic for diagnostic in found if diagnostic.fault.kind == kind]
    assert any(message in diagnostic.fault.message for diagnostic in hits), [d.fault for d in found]
    assert {diagnostic.severity for diagnostic in hits} == {severity}
    assert exit_code(hits) == (0 if severity is W else 1)
    assert exit_code(checked(tmp_path, text, future=True)) == 1


def test_the_whole_of_a_finding(tmp_path: Path) -> None:
    [found] = checked(tmp_path, with_attribute("{id: x.y, type: int, brief: B.}"))
    path = f"{tmp_path}/a.yaml"
    assert found.error == {
        "FailToResolveDefinition": {
            "InvalidAttributeWarning": {
                "path_or_url": path,
                "group_id": "registry.x",
                "attribute_id": "x.y",
                "error": "Missing stability field.",
            }
        }
    }
    assert found.fault.message == (
        f"Invalid attribute definition detected while resolving '{json.dumps(path)}' "
        "(group_id='registry.x', attribute_id='x.y'). Missing stability field."
    )
    assert (found.severity, found.fault.file, found.fault.line) == (W, path, 1)


KINDS = {
    "1": "int",
    "1.5": "double",
    "true": "boolean",
    '"x"': "string",
    "[1, 2]": "int[]",
    "[1, 2.5]": "double[]",
    "[true]": "boolean[]",
    '["x"]': "string[]",
    '["x", 1]': "any[]",
    "[]": "int[]",
    "[[1], []]": "int[][]",
    "[[1, 2.5]]": "double[][]",
    '[["x"]]': "string[][]",
    "[[true]]": "boolean[][]",
    '[["x"], [1]]': None,
    "null": None,
    "[null]": None,
    "{}": None,
}


@pytest.mark.parametrize(("text", "kind"), KINDS.items())
def test_what_examples_are_taken_for(text: str, kind: str | None) -> None:
    assert examples_kind(json.loads(text)) == kind


@pytest.mark.parametrize("kind", [*TYPES, "enum"])
def test_examples_against_weavers_table(kind: str) -> None:
    """Weaver's table of what fits, tried out for every pair."""
    plain = kind[9:-1] if kind.startswith("template[") else kind
    fits = {f"{plain}[]"} | ({plain} if not plain.endswith("[]") else set[str]())
    bears = {plain} if kind.endswith("[]") and kind == plain else set[str]()
    bears |= {"string", "string[]"} if kind == "template[string[]]" else set[str]()
    for text, given in KINDS.items():
        if given is None:
            continue
        found = example_error(kind, json.loads(text))
        if plain in ("any", "enum") or given in fits:
            assert found is None
        else:
            should = f"All examples SHOULD be of type `{kind}`", W
            assert found == (should if given in bears else (f"All examples MUST be of type `{kind}`", E))
