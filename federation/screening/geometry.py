"""Distances and angles of n rows to one vector, in float64, a block of rows at a time."""

from __future__ import annotations

import math
from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

from federation.rules.base import Matrix, Vector

Column = NDArray[np.float64]

# A block's float64 copy stays in the second-level cache.
_BLOCK_VALUES = 1 << 16


def squared_distances(updates: Matrix, centre: Vector) -> tuple[Column, float]:
    """``(n,)`` squared distances to the centre, and the unit that lengths were divided by.

    The unit is a power of two, so that dividing is exact and the squares of values near the limits of
    float64 neither overflow nor vanish. Differences are taken in float64 before they are squared.
    """
    unit = _unit(updates, centre)
    middle = centre.astype(np.float64) / unit
    squares = np.empty(len(updates))
    for start, block in _blocks(updates, unit):
        block -= middle
        squares[start : start + len(block)] = np.einsum("ij,ij->i", block, block)
    return squares, unit


def cosines(updates: Matrix, centre: Vector) -> Column:
    """``(n,)`` cosines of the angles between rows and centre; NaN where either is zero."""
    unit = _unit(updates, centre)
    middle = centre.astype(np.float64) / unit
    products, squares = np.empty(len(updates)), np.empty(len(updates))
    for start, block in _blocks(updates, unit):
        rows = slice(start, start + len(block))
        products[rows] = block @ middle
        squares[rows] = np.einsum("ij,ij->i", block, block)
    lengths = np.sqrt(squares) * math.sqrt(float(middle @ middle))
    with np.errstate(invalid="ignore", divide="ignore"):
        return np.clip(np.where(lengths > 0, products / lengths, np.nan), -1, 1)


def _blocks(updates: Matrix, unit: float) -> Iterator[tuple[int, NDArray[np.float64]]]:
    size = max(1, _BLOCK_VALUES // updates.shape[1])
    for start in range(0, len(updates), size):
        block = updates[start : start + size].astype(np.float64)
        if unit != 1:
            block /= unit
        yield start, block


def _unit(updates: Matrix, centre: Vector) -> float:
    """1 where squares are safe in float64, which they are for any float32; else a power of two near the peak."""
    if updates.dtype == np.float32 and centre.dtype == np.float32:
        return 1.0
    peak = max(float(np.abs(updates).max()), float(np.abs(centre).max()))
    if peak == 0 or 1e-100 < peak < 1e100:
        return 1.0
    return 2.0 ** min(math.frexp(peak)[1], 1023)
