"""Where experiences come from: what a data source tells the gradients workload."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol, runtime_checkable

import numpy as np
from numpy.typing import NDArray

from workloads.gradients.experience import Experiences


@dataclass(frozen=True, slots=True, kw_only=True)
class HeldOut:
    """What no agent ever learns from, kept for evaluation. One of the two forms is there.

    Attributes:
        states: ``(m, features) float32``.
        best: ``(m,)`` the right action of each state, where it is known.
        logged: the experiences of these states, where only what happened is known.
        propensities: ``(m,) float64`` with which the logged actions were taken; ones where unknown.
    """

    states: NDArray[np.float32]
    best: NDArray[np.int32] | None = None
    logged: Experiences | None = None
    propensities: NDArray[np.float64] | None = None


@runtime_checkable
class ExperienceSource(Protocol):
    """A frozen, picklable description of data. Hosts load their own agents' shares from it, nobody else's.

    All of it is deterministic: the same description gives the same values in every process.
    """

    @property
    def agents(self) -> tuple[str, ...]:
        """Ids of those who have experiences, sorted."""
        ...

    @property
    def features(self) -> int: ...

    @property
    def actions(self) -> int: ...

    @property
    def rewards(self) -> tuple[float, float]:
        """The smallest and the largest reward there is."""
        ...

    @property
    def episodic(self) -> bool:
        """Whether any experience has a next state, so that values reach beyond one reward."""
        ...

    def scaling(self) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
        """``(features,)`` shift and scale: the policy sees (state - shift) / scale."""
        ...

    def shares(self, agents: Sequence[str]) -> Sequence[Experiences]:
        """The experiences to learn from, of each of these agents, oldest first; empty for an unknown one.

        They are gone through once, in order, and may be made one at a time.
        """
        ...

    def held_out(self) -> HeldOut:
        """What nobody learns from."""
        ...

    def probes(self) -> NDArray[np.float32]:
        """``(p, features)`` states on which releases are compared; none of them is held out."""
        ...
