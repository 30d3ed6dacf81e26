"""Where the token is: the keychain where one works, else a file."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import keyring
import keyring.backend
import keyring.errors
import pytest

from gateway.client.folder import Folder
from gateway.client.vault import FileVault, KeychainVault, vault_of


class Keychain(keyring.backend.KeyringBackend):
    """A keychain in memory, which can be locked."""

    priority = 1  # pyright: ignore[reportAssignmentType, reportIncompatibleMethodOverride]

    def __init__(self) -> None:
        super().__init__()
        self.held: dict[tuple[str, str], str] = {}
        self.locked = False

    def get_password(self, service: str, username: str) -> str | None:
        self._open()
        return self.held.get((service, username))

    def set_password(self, service: str, username: str, password: str) -> None:
        self._open()
        self.held[service, username] = password

    def delete_password(self, service: str, username: str) -> None:
        self._open()
        if (service, username) not in self.held:
            raise keyring.errors.PasswordDeleteError
        del self.held[service, username]

    def _open(self) -> None:
        if self.locked:
            raise keyring.errors.KeyringLocked


@pytest.fixture
def keychain() -> Iterator[Keychain]:
    before, made = keyring.get_keyring(), Keychain()
    keyring.set_keyring(made)
    yield made
    keyring.set_keyring(before)


@pytest.fixture
def folder(place: Path) -> Folder:
    return Folder(place)


def test_a_file_keeps_it(folder: Folder) -> None:
    vault = FileVault(folder)
    assert vault.get() is None
    vault.put("fed_secret")
    assert FileVault(folder).get() == "fed_secret"
    assert (folder.path / "token.json").stat().st_mode & 0o777 == 0o600
    vault.drop()
    vault.drop()
    assert vault.get() is None


@pytest.mark.parametrize("damage", [b"", b"{}", b'{"sha256": "", "body": "1"}', b"x" * 10_000])
def test_a_damaged_file_is_no_token(folder: Folder, damage: bytes) -> None:
    FileVault(folder).put("fed_secret")
    (folder.path / "token.json").write_bytes(damage)
    assert FileVault(folder).get() is None


def test_the_keychain_keeps_it_where_there_is_one(folder: Folder, keychain: Keychain) -> None:
    vault = vault_of(folder, "me", keychain=None)
    vault.put("fed_secret")
    assert (vault.name, vault.get()) == ("keychain", "fed_secret")
    assert list(keychain.held.values()) == ["fed_secret"]
    assert not (folder.path / "token.json").exists()
    vault.drop()
    vault.drop()
    assert keychain.held == {}


def test_a_locked_keychain_is_done_without(folder: Folder, keychain: Keychain) -> None:
    keychain.locked = True
    vault = vault_of(folder, "me", keychain=None)
    vault.put("fed_secret")
    assert (vault.name, vault.get()) == ("file", "fed_secret")
    keychain.locked = False
    vault = vault_of(folder, "me", keychain=None)
    assert vault.get() == "fed_secret"
    vault.put("fed_other")  # renewed: into the keychain, and the file goes
    assert not (folder.path / "token.json").exists()
    assert vault.get() == "fed_other"


def test_it_need_not_be_used(folder: Folder, keychain: Keychain) -> None:
    vault = vault_of(folder, "me", keychain=False)
    vault.put("fed_secret")
    assert vault.name == "file"
    assert keychain.held == {}


def test_a_backend_that_always_fails_is_none(folder: Folder) -> None:
    from keyring.backends import fail

    before = keyring.get_keyring()
    keyring.set_keyring(fail.Keyring())
    try:
        assert isinstance(vault_of(folder, "me", keychain=None), FileVault)
    finally:
        keyring.set_keyring(before)


def test_two_installations_have_two_entries(folder: Folder, keychain: Keychain) -> None:
    KeychainVault("one", FileVault(folder)).put("fed_one")
    KeychainVault("two", FileVault(folder)).put("fed_two")
    assert sorted(keychain.held.values()) == ["fed_one", "fed_two"]
