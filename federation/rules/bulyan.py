"""Bulyan: repeated Krum picks, then the mean around their median."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import numpy as np
from numpy.typing import NDArray

from federation.kernels import mean_around_median, squared_distances
from federation.rules.base import Aggregate, Bounded, Matrix, Weights, checked_updates
from federation.rules.selection import ranked
from federation.verdict import Decision, Verdicts


@dataclass(frozen=True, slots=True, kw_only=True)
class Bulyan(Bounded):
    """The mean of the theta - 2f values nearest to the median of theta = n - 2f picks, for n >= 4f + 3.

    El Mhamdi, Guerraoui and Rouault, "The Hidden Vulnerability of Distributed Learning in Byzantium",
    ICML 2018, section 4: each pick is Krum's among the updates that remain, whose scores are counted
    anew. While r remain a score sums r - f - 2 distances; for the last picks, where that is below one, it is
    the distance to the nearest. A liar may be among those, and is then accepted: the mean around the
    median bounds what it can do. Weights are ignored. Updates that were not picked are rejected. A score is the
    one an update had when it was picked, or at the last pick for those left over; scores of different
    picks sum different numbers of distances, so there is no threshold (NaN).
    """

    name: ClassVar[str] = "bulyan"
    bound: ClassVar[str] = "n >= 4f + 3"

    def minimum(self, f: int) -> int:
        return 4 * f + 3

    def __call__(
        self, updates: Matrix, *, f: int, weights: Weights | None = None, rng: np.random.Generator | None = None
    ) -> Aggregate:
        updates = checked_updates(updates)
        n = len(updates)
        self.requires(n, f)
        picks, scores = bulyan_picks(squared_distances(updates), updates, f=f)
        left_out = np.ones(n, np.bool_)
        left_out[picks] = False
        verdicts = Verdicts.marking(
            left_out, rule=self.name, decision=Decision.REJECTED, reason="bulyan.not_selected", scores=scores
        )
        value = mean_around_median(updates, n - 4 * f, rows=np.sort(picks))
        return Aggregate(value=value, verdicts=verdicts)


def bulyan_picks(
    distances: NDArray[np.float64], updates: Matrix, *, f: int
) -> tuple[NDArray[np.intp], NDArray[np.float64]]:
    """The n - 2f rows that Krum picks one after the other, and every row's last score, ``(n,)``.

    Each row keeps its neighbours in sorted order and drops those that are picked, so that a score is
    always a fresh sum: O(n^2) a pick, and no difference of large numbers.
    """
    n = len(distances)
    nearest = np.argsort(np.where(np.eye(n, dtype=bool), -1.0, distances), axis=1, kind="stable")[:, 1:]
    away = np.take_along_axis(distances, nearest, axis=1)
    rows = np.arange(n)
    scores = np.empty(n)
    picks: list[int] = []
    while len(picks) < n - 2 * f:
        remain = len(rows)
        scores[rows] = away[:, : max(1, remain - f - 2)].sum(axis=1)
        best = np.flatnonzero(scores[rows] == scores[rows].min())
        first = best[0] if len(best) == 1 else best[ranked(scores[rows[best]], updates[rows[best]])[0]]
        picked = int(rows[first])
        picks.append(picked)
        others = np.arange(remain) != first
        rows, nearest, away = rows[others], nearest[others], away[others]
        still = nearest != picked
        nearest = nearest[still].reshape(remain - 1, -1) if remain > 1 else nearest
        away = away[still].reshape(remain - 1, -1) if remain > 1 else away
    return np.array(picks, np.intp), scores
