"""All actors of a swarm in this process, called as Ray calls them: as tasks, whose arguments may be others' results."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

from actors.aggregator import Aggregator
from actors.config import AGGREGATOR, COORDINATOR, SwarmConfig, host_name, validator_name
from actors.coordinator import Coordinator
from actors.host import AgentHost
from actors.validator import ConvergenceValidator
from federation.identity import Secret

CPUS = 2


class Stage:
    """The actors of a swarm.

    Args:
        config: of the swarm.
    """

    def __init__(self, config: SwarmConfig) -> None:
        secret, shares = Secret(bytes(32)), tuple(config.shares(CPUS))
        journal = Path(config.state_dir) / "journal.sqlite"
        self.actors: dict[str, Any] = {AGGREGATOR: Aggregator(config, journal)}
        for number, agents in enumerate(shares):
            name = host_name(number)
            self.actors[name] = AgentHost(name, agents, config, secret.derive("host"), self.find)
        for number in range(config.validators):
            self.actors[validator_name(number)] = ConvergenceValidator(number, config)
        self.actors[COORDINATOR] = Coordinator(
            config, shares, secret, journal, self.find, lambda value: value, lambda _: None
        )

    def find(self, name: str) -> Any:
        """A handle like Ray's."""
        return _Handle(self.actors[name])

    async def end(self) -> None:
        """End the threads of the actors' telemetry."""
        for actor in self.actors.values():
            await asyncio.to_thread(actor._telemetry.stop, 5.0)  # noqa: SLF001 - Ray would end the process


class _Handle:
    def __init__(self, actor: Any) -> None:
        self._actor = actor

    def __getattr__(self, method: str) -> _Method:
        return _Method(getattr(self._actor, method))


class _Method:
    def __init__(self, method: Any, returns: int = 1) -> None:
        self._method, self._returns = method, returns

    def options(self, *, num_returns: int) -> _Method:
        return _Method(self._method, num_returns)

    def remote(self, *arguments: Any, **named: Any) -> Any:
        async def called() -> Any:
            values = [await value if asyncio.isfuture(value) else value for value in arguments]
            return await self._method(*values, **named)

        task = asyncio.ensure_future(called())
        if self._returns == 1:
            return task

        async def part(number: int) -> Any:
            return (await task)[number]

        return tuple(asyncio.ensure_future(part(number)) for number in range(self._returns))
