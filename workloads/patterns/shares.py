"""Capped shares of clients of whom only the power of two of their weight is known."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

CLASSES = 20
"""Powers of two of a client's weight: 2^0 to 2^19, which is the largest below the weight cap of a million."""


def classes_of(weights: NDArray[np.float64]) -> NDArray[np.intp]:
    """``(n,)``: floor(log2) of each weight, within 0 and 19."""
    return np.clip(np.frexp(np.maximum(weights, 1))[1] - 1, 0, CLASSES - 1).astype(np.intp)


def class_shares(counts: NDArray[np.int64], *, cap: float) -> NDArray[np.float64]:
    """``(C, K)``: the share of each single client of a class in a key; a key's shares add up to 1 over its clients.

    In proportion to the weights 2^c, none above ``cap`` or an equal share, whichever is larger; what is cut off goes to
    the others in proportion (water filling). The same as `federation.rules.mean.capped_shares` of all clients, whose
    number does not matter here: equal weights are capped together or not at all.

    Args:
        counts: ``(C, K)`` clients of each class in each key.
        cap: the largest share, in (0, 1].
    """
    number = counts.astype(np.float64)
    weights = np.ldexp(1.0, np.arange(len(counts)))[:, None]
    everybody = number.sum(axis=0)
    most = np.maximum(cap, 1 / np.maximum(everybody, 1))
    rest = np.cumsum(number * weights, axis=0)  # of this class and all below it: exact integers
    above = everybody - np.cumsum(number, axis=0)  # clients of all classes above it
    shares = np.zeros(counts.shape)
    scale = np.zeros(counts.shape[1])
    found = everybody == 0
    for place in reversed(range(len(counts))):
        # All above this class are at the cap; the first class that then stays below it ends the search.
        with np.errstate(divide="ignore", invalid="ignore"):
            mine = np.where(rest[place] > 0, (1 - above[place] * most) / rest[place], 0)
        fits = ~found & (number[place] > 0) & (mine * weights[place] <= most * (1 + 1e-9))
        scale = np.where(fits, mine, scale)
        found |= fits
        shares[place] = np.where(found, np.minimum(scale * weights[place], most), most)
    return np.where(number > 0, shares, 0)
