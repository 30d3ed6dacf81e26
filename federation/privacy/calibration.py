"""How much Gaussian noise a promise of privacy takes, exactly."""

from __future__ import annotations

import math
from collections.abc import Callable

from federation.errors import SettingError


def gaussian_delta(sigma: float, epsilon: float, sensitivity: float = 1.0) -> float:
    """The smallest delta for which noise of standard deviation ``sigma`` is (epsilon, delta)-private.

    Balle and Wang, "Improving the Gaussian Mechanism for Differential Privacy", ICML 2018, theorem 8:
    Phi(D / 2s - e s / D) - exp(e) Phi(-D / 2s - e s / D). Both terms are rounded in float64, and near equal for a
    small sensitivity: below about 1e-15 the answer is rounding.
    """
    if not sigma > 0 or not sensitivity > 0 or not epsilon >= 0:
        raise SettingError(name="sigma, sensitivity, epsilon", found=(sigma, sensitivity, epsilon), needed="positive")
    mu = sensitivity / sigma
    return max(_phi(mu / 2 - epsilon / mu) - math.exp(epsilon + _log_phi(-mu / 2 - epsilon / mu)), 0.0)


def gaussian_epsilon(sigma: float, delta: float, sensitivity: float = 1.0) -> float:
    """The smallest epsilon for which noise of standard deviation ``sigma`` is (epsilon, delta)-private."""
    _require_delta(delta)
    if gaussian_delta(sigma, 0.0, sensitivity) <= delta:
        return 0.0
    high = 1.0
    while gaussian_delta(sigma, high, sensitivity) > delta:
        high *= 2
    return _smallest(lambda epsilon: gaussian_delta(sigma, epsilon, sensitivity) <= delta, 0.0, high)


def analytic_sigma(epsilon: float, delta: float, sensitivity: float = 1.0) -> float:
    """The smallest standard deviation that is (epsilon, delta)-private, rounded up.

    Balle and Wang 2018, algorithm 1. Unlike sqrt(2 ln(1.25 / delta)) D / epsilon it holds for epsilon above 1, and
    is smaller below.
    """
    _require_delta(delta)
    if not 0 < epsilon < math.inf:
        raise SettingError(name="epsilon", found=epsilon, needed="above 0 and finite")
    if not 0 < sensitivity < math.inf:
        raise SettingError(name="sensitivity", found=sensitivity, needed="above 0 and finite")

    def minus(u: float) -> float:
        return _phi(-math.sqrt(epsilon * u)) - math.exp(epsilon + _log_phi(-math.sqrt(epsilon * (u + 2))))

    def plus(v: float) -> float:
        return _phi(math.sqrt(epsilon * v)) - math.exp(epsilon + _log_phi(-math.sqrt(epsilon * (v + 2))))

    if delta >= plus(0.0):
        # The largest v that still holds: one step below the smallest that does not.
        v = _smallest(lambda v: plus(v) > delta, 0.0, _bracket(lambda v: plus(v) > delta), lower=True)
        alpha = math.sqrt(1 + v / 2) - math.sqrt(v / 2)
    else:
        u = _smallest(lambda u: minus(u) <= delta, 0.0, _bracket(lambda u: minus(u) <= delta))
        alpha = math.sqrt(1 + u / 2) + math.sqrt(u / 2)
    return alpha * sensitivity / math.sqrt(2 * epsilon) * (1 + 1e-12)


def _require_delta(delta: float) -> None:
    if not 0 < delta < 1:
        raise SettingError(name="delta", found=delta, needed="between 0 and 1")


def _bracket(holds: Callable[[float], bool]) -> float:
    high = 1.0
    while not holds(high) and high < 1e12:
        high *= 2
    return high


def _smallest(holds: Callable[[float], bool], low: float, high: float, *, lower: bool = False) -> float:
    """Where ``holds`` begins, by bisection to the last bit: the side where it holds, or with ``lower`` the other."""
    while True:
        middle = (low + high) / 2
        if not low < middle < high:
            return low if lower else high
        if holds(middle):
            high = middle
        else:
            low = middle


def _phi(x: float) -> float:
    return math.erfc(-x / math.sqrt(2)) / 2


def _log_phi(x: float) -> float:
    """log of the normal distribution function; by its asymptotic series where erfc underflows."""
    return log_erfc(-x / math.sqrt(2)) - math.log(2)


def log_erfc(x: float) -> float:
    """log(erfc(x)), also where erfc itself is too small for float64 (Abramowitz and Stegun 7.1.23)."""
    if x < 25:
        return math.log(math.erfc(x))
    square = x * x
    series = 1 - 1 / (2 * square) + 3 / (4 * square**2) - 15 / (8 * square**3)
    return -square - math.log(x) - math.log(math.pi) / 2 + math.log(series)
