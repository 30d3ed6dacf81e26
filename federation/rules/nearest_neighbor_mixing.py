"""Nearest-neighbour mixing: each update becomes the mean of those nearest to it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from federation.kernels import mixture, squared_distances
from federation.rules.base import Bounded, Matrix, Mixed, Weights, checked_updates
from federation.verdict import Verdicts


@dataclass(frozen=True, slots=True, kw_only=True)
class NearestNeighborMixing(Bounded):
    """Replaces each update by the mean of its n - f nearest ones, itself among them, for n >= 2f + 1.

    Allouah et al., "Fixing by Mixing", AISTATS 2023, algorithm 2: it shrinks the spread between honest
    updates, which is what a rule's error grows with. One product of an n x n matrix with the updates.
    Weights are dropped: a mixed row belongs to nobody. It judges nobody: scores are NaN.
    """

    name: ClassVar[str] = "nearest_neighbor_mixing"
    bound: ClassVar[str] = "n >= 2f + 1"

    def minimum(self, f: int) -> int:
        return 2 * f + 1

    def size(self, n: int) -> int:
        return n

    def mix(
        self, updates: Matrix, *, f: int, weights: Weights | None = None, rng: np.random.Generator | None = None
    ) -> Mixed:
        updates = checked_updates(updates)
        n = len(updates)
        self.requires(n, f)
        distances = squared_distances(updates)
        np.fill_diagonal(distances, -1.0)  # every row is its own nearest, before any copy of it
        nearest = np.argsort(distances, axis=1, kind="stable")[:, : n - f]
        mixing = np.zeros((n, n))
        np.put_along_axis(mixing, nearest, 1 / (n - f), axis=1)
        return Mixed(
            updates=mixture(mixing, updates),
            f=f,
            weights=None,
            groups=np.arange(n),
            verdicts=Verdicts.accepting(n, rule=self.name),
        )
