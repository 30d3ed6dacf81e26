"""What clients sent in, from its arrival until it is counted.

A document is kept until its window is consumed, and is then erased; its nonce is kept for `NONCE_KEPT_S`, so that it is
known when it comes again. Of several documents that a client sends in one window only the last one is ever kept.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Final, TypeVar

from sqlalchemy import ColumnElement, Connection, Delete, and_, delete, exists, func, select, tuple_

from actors.storage import tables
from actors.storage.database import Database
from actors.storage.records import DAY_S, Added, ClientState, Outcome, Submission, day_of

PER_DAY: Final = 4
"""Submissions that a client may make in one UTC day (the architecture's section 7.3)."""
NONCE_KEPT_S: Final = 72 * 3600.0
"""Seconds for which a nonce is known, at least; a document that waits longer is stale by default (section 4.1)."""
WINDOW: Final = "window"
"""The fact that holds the number of the window in which submissions count now: itself, or as its ``number``."""

_ERASED_AT_ONCE: Final = 256
_PARAMETERS: Final = 1_000
_Value = TypeVar("_Value")
_DOCUMENTS = tables.documents
_KNOWN = tables.submissions
_ALLOWANCES = tables.allowances


class Submissions:
    """The submissions of all regions."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def add_many(self, submissions: Sequence[Submission], *, now: float, per_day: int = PER_DAY) -> list[Added]:
        """What became of each submission, in their order, in one transaction for all of them.

        Safe against any number of processes that do the same for the same clients. A submission for a window that was
        closed in the meantime counts in the one that is open: `facts` says which under `WINDOW`, and whoever changes
        that waits for the transactions under way, so that nothing is added to a window after it was closed.

        Args:
            submissions: of any clients; registered or not is not asked here.
            now: its UTC day is the one whose allowance is used.
            per_day: most submissions of a client that are accepted in a day. Duplicates use nothing up.

        Raises:
            StorageUnavailableError: when the database is down. Nothing or everything is written then: sent again,
                what was written is a duplicate.
        """
        if not submissions:
            return []
        with self._database.write() as connection:
            used = self._allowances(connection, submissions, day_of(now))
            window = open_window(connection)
            intake = _Intake(used=used, open_window=window, per_day=per_day, resets_at=(day_of(now) + 1) * DAY_S)
            intake.remember(self._remembered(connection, submissions))
            added = [intake.judge(submission) for submission in submissions]
            self._write(connection, intake, day_of(now))
        return added

    def pending(self, region: str, window: int, after: str = "", limit: int = 256) -> list[Submission]:
        """The last submission of each client for a window up to this one, in the order of the clients' ids.

        Those of clients that are in quarantine or deregistered are left out.

        Args:
            region: whose door asks.
            window: the window that is to be counted.
            after: the last client of the chunk before.
            limit: the length of a chunk.
        """
        query = (
            select(_DOCUMENTS)
            .where(_DOCUMENTS.c.client > after, *waiting(region, window))
            .order_by(_DOCUMENTS.c.client)
            .limit(limit)
        )
        with self._database.read() as connection:
            return [Submission(**row) for row in connection.execute(query).mappings()]

    def pending_clients(self, region: str, window: int, after: str = "", limit: int = 10_000) -> list[str]:
        """The clients of `pending`, without their documents."""
        query = (
            select(_DOCUMENTS.c.client)
            .where(_DOCUMENTS.c.client > after, *waiting(region, window))
            .order_by(_DOCUMENTS.c.client)
            .limit(limit)
        )
        with self._database.read() as connection:
            return list(connection.execute(query).scalars())

    def count_pending(self, region: str | None = None, window: int | None = None) -> int:
        """How many clients have a submission waiting, in a region or in all of them, for a window up to this one."""
        query = select(func.count()).select_from(_DOCUMENTS).where(*waiting(region, window))
        with self._database.read() as connection:
            return connection.execute(query).scalar_one()

    def consume(self, window: int, *, region: str | None = None) -> int:
        """How many documents of windows up to this one were erased. Their nonces stay known.

        On SQLite the bytes are overwritten, in the file and in its log. On PostgreSQL the rows are vacuumed at once:
        the space can be used again and, at the end of the table, is given back; until it is used, and in the server's
        log, its archives, replicas and backups, the bytes stay as long as those do.
        """
        # The window that these waited in is closed: none can come into it any more.
        closed = _DOCUMENTS.c.window <= window
        return erase(self._database, closed if region is None else and_(closed, _DOCUMENTS.c.region == region))

    def drop_stale(self, now: float, *, staleness_s: float = NONCE_KEPT_S) -> int:
        """How many documents were erased because they waited longer than ``staleness_s``.

        Nonces are forgotten at that age, too, but never before `NONCE_KEPT_S`; so is what was counted on days gone by.
        """
        oldest = now - max(staleness_s, NONCE_KEPT_S)
        by_day = (delete(table).where(table.c.day < day_of(now) - 1) for table in (_ALLOWANCES, tables.enrolments))
        nonces = delete(_KNOWN).where(_KNOWN.c.received_at < oldest)
        return erase(self._database, _DOCUMENTS.c.received_at < now - staleness_s, nonces, *by_day)

    def _allowances(self, connection: Connection, submissions: Sequence[Submission], day: int) -> dict[str, int]:
        """client -> submissions used this day. Holds these clients until the end of the transaction.

        SQLite has one writer at a time as it is. PostgreSQL's rows are taken in the order of the clients, so that two
        processes never wait for each other in a circle.
        """
        clients = sorted({submission.client for submission in submissions})
        if not self._database.is_sqlite:
            self._use(connection, dict.fromkeys(clients, 0), day, keep=True)
        query = select(_ALLOWANCES.c.client, _ALLOWANCES.c.used).where(_ALLOWANCES.c.day == day)
        return {
            client: int(used)
            for some in _slices(clients)
            for client, used in connection.execute(query.where(_ALLOWANCES.c.client.in_(some)))
        }

    def _use(self, connection: Connection, used: Mapping[str, int], day: int, *, keep: bool = False) -> None:
        """Write down what is used, or, to keep, only that nobody else writes it."""
        insert = self._database.insert(_ALLOWANCES)
        connection.execute(
            insert.on_conflict_do_update(
                index_elements=[_ALLOWANCES.c.client, _ALLOWANCES.c.day],
                set_={"used": _ALLOWANCES.c.used if keep else insert.excluded.used},
            ),
            [{"client": client, "day": day, "used": count} for client, count in sorted(used.items())],
        )

    @staticmethod
    def _remembered(connection: Connection, submissions: Sequence[Submission]) -> dict[tuple[str, str], _Known]:
        """(client, nonce) -> what is known of it, of those that were seen before."""
        query = select(_KNOWN.c.client, _KNOWN.c.nonce, _KNOWN.c.window, _DOCUMENTS.c.document).outerjoin(
            _DOCUMENTS,
            and_(
                _DOCUMENTS.c.client == _KNOWN.c.client,
                _DOCUMENTS.c.window == _KNOWN.c.window,
                _DOCUMENTS.c.nonce == _KNOWN.c.nonce,
            ),
        )
        found: dict[tuple[str, str], _Known] = {}
        for some in _slices(submissions):
            among = query.where(
                _KNOWN.c.client.in_({submission.client for submission in some}),
                _KNOWN.c.nonce.in_({submission.nonce for submission in some}),
            )
            found |= {
                (client, nonce): (window, document) for client, nonce, window, document in connection.execute(among)
            }
        return found

    def _write(self, connection: Connection, intake: _Intake, day: int) -> None:
        if not intake.known:
            return
        connection.execute(_KNOWN.insert(), intake.known)
        insert = self._database.insert(_DOCUMENTS)
        key = ("client", "window")
        replaced = {column.name: insert.excluded[column.name] for column in _DOCUMENTS.c if column.name not in key}
        connection.execute(
            insert.on_conflict_do_update(index_elements=[_DOCUMENTS.c[name] for name in key], set_=replaced),
            list(intake.documents.values()),
        )
        self._use(connection, {client: intake.used[client] for client in intake.charged}, day)


def open_window(connection: Connection) -> int:
    """The number of the window that is open; 0 before the first. Whoever closes it waits for this transaction."""
    query = select(tables.facts.c.value).where(tables.facts.c.name == WINDOW).with_for_update(read=True)
    found = connection.execute(query).scalar()
    value = None if found is None else json.loads(found)
    number = value.get("number") if isinstance(value, dict) else value
    return number if isinstance(number, int) else 0


def _slices(values: Sequence[_Value]) -> Iterator[Sequence[_Value]]:
    """Parts of a length that a statement takes as parameters, whatever the database."""
    return (values[start : start + _PARAMETERS] for start in range(0, len(values), _PARAMETERS))


_Known = tuple[int, bytes | None]
"""(window, document); None when the document was erased or another one took its place."""


class _Intake:
    """The judgement of one batch: what was there before, and what the batch adds to it."""

    def __init__(self, *, used: dict[str, int], open_window: int, per_day: int, resets_at: float) -> None:
        self.used = used
        self.charged: set[str] = set()
        self.known: list[dict[str, Any]] = []
        self.documents: dict[tuple[str, int], dict[str, Any]] = {}
        self._open_window = open_window
        self._per_day = per_day
        self._resets_at = resets_at
        self._seen: dict[tuple[str, str], _Known] = {}

    def remember(self, known: dict[tuple[str, str], _Known]) -> None:
        self._seen |= known

    def judge(self, submission: Submission) -> Added:
        client, key = submission.client, (submission.client, submission.nonce)
        if key in self._seen:
            window, document = self._seen[key]
            same = document is None or document == submission.document
            return self._added(Outcome.DUPLICATE if same else Outcome.CONFLICT, client, window)
        window = max(submission.window, self._open_window)
        if self.used.get(client, 0) >= self._per_day:
            return self._added(Outcome.RATE_LIMITED, client, window)
        self.used[client] = self.used.get(client, 0) + 1
        self.charged.add(client)
        self._seen[key] = (window, submission.document)
        self.known.append(
            {"client": client, "nonce": submission.nonce, "window": window, "received_at": submission.received_at}
        )
        fields = {column.name: getattr(submission, column.name) for column in _DOCUMENTS.c}
        self.documents[client, window] = fields | {"window": window}
        return self._added(Outcome.ACCEPTED, client, window)

    def _added(self, outcome: Outcome, client: str, window: int) -> Added:
        return Added(outcome=outcome, window=window, used=self.used.get(client, 0), resets_at=self._resets_at)


def erase(database: Database, condition: ColumnElement[bool], *also: Delete) -> int:
    """How many documents were erased, in steps, so that others are let in between.

    Whoever is killed on the way has erased some of them, and erases the others when asked again.

    Args:
        database: of the documents.
        condition: of theirs.
        also: what goes with the last of them, in the same transaction.
    """
    key = tuple_(_DOCUMENTS.c.client, _DOCUMENTS.c.window)
    some = select(_DOCUMENTS.c.client, _DOCUMENTS.c.window).where(condition).limit(_ERASED_AT_ONCE)
    gone = 0
    while True:
        with database.write() as connection:
            step = connection.execute(delete(_DOCUMENTS).where(key.in_(some))).rowcount
            for statement in also if step < _ERASED_AT_ONCE else ():
                connection.execute(statement)
        gone += step
        if step < _ERASED_AT_ONCE:
            break
    if gone:
        database.forget(_DOCUMENTS)
    return gone


def waiting(region: str | None, window: int | None) -> list[Any]:
    """The conditions of `pending`: the last of its client, and the client is not kept out."""
    later, clients = _DOCUMENTS.alias("later"), tables.clients
    newer = [later.c.client == _DOCUMENTS.c.client, later.c.window > _DOCUMENTS.c.window]
    conditions: list[Any] = []
    if window is not None:
        conditions.append(_DOCUMENTS.c.window <= window)
        newer.append(later.c.window <= window)
    if region is not None:
        conditions.append(_DOCUMENTS.c.region == region)
    kept_out = exists().where(clients.c.id == _DOCUMENTS.c.client, clients.c.state != ClientState.ACTIVE.value)
    return [*conditions, ~exists().where(*newer), ~kept_out]
