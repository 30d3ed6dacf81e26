"""Clipping: what bounds how much one update can change an aggregate."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from federation.errors import SettingError, UpdatesError
from federation.rules.base import checked_updates

# A relative margin far above what rounding adds to a norm of up to 2**24 terms, so that no clipped row is too long.
_MARGIN = 1 - 2.0**-26


@dataclass(frozen=True, slots=True, kw_only=True)
class Clipped:
    """Updates of bounded length.

    Attributes:
        updates: ``(n, d) float64``, each row of L2 norm at most ``radius``; a new array.
        norms: ``(n,) float64``, L2 norms before.
        radius: the bound.
    """

    updates: NDArray[np.float64]
    norms: NDArray[np.float64]
    radius: float

    @property
    def below(self) -> NDArray[np.bool_]:
        """``(n,)``: which rows were short enough by themselves."""
        return self.norms <= self.radius


def clip(updates: NDArray[Any], radius: float) -> Clipped:
    """The updates, each scaled down to L2 norm ``radius`` where it is longer.

    In float64 whatever the dtype of the updates, for the sensitivity of a mechanism rests on the bound;
    a row that has to be shortened ends a relative 1.5e-8 below it, so that rounding cannot lift it above.

    Raises:
        UpdatesError: for updates that no rule takes, or with a NaN or an Inf.
        SettingError: for a radius that is not above 0 and finite.
    """
    if not 0 < radius < math.inf:
        raise SettingError(name="radius", found=radius, needed="above 0 and finite")
    found = checked_updates(updates).astype(np.float64)
    largest = np.abs(found).max(axis=1)
    if not np.isfinite(largest).all():
        raise UpdatesError(found="NaN or Inf", needed="finite updates")
    # By the largest entry first: squares of what float64 holds may not be held by it.
    units = np.where(largest > 0, largest, 1.0)
    found /= units[:, None]
    relative = np.sqrt(np.einsum("ij,ij->i", found, found))
    with np.errstate(over="ignore"):
        norms = relative * units
    long = norms > radius * _MARGIN
    scales = np.where(long, radius / np.where(long, relative, 1.0) * _MARGIN, units)
    found *= scales[:, None]
    return Clipped(updates=found, norms=norms, radius=radius)


@dataclass(frozen=True, slots=True, kw_only=True)
class AdaptiveClipping:
    """A clipping radius that follows a quantile of the updates' norms. A value: `observe` returns another.

    Andrew, Thakkar, McMahan and Ramaswamy, "Differentially Private Learning with Adaptive Clipping", NeurIPS 2021,
    algorithm 1: each update tells by one bit whether it was short enough, the share of such bits gets noise, and
    the radius moves geometrically until the share is the target quantile. The bits count as -1/2 and 1/2, so that
    one update moves their sum by 1/2. What the bits cost is not extra: see `total_multiplier`.

    Attributes:
        radius: the current bound of the L2 norm.
        quantile: share of updates that are to be short enough.
        rate: geometric step size.
        bit_noise: standard deviation of the noise on the sum of the bits; the paper advises expected / 20.
        expected: updates expected in a round; a public figure, never the count of who came.
        smallest, largest: between which the radius stays.
    """

    radius: float
    expected: int
    bit_noise: float
    quantile: float = 0.5
    rate: float = 0.2
    smallest: float = 1e-6
    largest: float = 1e6

    def __post_init__(self) -> None:
        if not 0 < self.smallest <= self.radius <= self.largest < math.inf:
            raise SettingError(name="radius", found=self.radius, needed=f"in [{self.smallest}, {self.largest}]")
        if self.expected < 1:
            raise SettingError(name="expected", found=self.expected, needed="1 or more")
        if not 0 < self.bit_noise < math.inf:
            raise SettingError(name="bit_noise", found=self.bit_noise, needed="above 0 and finite")
        if not 0 <= self.quantile <= 1:
            raise SettingError(name="quantile", found=self.quantile, needed="in [0, 1]")
        if not 0 < self.rate < math.inf:
            raise SettingError(name="rate", found=self.rate, needed="above 0 and finite")

    def total_multiplier(self, noise_multiplier: float) -> float:
        """The noise multiplier that the accountant is told for one round: that of the sum and the bits together.

        Theorem 1 of the paper: 1 / z**2 = 1 / z_sum**2 + 1 / (2 bit_noise)**2.
        """
        return (noise_multiplier**-2 + (2 * self.bit_noise) ** -2) ** -0.5

    def sum_multiplier(self, total: float) -> float:
        """The noise multiplier left for the sum of updates when both together may have ``total``.

        Raises:
            SettingError: when the bits alone cost that much: raise ``bit_noise`` above total / 2.
        """
        left = total**-2 - (2 * self.bit_noise) ** -2
        if left <= 0:
            raise SettingError(name="bit_noise", found=self.bit_noise, needed=f"above half of {total}")
        return left**-0.5

    def observe(self, below: NDArray[np.bool_], rng: np.random.Generator) -> AdaptiveClipping:
        """The clipping of the next round. Draws noise: ask the ledger for `total_multiplier` before.

        Args:
            below: ``(k,)``, of each update that came, whether it was short enough (`Clipped.below`).
            rng: where the noise comes from.
        """
        bits = float(np.count_nonzero(below)) - len(below) / 2
        share = (bits + rng.normal(0.0, self.bit_noise)) / self.expected + 0.5
        moved = self.radius * math.exp(-self.rate * (min(max(share, 0.0), 1.0) - self.quantile))
        return replace(self, radius=min(max(moved, self.smallest), self.largest))

    def to_dict(self) -> dict[str, Any]:
        """The state as plain data."""
        return {name: getattr(self, name) for name in self.__dataclass_fields__}

    @classmethod
    def from_dict(cls, data: Mapping[str, Any]) -> AdaptiveClipping:
        """The state that `to_dict` wrote."""
        floats = {name: float(data[name]) for name in cls.__dataclass_fields__ if name != "expected"}
        return cls(expected=int(data["expected"]), **floats)
