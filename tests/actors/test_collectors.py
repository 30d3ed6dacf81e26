"""Rounds over real sockets to a collector that is dead, silent or refuses: none waits, and losses are counted."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import pytest

from telemetry import TelemetryConfig, semconv
from telemetry.prometheus import families
from telemetry.promnames import label_name, metric_name
from tests.telemetry.receiver import nobody, receiving, silence

PATIENCE_S = 60.0
"""How long the exporters would wait: rounds that waited for them would not be over in `GUARD_S`."""

GUARD_S = 30.0
ROUNDS = 4


@contextmanager
def collector(kind: str) -> Iterator[str]:
    if kind == "dead":
        yield nobody()
    elif kind == "silent":
        with silence() as url:
            yield url
    else:
        with receiving() as server:
            server.answer = (int(kind), {"retry-after": "30"})
            yield server.url


@pytest.mark.parametrize("kind", ["dead", "silent", "503", "429"])
async def test_no_round_waits_for_a_collector(
    kind: str, stage: Callable[..., Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    with collector(kind) as url:
        config = TelemetryConfig(endpoint=url, timeout_s=PATIENCE_S, queue_size=8, metric_interval_s=3_600)
        play = stage(telemetry=config)
        async with asyncio.timeout(GUARD_S):
            records = [await play.coordinator.run_round.remote() for _ in range(ROUNDS)]
            status = await play.coordinator.status.remote()
            page = await play.coordinator.metrics.remote()
        assert [record["round"] for record in records] == [1, 2, 3, 4]
        # Eight spans may wait; a round has more, and the rest is turned away at the door.
        assert status["telemetry_dropped"]["spans"] > 0
        assert all(answer["telemetry_dropped"].keys() == {"spans", "events"} for answer in status["actors"].values())
        assert status["actors"]["swarmlore-aggregator"]["telemetry_dropped"]["spans"] > 0
        assert dropped(page) > 0
        async with asyncio.timeout(GUARD_S):
            await asyncio.to_thread(lambda: [one._telemetry.stop(0.1) for one in play._actors.values()])


def dropped(page: bytes) -> float:
    """Spans that the metrics say were dropped."""
    name = metric_name(semconv.METRIC_TELEMETRY_DROPPED, unit="{item}", instrument="counter")
    signal = label_name(semconv.ATTR_SIGNAL)
    return sum(
        sample.value
        for family in families([page])
        for sample in family.samples
        if sample.name == name and sample.labels[signal] == "spans"
    )


async def test_after_a_collector_came_back_nothing_more_is_lost(
    stage: Callable[..., Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    monkeypatch.setattr("telemetry.delivery.SHORTEST_WAIT_S", 0.0)
    with receiving() as server:
        server.answer = (503, {})
        play = stage(telemetry=TelemetryConfig(endpoint=server.url, timeout_s=10.0))
        await play.coordinator.run_round.remote()
        await play.coordinator.drain.remote()
        lost = (await play.coordinator.status.remote())["telemetry_dropped"]["spans"]
        assert lost > 0
        assert server.spans == []
        server.answer = (200, {})
        await play.coordinator.run_round.remote()
        assert all((await play.coordinator.drain.remote()).values())
        assert (await play.coordinator.status.remote())["telemetry_dropped"]["spans"] == lost
        whole = [span for span in server.spans if span.item.name == semconv.SPAN_ROUND]
        assert [span.attributes[semconv.ATTR_ROUND] for span in whole] == [2]
        await asyncio.to_thread(lambda: [one._telemetry.stop(5.0) for one in play._actors.values()])
