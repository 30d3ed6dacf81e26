"""Batches of updates: what the k agents of one host send for one round, as columns.

Wire rules. `UpdateBatch.to_wire` is a safetensors file: the columns are tensors, the rest is JSON in
its metadata under ``"batch"``. A field is never removed or given another meaning; new ones are
optional; an unknown ``form`` is refused.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, cast

import numpy as np
from numpy.typing import NDArray
from safetensors import SafetensorError
from safetensors.numpy import load, save

from federation.errors import BatchError
from federation.identity import DIGEST_BYTES, NONCE_BYTES, SIGNATURE_BYTES, Bytes2D, Statement

FORM = 1
_COLUMNS = {"payload", "weights", "digests", "signatures", "nonces", "losses"}


@dataclass(frozen=True, slots=True, kw_only=True)
class UpdateBatch:
    """The updates of k agents of one host for one round.

    Attributes:
        host: who carries them. Not trusted, not signed.
        statement: the round and base that each signature is over.
        codec: name of the codec that made ``payload``.
        agents: k ids.
        payload: ``(k, d) float32`` as it is, or ``(k, w) uint8`` encoded.
        weights: ``(k,) float64``: the sample count that each agent declares; part of its digest.
        digests: ``(k, 32) uint8``: see `federation.identity.payload_digests`.
        signatures: ``(k, 64) uint8``; all zero means unsigned.
        losses: ``(k,) float64``: training loss as declared; for display only. NaN where unknown.
        nonces: ``(k, 16) uint8`` that open the agents' commitments, or None without commit-reveal.
        trace: W3C trace context of the span that it was made in, for a link to it. Not trusted, and on no wire.
    """

    host: str
    statement: Statement
    codec: str
    agents: tuple[str, ...]
    payload: NDArray[Any]
    weights: NDArray[np.float64]
    digests: Bytes2D
    signatures: Bytes2D
    losses: NDArray[np.float64]
    nonces: Bytes2D | None = None
    trace: str = ""

    def __len__(self) -> int:
        return len(self.agents)

    def rows(self, index: NDArray[np.intp] | Sequence[int]) -> UpdateBatch:
        """The batch of the chosen rows only; the columns are copies."""
        chosen: list[int] = np.asarray(index, dtype=np.intp).tolist()
        return UpdateBatch(
            host=self.host,
            statement=self.statement,
            codec=self.codec,
            agents=tuple([self.agents[row] for row in chosen]),
            payload=self.payload[chosen],
            weights=self.weights[chosen],
            digests=self.digests[chosen],
            signatures=self.signatures[chosen],
            losses=self.losses[chosen],
            nonces=None if self.nonces is None else self.nonces[chosen],
        )

    def to_wire(self) -> bytes:
        """The batch as bytes that hold no code."""
        columns: dict[str, NDArray[Any]] = {
            "payload": np.ascontiguousarray(self.payload),
            "weights": np.ascontiguousarray(self.weights, dtype="<f8"),
            "digests": np.ascontiguousarray(self.digests),
            "signatures": np.ascontiguousarray(self.signatures),
            "losses": np.ascontiguousarray(self.losses, dtype="<f8"),
        }
        if self.nonces is not None:
            columns["nonces"] = np.ascontiguousarray(self.nonces)
        rest = {
            "form": FORM,
            "host": self.host,
            "run": self.statement.run,
            "round": self.statement.round,
            "kind": self.statement.kind,
            "base": self.statement.base.hex(),
            "codec": self.codec,
            "agents": list(self.agents),
        }
        return save(columns, metadata={"batch": json.dumps(rest, sort_keys=True)})

    @classmethod
    def from_wire(cls, wire: bytes) -> UpdateBatch:
        """The batch that `to_wire` wrote.

        Raises:
            BatchError: for anything that is not a whole, consistent batch.
        """
        try:
            columns: dict[str, Any] = load(wire)
            if not columns.keys() <= _COLUMNS:
                raise BatchError(found=f"columns {sorted(columns)}", needed=f"columns among {sorted(_COLUMNS)}")
            length = int.from_bytes(wire[:8], "little")
            rest: dict[str, Any] = json.loads(json.loads(wire[8 : 8 + length])["__metadata__"]["batch"])
            if rest["form"] != FORM:
                raise BatchError(found=f"form {rest['form']!r}", needed=f"form {FORM}")
            batch = cls(
                host=rest["host"],
                statement=Statement(
                    run=rest["run"],
                    round=rest["round"],
                    kind=rest["kind"],
                    base=bytes.fromhex(rest["base"]),
                ),
                codec=rest["codec"],
                agents=tuple(cast("list[str]", rest["agents"])),
                nonces=columns.pop("nonces", None),
                **columns,
            )
        except (SafetensorError, KeyError, TypeError, ValueError, AttributeError, RecursionError) as error:
            raise BatchError(
                found=f"bytes that do not parse ({type(error).__name__})",
                needed="a batch as to_wire writes it",
            ) from error
        return checked_batch(batch)


def checked_batch(found: object) -> UpdateBatch:
    """``found``, if it is a batch whose columns fit together. Their values are the gate's business.

    Raises:
        BatchError: otherwise.
    """
    if not isinstance(found, UpdateBatch):
        raise BatchError(found=f"a {type(found).__name__}", needed="an UpdateBatch")
    # A batch from another process may hold anything in its fields, whatever their annotations say.
    k = _addressed(found.host, found.statement, found.agents)
    _text("codec", found.codec)
    _check("payload", found.payload, (np.float32, np.uint8), (k, None))
    _check("weights", found.weights, (np.float64,), (k,))
    _check("losses", found.losses, (np.float64,), (k,))
    _check("digests", found.digests, (np.uint8,), (k, DIGEST_BYTES))
    _check("signatures", found.signatures, (np.uint8,), (k, SIGNATURE_BYTES))
    if found.nonces is not None:
        _check("nonces", found.nonces, (np.uint8,), (k, NONCE_BYTES))
    return found


def checked_commitments(found: object) -> CommitBatch:
    """``found``, if it is a batch of commitments whose columns fit together.

    Raises:
        BatchError: otherwise.
    """
    if not isinstance(found, CommitBatch):
        raise BatchError(found=f"a {type(found).__name__}", needed="a CommitBatch")
    k = _addressed(found.host, found.statement, found.agents)
    _check("commitments", found.commitments, (np.uint8,), (k, DIGEST_BYTES))
    _check("signatures", found.signatures, (np.uint8,), (k, SIGNATURE_BYTES))
    return found


def _addressed(host: object, statement: object, agents: object) -> int:
    """How many agents a batch is from, once its host, statement and agents are what they should be."""
    _text("host", host)
    if not isinstance(agents, tuple) or not all(isinstance(agent, str) for agent in cast("tuple[object, ...]", agents)):
        raise BatchError(found="agents that are not a tuple of strings", needed="agent ids as a tuple of strings")
    if not (
        isinstance(statement, Statement)
        and [type(getattr(statement, name)) for name in ("run", "kind", "base", "round")] == [str, str, bytes, int]
        and 0 <= statement.round < 2**63
    ):
        raise BatchError(found="a statement of the wrong types", needed="run, round, kind and base as they are signed")
    return len(cast("tuple[str, ...]", agents))


def _text(name: str, value: object) -> None:
    if not isinstance(value, str):
        raise BatchError(found=f"{name} as a {type(value).__name__}", needed=f"{name} as text")


def _check(name: str, column: object, dtypes: tuple[Any, ...], shape: tuple[int | None, ...]) -> None:
    if not isinstance(column, np.ndarray):
        raise BatchError(found=f"{name} as a {type(column).__name__}", needed=_column(name, dtypes, shape))
    array = cast("NDArray[Any]", column)
    fits = len(array.shape) == len(shape) and all(
        want is None or have == want for have, want in zip(array.shape, shape, strict=False)
    )
    if array.dtype not in dtypes or not fits:
        found = f"{name} of shape {array.shape} and dtype {array.dtype}"
        raise BatchError(found=found, needed=_column(name, dtypes, shape))


def _column(name: str, dtypes: tuple[Any, ...], shape: tuple[int | None, ...]) -> str:
    return f"{name} of shape {shape} and dtype {' or '.join(np.dtype(kind).name for kind in dtypes)}"


@dataclass(frozen=True, slots=True, kw_only=True)
class CommitBatch:
    """Signed commitments of k agents of one host: the hash of each one's update, before any is shown.

    Attributes:
        commitments: ``(k, 32) uint8``: see `federation.identity.commitment`.
        signatures: ``(k, 64) uint8`` over them.
    """

    host: str
    statement: Statement
    agents: tuple[str, ...]
    commitments: Bytes2D = field(repr=False)
    signatures: Bytes2D = field(repr=False)
