"""The geometric median."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from federation.errors import SettingError
from federation.kernels import geometric_weights, squared_distances, weighted_sum
from federation.rules.base import Aggregate, Bounded, Matrix, Weights, checked_updates
from federation.verdict import Verdicts


@dataclass(frozen=True, slots=True, kw_only=True)
class GeometricMedian(Bounded):
    """The point with the least sum of distances to the updates, for n >= 2f + 1.

    Smoothed Weiszfeld (Pillutla, Kakade and Harchaoui, IEEE TSP 2022), on the n x n distances: d is
    touched to build them and to form the answer. It starts at the mean, so moving all updates moves the
    answer with them. Declared weights are ignored. All updates are accepted; a score is the share that an
    update has in the result, small where it is far away.

    Attributes:
        steps: the most steps to make.
        tolerance: stop when no share moves by more than this part of 1/n.
        smoothing: distances below this part of their median count as that.
    """

    name: ClassVar[str] = "geometric_median"
    bound: ClassVar[str] = "n >= 2f + 1"
    steps: int = 200
    tolerance: float = 1e-6
    smoothing: float = 1e-6

    def __post_init__(self) -> None:
        if self.steps < 1:
            raise SettingError(name="geometric_median.steps", found=self.steps, needed="at least 1")
        if not 0 <= self.tolerance < 1:
            raise SettingError(name="geometric_median.tolerance", found=self.tolerance, needed="in [0, 1)")
        if not 0 < self.smoothing < 1:
            raise SettingError(name="geometric_median.smoothing", found=self.smoothing, needed="in (0, 1)")

    def minimum(self, f: int) -> int:
        return 2 * f + 1

    def __call__(
        self, updates: Matrix, *, f: int, weights: Weights | None = None, rng: np.random.Generator | None = None
    ) -> Aggregate:
        updates = checked_updates(updates)
        self.requires(len(updates), f)
        shares = geometric_weights(
            squared_distances(updates), steps=self.steps, tolerance=self.tolerance, smoothing=self.smoothing
        )
        return Aggregate(
            value=weighted_sum(shares, updates),
            verdicts=Verdicts.accepting(len(updates), rule=self.name, scores=shares),
        )
