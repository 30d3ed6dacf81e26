"""What many noisy rounds cost together: Rényi differential privacy of the subsampled Gaussian."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from federation.errors import SettingError
from federation.privacy.calibration import gaussian_delta, gaussian_epsilon, log_erfc

ORDERS: tuple[float, ...] = (
    *(1 + step / 10 for step in range(1, 100)),
    *(float(order) for order in range(11, 64)),
    128.0,
    256.0,
    512.0,
    1024.0,
)
"""Orders at which Rényi divergence is tracked: those of Google's dp-accounting."""

_STEPS = 1000


def sampled_gaussian_rdp(rate: float, noise_multiplier: float, order: float) -> float:
    """Rényi divergence of one Gaussian release over a Poisson sample, for neighbours that differ by one member.

    Mironov, Talwar and Zhang, "Rényi Differential Privacy of the Sampled Gaussian Mechanism", 2019: section 3.3, the
    sum for whole orders and the series for others, whose terms are added by magnitude (so it is an upper bound).
    Never above the divergence without sampling.

    Args:
        rate: chance with which each member takes part, on its own.
        noise_multiplier: standard deviation of the noise over the L2 sensitivity.
        order: above 1.
    """
    if not 0 <= rate <= 1:
        raise SettingError(name="rate", found=rate, needed="in [0, 1]")
    if not 0 < noise_multiplier < math.inf:
        raise SettingError(name="noise_multiplier", found=noise_multiplier, needed="above 0 and finite")
    if not order > 1:
        raise SettingError(name="order", found=order, needed="above 1")
    if rate == 0:
        return 0.0
    if rate == 1:
        return order / (2 * noise_multiplier**2)
    whole = float(order).is_integer()
    moment = (_whole if whole else _fractional)(rate, noise_multiplier, order)
    # Sampling never hurts (joint quasi-convexity of Rényi divergence); the bound of a fractional order may forget that.
    return min(max(moment, 0.0) / (order - 1), order / (2 * noise_multiplier**2))


def _whole(rate: float, sigma: float, order: float) -> float:
    n = int(order)
    terms = [
        _log_choose(n, i) + i * math.log(rate) + (n - i) * math.log1p(-rate) + (i * i - i) / (2 * sigma**2)
        for i in range(n + 1)
    ]
    return _log_sum(terms)


def _fractional(rate: float, sigma: float, order: float) -> float:
    split = sigma**2 * math.log(1 / rate - 1) + 0.5
    log_in, log_out, root = math.log(rate), math.log1p(-rate), math.sqrt(2) * sigma
    total, last = -math.inf, (-math.inf, -math.inf)
    for i in range(_STEPS):
        j = order - i
        choose = _log_choose(order, i)
        left = choose + i * log_in + j * log_out + (i * i - i) / (2 * sigma**2)
        left += log_erfc((i - split) / root) - math.log(2)
        right = choose + j * log_in + i * log_out + (j * j - j) / (2 * sigma**2)
        right += log_erfc((split - j) / root) - math.log(2)
        total = _log_sum((total, left, right))
        if left < last[0] and right < last[1] and max(left, right) < total - 30:
            return total
        last = (left, right)
    return math.inf


def _log_choose(n: float, k: int) -> float:
    """log of the magnitude of the binomial coefficient."""
    return math.lgamma(n + 1) - math.lgamma(k + 1) - math.lgamma(n - k + 1)


def _log_sum(terms: Sequence[float]) -> float:
    top = max(terms)
    if math.isinf(top):
        return top
    return top + math.log(math.fsum(math.exp(term - top) for term in terms))


