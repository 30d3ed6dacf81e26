"""The host's own journal: what a restarted host must know to say the same again, and to go on.

One SQLite file a host, on its node, made only when something has to be kept:

- the signed batches of the last round, written before they leave: two different ones would convict their agents
- the residuals of error feedback, in the same transaction
- experiences that were pushed, in order, as many as an agent's memory has room for
- `first_round`: the host signs for no earlier round that it has no batch of

The file has an id of its own. The coordinator knows the id of the journal that a host last signed with;
a host that comes with another one (on another node, with other agents, or without its disk) may have
signed already for every round opened so far, and sits those out. One process at a time can use the file.
"""

from __future__ import annotations

import secrets
import sqlite3
import threading
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from actors.journal_file import JournalError
from federation.compression import ErrorFeedback
from federation.errors import BatchError
from federation.update import UpdateBatch

FORM = 1
LOCK_S = 10.0
"""How long a process that takes over waits for the one before it to end."""

_SCHEMA = """
CREATE TABLE IF NOT EXISTS meta (name TEXT PRIMARY KEY, value NOT NULL);
CREATE TABLE IF NOT EXISTS agents (agent TEXT PRIMARY KEY);
CREATE TABLE IF NOT EXISTS batches (place INTEGER PRIMARY KEY, wire BLOB NOT NULL);
CREATE TABLE IF NOT EXISTS residuals (agent TEXT PRIMARY KEY, residual BLOB NOT NULL);
CREATE TABLE IF NOT EXISTS experiences (sequence INTEGER PRIMARY KEY, agent TEXT NOT NULL, wire BLOB NOT NULL);
CREATE INDEX IF NOT EXISTS experiences_by_agent ON experiences (agent, sequence);
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Signed:
    """What a host signed in a round, by that round's number and base."""

    round: int
    base: bytes
    batches: tuple[UpdateBatch, ...]


