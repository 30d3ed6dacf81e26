"""The coordinate-wise trimmed mean."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from federation import kernels
from federation.rules.base import Aggregate, Bounded, Matrix, Weights, checked_updates
from federation.verdict import Verdicts


@dataclass(frozen=True, slots=True, kw_only=True)
class TrimmedMean(Bounded):
    """The mean of each coordinate without its f smallest and f largest values, for n >= 2f + 1.

    Yin et al., ICML 2018, definition 2, with the trim derived from f rather than given as a share: a
    fixed 20 % would not cover f up to a third. Weights are ignored. All updates are accepted, with NaN
    scores, as for the median. With f = 0 it is the plain mean.
    """

    name: ClassVar[str] = "trimmed_mean"
    bound: ClassVar[str] = "n >= 2f + 1"

    def minimum(self, f: int) -> int:
        return 2 * f + 1

    def __call__(
        self, updates: Matrix, *, f: int, weights: Weights | None = None, rng: np.random.Generator | None = None
    ) -> Aggregate:
        updates = checked_updates(updates)
        self.requires(len(updates), f)
        return Aggregate(
            value=kernels.trimmed_mean(updates, f), verdicts=Verdicts.accepting(len(updates), rule=self.name)
        )
