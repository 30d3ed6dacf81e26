"""References become what they refer to; what they cannot refer to is said, as Weaver says it."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from telemetry.checker.diagnostics import RegistryError, Severity
from telemetry.checker.model import AllOf, Attribute, Group, GroupType, Level, OneOf, Stability
from telemetry.checker.registry import Registry, assemble, load
from telemetry.checker.resolution import Resolution, resolve

MANIFEST = "schema_url: https://example.org/schemas/main/1.0.0\n"
ATTRIBUTES = """
groups:
  - id: registry.a
    type: attribute_group
    brief: A.
    attributes:
      - {id: a.count, type: int, stability: stable, brief: Count., examples: [1]}
      - {id: a.name, type: string, stability: development, brief: Name., note: N., examples: [x]}
      - id: a.kind
        stability: stable
        brief: Kind.
        type: {members: [{id: one, stability: stable}, {id: two, value: 2, stability: stable, brief: Two.}]}
"""


def written(folder: Path, files: Mapping[str, str]) -> str:
    for name, text in files.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, "utf-8")
    return str(folder)


def resolved(folder: Path, signals: str = "groups: []", **more: str) -> Resolution:
    files = {"attributes.yaml": ATTRIBUTES, "signals.yaml": signals, **more}
    return resolve(written(folder, files))


def registry_of(folder: Path, signals: str, **more: str) -> Registry:
    found = resolved(folder, signals, **more)
    assert found.registry is not None, [diagnostic.fault.message for diagnostic in found.diagnostics]
    return found.registry


def fatal(folder: Path, signals: str, **more: str) -> tuple[Any, str]:
    found = resolved(folder, signals, **more)
    assert found.registry is None
    [diagnostic] = found.diagnostics
    assert not diagnostic.passes
    return diagnostic.error, diagnostic.fault.message


def test_a_reference_is_the_definition_with_what_it_says_instead(tmp_path: Path) -> None:
    found = registry_of(
        tmp_path,
        """
groups:
  - id: span.s
    type: span
    span_kind: client
    stability: beta
    brief: S.
    attributes:
      - {ref: a.name, brief: Mine., requirement_level: {conditionally_required: If known.}, role: descriptive}
      - {ref: a.count, requirement_level: required, sampling_relevant: true, annotations: {x: 1}}
""",
    )
    span = found.span("s")
    assert span is found.spans["span.s"]
    assert span is not None
    assert (span.kind, span.stability, span.file, span.line) == ("client", Stability.BETA, "signals.yaml", 3)
    count, name = span.attributes
    assert (count.name, count.level, count.sampling_relevant) == ("a.count", Level.REQUIRED, True)
    assert (count.type, count.brief, count.examples, count.annotations) == ("int", "Count.", [1], {"x": 1})
    assert (name.level, name.condition) == (Level.CONDITIONALLY_REQUIRED, "If known.")
    assert (name.brief, name.note, name.role, name.file) == ("Mine.", "N.", "descriptive", "attributes.yaml")
    assert span.at(Level.REQUIRED) == ("a.count",)


def test_members_without_a_value_are_their_id(tmp_path: Path) -> None:
    kind = registry_of(tmp_path, "groups: []").attributes["a.kind"]
    assert kind.is_enum
    assert [(member.id, member.value) for member in kind.members] == [("one", "one"), ("two", 2)]
    assert kind.level is Level.RECOMMENDED


def test_the_last_group_by_id_decides_for_attributes_and_the_first_for_templates(tmp_path: Path) -> None:
    found = registry_of(
        tmp_path,
        """
groups:
  - id: registry.t
    type: attribute_group
    brief: T.
    attributes:
      - {id: t.label, type: "template[string]", stability: stable, brief: Label., examples: [x]}
  - {id: span.b, type: span, span_kind: client, stability: stable, brief: B.,
     attributes: [{ref: a.count, stability: alpha}, {ref: t.label, stability: alpha}]}
  - {id: span.a, type: span, span_kind: client, stability: stable, brief: A.,
     attributes: [{ref: a.count, stability: beta}]}
""",
    )
    assert found.attributes["a.count"].stability is Stability.ALPHA
    assert found.templates["t.label"].stability is Stability.STABLE
    assert [group.id for group in found.groups] == ["registry.a", "registry.t", "span.a", "span.b"]
    template = found.template("t.label.x")
    assert template is not None
    assert (template.value_type, template.is_template) == ("string", True)
    assert found.template("t.labels") is template  # a plain prefix is enough
    assert found.template("t.other") is None
    assert found.attribute("t.label") is None


def test_extending_takes_attributes_over_and_own_ones_win(tmp_path: Path) -> None:
    found = registry_of(
        tmp_path,
        """
