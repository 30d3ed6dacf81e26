"""Rows as they are: four bytes a value."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from federation.compression.base import Payload, Rows, checked_payload, checked_rows


@dataclass(frozen=True, slots=True, kw_only=True)
class RawCodec:
    """float32 values without compression. Exact, and NaN and Inf pass through to the gate."""

    @property
    def name(self) -> str:
        return "raw"

    @property
    def payload_dtype(self) -> np.dtype[Any]:
        return np.dtype(np.float32)

    def width(self, dimension: int) -> int:
        return dimension

    def encode(self, rows: Rows) -> Payload:
        return checked_rows(rows).copy()

    def decode(self, payload: Payload, dimension: int) -> Rows:
        return checked_payload(payload, codec=self, dimension=dimension).astype(np.float32, copy=True)
