"""What a codec is, and the checks that all codecs share.

Rules of evolution: a codec's ``name`` is signed together with the payload and states every parameter
that the layout depends on. Layouts are little-endian. A changed layout is a new name; an old name is
never given another layout.
"""

from __future__ import annotations

from typing import Any, Protocol, TypeAlias, cast, runtime_checkable

import numpy as np
from numpy.typing import NDArray

from federation.errors import CodecError, UpdatesError

Rows: TypeAlias = NDArray[np.float32]
Bytes: TypeAlias = NDArray[np.uint8]
Payload: TypeAlias = NDArray[np.float32] | NDArray[np.uint8]


@runtime_checkable
class Codec(Protocol):
    """Turns float32 rows into payload rows and back, all k rows of a host in one call.

    A codec is a frozen dataclass whose fields are its parameters; it keeps nothing between calls. Each
    payload row stands alone: row i of ``encode(rows)`` is ``encode(rows[i : i + 1])``, so that it can be
    hashed and signed by its own agent.
    """

    @property
    def name(self) -> str:
        """The codec and its parameters in one word, signed with every payload."""
        ...

    @property
    def payload_dtype(self) -> np.dtype[Any]:
        """float32 for values as they are, uint8 for anything packed."""
        ...

    def width(self, dimension: int) -> int:
        """The number of columns of a payload of rows of ``dimension`` values."""
        ...

    def encode(self, rows: Rows) -> Payload:
        """``(k, width(d))`` payload of ``(k, d) float32`` rows. A new array.

        A NaN or Inf is carried or marked, never hidden: such a row is refused by `decode`, or comes out
        not finite and is refused by the gate. Raises `UpdatesError` for a wrong shape or dtype.
        """
        ...

    def decode(self, payload: Payload, dimension: int) -> Rows:
        """``(k, dimension) float32`` rows of a payload. A new array.

        Nothing in the payload is trusted. Raises `CodecError` for anything that `encode` cannot have
        written; its ``rows`` name the bad rows, so that the others can be decoded without them.
        """
        ...


def checked_rows(rows: Any) -> Rows:
    """The rows, if a codec can take them: a ``(k, d >= 1) float32`` array.

    Raises:
        UpdatesError: otherwise.
    """
    needed = "a (k, d) array of float32, d at least 1"
    if not isinstance(rows, np.ndarray):
        raise UpdatesError(found=type(rows).__name__, needed=needed)
    found = cast("NDArray[Any]", rows)
    if found.dtype != np.float32:
        raise UpdatesError(found=str(found.dtype), needed=needed)
    if found.ndim != 2 or found.shape[1] == 0:
        raise UpdatesError(found=f"shape {found.shape}", needed=needed)
    return found


def checked_payload(payload: Any, *, codec: Codec, dimension: int) -> Payload:
    """The payload, if its dtype and shape are those that the codec writes for this dimension.

    Raises:
        CodecError: otherwise.
    """
    width, dtype = codec.width(dimension), codec.payload_dtype
    needed = f"a (k, {width}) array of {dtype.name}"
    if not isinstance(payload, np.ndarray):
        raise CodecError(codec=codec.name, found=f"type {type(payload).__name__}", needed=needed)
    found = cast("NDArray[Any]", payload)
    if found.dtype != dtype:
        raise CodecError(codec=codec.name, found=f"dtype {found.dtype}", needed=needed)
    if found.ndim != 2 or found.shape[1] != width:
        raise CodecError(codec=codec.name, found=f"shape {found.shape}", needed=needed)
    return found


def refuse(bad: NDArray[np.bool_] | np.bool_, *, codec: str, found: str, needed: str) -> None:
    """Raise `CodecError` that names the rows where ``bad`` is True; return when there are none."""
    if bad.any():
        rows = tuple(int(row) for row in np.flatnonzero(bad))
        raise CodecError(codec=codec, found=found, needed=needed, rows=rows)
