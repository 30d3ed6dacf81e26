"""The loops of the agents that live on one host: their tasks are watched, their systems managed."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np

from actors.agent import AdaptationPort, AgentLoop, AgentSettings, AgentTurn, Reading, RetrainingPort, Said
from actors.watch import Grid, Watch
from federation.workload import Acting
from telemetry import Telemetry

PATTERN_FEATURES = 6
"""Features whose levels make a pattern: with more of them nearly every state would be a new one."""


class SystemPort(Protocol):
    """Carries adaptations out for every agent. The user's code, given with the configuration."""

    def adapt(self, agent: str, adaptation: str, symptom: str) -> Said:
        """Carry out ``"increase_resources"``, ``"optimize_workflow"``, ``"scale_out"`` or ``"roll_back"``."""
        ...


@dataclass(frozen=True, slots=True)
class _AgentPort(AdaptationPort):
    """One agent's side of the port."""

    agent: str
    port: SystemPort

    def adapt(self, adaptation: Any, *, symptom: str) -> Said:
        return self.port.adapt(self.agent, adaptation.word, symptom)


class Residents:
    """The loops of k agents, made when they are first needed.

    Args:
        agents: ids, in the order of the host's rows.
        workload: whose releases are policies.
        telemetry: of the host.
        retraining: asks the coordinator for rounds.
        port: carries adaptations out; None when no systems are managed.
        settings: when an agent asks to be retrained.
    """

    def __init__(
        self,
        agents: Sequence[str],
        workload: Acting,
        *,
        telemetry: Telemetry,
        retraining: RetrainingPort,
        port: SystemPort | None = None,
        settings: AgentSettings | None = None,
    ) -> None:
        self._workload = workload
        low, high = workload.state_bounds()
        step = max(len(low) // PATTERN_FEATURES, 1)
        pattern = tuple(range(0, len(low), step))[:PATTERN_FEATURES]
        grid = Grid(low=tuple(low.tolist()), high=tuple(high.tolist()), actions=workload.actions, pattern=pattern)
        self._watch = Watch(len(agents), grid)
        self._row = {agent: row for row, agent in enumerate(agents)}
        self._telemetry, self._retraining, self._port = telemetry, retraining, port
        self._settings = settings or AgentSettings()
        self._loops: dict[str, AgentLoop] = {}
        self._release = 0
        self._value: Any = None

    def adopt(self, release: int, value: Any) -> None:
        """A new release is in force: agents act by it, and are measured from here on."""
        self._release, self._value = release, value
        for agent, loop in self._loops.items():
            loop.adopt(release, self._policy)
            self._watch.adopt(self._row[agent])

    async def observed(self, agent: str, experiences: Sequence[object]) -> AgentTurn:
        """One turn of an agent's loop over what it has just lived through."""
        states, actions, succeeded = self._workload.tasks(experiences)
        loop, row = self._loop(agent), self._row[agent]
        self._watch.observe(row, states, actions, succeeded)
        return await loop.turn(figures=self._watch.figures(row))

    async def manage(self, agent: str, reading: Reading) -> AgentTurn:
        """One turn of an agent's loop over the system that it manages."""
        return await self._loop(agent).turn(reading=reading)

    def summary(self) -> dict[str, int]:
        """How often each symptom was found and each action taken, over all loops."""
        counts: dict[str, int] = {}
        for loop in self._loops.values():
            for name, count in (loop.knowledge.symptoms + loop.knowledge.outcomes).items():
                counts[name] = counts.get(name, 0) + count
        return counts

    def _loop(self, agent: str) -> AgentLoop:
        if agent not in self._loops:
            loop = AgentLoop(
                agent,
                telemetry=self._telemetry,
                settings=self._settings,
                adaptations=None if self._port is None else _AgentPort(agent, self._port),
                retraining=self._retraining,
            )
            if self._value is not None:
                loop.adopt(self._release, self._policy)
            self._loops[agent] = loop
        return self._loops[agent]

    def _policy(self, states: Any) -> Any:
        return self._workload.predict(self._value, np.asarray(states, dtype=np.float32))
