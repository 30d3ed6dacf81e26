"""The geometric median, found without touching the vectors: all it needs are their distances."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray


def geometric_weights(
    distances: NDArray[np.float64], *, steps: int, tolerance: float, smoothing: float
) -> NDArray[np.float64]:
    """The convex weights ``(n,)`` with which the rows add up to their geometric median.

    Smoothed Weiszfeld steps (Pillutla, Kakade and Harchaoui, "Robust Aggregation for Federated
    Learning", IEEE TSP 2022, algorithm 2) from the mean. Every iterate is a convex combination
    ``z = sum w_i x_i``, whose distances follow from the rows' own:
    ``|x_i - z|^2 = (D w)_i - w D w / 2``. So a step costs O(n^2), whatever d is.

    Args:
        distances: ``(n, n)`` squared distances D of the rows.
        steps: the most steps to make.
        tolerance: stop when no weight moves by more than this share of 1/n.
        smoothing: distances below this share of their median count as that; keeps a step from
            dividing by zero when the median is one of the rows.
    """
    n = len(distances)
    weights = np.full(n, 1 / n)
    # Scaled, so that sums of large distances stay within float64.
    scale = float(distances.max())
    if scale <= 0:
        return weights
    scaled = distances / scale
    for _ in range(steps):
        reached = scaled @ weights
        away = np.sqrt(np.maximum(reached - weights @ reached / 2, 0))
        floor = smoothing * float(np.median(away))
        inverse = 1 / np.maximum(away, max(floor, np.finfo(np.float64).tiny))
        inverse /= inverse.sum()
        moved = float(np.abs(inverse - weights).max())
        weights = inverse
        if moved <= tolerance / n:
            break
    return weights
