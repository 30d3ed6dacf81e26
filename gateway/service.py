"""The gateway as one application: REST, the event stream and the page, over a running swarm."""

from __future__ import annotations

from collections.abc import AsyncIterator, Collection
from contextlib import asynccontextmanager
from importlib.metadata import PackageNotFoundError, version
from typing import Any

from fastapi import FastAPI
from starlette.middleware.gzip import GZipMiddleware
from starlette.types import ASGIApp

from actors import Swarm
from gateway import assets, ingest, metrics
from gateway.feed import Feed
from gateway.guard import Guard
from gateway.problems import SCHEMA, TooLarge, answer_with_problems
from gateway.rest import agents, events, health, releases, rounds
from telemetry import Telemetry
from workloads.trajectories import Layout

BODY_LIMIT = 64 * 1024
"""Bytes of a request's body; routes that take more say so themselves."""

_ABOUT = """Rounds, releases and verdicts of one swarm.

Errors are problem documents (RFC 9457), `application/problem+json`, with a stable `code` and the numbers of
what went wrong. Lists are paged by `after` and `limit`. Where the gateway was started with a token, every
operation but `/healthz` and `/readyz` needs `Authorization: Bearer TOKEN`."""


class Gateway(FastAPI):
    """FastAPI, with what it does not know of: problem documents everywhere, and the token in OpenAPI."""

    secured = False

    def build_middleware_stack(self) -> ASGIApp:
        """The stack, with problem documents outside of all that could answer otherwise."""
        return TooLarge(super().build_middleware_stack())

    def openapi(self) -> dict[str, Any]:
        """The OpenAPI document, made once."""
        if self.openapi_schema is None:
            document = super().openapi()
            components = document.setdefault("components", {})
            components.setdefault("schemas", {})["Problem"] = SCHEMA
            if self.secured:
                components["securitySchemes"] = {"token": {"type": "http", "scheme": "bearer"}}
                document["security"] = [{"token": []}]
        return super().openapi()


def service(
    swarm: Swarm,
    *,
    token: str | None = None,
    names: Collection[str] | None = None,
    body_limit: int = BODY_LIMIT,
    pulse_s: float = 1.0,
    telemetry: Telemetry | None = None,
    layout: Layout | None = None,
) -> FastAPI:
    """The application over a running swarm.

    Args:
        swarm: that is served.
        token: that requests must bring; None for none.
        names: host names that it answers to; None for any. See `gateway.guard`.
        body_limit: bytes of a request's body, for routes that set no limit of their own.
        pulse_s: pause between the statuses in the event stream.
        telemetry: of this process; by default one that `/metrics` alone shows.
        layout: that the swarm learns tools by. With it, `/v1/traces` and `/v1/logs` take agents' telemetry.
    """
    telemetry = telemetry or metrics.scraped()
    feed = Feed(swarm, pulse_s=pulse_s)

    @asynccontextmanager
    async def lifespan(_: FastAPI) -> AsyncIterator[None]:
        await feed.start()
        try:
            yield
        finally:
            await feed.close()

    app = Gateway(
        title="swarmlore",
        version=_version(),
        description=_ABOUT,
        docs_url=None,  # its page loads scripts from elsewhere
        redoc_url=None,
        lifespan=lifespan,
        max_body_size=body_limit,
        # Every name that swarmlore emits is in the registry; FastAPI's own are not.
        telemetry={"tracing": False, "metrics": False, "logs": False, "operation_spans": False},
    )
    app.state.feed = feed
    answer_with_problems(app)
    for routes in (
        assets.router(),
        health.router(feed),
        rounds.router(swarm),
        releases.router(swarm),
        agents.router(swarm),
        events.router(swarm, feed),
        metrics.router(swarm, telemetry),
    ):
        app.include_router(routes)
    if layout is not None:
        app.include_router(ingest.router(ingest.receiver_for(swarm.observe, layout, telemetry=telemetry)))
    app.add_middleware(GZipMiddleware, minimum_size=1024, compresslevel=5)
    app.add_middleware(Guard, token=token, names=names)
    app.secured = token is not None
    return app


def _version() -> str:
    try:
        return version("swarmlore")
    except PackageNotFoundError:
        return "0"