groups:
  - {id: c, type: attribute_group, brief: C., extends: b, attributes: [{ref: a.count, brief: Last.}]}
  - {id: b, type: attribute_group, brief: B., extends: base, attributes: [{ref: a.count, requirement_level: opt_in}]}
  - {id: base, type: attribute_group, brief: Base., attributes: [{ref: a.name}, {ref: a.count, brief: First.}]}
""",
    )
    groups = {group.id: group for group in found.groups}
    assert groups["c"].levels == {"a.count": Level.OPT_IN, "a.name": Level.RECOMMENDED}
    assert [group.attributes[0].brief for group in (groups["base"], groups["b"], groups["c"])] == [
        "First.",
        "First.",
        "Last.",
    ]


def test_prefixes_stand_before_names(tmp_path: Path) -> None:
    found = registry_of(
        tmp_path,
        """
groups:
  - {id: g, type: attribute_group, brief: G., prefix: p, attributes: [
      {id: x, type: int, brief: X., stability: stable}, {ref: a.count, prefix: true}]}
  - {id: h, type: attribute_group, brief: H., attributes: [{ref: p.x}, {ref: p.a.count}]}
""",
    )
    groups = {group.id: [attribute.name for attribute in group.attributes] for group in found.groups}
    assert groups["g"] == groups["h"] == ["p.a.count", "p.x"]


def test_associations_are_trees(tmp_path: Path) -> None:
    found = registry_of(
        tmp_path,
        """
groups:
  - {id: entity.n, type: resource, name: n, brief: N., stability: stable, attributes: [{ref: a.name}]}
  - {id: metric.m, type: metric, metric_name: m, instrument: gauge, unit: s, brief: M., stability: stable,
     entity_associations: [n, {all_of: [n, {one_of: [n]}]}]}
