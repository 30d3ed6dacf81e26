"""The coordinate-wise median."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from federation import kernels
from federation.rules.base import Aggregate, Bounded, Matrix, Weights, checked_updates
from federation.verdict import Verdicts


@dataclass(frozen=True, slots=True, kw_only=True)
class Median(Bounded):
    """The median of each coordinate (Yin et al., ICML 2018, definition 1), for n >= 2f + 1.

    For even n the mean of the two middle values. Weights are ignored. Every coordinate lies within the
    range of the honest updates' values there. All updates are accepted, and scores are NaN: the rule
    judges values, not updates, and a distance to each would cost a second pass (screens measure it).
    """

    name: ClassVar[str] = "median"
    bound: ClassVar[str] = "n >= 2f + 1"

    def minimum(self, f: int) -> int:
        return 2 * f + 1

    def __call__(
        self, updates: Matrix, *, f: int, weights: Weights | None = None, rng: np.random.Generator | None = None
    ) -> Aggregate:
        updates = checked_updates(updates)
        self.requires(len(updates), f)
        return Aggregate(value=kernels.median(updates), verdicts=Verdicts.accepting(len(updates), rule=self.name))
