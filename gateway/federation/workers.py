"""The processes that serve the door: all listen on one address, and the kernel spreads connections among them.

A worker that ends by itself is started again. A worker whose parent is gone ends.
"""

from __future__ import annotations

import asyncio
import contextlib
import gc
import multiprocessing
import signal
import socket
import time
from collections import deque
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from multiprocessing.connection import Connection
from multiprocessing.context import SpawnProcess
from typing import Any

from federation.errors import SwarmError
from gateway.federation.settings import DoorSettings
from gateway.federation.transport import Tls, listener, uvicorn_settings
from telemetry import Telemetry, semconv

READY_S = 60.0
"""How long a worker may take until it serves."""
STOP_S = 15.0
"""How long it may take to end what is under way."""
_DEATHS, _WITHIN_S = 5, 60.0
_LOOK_S = 0.5
_ALLOCATIONS = 20_000
"""Objects between two collections of the youngest."""


class WorkerError(SwarmError):
    """A worker process that does not come up, or does not stay."""

    code = "federation.worker"

    def __init__(self, *, worker: int, found: str) -> None:
        super().__init__(
            f"The server process {worker} {found}. Its own lines above say why; `--workers 1` is easier to look at.",
            worker=worker,
            found=found,
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class WorkerSettings:
    """What a worker is started with.

    Attributes:
        number: 0, 1, ...
        host, port: that it listens on, with the others.
        door: see `DoorSettings`.
        tls: None for plain HTTP.
        proxies: addresses of proxies that are believed.
    """

    number: int
    host: str
    port: int
    door: DoorSettings
    tls: Tls | None = None
    proxies: str = ""

    @property
    def instance(self) -> str:
        """The name of the process in telemetry."""
        return f"federation-{self.number}"


def work(settings: WorkerSettings, parent: Connection) -> None:
    """Serve until the parent says so or is gone. The whole life of a worker process."""
    # Ctrl-C reaches the whole group; the parent ends its workers in order.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    with asyncio.Runner(loop_factory=_loop_factory()) as runner:
        runner.run(_serve(settings, parent))


def _loop_factory() -> Callable[[], asyncio.AbstractEventLoop] | None:
    try:
        import uvloop
    except ImportError:  # not made for this system
        return None
    return uvloop.new_event_loop


async def _serve(settings: WorkerSettings, parent: Connection) -> None:
    import uvicorn

    from actors.storage import ReleaseStore, Storage
    from gateway.federation.app import Door

    class Server(uvicorn.Server):
        @contextlib.contextmanager
        def capture_signals(self) -> Iterator[None]:
            yield

        async def startup(self, sockets: list[socket.socket] | None = None) -> None:
            await super().startup(sockets=sockets)
            # A submission makes and drops a few hundred objects, and none of them lives on. By default each one would
            # have the collector look through all that was imported, which costs more than the submission.
            gc.collect()
            gc.freeze()
            gc.set_threshold(_ALLOCATIONS, 20, 50)
            if self.started:
                parent.send("ready")

    loop = asyncio.get_running_loop()
    telemetry = Telemetry.start(
        settings.door.telemetry, actor_kind=semconv.ActorKind.GATEWAY, instance=settings.instance
    )
    with Storage.open(settings.door.storage) as storage:
        door = Door(
            settings.door,
            storage,
            ReleaseStore(settings.door.releases),
            telemetry=telemetry,
            instance=settings.instance,
        )
        server = Server(uvicorn.Config(door, **uvicorn_settings(settings.tls, settings.proxies)))

        def stop() -> None:
            loop.remove_reader(parent.fileno())
            server.should_exit = True

        loop.add_reader(parent.fileno(), stop)  # the parent says nothing; it closes its end, or is gone
        loop.add_signal_handler(signal.SIGTERM, stop)
        await server.serve(sockets=[listener(settings.host, settings.port, shared=True)])
    await asyncio.to_thread(telemetry.stop)


class Workers:
    """The workers, as their parent holds them.

    Args:
        made: the settings of a worker by its number.
        count: how many.
        noted: told of each one that ended by itself.
    """

    def __init__(
        self, made: Callable[[int], WorkerSettings], count: int, *, noted: Callable[[str], None] | None = None
    ) -> None:
        self._made, self._count, self._noted = made, count, noted or (lambda _: None)
        self._running: dict[int, tuple[SpawnProcess, Connection]] = {}
        self._deaths: deque[float] = deque(maxlen=_DEATHS)

    async def start(self) -> None:
        """Start them all, and wait until they serve.

        Raises:
            WorkerError: when one of them does not.
        """
        for number in range(self._count):
            self._spawn(number)
        await asyncio.gather(*(self._ready(number) for number in range(self._count)))

    async def watch(self) -> None:
        """Start again whoever ends by itself, until cancelled.

        Raises:
            WorkerError: when they end again and again.
        """
        while True:
            await asyncio.sleep(_LOOK_S)
            for number, (process, _) in list(self._running.items()):
                if process.is_alive():
                    continue
                found = f"ended with {process.exitcode}"
                self._noted(f"server process {number} {found}; starting it again")
                now = time.monotonic()
                self._deaths.append(now)
                if len(self._deaths) == _DEATHS and now - self._deaths[0] < _WITHIN_S:
                    raise WorkerError(worker=number, found=f"{found}, the fifth time within a minute that one did")
                self._drop(number)
                self._spawn(number)
                await self._ready(number)

    async def close(self) -> None:
        """Have them finish what is under way, and end."""
        for _, connection in self._running.values():
            connection.close()
        for process, _ in self._running.values():
            await asyncio.to_thread(process.join, STOP_S)
            if process.is_alive():
                process.kill()
                await asyncio.to_thread(process.join)
        self._running.clear()

    @property
    def processes(self) -> dict[int, int]:
        """number -> process id."""
        return {number: int(process.pid or 0) for number, (process, _) in self._running.items()}

    def _spawn(self, number: int) -> None:
        context = multiprocessing.get_context("spawn")
        ours, theirs = context.Pipe()
        arguments: tuple[Any, ...] = (self._made(number), theirs)
        process = context.Process(target=work, args=arguments, name=f"federation-{number}", daemon=True)
        process.start()
        theirs.close()
        self._running[number] = (process, ours)

    def _drop(self, number: int) -> None:
        process, connection = self._running.pop(number)
        connection.close()
        process.join()

    async def _ready(self, number: int) -> None:
        process, connection = self._running[number]
        try:
            if await asyncio.to_thread(connection.poll, READY_S) and connection.recv() == "ready":
                return
        except (EOFError, OSError):
            await asyncio.to_thread(process.join, STOP_S)
            raise WorkerError(worker=number, found=f"ended with {process.exitcode} before it served") from None
        raise WorkerError(worker=number, found=f"does not serve after {READY_S:g} s")
