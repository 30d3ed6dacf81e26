"""Whether the gateway lives, whether the swarm could run a round now, and what it is doing."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from fastapi import APIRouter
from starlette.responses import Response

from federation.errors import SwarmError
from federation.terms import fault_bound
from gateway.feed import Feed
from gateway.problems import documented
from gateway.rest.answers import answer, example

FRESH_S = 1.0
"""How old a status may be that many probes share."""


def readiness(status: Mapping[str, Any]) -> dict[str, Any]:
    """Whether a round could run now: a release in force, judges that answer, and agents for a quorum.

    ``status`` is what `Feed.status` gave. The quorum is n - f of the agents that have something to learn from.
    """
    actors: Mapping[str, Any] = status["actors"]
    hosts = [word for word in actors.values() if word is not None and "agents" in word]
    # Where nobody has anything to learn from, everybody is asked.
    idle = status["idle"] if status["idle"] < status["agents"] else 0
    n = status["agents"] - idle
    reached = sum(word["agents"] - (word["idle"] if idle else 0) for word in hosts)
    f = min(status["fault_bound"], fault_bound(n))
    silent = sorted(name for name, word in actors.items() if word is None)
    judges = [name for name in silent if "aggregator" in name or "validator" in name]
    checks = {
        "swarm": {"ready": True, "detail": f"run {status['run']} answers"},
        "release": {
            "ready": status["release"] is not None,
            "detail": f"version {status['release']['version']} in force" if status["release"] else "none in force",
        },
        "judges": {"ready": not judges, "detail": f"silent: {', '.join(judges)}" if judges else "all answer"},
        "quorum": {
            "ready": reached >= n - f,
            "detail": f"{reached} agents on hosts that answer, n - f = {n} - {f} = {n - f} needed",
            "reached": reached,
            "needed": n - f,
        },
    }
    return {"ready": all(check["ready"] for check in checks.values()), "checks": checks, "silent": silent}


def router(feed: Feed) -> APIRouter:
    """The operations on the gateway's and the swarm's health."""
    routes = APIRouter(tags=["health"])

    @routes.get("/healthz", summary="Does the gateway live", responses=example({"alive": True}, "It does."))
    async def alive() -> Response:
        """Answers as long as the process does; the swarm is not asked."""
        return answer({"alive": True})

    @routes.get(
        "/readyz",
        summary="Could a round run now",
        responses={
            **example({"ready": True, "checks": {"quorum": {"ready": True, "reached": 100, "needed": 67}}}, "Yes."),
            503: {"description": "No; the checks say why."},
        },
    )
    async def ready() -> Response:
        """The swarm answers, a release is in force, aggregator and validators answer, and a quorum can be reached."""
        try:
            found = readiness(await feed.status(fresh_s=FRESH_S))
        except SwarmError as error:
            checks = {"swarm": {"ready": False, "detail": str(error), "code": error.code}}
            found = {"ready": False, "checks": checks}
        return answer(found, 200 if found["ready"] else 503)

    @routes.get(
        "/v1/status",
        summary="What the swarm is doing",
        responses={
            **example({"run": "swarm", "phase": "idle", "rounds": 12, "quarantined": [], "actors": {}}, "The status."),
            **documented("swarm.silent"),
        },
    )
    async def status() -> Response:
        """Phase, convergence, quarantine, and what every actor and its loop has done; null for a silent actor."""
        return answer(await feed.status())

    return routes
