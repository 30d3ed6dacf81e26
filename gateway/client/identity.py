"""Who an installation is: a random number and a key pair, made here and bound to no user."""

from __future__ import annotations

import base64
import hashlib
import secrets
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from gateway.client.errors import FolderError
from gateway.client.folder import Folder

FILE = "identity.json"
_BYTES = 32


@dataclass(frozen=True, slots=True, kw_only=True)
class Identity:
    """The secrets of an installation. None of them leaves it.

    Attributes:
        installation: 32 random bytes; the server gets their hash.
        seed: of the Ed25519 key that signs deltas.
        salt: of the hashes of session ids.
    """

    installation: bytes = field(repr=False)
    seed: bytes = field(repr=False)
    salt: bytes = field(repr=False)

    @property
    def installation_hash(self) -> str:
        """``sha256:`` and the hash of the installation's number."""
        return "sha256:" + hashlib.sha256(self.installation).hexdigest()

    @property
    def public_key(self) -> str:
        """``ed25519:`` and the public key in base64."""
        from nacl.signing import SigningKey

        return named(bytes(SigningKey(self.seed).verify_key))

    def sign(self, message: bytes) -> str:
        """``ed25519:`` and the signature of a message in base64."""
        from nacl.signing import SigningKey

        return named(SigningKey(self.seed).sign(message).signature)


def named(raw: bytes) -> str:
    """``ed25519:`` and bytes in base64."""
    return "ed25519:" + base64.b64encode(raw).decode()


def raw_of(text: str, *, length: int) -> bytes | None:
    """The bytes that `named` wrote, also in the URL-safe alphabet; None unless they are so many."""
    kind, _, coded = text.partition(":")
    try:
        found = base64.b64decode(coded.replace("-", "+").replace("_", "/") + "=" * (-len(coded) % 4), validate=True)
    except ValueError:
        return None
    return found if kind == "ed25519" and len(found) == length else None


def verified(key: str, message: bytes, signature: str) -> bool:
    """Whether a signature is the key's. Malformed input is simply False."""
    from nacl.exceptions import BadSignatureError
    from nacl.signing import VerifyKey

    public, raw = raw_of(key, length=32), raw_of(signature, length=64)
    if public is None or raw is None:
        return False
    try:
        VerifyKey(public).verify(message, raw)
    except (BadSignatureError, ValueError):
        return False
    return True


def identity_in(folder: Folder, draw: Callable[[int], bytes] = secrets.token_bytes) -> Identity:
    """The identity in a folder, made when there is none.

    Raises:
        FolderError: when it is damaged, and its copy, too. A new one would be another installation.
    """
    found, damaged = folder.get(FILE)
    if found is None and damaged:
        needed = f"an undamaged file; remove {FILE} and its copy to go on as a new installation"
        raise FolderError(path=str(folder.path / FILE), found="a damaged file and a damaged copy", needed=needed)
    if found is None:
        made = Identity(installation=draw(_BYTES), seed=draw(_BYTES), salt=draw(_BYTES))
        folder.put(FILE, {name: getattr(made, name).hex() for name in Identity.__dataclass_fields__})
        return made
    return _of(found, folder)


def _of(found: Any, folder: Folder) -> Identity:
    try:
        made = {name: bytes.fromhex(found[name]) for name in Identity.__dataclass_fields__}
    except (KeyError, TypeError, ValueError):
        made = {}
    if not made or any(len(value) != _BYTES for value in made.values()):
        raise FolderError(path=str(folder.path / FILE), found="something else", needed="an installation's secrets")
    return Identity(**made)
