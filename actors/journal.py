"""The journal: what must not be lost, in one SQLite file beside the coordinator and the aggregator.

The aggregator writes batches before it says "accepted"; the coordinator writes a round's terms before
it asks anybody, and the release, verdicts and trust in one transaction before it publishes. So a
restarted actor finds either all of a step or nothing of it. WAL with ``synchronous=NORMAL``: a killed
process loses nothing, a power cut may lose the last transactions but never corrupts the file.

Where updates are clients' submissions, a round's end and the deletion of its batches are one transaction, and
`scrub` makes that nothing of their bytes is left in the file or in its log.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from actors.journal_file import JournalFile
from federation.release import Release
from federation.terms import Terms

REQUESTS_KEPT = 1000
"""Rounds back to which a request id is answered with the round that it had."""

VERDICTS_KEPT = 1000
"""Rounds whose verdicts are kept where clients come and go without end; 250 days of a federation."""

VerdictRow = tuple[str, str, str, str, float | None, float | None]
"""(agent, decision, judge, reason, score, threshold)."""


@dataclass(frozen=True, slots=True, kw_only=True)
class OpenRound:
    """A round that was opened and has neither a release nor an end."""

    terms: Terms
    opened: float


@dataclass(frozen=True, slots=True, kw_only=True)
class KeptBatch:
    """A batch as it was written down; ``late`` when something of it came after its round was closed."""

    sequence: int
    late: bool
    wire: bytes


class Journal(JournalFile):
    """The journal of a swarm. One object per process; safe to use from several threads, one at a time."""

    def open_round(self, terms: Terms, *, opened: float, request: str = "") -> None:
        """Keep the terms of a round, and the request that it answers, before anybody is asked."""
        with self._transaction():
            if request:
                self._db.execute("INSERT OR IGNORE INTO requests VALUES (?, ?)", (request, terms.round))
                self._db.execute("DELETE FROM requests WHERE round <= ?", (terms.round - REQUESTS_KEPT,))
            self._db.execute(
                "INSERT INTO rounds VALUES (?, 'open', ?, NULL, ?) ON CONFLICT (round) DO NOTHING",
                (terms.round, json.dumps(terms.to_dict()), opened),
            )

    def round_of(self, request: str) -> int | None:
        """The round that answers a request; None for one that was never made, or long ago."""
        with self._lock:
            row = self._db.execute("SELECT round FROM requests WHERE request = ?", (request,)).fetchone()
        return None if row is None else row[0]

    def unfinished(self) -> OpenRound | None:
        """The round that was under way when its coordinator stopped."""
        with self._lock:
            row = self._db.execute(
                "SELECT terms, opened FROM rounds WHERE state = 'open' ORDER BY round DESC LIMIT 1"
            ).fetchone()
        return None if row is None else OpenRound(terms=Terms.from_dict(json.loads(row[0])), opened=row[1])

    def terms(self, round_number: int) -> Terms | None:
        """The terms of a round that was opened; None for one that was not, or whose terms are no longer kept."""
        with self._lock:
            row = self._db.execute("SELECT terms FROM rounds WHERE round = ?", (round_number,)).fetchone()
        return None if row is None or not row[0] else Terms.from_dict(json.loads(row[0]))

    def keep_batch(self, round_number: int, wire: bytes, *, late: bool) -> int:
        """Keep a batch of what enrolled agents signed. Returns its sequence number; 0 when it was not kept."""
        if late and self._erasing:
            return 0  # it would stay, and nobody waits for it: in storage its submissions count again
        with self._transaction():
            done = self._db.execute(
                "INSERT INTO batches (round, late, wire) VALUES (?, ?, ?)", (round_number, int(late), wire)
            )
        return int(done.lastrowid or 0)

    def mark_late(self, sequences: Iterable[int]) -> None:
        """Batches that came in time, and of which something has to wait for the next round."""
        with self._transaction():
            self._db.executemany("UPDATE batches SET late = 1 WHERE sequence = ?", [(number,) for number in sequences])

    def keep_commitments(self, round_number: int, wire: bytes) -> None:
        with self._transaction():
            self._db.execute("INSERT INTO commitments (round, wire) VALUES (?, ?)", (round_number, wire))

    def batches(self, round_number: int) -> list[KeptBatch]:
        """The batches kept for a round, in the order they came."""
        with self._lock:
            rows = self._db.execute(
                "SELECT sequence, late, wire FROM batches WHERE round = ? ORDER BY sequence", (round_number,)
            ).fetchall()
        return [KeptBatch(sequence=sequence, late=bool(late), wire=wire) for sequence, late, wire in rows]

    def commitments(self, round_number: int) -> list[bytes]:
        query = "SELECT wire FROM commitments WHERE round = ? ORDER BY sequence"
        with self._lock:
            return [wire for (wire,) in self._db.execute(query, (round_number,)).fetchall()]

    def finish_round(
        self,
        *,
        round_number: int,
        state: str,
        record: Mapping[str, Any],
        release: Release | None = None,
        artefact: bytes = b"",
        verdicts: Iterable[VerdictRow] = (),
        proofs: Sequence[tuple[str, Mapping[str, Any]]] = (),
        facts: Mapping[str, Any] | None = None,
        keep_artefacts: int | None = None,
        spare: int | None = None,
    ) -> None:
        """End a round with everything that came of it, in one transaction.

        Args:
            round_number: which.
            state: ``"released"`` or ``"aborted"``.
            record: what `run_round` answers.
            release, artefact: when there is one; it becomes the current one.
            verdicts: one row an agent that replied.
            proofs: (agent, proof as plain data).
            facts: for `remember`.
            keep_artefacts: how many of the newest releases keep their artefact; None for all.
            spare: a version that keeps its artefact whatever its age: the one that a rollback would need.
        """
        with self._transaction():
            if release is not None:
                self._publish(release, artefact)
            self._db.execute(
                "UPDATE rounds SET state = ?, record = ? WHERE round = ?", (state, json.dumps(record), round_number)
            )
            self._db.executemany(
                "INSERT OR REPLACE INTO verdicts VALUES (?, ?, ?, ?, ?, ?, ?)",
                [(round_number, *row) for row in verdicts],
            )
            self._db.executemany(
                "INSERT INTO proofs VALUES (?, ?, ?)",
                [(round_number, agent, json.dumps(proof)) for agent, proof in proofs],
            )
            self._keep(facts or {})
            if release is not None and keep_artefacts is not None:
                self._db.execute(
                    "DELETE FROM artefacts WHERE version <= ? AND version IS NOT ?",
                    (release.version - keep_artefacts, spare),
                )
            # This round's payloads stay until the next one ends: its late updates may count there, and a
            # restarted aggregator has to know what each agent signed to see a second update for what it is.
            # Clients' own words go at once, and so does what would grow with all who ever came.
            ended = round_number + int(self._erasing)
            self._db.execute("DELETE FROM batches WHERE round < ?", (ended,))
            self._db.execute("DELETE FROM commitments WHERE round < ?", (ended,))
            if self._erasing:
                self._db.execute("DELETE FROM verdicts WHERE round <= ?", (round_number - VERDICTS_KEPT,))
                self._db.execute(
                    "UPDATE rounds SET terms = '' WHERE round < ? AND terms <> '' AND state <> 'open'", (round_number,)
                )

    def amend(self, round_number: int, record: Mapping[str, Any]) -> None:
        """Put the record of a finished round in the place of its draft."""
        with self._transaction():
            self._db.execute("UPDATE rounds SET record = ? WHERE round = ?", (json.dumps(record), round_number))

    def publish(self, release: Release, artefact: bytes, *, facts: Mapping[str, Any] | None = None) -> None:
        """Keep a release that came from no round, and make it the current one."""
        with self._transaction():
            self._publish(release, artefact)
            self._keep(facts or {})

    def release(self, version: int | None = None) -> tuple[Release, bytes] | None:
        """A release and its artefact, empty when it is no longer kept; the current one when no version is named."""
        with self._lock:
            row = self._db.execute(
                "SELECT document, COALESCE(artefact, x'') FROM releases LEFT JOIN artefacts USING (version) "
                "WHERE version = COALESCE(?, (SELECT MAX(version) FROM releases))",
                (version,),
            ).fetchone()
        return None if row is None else (Release.from_dict(json.loads(row[0])), row[1])

    def releases(self, *, limit: int = 100) -> list[Release]:
        """The newest releases, newest first, without artefacts."""
        with self._lock:
            rows = self._db.execute("SELECT document FROM releases ORDER BY version DESC LIMIT ?", (limit,)).fetchall()
        return [Release.from_dict(json.loads(document)) for (document,) in rows]

    def records(self, *, after: int = 0, limit: int = 1000) -> list[dict[str, Any]]:
        """Records of finished rounds with a number above ``after``, oldest first."""
        with self._lock:
            rows = self._db.execute(
                "SELECT record FROM rounds WHERE round > ? AND record IS NOT NULL ORDER BY round LIMIT ?",
                (after, limit),
            ).fetchall()
        return [json.loads(record) for (record,) in rows]

    def last_record(self) -> int:
        """The highest number of a round that has ended; 0 when there is none."""
        with self._lock:
            return self._db.execute("SELECT COALESCE(MAX(round), 0) FROM rounds WHERE record IS NOT NULL").fetchone()[0]

    def last_round(self) -> int:
        """The highest round number ever opened; 0 when there is none."""
        with self._lock:
            return self._db.execute("SELECT COALESCE(MAX(round), 0) FROM rounds").fetchone()[0]

    def decisions(self, round_number: int) -> list[tuple[str, str, str, str]]:
        """(agent, decision, judge, reason) of everybody who was judged in a round."""
        query = "SELECT agent, decision, judge, reason FROM verdicts WHERE round = ?"
        with self._lock:
            return self._db.execute(query, (round_number,)).fetchall()

    def verdicts(
        self, *, round_number: int | None = None, agent: str | None = None, after: int = 0, limit: int | None = None
    ) -> list[dict[str, Any]]:
        """Verdicts of a round, of an agent, or of both; those of rounds above ``after``, at most ``limit``."""
        clauses = {"rounds.round": round_number, "agent": agent}
        named = {name: value for name, value in clauses.items() if value is not None}
        where = " AND ".join(["rounds.round > ?", *(f"{name} = ?" for name in named)])
        # An index by agent would have each round write to a page of it for each agent. One look into the part of
        # each round takes microseconds; CROSS JOIN tells SQLite to do it in this order.
        query = f"""
            SELECT verdicts.* FROM rounds CROSS JOIN verdicts ON verdicts.round = rounds.round
            WHERE {where} ORDER BY rounds.round, agent LIMIT ?
        """  # noqa: S608 - constant names
        with self._lock:
            found = self._db.execute(query, (after, *named.values(), -1 if limit is None else limit))
            names = [column[0] for column in found.description]
            return [dict(zip(names, row, strict=True)) for row in found.fetchall()]

    def proofs(self) -> list[dict[str, Any]]:
        """Every proof of equivocation, oldest first."""
        with self._lock:
            rows = self._db.execute("SELECT proof FROM proofs ORDER BY round, agent").fetchall()
        return [json.loads(proof) for (proof,) in rows]

    def _publish(self, release: Release, artefact: bytes) -> None:
        self._db.execute(
            "INSERT INTO releases VALUES (?, ?, ?)",
            (release.version, release.digest.hex(), json.dumps(release.to_dict())),
        )
        self._db.execute("INSERT INTO artefacts VALUES (?, ?)", (release.version, artefact))
