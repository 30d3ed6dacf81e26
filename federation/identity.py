"""Who signed what: Ed25519 keys, the canonical bytes that are signed, and proofs of equivocation.

Wire rules. Every signed message begins with its own domain tag, ends in a version digit, and encodes
each variable-length field behind its length, so that no two messages share their bytes. A field is
never removed, reordered or given another meaning; a change of meaning takes a new tag.
"""

from __future__ import annotations

import hashlib
import hmac
import struct
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any

import numpy as np
from nacl.bindings import crypto_sign, crypto_sign_BYTES, crypto_sign_open, crypto_sign_seed_keypair
from nacl.exceptions import CryptoError
from numpy.typing import NDArray

from federation.errors import ProofError, SettingError
from federation.kernels.blocks import cores

DIGEST_BYTES = 32
SIGNATURE_BYTES = crypto_sign_BYTES
NONCE_BYTES = 16

Bytes2D = NDArray[np.uint8]


class Secret:
    """32 secret bytes that never show themselves: not in repr, logs, spans or errors."""

    __slots__ = ("_value",)

    def __init__(self, value: bytes) -> None:
        if len(value) != 32:
            raise SettingError(name="secret", found=f"{len(value)} bytes", needed="32 bytes")
        self._value = value

    def __repr__(self) -> str:
        return "Secret(32 bytes)"

    def derive(self, *purpose: str) -> Secret:
        """A secret of its own for a purpose: HMAC-SHA-256 of the purpose's words under this one."""
        return Secret(hmac.digest(self._value, framed(*purpose), "sha256"))

    def nonce(self, *purpose: str) -> bytes:
        """16 bytes nobody without the secret can foresee; the same for the same purpose."""
        return self.derive("nonce", *purpose).reveal()[:NONCE_BYTES]

    def reveal(self) -> bytes:
        """The bytes themselves, for storing or for a key. Never print the result."""
        return self._value


@dataclass(frozen=True, slots=True, repr=False)
class SigningKey:
    """An Ed25519 key pair (RFC 8032). Signatures are deterministic."""

    public: bytes
    _secret: bytes

    @classmethod
    def of(cls, secret: Secret) -> SigningKey:
        public, private = crypto_sign_seed_keypair(secret.reveal())
        return cls(public, private)

    def __repr__(self) -> str:
        return f"SigningKey(public={self.public.hex()})"

    def sign(self, message: bytes) -> bytes:
        """64 bytes of signature."""
        return crypto_sign(message, self._secret)[:SIGNATURE_BYTES]


def verify(public: bytes, message: bytes, signature: bytes) -> bool:
    """Whether ``signature`` is of ``message`` under ``public``. Malformed input is simply False."""
    if len(public) != 32 or len(signature) != SIGNATURE_BYTES:
        return False
    try:
        crypto_sign_open(signature + message, public)
    except CryptoError:
        return False
    return True


