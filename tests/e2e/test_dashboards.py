"""A real Prometheus scrapes a real swarm under attack, and every panel of every dashboard has something to show."""

from __future__ import annotations

import asyncio
import contextlib
import json
import time
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio
import uvicorn

from actors import Swarm, SwarmConfig, cluster
from actors.config import AGGREGATOR
from dashboards.__main__ import ALL, OF_FEDERATIONS
from dashboards.alerts import recordings
from dashboards.federation_alerts import federation_recordings
from gateway import learning
from gateway.ingest import Receiver, router
from gateway.intake import Intake, IntakeSettings
from gateway.metrics import scraped
from gateway.service import service
from telemetry import Telemetry, TelemetryConfig, semconv
from telemetry.promnames import BUCKET, metric_name
from tests.e2e.prometheus import PATIENCE_S, STEP_S, Prometheus, asked, free_port, prometheus_binary, scraping
from tests.telemetry import receiver as collector
from workloads.trajectories import AssemblySettings, Conversion, Layout, TrySettings

__all__ = ["prometheus_binary"]

AGENTS, LIARS, ROUNDS = 13, 4, 14

SILENT = {
    ("Alerts", "annotation"): "an alert fires after a minute at the earliest, which promtool tests show",
}
"""Queries that this run does not make answer, and why."""


@contextlib.asynccontextmanager
async def served(swarm: Swarm) -> AsyncIterator[str]:
    """The gateway of a swarm, on a port of its own."""
    port = free_port()
    telemetry = scraped()
    app = service(swarm, telemetry=telemetry)
    app.include_router(router(taking_spans(swarm, telemetry)))
    server = uvicorn.Server(uvicorn.Config(app, host="127.0.0.1", port=port, log_level="warning"))
    task = asyncio.create_task(server.serve())
    try:
        while not server.started:
            assert not task.done()
            await asyncio.sleep(0.05)
        yield f"127.0.0.1:{port}"
    finally:
        server.should_exit = True
        await task


def tell(target: str, number: int) -> None:
    """Send an agent's spans to the gateway: one try of a task, done by one tool, judged, and one span twice."""
    begun = time.time_ns()

    def span(name: str, place: int, **attributes: str) -> dict[str, Any]:
        own: list[dict[str, Any]] = [
            {"key": f"gen_ai.{key.replace('_', '.', 1)}", "value": {"stringValue": value}}
            for key, value in attributes.items()
        ]
        if place == 0:
            own.append({"key": "gen_ai.evaluation.score.value", "value": {"doubleValue": number % 2}})
        return {
            "traceId": f"{number + 1:032x}",
            "spanId": f"{16 * (number + 1) + place:016x}",
            "parentSpanId": "" if place == 0 else f"{16 * (number + 1):016x}",
            "name": name,
            "startTimeUnixNano": str(begun + place),
            "endTimeUnixNano": str(begun + 1000 - place),
            "attributes": own,
        }

    tool = span("execute_tool search", 1, operation_name="execute_tool", tool_name="search")
    whole = span("invoke_agent", 0, operation_name="invoke_agent", agent_id="agent-000", task_id=f"task {number // 2}")
    body = {"resourceSpans": [{"scopeSpans": [{"spans": [tool, tool, whole]}]}]}
    request = urllib.request.Request(
        f"http://{target}/v1/traces", json.dumps(body).encode(), {"Content-Type": "application/json"}
    )
    with urllib.request.urlopen(request, timeout=10) as answer:
        assert answer.status == 200


def taking_spans(swarm: Swarm, telemetry: Telemetry) -> Receiver:
    """The gateway's receiver, less patient than by default."""
    settings = IntakeSettings(
        conversion=Conversion(layout=Layout(tools=("search", "book"))),
        assembly=AssemblySettings(linger_s=0.2, settle_s=0.5),
        tries=TrySettings(size=2, wait_s=1.0),
    )
    return Receiver(Intake(settings, telemetry=telemetry), swarm.observe)


def under_attack(folder: Path, endpoint: str) -> SwarmConfig:
    """A swarm in which a third lies in the open, and whose divergence counts as small at once."""
    agents = learning.agent_names(AGENTS)
    return SwarmConfig(
        workload=learning.digits(agents, alpha=1.0, seed=1),
        agents=agents,
        hosts=2,
        validators=2,
        deadline_s=20.0,
        linger_s=10.0,
        threshold=1e3,
        min_rounds=3,
        adversary=learning.adversary("scaled", agents[:LIARS], seed=1),
        state_dir=folder,
        telemetry=TelemetryConfig(endpoint=endpoint, prometheus=True, metric_interval_s=1.0),
    )


@dataclass(frozen=True)
class Run:
    """A run that is over, and still in Prometheus.

    Attributes:
        prometheus: that has scraped it, and goes on.
        since: when the run began.
        traces: ids of the traces that the collector has got.
    """

    prometheus: Prometheus
    since: float
    traces: frozenset[str]


