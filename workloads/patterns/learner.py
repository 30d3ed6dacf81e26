"""The local learner of all installations of a host."""

from __future__ import annotations

from collections import deque
from collections.abc import Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from federation.heterogeneity import heterogeneity
from federation.terms import Tuning
from federation.workload import Learned, Row
from workloads.patterns.delta import extracted, row_of
from workloads.patterns.errors import PatternError
from workloads.patterns.experience import PatternExperience, experiences_of
from workloads.patterns.key_space import KeySpace
from workloads.patterns.learning import BatchLearning, Pattern
from workloads.patterns.rows import dimension


class PatternsLearner:
    """Learns patterns from the newest experiences of k installations and says how they differ from the release.

    A row is always the difference to the base that it is learned from, never to what was submitted before: nothing
    but (base, round, data) goes into it, so it is the same after a restart, and an update that was not counted is
    not lost.

    Args:
        agents: who lives here.
        space: the key space.
        learning: how patterns are made.
        memory: experiences kept by each, the newest.
        shares: what each has lived through already.
    """

    def __init__(
        self,
        agents: Sequence[str],
        *,
        space: KeySpace,
        learning: BatchLearning,
        memory: int,
        shares: Sequence[Sequence[PatternExperience]],
    ) -> None:
        self.agents = tuple(agents)
        self._space, self._learning = space, learning
        self._memory: dict[str, deque[PatternExperience]] = {
            agent: deque(experiences_of(share[-memory:], space), maxlen=memory)
            for agent, share in zip(self.agents, shares, strict=True)
        }
        self._patterns: dict[str, Mapping[str, Pattern]] = {}

    def learn(self, base: Row, *, round_number: int, seeds: NDArray[np.uint64], tuning: Tuning) -> Learned:
        """Each installation's difference to ``base``. Weights are the numbers of experiences, losses mean failure.

        Seeds and tuning change nothing: counting has no step size. The round is only marked in the rows.
        """
        del seeds, tuning
        rows = np.zeros((len(self.agents), dimension(len(self._space.keys))), np.float32)
        idle = np.zeros(len(self.agents), np.bool_)
        losses = np.full(len(self.agents), np.nan)
        for place, agent in enumerate(self.agents):
            weights = extracted(self.patterns(agent), space=self._space, base=base).weights
            rows[place] = row_of(weights, base=base, space=self._space, round_number=round_number).row
            idle[place] = not weights
            if held := self._memory[agent]:
                losses[place] = 1 - float(np.mean([one.success for one in held]))
        return Learned(
            rows=rows,
            weights=np.array([len(self._memory[agent]) for agent in self.agents], np.float64),
            losses=losses,
            idle=idle,
            epochs=1,
            batch_size=max((len(held) for held in self._memory.values()), default=0),
            measures={"heterogeneity": heterogeneity(self.histogram())},
        )

    def patterns(self, agent: str) -> Mapping[str, Pattern]:
        """What an installation knows by itself."""
        if agent not in self._patterns:
            self._patterns[agent] = self._learning.learn(self._memory[agent])
        return self._patterns[agent]

    def observe(self, agent: str, experiences: Sequence[object]) -> int:
        """Add experiences, as records or mappings, to an installation's memory; returns how many it now holds.

        Raises:
            PatternError: for an unknown installation or anything that does not fit; then nothing is added.
        """
        if agent not in self._memory:
            raise PatternError(what="An installation", found="one that is not here", needed="one of this host")
        self._memory[agent].extend(experiences_of(experiences, self._space))
        self._patterns.pop(agent, None)
        return len(self._memory[agent])

    def histogram(self) -> NDArray[np.float64]:
        """``(k, keys)``: how often each installation met each key."""
        counts = np.zeros((len(self.agents), len(self._space.keys)))
        for place, agent in enumerate(self.agents):
            for one in self._memory[agent]:
                counts[place, self._space.places[one.key]] += 1
        totals = counts.sum(axis=1, keepdims=True)
        return np.divide(counts, totals, out=counts, where=totals > 0)
