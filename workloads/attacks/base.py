"""What an attack is: what liars know, and what they send."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar, Protocol, runtime_checkable

import numpy as np
from numpy.typing import NDArray

from federation.workload import Rows


@dataclass(frozen=True, slots=True, kw_only=True)
class Scene:
    """What the m liars of one host know when they lie.

    Attributes:
        own: ``(m, d) float32``: what each of them would have sent had it been honest.
        honest: ``(h, d) float32``: the updates of the honest agents of the same host, all known to the liars.
            Where a host has none, the liars' own take their place, as an estimate.
        weights: ``(m,)``: what each would have declared.
        round: number of the round, from 1.
        first: ``(m, d)``: what each would have sent in the first round it was asked in.
        shared: made from the run's seed alone, the same on every host in every round, for lies agreed beforehand.
        rng: made from the liars' seeds of this round.
    """

    own: Rows
    honest: Rows
    weights: NDArray[np.float64]
    round: int
    first: Rows
    shared: np.random.Generator
    rng: np.random.Generator


@dataclass(frozen=True, slots=True, kw_only=True)
class Lie:
    """What the liars send: ``(m, d) float32`` rows and ``(m,)`` declared weights; new arrays."""

    rows: Rows
    weights: NDArray[np.float64]


@runtime_checkable
class Attack(Protocol):
    """A way of lying; a frozen dataclass whose fields are its parameters.

    Attributes:
        name: how configuration names it.
        poisons: whether liars first spoil their own data (the learner's ``poison``).
    """

    name: ClassVar[str]
    poisons: ClassVar[bool]

    def lie(self, scene: Scene) -> Lie:
        """What the liars send. The same scene gives the same lie."""
        ...


def sent(rows: NDArray[np.floating], scene: Scene) -> Lie:
    """These rows with the weights that honesty would have declared. A row for all is repeated for each liar."""
    m, d = scene.own.shape
    return Lie(rows=np.array(np.broadcast_to(rows, (m, d)), np.float32), weights=scene.weights.copy())


def moments(scene: Scene) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Mean and standard deviation of each coordinate over the honest rows."""
    honest = scene.honest.astype(np.float64)
    return honest.mean(axis=0), honest.std(axis=0)
