"""Gaussian noise on an aggregate, drawn only with a grant, and what it costs in utility."""

from __future__ import annotations

import hashlib
import math
from dataclasses import dataclass
from typing import Any, Literal, TypeAlias

import numpy as np
from numpy.typing import NDArray

from federation.errors import SettingError, UpdatesError
from federation.identity import Secret, framed
from federation.privacy.calibration import analytic_sigma
from federation.privacy.errors import PrivacyGrantError
from federation.privacy.ledger import Charge, Grant

Neighbours: TypeAlias = Literal["zero_out", "replace"]

# The noise's grid: so far below its standard deviation that nobody sees it, so far above float64's own that the low
# bits of the aggregate do not reach the release.
_GRID_BITS = 24


def sensitivity(radius: float, share: float, *, neighbours: Neighbours = "zero_out") -> float:
    """How far one member can move a weighted mean of clipped updates, in L2 norm.

    With the other members' weights as they are: ``radius * share`` when its update becomes zero, and twice that when
    it becomes another update, or when the member is left out and the mean is taken over the rest. Holds for means
    whose weights do not depend on the updates; not for a median or any other robust rule.

    Args:
        radius: bound on each update's L2 norm.
        share: largest share of the mean that any member may have; 1 / n for the plain mean of n.
        neighbours: which change of one member is to be hidden.
    """
    if not 0 < radius < math.inf:
        raise SettingError(name="radius", found=radius, needed="above 0 and finite")
    if not 0 < share <= 1:
        raise SettingError(name="share", found=share, needed="in (0, 1]")
    return radius * share * (2 if neighbours == "replace" else 1)


@dataclass(frozen=True, slots=True, kw_only=True)
class Noised:
    """An aggregate with noise.

    Attributes:
        value: ``(d,) float64``, what may be released.
        grant: what was paid for it; its `to_dict` belongs in the release.
        utility: what the noise cost. It is computed from the aggregate without noise: for the operator, not for
            the release.
    """

    value: NDArray[np.float64]
    grant: Grant
    utility: Utility


@dataclass(frozen=True, slots=True, kw_only=True)
class GaussianMechanism:
    """Adds Gaussian noise to an aggregate of known sensitivity.

    What floating point does to the promise: (epsilon, delta) is proved for real numbers. Here noise is drawn in
    float64 by numpy's ziggurat, whose values are finitely many and unevenly spread, and the result is rounded to a
    multiple of a power of two, 2**-24 of the standard deviation or a little less. The rounding keeps the low bits, by
    which Mironov (CCS 2012) told the aggregate, out of the release; it is no proof. Nor is numpy's generator a
    cryptographic one: whoever learns its seed subtracts the noise. Seed it from a secret (`noise_generator`), kept
    where the ledger is. Who needs the proof needs a discrete Gaussian on integers, which this is not.

    Attributes:
        sensitivity: how far one member can move the aggregate, in L2 norm.
        noise_multiplier: standard deviation over sensitivity.
        rate: chance with which each member takes part by a coin of its own; 1 without sampling.
    """

    sensitivity: float
    noise_multiplier: float
    rate: float = 1.0

    def __post_init__(self) -> None:
        for name in ("sensitivity", "noise_multiplier"):
            if not 0 < getattr(self, name) < math.inf:
                raise SettingError(name=name, found=getattr(self, name), needed="above 0 and finite")
        if not 0 < self.rate <= 1:
            raise SettingError(name="rate", found=self.rate, needed="in (0, 1]")

    @classmethod
    def calibrated(cls, *, epsilon: float, delta: float, sensitivity: float) -> GaussianMechanism:
        """The mechanism with the least noise for (epsilon, delta) in one release, without sampling."""
        return cls(sensitivity=sensitivity, noise_multiplier=analytic_sigma(epsilon, delta))

    @property
    def sigma(self) -> float:
        """Standard deviation of the noise on each coordinate."""
        return self.noise_multiplier * self.sensitivity

    def charge(self, name: str, *, contents: str = "", total_multiplier: float | None = None) -> Charge:
        """What to ask the ledger for.

        Args:
            name: of the release.
            contents: see `Charge`; made by `contents_of`.
            total_multiplier: of the noise on this and on whatever else the round releases, e.g. by
                `AdaptiveClipping.total_multiplier`; by itself the mechanism's own.
        """
        total = self.noise_multiplier if total_multiplier is None else total_multiplier
        return Charge(name=name, noise_multiplier=total, rate=self.rate, contents=contents)

    def release(self, aggregate: NDArray[Any], *, grant: Grant, rng: np.random.Generator) -> Noised:
        """The aggregate with noise.

        Args:
            aggregate: ``(d,)``, finite; of updates that were clipped to what `sensitivity` was computed from.
            grant: the ledger's, for this mechanism.
            rng: where the noise comes from.

        Raises:
            PrivacyGrantError: when the grant is for more noise than this mechanism adds, or for another sampling rate.
            UpdatesError: when the aggregate is not a finite vector.
        """
        paid = grant.charge
        if paid.noise_multiplier > self.noise_multiplier or paid.rate != self.rate:
            raise PrivacyGrantError(
                found=f"a noise multiplier of {paid.noise_multiplier:.6g} at rate {paid.rate:.4g}",
                needed=f"at most {self.noise_multiplier:.6g} at rate {self.rate:.4g}",
            )
        exact = np.asarray(aggregate, dtype=np.float64)
        if exact.ndim != 1 or exact.size == 0 or not np.isfinite(exact).all():
            raise UpdatesError(found=f"an aggregate of shape {exact.shape}", needed="a finite vector")
        if paid.contents and paid.contents != contents_of(exact, paid.name):
            raise PrivacyGrantError(found="other contents", needed="the aggregate that the charge named")
        noise = rng.normal(0.0, self.sigma, exact.shape)
        grid = 2.0 ** (math.floor(math.log2(self.sigma)) - _GRID_BITS)
        value = np.round((exact + noise) / grid) * grid
        return Noised(value=value, grant=grant, utility=utility(exact, value, sigma=self.sigma))


