"""The federation's door as one ASGI application: `/federation/v1` for clients and operators, `/metrics` for Prometheus.

It is bare ASGI and not FastAPI: a request for what a client has already costs 0.07 ms of a core in all, and a
submission, with its signature, its schema and its writing, less than 1 ms. Every answer that is none is a problem
document (RFC 9457).
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from http import HTTPMethod
from time import perf_counter, time_ns
from typing import TYPE_CHECKING, Any

from starlette.types import Receive, Scope, Send

from federation.errors import SwarmError
from gateway.federation import openapi
from gateway.federation.access import Access
from gateway.federation.archive import Archive
from gateway.federation.errors import MethodError, NotFoundError, RefusalError, UnexpectedError
from gateway.federation.exchange import Answer, Exchange, refused, send
from gateway.federation.operations import Operations
from gateway.federation.registration import Registrar
from gateway.federation.reports import Reception
from gateway.federation.routes import Route, Table
from gateway.federation.scrape import Snapshots, leaving
from gateway.federation.secure import Post
from gateway.federation.settings import PREFIX, DoorSettings
from gateway.federation.submissions import Counter
from gateway.federation.table import table_of
from gateway.federation.view import Viewer
from gateway.federation.weights import Shelf, Weights
from telemetry import SpanKind, Telemetry, semconv
from telemetry.prometheus import rendered

if TYPE_CHECKING:
    from actors.storage import ReleaseStore, Storage

_LOG = logging.getLogger("swarmlore.federation")
_METHODS = frozenset(method.value for method in HTTPMethod)


@dataclass(frozen=True, slots=True, kw_only=True)
class Parts:
    """What a door is made of; the routes lead to these."""

    access: Access
    viewer: Viewer
    registrar: Registrar
    counter: Counter
    post: Post
    weights: Weights
    reception: Reception
    operations: Operations


class Door:
    """The application. See the module.

    Args:
        settings: of the door.
        storage: of clients and what they sent; closed by whoever opened it.
        files: of releases.
        telemetry: of the process.
        instance: name of the process, the same after a restart.
        clock: seconds since 1970.
    """

    def __init__(
        self,
        settings: DoorSettings,
        storage: Storage,
        files: ReleaseStore,
        *,
        telemetry: Telemetry,
        instance: str = "federation-0",
        clock: Callable[[], float] = time.time,
    ) -> None:
        self._settings, self._telemetry, self._instance = settings, telemetry, instance
        self._archive = archive = Archive(telemetry)
        shelf = Shelf(files, archive)
        viewer = Viewer(storage, archive, shelf.prepare)
        access = Access(storage, archive, limits=settings.limits, operator_token=settings.operator_token, clock=clock)
        version = settings.space.version
        self.parts = Parts(
            access=access,
            viewer=viewer,
            registrar=Registrar(settings, storage, archive, access, telemetry, clock),
            counter=Counter(settings, storage, archive, access, viewer, telemetry, clock),
            post=Post(settings, storage, archive, access, viewer, clock),
            weights=Weights(shelf, access, viewer, schema_version=version, clock=clock),
            reception=Reception(settings, storage, archive, access, viewer, telemetry, clock),
            operations=Operations(storage, archive, access, viewer, clock),
        )
        self.table = Table(table_of(self.parts))
        self._submit = next(route for route in self.table.routes if route.name == "submit")
        self._document: dict[str, Any] | None = None
        self._snapshots = None if settings.scrapes is None else Snapshots(settings.scrapes)
        self._leaving: asyncio.Task[None] | None = None
        self._declare()

    @property
    def openapi(self) -> dict[str, Any]:
        """The OpenAPI document, made once."""
        if self._document is None:
            self._document = openapi.document(self.table.routes, schema_version=self._settings.space.version)
        return self._document

    async def start(self) -> None:
        """Look at the federation, and go on looking."""
        await self.parts.viewer.start()
        self.parts.counter.start()
        if self._snapshots is not None:
            self._leaving = asyncio.create_task(leaving(self._snapshots, self._instance, self._telemetry))

    async def close(self) -> None:
        """Write what waits, and end what runs in the background."""
        if self._leaving is not None:
            self._leaving.cancel()
            with suppress(asyncio.CancelledError):
                await self._leaving
        await self.parts.counter.close()
        await self.parts.post.close()
        await self.parts.access.close()
        await self.parts.viewer.close()
        self._archive.close()

    async def __call__(self, scope: Scope, receive: Receive, send_message: Send) -> None:
        match scope["type"]:
            case "http":
                await self._http(scope, receive, send_message)
            case "lifespan":
                await self._lifespan(receive, send_message)

    async def _http(self, scope: Scope, receive: Receive, send_message: Send) -> None:
        began, began_ns = perf_counter(), time_ns()
        exchange = Exchange(scope, receive)
        method: str = scope["method"]
        route, label = None, "other"
        try:
            route, label = self._routed(exchange, method)
            answer = await (self._other(exchange) if route is None else route.handler(exchange))
        except RefusalError as error:
            answer = refused(error, exchange.path)
        except Exception as error:  # noqa: BLE001 - the last place: whatever it is becomes a problem document
            _LOG.error("%s %s failed", method if method in _METHODS else "?", label, exc_info=error)
            answer = refused(UnexpectedError(), exchange.path)
        try:
            await send(answer, send_message, head=method == "HEAD")
        finally:
            self._tell(exchange, route, label, method, answer, perf_counter() - began, began_ns)

    def _routed(self, exchange: Exchange, method: str) -> tuple[Route | None, str]:
        path = exchange.path
        if path in _OTHERS:
            if method not in ("GET", "HEAD"):
                raise MethodError(allowed="GET, HEAD")
            return None, path
        found, exchange.arguments = self.table.find(path)
        if found is None:
            raise NotFoundError
        route = found.get(method)
        if route is None:
            raise MethodError(allowed=", ".join(sorted(found)))
        return route, route.template

    async def _other(self, exchange: Exchange) -> Answer:
        """What is no operation: the description of the operations, and the metrics."""
        if exchange.path == f"{PREFIX}/openapi.json":
            return Answer(200, openapi.encoded(self.openapi), ((b"cache-control", b"public, max-age=300"),))
        if self._settings.operator_token is not None:
            self.parts.access.operator(exchange.headers)
        accept = exchange.headers.get(b"accept", b"").decode("latin-1")
        page, kind = await asyncio.to_thread(self._scraped, accept)
        return Answer(200, page, ((b"cache-control", b"no-store"),), kind=kind.encode())

    def _scraped(self, accept: str) -> tuple[bytes, str]:
        others = [] if self._snapshots is None else self._snapshots.found(besides=self._instance)
        return rendered([self._telemetry.metrics(), *others], accept)

    def _tell(
        self,
        exchange: Exchange,
        route: Route | None,
        label: str,
        method: str,
        answer: Answer,
        took_s: float,
        began_ns: int,
    ) -> None:
        told: dict[str, Any] = {
            semconv.ATTR_HTTP_REQUEST_METHOD: method if method in _METHODS else "_OTHER",
            semconv.ATTR_HTTP_ROUTE: label,
            semconv.ATTR_HTTP_RESPONSE_STATUS_CODE: int(answer.status),
        }
        self._telemetry.observe(semconv.METRIC_REQUEST_DURATION, took_s, told)
        if route is None:
            return
        if route is self._submit:
            which = {
                semconv.ATTR_REGION: exchange.attributes.get(semconv.ATTR_REGION, "unknown"),
                semconv.ATTR_ANSWER_CODE: answer.code,
            }
            self._telemetry.count(semconv.METRIC_SUBMISSIONS, 1, which)
        if route.span is None or (route.span == semconv.SPAN_RELEASE_DELIVERY and answer.status != 200):
            return
        about = {**told, **exchange.attributes}
        if route.span != semconv.SPAN_RELEASE_DELIVERY:
            about[semconv.ATTR_ANSWER_CODE] = answer.code or "ok"
        with self._telemetry.span(route.span, about, kind=SpanKind.SERVER, start_ns=began_ns):
            pass

    def _declare(self) -> None:
        """Have the counters of submissions start at zero, or their first rise is not seen."""
        codes = ("accepted", "duplicate", *(refusal.code for refusal in self._submit.refuses))
        for region in (*self._settings.regions, "unknown"):
            for code in codes:
                which = {semconv.ATTR_REGION: region, semconv.ATTR_ANSWER_CODE: code}
                self._telemetry.count(semconv.METRIC_SUBMISSIONS, 0, which)

    async def _lifespan(self, receive: Receive, send_message: Send) -> None:
        await receive()
        try:
            await self.start()
        except SwarmError as error:
            await send_message({"type": "lifespan.startup.failed", "message": str(error)})
            return
        await send_message({"type": "lifespan.startup.complete"})
        await receive()
        await self.close()
        await send_message({"type": "lifespan.shutdown.complete"})


_OTHERS = frozenset({"/metrics", f"{PREFIX}/openapi.json"})
