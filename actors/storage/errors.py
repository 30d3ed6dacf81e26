"""What can go wrong with the storage. No message and no field ever holds a password, a token or a document."""

from __future__ import annotations

from federation.errors import SwarmError


class StorageUrlError(SwarmError):
    """A storage URL that names no database or store that can be used."""

    code = "storage.url"

    def __init__(self, *, url: str, found: str, needed: str) -> None:
        super().__init__(
            f"The storage URL {url!r} has {found}; it must be {needed}.", url=url, found=found, needed=needed
        )


class StorageUnavailableError(SwarmError):
    """The database or the store did not answer. What was asked is done wholly or not at all; ask again later."""

    code = "storage.unavailable"

    def __init__(self, *, url: str, found: str) -> None:
        super().__init__(
            f"The storage {url} is not available: {found}. Check that it runs, that it can be reached and that its "
            f"disk is not full, then try again: what was asked is done wholly or not at all.",
            url=url,
            found=found,
        )


class StorageFailedError(SwarmError):
    """The database refused a statement for good: asking again does not help."""

    code = "storage.failed"

    def __init__(self, *, url: str, found: str) -> None:
        super().__init__(
            f"The storage {url} refused a statement: {found}. Nothing was written. Check the user's rights on its "
            f"tables, and that they were made by this version.",
            url=url,
            found=found,
        )


class LeaseError(SwarmError):
    """What only one may do at a time is somebody else's."""

    code = "storage.lease"

    def __init__(self, *, name: str, holder: str, left_s: float | None = None) -> None:
        left = "" if left_s is None else f", for {left_s:.0f} s more unless it is renewed"
        super().__init__(
            f"The lease on {name!r} of this storage is held by {holder}{left}. Only one at a time may hold it: stop "
            f"that one, or wait until its lease has run out.",
            name=name,
            holder=holder,
            left_s=left_s,
        )


class StorageFormError(SwarmError):
    """Tables of a form that this version does not know."""

    code = "storage.form"

    def __init__(self, *, url: str, found: str, needed: int) -> None:
        super().__init__(
            f"The storage {url} has {found}; this version reads form {needed}. Open it with the version of swarmlore "
            f"that wrote it, or give the federation another URL.",
            url=url,
            found=found,
            needed=needed,
        )


class ClientKeyError(SwarmError):
    """A known client that comes with another public key."""

    code = "storage.client_key"

    def __init__(self, *, client: str) -> None:
        super().__init__(
            f"The client {client} is registered with another public key, and a key is never replaced. Sign with the "
            f"key of the first registration, or deregister with it and register anew after the purge.",
            client=client,
        )


class StoredReleaseError(SwarmError):
    """A release, or a file of one, that is there already with other contents."""

    code = "storage.release"

    def __init__(self, *, name: str) -> None:
        super().__init__(
            f"{name} is stored already with other contents, and a release never changes. Give the new one a new "
            f"version.",
            name=name,
        )


class StorageDamagedError(SwarmError):
    """A storage that had a table and has it no longer."""

    code = "storage.damaged"

    def __init__(self, *, url: str, table: str) -> None:
        super().__init__(
            f"The storage {url} has lost its table {table}, with what was in it. Restore it from a backup, or give the "
            f"federation another URL; an empty table is not put in its place.",
            url=url,
            table=table,
        )


class UnknownReleaseError(SwarmError):
    """A version that is not stored."""

    code = "storage.version"

    def __init__(self, *, version: str) -> None:
        super().__init__(
            f"The version {version} is not stored, or has no rollout. List the releases to see those that are.",
            version=version,
        )