def verify_all(publics: Sequence[bytes], messages: Sequence[bytes], signatures: Sequence[bytes]) -> NDArray[np.bool_]:
    """``(k,)``: `verify` of each triple.

    libsodium lets go of the GIL while it computes, so a large batch is shared out over the cores.
    """
    triples = list(zip(publics, messages, signatures, strict=True))
    shares = min(cores(), len(triples) // SHARE)
    if shares < 2:
        return np.array([verify(*triple) for triple in triples], dtype=np.bool_)
    size = -(-len(triples) // shares)
    parts = [triples[start : start + size] for start in range(0, len(triples), size)]
    with ThreadPoolExecutor(shares) as pool:
        found = list(pool.map(_verified, parts))
    return np.array([good for part in found for good in part], dtype=np.bool_)


def _verified(triples: Sequence[tuple[bytes, bytes, bytes]]) -> list[bool]:
    return [verify(*triple) for triple in triples]


SHARE = 16
"""Signatures for which starting a thread pays: about 1 ms of work."""


def framed(*fields: bytes | str) -> bytes:
    """The fields one after another, each behind its length as a little-endian u32."""
    parts: list[bytes] = []
    for field in fields:
        raw = field.encode() if isinstance(field, str) else field
        parts += (_LENGTH(len(raw)), raw)
    return b"".join(parts)


_LENGTH = struct.Struct("<I").pack


def rows_of(rows: Bytes2D) -> list[bytes]:
    """The bytes of each row of a ``(k, w) uint8`` table."""
    width, table = rows.shape[1], rows.tobytes()
    return [table[start : start + width] for start in range(0, len(table), width)]


def payload_digests(codec: str, payload: NDArray[Any], weights: NDArray[np.float64]) -> Bytes2D:
    """``(k, 32) uint8``: SHA-256 of each agent's payload row together with the weight it declares."""
    rows = np.ascontiguousarray(payload)
    head = hashlib.sha256(b"swarmlore/payload/1" + framed(codec, rows.dtype.str) + struct.pack("<Q", rows.shape[1]))
    declared = np.ascontiguousarray(weights, dtype="<f8").tobytes()
    width = rows.dtype.itemsize * rows.shape[1]
    flat = rows.reshape(-1).view(np.uint8).data
    digests: list[bytes] = []
    for row in range(len(rows)):
        state = head.copy()
        state.update(declared[8 * row : 8 * row + 8])
        state.update(flat[width * row : width * row + width])
        digests.append(state.digest())
    return np.frombuffer(b"".join(digests), np.uint8).reshape(-1, DIGEST_BYTES)


@dataclass(frozen=True, slots=True, kw_only=True)
class Statement:
    """What an agent signs about its update: which round, on which base, with which payload.

    ``message`` is the canonical encoding of (run, round, kind, base digest, agent id, payload digest).
    """

    run: str
    round: int
    kind: str
    base: bytes

    def prefix(self) -> bytes:
        """The part of the message that all agents of a round share."""
        return b"swarmlore/update/1" + framed(self.run, struct.pack("<Q", self.round), self.kind, self.base)

    def message(self, agent: str, digest: bytes) -> bytes:
        return self.prefix() + framed(agent, digest)

    def messages(self, agents: Sequence[str], digests: Bytes2D) -> list[bytes]:
        """One message an agent, sharing the prefix."""
        return self._addressed(self.prefix(), agents, digests)

    def commitments(self, agents: Sequence[str], commitments: Bytes2D) -> list[bytes]:
        """What agents sign when they commit before they reveal."""
        return self._addressed(b"swarmlore/commitment/1" + self.prefix(), agents, commitments)

    @staticmethod
    def _addressed(prefix: bytes, agents: Sequence[str], digests: Bytes2D) -> list[bytes]:
        length = _LENGTH(DIGEST_BYTES)
        names = [agent.encode() for agent in agents]
        return [
            b"".join((prefix, _LENGTH(len(name)), name, length, digest))
            for name, digest in zip(names, rows_of(digests), strict=True)
        ]


def commitment(agent: str, digest: bytes, nonce: bytes) -> bytes:
    """The hash that binds an agent to a payload digest without showing it. Another agent's opens nothing."""
    return hashlib.sha256(b"swarmlore/seal/1" + framed(agent, digest, nonce)).digest()


@dataclass(frozen=True, slots=True, kw_only=True)
class EquivocationProof:
    """Two signatures by one agent on different payloads for one round: its own conviction.

    Anyone who has the agent's public key can check it, without having been there.
    """

    statement: Statement
    agent: str
    digests: tuple[bytes, bytes]
    signatures: tuple[bytes, bytes]

    def holds(self, public: bytes) -> bool:
        """Whether both signatures are the agent's and the payloads differ."""
        return self.digests[0] != self.digests[1] and all(
            verify(public, self.statement.message(self.agent, digest), signature)
            for digest, signature in zip(self.digests, self.signatures, strict=True)
        )

    def to_dict(self) -> dict[str, Any]:
        """The proof as plain data, bytes in hex."""
        return {
            "run": self.statement.run,
            "round": self.statement.round,
            "kind": self.statement.kind,
            "base": self.statement.base.hex(),
            "agent": self.agent,
            "digests": [digest.hex() for digest in self.digests],
            "signatures": [signature.hex() for signature in self.signatures],
        }

    @classmethod
    def from_dict(cls, data: Mapping[str, Any]) -> EquivocationProof:
        """The proof that `to_dict` wrote.

        Raises:
            ProofError: when a field is missing or is not what it should be.
        """
        try:
            first, second = (bytes.fromhex(digest) for digest in data["digests"])
            one, two = (bytes.fromhex(signature) for signature in data["signatures"])
            statement = Statement(
                run=str(data["run"]),
                round=int(data["round"]),
                kind=str(data["kind"]),
                base=bytes.fromhex(data["base"]),
            )
            return cls(
                statement=statement,
                agent=str(data["agent"]),
                digests=(first, second),
                signatures=(one, two),
            )
        except (KeyError, TypeError, ValueError) as error:
            raise ProofError(found=f"{type(error).__name__}: {error}") from error
