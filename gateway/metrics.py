"""``/metrics``: what all actors have measured, gathered when Prometheus asks.

Actors are asked at the same moment and for a limited time. One that does not answer is left out and counted, and the
others are served. Scrapes that come at the same moment share one answer.
"""

from __future__ import annotations

import asyncio
from collections import Counter
from typing import Annotated

from fastapi import APIRouter, Header, Response

from actors import Swarm
from actors.config import AGGREGATOR, COORDINATOR, host_name
from telemetry import Telemetry, TelemetryConfig, semconv
from telemetry.prometheus import rendered

INSTANCE = "gateway"
TIMEOUT_S = 2.0
"""How long an actor may take; Prometheus itself waits ten seconds by default."""


def scraped() -> Telemetry:
    """The telemetry of a gateway that is only scraped."""
    return Telemetry.start(TelemetryConfig(prometheus=True), actor_kind=semconv.ActorKind.GATEWAY, instance=INSTANCE)


class Gathering:
    """Gathers what the actors of a swarm have measured.

    Args:
        swarm: whose actors are asked.
        telemetry: of this process; by default one that is only scraped.
        timeout_s: how long they may take.
    """

    def __init__(self, swarm: Swarm, telemetry: Telemetry | None = None, *, timeout_s: float = TIMEOUT_S) -> None:
        self._swarm = swarm
        self._telemetry = telemetry or scraped()
        self._timeout_s = timeout_s
        self._under_way: asyncio.Task[list[bytes]] | None = None

    async def snapshots(self) -> list[bytes]:
        """What the actors answered, and what this process has measured."""
        if self._under_way is None or self._under_way.done():
            self._under_way = asyncio.ensure_future(self._gathered())
        # A scrape that is given up does not take the answer from the others.
        return await asyncio.shield(self._under_way)

    async def of_actors(self) -> list[bytes]:
        """What the actors answered. Those that did not are counted."""
        answers = await self._swarm.metrics(self._timeout_s)
        homes = semconv.ActorKind.DOOR if self._swarm.facts.get("doors") else semconv.ActorKind.HOST
        silent = Counter(_kind_of(name, homes) for name, answer in answers.items() if answer is None)
        for kind in {_kind_of(name, homes) for name in answers}:
            self._telemetry.gauge(semconv.METRIC_ACTORS_SILENT, silent[kind], {semconv.ATTR_ACTOR_KIND: kind})
        return [answer for answer in answers.values() if answer]

    async def _gathered(self) -> list[bytes]:
        actors = await self.of_actors()
        return [*actors, await asyncio.to_thread(self._telemetry.metrics)]


def router(swarm: Swarm, telemetry: Telemetry | None = None) -> APIRouter:
    """The route for Prometheus over a running swarm.

    Args:
        swarm: whose actors are asked.
        telemetry: of this process, to be served with theirs; by default one that is only scraped.
    """
    gathering = Gathering(swarm, telemetry)
    routes = APIRouter()

    @routes.get(
        "/metrics",
        tags=["health"],
        summary="Metrics of all actors, for Prometheus",
        response_class=Response,
        responses={200: {"content": {"text/plain": {}, "application/openmetrics-text": {}}}},
    )
    async def metrics(accept: Annotated[str, Header()] = "") -> Response:
        """OpenMetrics with exemplars for those who accept it, else the classic text format."""
        page, content_type = await asyncio.to_thread(rendered, await gathering.snapshots(), accept)
        return Response(page, media_type=content_type)

    return routes


def _kind_of(name: str, homes: semconv.ActorKind) -> semconv.ActorKind:
    """What kind of actor has a name; ``homes`` is what hosts are in this swarm."""
    if name in (COORDINATOR, AGGREGATOR):
        return semconv.ActorKind.COORDINATOR if name == COORDINATOR else semconv.ActorKind.AGGREGATOR
    return homes if name.startswith(host_name(0)[:-1]) else semconv.ActorKind.VALIDATOR