""",
    )
    metric, entity = found.metric("m"), found.entity("n")
    assert metric is not None
    assert entity is not None
    assert entity.type is GroupType.ENTITY
    assert metric.associations == ("n", AllOf(parts=("n", OneOf(parts=("n",)))))


UNRESOLVED = [
    (
        "{id: span.s, type: span, span_kind: client, brief: S., attributes: [{ref: a.x}, {ref: a.y}]}",
        "UnresolvedAttributeRef",
        [{"group_id": "span.s", "attribute_ref": "a.x"}, {"group_id": "span.s", "attribute_ref": "a.y"}],
    ),
    (
        "{id: g, type: attribute_group, brief: G., extends: nobody}",
        "UnresolvedExtendsRef",
        [{"group_id": "g", "extends_ref": "nobody"}],
    ),
    (
        "{id: metric.m, type: metric, metric_name: m, instrument: gauge, unit: s, brief: M., entity_associations: [n]}",
        "UnresolvedEntityAssociation",
        [{"group_id": "metric.m", "entity_type": "n"}],
    ),
]


@pytest.mark.parametrize(("group", "kind", "fields"), UNRESOLVED)
def test_what_does_not_resolve(tmp_path: Path, group: str, kind: str, fields: list[dict[str, str]]) -> None:
    """Weaver makes a compound of these also when there is only one."""
    found, _ = fatal(tmp_path, f"groups: [{group}]", **{"manifest.yaml": MANIFEST})
    here = {"schema_url": MANIFEST.split()[1], "path": f"{tmp_path}/signals.yaml"}
    assert found == {"Resolver": {"CompoundError": [{kind: {**part, "provenance": here}} for part in fields]}}


def test_groups_that_extend_each_other_are_not_resolved(tmp_path: Path) -> None:
    groups = "".join(f"{{id: {a}, type: attribute_group, brief: B., extends: {b}}}," for a, b in ("xy", "yx"))
    found, message = fatal(tmp_path, f"groups: [{groups}]")
    assert [kind for fault in found["Resolver"]["CompoundError"] for kind in fault] == ["UnresolvedExtendsRef"] * 2
    assert "not resolved for the group 'x'" in message


def test_dependencies_are_referred_to_and_imported_from(tmp_path: Path) -> None:
    base = written(
        tmp_path / "base",
        {
            "manifest.yaml": "schema_url: https://example.org/schemas/base/1.0.0\n",
            "a.yaml": ATTRIBUTES
            + "  - {id: metric.base, type: metric, metric_name: base.m, instrument: counter, unit: s, brief: M.,\n"
            "     stability: stable, attributes: [{ref: a.count, requirement_level: required}]}\n"
            "  - {id: entity.n, type: entity, name: n, brief: N., stability: stable, attributes: [{ref: a.name}]}\n",
        },
    )
    main = written(
        tmp_path / "main",
        {
            "manifest.yaml": f"{MANIFEST}dependencies:\n"
            f"  - {{schema_url: 'https://example.org/schemas/base/1.0.0', registry_path: '{base}'}}\n",
            "b.yaml": "imports: {metrics: ['base.*', 'none.*']}\n"
            "groups: [{id: event.e, type: event, name: e, brief: E., stability: stable, entity_associations: [n],\n"
            "  attributes: [{ref: a.name}]}, {id: g, type: attribute_group, brief: G., extends: registry.a}]\n",
        },
    )
    found = resolve(main)
    registry = found.registry
    assert registry is not None
    assert set(registry.metrics) == {"base.m"}
    assert registry.metrics["base.m"].at(Level.REQUIRED) == ("a.count",)
    assert registry.events["e"].attributes[0].brief == "Name."
    assert {attribute.name for group in registry.groups if group.id == "g" for attribute in group.attributes} == {
        "a.count", "a.kind", "a.name",
    }  # fmt: skip
    [warning] = found.diagnostics
    assert warning.error == {"UnmatchedImport": {"pattern": "none.*", "signal": "metrics"}}
    assert warning.severity is Severity.WARNING
    everything = resolve(main, include_unreferenced=True)
    assert everything.registry is not None
    assert set(everything.registry.entities) == {"n"}
    assert "DeprecatedIncludeUnreferencedWarning" in {d.fault.kind for d in everything.diagnostics}


def test_what_two_dependencies_have_is_ambiguous(tmp_path: Path) -> None:
    text = ATTRIBUTES + "  - {id: entity.n, type: entity, name: n, brief: N., stability: stable,\n"
    text += "     attributes: [{ref: a.name}]}\n"
    lines = ""
    for name in ("x", "y"):
        url = f"https://example.org/{name}/1"
        folder = written(tmp_path / name, {"manifest.yaml": f"schema_url: {url}", "a.yaml": text})
        lines += f"  - {{schema_url: '{url}', registry_path: '{folder}'}}\n"
    manifest = f"{MANIFEST}dependencies:\n{lines}"
    for signal, kind in (
        ("attributes: [{ref: a.name}]", "AmbiguousReference"),
        ("entity_associations: [n]", "AmbiguousEntityAssociation"),
    ):
        group = f"groups: [{{id: event.e, type: event, name: e, brief: E., stability: stable, {signal}}}]"
        [found] = resolve(written(tmp_path / "main", {"manifest.yaml": manifest, "b.yaml": group})).diagnostics
        assert {part.kind for part in found.fault.parts or (found.fault,)} == {kind}
        assert "https://example.org/x/1" in found.fault.message


def test_two_versions_of_a_dependency_are_refused(tmp_path: Path) -> None:
    lines = ""
    for version in ("1.0.0", "1.1.0"):
        url = f"https://example.org/x/{version}"
        folder = written(tmp_path / version, {"manifest.yaml": f"schema_url: {url}"})
        lines += f"  - {{schema_url: '{url}', registry_path: '{folder}'}}\n"
    [found] = resolve(written(tmp_path / "main", {"manifest.yaml": f"{MANIFEST}dependencies:\n{lines}"})).diagnostics
    assert found.fault.kind == "Unsupported"
    assert "two versions of example.org/x: 1.0.0 and 1.1.0" in found.fault.message


def test_chains_of_dependencies_end(tmp_path: Path) -> None:
    for n in range(12):
        more = f"dependencies: [{{schema_url: 'https://example.org/r{n + 1}/1', registry_path: '{tmp_path}/r{n + 1}'}}]"
        written(tmp_path / f"r{n}", {"manifest.yaml": f"schema_url: https://example.org/r{n}/1\n{more}"})
    [found] = resolve(str(tmp_path / "r0")).diagnostics
    assert found.error == {"Resolver": {"MaximumDependencyDepth": {"registry_name": f"{tmp_path}/r10"}}}


def test_an_attribute_that_two_groups_define(tmp_path: Path) -> None:
    group = "{id: registry.b, type: attribute_group, brief: B., attributes: [{id: a.count, type: int, brief: Again.,"
    found = resolved(tmp_path, f"groups: [{group} stability: stable}}]}}]")
    assert [diagnostic.error for diagnostic in found.diagnostics] == [
        {"DuplicateAttributeId": {"group_ids": ["registry.a", "registry.b"], "attribute_id": "a.count"}}
    ]


def test_dependencies_in_a_circle(tmp_path: Path) -> None:
    for name, other in (("x", "y"), ("y", "x")):
        written(
            tmp_path / name,
            {
                "manifest.yaml": f"schema_url: https://example.org/{name}/1\ndependencies:\n"
                f"  - {{schema_url: 'https://example.org/{other}/1', registry_path: '{tmp_path / other}'}}\n"
            },
        )
    [found] = resolve(str(tmp_path / "x")).diagnostics
    assert found.error == {
        "Resolver": {
            "CircularDependency": {
                "registry_name": "example.org/x",
                "chain": "example.org/x → example.org/y → example.org/x",
            }
        }
    }


BEYOND = {
    "https://github.com/open-telemetry/semantic-conventions.git[model]": "fetches nothing",
    "git@example.org:a/b.git": "fetches nothing",
    "model.zip": "fetches nothing",
}


@pytest.mark.parametrize(("path", "words"), BEYOND.items())
def test_what_would_have_to_be_fetched_is_refused(path: str, words: str) -> None:
    [found] = resolve(path).diagnostics
    assert found.fault.kind == "Unsupported"
    assert words in found.fault.message
    assert "--engine weaver" in found.fault.message


def test_policies_are_refused_unless_left_out(tmp_path: Path) -> None:
    folder = written(tmp_path, {"a.yaml": ATTRIBUTES, "rules/p.rego": "package x"})
    [found] = resolve(folder).diagnostics
    assert found.fault.kind == "Unsupported"
    assert resolve(folder, policies=False).diagnostics == ()


KEPT = "annotations: {dependency_resolution: {exclude: true}}"
HIDDEN = f"""
groups:
  - id: registry.h
    type: attribute_group
    brief: H.
    {KEPT}
    attributes:
      - {{id: h.x, type: int, stability: stable, brief: X., {KEPT}}}
      - {{id: h.y, type: int, stability: stable, brief: Y.}}
  - {{id: metric.h, type: metric, metric_name: h.m, instrument: gauge, unit: s, brief: M., stability: stable, {KEPT}}}
  - {{id: entity.h, type: entity, name: h, brief: N., stability: stable, attributes: [{{ref: h.y}}], {KEPT}}}
