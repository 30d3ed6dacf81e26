"""Who is nearest to whom: the scores and the order of picking that the Krum family shares."""

from __future__ import annotations

from functools import cmp_to_key

import numpy as np
from numpy.typing import NDArray

from federation.rules.base import Matrix


def krum_scores(distances: NDArray[np.float64], *, f: int) -> NDArray[np.float64]:
    """Each row's sum of squared distances to its n - f - 2 nearest other rows (at least one), ``(n,)``."""
    nearest = neighbours(distances)
    return nearest[:, : max(1, len(distances) - f - 2)].sum(axis=1)


def neighbours(distances: NDArray[np.float64]) -> NDArray[np.float64]:
    """``(n, n - 1)``: each row's squared distances to the others, ascending."""
    n = len(distances)
    others = distances[~np.eye(n, dtype=bool)].reshape(n, n - 1)
    others.sort(axis=1)
    return others


def ranked(scores: NDArray[np.float64], updates: Matrix) -> NDArray[np.intp]:
    """Rows by ascending score; equal scores by the updates themselves, so that the order of rows is no matter.

    Equal scores are common: the two rows nearest to each other have the same one.
    """
    order = np.argsort(scores, kind="stable")
    sorted_scores = scores[order]
    breaks = np.flatnonzero(np.diff(sorted_scores)) + 1
    groups = np.split(order, breaks)
    if len(groups) == len(order):
        return order

    def compare(a: np.intp, b: np.intp) -> int:
        differs = updates[a] != updates[b]
        column = int(np.argmax(differs))
        if not differs[column]:
            return 0
        return -1 if updates[a, column] < updates[b, column] else 1

    return np.concatenate([sorted(group, key=cmp_to_key(compare)) for group in groups]).astype(np.intp)
