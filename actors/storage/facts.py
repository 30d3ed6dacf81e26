"""Facts: small JSON values by name, such as the window's number, the next aggregation or why the federation rests."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from sqlalchemy import delete, select

from actors.storage import tables
from actors.storage.database import Database
from actors.storage.errors import LeaseError
from actors.storage.leases import Lease, holder_of

_TABLE = tables.facts


class Facts:
    """Values that the processes of a federation share."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def get(self, name: str, default: Any = None) -> Any:
        """The value of a name; ``default`` when it has none."""
        with self._database.read() as connection:
            found = connection.execute(select(_TABLE.c.value).where(_TABLE.c.name == name)).scalar()
        return default if found is None else json.loads(found)

    def all(self) -> dict[str, Any]:
        """Every name and its value."""
        with self._database.read() as connection:
            rows = connection.execute(select(_TABLE.c.name, _TABLE.c.value).order_by(_TABLE.c.name)).all()
        return {name: json.loads(value) for name, value in rows}

    def put(self, name: str, value: Any) -> None:
        """Give a name its value. None takes it away."""
        self.put_many({name: value})

    def put_many(self, facts: Mapping[str, Any], *, under: Lease | None = None) -> None:
        """Give several names their values, all or none.

        Raises:
            LeaseError: when the lease that it is done under is somebody else's by now. Nothing is written then.
        """
        with self._database.write() as connection:
            held = None if under is None else holder_of(connection, under.name)
            if under is not None and (held is None or held.holder != under.holder):
                raise LeaseError(name=under.name, holder="nobody" if held is None else held.holder)
            for name, value in sorted(facts.items()):
                if value is None:
                    connection.execute(delete(_TABLE).where(_TABLE.c.name == name))
                    continue
                insert = self._database.insert(_TABLE).values(name=name, value=json.dumps(value))
                connection.execute(
                    insert.on_conflict_do_update(index_elements=[_TABLE.c.name], set_={"value": insert.excluded.value})
                )
