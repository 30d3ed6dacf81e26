"""The stream of what happens, and the snapshot that it goes on from."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Header, Query, Request
from starlette.responses import Response, StreamingResponse

from actors import Swarm
from actors.columns import LETTERS
from gateway.feed import KEPT, Feed
from gateway.problems import documented
from gateway.rest.answers import answer, example

_STREAM = """retry: 1000

event: status
data: {"run":"swarm","phase":"collecting","round":12,"rounds":12,"reachable":true}

event: round
id: 12
data: {"round":12,"kl_divergence":0.0213,"column":"aaarrc"}

"""


def router(swarm: Swarm, feed: Feed) -> APIRouter:
    """The operations that the page lives by."""
    routes = APIRouter(prefix="/v1", tags=["events"])

    @routes.get(
        "/events",
        summary="What happens, as it happens",
        response_class=StreamingResponse,
        responses={
            200: {
                "description": "`round` events, each once and in order, with the round's number as id; `status` "
                "events about once a second.",
                "content": {"text/event-stream": {"example": _STREAM}},
            },
            **documented("request.listeners"),
        },
    )
    async def events(
        after: Annotated[
            int | None, Query(ge=0, description="Begin after this round; by default with the next.")
        ] = None,
        last_event_id: Annotated[
            str | None, Header(description="Goes before `after`: where a broken stream goes on.", max_length=32)
        ] = None,
    ) -> Response:
        """Server-sent events. A round comes without the agents' verdicts, but with its column of the heat map."""
        if last_event_id is not None and last_event_id.isdecimal():
            after = int(last_event_id)
        feed.admit()
        headers = {"Cache-Control": "no-store", "X-Accel-Buffering": "no"}
        return StreamingResponse(feed.stream(after), headers=headers, media_type="text/event-stream")

    @routes.get(
        "/snapshot",
        summary="All that the page shows",
        responses={
            **example({"status": {}, "agents": ["a"], "letters": LETTERS, "rounds": [], "releases": []}, "Until now."),
            **documented("swarm.silent"),
        },
    )
    async def snapshot(
        request: Request,
        rounds: Annotated[int, Query(ge=0, le=KEPT, description="How many of the last rounds.")] = KEPT,
    ) -> Response:
        """Status, agents, the last rounds with their columns, and releases, in one answer."""
        status = await feed.status(fresh_s=1.0)
        agents = await swarm.agents()
        return answer(
            {
                "version": request.app.version,
                "status": status,
                "agents": [known["agent"] for known in agents],
                "hosts": [known["host"] for known in agents],
                "apart": [known for known in agents if known["standing"] != "active"],
                "letters": LETTERS,
                "rounds": [news.record for news in await feed.rounds(rounds)],
                "releases": await swarm.releases(60),
            }
        )

    return routes
