"""A real Prometheus scrapes a real federation, and every panel of its dashboards has something to show."""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import AsyncIterator
from dataclasses import dataclass
from urllib.parse import urlsplit

import pytest
import pytest_asyncio

from actors import Swarm
from dashboards.__main__ import OF_FEDERATIONS
from dashboards.federation_alerts import federation_recordings
from dashboards.queries import EVERYTHING, select, total
from examples.drill.federated import CLERK, CLIENTS, OPERATOR, Federated, federated, federated_config
from examples.drill.window import windows
from telemetry import TelemetryConfig, semconv
from telemetry.promnames import label_name
from telemetry.semconv import ClientTransition, RolloutDecision
from tests.e2e.prometheus import STEP_S, Prometheus, asked, prometheus_binary, scraping

__all__ = ["prometheus_binary"]

SILENT = {
    ("How long do writing and folding take?", "B"): "this federation has a row for each client and folds none",
    ("What do the doors bring in?", "B"): "the same",
    ("What fails?", "C"): "and sums none in secret",
}
"""Queries that this run does not make answer, and why."""


@dataclass(frozen=True)
class Run:
    """A run that is over, and still in Prometheus."""

    prometheus: Prometheus
    since: float


@pytest_asyncio.fixture(scope="module")
async def run(prometheus_binary: str, local_ray: None, tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Run]:
    """All that can happen to a federation."""
    folder = tmp_path_factory.mktemp("federation")
    config = federated_config(folder, TelemetryConfig(prometheus=True))
    swarm = await Swarm.start(config, address="local")
    try:
        async with federated(swarm, config, folder, scrapes=folder / "scrapes", dwell_s=2.5 * STEP_S) as federation:
            with scraping(prometheus_binary, folder, urlsplit(federation.url).netloc, token=OPERATOR) as prometheus:
                since = time.time()
                await asyncio.sleep(3 * STEP_S)  # counters are seen at zero before they rise
                await windows(federation, print)
                await settled(federation)
                yield Run(prometheus, since)
    finally:
        await swarm.stop()


async def settled(federation: Federated) -> None:
    """Have what came last scraped, and the rules evaluated."""
    await federation.passes(20)
    await asyncio.sleep(4 * STEP_S)


async def test_every_query_of_the_federations_dashboards_returns_data(run: Run) -> None:
    empty: dict[tuple[str, str], str] = {}
    for make in OF_FEDERATIONS:
        for panel in make()["panels"]:
            for target in panel["targets"]:
                expr = asked(target["expr"])
                if not await asyncio.to_thread(run.prometheus.values, expr, run.since):
                    empty[panel["title"], target["refId"]] = expr
    assert empty.keys() == SILENT.keys(), json.dumps({" ".join(name): expr for name, expr in empty.items()}, indent=2)


async def test_the_figures_are_those_of_the_run(run: Run) -> None:
    def last(metric: str, **where: str) -> float:
        named = {getattr(semconv, f"ATTR_{name}"): value for name, value in where.items()}
        return run.prometheus.values(total(select(metric, where=named, scope=EVERYTHING)), run.since)[-1]

    assert last(semconv.METRIC_SUBMISSIONS, ANSWER_CODE="accepted") == 2 * CLIENTS
    assert last(semconv.METRIC_CLIENT_TRANSITIONS, CLIENT_TRANSITION=ClientTransition.REGISTERED) == CLIENTS
    assert last(semconv.METRIC_ROLLOUT_DECISIONS, ROLLOUT_DECISION=RolloutDecision.ROLL_BACK) == 1
    assert last(semconv.METRIC_PRIVACY_EPSILON_SPENT) > 4


async def test_versions_come_and_go(run: Run) -> None:
    found = run.prometheus.ask(
        "series", **{"match[]": select(semconv.METRIC_VERSION_SERVED, scope=EVERYTHING), "start": run.since}
    )
    role, version = label_name(semconv.ATTR_RELEASE_ROLE), label_name(semconv.ATTR_RELEASE_SEMANTIC_VERSION)
    assert {(one[role], one[version]) for one in found} == {
        ("current", "1.0.0"),
        ("current", "1.0.1"),
        ("current", "1.0.3"),
        ("candidate", "1.0.1"),
        ("candidate", "1.0.2"),
    }
    assert {(one["instance"], one["job"]) for one in found} == {(CLERK, "swarmlore/swarmlore")}
    now = run.prometheus.ask("query", query=select(semconv.METRIC_VERSION_SERVED, scope=EVERYTHING))["result"]
    assert [one["metric"][version] for one in now] == ["1.0.3"]


async def test_the_rules_are_evaluated(run: Run) -> None:
    for rule in federation_recordings():
        assert run.prometheus.values(rule["record"], run.since)
    rules = [rule for group in run.prometheus.ask("rules")["groups"] for rule in group["rules"]]
    assert {rule["health"] for rule in rules} == {"ok"}
    states = {rule["name"]: rule["state"] for rule in rules if rule["type"] == "alerting"}
    assert states["SwarmloreReleaseRolledBack"] in ("pending", "firing")
    assert states["SwarmlorePrivacyNearlySpent"] == states["SwarmlorePublishingFailed"] == "inactive"
