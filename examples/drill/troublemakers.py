"""Agents that cause trouble by a script: in which round, who, and how. For drills only."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from enum import StrEnum
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from federation.identity import Secret, SigningKey, payload_digests
from federation.terms import Tuning
from federation.update import UpdateBatch
from federation.workload import Learned, Learner, Row


class Trouble(StrEnum):
    """What an agent does."""

    LIE = "lie"
    """Sends its row turned around and blown up."""
    LEAN = "lean"
    """Sends its row turned around, and only as much larger as the gate bears."""
    NOT_FINITE = "not_finite"
    """Sends a row of NaN."""
    EQUIVOCATE = "equivocate"
    """Signs a second, different update for the same round."""
    DAWDLE = "dawdle"
    """Makes its host so slow that the round closes without it."""


Script = Mapping[int, Mapping[str, Trouble]]
"""round -> agent -> what it does then."""


@dataclass(frozen=True, kw_only=True)
class Troublemakers:
    """The agents of a script, as `SwarmConfig.adversary` takes them.

    Attributes:
        agents: all of them.
        script: what they do.
        run: id of the run.
        secret: file of the swarm's secret, with which one who equivocates signs; only a drill has it at hand.
        dawdling_s: how long a dawdler takes.
    """

    agents: frozenset[str]
    script: Script
    run: str
    secret: Path
    dawdling_s: float = 1.5

    def corrupt(self, learner: Learner) -> Learner:
        """The learner of a host, with the troublemakers among its agents."""
        return _Troubled(learner, self)

    def send(self, batch: UpdateBatch) -> Sequence[UpdateBatch]:
        """The batch, and a second update of each agent that equivocates in this round."""
        troubles = self.script.get(batch.statement.round, {})
        twice = [row for row, agent in enumerate(batch.agents) if troubles.get(agent) is Trouble.EQUIVOCATE]
        return [batch, *(self._otherwise(batch, row) for row in twice)]

    def _otherwise(self, batch: UpdateBatch, row: int) -> UpdateBatch:
        """A second update of one agent, genuinely signed."""
        other = batch.rows([row])
        key = SigningKey.of(Secret(self.secret.read_bytes()).derive("host").derive("agent", self.run, other.agents[0]))
        payload = other.payload * np.float32(2.0)
        digests = payload_digests(batch.codec, payload, other.weights)
        [message] = batch.statement.messages(other.agents, digests)
        signature = np.frombuffer(key.sign(message), np.uint8)[None]
        return replace(other, payload=payload, digests=digests, signatures=signature)


class _Troubled:
    def __init__(self, learner: Learner, troublemakers: Troublemakers) -> None:
        self._learner = learner
        self._trouble = troublemakers

    @property
    def agents(self) -> tuple[str, ...]:
        return self._learner.agents

    def learn(self, base: Row, *, round_number: int, seeds: NDArray[np.uint64], tuning: Tuning) -> Learned:
        learned = self._learner.learn(base, round_number=round_number, seeds=seeds, tuning=tuning)
        troubles = self._trouble.script.get(round_number, {})
        rows = learned.rows.copy()
        for row, agent in enumerate(self.agents):
            match troubles.get(agent):
                case Trouble.LIE:
                    rows[row] *= np.float32(-50.0)
                case Trouble.LEAN:
                    rows[row] *= np.float32(-8.0)
                case Trouble.NOT_FINITE:
                    rows[row] = np.nan
                case _:
                    pass
        if any(troubles.get(agent) is Trouble.DAWDLE for agent in self.agents):
            time.sleep(self._trouble.dawdling_s)
        return replace(learned, rows=rows)

    def observe(self, agent: str, experiences: Sequence[object]) -> int:
        return self._learner.observe(agent, experiences)

    def histogram(self) -> NDArray[np.float64]:
        return self._learner.histogram()

    def __getattr__(self, name: str) -> Any:
        return getattr(self._learner, name)
