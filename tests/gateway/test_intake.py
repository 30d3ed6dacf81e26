"""From requests to experiences, and what is counted on the way."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from gateway.intake import Intake, IntakeSettings
from gateway.otlp import Decoded
from telemetry import Telemetry, TelemetryConfig, semconv
from telemetry.semconv import ActorKind
from telemetry.span import Attributes
from workloads.trajectories import Conversion, Drop, Ending, EventRecord, Layout, SpanRecord, TrySettings

NS = 1_000_000_000
SETTINGS = IntakeSettings(conversion=Conversion(layout=Layout(tools=("a", "b"))), tries=TrySettings(size=2, wait_s=100))


class Counter(Telemetry):
    """Telemetry that keeps what is counted."""

    def __init__(self) -> None:
        super().__init__(TelemetryConfig(), actor_kind=ActorKind.GATEWAY, pipeline=None)
        self.counted: dict[tuple[str, ...], int] = {}

    def count(self, metric: str, value: int = 1, attributes: Attributes | None = None) -> None:
        spec = semconv.METRICS[metric]
        named = {name: str(word) for name, word in (attributes or {}).items()}
        assert spec.instrument == "counter"
        assert set(named) == set(spec.required)
        key = (metric, *named.values())
        self.counted[key] = self.counted.get(key, 0) + value


@pytest.fixture
def request_of() -> Callable[..., Decoded]:
    def make(trace: int, tool: str, reward: float | None) -> Decoded:
        root = SpanRecord(
            trace_id=f"{trace:032x}",
            span_id="1" * 16,
            start_ns=trace,
            end_ns=trace + 9,
            attributes={"gen_ai.operation.name": "invoke_agent", "gen_ai.agent.id": "me", "gen_ai.task.id": "t"},
        )
        step = SpanRecord(
            trace_id=root.trace_id,
            span_id="2" * 16,
            parent_id=root.span_id,
            start_ns=trace + 1,
            end_ns=trace + 2,
            attributes={"gen_ai.operation.name": "execute_tool", "gen_ai.tool.name": tool},
        )
        result = EventRecord(
            name="gen_ai.evaluation.result",
            trace_id=root.trace_id,
            span_id=root.span_id,
            attributes={"gen_ai.evaluation.score.value": reward},
        )
        return Decoded(spans=(step, root), events=() if reward is None else (result,), contents=3)

    return make


def test_experiences_come_when_the_tries_are_over(request_of: Callable[..., Decoded]) -> None:
    intake = Intake(SETTINGS)
    assert not intake.take([request_of(1, "a", 1.0)], now_ns=0).experiences
    assert not intake.take([request_of(2, "b", 0.0)], now_ns=2 * NS).experiences
    assert not intake.take([], now_ns=5 * NS).experiences  # the first is over, and waits for a second
    found = intake.take([], now_ns=7 * NS).experiences
    assert [(one.action, round(one.reward, 3)) for one in found["me"]] == [(0, 1.0), (1, -1.0)]


def test_a_lone_try_goes_alone_in_the_end(request_of: Callable[..., Decoded]) -> None:
    intake = Intake(SETTINGS)
    intake.take([request_of(1, "a", 1.0)], now_ns=0)
    found = intake.finish()
    assert (found.level_tasks, [one.reward for one in found.experiences["me"]]) == (1, [0.0])


def test_everything_is_counted(request_of: Callable[..., Decoded]) -> None:
    telemetry = Counter()
    intake = Intake(SETTINGS, telemetry=telemetry)
    intake.take([request_of(1, "a", 1.0), request_of(1, "a", 1.0)], now_ns=0)
    intake.take([Decoded(rejected=2, not_agent=5), request_of(2, "a", None)], now_ns=10 * NS)
    intake.finish()
    assert telemetry.counted == {
        (semconv.METRIC_INGEST_SPANS,): 13,
        (semconv.METRIC_INGEST_EVALUATIONS,): 2,
        (semconv.METRIC_INGEST_CONTENTS,): 9,
        (semconv.METRIC_INGEST_DROPPED, "duplicate"): 3,
        (semconv.METRIC_INGEST_DROPPED, "malformed"): 2,
        (semconv.METRIC_INGEST_DROPPED, "not_agent"): 5,
        (semconv.METRIC_TRAJECTORIES, "complete"): 2,
    }


def test_the_registry_knows_every_word() -> None:
    assert {reason.value for reason in Drop} == set(semconv.DropReason)
    assert {ending.value for ending in Ending} == set(semconv.TrajectoryEnding)
