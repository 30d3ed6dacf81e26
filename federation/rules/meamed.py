"""The mean around the median."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from federation.kernels import mean_around_median
from federation.rules.base import Aggregate, Bounded, Matrix, Weights, checked_updates
from federation.verdict import Verdicts


@dataclass(frozen=True, slots=True, kw_only=True)
class Meamed(Bounded):
    """The mean of the n - f values of each coordinate nearest to its median, for n >= 2f + 1.

    Xie, Koyejo and Gupta, "Generalized Byzantine-tolerant SGD", 2018, section 3. Of two values equally
    far from the median the smaller counts as nearer. Weights are ignored. All updates are accepted,
    with NaN scores, as for the median.
    """

    name: ClassVar[str] = "meamed"
    bound: ClassVar[str] = "n >= 2f + 1"

    def minimum(self, f: int) -> int:
        return 2 * f + 1

    def __call__(
        self, updates: Matrix, *, f: int, weights: Weights | None = None, rng: np.random.Generator | None = None
    ) -> Aggregate:
        updates = checked_updates(updates)
        self.requires(len(updates), f)
        return Aggregate(
            value=mean_around_median(updates, len(updates) - f),
            verdicts=Verdicts.accepting(len(updates), rule=self.name),
        )
