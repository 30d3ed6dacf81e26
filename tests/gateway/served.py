"""A gateway on a real port over a real coordinator, on the stage without Ray, in a thread of its own."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable, Coroutine, Iterator
from contextlib import contextmanager
from typing import Any, TypeVar

from actors import Swarm, SwarmConfig
from gateway.service import service
from gateway.serving import server_of
from tests.actors.conftest import Stage

T = TypeVar("T")


class Served:
    """What is served, and how to reach into its thread.

    Attributes:
        url: of the gateway, without a slash at the end.
        stage: with the actors; touch it only through `do` and `call`.
        swarm: the handle that the gateway holds.
    """

    def __init__(self, config: SwarmConfig, port: int = 0, **settings: Any) -> None:
        self._config, self._port, self._settings = config, port, settings
        self._ready = threading.Event()
        self._fault: BaseException | None = None
        self._thread = threading.Thread(target=self._run, daemon=True)

    def start(self) -> None:
        self._thread.start()
        assert self._ready.wait(60)
        if self._fault is not None:
            raise self._fault

    def _run(self) -> None:
        try:
            asyncio.run(self._serve())
        except BaseException as error:  # noqa: BLE001 - told to who waits in the other thread
            self._fault = error
        finally:
            self._ready.set()

    async def _serve(self) -> None:
        self._loop = asyncio.get_running_loop()
        self._end = asyncio.Event()
        self.stage = Stage(self._config)
        self.swarm = Swarm({}, owns_cluster=False, find=self.stage.find)
        self.swarm.facts = await self.swarm._ask("start")
        self.app = service(self.swarm, **self._settings)
        server = server_of(self.app, "127.0.0.1", self._port)
        self.url = f"http://127.0.0.1:{server.config.port}"
        serving = asyncio.ensure_future(server.serve(sockets=[server.config.bound]))
        while not server.started:  # noqa: ASYNC110 - uvicorn has a flag, and no event
            await asyncio.sleep(0.01)
        self._ready.set()
        await self._end.wait()
        server.should_exit = True
        await self.app.state.feed.close()
        await serving

    def do(self, work: Callable[[], Coroutine[Any, Any, T]], timeout_s: float = 60) -> T:
        """The result of a coroutine, run where the actors live."""
        return asyncio.run_coroutine_threadsafe(work(), self._loop).result(timeout_s)

    def call(self, work: Callable[[], T]) -> T:
        """The result of a function, run where the actors live."""

        async def inside() -> T:
            return work()

        return self.do(inside)

    def rounds(self, count: int) -> list[dict[str, Any]]:
        """Run rounds, and return their records."""

        async def inside() -> list[dict[str, Any]]:
            return [await self.swarm.run_round() for _ in range(count)]

        return self.do(inside)

    def stop(self) -> None:
        if self._thread.is_alive():
            self._loop.call_soon_threadsafe(self._end.set)
            self._thread.join(30)
            assert not self._thread.is_alive()


@contextmanager
def serving(config: SwarmConfig, **settings: Any) -> Iterator[Served]:
    """A gateway that is there, and gone afterwards."""
    served = Served(config, **settings)
    served.start()
    try:
        yield served
    finally:
        served.stop()
