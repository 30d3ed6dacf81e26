"""The largest values of each row, as float32 or in eight bits.

Which positions were kept is written in the cheapest of three forms, by dimension d and count m alone, so
that the payload need not say which: a bitmap (d / 8 bytes), 16-bit or 32-bit indices (2 m or 4 m bytes).
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from federation.compression.base import Bytes, Payload, Rows, checked_payload, checked_rows, refuse
from federation.compression.int8 import dequantise, floats, quantise, refuse_levels
from federation.errors import SettingError

Positions = NDArray[np.intp]
Form = Literal["bitmap", "uint16", "uint32"]


def kept(fraction: float, dimension: int) -> int:
    """How many of ``dimension`` values are sent: the fraction rounded up, at least 1."""
    # The fraction as written in decimals: 0.1 * 30 is 3, not 3.0000000000000004.
    return min(dimension, max(1, math.ceil(round(fraction * dimension, 9))))


def index_form(count: int, dimension: int) -> tuple[Form, int]:
    """The cheapest form of ``count`` positions below ``dimension``, and its bytes per row."""
    forms: list[tuple[int, Form]] = [(-(-dimension // 8), "bitmap")]
    if dimension <= 1 << 16:
        forms.append((2 * count, "uint16"))
    forms.append((4 * count, "uint32"))
    size, form = min(forms, key=lambda each: each[0])
    return form, size


def largest(rows: Rows, count: int) -> Positions:
    """``(k, count)`` positions of the largest magnitudes of each row, ascending. NaN counts as largest.

    Equal magnitudes at the limit are told apart by position, the smaller first, so that the choice does
    not depend on how a partial sort happens to order them.
    """
    magnitudes = np.abs(rows)
    dimension = rows.shape[1]
    if count == dimension:
        return np.tile(np.arange(dimension, dtype=np.intp), (len(rows), 1))
    np.copyto(magnitudes, np.float32(np.inf), where=np.isnan(magnitudes))
    limit = np.partition(magnitudes, dimension - count, axis=1)[:, dimension - count, None]
    chosen = magnitudes >= limit
    surplus = chosen.sum(axis=1) - count
    for row in np.flatnonzero(surplus):
        ties = np.flatnonzero(magnitudes[row] == limit[row])
        chosen[row, ties[len(ties) - surplus[row] :]] = False
    return np.nonzero(chosen)[1].reshape(len(rows), count)


def write_positions(positions: Positions, dimension: int) -> Bytes:
    """``(k, size) uint8`` of ``(k, count)`` ascending positions."""
    k, count = positions.shape
    form, _ = index_form(count, dimension)
    if form == "bitmap":
        bits = np.zeros((k, dimension), np.uint8)
        np.put_along_axis(bits, positions, 1, axis=1)
        return np.packbits(bits, axis=1, bitorder="little")
    return positions.astype("<u2" if form == "uint16" else "<u4").view(np.uint8)


def read_positions(columns: Bytes, count: int, dimension: int, *, codec: str) -> Positions:
    """``(k, count)`` positions, each row strictly ascending and below ``dimension``.

    Raises:
        CodecError: for a bitmap with another number of bits, a position out of bounds, or positions that
            are not ascending (which rules out duplicates, and leaves one way to write a row).
    """
    form, _ = index_form(count, dimension)
    if form == "bitmap":
        bits = np.unpackbits(columns, axis=1, bitorder="little")
        needed = f"{count} bits set, all below {dimension}"
        refuse(bits[:, dimension:].any(axis=1), codec=codec, found="a bit set past the end", needed=needed)
        wrong = bits.sum(axis=1, dtype=np.int64) != count
        refuse(wrong, codec=codec, found="another number of bits", needed=needed)
        return np.nonzero(bits)[1].reshape(len(columns), count)
    packed = np.ascontiguousarray(columns).view("<u2" if form == "uint16" else "<u4")
    positions = packed.astype(np.intp)
    needed = f"ascending positions below {dimension}"
    refuse((positions >= dimension).any(axis=1), codec=codec, found="a position out of bounds", needed=needed)
    disordered = (np.diff(positions, axis=1) <= 0).any(axis=1)
    refuse(disordered, codec=codec, found="positions out of order", needed=needed)
    return positions


def _checked_fraction(fraction: float) -> None:
    if not 0 < fraction <= 1:
        raise SettingError(name="fraction", found=fraction, needed="above 0 and at most 1")


def _scatter(values: Rows, positions: Positions, dimension: int) -> Rows:
    rows = np.zeros((len(values), dimension), np.float32)
    np.put_along_axis(rows, positions, values, axis=1)
    return rows


@dataclass(frozen=True, slots=True, kw_only=True)
class TopKCodec:
    """The ``fraction`` of each row that is largest in magnitude, as float32; the rest becomes zero.

    Biased: use it with `ErrorFeedback` (Stich, Cordonnier, Jaggi, NeurIPS 2018). Layout of a row: the
    positions, then the values (4 bytes each) in the order of the positions.
    """

    fraction: float = 0.05

    def __post_init__(self) -> None:
        _checked_fraction(self.fraction)

    @property
    def name(self) -> str:
        return f"topk-{self.fraction}"

    @property
    def payload_dtype(self) -> np.dtype[Any]:
        return np.dtype(np.uint8)

    def width(self, dimension: int) -> int:
        count = kept(self.fraction, dimension)
        return index_form(count, dimension)[1] + 4 * count

    def encode(self, rows: Rows) -> Payload:
        rows = checked_rows(rows)
        dimension = rows.shape[1]
        positions = largest(rows, kept(self.fraction, dimension))
        values = np.take_along_axis(rows, positions, axis=1).astype("<f4")
        return np.concatenate([write_positions(positions, dimension), values.view(np.uint8)], axis=1)

    def decode(self, payload: Payload, dimension: int) -> Rows:
        payload = checked_payload(payload, codec=self, dimension=dimension)
        count = kept(self.fraction, dimension)
        size = index_form(count, dimension)[1]
        columns = payload.view(np.uint8)
        positions = read_positions(columns[:, :size], count, dimension, codec=self.name)
        return _scatter(floats(columns[:, size:]), positions, dimension)


@dataclass(frozen=True, slots=True, kw_only=True)
class TopKInt8Codec:
    """The ``fraction`` of each row that is largest in magnitude, in eight bits with one scale a row.

    With the default fraction a row of 1,000 values takes 329 bytes instead of 4,000. Biased: use it with
    `ErrorFeedback`. Layout of a row: the scale (4 bytes), the positions, the levels (1 byte each).
    """

    fraction: float = 0.2

    def __post_init__(self) -> None:
        _checked_fraction(self.fraction)

    @property
    def name(self) -> str:
        return f"topk-int8-{self.fraction}"

    @property
    def payload_dtype(self) -> np.dtype[Any]:
        return np.dtype(np.uint8)

    def width(self, dimension: int) -> int:
        count = kept(self.fraction, dimension)
        return 4 + index_form(count, dimension)[1] + count

    def encode(self, rows: Rows) -> Payload:
        rows = checked_rows(rows)
        k, dimension = rows.shape
        positions = largest(rows, kept(self.fraction, dimension))
        scale, levels = quantise(np.take_along_axis(rows, positions, axis=1))
        parts = [
            scale.astype("<f4").reshape(k, 1).view(np.uint8),
            write_positions(positions, dimension),
            levels.view(np.uint8),
        ]
        return np.concatenate(parts, axis=1)

    def decode(self, payload: Payload, dimension: int) -> Rows:
        payload = checked_payload(payload, codec=self, dimension=dimension)
        count = kept(self.fraction, dimension)
        size = index_form(count, dimension)[1]
        columns = payload.view(np.uint8)
        scale = floats(columns[:, :4])
        levels = np.ascontiguousarray(columns[:, 4 + size :]).view(np.int8)
        refuse_levels(scale, levels, codec=self.name)
        positions = read_positions(columns[:, 4 : 4 + size], count, dimension, codec=self.name)
        return _scatter(dequantise(scale[:, 0], levels), positions, dimension)
