"""What the gate refuses updates for, and the checks of what one update says."""

from __future__ import annotations

import math
from enum import StrEnum
from typing import Any

import numpy as np
from numpy.typing import NDArray

from federation.compression import Codec
from federation.errors import CodecError
from federation.terms import Terms


class Refusal(StrEnum):
    """Why the gate refused an update. The values are stable."""

    MALFORMED = "gate.malformed"
    RUN = "gate.run"
    STALE = "gate.stale"
    FUTURE = "gate.future"
    KIND = "gate.kind"
    BASE = "gate.base"
    CODEC = "gate.codec"
    SHAPE = "gate.shape"
    UNKNOWN_AGENT = "gate.unknown_agent"
    QUARANTINED = "gate.quarantined"
    UNSIGNED = "gate.unsigned"
    DIGEST = "gate.digest"
    SIGNATURE = "gate.signature"
    DUPLICATE = "gate.duplicate"
    EQUIVOCATION = "gate.equivocation"
    UNCOMMITTED = "gate.uncommitted"
    COMMITMENT = "gate.commitment"
    ENCODING = "gate.encoding"
    NOT_FINITE = "gate.not_finite"
    WEIGHT = "gate.weight"
    NORM = "gate.norm"
    REPLAYED = "gate.replayed"
    LATE = "gate.late"


CULPABLE = frozenset(
    {
        Refusal.EQUIVOCATION,
        Refusal.ENCODING,
        Refusal.NOT_FINITE,
        Refusal.WEIGHT,
        Refusal.NORM,
    }
)
"""Refusals of something that the agent itself has signed: these count against it."""


FORGETTABLE = frozenset(
    {
        Refusal.UNKNOWN_AGENT,
        Refusal.QUARANTINED,
        Refusal.UNSIGNED,
        Refusal.DIGEST,
        Refusal.SIGNATURE,
        Refusal.DUPLICATE,
    }
)
"""Refusals after which the gate is as it was before."""


def decoded(codec: Codec, payload: NDArray[Any], dimension: int) -> tuple[list[int], NDArray[np.float32]]:
    """The places in a payload of the rows that decode, and these rows. One that breaks the codec is left out alone."""
    places = list(range(len(payload)))
    try:
        return places, codec.decode(payload, dimension) if places else np.empty((0, dimension), np.float32)
    except CodecError as error:
        good = sorted(set(places).difference(error.rows or places))
    return good, codec.decode(payload[good], dimension) if good else np.empty((0, dimension), np.float32)


def content(terms: Terms, *, norm: float, weight: float, replayed: bool) -> Refusal | None:
    """What is wrong with what one update says, if anything.

    Args:
        terms: of the round.
        norm: L2 norm of its row, in float64.
        weight: the sample count that it declares.
        replayed: whether it is its agent's last counted payload again.
    """
    if not math.isfinite(norm):
        return Refusal.NOT_FINITE
    if not 0 < weight <= terms.weight_cap:
        return Refusal.WEIGHT
    if norm > terms.norm_cap:
        return Refusal.NORM
    return Refusal.REPLAYED if replayed and norm > 0 else None


def norms_of(rows: NDArray[np.float32]) -> NDArray[np.float64]:
    """``(n,)`` L2 norms of ``(n, d)`` rows, in float64, where the squares of huge values do not overflow."""
    wide = rows.astype(np.float64)
    return np.sqrt(np.einsum("ij,ij->i", wide, wide))
