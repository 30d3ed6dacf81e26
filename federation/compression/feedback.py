"""Error feedback: what compression left out of one round is added to the next."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from federation.compression.base import Codec, Payload, Rows, checked_rows
from federation.errors import UpdatesError


class ErrorFeedback:
    """The residual of each of a host's k agents: what their payloads have not told so far.

    Round by round ``payload = encode(rows + residual)`` and ``residual = rows + residual - decode(payload)``
    (Seide et al., Interspeech 2014, section 3; Karimireddy et al., ICML 2019, algorithm 2). The decoded
    rows of T rounds then sum to the true rows of T rounds up to one residual, whatever the codec leaves out.

    A row that is not finite is sent as it is, and leaves its residual unchanged: one bad step of learning
    must not spoil all later rounds. So does a row that its agent does not send (``sent`` False).
    """

    def __init__(self, agents: int, dimension: int) -> None:
        self._residual = np.zeros((agents, dimension), np.float32)

    @property
    def residual(self) -> Rows:
        """``(k, d) float32``: a copy of what is still untold."""
        return self._residual.copy()

    def compress(self, codec: Codec, rows: Rows, *, sent: NDArray[np.bool_] | None = None) -> Payload:
        """The payload of ``rows`` plus the residual, which becomes what this payload leaves out.

        Args:
            codec: any codec; another one may be used each round.
            rows: ``(k, d) float32`` in the same order of agents each round. Not changed.
            sent: ``(k,) bool``, False for agents who send nothing this round. None means that all do.

        Raises:
            UpdatesError: for rows of another shape.
        """
        rows = checked_rows(rows)
        if rows.shape != self._residual.shape:
            raise UpdatesError(found=f"shape {rows.shape}", needed=f"shape {self._residual.shape}")
        wanted = rows + self._residual
        told = np.isfinite(wanted).all(axis=1)
        payload = codec.encode(wanted)
        if sent is not None:
            told &= sent
        if told.all():
            self._residual = wanted - codec.decode(payload, rows.shape[1])
        elif told.any():
            self._residual[told] = wanted[told] - codec.decode(payload[told], rows.shape[1])
        return payload

    def snapshot(self) -> dict[str, Any]:
        """The state as plain data and arrays, for a checkpoint; shares nothing with this object."""
        return {"residual": self._residual.copy()}

    @classmethod
    def restore(cls, state: Mapping[str, Any]) -> ErrorFeedback:
        """The feedback of a `snapshot`.

        Raises:
            UpdatesError: for a residual that is not a finite (k, d) float32 array.
        """
        residual = checked_rows(state.get("residual"))
        if not np.isfinite(residual).all():
            raise UpdatesError(found="a residual with NaN or Inf", needed="finite values")
        feedback = cls(*residual.shape)
        feedback._residual[:] = residual
        return feedback
