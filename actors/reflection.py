"""The coordinator's MAPE-K loop: after each round it looks at the swarm's health and does what follows."""

from __future__ import annotations

import math
from typing import Any

from actors import health
from actors.cast import Score
from actors.conductor import Conductor
from actors.config import SwarmConfig
from actors.health import Health
from actors.learning import Learning
from actors.ledger import Ledger
from actors.mape import Action, Loop
from actors.members import Members
from actors.telling import Telling
from telemetry import Telemetry, semconv


class Reflection:
    """The loop, with what it watches and what it can change.

    Args:
        config: of the swarm.
        members: whose hosts are made again when they are down.
        learning: whose rounds are moved apart when they take too long.
        tell: says which hosts came back.
        telemetry: of the coordinator's process.
    """

    def __init__(
        self, config: SwarmConfig, members: Members, learning: Learning, tell: Telling, telemetry: Telemetry
    ) -> None:
        self._config, self._members, self._learning, self._tell = config, members, learning, tell
        self._loop: Loop[Health] = Loop(
            kind=semconv.ActorKind.COORDINATOR, analyze=health.analyze, plan=health.plan, telemetry=telemetry
        )

    async def turn(self, conductor: Conductor, score: Score, ledger: Ledger, total_s: float) -> None:
        """One turn over a round that is over."""
        lost, hosts = frozenset(conductor.round.lost), self._members.hosts
        observation = Health(
            duration_s=math.nan if score.error is not None else total_s,
            budget_s=self._config.round_budget_s,
            interval_s=self._learning.interval_s,
            lost=tuple(host for host, agents in hosts.items() if lost.intersection(agents)),
            unapplied=len(hosts) - score.applied,
            split=bool(ledger.draft.get("validators_disagree")) and score.error is None,
            quarantined=len(ledger.quarantined),
        )
        self._tell.trusted(ledger)
        await self._loop.turn(observation, self._execute)

    def summary(self) -> dict[str, Any]:
        """What the loop has seen and done, in short."""
        return self._loop.knowledge.summary()

    async def _execute(self, action: Action) -> str:
        if action.name == "lengthen_interval":
            return self._learning.lengthen(float(action.parameters["factor"]))
        revived = await self._members.revived(action.parameters.get("hosts", ()))
        for host in revived:
            self._tell.restarted(semconv.ActorKind.HOST, detail=host)
        return f"{len(revived)} hosts made again"
