"""What can go wrong between an installation and its federation, one class for each meaning."""

from __future__ import annotations

from federation.errors import SwarmError


class ClientError(SwarmError):
    """The base of what a federation client raises on purpose."""

    code = "client.error"


class ConsentError(ClientError):
    """Nothing leaves an installation whose user has not agreed to it."""

    code = "client.consent"

    def __init__(self, *, doing: str, missing: str = "a federation") -> None:
        super().__init__(
            f"No consent to {missing} is given, so {doing} is not done. Give it with `give_consent` or `swarmlore "
            "client consent --on`; it can be taken back at any time.",
            doing=doing,
            missing=missing,
        )


class UnreachableError(ClientError):
    """No answer from the server in time: no network, no such host, a time limit, a connection that broke."""

    code = "client.unreachable"

    def __init__(self, *, server: str, reason: str) -> None:
        super().__init__(
            f"{server} gave no answer ({reason}). What is learned stays here and is sent later; check the address and "
            "the network if it lasts.",
            server=server,
            reason=reason,
        )


class ServerFailedError(ClientError):
    """The server answered with an error of its own (5xx). ``retry_after_s`` is what it asked for, if it did."""

    code = "client.server_failed"

    def __init__(self, *, status: int, detail: str = "", retry_after_s: float | None = None) -> None:
        super().__init__(
            f"The server answered {status}{_told(detail)}. It is asked again later.",
            status=status,
            detail=detail,
            retry_after_s=retry_after_s,
        )


class AnswerError(ClientError):
    """An answer that is not what the protocol has: too large, not JSON, fields missing."""

    code = "client.answer"

    def __init__(self, *, found: str, needed: str) -> None:
        super().__init__(f"The server's answer has {found}; needed {needed}. Is it a federation server?",
                         found=found, needed=needed)  # fmt: skip


class RedirectError(ClientError):
    """A redirect that would take the token, or a submission, elsewhere."""

    code = "client.redirect"

    def __init__(self, *, status: int, host: str) -> None:
        super().__init__(
            f"The server answered {status} and points to {host}; only downloads from the same server are followed. "
            "If the federation has moved, configure its new address.",
            status=status,
            host=host,
        )


class RefusedError(ClientError):
    """The server refused a request and will refuse it again. ``reason`` is the protocol's own code."""

    code = "client.refused"

    def __init__(self, *, status: int, reason: str, detail: str = "") -> None:
        super().__init__(
            f"The server refused with {status} {reason}{_told(detail)}. The request is not sent again as it is.",
            status=status,
            reason=reason,
            detail=detail,
        )


class TokenError(ClientError):
    """The server does not accept the token (401), not even after it was refreshed."""

    code = "client.token"

    def __init__(self, *, detail: str = "") -> None:
        super().__init__(
            f"The server does not accept this installation's token{_told(detail)}. Register again; if that is refused, "
            "ask who runs the federation.",
            detail=detail,
        )


class QuarantinedError(ClientError):
    """The server has quarantined this installation (403): its submissions looked poisoned."""

    code = "client.quarantined"

    def __init__(self, *, detail: str = "") -> None:
        super().__init__(
            f"The federation has quarantined this installation{_told(detail)}: its submissions are not taken. Local "
            "patterns work on. Ask for a review with `appeal` or `swarmlore client appeal`.",
            detail=detail,
        )


class RateLimitedError(ClientError):
    """The server takes no more for now (429). ``retry_after_s`` is what it asked for, if it did."""

    code = "client.rate_limited"

    def __init__(self, *, reason: str, retry_after_s: float | None = None) -> None:
        when = "later" if retry_after_s is None else f"in {retry_after_s:.0f} s"
        super().__init__(
            f"The server takes no more for now ({reason}). It is tried again {when}.",
            reason=reason,
            retry_after_s=retry_after_s,
        )


class NotRegisteredError(ClientError):
    """This needs a registration, and there is none."""

    code = "client.not_registered"

    def __init__(self, *, doing: str) -> None:
        super().__init__(
            f"{doing} needs a registration, and this installation has none. Call `register`, or run `swarmlore client "
            "register`.",
            doing=doing,
        )


class UntrustedError(ClientError):
    """The base of what does not verify. Nothing of it was applied."""

    code = "client.untrusted"


