"""The rules as their papers write them: float64, loops, no blocks, no shortcuts. Only tests use these."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from numpy.typing import NDArray

Rows = NDArray[Any]


def median(x: Rows) -> Rows:
    out = []
    for column in np.asarray(x, np.float64).T:
        values = sorted(column)
        n = len(values)
        out.append(values[n // 2] if n % 2 else (values[n // 2 - 1] + values[n // 2]) / 2)
    return np.array(out)


def trimmed_mean(x: Rows, f: int) -> Rows:
    """Yin 2018, definition 2."""
    out = []
    for column in np.asarray(x, np.float64).T:
        kept = sorted(column)[f : len(column) - f]
        out.append(math.fsum(kept) / len(kept))
    return np.array(out)


def mean_around_median(x: Rows, keep: int) -> Rows:
    """Xie 2018, section 3: the ``keep`` values nearest to the median, the smaller first on a tie."""
    out = []
    for column, middle in zip(np.asarray(x, np.float64).T, median(x), strict=True):
        nearest = sorted(column, key=lambda value, middle=middle: (abs(value - middle), value))[:keep]
        out.append(math.fsum(nearest) / keep)
    return np.array(out)


def squared_distances(x: Rows) -> Rows:
    x = np.asarray(x, np.float64)
    return np.array([[math.fsum((a - b) ** 2) for b in x] for a in x])


def krum_scores(x: Rows, f: int, rows: list[int] | None = None) -> dict[int, float]:
    """Blanchard 2017, section 4: the sum over the n - f - 2 nearest others (at least one)."""
    rows = list(range(len(x))) if rows is None else rows
    distances = squared_distances(x)
    take = max(1, len(rows) - f - 2)
    return {i: math.fsum(sorted(distances[i, j] for j in rows if j != i)[:take]) for i in rows}


def krum(x: Rows, f: int) -> int:
    scores = krum_scores(x, f)
    return min(scores, key=scores.__getitem__)


def multi_krum(x: Rows, f: int, keep: int) -> tuple[Rows, set[int]]:
    scores = krum_scores(x, f)
    kept = sorted(scores, key=scores.__getitem__)[:keep]
    return np.asarray(x, np.float64)[kept].mean(axis=0), set(kept)


def bulyan(x: Rows, f: int) -> tuple[Rows, list[int]]:
    """El Mhamdi 2018, section 4: n - 2f picks, each by scores among the updates that remain."""
    remain = list(range(len(x)))
    picks: list[int] = []
    while len(picks) < len(x) - 2 * f:
        scores = krum_scores(x, f, remain)
        picks.append(min(scores, key=scores.__getitem__))
        remain.remove(picks[-1])
    return mean_around_median(np.asarray(x)[picks], len(picks) - 2 * f), picks


def geometric_median(x: Rows, steps: int = 5000) -> Rows:
    """Weiszfeld's iteration on the vectors themselves."""
    x = np.asarray(x, np.float64)
    z = x.mean(axis=0)
    for _ in range(steps):
        inverse = 1 / np.maximum(np.linalg.norm(x - z, axis=1), 1e-15)
        z = inverse @ x / inverse.sum()
    return z


def centered_clipping(x: Rows, start: Rows, radius: float, steps: int) -> Rows:
    """Karimireddy 2021, section 5."""
    x, v = np.asarray(x, np.float64), np.asarray(start, np.float64)
    for _ in range(steps):
        v = v + np.mean([(row - v) * min(1, radius / np.linalg.norm(row - v)) for row in x], axis=0)
    return v


def nearest_neighbor_mixing(x: Rows, f: int) -> Rows:
    """Allouah 2023, algorithm 2."""
    x = np.asarray(x, np.float64)
    out = []
    for row in squared_distances(x):
        nearest = sorted(range(len(x)), key=row.__getitem__)[: len(x) - f]
        out.append(x[nearest].mean(axis=0))
    return np.array(out)


def adaptive_clipping(x: Rows, f: int) -> Rows:
    """Allouah 2025, algorithm 2."""
    x = np.asarray(x, np.float64)
    n = len(x)
    norms = [math.sqrt(math.fsum(row**2)) for row in x]
    cut = math.floor(2 * f * (n - f) / n)
    radius = sorted(norms, reverse=True)[cut]
    return np.array([row * min(1, radius / norm) for row, norm in zip(x, norms, strict=True)])


def capped_shares(weights: list[float], cap: float) -> Rows:
    """Cut what is above the cap and spread it over the others in proportion, until nothing is above."""
    shares = np.array(weights, np.float64) / math.fsum(weights)
    full = np.zeros(len(shares), bool)
    while (shares > cap * (1 + 1e-12)).any():
        full |= shares > cap * (1 - 1e-12)
        shares[full] = cap
        rest = ~full
        shares[rest] *= (1 - cap * full.sum()) / shares[rest].sum()
    return shares