"""
_EVENT = "id: event.e, type: event, name: e, brief: E., stability: stable"


@pytest.mark.parametrize(
    ("group", "fields"),
    [
        (f"{_EVENT}, attributes: [{{ref: h.x}}]", {"id": "h.x", "type": "Attribute", "used_in": "event.e"}),
        (f"{_EVENT}, extends: registry.h", {"id": "registry.h", "type": "attribute_group", "used_in": "event.e"}),
        (f"{_EVENT}, entity_associations: [h]", {"id": "h", "type": "entity", "used_in": "event.e"}),
        (f"{_EVENT}, attributes: [{{id: own.x, type: int, brief: X., stability: stable, {KEPT}}}]",
         {"id": "own.x", "type": "Attribute", "used_in": "event.e"}),
    ],
)  # fmt: skip
def test_what_is_kept_back_may_be_used_by_what_is_kept_back(tmp_path: Path, group: str, fields: Any) -> None:
    found, message = fatal(tmp_path, f"groups: [{{{group}}}]", **{"h.yaml": HIDDEN})
    assert found == {"Resolver": {"CompoundError": [{"ExcludedFromDependencyResolution": fields}]}}
    assert "is marked as excluded from dependency resolution and cannot be used by 'event.e'" in message
    if "own.x" not in group:
        assert registry_of(tmp_path, f"groups: [{{{group}, {KEPT}}}]", **{"h.yaml": HIDDEN}).event("e")


def test_what_is_kept_back_is_not_there_for_dependents(tmp_path: Path) -> None:
    base = written(tmp_path / "base", {"manifest.yaml": "schema_url: https://example.org/base/1", "h.yaml": HIDDEN})
    manifest = f"{MANIFEST}dependencies: [{{schema_url: 'https://example.org/base/1', registry_path: '{base}'}}]"
    attributes = "{id: g, type: attribute_group, brief: G., attributes: [{ref: h.x}]}"
    for text, name in (
        (f"groups: [{attributes}]", "h.x"),
        ("groups: [{id: g, type: attribute_group, brief: G., extends: registry.h}]", "registry.h"),
        (f"groups: [{{{_EVENT}, entity_associations: [h]}}]", "h"),
        ("imports: {metrics: ['h.*']}", "metric.h"),
    ):
        [found] = resolve(written(tmp_path / "main", {"manifest.yaml": manifest, "a.yaml": text})).diagnostics
        [part] = found.fault.parts
        assert part.kind == "ExcludedFromDependencyResolution"
        assert isinstance(part.fields, dict)
        assert part.fields["id"] == name
    main = written(tmp_path / "main", {"a.yaml": "groups: []"})
    everything = resolve(main, include_unreferenced=True).registry
    assert everything is not None
    assert not everything.metrics


def test_files_that_are_no_conventions_are_left_alone(tmp_path: Path) -> None:
    folder = written(
        tmp_path,
        {
            "deep/er/a.yml": ATTRIBUTES,
            "manifest.yaml": MANIFEST,
            "schema-next.yaml": "no: convention",
            ".hidden.yaml": "no: convention",
            ".dot/a.yaml": "no: convention",
            "notes.txt": "no: convention",
        },
    )
    found = resolve(folder)
    assert found.diagnostics == ()
    assert found.registry is not None
    assert {attribute.file for attribute in found.registry.attributes.values()} == {"deep/er/a.yml"}


def test_linked_folders_are_followed_when_asked(tmp_path: Path) -> None:
    written(tmp_path / "elsewhere", {"a.yaml": ATTRIBUTES})
    main = tmp_path / "main"
    main.mkdir()
    (main / "link").symlink_to(tmp_path / "elsewhere")
    (main / "back").symlink_to(main)
    for follow, expected in ((False, 0), (True, 3)):
        found = resolve(str(main), follow_symlinks=follow).registry
        assert found is not None
        assert len(found.attributes) == expected


def test_loading_raises_for_errors_and_not_for_warnings(tmp_path: Path) -> None:
    good = written(tmp_path / "good", {"a.yaml": ATTRIBUTES.replace("stability: stable, ", "", 1)})
    assert set(load(good).attributes) == {"a.count", "a.kind", "a.name"}
    bad = written(tmp_path / "bad", {"a.yaml": ATTRIBUTES.replace("type: int", "type: it")})
    with pytest.raises(RegistryError, match=r'a\.yaml:7: Value "it" is not among the allowed options'):
        load(bad)
    with pytest.raises(RegistryError, match="No such file or directory"):
        load(tmp_path / "none")


NAMES = st.lists(st.text("ab.", min_size=1, max_size=4), min_size=1, max_size=8, unique=True)


@given(templates=NAMES, name=st.text("ab.", max_size=6))
def test_the_longest_template_wins(templates: list[str], name: str) -> None:
    attributes = tuple(Attribute(name=template, type="template[int]") for template in templates)
    found = assemble(
        (Group(id="g", type=GroupType.ATTRIBUTE_GROUP, attributes=attributes),), schema_url="https://a/b/1"
    )
    expected = max((template for template in templates if name.startswith(template)), key=len, default=None)
    template = found.template(name)
    assert (template.name if template else None) == expected


@given(
    levels=st.lists(
        st.tuples(st.sampled_from("abc"), st.sampled_from(["x", "y"]), st.sampled_from(list(Level))), max_size=8
    )
)
def test_the_last_group_wins_whatever_the_order_of_the_files(levels: list[tuple[str, str, Level]]) -> None:
    groups = {
        group: Group(
            id=group,
            type=GroupType.SPAN,
            attributes=tuple(Attribute(name=n, type="int", level=level) for g, n, level in levels if g == group),
        )
        for group, _, _ in levels
    }
    forwards = assemble(tuple(groups.values()), schema_url="https://a/b/1")
    backwards = assemble(tuple(reversed(groups.values())), schema_url="https://a/b/1")
    assert forwards.attributes == backwards.attributes
    for name in {name for _, name, _ in levels}:
        last = max(group for group, other, _ in levels if other == name)
        assert forwards.attributes[name].level == [lv for g, n, lv in levels if (g, n) == (last, name)][-1]
