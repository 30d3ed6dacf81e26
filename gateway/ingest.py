"""The OTLP receiver: POST /v1/traces and /v1/logs, for agents that export their GenAI telemetry.

Requests are decoded and answered at once; a worker behind a bounded queue assembles trajectories and hands experiences
to the swarm. While the queue is full, requests get 429 and a time to come back, which OTLP exporters heed.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections import deque
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from typing import Any

from fastapi import APIRouter, Request, Response

from federation.errors import SwarmError
from gateway.intake import Intake, IntakeSettings
from gateway.otlp import (
    Decoded,
    Encoding,
    EncodingError,
    MalformedError,
    Signal,
    TooLargeError,
    answer,
    decoded,
    inflated,
    refusal,
)
from telemetry import Telemetry
from telemetry.semconv import Outcome
from workloads.gradients.experience import Experience
from workloads.trajectories import Admission, Conversion, Converted, Layout, Tally
from workloads.trajectories.conventions import TASK_ID

Observe = Callable[[str, Sequence[object]], Awaitable[int]]

BODY_LIMIT = 16 * 2**20
"""Bytes of a request's body, compressed or not."""
_INLINE = 16 * 1024
_BATCH = 2048
# google.rpc.Code
_INVALID_ARGUMENT, _RESOURCE_EXHAUSTED, _OUT_OF_RANGE, _UNAVAILABLE = 3, 8, 11, 14
_LOG = logging.getLogger("swarmlore.ingest")


@dataclass(frozen=True, slots=True, kw_only=True)
class ReceiverSettings:
    """How much is taken, and how fast.

    Attributes:
        body_limit: bytes of a request's body, before and after decompression.
        max_waiting: spans and log records that may wait for the worker; beyond, requests get 429.
        retry_after_s: seconds after which those shall come back.
        tick_s: how often the worker looks for trajectories that are over.
        attempts: how often experiences are given to a swarm that does not answer, a second apart, before they
            count as refused.
    """

    body_limit: int = BODY_LIMIT
    max_waiting: int = 100_000
    retry_after_s: int = 1
    tick_s: float = 1.0
    attempts: int = 30


class Receiver:
    """Takes decoded requests, and gives experiences to agents.

    Args:
        intake: assembles and converts.
        observe: gives experiences to an agent; `actors.Swarm.observe`.
        settings: of sizes and times.
        clock_ns: nanoseconds since 1970.
        pause: what waits between attempts; `asyncio.sleep`.
    """

    def __init__(
        self,
        intake: Intake,
        observe: Observe,
        *,
        settings: ReceiverSettings | None = None,
        clock_ns: Callable[[], int] = time.time_ns,
        pause: Callable[[float], Awaitable[None]] = asyncio.sleep,
    ) -> None:
        self.settings = settings or ReceiverSettings()
        self._intake = intake
        self._observe = observe
        self._clock_ns = clock_ns
        self._pause = pause
        self._waiting: deque[Decoded] = deque()
        self._records = 0
        self._arrived = asyncio.Event()
        self._outbox: deque[tuple[str, Sequence[Experience]]] = deque()
        self._given = self._refused = 0
        self._closing = False
        self._failure: BaseException | None = None

    @property
    def admission(self) -> Admission:
        """Which attributes are let in."""
        return self._intake.settings.admission

    @property
    def full(self) -> bool:
        """Whether requests have to wait."""
        return self._records >= self.settings.max_waiting

    @property
    def tally(self) -> Tally:
        """What became of the spans so far."""
        return self._intake.assembler.tally

    @property
    def given(self) -> int:
        """Experiences that agents were given so far."""
        return self._given

    @property
    def refused(self) -> int:
        """Experiences that the swarm refused so far: it does not know the agent, or their shape does not fit."""
        return self._refused

    def offer(self, request: Decoded) -> bool:
        """Put a request into the queue; False when that is full."""
        if self.full:
            return False
        self._waiting.append(request)
        self._records += _size(request)
        self._arrived.set()
        return True

    @property
    def failure(self) -> BaseException | None:
        """What ended the worker, if anything but the end of the application did."""
        return self._failure

    async def run(self) -> None:
        """Work until cancelled; what has come by then is finished first."""
        try:
            while True:
                await self.work()
                with suppress(TimeoutError):
                    async with asyncio.timeout(self.settings.tick_s):
                        await self._arrived.wait()
        except asyncio.CancelledError:
            self._closing = True
            await self.work()
            self._pack(self._intake.finish())
            await self._send()
            raise
        except Exception as error:
            self._failure = error
            _LOG.exception("the ingest worker has failed")
            raise

    async def work(self) -> None:
        """One turn: take all that waits, and give out what is over."""
        await self._send()
        self._arrived.clear()
        requests, self._records = list(self._waiting), 0
        self._waiting.clear()
        now_ns = self._clock_ns()
        if sum(map(_size, requests)) > _BATCH:
            self._pack(await asyncio.to_thread(self._intake.take, requests, now_ns=now_ns))
        else:
            self._pack(self._intake.take(requests, now_ns=now_ns))
        await self._send()

    def _pack(self, converted: Converted) -> None:
        for agent, experiences in converted.experiences.items():
            for start in range(0, len(experiences), _BATCH):
                self._outbox.append((agent, experiences[start : start + _BATCH]))

    async def _send(self) -> None:
        while self._outbox:
            agent, part = self._outbox[0]
            taken = await self._handed(agent, part)
            self._outbox.popleft()
            self._given += len(part) if taken else 0
            self._refused += 0 if taken else len(part)
            self._intake.counts.experiences(len(part), outcome=Outcome.SUCCESS if taken else Outcome.REFUSED)

    async def _handed(self, agent: str, experiences: Sequence[Experience]) -> bool:
        from actors.faults import LOST

        attempt = 0
        while True:
            attempt += 1
            try:
                await self._observe(agent, experiences)
            except SwarmError as error:
                _LOG.warning("experiences were refused: %s", error.code)
                return False
            except (*LOST, ValueError):
                # Ray raises ValueError for the name of an actor that is not there. One that is being restarted
                # comes back in seconds; meanwhile the queue fills and says 429.
                if self._closing or attempt >= self.settings.attempts:
                    return False
                await self._pause(1.0)
            else:
                return True


