"""Eight bits a value, with one scale for each row or block of a row."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from federation.compression.base import Bytes, Payload, Rows, checked_payload, checked_rows, refuse
from federation.errors import SettingError

_LEVELS = 127
# The largest scale for which 127 * scale is still a finite float32.
LARGEST_SCALE = np.nextafter(np.finfo(np.float32).max / np.float32(_LEVELS), np.float32(0))


def quantise(values: Rows) -> tuple[NDArray[np.float32], NDArray[np.int8]]:
    """``(groups,) float32`` scales and ``(groups, m) int8`` levels of ``(groups, m)`` values.

    scale = max |value| / 127, level = value / scale rounded half to even, so that an error is at most
    half a scale. A group that is not finite gets the scale NaN and the levels 0.
    """
    # Two reductions instead of max(abs(values)): no temporary of the size of the values. NaN propagates.
    # The outer abs turns a peak of -0.0 into 0.0.
    peak = np.abs(np.maximum(values.max(axis=1), -values.min(axis=1)))
    scale = np.minimum(peak / np.float32(_LEVELS), LARGEST_SCALE)
    scale = np.where(np.isfinite(peak), scale, np.float32("nan"))
    # A scale of zero (zeros, or a peak below the smallest float32 times 127) makes zeros.
    usable = scale > 0
    divisor = np.where(usable, scale, np.float32(1))[:, None]
    levels = values / divisor
    np.rint(levels, out=levels)
    np.clip(levels, -_LEVELS, _LEVELS, out=levels)
    if not usable.all():
        levels[~usable] = 0
    return scale, levels.astype(np.int8)


def dequantise(scale: NDArray[np.float32], levels: NDArray[np.int8]) -> Rows:
    """``(groups, m) float32`` values of ``(groups,)`` scales and ``(groups, m)`` levels."""
    values = levels.astype(np.float32)
    values *= scale[:, None]
    return values


def refuse_levels(scale: NDArray[np.float32], levels: NDArray[np.int8], *, codec: str) -> None:
    """Raise `CodecError` for ``(k, groups)`` scales or ``(k, m)`` levels that `quantise` cannot make."""
    # A comparison with NaN is False, so this one refuses NaN too; -0.0 is refused by its sign bit.
    good = (scale >= 0) & (scale <= LARGEST_SCALE) & ~np.signbit(scale)
    refuse(
        ~good.all(axis=1),
        codec=codec,
        found="a scale not finite, negative or too large",
        needed="a finite one",
    )
    low = levels.min(axis=1) < -_LEVELS
    refuse(low, codec=codec, found="the level -128", needed="levels from -127 to 127")


@dataclass(frozen=True, slots=True, kw_only=True)
class Int8Codec:
    """8-bit values with a float32 scale for each row, or for each block of a row.

    Layout of a row: the scales (4 bytes each), then d levels (1 byte each).

    Attributes:
        block: values that share a scale; None for a whole row. A smaller block is more exact where
            magnitudes differ along the row (layers), and costs 4 bytes more per block.
    """

    block: int | None = None

    def __post_init__(self) -> None:
        if self.block is not None and self.block < 1:
            raise SettingError(name="block", found=self.block, needed="1 or more, or None")

    @property
    def name(self) -> str:
        return "int8" if self.block is None else f"int8-b{self.block}"

    @property
    def payload_dtype(self) -> np.dtype[Any]:
        return np.dtype(np.uint8)

    def blocks(self, dimension: int) -> int:
        """The number of scales in a row of ``dimension`` values."""
        return 1 if self.block is None else -(-dimension // self.block)

    def width(self, dimension: int) -> int:
        return 4 * self.blocks(dimension) + dimension

    def encode(self, rows: Rows) -> Payload:
        rows = checked_rows(rows)
        k, dimension = rows.shape
        blocks = self.blocks(dimension)
        scale, levels = quantise(self._grouped(rows))
        payload = np.empty((k, self.width(dimension)), np.uint8)
        payload[:, : 4 * blocks] = scale.astype("<f4").reshape(k, blocks).view(np.uint8)
        payload[:, 4 * blocks :] = levels.reshape(k, blocks * levels.shape[1])[:, :dimension].view(np.uint8)
        return payload

    def decode(self, payload: Payload, dimension: int) -> Rows:
        payload = checked_payload(payload, codec=self, dimension=dimension)
        k, blocks = len(payload), self.blocks(dimension)
        if k == 0:
            return np.empty((0, dimension), np.float32)
        scale = floats(payload[:, : 4 * blocks])
        levels = np.ascontiguousarray(payload[:, 4 * blocks :]).view(np.int8)
        refuse_levels(scale, levels, codec=self.name)
        if blocks == 1:
            return dequantise(scale[:, 0], levels)
        assert self.block is not None
        values = levels.astype(np.float32)
        values *= np.repeat(scale, self.block, axis=1)[:, :dimension]
        return values

    def _grouped(self, rows: Rows) -> Rows:
        """The rows as ``(k * blocks, block)``, the last block of each filled up with zeros."""
        k, dimension = rows.shape
        blocks = self.blocks(dimension)
        if self.block is None or blocks == 1:
            return rows
        if dimension % self.block:
            filled = np.zeros((k, blocks * self.block), np.float32)
            filled[:, :dimension] = rows
            rows = filled
        return rows.reshape(k * blocks, self.block)


def floats(columns: Bytes | NDArray[np.float32]) -> NDArray[np.float32]:
    """``(k, m) float32`` of ``(k, 4 m)`` little-endian bytes."""
    return np.ascontiguousarray(columns).view("<f4").astype(np.float32)
