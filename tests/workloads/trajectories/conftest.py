"""Makers of spans and evaluation results."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from workloads.trajectories import EventRecord, SpanRecord, Step, Trajectory
from workloads.trajectories.trajectory import Outcome

NS = 1_000_000_000


@pytest.fixture
def span() -> Callable[..., SpanRecord]:
    """``span("execute_tool", 3, parent=1, tool="search")``: operation, number, and what else there is to say."""

    def make(
        operation: str | None,
        number: int,
        *,
        parent: int = 0,
        trace: int = 1,
        start: float = 0,
        end: float = 1,
        tool: str | None = None,
        agent: str | None = None,
        **fields: Any,
    ) -> SpanRecord:
        attributes: dict[str, object] = dict(fields.pop("attributes", {}))
        for name, value in (("operation.name", operation), ("tool.name", tool), ("agent.id", agent)):
            if value is not None:
                attributes[f"gen_ai.{name}"] = value
        return SpanRecord(
            trace_id=f"{trace:032x}",
            span_id=f"{number:016x}",
            parent_id=f"{parent:016x}" if parent else "",
            start_ns=int(start * NS),
            end_ns=int(end * NS),
            attributes=attributes,
            **fields,
        )

    return make


@pytest.fixture
def judged() -> Callable[..., EventRecord]:
    """``judged(1.0, span=3)``: an evaluation result of a span."""

    def make(
        score: float | None = None, *, span: int = 1, trace: int = 1, time: float = 9, **attributes: Any
    ) -> EventRecord:
        named: dict[str, object] = {f"gen_ai.{name.replace('__', '.')}": value for name, value in attributes.items()}
        if score is not None:
            named["gen_ai.evaluation.score.value"] = score
        return EventRecord(
            name="gen_ai.evaluation.result",
            time_ns=int(time * NS),
            trace_id=f"{trace:032x}" if trace else "",
            span_id=f"{span:016x}" if span else "",
            attributes=named,
        )

    return make


@pytest.fixture
def run() -> Callable[..., Trajectory]:
    """``run("a b !c", task="t", reward=1.0)``: a trajectory of tools, a ! before one that fails."""

    def make(tools: str, *, key: str = "k", agent: str | None = "me", start: int = 0, **fields: Any) -> Trajectory:
        steps = tuple(
            Step(
                tool=name.removeprefix("!"),
                outcome=Outcome.FAILURE if name.startswith("!") else Outcome.SUCCESS,
                start_ns=start + place,
                latency_s=1.0,
                inferences=place + 1,
            )
            for place, name in enumerate(tools.split())
        )
        return Trajectory(key=key, agent=agent, steps=steps, start_ns=start, **fields)

    return make