def contents_of(aggregate: NDArray[Any], name: str) -> str:
    """Hex SHA-256 of an aggregate under a release's name: what `Charge.contents` holds.

    It stands for the seed, too, if the noise is drawn from ``noise_generator(secret, name)`` with one secret. It is
    a digest of what must stay secret, and somebody who guesses the aggregate can check the guess: keep it in the
    ledger, and the ledger to yourself.
    """
    exact = np.ascontiguousarray(aggregate, dtype="<f8")
    return hashlib.sha256(b"swarmlore/noise/1" + framed(name, exact.tobytes())).hexdigest()


def noise_generator(secret: Secret, *purpose: str) -> np.random.Generator:
    """A generator that a secret and a purpose determine: Philox under a 128-bit key derived by HMAC-SHA-256."""
    key = int.from_bytes(secret.derive("noise", *purpose).reveal()[:16], "little")
    return np.random.Generator(np.random.Philox(key=key))


@dataclass(frozen=True, slots=True, kw_only=True)
class Utility:
    """What noise cost one release, measured.

    Attributes:
        noise_norm: L2 norm of the noise that was drawn.
        aggregate_norm: L2 norm of the aggregate before.
        ratio: noise_norm over aggregate_norm; Inf for an aggregate of zero. Above 1 the release is mostly noise.
        mean_error: root of the mean square error over coordinates.
        expected_norm: sigma sqrt(d), which the noise norm is near; depends on no data, so it may be published.
        clipping_error: L2 distance from the aggregate without clipping, 0 if that is not known.
    """

    noise_norm: float
    aggregate_norm: float
    ratio: float
    mean_error: float
    expected_norm: float
    clipping_error: float = 0.0


def utility(
    aggregate: NDArray[Any], released: NDArray[Any], *, sigma: float, unclipped: NDArray[Any] | None = None
) -> Utility:
    """What was lost between an aggregate and its release.

    Args:
        aggregate: ``(d,)`` before noise.
        released: ``(d,)`` after.
        sigma: standard deviation of the noise.
        unclipped: ``(d,)``, the same aggregate of updates that were not clipped, where it is known.
    """
    exact = np.asarray(aggregate, dtype=np.float64)
    noise = np.asarray(released, dtype=np.float64) - exact
    lost, norm = float(np.linalg.norm(noise)), float(np.linalg.norm(exact))
    bias = 0.0 if unclipped is None else float(np.linalg.norm(np.asarray(unclipped, dtype=np.float64) - exact))
    return Utility(
        noise_norm=lost,
        aggregate_norm=norm,
        ratio=lost / norm if norm > 0 else math.inf,
        mean_error=lost / math.sqrt(exact.size),
        expected_norm=sigma * math.sqrt(exact.size),
        clipping_error=bias,
    )