class HostJournal:
    """The file. Nothing is opened or made before there is something to read or write.

    Args:
        path: of the file; its folder is made.
        agents: who lives on the host. Other ones than the file was left by make it another journal.
    """

    def __init__(self, path: Path, agents: Sequence[str]) -> None:
        self.path = path
        self.id = ""
        self.first_round = 0
        self._agents = tuple(agents)
        self._lock = threading.Lock()
        self._db: sqlite3.Connection | None = None
        self._held: dict[str, int] = {}

    @property
    def begun(self) -> bool:
        """Whether there is a file, opened by this object."""
        return self._db is not None

    def recall(self) -> Signed | None:
        """Open the file if there is one. What was signed last; None when nothing is known.

        Raises:
            JournalError: when the file is not a journal of this form, or another process uses it.
        """
        if not self.path.exists():
            return None
        self._open()
        with self._reading() as db:
            wires: list[bytes] = [wire for (wire,) in db.execute("SELECT wire FROM batches ORDER BY place")]
        try:
            batches = tuple(UpdateBatch.from_wire(wire) for wire in wires)
        except BatchError as error:
            raise JournalError(path=str(self.path), found=str(error)) from error
        if not batches:
            return None
        statement = batches[0].statement
        return Signed(round=statement.round, base=statement.base, batches=batches)

    def begin(self, signed: Sequence[UpdateBatch]) -> None:
        """Make the file, unless it is there, with what this host signed last."""
        if self._db is None:
            self._open(signed)

    def close(self) -> None:
        """Give the file free."""
        with self._lock:
            if self._db is not None:
                self._db.close()

    def wait_until(self, first_round: int) -> None:
        """Sign for no round before this one."""
        self.begin(())
        with self._transaction() as db:
            _put(db, "first_round", first_round)
        self.first_round = first_round

    def keep_signed(self, batches: Sequence[UpdateBatch], feedback: ErrorFeedback | None = None) -> None:
        """Keep what is about to be sent, in the place of the last round's, and what it leaves untold."""
        self.begin(())
        with self._transaction() as db:
            _put_batches(db, batches)
            if feedback is not None:
                rows = zip(self._agents, feedback.residual, strict=True)
                db.executemany(
                    "INSERT OR REPLACE INTO residuals VALUES (?, ?)",
                    [(agent, row.astype("<f4").tobytes()) for agent, row in rows],
                )

    def feedback(self, dimension: int) -> ErrorFeedback:
        """The residuals as they were when the last batch was signed; zeros for agents that have none.

        Raises:
            JournalError: when they are of rows of another length.
        """
        known = self._residuals()
        residual = np.zeros((len(self._agents), dimension), np.float32)
        for place, agent in enumerate(self._agents):
            row = known.get(agent)
            if row is None:
                continue
            if len(row) != dimension:
                raise JournalError(
                    path=str(self.path), found=f"a residual of {len(row)} values for {agent}, rows have {dimension}"
                )
            residual[place] = row
        return ErrorFeedback.restore({"residual": residual})

    def forget_residuals(self) -> None:
        """Error feedback is off now: what is untold stays so."""
        if self._db is not None:
            with self._transaction() as db:
                db.execute("DELETE FROM residuals")

    def add(self, agent: str, wires: Sequence[bytes], *, capacity: int) -> None:
        """Keep experiences of an agent, newest last.

        When there are twice as many as its memory holds, the older half goes. Whole rounds of the ring only, so
        that the others come to lie in the places where they were.
        """
        with self._transaction() as db:
            db.executemany("INSERT INTO experiences (agent, wire) VALUES (?, ?)", [(agent, wire) for wire in wires])
            held = self._held.get(agent, 0) + len(wires)
            surplus = max(held // capacity - 1, 0) * capacity
            if surplus:
                db.execute(
                    "DELETE FROM experiences WHERE sequence IN "
                    "(SELECT sequence FROM experiences WHERE agent = ? ORDER BY sequence LIMIT ?)",
                    (agent, surplus),
                )
        self._held[agent] = held - surplus

    def experiences(self) -> Iterator[tuple[str, list[bytes]]]:
        """Each agent that experiences were pushed to, and all that are kept, oldest first."""
        if self._db is None:
            return
        for agent in self._agents:
            if self._held.get(agent):
                with self._reading() as db:
                    found = db.execute("SELECT wire FROM experiences WHERE agent = ? ORDER BY sequence", (agent,))
                    wires = [wire for (wire,) in found]
                yield agent, wires

    def _residuals(self) -> Mapping[str, NDArray[np.float32]]:
        if self._db is None:
            return {}
        with self._reading() as db:
            found = db.execute("SELECT agent, residual FROM residuals").fetchall()
        return {agent: np.frombuffer(row, "<f4") for agent, row in found}

    def _open(self, signed: Sequence[UpdateBatch] = ()) -> None:
        try:
            self.path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
            db = sqlite3.connect(self.path, isolation_level=None, check_same_thread=False, timeout=LOCK_S)
            try:
                for pragma in ("locking_mode=EXCLUSIVE", "journal_mode=WAL", "synchronous=NORMAL", "temp_store=MEMORY"):
                    db.execute(f"PRAGMA {pragma}")
                db.execute("BEGIN EXCLUSIVE")
                for statement in _SCHEMA.split(";"):
                    db.execute(statement)
                self._take(db, signed)
                db.execute("COMMIT")
            except BaseException:
                db.close()
                raise
        except (OSError, sqlite3.Error) as error:
            raise JournalError(path=str(self.path), found=f"{type(error).__name__}: {error}") from error
        self._db = db

    def _take(self, db: sqlite3.Connection, signed: Sequence[UpdateBatch]) -> None:
        """Make an empty file ours, or take over what is in it."""
        facts = dict(db.execute("SELECT name, value FROM meta").fetchall())
        form = facts.setdefault("form", FORM)
        if form != FORM:
            raise JournalError(path=str(self.path), found=f"form {form}, this version reads form {FORM}")
        left_by = {agent for (agent,) in db.execute("SELECT agent FROM agents").fetchall()}
        if left_by != set(self._agents):
            facts["id"] = secrets.token_hex(16)
            db.execute("DELETE FROM agents")
            db.executemany("INSERT INTO agents VALUES (?)", [(agent,) for agent in self._agents])
            _put_batches(db, signed)
        for name, value in facts.items():
            _put(db, name, value)
        self.id, self.first_round = facts["id"], facts.get("first_round", 0)
        self._held = dict(db.execute("SELECT agent, COUNT(*) FROM experiences GROUP BY agent").fetchall())

    @contextmanager
    def _reading(self) -> Iterator[sqlite3.Connection]:
        with self._lock:
            if self._db is None:
                raise JournalError(path=str(self.path), found="it is not open")
            try:
                yield self._db
            except sqlite3.Error as error:
                raise JournalError(path=str(self.path), found=f"{type(error).__name__}: {error}") from error

    @contextmanager
    def _transaction(self) -> Iterator[sqlite3.Connection]:
        """All of what is written inside, or nothing."""
        with self._reading() as db:
            db.execute("BEGIN IMMEDIATE")
            try:
                yield db
                db.execute("COMMIT")
            except BaseException:
                if db.in_transaction:  # SQLite ends some failed transactions by itself, as on a full disk
                    db.execute("ROLLBACK")
                raise


def _put(db: sqlite3.Connection, name: str, value: object) -> None:
    db.execute("INSERT OR REPLACE INTO meta VALUES (?, ?)", (name, value))


def _put_batches(db: sqlite3.Connection, batches: Sequence[UpdateBatch]) -> None:
    db.execute("DELETE FROM batches")
    db.executemany(
        "INSERT INTO batches VALUES (?, ?)", [(place, batch.to_wire()) for place, batch in enumerate(batches)]
    )
