"""The tables, the form that they have, and the steps from one form to the next.

The form is a number that is written into the storage when its tables are made, and looked at whenever it is opened. A
change to a table is a new form: raise `FORM` and add to `STEPS` what leads to it from the one before. A step is the
only way in which stored tables change. A further table needs none: whoever opens a storage that never had it makes it.
One that a storage had and has no longer is not made anew, as what was in it is lost.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Final

from sqlalchemy import (
    BigInteger,
    Boolean,
    Column,
    Connection,
    Double,
    Index,
    Integer,
    LargeBinary,
    MetaData,
    String,
    Table,
    Text,
)

FORM: Final = 1
STEPS: Final[Mapping[int, Callable[[Connection], None]]] = {}
"""form -> what makes the next form of it, in the transaction that writes the new number."""

metadata = MetaData()

# Both databases compare these texts byte by byte, whatever the locale: ids have one canonical order everywhere.
Word = String(64, collation="C").with_variant(String(64), "sqlite")
Count = BigInteger().with_variant(Integer, "sqlite")

meta = Table(
    "federation_meta",
    metadata,
    Column("name", String(64), primary_key=True),
    Column("value", Text, nullable=False),
)

facts = Table(
    "federation_facts",
    metadata,
    Column("name", String(128), primary_key=True),
    Column("value", Text, nullable=False),
)

clients = Table(
    "federation_clients",
    metadata,
    Column("id", Word, primary_key=True),
    Column("public_key", LargeBinary, nullable=False),
    Column("region", Word, nullable=False),
    Column("platform", String(64), nullable=False),
    Column("plugin_version", String(64), nullable=False),
    Column("schema_version", String(32), nullable=False),
    Column("consent_at", Double, nullable=False),
    Column("analytics", Boolean, nullable=False),
    Column("state", String(16), nullable=False),
    # Outlives a deregistration until the purge, so that nobody leaves quarantine by leaving and coming back.
    Column("quarantined", Boolean, nullable=False),
    Column("registered_at", Double, nullable=False),
    Column("seen_at", Double, nullable=False),
    Column("token_hash", LargeBinary, unique=True),
    Column("token_expires", Double, nullable=False),
    Column("purge_at", Double),
    Index("federation_clients_by_state", "state", "id"),
    Index("federation_clients_by_purge", "purge_at"),
)

# What is kept of a submission after its document is gone: enough to know it again.
submissions = Table(
    "federation_submissions",
    metadata,
    Column("client", Word, primary_key=True),
    Column("nonce", Word, primary_key=True),
    Column("window", Count, nullable=False),
    Column("received_at", Double, nullable=False),
    Index("federation_submissions_by_time", "received_at"),
    sqlite_with_rowid=False,
)

# One for each client and window: a later one takes the place of an earlier one, whose bytes are gone at once.
documents = Table(
    "federation_documents",
    metadata,
    Column("client", Word, primary_key=True),
    Column("window", Count, primary_key=True),
    Column("region", Word, nullable=False),
    Column("nonce", Word, nullable=False),
    Column("base_version", String(32)),
    Column("received_at", Double, nullable=False),
    Column("experiences", Count, nullable=False),
    Column("signature", LargeBinary, nullable=False),
    Column("document", LargeBinary, nullable=False),
    Index("federation_documents_by_region", "region", "client", "window"),
)

# What a door has taken for a round: the documents that it will give again, and erase once they have counted.
claims = Table(
    "federation_claims",
    metadata,
    Column("region", Word, primary_key=True),
    Column("client", Word, primary_key=True),
    Column("round", Count, nullable=False),
    Column("window", Count, nullable=False),
    Column("nonce", Word, nullable=False),
    sqlite_with_rowid=False,
)

allowances = Table(
    "federation_allowances",
    metadata,
    Column("client", Word, primary_key=True),
    Column("day", Integer, primary_key=True),
    Column("used", Integer, nullable=False),
    Index("federation_allowances_by_day", "day"),
    sqlite_with_rowid=False,
)

# How many clients registered from one place on one day; a place is a keyed hash of a network address.
enrolments = Table(
    "federation_enrolments",
    metadata,
    Column("place", LargeBinary, primary_key=True),
    Column("day", Integer, primary_key=True),
    Column("used", Integer, nullable=False),
    Index("federation_enrolments_by_day", "day"),
    sqlite_with_rowid=False,
)

releases = Table(
    "federation_releases",
    metadata,
    Column("version", String(32), primary_key=True),
    Column("number", Count, nullable=False, unique=True),
    Column("window", Count, nullable=False),
    Column("parent", String(32)),
    Column("created_at", Double, nullable=False),
    Column("checksum", String(128), nullable=False),
    Column("participants", Count, nullable=False),
    Column("patterns", Count, nullable=False),
    Column("epsilon", Double, nullable=False),
    Column("restores", String(32)),
    Column("state", String(32), nullable=False),
    Column("facts", Text, nullable=False),
    Column("row", LargeBinary, nullable=False),
)

rollouts = Table(
    "federation_rollouts",
    metadata,
    Column("sequence", Count, primary_key=True, autoincrement=True),
    Column("version", String(32), nullable=False, unique=True),
    Column("value", Text, nullable=False),
)

reports = Table(
    "federation_reports",
    metadata,
    Column("version", String(32), primary_key=True),
    Column("client", Word, primary_key=True),
    Column("day", Integer, primary_key=True),
    Column("calls", Count, nullable=False),
    Column("errors", Count, nullable=False),
    Index("federation_reports_by_client", "client"),
    Index("federation_reports_by_day", "day"),
    sqlite_with_rowid=False,
)

audit = Table(
    "federation_audit",
    metadata,
    Column("sequence", Count, primary_key=True, autoincrement=True),
    Column("at", Double, nullable=False),
    Column("action", String(64), nullable=False),
    Column("actor", String(16), nullable=False),
    Column("name", Word, nullable=False),
    Column("code", String(64), nullable=False),
    Index("federation_audit_by_name", "name"),
    Index("federation_audit_by_time", "at"),
)

appeals = Table(
    "federation_appeals",
    metadata,
    Column("client", Word, primary_key=True),
    Column("at", Double, nullable=False),
    Column("statement", Text, nullable=False),
)

# What a streaming door has made of its region's documents in the window that is being folded.
windows = Table(
    "federation_windows",
    metadata,
    Column("region", Word, primary_key=True),
    Column("number", Count, nullable=False),
    # Each change is one more: whoever goes on from an older one is refused.
    Column("revision", Count, nullable=False),
    # The last window whose documents are folded in; none for all.
    Column("through", Count),
    # The round that it was taken for.
    Column("round", Count),
    Column("base", LargeBinary, nullable=False),
    Column("state", LargeBinary, nullable=False),
    Column("facts", Text, nullable=False),
)

# Who was folded into it, so that nobody is twice.
folded = Table(
    "federation_folded",
    metadata,
    Column("region", Word, primary_key=True),
    Column("client", Word, primary_key=True),
    Column("flagged", Boolean, nullable=False),
    Index("federation_folded_by_client", "client"),
)

# Clients that were flagged in the last windows in which they took part, and how long they are kept out for it.
conduct = Table(
    "federation_conduct",
    metadata,
    Column("client", Word, primary_key=True),
    Column("region", Word, nullable=False),
    Column("streak", Integer, nullable=False),
    Column("quarantines", Integer, nullable=False),
    Column("wait", Integer, nullable=False),
    Index("federation_conduct_by_region", "region", "wait"),
)

# Who takes part in the sums of a window, and in which bucket, once the roster is closed.
joins = Table(
    "federation_joins",
    metadata,
    Column("window", Count, primary_key=True),
    Column("client", Word, primary_key=True),
    Column("region", Word, nullable=False),
    Column("base_version", String(32)),
    Column("nonce", Word, nullable=False),
    Column("received_at", Double, nullable=False),
    Column("bucket", String(128)),
    sqlite_with_rowid=False,
)

# The secret that a window's buckets were drawn with.
draws = Table(
    "federation_draws",
    metadata,
    Column("window", Count, primary_key=True),
    Column("secret", LargeBinary, nullable=False),
    Column("facts", Text, nullable=False),
)

# A bucket's session while it is open, and its sum until that has counted.
buckets = Table(
    "federation_buckets",
    metadata,
    Column("id", String(128), primary_key=True),
    Column("window", Count, nullable=False),
    Column("region", Word, nullable=False),
    Column("base_version", String(32)),
    Column("members", Count, nullable=False),
    Column("state", String(16), nullable=False),
    Column("code", String(64), nullable=False),
    Column("deadline", Double, nullable=False),
    Column("round", Count),
    Column("terms", LargeBinary),
    Column("identities", Text),
    Column("total", LargeBinary),
    Index("federation_buckets_by_window", "window", "region"),
    Index("federation_buckets_by_round", "round"),
)

# What members answered, and which deadlines have passed, in the order in which it was taken; without a place it waits.
answers = Table(
    "federation_answers",
    metadata,
    Column("bucket", String(128), primary_key=True),
    Column("client", Word, primary_key=True),
    Column("kind", String(16), primary_key=True),
    Column("place", Count),
    Column("body", LargeBinary, nullable=False),
    sqlite_with_rowid=False,
)

# What members are told.
letters = Table(
    "federation_letters",
    metadata,
    Column("window", Count, primary_key=True),
    Column("client", Word, primary_key=True),
    Column("number", Integer, primary_key=True),
    Column("kind", String(16), nullable=False),
    Column("body", Text, nullable=False),
    sqlite_with_rowid=False,
)
