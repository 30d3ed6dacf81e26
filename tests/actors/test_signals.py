"""What a round says: only what the registry allows, and all of it in one trace."""

from __future__ import annotations

import ast
import asyncio
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from actors import standing
from actors.aggregator import Aggregator
from actors.config import AGGREGATOR, COORDINATOR, host_name, validator_name
from actors.coordinator import Coordinator
from actors.host import AgentHost
from actors.validator import ConvergenceValidator
from federation.errors import QuorumError
from telemetry import semconv, setup
from telemetry.generator import constant
from telemetry.semconv import ActorKind
from telemetry.testing import Captured, captured
from workloads.null import NullWorkload

NAMES = {
    **{name: constant("SPAN", name) for name in semconv.SPANS},
    **{name: constant("EVENT", name) for name in semconv.EVENTS},
    **{name: constant("METRIC", name) for name in semconv.METRICS},
}
KINDS: dict[type[Any], ActorKind] = {
    Coordinator: ActorKind.COORDINATOR,
    Aggregator: ActorKind.AGGREGATOR,
    AgentHost: ActorKind.HOST,
    ConvergenceValidator: ActorKind.VALIDATOR,
}


@dataclass(frozen=True)
class Liar:
    """One agent whose rows are no numbers."""

    agents: frozenset[str]

    def corrupt(self, learner: Any) -> Any:
        learn = learner.learn

        def lying(*arguments: Any, **named: Any) -> Any:
            learned = learn(*arguments, **named)
            for row, agent in enumerate(learner.agents):
                if agent in self.agents:
                    learned.rows[row] = np.nan
            return learned

        learner.learn = lying
        return learner

    def send(self, batch: Any) -> list[Any]:
        return [batch]


@dataclass(frozen=True, kw_only=True)
class Measured(NullWorkload):
    """Validators that do not agree, and a held-out accuracy; of a kind that the registry knows."""

    kind: str = "gradients"

    def divergence(self, old: np.ndarray, new: np.ndarray, *, probe: int) -> float:
        return (0.001, 0.5)[probe]

    def evaluate(self, value: np.ndarray) -> dict[str, float]:
        return {"accuracy": 0.75}


@pytest.fixture
def heard(
    request: pytest.FixtureRequest, stage: Callable[..., Any], monkeypatch: pytest.MonkeyPatch
) -> Iterator[tuple[Any, dict[str, Captured]]]:
    """A stage whose actors each have captured telemetry; leaving it holds all of it against the registry."""
    with ExitStack() as stack:
        captures: dict[str, Captured] = {}
        play = stage(
            workload=Measured(dimension=16),
            validators=2,
            adversary=Liar(frozenset({"agent-000"})),
            deadline_s=2.0,
            **getattr(request, "param", {}),
        )
        names = [COORDINATOR, AGGREGATOR, *(host_name(n) for n in range(2)), *(validator_name(n) for n in range(2))]
        for name in names:
            make = play.makers[name]

            def speaking(name: str = name, make: Callable[[], Any] = make) -> Any:
                with monkeypatch.context() as patch:
                    patch.setattr("telemetry.setup.Telemetry.start", lambda *_, **__: captures[name].telemetry)
                    return make()

            kind = next(kind for cls, kind in KINDS.items() if name.startswith(prefix_of(cls)))
            captures[name] = stack.enter_context(captured(actor_kind=kind, instance=name, strict=False))
            play.makers[name] = speaking
        yield play, captures
        assert [problem for capture in captures.values() for problem in capture.problems()] == []


def prefix_of(cls: type[Any]) -> str:
    names = {Coordinator: COORDINATOR, Aggregator: AGGREGATOR, AgentHost: "swarmlore-host"}
    return names.get(cls, "swarmlore-validator")


