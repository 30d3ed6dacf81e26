"""Private rounds of pattern weights: sums with a bounded member, and means made of noisy sums and noisy counts.

A mean over a key's contributors has no bounded member: who leaves a key out changes its divisor, and with it what
everybody else counts for, in every key; and a key that needs five contributors falls away when one of five leaves.
So a round adds up. Each update's values are clipped together to one L2 norm; which keys it has is a vector of zeros
and `COUNTED` radius / sqrt(keys). Both are added up over the members and multiplied by the public share
1 / min_contributors. One member moves all of that by at most radius sqrt(1 + COUNTED**2) / min_contributors, whatever
it and the others send. Noise goes on the sums and on the counts at once, and a key's mean is then the noisy sum over
the noisy count, which costs nothing more. A key whose noisy count is below min_contributors, or within `SUPPORT`
standard deviations of nobody, keeps its value.

Samples are not counted: a release says 0.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import ClassVar

import numpy as np
from numpy.typing import NDArray

from federation.errors import RuleBoundError, SettingError, UpdatesError
from federation.privacy import clip
from federation.protection import Protection
from federation.rules.base import Aggregate, Matrix, Vector, Weights, checked_updates
from federation.verdict import Decision, Verdicts
from federation.workload import Row
from workloads.patterns.rows import PRESENT, VALUES, dimension, value_columns

COUNTED = 0.5
"""Norm of the vector of a member's keys over the clipping radius. It raises the noise on the values by 12 %."""

SUPPORT = 2.0
"""Standard deviations of its noise that a count must be above 0. Of the keys that nobody has, 2.3 % get past it."""

_GRID_BITS = 24  # below the radius: so fine that nobody misses it, and so coarse that float64 adds 2**28 rows exactly
_CHUNK = 4096


@dataclass(frozen=True, slots=True, kw_only=True)
class PatternSum:
    """Adds updates up, key by key, so that no member counts for more than ``radius``.

    Declared weights count for nothing, as they are the members' own to choose. The sum is exact, so it does not depend
    on the order of rows: clipped values are cut to multiples of a power of two.

    Attributes:
        keys: number of keys in the rows' layout.
        radius: largest L2 norm of an update's values.
        min_contributors: see the module; the share of each update is one over it.
        min_participants: updates that a round needs, of which up to f may have been rejected before.
    """

    name: ClassVar[str] = "pattern_sum"
    keys: int
    radius: float
    min_contributors: int
    min_participants: int = 1

    def __post_init__(self) -> None:
        for name in ("keys", "min_contributors", "min_participants"):
            if getattr(self, name) < 1:
                raise SettingError(name=name, found=getattr(self, name), needed="1 or more")
        if not 0 < self.radius < math.inf:
            raise SettingError(name="radius", found=self.radius, needed="above 0 and finite")

    @property
    def share(self) -> float:
        """Of one update."""
        return 1 / self.min_contributors

    @property
    def unit(self) -> float:
        """What a member adds to the count of a key that it has."""
        return COUNTED * self.radius / math.sqrt(self.keys)

    def minimum(self, f: int) -> int:
        """The smallest round for f liars; in a smaller one no key would have its contributors."""
        return max(self.min_participants - f, self.min_contributors)

    def requires(self, n: int, f: int) -> None:
        """Raise `RuleBoundError` for fewer updates than a round or a key needs. Nothing is promised about f liars."""
        if f < 0:
            raise SettingError(name="f", found=f, needed="0 or more")
        if n < self.minimum(f):
            bound = f"{self.min_contributors} contributors and {self.min_participants} participants less f"
            raise RuleBoundError(rule=self.name, n=n, f=f, needed=self.minimum(f), bound=bound)

    def __call__(
        self, updates: Matrix, *, f: int, weights: Weights | None = None, rng: np.random.Generator | None = None
    ) -> Aggregate:
        del weights, rng
        updates = checked_updates(updates)
        n, d = updates.shape
        self.requires(n, f)
        if d != dimension(self.keys):
            raise UpdatesError(found=f"rows of {d}", needed=f"rows of {dimension(self.keys)} for {self.keys} keys")
        values = value_columns(self.keys)
        sums, counts, norms = np.zeros(values.stop - values.start), np.zeros(self.keys), np.zeros(n)
        for start in range(0, n, _CHUNK):
            rows = updates[start : start + _CHUNK]
            if not np.isfinite(rows).all():
                raise UpdatesError(found="NaN or Inf", needed="finite updates")
            present = rows[:, : self.keys] >= PRESENT
            found = clip(np.where(np.repeat(present, len(VALUES), axis=1), rows[:, values], 0), self.radius)
            sums += self._cut(found.updates).sum(axis=0)
            counts += present.sum(axis=0)
            norms[start : start + _CHUNK] = found.norms
        value = np.zeros(d)
        value[: self.keys] = counts * self.unit * self.share
        value[values] = sums * self.share
        return Aggregate(value=value, verdicts=self._verdicts(norms))

    def _cut(self, values: NDArray[np.float64]) -> NDArray[np.float64]:
        """The values towards zero to a grid on which their sums are exact."""
        grid = 2.0 ** (math.floor(math.log2(self.radius)) - _GRID_BITS)
        return np.trunc(values / grid) * grid

    def _verdicts(self, norms: NDArray[np.float64]) -> Verdicts:
        return Verdicts.marking(
            norms > self.radius,
            rule=self.name,
            decision=Decision.CLIPPED,
            reason="patterns.norm_clipped",
            scores=norms,
            threshold=self.radius,
        )


def protection_of(rule: PatternSum) -> Protection:
    """What the sum promises."""
    keys = rule.keys
    return Protection(
        rule=rule,
        columns=(slice(0, keys), value_columns(keys)),
        values=value_columns(keys),
        bound=rule.radius * math.sqrt(1 + COUNTED**2),
        share=rule.share,
    )


def means_of(aggregate: Vector, *, rule: PatternSum, sigma: float) -> Row:
    """Contributors and mean changes of each key, from noisy counts and sums; 0 where too few can be told."""
    keys, values = rule.keys, value_columns(rule.keys)
    unit = rule.unit * rule.share
    counts = np.asarray(aggregate[:keys], np.float64) / unit
    sums = np.asarray(aggregate[values], np.float64).reshape(keys, len(VALUES)) / rule.share
    known = counts >= max(rule.min_contributors - PRESENT, SUPPORT * sigma / unit)
    made = np.zeros(dimension(keys), np.float32)
    made[:keys] = np.where(known, np.round(counts), 0)
    means = sums / np.where(known, counts, 1)[:, None]
    made[values] = np.where(known[:, None], np.clip(means, -1, 1), 0).ravel()
    return made
