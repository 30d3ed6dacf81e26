"""What a federation keeps: its database, and the files of its releases. `actors` itself does not import this."""

from actors.storage.errors import (
    ClientKeyError,
    LeaseError,
    StorageDamagedError,
    StorageFailedError,
    StorageFormError,
    StorageUnavailableError,
    StorageUrlError,
    StoredReleaseError,
    UnknownReleaseError,
)
from actors.storage.leases import Lease, Leases
from actors.storage.mail import Mail
from actors.storage.mail_records import Join, StoredAnswer, StoredBucket, StoredLetter, Taken
from actors.storage.records import (
    DAY_S,
    Added,
    Appeal,
    AuditEntry,
    Client,
    ClientState,
    Outcome,
    ReleaseRecord,
    Submission,
    day_of,
)
from actors.storage.release_store import ReleaseStore
from actors.storage.storage import Storage
from actors.storage.submissions import NONCE_KEPT_S, PER_DAY, WINDOW
from actors.storage.windows import StoredWindow

__all__ = [
    "DAY_S",
    "NONCE_KEPT_S",
    "PER_DAY",
    "WINDOW",
    "Added",
    "Appeal",
    "AuditEntry",
    "Client",
    "ClientKeyError",
    "ClientState",
    "Join",
    "Lease",
    "LeaseError",
    "Leases",
    "Mail",
    "Outcome",
    "ReleaseRecord",
    "ReleaseStore",
    "Storage",
    "StorageDamagedError",
    "StorageFailedError",
    "StorageFormError",
    "StorageUnavailableError",
    "StorageUrlError",
    "StoredAnswer",
    "StoredBucket",
    "StoredLetter",
    "StoredReleaseError",
    "StoredWindow",
    "Submission",
    "Taken",
    "UnknownReleaseError",
    "day_of",
]
