"""definition/2 files become the groups that Weaver makes of them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from telemetry.checker.diagnostics import Diagnostic
from telemetry.checker.model import Level
from telemetry.checker.registry import Registry
from telemetry.checker.resolution import resolve

DEFINITIONS = """
file_format: definition/2
attributes:
  - {key: a.x, type: int, brief: X., stability: stable, examples: [1]}
  - {key: a.y, type: string, brief: Y., stability: stable}
attribute_groups:
  - {id: inner, visibility: internal, attributes: [{ref: a.x, requirement_level: required}]}
  - {id: outer, visibility: public, brief: O., stability: stable, attributes: [{ref_group: inner}, {ref: a.y}]}
entities:
  - {type: n, identity: [{ref: a.x}], description: [{ref: a.y}], brief: N., stability: stable,
     requirement_level: recommended}
"""
COMMON = "brief: B., stability: stable, requirement_level: recommended"


def found_in(folder: Path, more: str) -> tuple[Registry | None, tuple[Diagnostic, ...]]:
    (folder / "a.yaml").write_text(DEFINITIONS + more, "utf-8")
    found = resolve(str(folder))
    return found.registry, tuple(d for d in found.diagnostics if d.fault.kind != "UnstableFileFormat")


def test_groups_are_included_and_internal_ones_stay_inside(tmp_path: Path) -> None:
    registry, diagnostics = found_in(
        tmp_path,
        f"""
metrics:
  - {{name: m, instrument: counter, unit: s, attributes: [{{ref_group: outer}}, {{ref: a.x, brief: Own.}}], {COMMON}}}
spans:
  - {{type: s, kind: client, name: {{note: N.}}, attributes: [{{ref: a.x, sampling_relevant: true}}], {COMMON}}}
events: [{{name: e, entity_associations: [n], {COMMON}}}]
metric_refinements: [{{id: refined, ref: m, attributes: [{{ref: a.y, requirement_level: required}}]}}]
""",
    )
    assert diagnostics == ()
    assert registry is not None
    assert [group.id for group in registry.groups] == [
        "entity.n",
        "event.e",
        "metric.m",
        "outer",
        "registry.a",
        "span.s",
    ]
    metric = registry.metrics["m"]
    assert metric.levels == {"a.x": Level.REQUIRED, "a.y": Level.RECOMMENDED}
    assert metric.attributes[0].brief == "Own."
    assert registry.spans["span.s"].attributes[0].sampling_relevant is True
    assert {a.name: a.role for a in registry.entities["n"].attributes} == {"a.x": "identifying", "a.y": "descriptive"}
    assert registry.events["e"].associations == ("n",)


def test_signals_without_a_level_are_warned_of(tmp_path: Path) -> None:
    registry, diagnostics = found_in(tmp_path, "events: [{name: e, brief: E., stability: stable}]")
    assert registry is not None
    assert [diagnostic.fault.fields for diagnostic in diagnostics] == [
        {"path_or_url": f"{tmp_path}/a.yaml", "group_id": "event.e"}
    ]


_METRIC = "metrics: [{name: m, instrument: gauge, unit: s, brief: M., stability: stable, deprecated: "


def _unexpected(name: str) -> dict[str, str]:
    return {"error": f"Object contains unexpected properties: {name}. These properties are not defined in the schema."}


FATAL: list[tuple[str, str, Any]] = [
    (
        "entity_refinements: [{id: r, ref: n, identity: [{ref: a.x}], description: [{ref: a.x}]}]",
        "AttributeInIdentityAndDescription",
        {"group_id": "r", "attribute_id": "a.x"},
    ),
    (
        "entity_refinements: [{id: r, ref: n, description: [{ref: a.x}]}]",
        "EntityRefinementChangedIdentity",
        {"refinement_id": "r", "ref": "entity.n", "attribute_id": "a.x", "role": "descriptive"},
    ),
    (
        "entity_refinements: [{id: r, ref: n, identity: [{ref: a.y}]}]",
        "EntityRefinementChangedIdentity",
        {"attribute_id": "a.y", "role": "identifying"},
    ),
    ("metric_refinements: [{id: r, ref: none}]", "UnresolvedExtendsRef", {"extends_ref": "metric.none"}),
    (
        f"events: [{{name: e, attributes: [{{ref_group: none}}], {COMMON}}}]",
        "UnresolvedIncludeRef",
        {"include_ref": "none"},
    ),
    (
        f"events: [{{name: e, attributes: [{{ref_group: inner}}, {{ref_group: outer}}], {COMMON}}}]",
        "DuplicateAttributeId",
        {"attribute_id": "a.x", "group_ids": ["inner", "outer"]},
    ),
    (f"events: [{{name: e, body: {{}}, {COMMON}}}]", "InvalidSemConvSpec", _unexpected("body")),
    (
        f"events: [{{name: e, attributes: [{{ref: a.x, stability: stable}}], {COMMON}}}]",
        "InvalidSemConvSpec",
        _unexpected("stability"),
    ),
    (_METRIC + "{reason: obsoleted}}]", "InvalidSemConvSpec", {"error": 'Missing required property: "note".'}),
    (_METRIC + "'no'}]", "InvalidSemConvSpec", {"error": "Value \"no\" is not of the required type: 'object'."}),
]


@pytest.mark.parametrize(("more", "kind", "fields"), FATAL)
def test_what_is_fatal(tmp_path: Path, more: str, kind: str, fields: dict[str, Any]) -> None:
    registry, (diagnostic,) = found_in(tmp_path, more)
    assert registry is None
    faults = diagnostic.fault.parts or (diagnostic.fault,)
    hits = [fault.fields for fault in faults if fault.kind == kind]
    assert any(isinstance(hit, dict) and fields.items() <= hit.items() for hit in hits), [f.error for f in faults]


def test_an_entity_needs_an_identity(tmp_path: Path) -> None:
    text = "file_format: definition/2\nentities: [{type: n, identity: [], brief: N., stability: stable}]"
    (tmp_path / "b.yaml").write_text(text, "utf-8")
    _, (diagnostic,) = found_in(tmp_path, "")
    assert [part.kind for part in diagnostic.fault.parts] == ["EntityMissingIdentity"]
