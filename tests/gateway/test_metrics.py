"""/metrics over real actors without Ray: all of them on one page, and one that is silent leaves the others in sight."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from typing import Any

import httpx2 as httpx
import pytest
from prometheus_client.openmetrics.parser import text_string_to_metric_families

from actors import SwarmConfig
from actors.config import AGGREGATOR, host_name
from gateway.metrics import Gathering
from telemetry import TelemetryConfig, semconv
from telemetry.promnames import label_name, metric_name
from telemetry.semconv import ActorKind
from telemetry.testing import captured
from tests.gateway.served import Served
from workloads.null import NullWorkload

OPEN = {"Accept": "application/openmetrics-text; version=1.0.0"}
ROUNDS = metric_name(semconv.METRIC_ROUNDS, unit="{round}", instrument="counter")
SILENT = metric_name(semconv.METRIC_ACTORS_SILENT, unit="{actor}", instrument="gauge")
KIND = label_name(semconv.ATTR_ACTOR_KIND)


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    config = SwarmConfig(
        workload=NullWorkload(dimension=16),
        agents=tuple(f"agent-{number:03d}" for number in range(8)),
        state_dir=tmp_path_factory.mktemp("swarm"),
        validators=2,
        telemetry=TelemetryConfig(prometheus=True),
    )
    served = Served(config)
    served.start()
    served.rounds(2)
    yield served
    served.stop()


def samples(page: str) -> dict[str, list[Any]]:
    found: dict[str, list[Any]] = {}
    for family in text_string_to_metric_families(page):
        for sample in family.samples:
            found.setdefault(sample.name, []).append(sample)
    return found


def test_all_actors_are_on_one_page(served: Served) -> None:
    answer = httpx.get(f"{served.url}/metrics", headers=OPEN)
    assert answer.status_code == 200
    assert answer.headers["content-type"].startswith("application/openmetrics-text; version=1.0.0")
    found = samples(answer.text)
    kinds = sorted(sample.labels[KIND] for sample in found["target_info"])
    assert kinds == ["aggregator", "coordinator", "gateway", "host", "host", "validator", "validator"]
    done = [sample for sample in found[ROUNDS] if sample.labels[label_name(semconv.ATTR_OUTCOME)] == "success"]
    assert [(sample.labels["instance"], sample.value) for sample in done] == [("coordinator", 2)]
    assert {sample.value for sample in found[SILENT]} == {0}
    assert not [name for name in (label_name(semconv.ATTR_AGENT_ID),) if name in answer.text]


def test_the_classic_format_is_for_everybody_else(served: Served) -> None:
    answer = httpx.get(f"{served.url}/metrics")
    assert answer.headers["content-type"] == "text/plain; version=0.0.4; charset=utf-8"
    assert f"# TYPE {ROUNDS} counter" in answer.text


def test_a_silent_actor_is_left_out_and_counted(served: Served) -> None:
    host: Any = served.call(lambda: served.stage.actor(host_name(1)))

    async def never() -> bytes:
        await asyncio.Event().wait()
        return b""

    async def gather() -> list[bytes]:
        return await Gathering(served.swarm, timeout_s=0.1).snapshots()

    telling, host.metrics = host.metrics, never
    served.call(lambda: served.stage.gone.add(AGGREGATOR))
    try:
        from telemetry.prometheus import rendered

        page = rendered(served.do(gather), OPEN["Accept"])[0].decode()
    finally:
        host.metrics = telling
        served.call(lambda: served.stage.gone.discard(AGGREGATOR))
    found = samples(page)
    assert {sample.labels[KIND]: sample.value for sample in found[SILENT]} == {
        "aggregator": 1,
        "coordinator": 0,
        "host": 1,
        "validator": 0,
    }
    instances = {sample.labels["instance"] for sample in found["target_info"]}
    assert host_name(0) in instances
    assert host_name(1) not in instances


def test_hosts_of_a_federation_are_doors(served: Served, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(served.swarm.facts, "doors", True)
    with captured(actor_kind=ActorKind.CLERK) as clerk:

        async def gather() -> list[bytes]:
            return await Gathering(served.swarm, clerk.telemetry).of_actors()

        assert len(served.do(gather)) == len(served.do(served.swarm.metrics))
        kinds = {point.attributes[semconv.ATTR_ACTOR_KIND] for point in clerk.points(semconv.METRIC_ACTORS_SILENT)}
    assert kinds == {"coordinator", "aggregator", "validator", "door"}


def test_scrapes_at_one_moment_share_an_answer(served: Served) -> None:
    asked = len([call for call in served.stage.calls if call.endswith(".metrics")])

    async def gather() -> int:
        gathering = Gathering(served.swarm)
        found = await asyncio.gather(*(gathering.snapshots() for _ in range(5)))
        return len({id(one) for one in found})

    assert served.do(gather) == 1
    assert len([call for call in served.stage.calls if call.endswith(".metrics")]) == asked + 6
