"""Whether a short series of divergences falls, rises, or goes up and down, by tests that are named.

Direction is the Mann-Kendall test (Mann, Econometrica 1945; Kendall 1975) with its correction for ties and
continuity, one-sided in each direction. The rate is the Theil-Sen slope (Sen, JASA 1968) of log
divergence against the round. Alternation is the turning-point test (Kendall 1973), one-sided upwards.
All three are rank statistics or medians, so a single wild round does not decide. They take rounds as
independent: rounds that move together make trends look surer than they are.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from statistics import NormalDist
from typing import Literal, TypeAlias

import numpy as np
from numpy.typing import NDArray

Direction: TypeAlias = Literal["falling", "rising", "flat"]

# Below this many points the normal approximation of either test is too coarse.
FEWEST_POINTS = 6
# Two policies closer than this are equal in floating point; its logarithm stands for zero.
_SMALLEST = 1e-15


@dataclass(frozen=True, slots=True, kw_only=True)
class Trend:
    """What a series of divergences does over its last rounds.

    Attributes:
        points: finite values that the tests saw.
        direction: ``falling`` or ``rising`` where the Mann-Kendall test is significant, else ``flat``.
        slope: change of log divergence per round (Theil-Sen); NaN for fewer than 6 points.
        level: fitted log divergence at the last round; NaN for fewer than 6 points.
        p_falling, p_rising: one-sided p-values; 1.0 for fewer than 6 points.
        oscillating: whether values alternate up and down more often than chance would.
    """

    points: int
    direction: Direction
    slope: float
    level: float
    p_falling: float
    p_rising: float
    oscillating: bool


def trend(values: Sequence[float], *, significance: float) -> Trend:
    """The trend of divergences, one a round, the last round last. Values that are not finite are left out."""
    series = np.asarray(values, np.float64)
    rounds = np.flatnonzero(np.isfinite(series)).astype(np.float64)
    logs = np.log(np.maximum(series[np.isfinite(series)], _SMALLEST))
    n = len(logs)
    if n < FEWEST_POINTS:
        nan = float("nan")
        return Trend(points=n, direction="flat", slope=nan, level=nan, p_falling=1.0, p_rising=1.0, oscillating=False)
    p_falling, p_rising = _mann_kendall(logs)
    slope, level = _theil_sen(rounds, logs, at=len(series) - 1)
    direction: Direction = "flat"
    if p_falling < significance and slope < 0:
        direction = "falling"
    elif p_rising < significance and slope > 0:
        direction = "rising"
    return Trend(
        points=n,
        direction=direction,
        slope=slope,
        level=level,
        p_falling=p_falling,
        p_rising=p_rising,
        oscillating=_turning_points(logs) < significance,
    )


def _mann_kendall(values: NDArray[np.float64]) -> tuple[float, float]:
    """One-sided p-values for a falling and for a rising series."""
    n = len(values)
    above = np.triu(np.sign(values[None, :] - values[:, None]), 1)
    statistic = float(above.sum())
    _, counts = np.unique(values, return_counts=True)
    ties = float((counts * (counts - 1) * (2 * counts + 5)).sum())
    variance = (n * (n - 1) * (2 * n + 5) - ties) / 18
    if variance <= 0:
        return 1.0, 1.0
    deviation = math.sqrt(variance)
    normal = NormalDist()
    return normal.cdf((statistic + 1) / deviation), normal.cdf(-(statistic - 1) / deviation)


def _theil_sen(rounds: NDArray[np.float64], values: NDArray[np.float64], *, at: float) -> tuple[float, float]:
    """The median of the slopes of all pairs, and the value of that line at round ``at``."""
    first, second = np.triu_indices(len(values), 1)
    slope = float(np.median((values[second] - values[first]) / (rounds[second] - rounds[first])))
    return slope, float(np.median(values - slope * (rounds - at)))


def _turning_points(values: NDArray[np.float64]) -> float:
    """The p-value for more turning points than independent values have."""
    n = len(values)
    steps = np.sign(np.diff(values))
    turns = int(np.count_nonzero(steps[1:] * steps[:-1] < 0))
    expected, variance = 2 * (n - 2) / 3, (16 * n - 29) / 90
    return NormalDist().cdf(-(turns - 0.5 - expected) / math.sqrt(variance))
