"""How differently agents live, and how long each should learn because of it."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

from federation.errors import SettingError, UpdatesError

# 10, 15, 25 and 33 epochs at 0, 0.1, 0.5 and 1 for a base of 10.
_GAIN = 2.3
_POWER = 0.64


def heterogeneity(histograms: NDArray[np.float64]) -> float:
    """The generalised Jensen-Shannon divergence of the agents' action distributions, in [0, 1].

    JS = H(mean of the distributions) - mean of H(distribution), all agents weighing the same (Lin, IEEE
    Trans. Inf. Theory 1991, section V), divided by the largest value it can take, log min(agents, bins):
    0 when all agents act alike, 1 when each keeps to one action and all actions are shared evenly.

    Args:
        histograms: ``(k, bins)`` counts or shares, >= 0; each row is normalised. Rows of zeros are idle
            agents and do not count. Few counts per agent raise the figure: with c counts each by about
            (bins - 1) / (2 c) nats before the division.

    Returns:
        0.0 for fewer than two agents who acted, or for one bin.

    Raises:
        UpdatesError: for another shape, a negative entry, or one that is not finite.
    """
    found = np.asarray(histograms, np.float64)
    if found.ndim != 2 or found.shape[1] == 0 or not np.isfinite(found).all() or (found < 0).any():
        raise UpdatesError(
            found=f"histograms of shape {found.shape}, or with an entry negative or not finite",
            needed="(k, bins) finite counts or shares >= 0, at least one bin",
        )
    # The peak first, so that the sum of large counts cannot overflow.
    peak = found.max(axis=1, initial=0)
    active = found[peak > 0] / peak[peak > 0, None]
    k, bins = active.shape
    if min(k, bins) < 2:
        return 0.0
    shares = active / active.sum(axis=1, keepdims=True)
    divergence = float(_entropy(shares.mean(axis=0)[None])[0] - _entropy(shares).mean())
    return min(max(divergence / math.log(min(k, bins)), 0.0), 1.0)


def local_epochs(heterogeneity: float, base: int = 10) -> int:
    """The epochs that agents so different should learn locally: base (1 + 2.3 h^0.64), rounded.

    10, 15, 25 and 33 for a heterogeneity of 0, 0.1, 0.5 and 1 and a base of 10; it never falls as
    heterogeneity grows. A closed form fitted to those four figures; that more epochs do help is for each
    workload to measure.

    Raises:
        SettingError: for a heterogeneity outside of [0, 1] or a base below 1.
    """
    if not 0 <= heterogeneity <= 1:
        raise SettingError(name="heterogeneity", found=heterogeneity, needed="between 0 and 1")
    if base < 1:
        raise SettingError(name="base", found=base, needed="1 or more")
    return math.floor(base * (1 + _GAIN * heterogeneity**_POWER) + 0.5)


def _entropy(shares: NDArray[np.float64]) -> NDArray[np.float64]:
    """``(k,)`` entropies in nats of ``(k, bins)`` distributions."""
    return -(shares * np.log(np.where(shares > 0, shares, 1.0))).sum(axis=1)
