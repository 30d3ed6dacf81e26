"""Agents: who is enrolled, how the trust ledger sees them, and what was decided about their updates."""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import APIRouter, Path, Query
from starlette.responses import Response

from actors import Swarm
from federation.errors import SwarmError
from gateway.problems import documented
from gateway.rest.answers import After, Limit, answer, example
from gateway.rest.rounds import VERDICT

AGENT: dict[str, Any] = {
    "agent": "agent-007",
    "host": "swarmlore-host-0",
    "idle": False,
    "standing": "active",
    "reputation": 1.0,
    "quarantine_rounds": 0,
}


class UnknownAgentError(SwarmError):
    """An agent that is not enrolled."""

    code = "agent.unknown"

    def __init__(self, *, agent: str, enrolled: int) -> None:
        super().__init__(
            f"No agent {agent!r} is enrolled; {enrolled} others are. GET /v1/agents lists them.",
            agent=agent,
            enrolled=enrolled,
        )


def router(swarm: Swarm) -> APIRouter:
    """The operations on agents."""
    routes = APIRouter(prefix="/v1/agents", tags=["agents"])

    async def find(agent: str) -> dict[str, Any]:
        after, looked_at = "", 0
        while after < agent and (page := await swarm.agents(after)):
            for found in page:
                if found["agent"] == agent:
                    return found
            after, looked_at = page[-1]["agent"], looked_at + len(page)
        raise UnknownAgentError(agent=agent, enrolled=looked_at)

    @routes.get(
        "",
        summary="List agents",
        responses=example({"agents": [AGENT], "next": "agent-007"}, "By id; `next` is null on the last page."),
    )
    async def listed(
        after: Annotated[str, Query(max_length=1024, description="Only ids above this one.")] = "",
        limit: Limit = 200,
        standing: Annotated[
            str | None, Query(pattern="^(active|probation|quarantined)$", description="Only agents of this standing.")
        ] = None,
    ) -> Response:
        """Agents with their host, standing and reputation."""
        found = await swarm.agents(after, limit + 1, standing)
        return answer({"agents": found[:limit], "next": found[limit - 1]["agent"] if len(found) > limit else None})

    # Ids may hold slashes, so the longer path comes first.
    @routes.get(
        "/{agent:path}/verdicts",
        summary="An agent's verdicts",
        responses={
            **example({"verdicts": [VERDICT], "next": None}, "Oldest first; `next` is null on the last page."),
            **documented("agent.unknown"),
        },
    )
    async def verdicts(agent: Annotated[str, Path()], after: After = 0, limit: Limit = 50) -> Response:
        """What was decided about an agent's updates, by whom, why, and by what score against what threshold."""
        found = await swarm.verdicts(agent=agent, after=after, limit=limit)
        if not found:
            await find(agent)
        return answer({"verdicts": found, "next": found[-1]["round"] if len(found) == limit else None})

    @routes.get(
        "/{agent:path}",
        summary="Read an agent",
        responses={**example(AGENT, "The agent."), **documented("agent.unknown")},
    )
    async def one(agent: Annotated[str, Path()]) -> Response:
        """An agent's host, standing and reputation."""
        return answer(await find(agent))

    return routes
