"""What a client is told: where the federation is, where its state lives, and whom to trust."""

from __future__ import annotations

import os
import re
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from federation.errors import SettingError

if TYPE_CHECKING:
    from workloads.patterns import CacheSettings, KeySpace

BASE_PATH = "/federation/v1"
_KEY = re.compile(r"ed25519:[A-Za-z0-9+/]{43}=")
_PIN = re.compile(r"(?:cert|spki)-sha256:[0-9a-f]{64}")
_WORD = re.compile(r"[A-Za-z0-9][A-Za-z0-9._+-]{0,31}")
_LOOPBACK = frozenset({"localhost", "127.0.0.1", "::1"})


@dataclass(frozen=True, slots=True, kw_only=True)
class Trust:
    """Whom a client takes for its server.

    Attributes:
        server_key: the key that signs releases, ``ed25519:<base64>``; None to keep the one that the first
            registration shows, and no other.
        ca_file: PEM file with the authorities to go by instead of the system's.
        certificate, certificate_key: PEM files that the client shows (mutual TLS).
        pins: ``cert-sha256:<hex>`` of a certificate or ``spki-sha256:<hex>`` of its public key. With any given, the
            server's must be one of them, beside being valid. Give a spare one before a key is changed.
        proxy: whether ``HTTPS_PROXY``, ``HTTP_PROXY`` and ``NO_PROXY`` count.
    """

    server_key: str | None = None
    ca_file: Path | None = None
    certificate: Path | None = None
    certificate_key: Path | None = None
    pins: tuple[str, ...] = ()
    proxy: bool = True

    def __post_init__(self) -> None:
        object.__setattr__(self, "pins", tuple(self.pins))
        if self.server_key is not None and not _KEY.fullmatch(self.server_key):
            raise SettingError(name="server_key", found=self.server_key, needed="ed25519: and 32 bytes of base64")
        for pin in self.pins:
            if not _PIN.fullmatch(pin):
                raise SettingError(name="a pin", found=pin, needed="cert-sha256: or spki-sha256: and 64 hex digits")
        if self.certificate_key is not None and self.certificate is None:
            raise SettingError(name="certificate", found=None, needed="a PEM file, as there is a key for it")


@dataclass(frozen=True, slots=True, kw_only=True)
class ClientSettings:
    """The settings of a federation client.

    Attributes:
        server: base URL, such as ``https://federation.example/federation/v1``; that path is added where there is
            none. Plain http is taken for this machine only.
        state_dir: folder of the state; see `default_state_dir`.
        trust: whom to take for the server.
        space: the patterns that there are, and the only words that leave; None for `workloads.patterns.STANDARD`.
        plugin_version, region: told at registration. No region means the server's choice.
        local_priority: the user prefers own patterns: own share 0.7.
        cache: when patterns go into the fast cache; None for its defaults.
        keychain: whether the token goes into the operating system's keychain; None for "where there is one".
        timeout_s: for one request, from connecting to the last byte.
        most_bytes: the largest release that is taken.
    """

    server: str
    state_dir: Path = field(default_factory=lambda: default_state_dir())
    trust: Trust = field(default_factory=Trust)
    space: KeySpace | None = None
    plugin_version: str = "0.1.0"
    region: str | None = None
    local_priority: bool = False
    cache: CacheSettings | None = None
    keychain: bool | None = None
    timeout_s: float = 30.0
    most_bytes: int = 4 << 20

    def __post_init__(self) -> None:
        object.__setattr__(self, "server", server_of(self.server))
        object.__setattr__(self, "state_dir", Path(self.state_dir).expanduser())
        for name in ("plugin_version", "region"):
            value = getattr(self, name)
            if value is not None and not _WORD.fullmatch(value):
                raise SettingError(name=name, found=value, needed="up to 32 letters, digits, ., _, + or -")
        if not 0 < self.timeout_s <= 600:
            raise SettingError(name="timeout_s", found=self.timeout_s, needed="above 0 and at most 600")
        if not 1024 <= self.most_bytes <= 64 << 20:
            raise SettingError(name="most_bytes", found=self.most_bytes, needed="1 KiB to 64 MiB")

    @classmethod
    def of(cls, server: str, **settings: Any) -> ClientSettings:
        """Settings for a server, with those of `Trust` among the others."""
        trust = {name: settings.pop(name) for name in Trust.__dataclass_fields__ if name in settings}
        return cls(server=server, **({"trust": Trust(**trust)} if trust else {}), **settings)


def default_state_dir() -> Path:
    """``SWARMLORE_CLIENT_DIR``, else ``swarmlore/client`` in ``XDG_STATE_HOME`` or ``~/.local/state``."""
    if given := os.environ.get("SWARMLORE_CLIENT_DIR"):
        return Path(given)
    state = os.environ.get("XDG_STATE_HOME")
    return (Path(state) if state else Path.home() / ".local" / "state") / "swarmlore" / "client"


def server_of(text: str) -> str:
    """A server's base URL without a slash at its end, its path `BASE_PATH` where none is given.

    Raises:
        SettingError: for no URL, one with credentials or a query, or plain http to another machine.
    """
    needed = "https://HOST[:PORT], or http:// to this machine"
    try:
        parts = urlsplit(text)
        host, _ = parts.hostname, parts.port
    except ValueError:
        host, parts = None, urlsplit("")
    if not host or parts.username or parts.password or parts.query or parts.fragment:
        raise SettingError(name="server", found=text.rpartition("@")[2][:200], needed=needed)
    if parts.scheme != "https" and not (parts.scheme == "http" and host in _LOOPBACK):
        raise SettingError(name="server", found=text[:200], needed=f"{needed}: a token does not travel in the clear")
    return f"{parts.scheme}://{parts.netloc}{parts.path.rstrip('/') or BASE_PATH}"
