"""The clients that are registered."""

from __future__ import annotations

from collections.abc import Collection, Iterable
from typing import Any

from sqlalchemy import Row, bindparam, case, delete, func, select, update

from actors.storage import tables
from actors.storage.database import Database
from actors.storage.errors import ClientKeyError
from actors.storage.records import DAY_S, Client, ClientState, day_of

_TABLE = tables.clients
_COLUMNS = tuple(column for column in _TABLE.c if column.name != "quarantined")


class Clients:
    """Who may submit, and what is known of them."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def put(self, client: Client) -> Client:
        """Register a client, or renew its registration. Returns what is stored now.

        A client that is known keeps its key and the time of its first registration, and stays in quarantine if that
        is where it was, even if it was deregistered since.

        Raises:
            ClientKeyError: when it is known with another key.
        """
        values = _values(client)
        insert = self._database.insert(_TABLE).values(**values, quarantined=client.state is ClientState.QUARANTINED)
        new = insert.excluded
        kept = {"id", "public_key", "registered_at", "state"}
        statement = insert.on_conflict_do_update(
            index_elements=[_TABLE.c.id],
            set_={
                **{name: new[name] for name in values if name not in kept},
                "state": case((_TABLE.c.quarantined, ClientState.QUARANTINED.value), else_=new.state),
                "quarantined": _TABLE.c.quarantined | new.quarantined,
            },
            where=_TABLE.c.public_key == new.public_key,
        )
        with self._database.write() as connection:
            row = connection.execute(statement.returning(*_COLUMNS)).one_or_none()
        if row is None:
            raise ClientKeyError(client=client.id)
        return _client(row)

    def get(self, client: str) -> Client | None:
        """The client of this id, deregistered ones included."""
        with self._database.read() as connection:
            row = connection.execute(select(*_COLUMNS).where(_TABLE.c.id == client)).one_or_none()
        return None if row is None else _client(row)

    def by_token(self, token_hash: bytes) -> Client | None:
        """The client whose token has this hash. Whether the token has ended is the caller's to see."""
        with self._database.read() as connection:
            row = connection.execute(select(*_COLUMNS).where(_TABLE.c.token_hash == token_hash)).one_or_none()
        return None if row is None else _client(row)

    def by_tokens(self, token_hashes: Collection[bytes]) -> dict[bytes, Client]:
        """token hash -> its client, of those that have one: `by_token` for some hundreds at once."""
        query = select(*_COLUMNS).where(_TABLE.c.token_hash.in_(list(token_hashes)))
        with self._database.read() as connection:
            found = [_client(row) for row in connection.execute(query)]
        return {client.token_hash: client for client in found}

    def enrol_from(self, where: bytes, day: int, limit: int) -> bool:
        """Whether one more client may register from a place on a UTC day; if so, it is counted.

        Args:
            where: a keyed hash of the network address; addresses themselves are not stored.
            day: see `day_of`.
            limit: registrations from one place in a day.
        """
        table = tables.enrolments
        insert = self._database.insert(table).values(place=where, day=day, used=1)
        counted = insert.on_conflict_do_update(
            index_elements=[table.c.place, table.c.day], set_={"used": table.c.used + 1}, where=table.c.used < limit
        )
        with self._database.write() as connection:
            return limit > 0 and connection.execute(counted.returning(table.c.used)).one_or_none() is not None

    def count(self, state: ClientState | str | None = None) -> int:
        """How many clients there are, in one state or in all."""
        query = select(func.count()).select_from(_TABLE)
        with self._database.read() as connection:
            counted = query if state is None else query.where(_TABLE.c.state == str(state))
            return connection.execute(counted).scalar_one()

    def list(self, after: str = "", limit: int = 1_000, state: ClientState | str | None = None) -> list[Client]:
        """Clients with ids above ``after``, in the order of their ids."""
        query = select(*_COLUMNS).where(_TABLE.c.id > after).order_by(_TABLE.c.id).limit(limit)
        with self._database.read() as connection:
            rows = connection.execute(query if state is None else query.where(_TABLE.c.state == str(state))).all()
        return [_client(row) for row in rows]

    def set_state(self, client: str, state: ClientState | str, now: float) -> bool:
        """Whether there is such a client, that is in this state now. Reinstating one that is deregistered does nothing.

        ``DEREGISTERED`` does what `deregister` does.
        """
        wanted = ClientState(state)
        if wanted is ClientState.DEREGISTERED:
            return self.deregister(client, now)
        change = update(_TABLE).where(_TABLE.c.id == client, _TABLE.c.state != ClientState.DEREGISTERED.value)
        with self._database.write() as connection:
            done = connection.execute(
                change.values(state=wanted.value, quarantined=wanted is ClientState.QUARANTINED)
            ).rowcount
            if wanted is ClientState.ACTIVE:
                connection.execute(delete(tables.appeals).where(tables.appeals.c.client == client))
        return bool(done)

    def rotate(self, client: str, token_hash: bytes, expires: float) -> bool:
        """Whether the client has this token now. One that is deregistered gets none."""
        change = update(_TABLE).where(_TABLE.c.id == client, _TABLE.c.state != ClientState.DEREGISTERED.value)
        with self._database.write() as connection:
            done = connection.execute(change.values(token_hash=token_hash or None, token_expires=expires)).rowcount
        return bool(done)

    def seen(self, clients: Iterable[str], now: float) -> None:
        """Note that these clients were heard of this day. Only the first time of a day writes anything."""
        day = day_of(now) * DAY_S
        change = update(_TABLE).where(_TABLE.c.id == bindparam("client"), _TABLE.c.seen_at < bindparam("day"))
        rows = [{"client": client, "day": day} for client in sorted(set(clients))]
        if rows:
            with self._database.write() as connection:
                connection.execute(change.values(seen_at=bindparam("day")), rows)

    def deregister(self, client: str, now: float) -> bool:
        """Whether the client is deregistered now. Its token and its pending documents are gone at once.

        The rest goes at the next `purge`.
        """
        documents = tables.documents
        with self._database.write() as connection:
            done = connection.execute(
                update(_TABLE)
                .where(_TABLE.c.id == client)
                .values(
                    state=ClientState.DEREGISTERED.value,
                    token_hash=None,
                    token_expires=0.0,
                    purge_at=func.coalesce(_TABLE.c.purge_at, now),
                )
            ).rowcount
            erased = connection.execute(delete(documents).where(documents.c.client == client)).rowcount
            # A bucket that is under way goes on without it; there it is one that dropped out.
            connection.execute(delete(tables.letters).where(tables.letters.c.client == client))
            connection.execute(delete(tables.joins).where(tables.joins.c.client == client))
        if erased:
            self._database.forget(documents)
        return bool(done)

    def purge(self, now: float, *, limit: int = 1_000) -> int:
        """How many deregistered clients' traces were erased. Their actions stay in the audit, without a name."""
        due = select(_TABLE.c.id).where(_TABLE.c.purge_at <= now).order_by(_TABLE.c.id).limit(limit)
        gone = 0
        while True:
            with self._database.write() as connection:
                ids = connection.execute(due).scalars().all()
                for table in _OF_A_CLIENT:
                    connection.execute(delete(table).where(table.c.client.in_(ids)))
                connection.execute(update(tables.audit).where(tables.audit.c.name.in_(ids)).values(name=""))
                connection.execute(delete(_TABLE).where(_TABLE.c.id.in_(ids)))
            gone += len(ids)
            if len(ids) < limit:
                break
        if gone:
            self._database.forget(*(tables.metadata.tables[name] for name in _PURGED))
        return gone


_OF_A_CLIENT = (
    tables.submissions,
    tables.documents,
    tables.allowances,
    tables.reports,
    tables.appeals,
    tables.claims,
    tables.folded,
    tables.conduct,
)
_PURGED = ("federation_clients", "federation_documents", "federation_submissions")


def _values(client: Client) -> dict[str, Any]:
    values = {column.name: getattr(client, column.name) for column in _COLUMNS}
    return values | {"state": client.state.value, "token_hash": client.token_hash or None}


def _client(row: Row[Any]) -> Client:
    values: dict[str, Any] = dict(row._mapping)  # noqa: SLF001 - its public name
    values["token_hash"] = values["token_hash"] or b""
    return Client(**values)