class SignatureError(UntrustedError):
    """A release that the pinned server key did not sign."""

    code = "client.untrusted.signature"

    def __init__(self, *, version: str) -> None:
        super().__init__(
            f"Release {version} is not signed by the pinned server key and was not applied; the weights in force stay. "
            "Somebody may be between here and the server: tell who runs the federation.",
            version=version,
        )


class ChecksumError(UntrustedError):
    """A release that came damaged twice."""

    code = "client.untrusted.checksum"

    def __init__(self, *, found: str, needed: str) -> None:
        super().__init__(
            f"The release came damaged, twice: {found}; needed {needed}. It was not applied; the weights in force "
            "stay.",
            found=found,
            needed=needed,
        )


class PinnedKeyError(UntrustedError):
    """The server shows another signing key than the pinned one."""

    code = "client.untrusted.server_key"

    def __init__(self, *, found: str, pinned: str) -> None:
        super().__init__(
            f"The server shows the key {found}; pinned is {pinned}. The change is refused. If the federation really "
            "has a new key, deregister, and register again with that key given by hand.",
            found=found,
            pinned=pinned,
        )


class CertificateError(UntrustedError):
    """A TLS connection whose certificate does not verify, or is none of the pinned ones."""

    code = "client.untrusted.certificate"

    def __init__(self, *, server: str, found: str, needed: str) -> None:
        super().__init__(
            f"The connection to {server} was closed before anything was sent: {found}; needed {needed}.",
            server=server,
            found=found,
            needed=needed,
        )


class TermsError(UntrustedError):
    """A secret sum that is not what this installation takes part in. It has told nothing of what it holds."""

    code = "client.untrusted.terms"

    def __init__(self, *, found: str, needed: str) -> None:
        super().__init__(
            f"The server proposes a sum with {found}; needed {needed}. This installation leaves it. Tell who runs the "
            "federation.",
            found=found,
            needed=needed,
        )


class ParticipationError(ClientError):
    """A secret sum that this installation can take no part in, or whose end it has not heard of."""

    code = "client.participation"

    def __init__(self, *, round: int, found: str) -> None:
        super().__init__(
            f"Taking part in round {round}: {found}. Take part in the next round.", round=round, found=found
        )


class SchemaError(ClientError):
    """A release of another major schema version than this client reads."""

    code = "client.schema"

    def __init__(self, *, found: str, needed: str) -> None:
        super().__init__(
            f"The release has schema {found}; this client reads {needed}. Update the plugin; until then the weights in "
            "force stay.",
            found=found,
            needed=needed,
        )


class OutdatedError(ClientError):
    """A release that is for newer clients than this one."""

    code = "client.outdated"

    def __init__(self, *, version: str, needed: str, found: str) -> None:
        super().__init__(
            f"The server's manifest says that release {version} needs a client that speaks {needed}; this one speaks "
            f"{found}. Update the plugin; until then the weights in force stay.",
            version=version,
            needed=needed,
            found=found,
        )


class FolderError(ClientError):
    """A state folder that cannot be used: permissions, owner, damage without a copy."""

    code = "client.folder"

    def __init__(self, *, path: str, found: str, needed: str) -> None:
        super().__init__(f"{path}: found {found}; needed {needed}.", path=path, found=found, needed=needed)


class WriteError(ClientError):
    """The state folder does not take what is written: disk full, quota, read-only. Nothing was half written."""

    code = "client.write"

    def __init__(self, *, path: str, reason: str) -> None:
        super().__init__(
            f"{path} cannot be written ({reason}); what was there before is unchanged. Make room; until then "
            "everything but syncing goes on.",
            path=path,
            reason=reason,
        )


class BusyError(ClientError):
    """Another process of this installation holds the lock."""

    code = "client.busy"

    def __init__(self, *, path: str, waited_s: float) -> None:
        super().__init__(
            f"Another process has held {path} for {waited_s:g} s. Try again when it is done.",
            path=path,
            waited_s=waited_s,
        )


class DamagedError(ClientError):
    """A state file that is not as it was written."""

    code = "client.damaged"

    def __init__(self, *, name: str, found: str) -> None:
        super().__init__(f"{name} is damaged: {found}. The last good copy is used in its place.", name=name,
                         found=found)  # fmt: skip


def _told(detail: str) -> str:
    return f" ({detail})" if detail else ""
