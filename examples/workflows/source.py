"""Agents' lives as a data source of the gradients workload, for this process and for a swarm alike."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from actors.agent import Adaptation
from examples.workflows.exploration import Lives, explore
from examples.workflows.fleet import COSTS
from examples.workflows.profiles import MET, Kind, draw
from examples.workflows.signals import FEATURES
from federation.errors import SettingError
from workloads.gradients.experience import Experiences
from workloads.gradients.source import HeldOut

POOL = "pool"


@lru_cache(maxsize=4)
def lives_of(kinds: tuple[Kind, ...], per_kind: int, turns: int, seed: int) -> Lives:
    """What agents on ``per_kind`` systems of each kind lived through. Simulated once per process."""
    return explore(draw(kinds, per_kind, np.random.default_rng([seed, 10])), seed=seed, turns=turns)


@dataclass(frozen=True, slots=True, kw_only=True)
class WorkflowExperiences:
    """Experiences of agents that manage a workflow system each and try adaptations at random.

    An action is worth the discounted mean of the rewards of the eight turns that followed it. So no
    experience needs a next state, and the workload is a contextual bandit with delayed consequences.

    Attributes:
        kinds: of systems.
        per_kind: systems, and so agents, of each kind.
        turns: how long each explores.
        seed: of systems, weather and exploration.
        pooled: True to give everything to a single agent named `POOL`: the central oracle.
        probe_count: states on which releases are compared.
    """

    kinds: tuple[Kind, ...] = field(default=MET)
    per_kind: int = 6
    turns: int = 150
    seed: int = 0
    pooled: bool = False
    probe_count: int = 256

    def __post_init__(self) -> None:
        if not self.kinds:
            raise SettingError(name="kinds", found=self.kinds, needed="one kind or more")
        for name in ("per_kind", "probe_count"):
            if getattr(self, name) < 1:
                raise SettingError(name=name, found=getattr(self, name), needed="1 or more")

    @property
    def lives(self) -> Lives:
        """What the agents lived through."""
        return lives_of(self.kinds, self.per_kind, self.turns, self.seed)

    @property
    def agents(self) -> tuple[str, ...]:
        return (POOL,) if self.pooled else tuple(sorted(self.lives.agents))

    @property
    def features(self) -> int:
        return len(FEATURES)

    @property
    def actions(self) -> int:
        return len(Adaptation)

    @property
    def rewards(self) -> tuple[float, float]:
        return -float(COSTS.max()), 1.0

    @property
    def episodic(self) -> bool:
        return False

    def scaling(self) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
        """Zeros and ones: signals are about within -1 to 1 already."""
        return np.zeros(self.features, np.float32), np.ones(self.features, np.float32)

    def shares(self, agents: Sequence[str]) -> list[Experiences]:
        """What each of these agents lived through; empty for an id that is not among ``agents``."""
        known = frozenset(self.agents)
        return [self._share(agent if agent in known else None) for agent in agents]

    def held_out(self) -> HeldOut:
        """What agents on other systems of the same kinds lived through; adaptations had equal chances."""
        others = lives_of(self.kinds, self.per_kind, self.turns, self.seed + 1_000_000)
        logged = _columns(others, np.ones(len(others), np.bool_))
        return HeldOut(states=logged.states, logged=logged, propensities=np.full(len(logged), 1.0 / len(Adaptation)))

    def probes(self) -> NDArray[np.float32]:
        """``(p, 18)`` states that were met in learning, p at most ``probe_count``."""
        states = self.lives.states
        chosen = np.random.default_rng([self.seed, 40]).permutation(len(states))[: self.probe_count]
        return states[chosen]

    def _share(self, agent: str | None) -> Experiences:
        lives = self.lives
        if agent == POOL and self.pooled:
            return _columns(lives, np.ones(len(lives), np.bool_))
        place = lives.agents.index(agent) if agent else -1
        return _columns(lives, lives.owner == place)


def _columns(lives: Lives, rows: NDArray[np.bool_]) -> Experiences:
    return Experiences(
        states=lives.states[rows],
        actions=lives.actions[rows].astype(np.int32),
        rewards=lives.rewards[rows].astype(np.float32),
        next_states=None,
        done=np.ones(int(rows.sum()), np.bool_),
    )
