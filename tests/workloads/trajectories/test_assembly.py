"""What becomes of the spans of one trace."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from workloads.trajectories import Admission, Ending, Evaluation, Outcome, Scoring, SpanRecord, Status, assembled
from workloads.trajectories.trajectory import Trajectory

Make = Callable[..., SpanRecord]


def put(*spans: SpanRecord, evaluations: tuple[Evaluation, ...] = (), **settings: Any) -> list[Trajectory]:
    return assembled(
        "t",
        spans,
        evaluations,
        admission=settings.pop("admission", Admission()),
        scoring=Scoring(),
        ending=settings.pop("ending", Ending.COMPLETE),
    )


def of(span: SpanRecord, score: float) -> Evaluation:
    return Evaluation(trace_id=span.trace_id, span_id=span.span_id, name="m", score=score, time_ns=1)


def test_steps_come_by_time_with_what_is_known_of_them(span: Make) -> None:
    root = span("invoke_agent", 1, agent="planner", start=0, end=10, attributes={"gen_ai.task.id": "t7"})
    late = span("execute_tool", 3, parent=1, tool="book", start=5, end=7.5, attributes={"error.type": "timeout"})
    early = span("execute_tool", 2, parent=1, tool="search", start=2, end=3)
    open_ = span("execute_tool", 4, parent=1, tool="pay", start=8, end=0)
    chat = span("chat", 5, parent=1, start=4, end=5)
    (found,) = put(open_, late, root, early, chat)
    assert (found.agent, found.task, found.ending, found.inferences) == ("planner", "t7", Ending.COMPLETE, 1)
    assert [(step.tool, step.outcome, step.latency_s, step.error_type, step.inferences) for step in found.steps] == [
        ("search", Outcome.SUCCESS, 1.0, None, 0),
        ("book", Outcome.FAILURE, 2.5, "timeout", 1),
        ("pay", Outcome.UNKNOWN, None, None, 1),
    ]


def test_a_status_of_error_fails_a_step(span: Make) -> None:
    (found,) = put(span("execute_tool", 2, tool="x", agent="a", status=Status.ERROR))
    assert found.steps[0].outcome is Outcome.FAILURE


def test_without_an_agents_span_it_is_incomplete_unless_judged(span: Make) -> None:
    step = span("execute_tool", 2, parent=1, tool="x", resource={"service.name": "desk"})
    (found,) = put(step)
    assert (found.ending, found.agent) == (Ending.INCOMPLETE, "desk")
    (found,) = put(step, evaluations=(of(step, 0.5),))
    assert (found.ending, found.reward) == (Ending.COMPLETE, 0.5)


def test_an_agents_span_that_has_not_ended_is_incomplete(span: Make) -> None:
    (found,) = put(span("invoke_agent", 1, agent="a", end=0))
    assert found.ending is Ending.INCOMPLETE


def test_each_agent_of_a_trace_has_its_own(span: Make) -> None:
    spans = (
        span("invoke_agent", 1, agent="planner", start=0, end=20),
        span("execute_tool", 2, parent=1, tool="ask_coder", start=1, end=9),
        span("invoke_agent", 3, parent=2, agent="coder", start=2, end=8),
        span("chat", 4, parent=3, start=2, end=3),
        span("execute_tool", 5, parent=4, tool="edit", start=3, end=4),
        span("execute_tool", 6, parent=1, tool="reply", start=10, end=11),
    )
    coder, planner = put(*spans)
    assert [step.tool for step in coder.steps] == ["edit"]
    assert [step.tool for step in planner.steps] == ["ask_coder", "reply"]
    assert (coder.inferences, planner.inferences) == (1, 0)


def test_an_evaluation_of_the_outermost_agent_judges_those_that_have_none(span: Make) -> None:
    root = span("invoke_agent", 1, agent="planner", start=0, end=20)
    inner = span("invoke_agent", 3, parent=1, agent="coder", start=2, end=8)
    coder, planner = put(root, inner, evaluations=(of(root, 1.0),))
    assert (coder.reward, planner.reward) == (1.0, 1.0)
    coder, planner = put(root, inner, evaluations=(of(root, 1.0), of(inner, 0.25)))
    assert (coder.reward, planner.reward) == (0.25, 1.0)
    coder, planner = put(root, inner, evaluations=(of(inner, 0.25),))
    assert (coder.reward, planner.reward) == (0.25, None)


def test_missing_parents_are_bridged_by_time(span: Make) -> None:
    spans = (
        span("invoke_agent", 1, agent="planner", start=0, end=20),
        span("invoke_agent", 3, parent=99, agent="coder", start=2, end=8),
        span("execute_tool", 5, parent=98, tool="edit", start=3, end=4),
        span("execute_tool", 6, parent=97, tool="reply", start=10, end=11),
    )
    coder, planner = put(*spans)
    assert [step.tool for step in coder.steps] == ["edit"]
    assert [step.tool for step in planner.steps] == ["reply"]


def test_a_cycle_of_parents_ends(span: Make) -> None:
    (found,) = put(
        span("execute_tool", 2, parent=3, tool="x", agent="a"), span("execute_tool", 3, parent=2, tool="y", agent="a")
    )
    assert {step.tool for step in found.steps} == {"x", "y"}


def test_a_call_seen_twice_is_one_step(span: Make) -> None:
    spans = (
        span("invoke_agent", 1, agent="a", end=9),
        span("execute_tool", 2, parent=1, tool="read", start=1, end=3),
        span("execute_tool", 3, parent=2, tool="read", start=1.5, end=2.5),
        span("execute_tool", 4, parent=2, tool="other", start=2.6, end=2.7),
    )
    (found,) = put(*spans)
    assert [step.tool for step in found.steps] == ["read", "other"]


def test_a_tool_is_found_in_the_name_of_its_span(span: Make) -> None:
    first = span("execute_tool", 2, agent="a", name="execute_tool search web")
    (found,) = put(first, span("execute_tool", 3, agent="a", name="something", start=1))
    assert [step.tool for step in found.steps] == ["search web", "unknown"]


def test_the_name_stands_for_a_missing_id(span: Make) -> None:
    (found,) = put(span("invoke_agent", 1, attributes={"gen_ai.agent.name": "Desk"}))
    assert found.agent == "Desk"


def test_features_and_contents_that_were_asked_for(span: Make) -> None:
    admission = Admission(features=("size",), contents=frozenset({"gen_ai.tool.call.result"}))
    root = span("invoke_agent", 1, agent="a", end=9, attributes={"size": 3})
    tool = span("execute_tool", 2, parent=1, tool="x", attributes={"gen_ai.tool.call.result": [1, 2]})
    (found,) = put(root, tool, admission=admission)
    assert found.features == {"size": 3.0}
    assert found.steps[0].contents == {"gen_ai.tool.call.result": [1, 2]}


@pytest.mark.parametrize("operation", ["embeddings", "retrieval", "search_memory"])
def test_other_operations_make_no_step(span: Make, operation: str) -> None:
    assert put(span(operation, 1)) == []