@dataclass(frozen=True, slots=True, kw_only=True)
class RdpAccountant:
    """The privacy lost so far. A value: `compose` returns another.

    Gaussian releases without sampling compose to a single Gaussian, whose epsilon is known exactly; while there
    are no others the smaller of the two figures holds.

    Attributes:
        rdp: Rényi divergence at each of `ORDERS`.
        precision: sum of noise_multiplier**-2 of the releases without sampling.
        sampled: whether any release was over a sample.
    """

    rdp: tuple[float, ...] = (0.0,) * len(ORDERS)
    precision: float = 0.0
    sampled: bool = False

    def __post_init__(self) -> None:
        if len(self.rdp) != len(ORDERS) or not all(value >= 0 for value in self.rdp):
            raise SettingError(name="rdp", found=f"{len(self.rdp)} values", needed=f"{len(ORDERS)} values, 0 or more")
        if not 0 <= self.precision < math.inf:
            raise SettingError(name="precision", found=self.precision, needed="0 or more and finite")

    def compose(self, *, noise_multiplier: float, rate: float = 1.0, count: int = 1) -> RdpAccountant:
        """The loss after ``count`` more such releases."""
        if count < 0:
            raise SettingError(name="count", found=count, needed="0 or more")
        if count == 0:
            return self
        more = [count * sampled_gaussian_rdp(rate, noise_multiplier, order) for order in ORDERS]
        return RdpAccountant(
            rdp=tuple(old + new for old, new in zip(self.rdp, more, strict=True)),
            precision=self.precision + (count / noise_multiplier**2 if rate == 1 else 0.0),
            sampled=self.sampled or 0 < rate < 1,
        )

    def epsilon(self, delta: float) -> float:
        """The epsilon of all releases together at this delta.

        From Rényi divergence by Canonne, Kamath and Steinke 2020, proposition 12 (Balle et al. 2020, theorem 21):
        rdp + log(1 - 1 / a) - log(delta a) / (a - 1), the least over orders a.
        """
        if not 0 < delta < 1:
            raise SettingError(name="delta", found=delta, needed="between 0 and 1")
        found = min(_converted(order, loss, delta) for order, loss in zip(ORDERS, self.rdp, strict=True))
        if not self.sampled and self.precision > 0:
            found = min(found, gaussian_epsilon(self.precision**-0.5, delta))
        return max(found, 0.0)

    def delta(self, epsilon: float) -> float:
        """The delta of all releases together at this epsilon."""
        if not epsilon >= 0:
            raise SettingError(name="epsilon", found=epsilon, needed="0 or more")
        logs = (
            (order - 1) * (loss - epsilon + math.log1p(-1 / order)) - math.log(order)
            for order, loss in zip(ORDERS, self.rdp, strict=True)
            if math.isfinite(loss)
        )
        # Total variation bounds delta at every epsilon: at most sqrt(1 - exp(-KL)), and KL is below any order's loss.
        found = min(math.exp(min(min(logs, default=0.0), 0.0)), math.sqrt(-math.expm1(-min(self.rdp))))
        if not self.sampled and self.precision > 0:
            found = min(found, gaussian_delta(self.precision**-0.5, epsilon))
        return found


def _converted(order: float, loss: float, delta: float) -> float:
    if delta**2 + math.expm1(-loss) > 0:
        return 0.0
    return loss + math.log1p(-1 / order) - math.log(delta * order) / (order - 1)


def noise_multiplier_for(epsilon: float, delta: float, *, rounds: int = 1, rate: float = 1.0) -> float:
    """The smallest noise multiplier, to 1e-6 and rounded up, that keeps ``rounds`` releases within (epsilon, delta)."""
    if not epsilon > 0 or rounds < 1:
        raise SettingError(name="epsilon, rounds", found=(epsilon, rounds), needed="above 0")

    def holds(noise: float) -> bool:
        return RdpAccountant().compose(noise_multiplier=noise, rate=rate, count=rounds).epsilon(delta) <= epsilon

    low, high = 0.0, 1.0
    while not holds(high):
        low, high = high, high * 2
    while high - low > 1e-6 * high:
        middle = (low + high) / 2
        low, high = (low, middle) if holds(middle) else (middle, high)
    return high


def rounds_within(epsilon: float, delta: float, *, noise_multiplier: float, rate: float = 1.0) -> int:
    """How many such releases a budget pays for; at most 2**30."""
    one = RdpAccountant().compose(noise_multiplier=noise_multiplier, rate=rate)

    def spent(count: int) -> float:
        many = RdpAccountant(
            rdp=tuple(count * loss for loss in one.rdp), precision=count * one.precision, sampled=one.sampled
        )
        return many.epsilon(delta)

    return _last(lambda count: spent(count) <= epsilon, 1 << 30)


def _last(holds: Callable[[int], bool], limit: int) -> int:
    low, high = 0, limit + 1
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (middle, high) if holds(middle) else (low, middle)
    return low
