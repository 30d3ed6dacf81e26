"""The door."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from opentelemetry.semconv._incubating.attributes import error_attributes, gen_ai_attributes

from federation.errors import SettingError
from workloads.trajectories import Admission, conventions
from workloads.trajectories.conventions import CONTENTS, KEPT

SECRET = "mia.li3818@example.com wants seat 12A, and pays with a card that ends in 7447"


@settings(deadline=None)
@given(st.dictionaries(st.text(max_size=30) | st.sampled_from(sorted(CONTENTS)), st.just(SECRET)))
def test_nothing_that_is_not_named_comes_in(attributes: dict[str, object]) -> None:
    given = {name: value for name, value in attributes.items() if name not in Admission().kept}
    found, left = Admission().admit(given.items())
    assert (found, left) == ({}, len(given.keys() & CONTENTS))


def test_ids_names_and_numbers_come_in() -> None:
    attributes = {
        "gen_ai.agent.id": "a",
        "gen_ai.evaluation.score.value": 0.5,
        "size": 3,
        "gen_ai.tool.name": "x" * 257,
    }
    found, left = Admission(features=("size",)).admit(attributes.items())
    assert (found, left) == ({"gen_ai.agent.id": "a", "gen_ai.evaluation.score.value": 0.5, "size": 3}, 0)


@pytest.mark.parametrize("value", [None, "", [SECRET], {"a": SECRET}, b"x", float("inf"), 1 << 63])
def test_what_is_no_id_and_no_number(value: object) -> None:
    assert Admission().admit([("gen_ai.agent.id", value)]) == ({}, 0)


def test_contents_come_in_when_asked_for_and_not_too_long() -> None:
    admission = Admission(contents=frozenset({"gen_ai.tool.call.result"}), contents_limit=20)
    assert admission.admit([("gen_ai.tool.call.result", ["short"])]) == ({"gen_ai.tool.call.result": ["short"]}, 0)
    assert admission.admit([("gen_ai.tool.call.result", SECRET)]) == ({}, 1)
    assert admission.admit([("gen_ai.tool.call.arguments", "short")]) == ({}, 1)


@pytest.mark.parametrize(
    "wrong",
    [
        {"contents": frozenset({"gen_ai.agent.id"})},
        {"features": ("gen_ai.prompt",)},
        {"task_attribute": "gen_ai.input.messages"},
        {"task_attribute": ""},
        {"text_limit": 0},
    ],
)
def test_settings_are_checked(wrong: dict[str, object]) -> None:
    with pytest.raises(SettingError):
        Admission(**wrong)  # type: ignore[arg-type]


def test_the_names_are_those_of_the_conventions() -> None:
    published = {value for name, value in vars(gen_ai_attributes).items() if name.startswith("GEN_AI_")}
    published |= {error_attributes.ERROR_TYPE}
    named = {name for name in (KEPT | CONTENTS) if name.startswith("gen_ai.")} - published
    # Newer than the package that is pinned, or older than it remembers.
    assert named <= {
        "gen_ai.retrieval.query.text",
        "gen_ai.retrieval.documents",
        "gen_ai.memory.query.text",
        "gen_ai.memory.records",
    }
    operations = {each.value for each in gen_ai_attributes.GenAiOperationNameValues}
    assert {conventions.INVOKE_AGENT, conventions.EXECUTE_TOOL, *conventions.INFERENCE} <= operations
