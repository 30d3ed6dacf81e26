"""Files are read strictly: every misfit is found, with its place and what would fit."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from telemetry.checker.diagnostics import Diagnostic, Severity
from telemetry.checker.model import Deprecation
from telemetry.checker.registry import Registry
from telemetry.checker.resolution import resolve


def found_in(folder: Path, text: str) -> tuple[Registry | None, tuple[Diagnostic, ...]]:
    (folder / "a.yaml").write_text(text, "utf-8")
    resolution = resolve(str(folder))
    return resolution.registry, resolution.diagnostics


def group(attribute: str) -> str:
    return (
        f"groups:\n  - id: registry.x\n    type: attribute_group\n    brief: B.\n    attributes:\n      - {attribute}\n"
    )


GOOD = "id: x.y, type: int, brief: B., stability: stable"
ROUND = "groups:\n  - {id: g, type: span, brief: B., "

MISFITS = [
    ("groups: []\ngroup: []", "Object contains unexpected properties: group."),
    ("groups: {}", "Value {} is not of the required type: 'array'."),
    ("groups: [1]", "Value 1 is not of the required type: 'object'."),
    (ROUND + "color: red}", "Object contains unexpected properties: color."),
    ("groups: [{type: span}]", 'Missing required property: "id".'),
    ("groups: [{type: span}]", 'Missing required property: "brief".'),
    ("groups: [{id: 5, type: span, brief: B.}]", "Value 5 is not of the required type: 'string'."),
    ("groups: [{id: ~, type: span, brief: B.}]", "Value null is not of the required type: 'string'."),
    (
        "groups: [{id: g, type: trace, brief: B.}]",
        'Value "trace" is not among the allowed options: ["attribute_group",',
    ),
    (ROUND + "span_kind: boss}", 'Value "boss" is not among the allowed options: ["internal","client",'),
    (ROUND + "stability: solid}", 'Value "solid" is not among the allowed options: ["stable","development",'),
    (ROUND + "instrument: horn}", 'Value "horn" is not among the allowed options: ["updowncounter",'),
    (ROUND + "entity_associations: [{any_of: [n]}]}", 'Value {"any_of": ["n"]} is not the name of an entity'),
    (ROUND + "deprecated: {reason: bored}}", 'Value "bored" is not among the allowed options: ["renamed",'),
    (ROUND + "deprecated: {reason: renamed}}", 'Missing required property: "renamed_to".'),
    (ROUND + "deprecated: {note: N.}}", 'Missing required property: "reason".'),
    (ROUND + "annotations: [1]}", "Value [1] is not of the required type: 'object'."),
    (ROUND + "body: {id: b, type: int}}", 'Missing required property: "requirement_level".'),
    (ROUND + "body: {id: b, type: map, requirement_level: opt_in}}", 'Missing required property: "fields".'),
    (group("{brief: B.}"), "does not match any of the allowed schemas"),
    (group("{id: x.y, ref: x.y}"), "does not match any of the allowed schemas"),
    (group("{ref: x.y, type: int}"), "Object contains unexpected properties: type."),
    (group("{id: x.y, brief: B.}"), 'Missing required property: "type".'),
    (group(f"{{{GOOD}, prefix: true}}"), "Object contains unexpected properties: prefix."),
    (group("{id: x.y, type: enum, brief: B.}"), 'Value "enum" is not among the allowed options: ["boolean",'),
    (group("{id: x.y, type: {members: [{value: 1}]}, brief: B.}"), 'Missing required property: "id".'),
    (group("{id: x.y, type: {values: []}, brief: B.}"), 'Missing required property: "members".'),
    (group(f"{{{GOOD}, examples: [[x], [1]]}}"), "is not an example, a list of examples, or a list of lists."),
    (group(f"{{{GOOD}, requirement_level: must}}"), 'Value "must" is not among the allowed options: ["required",'),
    (group(f"{{{GOOD}, requirement_level: conditionally_required}}"), 'Value "conditionally_required" is not among'),
    (group(f"{{{GOOD}, requirement_level: {{required: Yes.}}}}"), "is not among the allowed options"),
    (group(f"{{{GOOD}, sampling_relevant: often}}"), "Value \"often\" is not of the required type: 'boolean'."),
    (group(f"{{{GOOD}, role: leader}}"), 'Value "leader" is not among the allowed options: ["identifying",'),
    ("imports: {logs: ['*']}", "Object contains unexpected properties: logs."),
]


@pytest.mark.parametrize(("text", "error"), MISFITS)
def test_each_misfit(tmp_path: Path, text: str, error: str) -> None:
    registry, (diagnostic,) = found_in(tmp_path, text)
    assert registry is None
    assert diagnostic.layers == ("Resolver", "FailToResolveDefinition")
    faults = diagnostic.fault.parts or (diagnostic.fault,)
    assert {fault.kind for fault in faults} == {"InvalidSemConvSpec"}
    assert any(error in fault.message for fault in faults), [fault.message for fault in faults]


def test_a_misfit_has_its_place(tmp_path: Path) -> None:
    text = group("{id: x.y, type: it, brief: B.}")
    _, (diagnostic,) = found_in(tmp_path, text)
    detail: Any = diagnostic.error["Resolver"]["FailToResolveDefinition"]["InvalidSemConvSpec"]
    span = detail["err_span"]
    assert text[span["offset"] :][: span["length"]] == "it"
    assert diagnostic.fault.line == 6
    assert diagnostic.fault.located.startswith(f"{tmp_path}/a.yaml:6: Value")


def test_all_misfits_of_all_files_are_told_at_once(tmp_path: Path) -> None:
    (tmp_path / "b.yaml").write_text("groups: [{id: g, type: spam, brief: 5}]", "utf-8")
    _, (diagnostic,) = found_in(tmp_path, "groups: [{id: g, type: span}]")
    errors = diagnostic.error["Resolver"]["FailToResolveDefinition"]["CompoundError"]
    assert len(errors) == 3
    assert [part.file for part in diagnostic.fault.parts] == [f"{tmp_path}/{name}.yaml" for name in "abb"]


FORMATS = [
    ("file_format: definition/1\ngroups: []", []),
    ("version: '1'\ngroups: []", ["DeprecatedVersionField"]),
    ("file_format: definition/2", ["UnstableFileFormat"]),
    ("version: '2'", ["DeprecatedVersionField", "UnstableFileFormat"]),
]


@pytest.mark.parametrize(("text", "kinds"), FORMATS)
def test_formats(tmp_path: Path, text: str, kinds: list[str]) -> None:
    registry, diagnostics = found_in(tmp_path, text)
    assert registry is not None
    assert [diagnostic.fault.kind for diagnostic in diagnostics] == kinds
    assert all(diagnostic.severity is Severity.WARNING for diagnostic in diagnostics)


@pytest.mark.parametrize(
    ("text", "error"),
    [
        (
            "file_format: definition/3",
            {"InvalidFileFormat": {"field_key": "file_format", "field_value": "definition/3"}},
        ),
        ("version: '7'", {"InvalidFileFormat": {"field_key": "version", "field_value": "7"}}),
        ("", "Expected a YAML mapping at the root, but found: Null"),
        ("- a", 'Expected a YAML mapping at the root, but found: ["a"]'),
        ("a: [", "while parsing a flow node"),
    ],
)
def test_files_that_are_none(tmp_path: Path, text: str, error: Any) -> None:
    registry, (diagnostic,) = found_in(tmp_path, text)
    assert registry is None
    inner = diagnostic.error["Resolver"]["FailToResolveDefinition"]
    if isinstance(error, dict):
        assert inner == error
    else:
        assert error in inner["DeserializationError"]["error"]
        assert inner["DeserializationError"]["path_or_url"] == f"{tmp_path}/a.yaml"


NOTES = [
    ("{reason: renamed, renamed_to: z}", Deprecation(reason="renamed", note="Replaced by `z`.", renamed_to="z")),
    ("{reason: renamed, renamed_to: z, note: N.}", Deprecation(reason="renamed", note="N.", renamed_to="z")),
    ("{reason: obsoleted}", Deprecation(reason="obsoleted", note="Obsoleted.")),
    ("{reason: uncategorized}", Deprecation(reason="uncategorized", note="Uncategorized.")),
    ("{reason: uncategorized, note: N.}", Deprecation(reason="uncategorized", note="N.")),
    ("old", Deprecation(reason="unspecified", note="old")),
    ("~", None),
]


@pytest.mark.parametrize(("text", "expected"), NOTES)
def test_deprecations(tmp_path: Path, text: str, expected: Deprecation | None) -> None:
    registry, _ = found_in(tmp_path, group(f"{{{GOOD}, deprecated: {text}}}"))
    assert registry is not None
    assert registry.attributes["x.y"].deprecated == expected
