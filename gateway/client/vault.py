"""Where the token is kept: the operating system's keychain where there is one, else a file for its owner only."""

from __future__ import annotations

import contextlib
import importlib.util
from typing import Any, Protocol

from gateway.client.errors import DamagedError
from gateway.client.folder import Folder, seal, unsealed

SERVICE = "swarmlore federation"
FILE = "token.json"


class Vault(Protocol):
    """A place for one token."""

    name: str

    def get(self) -> str | None:
        """The token; None where there is none that can be read."""
        ...

    def put(self, token: str) -> None: ...

    def drop(self) -> None: ...


class FileVault:
    """A file of mode 0600.

    Args:
        folder: it lies in.
    """

    name = "file"

    def __init__(self, folder: Folder) -> None:
        self._folder = folder

    def get(self) -> str | None:
        """The token; a damaged file is no token, and registering again gives another."""
        try:
            content = self._folder.read(FILE, 4096)
            found = None if content is None else unsealed(content, name=FILE)
        except DamagedError:
            return None
        return found if isinstance(found, str) else None

    def put(self, token: str) -> None:
        """Keep a token."""
        self._folder.write(FILE, seal(token))

    def drop(self) -> None:
        """Forget the token."""
        self._folder.delete(FILE)


class KeychainVault:
    """The keychain of the operating system, through `keyring`; the file where the keychain fails.

    Args:
        account: the name of the entry.
        fallback: for when the keychain is locked, or takes nothing.
    """

    name = "keychain"

    def __init__(self, account: str, fallback: FileVault) -> None:
        self._account, self._fallback = account, fallback

    def get(self) -> str | None:
        """The token."""
        import keyring
        import keyring.errors

        try:
            return keyring.get_password(SERVICE, self._account) or self._fallback.get()
        except keyring.errors.KeyringError:
            return self._fallback.get()

    def put(self, token: str) -> None:
        """Keep a token, in one of the two places."""
        import keyring
        import keyring.errors

        try:
            keyring.set_password(SERVICE, self._account, token)
        except keyring.errors.KeyringError:
            self.name = FileVault.name
            self._fallback.put(token)
        else:
            self._fallback.drop()

    def drop(self) -> None:
        """Forget the token in both places."""
        import keyring
        import keyring.errors

        # There may be none, or it cannot be asked; a deregistered token opens nothing.
        with contextlib.suppress(keyring.errors.KeyringError):
            keyring.delete_password(SERVICE, self._account)
        self._fallback.drop()


def vault_of(folder: Folder, account: str, *, keychain: bool | None) -> Vault:
    """The keychain where it is wanted, installed and works; else the file."""
    file = FileVault(folder)
    if keychain is False or importlib.util.find_spec("keyring") is None:
        return file
    return KeychainVault(account, file) if _usable() else file


def _usable() -> bool:
    import keyring

    found: Any = keyring.get_keyring()
    try:
        return float(found.priority) > 0  # the backend that fails always has 0
    except Exception:  # noqa: BLE001 - a backend that cannot even say so is none; third-party code raises anything
        return False
