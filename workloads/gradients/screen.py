"""The screen of gradients: copies first, then what is too far, then what points elsewhere."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from federation.errors import SettingError
from federation.kernels import squared_distances
from federation.rules import CenteredClipping
from federation.rules.base import Matrix, Vector
from federation.screening import DirectionScreen, DistanceScreen, Screen
from federation.screening.base import checked_screening
from federation.screening.score import worst
from federation.verdict import Decision, Verdicts

_SMALLEST_SWARM = 6
_SMALLEST_DIMENSION = 32
_LARGEST_RATIO = 1e6
_ALL_PAIRS = 2000
_SAMPLE = 500
_DIRECTIONS = 4


@dataclass(frozen=True, slots=True, kw_only=True)
class TwinScreen:
    """Rejects updates that are nearly the copy of another agent's: of each group of copies all but one.

    Agents that learn on their own never send nearly the same hundreds of numbers: sampling alone keeps
    them apart. Liars who agree on one vector do (sybils, mimicry, and ALIE, IPM and min-max as published).
    The idea is FoolsGold's (Fung, Yoon and Beschastnikh, RAID 2020), with distances in place of cosines
    and without memory. One voice counts once, so the first of a group, in the order of rows, is kept: the
    victim of mimicry may be among them. The score of a row is the usual distance from a row to its nearest,
    over its own; the usual one is the median over the larger two thirds, so that copies do not lower it.
    Two rows are copies when they are nearer than the usual distance over ``ratio``, and nearer than either's
    length over ``ratio``, which spares agents who have nothing left to learn.

    Liars who add independent noise of more than about 1 / ratio of the honest spread are not found; the rule
    has to bear those. In fewer than 32 dimensions or with fewer than 6 updates nothing is judged. Above 2,000
    updates only rows that are neighbours along one of four random directions are compared, which finds
    copies that agree to within a thousandth of the spread.

    Attributes:
        ratio: how many times nearer than usual a copy is.
    """

    ratio: float = 2.0

    def __post_init__(self) -> None:
        if not 1 < self.ratio < np.inf:
            raise SettingError(name="twin.ratio", found=self.ratio, needed="above 1 and finite")

    @property
    def name(self) -> str:
        return "twin"

    def screen(self, updates: Matrix, *, centre: Vector, f: int) -> Verdicts:
        """Verdicts on ``(n, d)`` updates; one matrix product of O(n^2 d) up to 2,000 rows, O(n d) above."""
        checked_screening(updates, centre, f)
        n, dimension = updates.shape
        if n < _SMALLEST_SWARM or dimension < _SMALLEST_DIMENSION:
            return Verdicts.accepting(n, rule=self.name)
        nearest, first, second, apart, usual = _near_pairs(updates, self.ratio)
        lengths = np.sqrt(np.einsum("ij,ij->i", updates, updates).astype(np.float64))
        near = (apart * self.ratio < usual) & (apart * self.ratio < np.minimum(lengths[first], lengths[second]))
        marked = _groups(n, first[near], second[near]) < np.arange(n)
        scores = np.where(nearest < np.inf, usual / np.maximum(nearest, usual / _LARGEST_RATIO), 0.0)
        return Verdicts.marking(
            worst(marked, scores, f),
            rule=self.name,
            decision=Decision.REJECTED,
            reason="screen.twin",
            scores=scores,
            threshold=self.ratio,
        )


def _near_pairs(
    updates: Matrix, ratio: float
) -> tuple[NDArray[np.float64], NDArray[np.intp], NDArray[np.intp], NDArray[np.float64], float]:
    """Each row's distance to its nearest; pairs (first < second) that may be copies, and theirs; the usual one."""
    n = len(updates)
    if n <= _ALL_PAIRS:
        nearest, apart = _nearest(updates)
        usual = _usual(nearest)
        first, second = np.nonzero(np.triu(apart * ratio < usual, 1))
        return nearest, first, second, apart[first, second], usual
    # Rows spread over the whole matrix stand for all; nearest distances among fewer rows are a little larger.
    sample = np.linspace(0, n - 1, _SAMPLE).astype(np.intp)
    usual = _usual(_nearest(updates[sample])[0])
    directions = np.random.default_rng(0).standard_normal((updates.shape[1], _DIRECTIONS)).astype(updates.dtype)
    orders = np.argsort(updates @ directions, axis=0, kind="stable")
    low, high = np.minimum(orders[:-1], orders[1:]), np.maximum(orders[:-1], orders[1:])
    first, second = np.divmod(np.unique(low.astype(np.int64) * n + high), n)
    apart = np.empty(len(first))
    for start in range(0, len(first), _ALL_PAIRS):
        part = slice(start, start + _ALL_PAIRS)
        gap = updates[first[part]] - updates[second[part]]
        apart[part] = np.sqrt(np.einsum("ij,ij->i", gap, gap))
    nearest = np.full(n, np.inf)
    np.minimum.at(nearest, first, apart)
    np.minimum.at(nearest, second, apart)
    return nearest, first, second, apart, usual


