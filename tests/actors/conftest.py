"""A stage for actors without Ray: the real classes, called as Ray calls them, and killed as Ray kills them.

A call is a task; its arguments may be results of other calls. When an actor is killed its calls in
flight raise ActorDiedError, the object is thrown away, and the next call finds a new one, made from the
same constructor arguments, that has only the journal to go by.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, cast

import pytest
from ray.exceptions import ActorDiedError

from actors.aggregator import Aggregator
from actors.config import AGGREGATOR, COORDINATOR, SwarmConfig, host_name, validator_name
from actors.coordinator import Coordinator
from actors.door import Door
from actors.host import AgentHost
from actors.validator import ConvergenceValidator
from federation.identity import Secret
from workloads.null import NullWorkload

SECRET = Secret(bytes(range(32)))


class Killed(BaseException):
    """The process that was running this is gone."""


class Stage:
    """All actors of one swarm in this process.

    Attributes:
        calls: "name.method" of each call that was begun, in order.
        kill_before, kill_after: called with (name, method, nth call of it); True kills the actor before it has
            done the call, or after it, so that only the answer is lost.
        kill_in: called with (name, nth transaction on the journal, or a door's on its storage); "before" kills the
            actor when everything is written and not yet committed, "after" when it is committed and nobody knows.
        positions: how many transactions each actor has begun.
        now: unix seconds, as doors have them.
    """

    def __init__(self, config: SwarmConfig, hosts: int = 2) -> None:
        self.config = config
        self.calls: list[str] = []
        self.deaths: list[str] = []
        self.kill_before: Callable[[str, str, int], bool] = lambda *_: False
        self.kill_after: Callable[[str, str, int], bool] = lambda *_: False
        self.kill_in: Callable[[str, int], str] = lambda *_: ""
        self.positions: dict[str, int] = {}
        self.now = 1e9
        self.gone: set[str] = set()
        self._ends: dict[str, asyncio.Future[None]] = {}
        self._counts: dict[tuple[str, str], int] = {}
        self._actors: dict[str, Any] = {}
        shares = tuple(config.model_copy(update={"hosts": hosts}).shares(2))
        journal = Path(config.state_dir) / "journal.sqlite"
        self.makers: dict[str, Callable[[], Any]] = {
            AGGREGATOR: lambda: Aggregator(config, journal),
            COORDINATOR: lambda: Coordinator(
                config, shares, SECRET, journal, self.find, lambda value: value, lambda name: self.gone.discard(name)
            ),
        }
        for number, agents in enumerate(shares):
            self.makers[host_name(number)] = lambda number=number, agents=agents: AgentHost(
                host_name(number), agents, config, SECRET.derive("host"), self.find
            )
        for number, region in enumerate(config.federation.regions if config.federation else ()):
            self.makers[host_name(number)] = lambda number=number, region=region: Door(
                host_name(number), region, config, SECRET.derive("host"), self.find, clock=lambda: self.now
            )
        for number in range(config.validators):
            self.makers[validator_name(number)] = lambda number=number: ConvergenceValidator(number, config)

    def find(self, name: str) -> Any:
        if name not in self.makers:
            raise ValueError(name)
        return _Handle(self, name)

    @property
    def coordinator(self) -> Any:
        return self.find(COORDINATOR)

    def actor(self, name: str) -> Any:
        """The object itself, made when it is not there."""
        if name not in self._actors:
            actor = self._actors[name] = self.makers[name]()
            self._ends[name] = asyncio.get_running_loop().create_future()
            journal = getattr(actor, "_journal", None) or getattr(getattr(actor, "_intake", None), "_journal", None)
            if journal is not None:
                self._arm(name, actor, journal, "_transaction")
            if isinstance(actor, Door):
                self._arm(name, actor, cast("Any", actor._arrivals)._storage._database, "write")
        return self._actors[name]

    def kill(self, name: str) -> None:
        """End an actor: its calls in flight raise, what it had under way stops, its object is gone."""
        actor = self._actors.pop(name, None)
        self.deaths.append(name)
        if actor is None:
            return
        self._ends.pop(name).set_result(None)
        if isinstance(actor, AgentHost):
            actor._journal.close()  # as the kernel does: no other process can use the file before
        if isinstance(actor, Door):
            actor._arrivals.close()
        for conductor in (getattr(actor, "_conductor", None), getattr(actor, "_former", None)):
            if conductor is not None:
                conductor.cancel()

    def _arm(self, name: str, actor: Any, journal: Any, method: str) -> None:
        transact, loop = getattr(journal, method), asyncio.get_running_loop()

        @contextmanager
        def transaction() -> Iterator[Any]:
            if self._actors.get(name) is not actor:
                raise Killed
            nth = self.positions[name] = self.positions.get(name, 0) + 1
            when = self.kill_in(name, nth)
            with transact() as held:
                yield held
                if when == "before":
                    loop.call_soon_threadsafe(self.kill, name)
                    raise Killed
            if when == "after":
                loop.call_soon_threadsafe(self.kill, name)
                raise Killed

        setattr(journal, method, transaction)

    async def call(self, name: str, method: str, arguments: tuple[Any, ...], named: dict[str, Any]) -> Any:
        self.calls.append(f"{name}.{method}")
        nth = self._counts[name, method] = self._counts.get((name, method), 0) + 1
        arguments = tuple([await value if asyncio.isfuture(value) else value for value in arguments])
        if name in self.gone:
            raise ActorDiedError
        if self.kill_before(name, method, nth):
            self.kill(name)
            raise ActorDiedError
        actor = self.actor(name)
        work, end = asyncio.ensure_future(getattr(actor, method)(*arguments, **named)), self._ends[name]
        await asyncio.wait((work, end), return_when=asyncio.FIRST_COMPLETED)
        if end.done():
            work.cancel()
            await asyncio.wait((work,))
            _ = work.cancelled() or work.exception()
            raise ActorDiedError
        try:
            answer = work.result()
        except Killed:
            await end
            raise ActorDiedError from None
        if self.kill_after(name, method, nth) or self._actors.get(name) is not actor:
            if self._actors.get(name) is actor:
                self.kill(name)
            raise ActorDiedError
        return answer


class _Handle:
    def __init__(self, stage: Stage, name: str) -> None:
        self._stage, self._name = stage, name

    def __getattr__(self, method: str) -> _Method:
        return _Method(self._stage, self._name, method)


class _Method:
    def __init__(self, stage: Stage, name: str, method: str, returns: int = 1) -> None:
        self._stage, self._name, self._method, self._returns = stage, name, method, returns

    def options(self, *, num_returns: int) -> _Method:
        return _Method(self._stage, self._name, self._method, num_returns)

    def remote(self, *arguments: Any, **named: Any) -> Any:
        task = asyncio.ensure_future(self._stage.call(self._name, self._method, arguments, named))
        task.add_done_callback(lambda done: done.cancelled() or done.exception())
        if self._returns == 1:
            return task
        return tuple(_part(task, number) for number in range(self._returns))


def _part(task: asyncio.Future[Any], number: int) -> asyncio.Future[Any]:
    async def take() -> Any:
        return (await task)[number]

    part = asyncio.ensure_future(take())
    part.add_done_callback(lambda done: done.cancelled() or done.exception())
    return part


@pytest.fixture
def swarm_config(tmp_path: Path) -> Callable[..., SwarmConfig]:
    """A maker of configurations of small swarms that learn nothing."""

    def make(n: int = 8, **settings: Any) -> SwarmConfig:
        settings.setdefault("workload", NullWorkload(dimension=16))
        settings.setdefault("state_dir", tmp_path)
        settings.setdefault("deadline_s", 5.0)
        settings.setdefault("linger_s", 0.05)
        return SwarmConfig(agents=tuple(f"agent-{number:03d}" for number in range(n)), **settings)

    return make


@pytest.fixture
def stage(swarm_config: Callable[..., SwarmConfig]) -> Callable[..., Stage]:
    """A maker of stages."""

    def make(n: int = 8, *, hosts: int = 2, **settings: Any) -> Stage:
        return Stage(swarm_config(n, **settings), hosts)

    return make


@pytest.fixture
def outside(tmp_path: Path) -> Callable[..., Any]:
    """A maker of federations on the stage."""
    from tests.actors.outside import Outside

    def make(name: str = "one", **settings: Any) -> Any:
        (tmp_path / name).mkdir()
        return Outside(tmp_path / name, **settings)

    return make
