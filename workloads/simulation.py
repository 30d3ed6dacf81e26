"""Whole runs in one process, without Ray, signatures or a network: what the arithmetic of rounds amounts to.

All agents live on one host, so liars know every honest update. Late and lost updates do not occur here.
"""

from __future__ import annotations

import hashlib
import struct
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from federation.aggregation import aggregated, screened
from federation.errors import QuorumError, SettingError
from federation.rules.base import Rule
from federation.screening import Screen
from federation.terms import Tuning, fault_bound
from federation.verdict import Decision
from federation.workload import Corruption, Row, Rows, Workload

WEIGHT_CAP = 1e6


@dataclass(frozen=True, slots=True, kw_only=True)
class Step:
    """What one round came to.

    Attributes:
        round: its number, from 1.
        value: of the new release.
        kl: policy KL from the release before, in nats.
        loss: mean training loss of the honest agents; NaN where nobody learned.
        flagged: ``(n,)``: refused by the gate's checks of content, or rejected by screen or rule.
        refused: how many the gate's checks refused.
    """

    round: int
    value: Row
    kl: float
    loss: float
    flagged: NDArray[np.bool_]
    refused: int


class Simulation:
    """One run of a swarm: learner, attack, gate's checks of content, screen, rule, fold.

    Args:
        workload: what is learned.
        agents: who learns.
        seed: of the run.
        f: fault bound; None for floor((n - 1) / 3).
        corruption: who lies and how; None for nobody.
        rule, screen: instead of the workload's own.
    """

    def __init__(
        self,
        workload: Workload,
        agents: Sequence[str],
        *,
        seed: int = 0,
        f: int | None = None,
        corruption: Corruption | None = None,
        rule: Rule | None = None,
        screen: Screen | None = None,
    ) -> None:
        if not agents or len(set(agents)) != len(agents):
            raise SettingError(name="agents", found=f"{len(agents)} ids", needed="at least one id, each once")
        self.agents = tuple(sorted(agents))
        self.workload = workload
        self.rule = rule or workload.rule
        self.screen = screen or workload.screen
        self.f = fault_bound(len(self.agents)) if f is None else f
        self.value = workload.genesis(seed)
        self.round = 0
        self._seed = seed
        learner = workload.learner(self.agents, seed=seed)
        self._learner = learner if corruption is None else corruption.corrupt(learner)
        liars: Collection[str] = () if corruption is None else corruption.agents
        self.liars = np.array([agent in liars for agent in self.agents])

    def step(self, tuning: Tuning | None = None) -> Step:
        """The next round.

        Raises:
            QuorumError: when fewer than n - f updates pass the gate's checks.
            RuleBoundError: when the rule cannot bear f with what is there.
        """
        number = self.round + 1
        learned = self._learner.learn(
            self.value, round_number=number, seeds=seeds_of(self._seed, number, self.agents), tuning=tuning or Tuning()
        )
        good = ~learned.idle & self._passes(learned.rows, learned.weights)
        if good.sum() < len(self.agents) - self.f:
            raise QuorumError(
                round=number,
                valid=int(good.sum()),
                quorum=len(self.agents) - self.f,
                n=len(self.agents),
                f=self.f,
                refused=int((~good & ~learned.idle).sum()),
                missing=int(learned.idle.sum()),
            )
        rows = np.ascontiguousarray(learned.rows[good])
        # Who sent nothing that counts is one of the f already.
        budget = max(self.f - int((~good).sum()), 0)
        found = screened(rows, screen=self.screen, budget=budget)
        outcome = aggregated(
            rows,
            learned.weights[good],
            rule=self.rule,
            screening=found.verdicts,
            f=self.f,
            rng=np.random.default_rng([self._seed & 0xFFFFFFFF, number]),
        )
        value = self.workload.fold(self.value, outcome.value)
        kl = self.workload.divergence(self.value, value, probe=number)
        flagged = ~good & ~learned.idle
        flagged[np.flatnonzero(good)[outcome.decisions == Decision.REJECTED]] = True
        losses = learned.losses[~self.liars & np.isfinite(learned.losses)]
        self.value, self.round = value, number
        return Step(
            round=number,
            value=value,
            kl=kl,
            loss=float(losses.mean()) if len(losses) else float("nan"),
            flagged=flagged,
            refused=int((~good & ~learned.idle).sum()),
        )

    def steps(self, rounds: int) -> Iterator[Step]:
        """So many more rounds, one after the other."""
        for _ in range(rounds):
            yield self.step()

    def _passes(self, rows: Rows, weights: NDArray[np.float64]) -> NDArray[np.bool_]:
        """The gate's checks of content: finite, norm, weight."""
        finite = np.isfinite(rows).all(axis=1) & np.isfinite(weights) & (weights >= 0)
        # Huge values are held against the cap in float64, where their squares do not overflow.
        norms = np.full(len(rows), np.inf)
        norms[finite] = np.linalg.norm(rows[finite].astype(np.float64), axis=1)
        return finite & (norms <= self.workload.norm_cap) & (weights <= WEIGHT_CAP)


def seeds_of(seed: int, number: int, agents: Sequence[str]) -> NDArray[np.uint64]:
    """``(k,)``: one seed for each agent, from (seed, round, agent) alone."""
    head = hashlib.sha256(b"simulation" + struct.pack("<qQ", seed, number))
    seeds = np.empty(len(agents), np.uint64)
    for row, agent in enumerate(agents):
        state = head.copy()
        state.update(agent.encode())
        seeds[row] = int.from_bytes(state.digest()[:8], "little")
    return seeds
