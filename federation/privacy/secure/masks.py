"""Keys, masks and sealed shares: X25519, HKDF-SHA-256, ChaCha20 and ChaCha20-Poly1305.

Every derived key has its own label, ends in a version digit, and is bound to the session and to both parties.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass

import numpy as np
from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey, X25519PublicKey
from cryptography.hazmat.primitives.ciphers import Cipher
from cryptography.hazmat.primitives.ciphers.aead import ChaCha20Poly1305
from cryptography.hazmat.primitives.ciphers.algorithms import ChaCha20
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

from federation.identity import Secret, framed
from federation.privacy.errors import KeyReplayError
from federation.privacy.secure.fixed_point import Words

KEY_BYTES = 32


@dataclass(frozen=True, slots=True, repr=False)
class AgreementKey:
    """An X25519 key pair (RFC 7748) for one session."""

    public: bytes
    secret: Secret

    @classmethod
    def of(cls, secret: Secret) -> AgreementKey:
        private = X25519PrivateKey.from_private_bytes(secret.reveal())
        return cls(private.public_key().public_bytes_raw(), secret)

    def __repr__(self) -> str:
        return f"AgreementKey(public={self.public.hex()})"

    def agree(self, public: bytes, *, peer: str, label: bytes) -> Secret:
        """The secret shared with the owner of ``public``, for one purpose: HKDF (RFC 5869) of what X25519 gives.

        Raises:
            KeyReplayError: for a key of small order, or none at all.
        """
        try:
            shared = X25519PrivateKey.from_private_bytes(self.secret.reveal()).exchange(
                X25519PublicKey.from_public_bytes(public)
            )
        except ValueError as error:
            raise KeyReplayError(agent=peer, found="not a usable X25519 key") from error
        return Secret(HKDF(algorithm=SHA256(), length=KEY_BYTES, salt=None, info=label).derive(shared))


def pair_label(purpose: str, session: bytes, one: str, two: str) -> bytes:
    """What a key of two agents is bound to; the same whichever of them asks."""
    first, second = sorted((one, two))
    return f"swarmlore/secure/{purpose}/1".encode() + framed(session, first, second)


def mask(seed: Secret, dimension: int) -> Words:
    """``(dimension,) uint32``: the ChaCha20 stream (RFC 8439) under the seed, as little-endian words.

    The nonce is zero: a seed is used for one mask.
    """
    stream = Cipher(ChaCha20(seed.reveal(), bytes(16)), mode=None).encryptor()
    return np.frombuffer(stream.update(bytes(4 * dimension)), "<u4").astype(np.uint32)


def seal(key: Secret, plain: bytes, *, route: bytes) -> bytes:
    """The bytes, encrypted and bound to a route (ChaCha20-Poly1305). One message per key and route."""
    nonce = hashlib.sha256(b"swarmlore/secure/nonce/1" + route).digest()[:12]
    return ChaCha20Poly1305(key.reveal()).encrypt(nonce, plain, route)


def unseal(key: Secret, sealed: bytes, *, route: bytes) -> bytes | None:
    """What was sealed under this key for this route; None for anything else."""
    nonce = hashlib.sha256(b"swarmlore/secure/nonce/1" + route).digest()[:12]
    try:
        return ChaCha20Poly1305(key.reveal()).decrypt(nonce, sealed, route)
    except InvalidTag:
        return None
