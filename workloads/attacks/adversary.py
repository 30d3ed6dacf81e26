"""Marked agents, and the learner that lies for them."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from federation.errors import SettingError
from federation.terms import Tuning
from federation.update import UpdateBatch
from federation.workload import Learned, Learner, Row, Rows
from workloads.attacks.base import Attack, Scene


@dataclass(frozen=True, slots=True, kw_only=True)
class Adversary:
    """Who lies, and how; picklable, for evaluation only.

    Liars know the honest updates of their own host, so an attack is at its strongest where one host has
    all agents, as in the arena.

    Attributes:
        agents: the marked ones.
        attack: what they do.
        seed: of what they agreed on beforehand.
    """

    agents: frozenset[str]
    attack: Attack
    seed: int = 0

    def __post_init__(self) -> None:
        object.__setattr__(self, "agents", frozenset(self.agents))
        if not isinstance(self.attack, Attack):
            raise SettingError(name="attack", found=self.attack, needed="an attack, as attack_from(name) gives")

    def corrupt(self, learner: Learner) -> Learner:
        """A learner that lies for the marked agents of a host and is honest for the others."""
        marked = [agent in self.agents for agent in learner.agents]
        if not any(marked):
            return learner
        return AdversarialLearner(learner, np.array(marked), attack=self.attack, seed=self.seed)

    def send(self, batch: UpdateBatch) -> Sequence[UpdateBatch]:
        """The batch as it is: these attacks lie in what they sign, not in how."""
        return (batch,)


class AdversarialLearner:
    """A learner whose marked agents lie about what it learned.

    Args:
        learner: what really learns. An attack that poisons data needs its ``poison(agents)``.
        marked: ``(k,)``, who lies.
        attack: how.
        seed: of what liars agreed on.
    """

    def __init__(self, learner: Learner, marked: NDArray[np.bool_], *, attack: Attack, seed: int) -> None:
        self._learner = learner
        self._marked = marked
        self._attack = attack
        self._seed = seed
        self._first: dict[int, Rows] = {}
        if attack.poisons:
            poison = getattr(learner, "poison", None)
            if poison is None:
                raise SettingError(
                    name="attack", found=attack.name, needed="one that needs no labels; this learner has none to flip"
                )
            poisoned: Collection[str] = [agent for agent, bad in zip(learner.agents, marked, strict=True) if bad]
            poison(poisoned)

    @property
    def agents(self) -> tuple[str, ...]:
        return self._learner.agents

    def learn(self, base: Row, *, round_number: int, seeds: NDArray[np.uint64], tuning: Tuning) -> Learned:
        """What the learner learned, with the marked agents' rows and weights replaced by the lie."""
        learned = self._learner.learn(base, round_number=round_number, seeds=seeds, tuning=tuning)
        liars = np.flatnonzero(self._marked & ~learned.idle)
        if not len(liars):
            return learned
        honest = np.flatnonzero(~self._marked & ~learned.idle)
        own = learned.rows[liars]
        for liar, row in zip(liars.tolist(), own, strict=True):
            self._first.setdefault(liar, row.copy())
        lie = self._attack.lie(
            Scene(
                own=own,
                honest=learned.rows[honest] if len(honest) else own.copy(),
                weights=learned.weights[liars],
                round=round_number,
                first=np.stack([self._first[liar] for liar in liars.tolist()]),
                shared=np.random.default_rng([self._seed & 0xFFFFFFFFFFFFFFFF, 11]),
                rng=np.random.default_rng(np.asarray(seeds, np.uint64)[liars]),
            )
        )
        rows, weights = learned.rows.copy(), learned.weights.copy()
        rows[liars], weights[liars] = lie.rows, lie.weights
        return replace(learned, rows=rows, weights=weights)

    def observe(self, agent: str, experiences: Sequence[object]) -> int:
        return self._learner.observe(agent, experiences)

    def histogram(self) -> NDArray[np.float64]:
        return self._learner.histogram()
