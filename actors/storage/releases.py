"""The releases, as the world sees them."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

from sqlalchemy import Select, select, update

from actors.storage import tables
from actors.storage.database import Database
from actors.storage.errors import StoredReleaseError
from actors.storage.records import ReleaseRecord

_TABLE = tables.releases
_LISTED = tuple(column for column in _TABLE.c if column.name != "row")


class Releases:
    """Every release since the first. Only its state ever changes."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def add(self, record: ReleaseRecord) -> None:
        """Keep a release. The same one again changes nothing.

        Raises:
            StoredReleaseError: when its version or its number is another release's.
        """
        values = {column.name: getattr(record, column.name) for column in _TABLE.c}
        values["facts"] = json.dumps(values["facts"], sort_keys=True)
        with self._database.write() as connection:
            insert = self._database.insert(_TABLE).values(**values).on_conflict_do_nothing()
            if connection.execute(insert).rowcount == 1:
                return
            there = connection.execute(
                select(_TABLE.c.version, _TABLE.c.checksum, _TABLE.c.row).where(_TABLE.c.number == record.number)
            ).one_or_none()
        if there is None or tuple(there) != (record.version, record.checksum, record.row):
            raise StoredReleaseError(name=record.version)

    def get(self, version: str) -> ReleaseRecord | None:
        """The release of a semantic version, with its artefact."""
        return self._one(select(_TABLE).where(_TABLE.c.version == version))

    def by_number(self, number: int) -> ReleaseRecord | None:
        """The release that has this number inside the swarm, with its artefact."""
        return self._one(select(_TABLE).where(_TABLE.c.number == number))

    def latest(self) -> ReleaseRecord | None:
        """The newest release, with its artefact. Who is served which one is the rollout's to say."""
        return self._one(select(_TABLE).order_by(_TABLE.c.number.desc()).limit(1))

    def list(self, limit: int = 100, *, below: int | None = None) -> Sequence[ReleaseRecord]:
        """The newest releases with a number below the one that is named, newest first, without artefacts."""
        query = select(*_LISTED).order_by(_TABLE.c.number.desc()).limit(limit)
        with self._database.read() as connection:
            rows = connection.execute(query if below is None else query.where(_TABLE.c.number < below)).mappings().all()
        return [_record(dict(row)) for row in rows]

    def set_state(self, version: str, state: str) -> bool:
        """Whether there is such a release, which has this state now."""
        with self._database.write() as connection:
            change = update(_TABLE).where(_TABLE.c.version == version).values(state=state)
            return bool(connection.execute(change).rowcount)

    def _one(self, query: Select[Any]) -> ReleaseRecord | None:
        with self._database.read() as connection:
            row = connection.execute(query).mappings().one_or_none()
        return None if row is None else _record(dict(row))


def _record(values: dict[str, Any]) -> ReleaseRecord:
    return ReleaseRecord(**values | {"facts": json.loads(values["facts"])})
