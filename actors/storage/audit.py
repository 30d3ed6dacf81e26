"""The audit: who did what, when, and what came of it. Actions, never data."""

from __future__ import annotations

from collections.abc import Iterable

from sqlalchemy import delete, select

from actors.storage import tables
from actors.storage.database import Database
from actors.storage.records import AuditEntry

_TABLE = tables.audit


class Audit:
    """Actions in the order in which they were written down."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def add(self, action: str, *, code: str, now: float, client: str = "", operator: str = "") -> None:
        """Write an action down; by the clerk when neither a client nor an operator is named."""
        self.add_many([(action, client, operator, code)], now=now)

    def add_many(self, actions: Iterable[tuple[str, str, str, str]], *, now: float) -> None:
        """Write several actions down, each as (action, client, operator, code), in one transaction."""
        rows = [
            {
                "at": now,
                "action": action[:64],
                "actor": "client" if client else "operator" if operator else "clerk",
                "name": (client or operator)[:64],
                "code": code[:64],
            }
            for action, client, operator, code in actions
        ]
        if rows:
            with self._database.write() as connection:
                connection.execute(_TABLE.insert(), rows)

    def list(
        self, *, limit: int = 100, below: int | None = None, name: str | None = None, action: str | None = None
    ) -> list[AuditEntry]:
        """The newest entries first, of one client or operator, or of one action, when it is named.

        Args:
            limit: most entries.
            below: only those with a smaller sequence number: the next page.
            name, action: whose, and which.
        """
        query = select(_TABLE).order_by(_TABLE.c.sequence.desc()).limit(limit)
        if below is not None:
            query = query.where(_TABLE.c.sequence < below)
        if name is not None:
            query = query.where(_TABLE.c.name == name)
        if action is not None:
            query = query.where(_TABLE.c.action == action)
        with self._database.read() as connection:
            return [AuditEntry(**row) for row in connection.execute(query).mappings()]

    def drop(self, before: float) -> int:
        """How many entries of before this time were erased."""
        with self._database.write() as connection:
            return connection.execute(delete(_TABLE).where(_TABLE.c.at < before)).rowcount
