"""The local learner of all agents of a host."""

from __future__ import annotations

from collections.abc import Collection, Sequence

import numpy as np
from numpy.typing import NDArray

from federation.errors import ExperienceError
from federation.heterogeneity import heterogeneity
from federation.terms import Tuning
from federation.workload import Learned, Row
from workloads.gradients.experience import Experiences, fitting
from workloads.gradients.policy import Policy
from workloads.gradients.replay import ReplayBuffers
from workloads.gradients.settings import LearningSettings
from workloads.gradients.training import Descent, train


class GradientsLearner:
    """Trains the policy on the replay memories of k agents, all of them in one batched step.

    Args:
        agents: who lives here.
        policy: the shape of what is learned.
        settings: of the learning.
        values: the range of values, as `GradientsWorkload.values`.
        scaling: shift and scale of states.
        shares: what each agent has lived through already.
    """

    def __init__(
        self,
        agents: Sequence[str],
        *,
        policy: Policy,
        settings: LearningSettings,
        values: tuple[float, float],
        scaling: tuple[NDArray[np.float32], NDArray[np.float32]],
        shares: Sequence[Experiences],
    ) -> None:
        self._agents = tuple(agents)
        self._row = {agent: row for row, agent in enumerate(self._agents)}
        self._policy = policy
        self._settings = settings
        self._values = values
        self._scaling = scaling
        self._memory = ReplayBuffers(len(self._agents), policy.features, capacity=settings.capacity)
        self._flipped: frozenset[int] = frozenset()
        for row, share in enumerate(shares):
            if len(share):
                self._memory.extend(row, self._scaled(share))

    @property
    def agents(self) -> tuple[str, ...]:
        return self._agents

    def learn(self, base: Row, *, round_number: int, seeds: NDArray[np.uint64], tuning: Tuning) -> Learned:
        """Each agent's change to ``base`` after ``epochs`` steps from it. Weights are the memories' sizes.

        The step size is learning_rate / sqrt(round) (after `Tuning`). The number of epochs is the same on
        every host: it adapts to the swarm's heterogeneity through `Tuning`, never to the host's own, which
        would make an update depend on who shares the host. The host's own heterogeneity is a measure.
        """
        settings = self._settings
        epochs = max(round(settings.epochs * tuning.epochs_scale), 1)
        low, high = self._values
        descent = Descent(
            learning_rate=settings.learning_rate * tuning.learning_rate_scale / max(round_number, 1) ** 0.5,
            momentum=settings.momentum,
            epochs=epochs,
            batch=settings.batch,
            discount=settings.discount,
            pessimism=settings.pessimism,
            low=low,
            high=high,
        )
        rows, losses = train(self._policy, base, self._memory, np.asarray(seeds, np.uint64), descent)
        return Learned(
            rows=rows,
            weights=self._memory.counts.astype(np.float64),
            losses=losses,
            idle=self._memory.counts == 0,
            epochs=epochs,
            batch_size=settings.batch,
            measures={"heterogeneity": heterogeneity(self.histogram())},
        )

    def observe(self, agent: str, experiences: Sequence[object]) -> int:
        """Add `Experience` records, mappings with their fields, or one `Experiences` to an agent's memory.

        Returns how many it now holds.

        Raises:
            ExperienceError: for an unknown agent or anything that does not fit; then nothing is added.
        """
        if agent not in self._row:
            raise ExperienceError(found=f"an agent {agent!r}", needed="one that lives on this host")
        columns = fitting(experiences, features=self._policy.features, actions=self._policy.actions)
        row = self._row[agent]
        if row in self._flipped:
            columns = self._mirrored(columns)
        return self._memory.extend(row, self._scaled(columns)) if len(columns) else int(self._memory.counts[row])

    def histogram(self) -> NDArray[np.float64]:
        """``(k, actions)``: how often each agent took each action, in what it remembers."""
        return self._memory.histogram(self._policy.actions)

    def experiences(self, agent: str) -> Experiences:
        """What an agent remembers, oldest first, with states as the policy sees them."""
        return self._memory.held(self._row[agent])

    def poison(self, agents: Collection[str]) -> None:
        """Swap action a for (last - a) in all that these agents remember and will observe: a label flip.

        For attacks in evaluation only. The agents then learn honestly from data that lies.
        """
        rows = {self._row[agent] for agent in agents if agent in self._row} - self._flipped
        for row in rows:
            self._memory.actions[row] = self._policy.actions - 1 - self._memory.actions[row]
        self._flipped |= rows

    def _mirrored(self, columns: Experiences) -> Experiences:
        return Experiences(
            states=columns.states,
            actions=(self._policy.actions - 1 - columns.actions).astype(np.int32),
            rewards=columns.rewards,
            next_states=columns.next_states,
            done=columns.done,
        )

    def _scaled(self, columns: Experiences) -> Experiences:
        shift, scale = self._scaling
        return Experiences(
            states=(columns.states - shift) / scale,
            actions=columns.actions,
            rewards=columns.rewards,
            next_states=None if columns.next_states is None else (columns.next_states - shift) / scale,
            done=columns.done,
        )
