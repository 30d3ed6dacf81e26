"""How an installation stands to its federation: consent, registration, what was sent last."""

from __future__ import annotations

from dataclasses import dataclass, fields
from typing import Any

from gateway.client.folder import Folder

FILE = "standing.json"


@dataclass(frozen=True, slots=True, kw_only=True)
class Consent:
    """What the user agreed to.

    Attributes:
        server: the one federation that it is given to.
        analytics: whether use may be counted, too.
        day: ISO date on which it was given.
    """

    server: str
    analytics: bool
    day: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Standing:
    """A value; kept in the folder.

    Attributes:
        consent: None without; that is how it begins.
        server: that the installation is registered at.
        client: its id there; None before.
        server_key: pinned.
        expires_at: of the token, Unix time.
        round: newest that is known of.
        sent_round, sent_digest, sent_at: of the last accepted delta.
        quarantined: the last submission was refused for that.
        leaving: consent was taken back while the server could not be told.
        version: of the newest release that was ever applied.
        synced_at: Unix time of the last whole cycle.
        damaged: something had to be reset, and the release was not fetched again yet.
    """

    consent: Consent | None = None
    server: str | None = None
    client: str | None = None
    server_key: str | None = None
    expires_at: float | None = None
    round: int | None = None
    sent_round: int | None = None
    sent_digest: str | None = None
    sent_at: float | None = None
    quarantined: bool = False
    leaving: bool = False
    version: str | None = None
    synced_at: float | None = None
    damaged: bool = False

    def plain(self) -> dict[str, Any]:
        """As JSON has it."""
        found: dict[str, Any] = {one.name: getattr(self, one.name) for one in fields(self) if one.name != "consent"}
        consent = self.consent
        found["consent"] = None if consent is None else {name: getattr(consent, name) for name in Consent.__slots__}
        return found


def standing_in(folder: Folder) -> Standing:
    """The standing in a folder. Where it cannot be read, and its copy neither, there is no consent."""
    found, _ = folder.get(FILE)
    if not isinstance(found, dict):
        return Standing()
    try:
        consent = found.get("consent")
        known = {one.name for one in fields(Standing)} - {"consent"}
        return Standing(
            consent=None
            if consent is None
            else Consent(
                server=str(consent["server"]), analytics=consent["analytics"] is True, day=str(consent["day"])
            ),
            **{name: value for name, value in found.items() if name in known},
        )
    except (KeyError, TypeError):
        return Standing()
