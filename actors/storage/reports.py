"""What clients report of a release: how many calls, and how many of them failed."""

from __future__ import annotations

from typing import Final

from sqlalchemy import delete, func, select

from actors.storage import tables
from actors.storage.database import Database
from actors.storage.records import LARGEST_COUNT, day_of
from federation.errors import SettingError

MOST_REPORTERS: Final = 100_000
"""Clients whose figures are read at most. Ids are keyed hashes, so the first ones are as good a sample as any."""

_TABLE = tables.reports


class Reports:
    """One for each client, version and UTC day; a later one takes the place of an earlier one."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def add(self, client: str, version: str, day: int, calls: int, errors: int) -> None:
        """Keep what a client says of a day.

        Args:
            client, version: who used what.
            day: the UTC day's number, see `day_of`.
            calls, errors: of that day. How much a client's word counts is `federation.rollout`'s to say.

        Raises:
            SettingError: when there are more errors than calls.
        """
        if not 0 <= errors <= calls <= LARGEST_COUNT:
            raise SettingError(name="errors", found=f"{errors} of {calls} calls", needed="from 0 to the calls")
        insert = self._database.insert(_TABLE).values(
            client=client, version=version, day=day, calls=calls, errors=errors
        )
        new = insert.excluded
        with self._database.write() as connection:
            connection.execute(
                insert.on_conflict_do_update(
                    index_elements=[_TABLE.c.version, _TABLE.c.client, _TABLE.c.day],
                    set_={"calls": new.calls, "errors": new.errors},
                )
            )

    def figures(self, version: str, *, most: int = MOST_REPORTERS) -> dict[str, tuple[int, int]]:
        """client -> (calls, errors) over all days of a version, in the order of the clients' ids."""
        calls, errors = func.sum(_TABLE.c.calls), func.sum(_TABLE.c.errors)
        query = (
            select(_TABLE.c.client, calls, errors)
            .where(_TABLE.c.version == version)
            .group_by(_TABLE.c.client)
            .order_by(_TABLE.c.client)
            .limit(most)
        )
        with self._database.read() as connection:
            return {client: (int(made), int(failed)) for client, made, failed in connection.execute(query)}

    def drop(self, before: float) -> int:
        """How many reports of days before this time were erased."""
        with self._database.write() as connection:
            return connection.execute(delete(_TABLE).where(_TABLE.c.day < day_of(before))).rowcount
