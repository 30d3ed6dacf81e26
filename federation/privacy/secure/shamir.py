"""Shamir's secret sharing over a prime field: any t of k shares make the secret, fewer tell nothing."""

from __future__ import annotations

from collections.abc import Mapping

from federation.errors import SettingError
from federation.identity import Secret

PRIME = 2**256 + 297
"""The smallest prime above 2**256, so that any 32 bytes are a secret."""

SHARE_BYTES = 33


def split(secret: Secret, *, threshold: int, points: tuple[int, ...], seed: Secret) -> dict[int, int]:
    """A share for each point: the value there of a polynomial of degree threshold - 1 with the secret at 0.

    Shamir, "How to Share a Secret", CACM 1979. Python's integers do not take constant time: somebody who can measure
    this process closely may learn about the secret.

    Args:
        secret: what is shared.
        threshold: how many shares make it, t.
        points: where, each from 1 to PRIME - 1 and only once.
        seed: where the coefficients come from; one for each secret that is shared.
    """
    _require_points(points)
    if not 1 <= threshold <= len(points):
        raise SettingError(name="threshold", found=threshold, needed=f"1 to {len(points)}, the number of shares")
    # 512 bits modulo a prime of 257: even to 2**-255.
    coefficients = [int.from_bytes(secret.reveal(), "big")]
    for power in range(1, threshold):
        wide = b"".join(seed.derive("coefficient", str(power), half).reveal() for half in ("low", "high"))
        coefficients.append(int.from_bytes(wide, "big") % PRIME)
    return {point: _value(coefficients, point) for point in points}


def combine(shares: Mapping[int, int]) -> Secret | None:
    """The secret that the shares make, or None when it is none: then one of them is wrong.

    With one wrong share the result is another secret, nearly always: check it against what was promised.
    """
    points = tuple(shares)
    _require_points(points)
    total = 0
    for point in points:
        above, below = 1, 1
        for other in points:
            if other != point:
                above = above * other % PRIME
                below = below * (other - point) % PRIME
        total = (total + shares[point] * above * pow(below, -1, PRIME)) % PRIME
    return Secret(total.to_bytes(32, "big")) if total < 1 << 256 else None


def _value(coefficients: list[int], point: int) -> int:
    value = 0
    for coefficient in reversed(coefficients):
        value = (value * point + coefficient) % PRIME
    return value


def _require_points(points: tuple[int, ...]) -> None:
    if not points or len(set(points)) != len(points) or not all(0 < point < PRIME for point in points):
        raise SettingError(name="points", found=len(points), needed="one or more, all different, from 1 to PRIME - 1")
