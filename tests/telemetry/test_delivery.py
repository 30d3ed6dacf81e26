"""A dead, slow or raising endpoint delays nobody, and what it loses is counted."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from telemetry import Telemetry, TelemetryConfig, semconv
from telemetry.delivery import BATCH_SIZE, LONGEST_WAIT_S, SHORTEST_WAIT_S, Breaker, Tally
from telemetry.exporters import Exporters
from telemetry.semconv import ActorKind

if TYPE_CHECKING:
    from tests.telemetry.conftest import Endpoint

ROUND = {semconv.ATTR_ROUND: 1, semconv.ATTR_WORKLOAD: "gradients"}


def started(exporters: Exporters, *, queue_size: int = 16_384) -> Telemetry:
    config = TelemetryConfig(queue_size=queue_size, metric_interval_s=3_600)
    return Telemetry.start(config, actor_kind=ActorKind.HOST, instance="host-0", exporters=exporters)


def points(endpoint: Endpoint, name: str) -> list[Any]:
    """The data points of one metric in the last export."""
    metrics = endpoint.metrics[-1].resource_metrics[0].scope_metrics[0].metrics
    return [point for metric in metrics if metric.name == name for point in metric.data.data_points]


class Clock:
    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        return self.now


def test_a_breaker_waits_longer_each_time_and_forgets_after_a_success() -> None:
    clock = Clock()
    breaker = Breaker(clock)
    wait = SHORTEST_WAIT_S
    for _ in range(8):
        assert breaker.closed
        breaker.report(delivered=False)
        clock.now += wait - 0.01
        assert not breaker.closed
        clock.now += 0.02
        wait = min(2 * wait, LONGEST_WAIT_S)
    breaker.report(delivered=True)
    breaker.report(delivered=False)
    clock.now += SHORTEST_WAIT_S
    assert breaker.closed


def test_after_a_failure_one_batch_is_kept_and_before_the_next_attempt_nothing() -> None:
    clock = Clock()
    breaker = Breaker(clock)
    assert breaker.room(16_384) == 16_384
    breaker.report(delivered=False)
    assert breaker.room(16_384) == 0
    clock.now += SHORTEST_WAIT_S
    assert breaker.room(16_384) == BATCH_SIZE
    assert breaker.room(10) == 10
    assert not breaker.attempt(lambda: False)
    assert breaker.room(16_384) == 0
    assert not breaker.attempt(lambda: pytest.fail("tried while open"))
    clock.now += 2 * SHORTEST_WAIT_S
    assert breaker.attempt(lambda: True)
    assert breaker.room(16_384) == 16_384


@given(st.integers(1, 5), st.lists(st.integers(0, 3), max_size=40))
def test_a_tally_loses_count_of_nothing(capacity: int, steps: list[int]) -> None:
    tally, offered = Tally(), 0
    for step in steps:
        if step < 2:
            offered += 1
            tally.admit(capacity)
        elif tally.pending:
            tally.settle(1, delivered=step == 2)
        assert tally.pending <= capacity
        assert tally.pending + tally.delivered + tally.dropped == offered


def test_everything_is_delivered_or_counted(endpoint: Endpoint) -> None:
    telemetry = started(endpoint.exporters)
    for _ in range(1_000):
        telemetry.span(semconv.SPAN_GATE, ROUND).end()
    telemetry.event(semconv.EVENT_ROUND_CLOSED, ROUND)
    telemetry.count(semconv.METRIC_UPDATES, 5, ROUND)
    assert telemetry.drain(10.0)
    assert len(endpoint.spans) == 1_000
    assert len(endpoint.events) == 1
    assert endpoint.metrics
    assert telemetry.stop(10.0)
    assert telemetry.stop(10.0)
    assert telemetry.drain(10.0)
    assert telemetry.dropped == {"spans": 0, "events": 0}


def test_a_stuck_endpoint_holds_up_nobody_and_the_queue_stays_bounded(endpoint: Endpoint) -> None:
    endpoint.opened.clear()
    telemetry = started(endpoint.exporters, queue_size=100)
    for _ in range(250):
        telemetry.span(semconv.SPAN_GATE, ROUND).end()
        telemetry.event(semconv.EVENT_ROUND_CLOSED, ROUND)
    assert telemetry.dropped == {"spans": 150, "events": 150}
    assert not telemetry.drain(0.05)
    endpoint.opened.set()
    assert telemetry.stop(10.0)
    assert (len(endpoint.spans), len(endpoint.events)) == (100, 100)
    assert telemetry.dropped == {"spans": 150, "events": 150}


@pytest.mark.parametrize("error", [None, RuntimeError("no route")])
@pytest.mark.filterwarnings("ignore::pytest.PytestUnhandledThreadExceptionWarning")
def test_a_dead_endpoint_is_tried_once_and_its_losses_are_counted(endpoint: Endpoint, error: Exception | None) -> None:
    endpoint.answer, endpoint.error = False, error
    telemetry = started(endpoint.exporters)
    telemetry.span(semconv.SPAN_GATE, ROUND).end()
    assert not telemetry.drain(10.0)
    attempts = endpoint.attempts
    for _ in range(2_000):
        telemetry.span(semconv.SPAN_GATE, ROUND).end()
    assert telemetry.stop(10.0)
    assert telemetry.dropped["spans"] == 2_001
    assert endpoint.attempts <= attempts + 3  # the breaker may have closed again on a slow machine


def test_losses_are_a_metric(endpoint: Endpoint) -> None:
    telemetry = started(endpoint.exporters, queue_size=1)
    endpoint.opened.clear()
    for _ in range(4):
        telemetry.span(semconv.SPAN_GATE, ROUND).end()
    endpoint.opened.set()
    telemetry.drain(10.0)
    values = {p.attributes[semconv.ATTR_SIGNAL]: p.value for p in points(endpoint, semconv.METRIC_TELEMETRY_DROPPED)}
    assert values == {"spans": 3, "events": 0}
    telemetry.stop(10.0)


def test_many_threads_lose_nothing(endpoint: Endpoint) -> None:
    telemetry = started(endpoint.exporters)

    def speak() -> None:
        for _ in range(200):
            telemetry.span(semconv.SPAN_GATE, ROUND).end()
            telemetry.count(semconv.METRIC_UPDATES, 1, ROUND)

    threads = [threading.Thread(target=speak) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert telemetry.stop(10.0)
    assert len(endpoint.spans) == 800
    assert [point.value for point in points(endpoint, semconv.METRIC_UPDATES)] == [800]
