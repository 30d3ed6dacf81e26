"""Where an installation stands, for people and programs; no secret is in it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from gateway.client.diary import INBOX
from gateway.client.folder import Folder
from gateway.client.identity import FILE as IDENTITY
from gateway.client.vault import vault_of

if TYPE_CHECKING:
    from gateway.client.client import FederationClient


def overview(client: FederationClient) -> dict[str, Any]:
    """The standing, what waits, what is in force."""
    standing, queue, state = client.standing, client.outbox.queue, client.load()
    installed = state.installed
    return {
        "state_dir": str(client.folder.path),
        "server": client.settings.server,
        "consent": standing.plain()["consent"],
        "leaving": standing.leaving,
        "registered": standing.client is not None,
        "client": standing.client,
        "server_key": standing.server_key,
        "token": _token(client),
        "token_expires_at": standing.expires_at,
        "quarantined": standing.quarantined,
        "version": state.version,
        "held": state.held.version if state.held else None,
        "own_share": installed.ratio if installed else None,
        "experiences": state.own.experiences,
        "patterns": len(state.own.patterns),
        "recorded": len(client.folder.names(INBOX)),
        "weights": len(installed.weights) if installed else 0,
        "fast": sorted(state.cache.keys),
        "damaged": state.reset or standing.damaged,
        "round": standing.round,
        "sent_at": standing.sent_at,
        "synced_at": standing.synced_at,
        "pending": [
            {
                "nonce": one.nonce,
                "keys": one.marks.get("keys"),
                "round": one.marks.get("round"),
                "attempts": one.attempts,
                "made_at": one.made_at,
                "due_at": one.due_at,
            }
            for one in queue.items
        ],
    }


def _token(client: FederationClient) -> str | None:
    """Where the token is kept; None where there is none. Nothing is made by asking."""
    folder: Folder = client.folder
    if client.standing.client is None or folder.get(IDENTITY)[0] is None:
        return None
    account = client.account.identity.installation_hash.removeprefix("sha256:")[:32]
    return vault_of(folder, account, keychain=client.settings.keychain).name
