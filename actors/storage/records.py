"""What the storage keeps: frozen records, checked when they are made. Times are unix seconds that the caller gives."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any, Final

from federation.errors import SettingError

DAY_S: Final = 86_400.0
LARGEST_DOCUMENT: Final = 256 * 1024
"""Bytes of a client's document (the architecture's section 7.3)."""
LARGEST_STATEMENT: Final = 1_000
"""Characters of what a client may say in an appeal."""
LARGEST_COUNT: Final = 2**53 - 1


class ClientState(StrEnum):
    """What a client may do: everything, nothing until somebody has looked, nothing any more."""

    ACTIVE = "active"
    QUARANTINED = "quarantined"
    DEREGISTERED = "deregistered"


class Outcome(StrEnum):
    """What became of a submission.

    ``duplicate`` is the same document again, which is answered as the first was; ``conflict`` is another document
    under a nonce that was used.
    """

    ACCEPTED = "accepted"
    DUPLICATE = "duplicate"
    CONFLICT = "conflict"
    RATE_LIMITED = "rate_limited"


def day_of(now: float) -> int:
    """The number of the UTC day, counted from 1970."""
    return math.floor(now / DAY_S)


def _words(record: object, /, **longest: int) -> None:
    """Return if the named fields are texts that every database takes, at most so many characters long."""
    for name, most in longest.items():
        found = getattr(record, name)
        if found is None:
            continue
        if not isinstance(found, str) or len(found) > most or "\x00" in found:
            shown = found[:64] if isinstance(found, str) else type(found).__name__
            raise SettingError(name=name, found=shown, needed=f"a text of at most {most} characters without NUL")


def _counts(record: object, /, *names: str) -> None:
    for name in names:
        if not 0 <= getattr(record, name) <= LARGEST_COUNT:
            raise SettingError(name=name, found=getattr(record, name), needed=f"from 0 to {LARGEST_COUNT}")


@dataclass(frozen=True, slots=True, kw_only=True)
class Client:
    """An installation outside of the trust domain.

    Attributes:
        id: 64 hex digits, made from the installation's hash with the server's secret: by itself it says nothing.
        public_key: 32 bytes, Ed25519. Never replaced.
        region: whose door brings in its submissions.
        platform, plugin_version, schema_version: what it said at its registration.
        consent_at: when its user agreed.
        analytics: whether its user agreed to that, too.
        state: see `ClientState`.
        registered_at: when it came first.
        seen_at: the start of the UTC day on which it was heard of last.
        token_hash: of its token; empty when it has none.
        token_expires: when the token ends.
        purge_at: when its traces are to go; None unless it is deregistered.
    """

    id: str
    public_key: bytes = field(repr=False)
    region: str = "global"
    platform: str = ""
    plugin_version: str = ""
    schema_version: str = ""
    consent_at: float = 0.0
    analytics: bool = False
    state: ClientState = ClientState.ACTIVE
    registered_at: float = 0.0
    seen_at: float = 0.0
    token_hash: bytes = field(default=b"", repr=False)
    token_expires: float = 0.0
    purge_at: float | None = None

    def __post_init__(self) -> None:
        _words(self, id=64, region=64, platform=64, plugin_version=64, schema_version=32)
        if not self.id:
            raise SettingError(name="id", found=self.id, needed="not empty")
        if len(self.public_key) != 32:
            raise SettingError(name="public_key", found=f"{len(self.public_key)} bytes", needed="32 bytes")
        object.__setattr__(self, "state", ClientState(self.state))
        object.__setattr__(self, "seen_at", day_of(self.seen_at) * DAY_S)


@dataclass(frozen=True, slots=True, kw_only=True)
class Submission:
    """A client's document as it came in.

    Attributes:
        client, region: whose, and through which door.
        nonce: what makes it one of a kind among the client's.
        window: the window in which it counts.
        base_version: the release that its changes are relative to; None before the first.
        received_at: when it came.
        document: RFC 8785 bytes, which were signed. Erased once the window is consumed.
        signature: of the document, by the client's key.
        experiences: how many the client says are behind it.
    """

    client: str
    region: str = "global"
    nonce: str
    window: int
    base_version: str | None = None
    received_at: float
    document: bytes = field(repr=False)
    signature: bytes = field(default=b"", repr=False)
    experiences: int = 0

    def __post_init__(self) -> None:
        _words(self, client=64, region=64, nonce=64, base_version=32)
        _counts(self, "window", "experiences")
        for name, most in (("document", LARGEST_DOCUMENT), ("signature", 256)):
            if len(getattr(self, name)) > most:
                found = f"{len(getattr(self, name))} bytes"
                raise SettingError(name=name, found=found, needed=f"at most {most} bytes")


@dataclass(frozen=True, slots=True, kw_only=True)
class Added:
    """What became of one submission.

    Attributes:
        outcome: see `Outcome`.
        window: the window in which it counts; for a duplicate, that of the first. Later than the submission's own
            when that was closed in the meantime.
        used: submissions of this client that were accepted this day, this one included.
        resets_at: when the next day begins, and with it a new allowance.
    """

    outcome: Outcome
    window: int
    used: int
    resets_at: float


@dataclass(frozen=True, slots=True, kw_only=True)
class ReleaseRecord:
    """A release as the world sees it.

    Attributes:
        version: semantic, ``"1.2.47"``.
        number: the swarm's own number of it; counts up.
        window: the window that it came from.
        parent: the version before it; None for the first.
        created_at: when it was made.
        checksum: ``"sha256:..."`` of its weights.
        participants, patterns: how many clients, how many keys.
        epsilon: privacy that it spent.
        restores: the version that it brings back; None unless it is a rollback.
        state: what became of it, in a word of the clerk's.
        row: the artefact; empty in lists.
        facts: further small JSON values.
    """

    version: str
    number: int
    window: int
    parent: str | None = None
    created_at: float
    checksum: str
    participants: int = 0
    patterns: int = 0
    epsilon: float = 0.0
    restores: str | None = None
    state: str = "published"
    row: bytes = field(default=b"", repr=False)
    facts: Mapping[str, Any] = field(default_factory=dict[str, Any])

    def __post_init__(self) -> None:
        _words(self, version=32, parent=32, restores=32, checksum=128, state=32)
        _counts(self, "number", "window", "participants", "patterns")
        object.__setattr__(self, "facts", dict(self.facts))


@dataclass(frozen=True, slots=True, kw_only=True)
class AuditEntry:
    """An action that somebody took; never what was in it.

    Attributes:
        sequence: counts up in the order of writing.
        at: when.
        action: what, in a word: ``"register"``, ``"submit"``, ``"approve"``, ...
        actor: ``"client"``, ``"operator"`` or ``"clerk"``.
        name: which one; empty for a client that was purged.
        code: what came of it: ``"ok"`` or an error's code.
    """

    sequence: int
    at: float
    action: str
    actor: str
    name: str
    code: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Appeal:
    """What a quarantined client says for itself, until somebody has decided."""

    client: str
    at: float
    statement: str = field(default="", repr=False)

    def __post_init__(self) -> None:
        _words(self, client=64, statement=LARGEST_STATEMENT)
