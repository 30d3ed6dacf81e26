"""The rollouts: which release is served to whom."""

from __future__ import annotations

import json
from collections.abc import Callable

from sqlalchemy import Connection, select

from actors.storage import tables
from actors.storage.database import Database
from actors.storage.errors import UnknownReleaseError
from federation.rollout import Rollout

_TABLE = tables.rollouts


class Rollouts:
    """One for each release that was rolled out; the last one that was begun is the current one."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def get(self, version: str | None = None) -> Rollout | None:
        """The rollout of a version; the current one when none is named."""
        with self._database.read() as connection:
            return self._find(connection, version)

    def list(self, limit: int = 100) -> list[Rollout]:
        """The last rollouts, the current one first."""
        with self._database.read() as connection:
            query = select(_TABLE.c.value).order_by(_TABLE.c.sequence.desc()).limit(limit)
            return [_rollout(value) for value in connection.execute(query).scalars()]

    def put(self, rollout: Rollout) -> None:
        """Keep a rollout. One of a new version becomes the current one.

        What was done to a stored one in the meantime, such as an approval, is lost: to change one, use `change`.
        """
        with self._database.write() as connection:
            self._put(connection, rollout)

    def change(self, version: str, step: Callable[[Rollout], Rollout]) -> Rollout:
        """What ``step`` makes of the stored rollout, stored. Nobody else changes it in between.

        Raises:
            UnknownReleaseError: when there is no rollout of this version.
        """
        with self._database.write() as connection:
            found = self._find(connection, version, change=True)
            if found is None:
                raise UnknownReleaseError(version=version)
            changed = step(found)
            self._put(connection, changed)
        return changed

    def approve(self, version: str, by: str, now: float) -> Rollout:
        """The rollout with an operator's approval of its present stage.

        Raises:
            UnknownReleaseError: when there is no rollout of this version.
            SettingError: when it is not at a stage that can be approved.
        """
        return self.change(version, lambda rollout: rollout.approve(by=by, now=now))

    @staticmethod
    def _find(connection: Connection, version: str | None, *, change: bool = False) -> Rollout | None:
        query = select(_TABLE.c.value).order_by(_TABLE.c.sequence.desc()).limit(1)
        query = query if version is None else query.where(_TABLE.c.version == version)
        value = connection.execute(query.with_for_update() if change else query).scalar()
        return None if value is None else _rollout(value)

    def _put(self, connection: Connection, rollout: Rollout) -> None:
        value = json.dumps(rollout.to_dict(), sort_keys=True)
        insert = self._database.insert(_TABLE).values(version=rollout.version, value=value)
        connection.execute(
            insert.on_conflict_do_update(index_elements=[_TABLE.c.version], set_={"value": insert.excluded.value})
        )


def _rollout(value: str) -> Rollout:
    return Rollout.from_dict(json.loads(value))
