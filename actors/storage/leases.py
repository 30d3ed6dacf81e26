"""Leases: who does what only one may do, and until when.

A lease is a fact. Taking one is a transaction that nobody else's comes between, on both databases. What its holder
writes can be bound to it (`Facts.put_many`): then nothing of it is written once somebody else has taken over. Times are
the holders': their clocks should agree to a few seconds.
"""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from typing import Any, Final

from sqlalchemy import Connection, select, update

from actors.storage import tables
from actors.storage.database import Database

LEASE: Final = "lease."
"""What the names of the facts begin with that are leases."""

_TABLE = tables.facts


@dataclass(frozen=True, slots=True, kw_only=True)
class Lease:
    """Who holds a name.

    Attributes:
        name: of what is held.
        holder: whoever took it.
        since: unix seconds.
        expires: when others may take it, unless it is renewed.
    """

    name: str
    holder: str
    since: float
    expires: float


class Leases:
    """The leases of a federation."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def get(self, name: str) -> Lease | None:
        """The lease on a name, run out or not; None when nobody ever took it."""
        query = select(_TABLE.c.value).where(_TABLE.c.name == LEASE + name)
        with self._database.read() as connection:
            found = connection.execute(query).scalar()
        return None if found is None else _lease(found)

    def take(self, name: str, holder: str, *, now: float, lasts_s: float) -> Lease:
        """The lease on a name, as it is afterwards: the caller's, unless somebody else's has not run out.

        To take it again renews it. One that has run out is still its holder's until somebody else takes it.
        """
        wanted = Lease(name=name, holder=holder, since=now, expires=now + lasts_s)
        with self._database.write() as connection:
            first = self._database.insert(_TABLE).values(name=LEASE + name, value=json.dumps(asdict(wanted)))
            connection.execute(first.on_conflict_do_nothing(index_elements=[_TABLE.c.name]))
            found = self._held(connection, name)
            if found.holder != holder and found.expires > now:
                return found
            since = found.since if found.holder == holder and found.expires > 0 else now
            taken = Lease(name=name, holder=holder, since=since, expires=now + lasts_s)
            self._write(connection, taken)
        return taken

    def end(self, name: str, holder: str) -> None:
        """Give a name free. Nothing happens when it is somebody else's by now."""
        with self._database.write() as connection:
            query = select(_TABLE.c.value).where(_TABLE.c.name == LEASE + name).with_for_update()
            found = connection.execute(query).scalar()
            if found is not None and (held := _lease(found)).holder == holder:
                self._write(connection, Lease(name=name, holder=holder, since=held.since, expires=0.0))

    @staticmethod
    def _held(connection: Connection, name: str) -> Lease:
        """The lease, which nobody else changes before this transaction ends. Leases are never deleted."""
        query = select(_TABLE.c.value).where(_TABLE.c.name == LEASE + name).with_for_update()
        return _lease(connection.execute(query).scalar_one())

    @staticmethod
    def _write(connection: Connection, lease: Lease) -> None:
        value = json.dumps(asdict(lease))
        connection.execute(update(_TABLE).where(_TABLE.c.name == LEASE + lease.name).values(value=value))


def holder_of(connection: Connection, name: str) -> Lease | None:
    """The lease on a name, which nobody takes over before this transaction ends; None when there is none."""
    query = select(_TABLE.c.value).where(_TABLE.c.name == LEASE + name).with_for_update(read=True)
    found = connection.execute(query).scalar()
    return None if found is None else _lease(found)


def _lease(value: str) -> Lease:
    found: dict[str, Any] = json.loads(value)
    return Lease(**found)
