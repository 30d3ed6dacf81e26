"""Rows as fixed-point numbers modulo a power of two, whose sums are exact in any order."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any, cast

import numpy as np
from numpy.typing import NDArray

from federation.errors import SettingError, UpdatesError
from federation.privacy.errors import MaskedRowError

Words = NDArray[np.uint32]


@dataclass(frozen=True, slots=True, kw_only=True)
class FixedPoint:
    """How rows become words modulo 2**bits, and sums of words become rows again.

    A value v is the whole number nearest to v * scale. Values are in [-limit, limit]; the sum of ``members`` of them
    fits, so an honest sum never wraps. The error of a value is at most ``step / 2``, that of a sum of m rows at
    most m times that, and that of their mean again ``step / 2``.

    Attributes:
        limit: largest magnitude of a value.
        members: most rows that are added up.
        bits: of a word, 8 to 32.
    """

    limit: float
    members: int
    bits: int = 32

    def __post_init__(self) -> None:
        if not 0 < self.limit < math.inf:
            raise SettingError(name="limit", found=self.limit, needed="above 0 and finite")
        if self.members < 1:
            raise SettingError(name="members", found=self.members, needed="1 or more")
        if not 8 <= self.bits <= 32 or self.members >= 1 << (self.bits - 1):
            raise SettingError(name="bits", found=self.bits, needed="8 to 32, and room for the members")

    @property
    def most(self) -> int:
        """Largest magnitude of a row's word."""
        return ((1 << (self.bits - 1)) - 1) // self.members

    @property
    def step(self) -> float:
        """What the last bit is worth."""
        return self.limit / self.most

    @property
    def mask(self) -> int:
        """The modulus less one."""
        return (1 << self.bits) - 1

    def encode(self, row: NDArray[Any]) -> Words:
        """``(d,) uint32``: the row's words.

        Raises:
            UpdatesError: unless the row is a finite vector within the limit. Clip first: nothing is cut off here.
        """
        exact = np.asarray(row, dtype=np.float64)
        if exact.ndim != 1 or exact.size == 0 or not np.isfinite(exact).all():
            raise UpdatesError(found=f"a row of shape {exact.shape}", needed="a finite vector")
        largest = float(np.abs(exact).max())
        if largest > self.limit:
            raise UpdatesError(found=f"a value of magnitude {largest:.6g}", needed=f"at most {self.limit:.6g}")
        whole = np.clip(np.rint(exact / self.step), -self.most, self.most).astype(np.int64)
        return (whole & self.mask).astype(np.uint32)

    def decode(self, total: Words, *, count: int, who: str = "the bucket") -> NDArray[np.float64]:
        """``(d,) float64``: the sum that the words stand for.

        Args:
            total: ``(d,)``, the sum of words modulo 2**bits.
            count: of how many rows.
            who: whose sum it is, for the error.

        Raises:
            MaskedRowError: when a value is larger than ``count`` rows can make it: somebody's row was none. A row that
                was none and leaves the sum within that range is not found here: that is what the rule across
                buckets is for.
        """
        found = total.astype(np.int64)
        found -= (found >> (self.bits - 1)) << self.bits
        largest = int(np.abs(found).max(initial=0))
        if largest > count * self.most:
            raise MaskedRowError(
                agent=who,
                found=f"a sum of {count} rows with a value of magnitude {largest * self.step:.6g}",
                needed=f"at most {count} x {self.limit:.6g}",
            )
        return np.multiply(found, self.step, dtype=np.float64)

    def checked(self, words: Any, *, dimension: int, agent: str) -> Words:
        """The masked row as ``(dimension,) uint32``, a copy.

        Raises:
            MaskedRowError: for another shape, for numbers that are not whole, or outside of [0, 2**bits).
        """
        needed = f"{dimension} whole numbers in [0, 2**{self.bits})"
        if not isinstance(words, np.ndarray):
            raise MaskedRowError(agent=agent, found=type(words).__name__, needed=needed)
        found = cast("NDArray[Any]", words)
        if found.dtype.kind not in "iu" or found.shape != (dimension,):
            raise MaskedRowError(agent=agent, found=f"{found.dtype.name} of shape {found.shape}", needed=needed)
        if int(found.min()) < 0 or int(found.max()) > self.mask:
            raise MaskedRowError(agent=agent, found=f"a word of {int(found.max())}", needed=needed)
        return found.astype(np.uint32)