async def test_a_round_says_what_the_registry_allows_in_one_trace(heard: tuple[Any, dict[str, Captured]]) -> None:
    play, captures = heard
    await play.coordinator.run_round.remote()
    whole: Any
    [whole] = [span for span in captures[COORDINATOR].spans if span.name == semconv.SPAN_ROUND]
    spans = [span for capture in captures.values() for span in capture.spans]
    everything: list[Any] = list(spans)
    strays = {
        span.name
        for span in everything
        if span.start_time >= whole.start_time and span.context.trace_id != whole.context.trace_id
    }
    assert strays == set()
    assert {span.name for span in spans} >= {
        semconv.SPAN_ROUND, semconv.SPAN_HOST_LEARNING, semconv.SPAN_AGENT_TRAINING, semconv.SPAN_GATE,
        semconv.SPAN_SCREEN, semconv.SPAN_AGGREGATE, semconv.SPAN_VALIDATE, semconv.SPAN_APPLY, semconv.SPAN_MONITOR,
        semconv.SPAN_ANALYZE, semconv.SPAN_PLAN, semconv.SPAN_EXECUTE, semconv.SPAN_OPEN, semconv.SPAN_SUBMIT,
        semconv.SPAN_CLOSE, semconv.SPAN_RELEASE, semconv.SPAN_LOCAL_TRAINING,
    }  # fmt: skip
    told = {event.name for capture in captures.values() for event in capture.events}
    assert told >= {
        semconv.EVENT_ROUND_OPENED, semconv.EVENT_ROUND_CLOSED, semconv.EVENT_RELEASE_PUBLISHED,
        semconv.EVENT_MODEL_SYNCHRONIZED, semconv.EVENT_CONVERGENCE_CHECKED, semconv.EVENT_VALIDATORS_DISAGREED,
        semconv.EVENT_LOCAL_TRAINING_STARTED, semconv.EVENT_LOCAL_TRAINING_COMPLETED, semconv.EVENT_GRADIENTS_COMPUTED,
        semconv.EVENT_TRAINING_NOT_FINITE, semconv.EVENT_UPDATE_REFUSED, semconv.EVENT_BYZANTINE_DETECTED,
    }  # fmt: skip
    coordinator, aggregator = captures[COORDINATOR], captures[AGGREGATOR]
    assert coordinator.total(semconv.METRIC_QUORUM) == 6
    assert coordinator.total(semconv.METRIC_FAULT_BOUND) == 2
    assert coordinator.total(semconv.METRIC_ROUNDS) == 1
    assert coordinator.total(semconv.METRIC_RELEASE_SIZE) > 64
    assert coordinator.total(semconv.METRIC_DISTRIBUTION_DURATION) == 1
    assert coordinator.total(semconv.METRIC_DETECTION_RECALL) == 1.0
    assert coordinator.total(semconv.METRIC_ROUND_BUDGET_DURATION) == 0.15
    assert coordinator.total(semconv.METRIC_DISAGREEMENTS) == 1
    assert coordinator.total(semconv.METRIC_KL_SPREAD) == pytest.approx(0.499)
    assert coordinator.total(semconv.METRIC_CONVERGENCE_STATE) == 1
    assert coordinator.total(semconv.METRIC_CONVERGENCE_STATE, {semconv.ATTR_CONVERGENCE_STATUS: "training"}) == 1
    assert coordinator.total(semconv.METRIC_REPUTATION_MEDIAN) == 1.0
    assert coordinator.total(semconv.METRIC_REPUTATION_LOWEST) == pytest.approx(0.9)
    assert aggregator.total(semconv.METRIC_TRANSMITTED) == 8 * 16 * 4
    assert aggregator.total(semconv.METRIC_UPDATES, {semconv.ATTR_VERDICT: "accepted"}) == 7
    found = {point.attributes[semconv.ATTR_SYMPTOM] for point in aggregator.points(semconv.METRIC_SYMPTOMS)}
    assert found >= set(standing.SYMPTOMS)
    refused = {semconv.ATTR_REFUSAL_CODE: "gate.not_finite"}
    assert aggregator.total(semconv.METRIC_UPDATES, refused) == 1


async def test_an_aborted_round_a_rollback_and_restarts_are_told(heard: tuple[Any, dict[str, Captured]]) -> None:
    play, captures = heard
    await play.coordinator.run_round.remote()
    play.gone.add(host_name(1))
    with pytest.raises(QuorumError):
        await play.coordinator.run_round.remote()
    await play.coordinator.rollback.remote(0)
    play.kill(COORDINATOR)
    play.kill(AGGREGATOR)
    await play.coordinator.run_round.remote()
    coordinator = captures[COORDINATOR]
    aborted = {semconv.ATTR_ABORT_REASON: "round.quorum"}
    assert coordinator.total(semconv.METRIC_ROUNDS_ABORTED, aborted) == 1
    assert coordinator.total(semconv.METRIC_ROLLBACKS) == 1
    assert coordinator.total(semconv.METRIC_ROUNDS_OVER_BUDGET) >= 1  # the one that waited for its deadline
    told = {event.name for event in coordinator.events}
    assert told >= {
        semconv.EVENT_ROUND_ABORTED, semconv.EVENT_RELEASE_ROLLED_BACK, semconv.EVENT_ACTOR_RESTARTED,
        semconv.EVENT_SYMPTOM_FOUND, semconv.EVENT_ACTION_EXECUTED,
    }  # fmt: skip
    for capture in (coordinator, captures[AGGREGATOR]):
        assert [span.name for span in capture.spans].count(semconv.SPAN_RECOVER) == 1
    for kind, capture in ((ActorKind.COORDINATOR, coordinator), (ActorKind.AGGREGATOR, captures[AGGREGATOR])):
        assert capture.total(semconv.METRIC_ACTOR_RESTARTS, {semconv.ATTR_ACTOR_KIND: kind.value}) == 1


