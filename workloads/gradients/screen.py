"""The screen of gradients: copies first, then what is too far, then what points elsewhere."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from federation.kernels import squared_distances
from federation.rules import CenteredClipping
from federation.rules.base import Matrix, Vector
from federation.screening import DirectionScreen, DistanceScreen, Screen
from federation.screening.base import checked_screening
from federation.verdict import Decision, Verdicts

_SMALLEST_SWARM = 6
_SMALLEST_DIMENSION = 32
_LARGEST_RATIO = 1e6


@dataclass(frozen=True, slots=True, kw_only=True)
class TwinScreen:
    """Rejects updates that are nearly the copy of another agent's.

    Agents that learn on their own never send nearly the same hundreds of numbers: sampling alone keeps
    them apart. Liars who agree on one vector do (sybils, mimicry, and ALIE, IPM and min-max as published).
    The idea is FoolsGold's (Fung, Yoon and Beschastnikh, RAID 2020), with distances in place of cosines
    and without memory. The score of a row is the median distance of rows to their nearest other row,
    over its own such distance; the median is taken over the larger two thirds, so that copies do not
    lower it. A row is a twin when the score exceeds ``ratio`` and its nearest row is also nearer than
    ``1 / ratio`` of its own length, which spares agents who have nothing left to learn.

    The honest victim of mimicry is rejected together with its copies. Liars who add independent noise of
    more than about 1 / ratio of the honest spread are not found; the rule has to bear those. In fewer than
    32 dimensions or with fewer than 6 updates nothing is judged. Honest agents with the same data and the
    same draws would be found: seeds that differ prevent it.

    Attributes:
        ratio: how many times nearer than usual a twin is.
    """

    ratio: float = 2.0

    @property
    def name(self) -> str:
        return "twin"

    def screen(self, updates: Matrix, *, centre: Vector, f: int) -> Verdicts:
        """Verdicts on ``(n, d)`` updates; O(n^2 d), one matrix product."""
        checked_screening(updates, centre, f)
        n, dimension = updates.shape
        if n < _SMALLEST_SWARM or dimension < _SMALLEST_DIMENSION:
            return Verdicts.accepting(n, rule=self.name)
        apart = np.array(squared_distances(updates), dtype=np.float64)
        np.fill_diagonal(apart, np.inf)
        nearest = np.sqrt(np.maximum(apart.min(axis=1), 0))
        usual = float(np.median(np.sort(nearest)[n // 3 :]))
        lengths = np.linalg.norm(updates.astype(np.float64), axis=1)
        scores = np.minimum(usual / np.maximum(nearest, np.finfo(np.float64).tiny), _LARGEST_RATIO)
        marked = (scores > self.ratio) & (nearest * self.ratio < lengths)
        return Verdicts.marking(
            _worst(marked, scores, f),
            rule=self.name,
            decision=Decision.REJECTED,
            reason="screen.twin",
            scores=scores,
            threshold=self.ratio,
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class CascadeScreen:
    """Runs screens one after the other, each on what the one before let through.

    Centres can be captured by liars who agree; a cascade that removes copies first gives the screens
    after it a centre of what is left. That centre is the centred clipping of the remaining rows.
    At most f rows are rejected in all, by the first screens first. Scores are over their screen's threshold,
    so the threshold is 1; of several the largest counts.

    Attributes:
        stages: at least one.
    """

    stages: tuple[Screen, ...] = field(default_factory=lambda: (TwinScreen(), DistanceScreen(), DirectionScreen()))

    @property
    def name(self) -> str:
        return "cascade"

    def screen(self, updates: Matrix, *, centre: Vector, f: int) -> Verdicts:
        """Verdicts on ``(n, d)`` updates. ``centre`` is only checked: each stage has one of its own."""
        checked_screening(updates, centre, f)
        n = len(updates)
        kept = np.arange(n)
        scores = np.full(n, np.nan)
        reasons = [""]
        index = np.zeros(n, np.int8)
        left = f
        for stage in self.stages:
            rows = updates if len(kept) == n else updates[kept]
            own = CenteredClipping()(rows, f=0).value
            found = stage.screen(rows, centre=own, f=left)
            if np.isfinite(found.threshold):
                scores[kept] = np.fmax(scores[kept], found.scores / found.threshold)
            rejected = found.rejected
            for reason in found.reasons[1:]:
                reasons.append(reason)
                index[kept[rejected & (found.reason_index == found.reasons.index(reason))]] = len(reasons) - 1
            left -= int(rejected.sum())
            if len(kept) - int(rejected.sum()) < 2:
                break
            kept = kept[~rejected]
        return Verdicts(
            rule=self.name,
            decisions=np.where(index > 0, np.int8(Decision.REJECTED), np.int8(0)).astype(np.int8),
            scores=scores,
            threshold=1.0,
            reasons=tuple(reasons),
            reason_index=index,
        )


def _worst(marked: NDArray[np.bool_], scores: NDArray[np.float64], f: int) -> NDArray[np.bool_]:
    """The f marked rows with the highest scores; among equals the first."""
    order = np.argsort(np.where(marked, -scores, np.inf), kind="stable")[:f]
    chosen = np.zeros(len(marked), np.bool_)
    chosen[order] = True
    return chosen & marked
