"""What arrives at a collector from a swarm on a real Ray: whole traces, all signals, all kinds of actors."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from prometheus_client.openmetrics.parser import text_string_to_metric_families

from actors import Swarm, SwarmConfig, cluster
from actors.config import host_name
from gateway.metrics import Gathering
from telemetry import TelemetryConfig, semconv
from telemetry.prometheus import rendered
from telemetry.promnames import label_name, metric_name
from tests.telemetry.receiver import Received, Receiver, receiving

KINDS = {"coordinator", "aggregator", "host", "validator"}
ROUNDS = 3


@pytest.fixture
def receiver(monkeypatch: pytest.MonkeyPatch) -> Iterator[Receiver]:
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    with receiving() as found:
        yield found


def telling(receiver: Receiver) -> TelemetryConfig:
    return TelemetryConfig(endpoint=receiver.url, timeout_s=10.0, metric_interval_s=1.0)


async def test_a_round_is_one_trace_and_all_of_it_arrives(
    local_ray: None, config: Callable[..., SwarmConfig], receiver: Receiver
) -> None:
    swarm = await Swarm.start(config(telemetry=telling(receiver), validators=2), address="local")
    try:
        records = [await swarm.run_round() for _ in range(ROUNDS)]
        assert all((await swarm.drain()).values())
        status = await swarm.status()
        page = rendered(
            await Gathering(swarm, timeout_s=10.0).snapshots(), "application/openmetrics-text; version=1.0.0"
        )
    finally:
        await swarm.stop()
    spans = receiver.spans
    whole = {span.attributes[semconv.ATTR_ROUND]: span for span in spans if span.item.name == semconv.SPAN_ROUND}
    assert sorted(whole) == [record["round"] for record in records]
    for root in whole.values():
        _check_trace(root, [span for span in spans if span.item.trace_id == root.item.trace_id])
    # A span that names a round is in that round's trace and in no other.
    rounds = {root.item.trace_id: number for number, root in whole.items()}
    begun = min(root.item.start_time_unix_nano for root in whole.values())
    assert [
        span.item.name
        for span in spans
        if span.item.start_time_unix_nano >= begun
        and rounds.get(span.item.trace_id) != span.attributes.get(semconv.ATTR_ROUND, rounds.get(span.item.trace_id))
    ] == []
    assert {span.kind for span in spans} == KINDS
    assert {event.kind for event in receiver.events} >= {"coordinator", "host"}
    assert {metric.kind for metric in receiver.metrics} == KINDS
    traced = {event.item.trace_id for event in receiver.events if semconv.ATTR_ROUND in event.attributes}
    assert traced == set(rounds)
    losses = [status["telemetry_dropped"], *(answer["telemetry_dropped"] for answer in status["actors"].values())]
    assert losses == [{"spans": 0, "events": 0}] * len(losses)
    _check_page(page[0].decode(), {root.item.trace_id.hex() for root in whole.values()})


def _check_trace(root: Received, trace: list[Received]) -> None:
    """One root, every parent there, and the aggregation linked to each host's learning."""
    ids = {span.item.span_id for span in trace}
    assert len(ids) == len(trace)
    assert [span.item.name for span in trace if not span.item.parent_span_id] == [semconv.SPAN_ROUND]
    assert [span.item.name for span in trace if span.item.parent_span_id and span.item.parent_span_id not in ids] == []
    assert {span.kind for span in trace} == KINDS
    named: dict[str, list[Received]] = {}
    for span in trace:
        named.setdefault(span.item.name, []).append(span)
    hosts = named[semconv.SPAN_HOST_LEARNING]
    assert {span.instance for span in hosts} == {host_name(0), host_name(1)}
    assert all(span.item.parent_span_id == root.item.span_id for span in hosts)
    agents = named[semconv.SPAN_AGENT_TRAINING]
    assert sorted(span.attributes[semconv.ATTR_AGENT_ID] for span in agents) == [f"agent-{n:03d}" for n in range(12)]
    assert {span.item.parent_span_id for span in agents} == {span.item.span_id for span in hosts}
    [aggregation] = named[semconv.SPAN_AGGREGATE]
    assert {link.span_id for link in aggregation.item.links} == {span.item.span_id for span in hosts}
    assert {link.trace_id for link in aggregation.item.links} == {root.item.trace_id}
    assert len(named[semconv.SPAN_VALIDATE]) == 2
    assert len(named[semconv.SPAN_APPLY]) == 2
    for name in (semconv.SPAN_MONITOR, semconv.SPAN_ANALYZE, semconv.SPAN_PLAN, semconv.SPAN_EXECUTE):
        assert {span.kind for span in named[name]} >= {"coordinator", "aggregator", "validator"}


def _check_page(page: str, traces: set[str]) -> None:
    """The same swarm was scraped while it exported; exemplars lead to its rounds."""
    samples = [sample for family in text_string_to_metric_families(page) for sample in family.samples]
    rounds = metric_name(semconv.METRIC_ROUNDS, unit="{round}", instrument="counter")
    outcome = label_name(semconv.ATTR_OUTCOME)
    assert [s.value for s in samples if s.name == rounds and s.labels[outcome] == "success"] == [ROUNDS]
    kinds = {s.labels[label_name(semconv.ATTR_ACTOR_KIND)] for s in samples if s.name == "target_info"}
    assert kinds == {*KINDS, "gateway"}
    duration = metric_name(semconv.METRIC_ROUND_DURATION, unit="s", instrument="histogram")
    found = {s.exemplar.labels["trace_id"] for s in samples if s.name == f"{duration}_bucket" and s.exemplar}
    assert found
    assert found <= traces


async def test_a_killed_actor_loses_at_most_its_last_interval(
    local_ray: None, config: Callable[..., SwarmConfig], receiver: Receiver
) -> None:
    import ray

    swarm = await Swarm.start(config(telemetry=telling(receiver)), address="local")
    try:
        await swarm.run_round()

        def told() -> list[Any]:
            return [span.item.name for span in receiver.spans if span.instance == host_name(0) and _round_of(span) == 1]

        # Nobody drains: what the host has said is on its way within an interval, of a second.
        async with asyncio.timeout(20):
            while semconv.SPAN_APPLY not in told():  # noqa: ASYNC110 - it is said in another process
                await asyncio.sleep(0.05)
        ray.kill(cluster.find(host_name(0)), no_restart=False)
        assert told().count(semconv.SPAN_HOST_LEARNING) == 1
        assert told().count(semconv.SPAN_AGENT_TRAINING) == 6
        async with asyncio.timeout(60):
            record = await swarm.run_round()
        assert record["round"] == 2
    finally:
        await swarm.stop()
    # The one that came back speaks under the same name, and drained before it ended.
    again = [span for span in receiver.spans if span.instance == host_name(0) and _round_of(span) == 2]
    assert {span.item.name for span in again} >= {semconv.SPAN_HOST_LEARNING, semconv.SPAN_AGENT_TRAINING}


def _round_of(span: Received) -> int | None:
    return span.attributes.get(semconv.ATTR_ROUND)