@pytest_asyncio.fixture(scope="module")
async def run(prometheus_binary: str, local_ray: None, tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Run]:
    """Rounds under attack, with an actor that dies, and a rollback."""
    pytest.importorskip("sklearn")
    import ray

    folder = tmp_path_factory.mktemp("prometheus")
    with collector.receiving() as receiver:
        swarm = await Swarm.start(under_attack(folder / "state", receiver.url), address="local")
        try:
            async with served(swarm) as target:
                with scraping(prometheus_binary, folder, target) as prometheus:
                    await _until(lambda: _scraped(prometheus))
                    since = time.time()
                    await swarm.start_learning(0.5, rounds=ROUNDS)
                    for number in range(8):
                        await asyncio.to_thread(tell, target, number)
                        await asyncio.sleep(STEP_S)
                    await _until_learned(swarm, ROUNDS // 2)
                    ray.kill(cluster.find(AGGREGATOR), no_restart=False)
                    await _until_learned(swarm, ROUNDS)
                    await swarm.rollback(2)
                    await swarm.drain()
                    await asyncio.sleep(4 * STEP_S)
                    yield Run(prometheus, since, frozenset(span.item.trace_id.hex() for span in receiver.spans))
        finally:
            await swarm.stop()


async def _until_learned(swarm: Swarm, rounds: int) -> None:
    deadline = time.monotonic() + PATIENCE_S
    while (status := await swarm.status())["rounds"] < rounds:
        assert time.monotonic() < deadline, status
        await asyncio.sleep(0.2)


async def _until(holds: Any) -> None:
    async with asyncio.timeout(PATIENCE_S):
        while not await asyncio.to_thread(holds):  # noqa: ASYNC110 - so is this
            await asyncio.sleep(0.2)


def _scraped(prometheus: Prometheus) -> bool:
    return [target["health"] for target in prometheus.ask("targets")["activeTargets"]] == ["up"]


async def test_every_query_of_every_dashboard_returns_data(run: Run) -> None:
    queries = {
        (panel["title"], target["refId"]): target["expr"]
        for board in (make() for make in ALL if make not in OF_FEDERATIONS)
        for panel in board["panels"]
        for target in panel["targets"]
    }
    queries |= {(note["name"], "annotation"): note["expr"] for note in ALL[0]()["annotations"]["list"]}
    empty = {
        name: asked(expr)
        for name, expr in queries.items()
        if not await asyncio.to_thread(run.prometheus.values, asked(expr), run.since)
    }
    assert empty.keys() == SILENT.keys(), json.dumps({" ".join(name): expr for name, expr in empty.items()}, indent=2)


async def test_variables_offer_the_swarm_and_its_workload(run: Run) -> None:
    [series] = run.prometheus.ask("series", **{"match[]": "federated_learning_agents_enrolled", "start": run.since})
    assert series["job"] == "swarmlore/swarmlore"
    assert series["federated_learning_workload"] == "gradients"


async def test_the_figures_are_those_of_the_run(run: Run) -> None:
    def last(expr: str) -> float:
        return run.prometheus.values(expr, run.since)[-1]

    assert last("sum(federated_learning_rounds_total)") == ROUNDS
    assert last("max(federated_learning_agents_enrolled)") == AGENTS
    assert max(run.prometheus.values("max(federated_learning_agents_quarantined)", run.since)) == LIARS
    assert last("max(federated_learning_release_version)") == ROUNDS + 1
    assert last("sum(federated_learning_rollbacks_total)") == 1
    assert last('max(federated_learning_convergence_state{federated_learning_convergence_status="converged"})') == 1
    assert 0 < last("max(federated_learning_accuracy)") <= 1


async def test_a_slow_round_leads_to_its_trace(run: Run) -> None:
    spec = semconv.METRICS[semconv.METRIC_ROUND_DURATION]
    name = metric_name(spec.name, unit=spec.unit, instrument=spec.instrument) + BUCKET
    found = run.prometheus.ask("query_exemplars", query=name, start=run.since, end=time.time())
    traces = {exemplar["labels"]["trace_id"] for series in found for exemplar in series["exemplars"]}
    assert traces
    assert traces <= run.traces


async def test_the_rules_are_evaluated(run: Run) -> None:
    rules = [rule for group in run.prometheus.ask("rules")["groups"] for rule in group["rules"]]
    assert {rule["health"] for rule in rules} == {"ok"}
    for rule in recordings():
        if rule in federation_recordings():
            continue
        await _until(lambda name=rule["record"]: run.prometheus.values(name, run.since))
    states = {rule["name"]: rule["state"] for rule in rules if rule["type"] == "alerting"}
    assert states["SwarmloreQuorumLost"] == states["SwarmloreNoRounds"] == states["SwarmloreDown"] == "inactive"
