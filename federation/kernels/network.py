"""Sorting networks, cut down to the comparators that the wanted outputs depend on."""

from __future__ import annotations

from functools import lru_cache
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray


class Comparator(NamedTuple):
    """Puts the smaller of two wires on ``low`` and the larger on ``high``, where anybody reads it."""

    low: int
    high: int
    keep_low: bool
    keep_high: bool


@lru_cache(maxsize=256)
def pruned_network(n: int, first: int, last: int) -> tuple[Comparator, ...]:
    """The comparators that put the right values on wires ``first`` to ``last`` of n, in order.

    Batcher's odd-even merge sort for any n (Batcher 1968; Knuth, The Art of Computer Programming 3,
    5.2.2 algorithm M), then a walk backwards that drops what no wanted wire depends on.
    """
    wanted = [first <= wire <= last for wire in range(n)]
    kept: list[Comparator] = []
    for low, high in reversed(_merge_exchange(n)):
        if wanted[low] or wanted[high]:
            kept.append(Comparator(low, high, wanted[low], wanted[high]))
            wanted[low] = wanted[high] = True
    return tuple(reversed(kept))


def _merge_exchange(n: int) -> list[tuple[int, int]]:
    """All comparators of merge exchange sort, in the order in which they act."""
    pairs: list[tuple[int, int]] = []
    top = 1 << max(n - 1, 1).bit_length() - 1
    p = top
    while p > 0:
        q, r, gap = top, 0, p
        while True:
            pairs += [(i, i + gap) for i in range(n - gap) if i & p == r]
            if q == p:
                break
            gap, q, r = q - p, q >> 1, p
        p >>= 1
    return pairs


def run_network(network: tuple[Comparator, ...], wires: list[NDArray[Any]], spare: NDArray[Any]) -> None:
    """Runs a network on n arrays of one length, in place; ``wires`` is reordered, ``spare`` is scratch."""
    for low, high, keep_low, keep_high in network:
        a, b = wires[low], wires[high]
        if keep_low and keep_high:
            np.minimum(a, b, out=spare)
            np.maximum(a, b, out=b)
            wires[low], spare = spare, a
        elif keep_low:
            np.minimum(a, b, out=a)
        else:
            np.maximum(a, b, out=b)
