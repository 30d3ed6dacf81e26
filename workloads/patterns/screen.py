"""The anomaly filter of pattern weights: outliers key by key, and direction."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from federation.errors import RuleBoundError, SettingError, UpdatesError
from federation.rules.base import Matrix, Vector
from federation.screening.base import checked_screening
from federation.screening.score import LARGEST_SCORE, worst
from federation.verdict import Decision, Verdicts
from workloads.patterns.rows import PRESENT, VALUES, dimension

_NORMAL = 1.4826022185056018
_SMALLEST_DIRECTION = 4
_BLOCK_ELEMENTS = 1 << 21  # values brought together at a time: 8 MiB of float32
_UNCLEAR = 0.25  # from 0 and 1; lossy codecs stay well within


@dataclass(frozen=True, slots=True, kw_only=True)
class PatternScreen:
    """Rejects deltas with too many outlying weights, and deltas that point away from the others.

    First layer: each weight's distance to the median of the key's contributors, over their MAD (x 1.4826). Above
    ``outlier`` it is an outlier; a delta with more than ``outlier_share`` of them is rejected. The document's z-score
    cannot exceed 2.85 among ten participants, so that nothing would ever be found; a median and a MAD can.
    Second layer: the cosine between a delta and those medians, over the keys it has; below ``cosine`` it is flagged,
    which here means rejected for the round. Three flagged rounds in a row are quarantine, by the trust ledger.
    Where the swarm itself has no direction the second layer says nothing, as once learning has come to rest: where the
    median of the cosines is below ``agreement``, and of a row in whose keys the medians themselves are no larger than
    ``resolution`` (root mean square). Otherwise a third and more of honest clients are flagged at rest.

    Keys with fewer than ``min_contributors`` are not judged. Before both layers, rows that no client can have made are
    rejected: a contributor column that is neither 0 nor 1, or no key at all. The third layer, the norm cap, is
    `PatternRule`'s, because a screen changes no row.

    The score of a row is the larger of its outlier share and its angle, each over its threshold; the threshold is 1.

    Attributes:
        keys: number of keys in the rows' layout; 0 takes every column for one value that every row has.
        outlier: in standard deviations.
        outlier_share: of a delta's weights.
        cosine: the smallest that is not flagged.
        agreement: the median cosine below which no direction is judged.
        min_contributors: of a key that is judged.
        min_participants: updates that a round needs; whatever becomes of them afterwards.
        resolution: deviation of a weight that counts as one standard deviation at least, so that nobody is an outlier
            among agreeing weights for a difference that means nothing.
    """

    keys: int
    outlier: float = 3.0
    outlier_share: float = 0.30
    cosine: float = 0.3
    agreement: float = 0.5
    min_contributors: int = 5
    min_participants: int = 1
    resolution: float = 0.0

    def __post_init__(self) -> None:
        if self.keys < 0 or self.min_contributors < 1 or self.min_participants < 1:
            found = (self.keys, self.min_contributors, self.min_participants)
            raise SettingError(name="keys, min_contributors, min_participants", found=found, needed=">= 0, >= 1, >= 1")
        if not self.outlier > 0 or not self.resolution >= 0:
            raise SettingError(name="outlier, resolution", found=(self.outlier, self.resolution), needed="> 0, >= 0")
        if not 0 < self.outlier_share < 1 or not -1 < self.cosine < 1 or not -1 <= self.agreement <= 1:
            found = (self.outlier_share, self.cosine, self.agreement)
            raise SettingError(
                name="outlier_share, cosine, agreement", found=found, needed="in (0, 1), (-1, 1), [-1, 1]"
            )

    @property
    def name(self) -> str:
        return "patterns"

    def screen(self, updates: Matrix, *, centre: Vector, f: int) -> Verdicts:
        """Verdicts on ``(n, d)`` updates; O(n d). Medians are over contributors, so ``centre`` is only checked.

        Raises:
            RuleBoundError: for fewer than ``min_participants``.
        """
        checked_screening(updates, centre, f)
        n, d = updates.shape
        if n < self.min_participants:
            bound = f"at least {self.min_participants} participants"
            raise RuleBoundError(rule=self.name, n=n, f=0, needed=self.min_participants, bound=bound)
        if self.keys and d != dimension(self.keys):
            raise UpdatesError(found=f"rows of {d}", needed=f"rows of {dimension(self.keys)} for {self.keys} keys")
        # A power of two, so that scores do not depend on the scale, and squares do not overflow.
        peak = max(float(updates.max()), -float(updates.min()))
        unit = 1.0 if 1e-100 < peak < 1e100 or peak == 0 else 2.0 ** min(float(np.frexp(peak)[1]), 1023)
        shares, cosines = self._measured(updates, unit)
        flagged = shares > self.outlier_share
        malformed = self._malformed(updates)
        angles = (1 - cosines) / (1 - self.cosine)
        directed = ~np.isnan(cosines)
        turned = np.zeros(n, np.bool_)
        if directed.any() and float(np.median(cosines[directed])) >= self.agreement:
            turned[directed] = cosines[directed] < self.cosine
        else:
            angles[:] = np.nan
        scores = np.fmax(shares / self.outlier_share, angles)
        scores[malformed] = LARGEST_SCORE
        marked = worst(flagged | turned | malformed, np.nan_to_num(scores), f)
        index = np.where(marked, np.where(malformed, 3, np.where(flagged, 1, 2)), 0).astype(np.int8)
        return Verdicts(
            rule=self.name,
            decisions=(marked * np.int8(Decision.REJECTED)).astype(np.int8),
            scores=scores,
            threshold=1.0,
            reasons=("", "patterns.outliers", "patterns.direction", "patterns.malformed"),
            reason_index=index,
        )

    def _malformed(self, updates: Matrix) -> NDArray[np.bool_]:
        """``(n,)``: rows that say of a key neither that they have it nor that they have not, or that have none."""
        if self.keys == 0:
            return np.zeros(len(updates), np.bool_)
        said = updates[:, : self.keys]
        unclear = np.minimum(np.abs(said), np.abs(said - 1)).max(axis=1) > _UNCLEAR
        return np.asarray(unclear | ~(said >= PRESENT).any(axis=1), np.bool_)

    def _measured(self, updates: Matrix, unit: float) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """``(n,)`` shares of outliers and ``(n,)`` cosines; NaN where nothing can be said."""
        n = len(updates)
        outliers, entries = np.zeros(n), np.zeros(n)
        products, squares, middles = np.zeros(n), np.zeros(n), np.zeros(n)
        for rows, values in self._blocks(updates, unit):
            if len(rows) < self.min_contributors:
                continue
            middle = _medians(values)
            away = np.abs(values - middle[:, None])
            spread = np.maximum(_NORMAL * _medians(away), self.resolution / unit)
            outliers[rows] += (away > (self.outlier * spread)[:, None]).sum(axis=0)
            entries[rows] += len(values)
            # Not by BLAS, whose bytes depend on how many threads it has.
            products[rows] += np.einsum("ji,j->i", values, middle)
            squares[rows] += np.einsum("ji,ji->i", values, values)
            middles[rows] += middle @ middle
        with np.errstate(invalid="ignore", divide="ignore"):
            shares = np.where(entries > 0, outliers / entries, np.nan)
            lengths = np.sqrt(squares) * np.sqrt(middles)
            directed = (
                (lengths > 0)
                & (entries >= _SMALLEST_DIRECTION)
                & (np.sqrt(middles / entries) >= self.resolution / unit)
            )
            cosines = np.where(directed, products / lengths, np.nan)
        return shares, np.clip(cosines, -1, 1)

    def _blocks(self, updates: Matrix, unit: float) -> Iterator[tuple[NDArray[np.intp], NDArray[np.float64]]]:
        """Row numbers and ``(width, rows)`` values of each key's contributors, over ``unit``."""
        if self.keys == 0:
            yield np.arange(len(updates)), np.ascontiguousarray(updates.T, np.float64) / unit
            return
        n, fields = len(updates), len(VALUES)
        width = max(1, _BLOCK_ELEMENTS // (n * fields))
        for start in range(0, self.keys, width):  # columns are brought together a few keys at a time
            stop = min(start + width, self.keys)
            there = np.ascontiguousarray((updates[:, start:stop] >= PRESENT).T)
            at = 2 * self.keys
            values = np.ascontiguousarray(updates[:, at + start * fields : at + stop * fields].T)
            for place, mine in enumerate(there):
                rows = np.flatnonzero(mine)
                block = values[place * fields : (place + 1) * fields]
                chosen = block if len(rows) == n else block[:, rows]
                yield rows, chosen.astype(np.float64) / unit


def _medians(values: NDArray[np.float64]) -> NDArray[np.float64]:
    """The median of each row of ``(k, n)``, as `numpy.median` has it, from a partition at one place, which is fast."""
    half = values.shape[1] // 2
    parted = np.partition(values, half, axis=1)
    if values.shape[1] % 2:
        return parted[:, half].copy()
    return (parted[:, :half].max(axis=1) + parted[:, half]) / 2
