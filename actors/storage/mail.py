"""Sums that nobody sees into: who takes part, what members and server say to each other, and what comes of it.

Members answer through any of the REST processes; one sorter takes the answers in, in an order that it writes down, so
that the next one comes to the same by taking them again. What a member is told has a number of its own, and is written
in the transaction that takes in what it follows from. Answers and letters of a session are erased with its end, all
but the letter that says so; a sum is erased when it has counted.
"""

from __future__ import annotations

import json
from collections.abc import Collection, Mapping, Sequence
from typing import Any, Final

import numpy as np
from sqlalchemy import Connection, and_, bindparam, delete, func, insert, or_, select, update

from actors.storage import tables
from actors.storage.database import Database
from actors.storage.mail_records import Join, StoredAnswer, StoredBucket, StoredLetter, Taken
from actors.storage.records import ClientState
from actors.storage.submissions import open_window

KEPT_WINDOWS: Final = 64
END: Final = "end"
"""The kind of the last letter of a session."""
_AT_ONCE: Final = 300
_JOINS, _DRAWS, _BUCKETS = tables.joins, tables.draws, tables.buckets
_ANSWERS, _LETTERS, _CLIENTS = tables.answers, tables.letters, tables.clients


class Mail:
    """The secret sums of all windows."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def join(self, join: Join) -> Taken:
        """Put a client on the roster of the window that is open; late when that is another one than it names.

        Whoever closes the window waits for the transactions under way, so that the roster is closed with it.
        """
        values = {
            name: getattr(join, name) for name in ("window", "client", "region", "base_version", "nonce", "received_at")
        }
        with self._database.write() as connection:
            mine = and_(_JOINS.c.window == join.window, _JOINS.c.client == join.client)
            known = connection.execute(select(_JOINS.c.nonce).where(mine)).scalar()
            if known == join.nonce:
                return Taken.DUPLICATE
            if open_window(connection) != join.window:
                return Taken.LATE
            row = self._database.insert(_JOINS).values(**values)
            changed = {name: row.excluded[name] for name in ("region", "base_version", "nonce", "received_at")}
            connection.execute(row.on_conflict_do_update(index_elements=["window", "client"], set_=changed))
        return Taken.ACCEPTED

    def joined(self, window: int) -> list[Join]:
        """Who takes part in a window, by id, with their keys; not those who are out or have left since."""
        query = (
            select(_JOINS, _CLIENTS.c.public_key)
            .join(_CLIENTS, _CLIENTS.c.id == _JOINS.c.client)
            .where(_JOINS.c.window == window, _CLIENTS.c.state == ClientState.ACTIVE.value)
            .order_by(_JOINS.c.client)
        )
        with self._database.read() as connection:
            return [
                Join(**{name: value for name, value in row.items() if name != "bucket"})
                for row in connection.execute(query).mappings()
            ]

    def count_joined(self, region: str | None = None) -> int:
        """How many take part in a window that is not drawn yet."""
        query = (
            select(func.count())
            .select_from(_JOINS.join(_CLIENTS, _CLIENTS.c.id == _JOINS.c.client))
            .where(_JOINS.c.window.not_in(select(_DRAWS.c.window)), _CLIENTS.c.state == ClientState.ACTIVE.value)
        )
        if region is not None:
            query = query.where(_JOINS.c.region == region)
        with self._database.read() as connection:
            return connection.execute(query).scalar_one()

    def roster(self, window: int, after: str = "", limit: int = 1000) -> list[Join]:
        """Everybody who took part in a window, by id, also those who have left since."""
        query = select(_JOINS).where(_JOINS.c.window == window, _JOINS.c.client > after)
        with self._database.read() as connection:
            rows = connection.execute(query.order_by(_JOINS.c.client).limit(limit)).mappings()
            return [Join(**{name: value for name, value in row.items() if name != "bucket"}) for row in rows]

    def draw(self, window: int) -> tuple[bytes, dict[str, Any]] | None:
        """The secret of a window's draw and what is told of it; None before it is drawn."""
        with self._database.read() as connection:
            row = connection.execute(select(_DRAWS.c.secret, _DRAWS.c.facts).where(_DRAWS.c.window == window)).first()
        return None if row is None else (bytes(row[0]), json.loads(row[1]))

    def begin(
        self,
        window: int,
        *,
        secret: bytes,
        facts: Mapping[str, Any],
        buckets: Sequence[StoredBucket],
        letters: Sequence[StoredLetter],
    ) -> bool:
        """Write down how a window was drawn, with the first letters; what is left of windows before is erased.

        False, and nothing is written, when it was drawn already.
        """
        with self._database.write() as connection:
            row = self._database.insert(_DRAWS).values(
                window=window, secret=secret, facts=json.dumps(dict(facts), sort_keys=True)
            )
            made = row.on_conflict_do_nothing(index_elements=["window"]).returning(_DRAWS.c.window)
            if connection.execute(made).first() is None:
                return False
            self._erase(connection, window)
            if buckets:
                connection.execute(insert(_BUCKETS), [_row(bucket) for bucket in buckets])
            seats = [
                {"whose": client, "seat": bucket.id, "of": window} for bucket in buckets for client in bucket.identities
            ]
            if seats:
                where = and_(_JOINS.c.window == bindparam("of"), _JOINS.c.client == bindparam("whose"))
                connection.execute(update(_JOINS).where(where).values(bucket=bindparam("seat")), seats)
            self._post(connection, window, letters)
        self._database.forget(_ANSWERS, _LETTERS, _BUCKETS, _JOINS)
        return True

    def buckets(self, window: int, *, region: str | None = None) -> list[StoredBucket]:
        """The buckets of a window, by id."""
        query = select(_BUCKETS).where(_BUCKETS.c.window == window)
        if region is not None:
            query = query.where(_BUCKETS.c.region == region)
        with self._database.read() as connection:
            return [_bucket(row) for row in connection.execute(query.order_by(_BUCKETS.c.id)).mappings()]

    def answer(self, client: str, window: int, kind: str, body: bytes) -> Taken:
        """Leave a member's answer to be taken in. Late when its session is over, or it has none.

        Of each kind only the first waits or counts; the same again is a duplicate.
        """
        with self._database.write() as connection:
            seat = connection.execute(
                select(_BUCKETS.c.id, _BUCKETS.c.state)
                .join(_JOINS, _JOINS.c.bucket == _BUCKETS.c.id)
                .where(_JOINS.c.window == window, _JOINS.c.client == client)
            ).first()
            if seat is None or seat[1] != "open":
                return Taken.LATE
            row = self._database.insert(_ANSWERS).values(bucket=seat[0], client=client, kind=kind, body=body)
            keys = ["bucket", "client", "kind"]
            made = row.on_conflict_do_nothing(index_elements=keys).returning(_ANSWERS.c.bucket)
            if connection.execute(made).first() is not None:
                return Taken.ACCEPTED
            mine = and_(_ANSWERS.c.bucket == seat[0], _ANSWERS.c.client == client, _ANSWERS.c.kind == kind)
            known = connection.execute(select(_ANSWERS.c.body).where(mine)).scalar()
        return Taken.DUPLICATE if known == body else Taken.LATE

    def waiting(self, buckets: Collection[str]) -> list[StoredAnswer]:
        """The answers of these buckets that wait to be taken in, by bucket and client."""
        return self._answers(buckets, taken_in=False)

    def taken_in(self, bucket: str) -> list[StoredAnswer]:
        """What a bucket has taken in, in that order."""
        return self._answers([bucket], taken_in=True)

    def advance(
        self,
        bucket: StoredBucket,
        *,
        taken: Sequence[tuple[int, StoredAnswer]] = (),
        refused: Sequence[StoredAnswer] = (),
        letters: Sequence[StoredLetter] = (),
    ) -> None:
        """Write down how a bucket's session has gone on, all of it or nothing.

        Args:
            bucket: as it is now; one that is open no more loses what it was made of.
            taken: what was taken in, each with its place.
            refused: answers that were not; they are forgotten, and may be sent anew.
            letters: that follow from it.
        """
        over = bucket.state != "open"
        with self._database.write() as connection:
            values = {name: value for name, value in _row(bucket).items() if name != "id"}
            connection.execute(update(_BUCKETS).where(_BUCKETS.c.id == bucket.id).values(**values))
            if over:
                connection.execute(delete(_ANSWERS).where(_ANSWERS.c.bucket == bucket.id))
                seats = select(_JOINS.c.client).where(_JOINS.c.window == bucket.window, _JOINS.c.bucket == bucket.id)
                theirs = and_(_LETTERS.c.window == bucket.window, _LETTERS.c.client.in_(seats))
                connection.execute(delete(_LETTERS).where(theirs))
            else:
                self._take_in(connection, taken, refused)
            self._post(connection, bucket.window, letters)
        if over:
            self._database.forget(_ANSWERS, _LETTERS, _BUCKETS)

    def letters(self, asked: Sequence[tuple[int, str, int]]) -> list[tuple[bool, list[StoredLetter]]]:
        """For each (window, client, after): whether it takes part, and its letters above that number."""
        found: dict[tuple[int, str], list[StoredLetter]] = {(window, client): [] for window, client, _ in asked}
        there: set[tuple[int, str]] = set()
        names = sorted(found)
        with self._database.read() as connection:
            for start in range(0, len(names), _AT_ONCE):
                some = names[start : start + _AT_ONCE]
                mine = or_(*(and_(_JOINS.c.window == window, _JOINS.c.client == client) for window, client in some))
                there |= {(row[0], row[1]) for row in connection.execute(
                    select(_JOINS.c.window, _JOINS.c.client).where(mine)
                )}  # fmt: skip
                ours = or_(*(and_(_LETTERS.c.window == window, _LETTERS.c.client == client) for window, client in some))
                for row in connection.execute(select(_LETTERS).where(ours).order_by(_LETTERS.c.number)).mappings():
                    letter = StoredLetter(**{name: row[name] for name in ("client", "number", "kind", "body")})
                    found[row["window"], row["client"]].append(letter)
        return [
            (
                (window, client) in there,
                [letter for letter in found[window, client] if letter.number > after],
            )
            for window, client, after in asked
        ]

    def take(self, region: str, window: int, round_number: int) -> list[StoredBucket]:
        """The sums of a region's buckets of a window, taken for a round; sums of other windows are erased.

        A bucket's sum is there until `settle` erases it, and the same ones are taken whenever it is asked.
        """
        mine = [_BUCKETS.c.region == region, _BUCKETS.c.state == "done"]
        with self._database.write() as connection:
            old = [*mine, _BUCKETS.c.window != window]
            connection.execute(update(_BUCKETS).where(*old).values(state="counted", total=None))
            connection.execute(update(_BUCKETS).where(*mine, _BUCKETS.c.window == window).values(round=round_number))
        return self.taken(region)

    def leave_out(self, faults: Mapping[str, str]) -> None:
        """Erase the sums of buckets that no row can be made of: bucket -> code."""
        if not faults:
            return
        change = update(_BUCKETS).where(_BUCKETS.c.id == bindparam("which"))
        values = change.values(state="failed", code=bindparam("why"), total=None, round=None)
        with self._database.write() as connection:
            connection.execute(values, [{"which": name, "why": code} for name, code in sorted(faults.items())])

    def taken(self, region: str) -> list[StoredBucket]:
        """The sums that a region has taken for a round and not settled, by bucket."""
        query = select(_BUCKETS).where(
            _BUCKETS.c.region == region, _BUCKETS.c.state == "done", _BUCKETS.c.round.is_not(None)
        )
        with self._database.read() as connection:
            return [_bucket(row) for row in connection.execute(query.order_by(_BUCKETS.c.id)).mappings()]

    def settle(self, region: str, round_number: int, *, counted: bool) -> None:
        """Erase a region's sums that have counted in a round, or leave them for another one."""
        values: dict[str, Any] = {"state": "counted", "total": None} if counted else {"round": None}
        mine = [_BUCKETS.c.region == region, _BUCKETS.c.state == "done", _BUCKETS.c.round == round_number]
        with self._database.write() as connection:
            connection.execute(update(_BUCKETS).where(*mine).values(**values))
        if counted:
            self._database.forget(_BUCKETS)

    def summed(self, round_number: int) -> dict[str, Any] | None:
        """Of a round: its ``buckets``, their ``members``, the ``failed`` ones of its ``window``; None without sums."""
        query = select(_BUCKETS.c.window, _BUCKETS.c.state, _BUCKETS.c.members, _BUCKETS.c.round).where(
            _BUCKETS.c.window.in_(select(_BUCKETS.c.window).where(_BUCKETS.c.round == round_number))
        )
        with self._database.read() as connection:
            rows = connection.execute(query).all()
        if not rows:
            return None
        counted = [members for _, _, members, number in rows if number == round_number]
        failed = sum(state == "failed" for _, state, _, _ in rows)
        return {"buckets": len(counted), "members": sum(counted), "failed": failed, "window": int(rows[0][0])}

    def _answers(self, buckets: Collection[str], *, taken_in: bool) -> list[StoredAnswer]:
        query = select(_ANSWERS).where(_ANSWERS.c.place.is_not(None) if taken_in else _ANSWERS.c.place.is_(None))
        names, found = sorted(buckets), list[StoredAnswer]()
        with self._database.read() as connection:
            for start in range(0, len(names), _AT_ONCE):
                some = query.where(_ANSWERS.c.bucket.in_(names[start : start + _AT_ONCE]))
                order = (_ANSWERS.c.bucket, _ANSWERS.c.place if taken_in else _ANSWERS.c.client, _ANSWERS.c.kind)
                found += [
                    StoredAnswer(bucket=row["bucket"], client=row["client"], kind=row["kind"], body=row["body"])
                    for row in connection.execute(some.order_by(*order)).mappings()
                ]
        return found

    def _take_in(
        self,
        connection: Connection,
        taken: Sequence[tuple[int, StoredAnswer]],
        refused: Sequence[StoredAnswer],
    ) -> None:
        for place, answer in taken:
            row = self._database.insert(_ANSWERS).values(
                bucket=answer.bucket, client=answer.client, kind=answer.kind, body=answer.body, place=place
            )
            keys = ["bucket", "client", "kind"]
            connection.execute(row.on_conflict_do_update(index_elements=keys, set_={"place": place}))
        for answer in refused:
            mine = [
                _ANSWERS.c.bucket == answer.bucket,
                _ANSWERS.c.client == answer.client,
                _ANSWERS.c.kind == answer.kind,
                _ANSWERS.c.place.is_(None),
            ]
            connection.execute(delete(_ANSWERS).where(*mine))

    @staticmethod
    def _post(connection: Connection, window: int, letters: Sequence[StoredLetter]) -> None:
        if letters:
            rows = [
                {"window": window, "client": one.client, "number": one.number, "kind": one.kind, "body": one.body}
                for one in letters
            ]
            connection.execute(insert(_LETTERS), rows)

    @staticmethod
    def _erase(connection: Connection, window: int) -> None:
        """Erase what is left of windows before, and what is told of those long ago."""
        earlier = select(_BUCKETS.c.id).where(_BUCKETS.c.window < window)
        connection.execute(delete(_ANSWERS).where(_ANSWERS.c.bucket.in_(earlier)))
        connection.execute(delete(_LETTERS).where(_LETTERS.c.window < window))
        connection.execute(delete(_JOINS).where(_JOINS.c.window < window))
        lost = [_BUCKETS.c.window < window, _BUCKETS.c.state == "open"]
        over = {"state": "failed", "code": "secure.abandoned", "terms": None, "identities": None}
        connection.execute(update(_BUCKETS).where(*lost).values(**over))
        for table in (_BUCKETS, _DRAWS):
            connection.execute(delete(table).where(table.c.window < window - KEPT_WINDOWS))


def _row(bucket: StoredBucket) -> dict[str, Any]:
    opened = bucket.state == "open"
    return {
        "id": bucket.id,
        "window": bucket.window,
        "region": bucket.region,
        "base_version": bucket.base_version,
        "members": bucket.members,
        "state": bucket.state,
        "code": bucket.code,
        "deadline": bucket.deadline,
        "round": bucket.round,
        "terms": bucket.terms if opened else None,
        "identities": json.dumps(dict(bucket.identities), sort_keys=True) if opened else None,
        "total": None if bucket.total is None else np.ascontiguousarray(bucket.total, "<f8").tobytes(),
    }


def _bucket(row: Mapping[Any, Any]) -> StoredBucket:
    plain = dict(row)
    identities, total = plain.pop("identities"), plain.pop("total")
    return StoredBucket(
        **plain,
        identities={} if identities is None else json.loads(identities),
        total=None if total is None else np.frombuffer(total, "<f8").astype(np.float64),
    )
