"""The journal's file: how it is opened, written to and scrubbed, its named facts, and the members in it."""

from __future__ import annotations

import json
import os
import sqlite3
import threading
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from federation.errors import SwarmError

FORM = 2

_SCHEMA = """
CREATE TABLE IF NOT EXISTS meta (name TEXT PRIMARY KEY, value TEXT NOT NULL);
CREATE TABLE IF NOT EXISTS agents (agent TEXT PRIMARY KEY, public BLOB NOT NULL, host TEXT NOT NULL);
CREATE TABLE IF NOT EXISTS rounds (
    round INTEGER PRIMARY KEY, state TEXT NOT NULL, terms TEXT NOT NULL, record TEXT, opened REAL NOT NULL
);
CREATE TABLE IF NOT EXISTS batches (
    sequence INTEGER PRIMARY KEY, round INTEGER NOT NULL, late INTEGER NOT NULL, wire BLOB NOT NULL
);
CREATE INDEX IF NOT EXISTS batches_by_round ON batches (round);
CREATE TABLE IF NOT EXISTS commitments (
    sequence INTEGER PRIMARY KEY, round INTEGER NOT NULL, wire BLOB NOT NULL
);
CREATE TABLE IF NOT EXISTS requests (request TEXT PRIMARY KEY, round INTEGER NOT NULL);
CREATE TABLE IF NOT EXISTS releases (
    version INTEGER PRIMARY KEY, digest TEXT NOT NULL UNIQUE, document TEXT NOT NULL
);
CREATE TABLE IF NOT EXISTS artefacts (version INTEGER PRIMARY KEY, artefact BLOB NOT NULL);
CREATE TABLE IF NOT EXISTS verdicts (
    round INTEGER NOT NULL, agent TEXT NOT NULL, decision TEXT NOT NULL, judge TEXT NOT NULL,
    reason TEXT NOT NULL, score REAL, threshold REAL, PRIMARY KEY (round, agent)
) WITHOUT ROWID;
DROP INDEX IF EXISTS verdicts_by_agent;
CREATE TABLE IF NOT EXISTS proofs (round INTEGER NOT NULL, agent TEXT NOT NULL, proof TEXT NOT NULL);
"""


class JournalError(SwarmError):
    """A journal that cannot be used."""

    code = "journal.unusable"

    def __init__(self, *, path: str, found: str) -> None:
        super().__init__(
            f"The journal {path} cannot be used: {found}. Give the swarm another state directory, or restore the file.",
            path=path,
            found=found,
        )


class JournalFile:
    """The file. One object per process; safe to use from several threads, one at a time.

    Args:
        path: of the file; its folder is made.
        erasing: batches are deleted when their round ends, and overwritten; late ones are not kept at all.

    Raises:
        JournalError: when the file is not a journal of this form, or cannot be written.
    """

    def __init__(self, path: Path, *, erasing: bool = False) -> None:
        self.path = path
        self._erasing = erasing
        self._lock = threading.Lock()
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            # It holds updates until their round ends: for its owner only. SQLite gives its log the same rights.
            os.close(os.open(path, os.O_CREAT | os.O_RDWR, 0o600))
            self._db = sqlite3.connect(path, isolation_level=None, check_same_thread=False, timeout=30.0)
            for pragma in ("journal_mode=WAL", "synchronous=NORMAL", "temp_store=MEMORY", "foreign_keys=ON"):
                self._db.execute(f"PRAGMA {pragma}")
            if erasing:
                self._db.execute("PRAGMA secure_delete=ON")
            self._db.executescript(_SCHEMA)
            form = self.recall("form")
            if form is None:
                self.remember({"form": FORM})
            elif form != FORM:
                raise JournalError(path=str(path), found=f"form {form}, this version reads form {FORM}")
        except (OSError, sqlite3.Error) as error:
            raise JournalError(path=str(path), found=f"{type(error).__name__}: {error}") from error

    def close(self) -> None:
        with self._lock:
            self._db.close()

    def scrub(self) -> bool:
        """Empty the log, which still holds what was erased from the file. Whether nobody was in the way."""
        if not self._erasing:
            return True
        with self._lock:
            return self._db.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchone()[0] == 0

    @contextmanager
    def _transaction(self) -> Iterator[None]:
        """All of what is written inside, or nothing."""
        with self._lock:
            self._db.execute("BEGIN IMMEDIATE")
            try:
                yield
                self._db.execute("COMMIT")
            except BaseException:
                if self._db.in_transaction:  # SQLite ends some failed transactions by itself, as on a full disk
                    self._db.execute("ROLLBACK")
                raise

    def remember(self, facts: Mapping[str, Any]) -> None:
        """Keep named JSON values, all or none."""
        with self._transaction():
            self._keep(facts)

    def remember_surely(self, facts: Mapping[str, Any]) -> None:
        """`remember`, and return only when the disk has it: a power cut afterwards loses nothing of it."""
        with self._lock:
            self._db.execute("PRAGMA synchronous=FULL")
        try:
            self.remember(facts)
        finally:
            with self._lock:
                self._db.execute("PRAGMA synchronous=NORMAL")

    def recall(self, name: str) -> Any:
        """The value of a name; None when there is none."""
        with self._lock:
            row = self._db.execute("SELECT value FROM meta WHERE name = ?", (name,)).fetchone()
        return None if row is None else json.loads(row[0])

    def enrol(self, host: str, keys: Mapping[str, bytes]) -> None:
        """Keep the public keys of a host's agents. A key that is there already is never replaced."""
        with self._transaction():
            self._db.executemany(
                "INSERT INTO agents VALUES (?, ?, ?) ON CONFLICT (agent) DO UPDATE SET host = excluded.host",
                [(agent, public, host) for agent, public in keys.items()],
            )

    def homes(self, agents: Iterable[str]) -> dict[str, str]:
        """agent -> the host that it was last enrolled by, for those of these that are known."""
        with self._lock:
            found = dict(self._db.execute("SELECT agent, host FROM agents").fetchall())
        return {agent: found[agent] for agent in agents if agent in found}

    def home(self, agent: str) -> str | None:
        """The host that an agent was last enrolled by; None for a stranger."""
        with self._lock:
            row = self._db.execute("SELECT host FROM agents WHERE agent = ?", (agent,)).fetchone()
        return None if row is None else row[0]

    def forget(self, agents: Iterable[str]) -> None:
        """Delete the keys and verdicts of these agents, and whatever else names them but proofs and releases."""
        names = [(agent,) for agent in agents]
        with self._transaction():
            for table in ("agents", "verdicts"):
                self._db.executemany(f"DELETE FROM {table} WHERE agent = ?", names)  # noqa: S608 - constant names

    def judged(self, round_number: int, host: str) -> bool:
        """Whether updates that a host carried were judged in a round that has a release."""
        query = """
            SELECT 1 FROM rounds JOIN verdicts USING (round) JOIN agents USING (agent)
            WHERE round = ? AND state = 'released' AND host = ? LIMIT 1
        """
        with self._lock:
            return self._db.execute(query, (round_number, host)).fetchone() is not None

    def keys(self) -> dict[str, bytes]:
        """agent -> public key, of everybody ever enrolled."""
        with self._lock:
            return dict(self._db.execute("SELECT agent, public FROM agents ORDER BY agent").fetchall())

    def _keep(self, facts: Mapping[str, Any]) -> None:
        self._db.executemany(
            "INSERT OR REPLACE INTO meta VALUES (?, ?)", [(name, json.dumps(value)) for name, value in facts.items()]
        )