def receiver_for(
    observe: Observe, layout: Layout, *, telemetry: Telemetry | None = None, task_attribute: str = TASK_ID
) -> Receiver:
    """A receiver with the defaults: tries of a task are compared by fours, each step has its try's advantage.

    Args:
        observe: gives experiences to an agent; `actors.Swarm.observe`.
        layout: that the swarm learns by.
        telemetry: of this process; None to count for nobody.
        task_attribute: names the task of a run.
    """
    admission = Admission(task_attribute=task_attribute, features=tuple(name for name, _ in layout.features))
    settings = IntakeSettings(conversion=Conversion(layout=layout), admission=admission)
    return Receiver(Intake(settings, telemetry=telemetry), observe)


def router(receiver: Receiver) -> APIRouter:
    """The routes of an OTLP/HTTP receiver; its worker lives as long as the application."""

    @asynccontextmanager
    async def lifespan(_: Any) -> AsyncIterator[None]:
        worker = asyncio.create_task(receiver.run(), name="otlp-ingest")
        try:
            yield
        finally:
            worker.cancel()
            # A failure has been logged, and told with each answer since.
            with suppress(asyncio.CancelledError, Exception):
                await worker

    routes = APIRouter(lifespan=lifespan, tags=["otlp"])
    for signal in Signal:
        routes.add_api_route(
            f"/v1/{signal.value}",
            _endpoint(receiver, signal),
            methods=["POST"],
            operation_id=f"ingest_{signal.value}",
            summary=f"Take an OTLP request of {signal.value}",
            response_class=Response,
            max_body_size=receiver.settings.body_limit,
            openapi_extra={
                "requestBody": {
                    "required": True,
                    "content": {encoding.value: {"schema": _SCHEMAS[encoding]} for encoding in Encoding},
                }
            },
            responses=_RESPONSES,
        )
    return routes


_SCHEMAS: Mapping[Encoding, Mapping[str, str]] = {
    Encoding.PROTOBUF: {"type": "string", "format": "binary"},
    Encoding.JSON: {"type": "object"},
}
_RESPONSES: dict[int | str, dict[str, Any]] = {
    200: {"description": "Taken; with partialSuccess where malformed spans or log records were rejected."},
    400: {"description": "No OTLP request. Do not send it again."},
    413: {"description": "Too large. Send smaller batches."},
    415: {"description": "A content type or encoding that is not understood."},
    503: {"description": "The worker has failed."},
    429: {"description": "The queue is full. Send it again after Retry-After seconds."},
}


def _endpoint(receiver: Receiver, signal: Signal) -> Callable[[Request], Awaitable[Response]]:
    async def ingest(request: Request) -> Response:
        try:
            encoding = _encoding(request.headers.get("content-type", ""))
        except EncodingError as error:
            return _refused(Encoding.JSON, 415, _INVALID_ARGUMENT, str(error))
        if receiver.failure is not None:
            return _refused(encoding, 503, _UNAVAILABLE, "The ingest worker has failed; the gateway's log says how.")
        if receiver.full:
            return _busy(receiver, encoding)
        try:
            body = await _body(request, receiver.settings.body_limit)
            compression = request.headers.get("content-encoding", "")
            if len(body) > _INLINE:
                found = await asyncio.to_thread(_read, body, compression, signal, encoding, receiver)
            else:
                found = _read(body, compression, signal, encoding, receiver)
        except MalformedError as error:
            return _refused(encoding, 400, _INVALID_ARGUMENT, str(error))
        except TooLargeError as error:
            return _refused(encoding, 413, _OUT_OF_RANGE, str(error))
        except EncodingError as error:
            return _refused(encoding, 415, _INVALID_ARGUMENT, str(error))
        if not receiver.offer(found):
            return _busy(receiver, encoding)
        content = answer(signal, encoding, rejected=found.rejected, message=found.problem)
        return Response(content, media_type=encoding.value)

    return ingest


def _encoding(content_type: str) -> Encoding:
    try:
        return Encoding(content_type.partition(";")[0].strip().lower())
    except ValueError:
        raise EncodingError(
            header="Content-Type", found=content_type[:100], needed=" or ".join(each.value for each in Encoding)
        ) from None


async def _body(request: Request, limit: int) -> bytes:
    found = bytearray()
    async for chunk in request.stream():
        found += chunk
        if len(found) > limit:
            raise TooLargeError(what="bytes", limit=limit)
    return bytes(found)


def _read(body: bytes, compression: str, signal: Signal, encoding: Encoding, receiver: Receiver) -> Decoded:
    plain = inflated(body, compression, limit=receiver.settings.body_limit)
    return decoded(plain, signal, encoding, receiver.admission)


def _busy(receiver: Receiver, encoding: Encoding) -> Response:
    response = _refused(encoding, 429, _RESOURCE_EXHAUSTED, "The queue is full. Send it again later.")
    response.headers["Retry-After"] = str(receiver.settings.retry_after_s)
    return response


def _refused(encoding: Encoding, status: int, code: int, message: str) -> Response:
    return Response(refusal(encoding, code=code, message=message), status_code=status, media_type=encoding.value)


def _size(request: Decoded) -> int:
    # One more, so that empty requests cannot fill the queue for nothing.
    return 1 + len(request.spans) + len(request.events)