@pytest.mark.parametrize("heard", [{"commit_reveal": True}], indirect=True)
async def test_commitments_have_a_span(heard: tuple[Any, dict[str, Captured]]) -> None:
    play, captures = heard
    await play.coordinator.run_round.remote()
    commits = [span for span in captures[AGGREGATOR].spans if span.name == semconv.SPAN_COMMIT]
    assert [(span.attributes or {})[semconv.ATTR_AGENTS_COUNT] for span in commits] == [4, 8]  # bound so far


async def test_counters_that_alerts_watch_start_at_zero(heard: tuple[Any, dict[str, Captured]]) -> None:
    play, captures = heard
    await play.coordinator.start.remote()
    coordinator = captures[COORDINATOR]
    for metric, key, values in (
        (semconv.METRIC_ROUNDS, semconv.ATTR_OUTCOME, ("success", "refused")),
        (semconv.METRIC_ROUNDS_ABORTED, semconv.ATTR_ABORT_REASON, ("round.quorum", "rule.bound", "round.aborted")),
    ):
        assert {point.attributes[key]: point.value for point in coordinator.points(metric)} == dict.fromkeys(values, 0)
    for metric in (semconv.METRIC_ROUNDS_OVER_BUDGET, semconv.METRIC_DISAGREEMENTS, semconv.METRIC_ROLLBACKS):
        assert [point.value for point in coordinator.points(metric)] == [0]


async def test_learning_in_the_background_is_told(heard: tuple[Any, dict[str, Captured]]) -> None:
    play, captures = heard
    told: list[float] = []
    await play.coordinator.start_learning.remote(0.25, rounds=1)
    while (await play.coordinator.status.remote())["learning"]:
        told.append(captures[COORDINATOR].total(semconv.METRIC_LEARNING_ACTIVE))
        await asyncio.sleep(0)
    assert 1 in told
    assert captures[COORDINATOR].total(semconv.METRIC_LEARNING_ACTIVE) == 0
    assert captures[COORDINATOR].total(semconv.METRIC_INTERVAL_DURATION) == 0.25


async def test_the_aggregation_links_to_the_learning_of_each_host(heard: tuple[Any, dict[str, Captured]]) -> None:
    play, captures = heard
    for _ in range(2):
        await play.coordinator.run_round.remote()
    learning: list[Any] = [
        span for capture in captures.values() for span in capture.spans if span.name == semconv.SPAN_HOST_LEARNING
    ]
    aggregations: list[Any] = [span for span in captures[AGGREGATOR].spans if span.name == semconv.SPAN_AGGREGATE]
    assert len(aggregations) == 2
    for aggregation in aggregations:
        origins = {span.context.span_id for span in learning if span.context.trace_id == aggregation.context.trace_id}
        assert len(origins) == 2
        assert {link.context.span_id for link in aggregation.links} == origins


ELSEWHERE = {
    "METRIC_TELEMETRY_DELIVERED": "observed by telemetry.pipeline itself, in every process",
    "METRIC_TELEMETRY_DROPPED": "observed by telemetry.pipeline itself, in every process",
    "METRIC_TELEMETRY_PENDING": "observed by telemetry.pipeline itself, in every process",
}
"""Signals that nobody in actors or gateway emits, and why."""


def test_every_signal_of_the_registry_is_emitted() -> None:
    root = Path(__file__).resolve().parents[2]
    found: set[str] = set()
    for path in sorted([*(root / "actors").rglob("*.py"), *(root / "gateway").rglob("*.py")]):
        for node in ast.walk(ast.parse(path.read_text("utf-8"))):
            match node:
                case ast.Attribute(value=ast.Name(id="semconv"), attr=name):
                    found.add(name)
                case ast.Attribute(value=ast.Attribute(value=ast.Name(id="semconv"), attr="Phase"), attr=name):
                    # A phase has a span of its own, and is timed under one name or two.
                    phase = semconv.Phase[name]
                    found |= {"METRIC_PHASE_DURATION", NAMES[setup._SPAN_OF[phase]]}
                    # Learning has the span of who does it: a host or a door.
                    found |= {NAMES[span] for span in setup._LEARNING.values() if phase is semconv.Phase.LEARN}
                    found |= {NAMES[setup._DURATION_OF[phase]]} if phase in setup._DURATION_OF else set()
                case _:
                    pass
    assert set(NAMES.values()) - found == ELSEWHERE.keys()
