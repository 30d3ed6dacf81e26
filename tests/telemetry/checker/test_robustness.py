"""Whatever the files hold, the check ends with a registry or with diagnostics, never with an error of its own."""

from __future__ import annotations

import json
import tempfile
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from telemetry.checker.checking import CheckOptions, check, exit_code
from telemetry.checker.rendering import render
from telemetry.checker.resolution import resolve

KEYS = [
    "id", "ref", "ref_group", "type", "brief", "note", "prefix", "extends", "stability", "deprecated", "attributes",
    "span_kind", "kind", "events", "metric_name", "instrument", "unit", "name", "display_name", "body", "annotations",
    "entity_associations", "one_of", "all_of", "examples", "tag", "requirement_level", "sampling_relevant", "role",
    "members", "value", "reason", "renamed_to", "fields", "key", "identity", "description", "visibility", "groups",
    "imports", "metrics", "spans", "entities", "attribute_groups", "metric_refinements", "entity_refinements",
    "dependency_resolution", "exclude", "recommended", "file_format", "version", "odd",
]  # fmt: skip
WORDS = [
    "a", "a.b", "a.b.c", "n", "attribute_group", "span", "event", "metric", "entity", "resource", "scope", "internal",
    "public", "client", "counter", "histogram", "s", "stable", "development", "string", "int", "double[]", "enum",
    "template[string]", "map", "any", "required", "opt_in", "conditionally_required", "renamed", "obsoleted",
    "identifying", "descriptive", "definition/1", "definition/2", "1", "2", "*", "", "{a,b}",
]  # fmt: skip

SCALARS = st.sampled_from(WORDS) | st.integers(-2, 2**64) | st.floats() | st.booleans() | st.none()
TREES = st.recursive(
    SCALARS,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.sampled_from(KEYS), inner, max_size=6),
    max_leaves=25,
)
NAMES = st.sampled_from(["a", "a.b", "a.b.c", "b"])


@st.composite
def groups(draw: st.DrawFn) -> dict[str, Any]:
    """A group that is nearly right, with one thing that may not be."""
    kind = draw(st.sampled_from(["attribute_group", "span", "event", "metric", "entity", "scope", "undefined"]))
    attribute = st.fixed_dictionaries(
        {"brief": st.just("B.")},
        optional={
            "id": NAMES,
            "ref": NAMES,
            "type": st.sampled_from(WORDS) | TREES,
            "examples": TREES,
            "prefix": TREES,
        },
    )
    found: dict[str, Any] = {
        "id": draw(NAMES),
        "type": kind,
        "brief": "B.",
        "attributes": draw(st.lists(attribute, max_size=3)),
        **draw(
            st.fixed_dictionaries({}, optional={"extends": NAMES, "name": NAMES, "metric_name": NAMES, "prefix": NAMES})
        ),
    }
    found[draw(st.sampled_from(KEYS))] = draw(TREES)
    return found


def ends(text: str) -> None:
    with tempfile.TemporaryDirectory() as folder:
        Path(folder, "a.yaml").write_text(text, "utf-8", errors="surrogatepass")
        found = resolve(folder)
        assert found.registry is not None or [diagnostic.passes for diagnostic in found.diagnostics] == [False]
        diagnostics = check(CheckOptions(registry=folder))
        assert exit_code(diagnostics) in (0, 1)
        json.loads(render(diagnostics, "json") or "[]")
        render(diagnostics, "ansi")
        render(diagnostics, "gh_workflow_command")


RUNS = settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.too_slow])


@RUNS
@given(st.dictionaries(st.sampled_from(KEYS), TREES, max_size=6))
def test_any_tree(tree: dict[str, Any]) -> None:
    ends(json.dumps(tree))


@RUNS
@given(st.lists(groups(), max_size=4))
def test_groups_that_are_nearly_right(found: list[dict[str, Any]]) -> None:
    ends(json.dumps({"groups": found}))


@RUNS
@given(
    st.dictionaries(
        st.sampled_from(
            ["attributes", "attribute_groups", "spans", "events", "metrics", "entities", "entity_refinements"]
        ),
        st.lists(st.dictionaries(st.sampled_from(KEYS), TREES, max_size=7), max_size=3),
    )
)
def test_trees_of_the_second_syntax(tree: dict[str, Any]) -> None:
    ends(json.dumps({"file_format": "definition/2", **tree}))


@RUNS
@given(st.text(st.characters(exclude_categories=["Cs"]), max_size=60))
def test_any_text(text: str) -> None:
    ends(text)


@given(st.binary(max_size=60))
@settings(max_examples=50, deadline=None)
def test_any_bytes(content: bytes) -> None:
    with tempfile.TemporaryDirectory() as folder:
        Path(folder, "a.yaml").write_bytes(content)
        assert exit_code(check(CheckOptions(registry=folder))) in (0, 1)


LISTS = ["attributes", "attribute_groups", "spans", "events", "metrics", "entities"]
LISTS += ["metric_refinements", "entity_refinements", "span_refinements", "event_refinements"]
ODD = ["abc", "[1]", "{visibility: {a: 1}}", "{visibility: public}", "{attributes: abc}", "{attributes: [abc]}"]
ODD += [
    "{attributes: [[1]]}",
    "{identity: abc}",
    "{deprecated: [1]}",
    "{name: []}",
    "{body: abc}",
    "{body: {type: {}}}",
]


@pytest.mark.parametrize("odd", ODD)
def test_a_value_of_another_kind(odd: str) -> None:
    ends(f"groups: [{odd}]")
    ends(
        f"groups: [{{id: g, type: event, name: e, brief: B., {odd.strip('{}') if odd.startswith('{') else 'body: 1'}}}]"
    )
    for name in LISTS:
        ends(f"file_format: definition/2\n{name}: [{odd}]")
