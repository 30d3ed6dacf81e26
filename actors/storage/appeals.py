"""What quarantined clients say for themselves."""

from __future__ import annotations

from sqlalchemy import delete, select

from actors.storage import tables
from actors.storage.database import Database
from actors.storage.records import Appeal

_TABLE = tables.appeals


class Appeals:
    """One for each client at most; a later one takes an earlier one's place. Gone when the client is reinstated."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def add(self, appeal: Appeal) -> None:
        """Keep an appeal."""
        insert = self._database.insert(_TABLE).values(client=appeal.client, at=appeal.at, statement=appeal.statement)
        new = insert.excluded
        with self._database.write() as connection:
            connection.execute(
                insert.on_conflict_do_update(
                    index_elements=[_TABLE.c.client], set_={"at": new.at, "statement": new.statement}
                )
            )

    def list(self, limit: int = 100) -> list[Appeal]:
        """The appeals that wait longest."""
        with self._database.read() as connection:
            query = select(_TABLE).order_by(_TABLE.c.at, _TABLE.c.client).limit(limit)
            return [Appeal(**row) for row in connection.execute(query).mappings()]

    def close(self, client: str) -> bool:
        """Whether the client had an appeal, which is erased now."""
        with self._database.write() as connection:
            return bool(connection.execute(delete(_TABLE).where(_TABLE.c.client == client)).rowcount)