def _nearest(updates: Matrix) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """``(n,)``: distance of each row to its nearest, and all ``(n, n)`` distances with Inf for a row's own."""
    apart = np.sqrt(np.maximum(squared_distances(updates), 0))
    np.fill_diagonal(apart, np.inf)
    return apart.min(axis=1), apart


def _groups(n: int, first: NDArray[np.intp], second: NDArray[np.intp]) -> NDArray[np.intp]:
    """``(n,)``: the smallest row that each row is joined to by pairs, directly or not; itself for most."""
    groups = np.arange(n)
    while True:
        lowest = np.minimum(groups[first], groups[second])
        before = groups.copy()
        np.minimum.at(groups, first, lowest)
        np.minimum.at(groups, second, lowest)
        groups = groups[groups]
        if np.array_equal(before, groups):
            return groups


def _usual(nearest: NDArray[np.float64]) -> float:
    """The median of the larger two thirds of the distances to the nearest row."""
    return float(np.median(np.sort(nearest)[len(nearest) // 3 :]))


@dataclass(frozen=True, slots=True, kw_only=True)
class CascadeScreen:
    """Runs screens one after the other, each on what the one before let through.

    Centres can be captured by liars who agree; a cascade that removes copies first gives the screens
    after it a centre of what is left. That centre is the centred clipping of the remaining rows.
    At most f rows are rejected in all, by the first screens first. Scores are over their screen's threshold,
    so the threshold is 1; of several the largest counts.

    Attributes:
        stages: with none, every update is let through.
    """

    stages: tuple[Screen, ...] = field(default_factory=lambda: (TwinScreen(), DistanceScreen(), DirectionScreen()))

    @property
    def name(self) -> str:
        return "cascade"

    def screen(self, updates: Matrix, *, centre: Vector, f: int) -> Verdicts:
        """Verdicts on ``(n, d)`` updates. Until rows are taken out, centres are clipped around ``centre``."""
        checked_screening(updates, centre, f)
        n = len(updates)
        kept = np.arange(n)
        scores = np.full(n, np.nan)
        reasons = [""]
        index = np.zeros(n, np.int8)
        left = f
        rows, own = updates, None
        for stage in self.stages:
            if own is None:
                rows = updates if len(kept) == n else updates[kept]
                own = CenteredClipping(start=centre if len(kept) == n else None)(rows, f=0).value
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
            if rejected.any():
                kept, own = kept[~rejected], None
        return Verdicts(
            rule=self.name,
            decisions=np.where(index > 0, np.int8(Decision.REJECTED), np.int8(0)).astype(np.int8),
            scores=scores,
            threshold=1.0,
            reasons=tuple(reasons),
            reason_index=index,
        )
