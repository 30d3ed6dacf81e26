"""The releases that clients' changes are relative to, as rows."""

from __future__ import annotations

from typing import Final

from actors.storage import Storage
from federation.errors import SwarmError
from federation.workload import Row, Workload

GENESIS_VERSION: Final = "1.0.0"
"""The version that is the genesis, also where no record of it was written."""

KEPT: Final = 16


class UnknownBaseError(SwarmError):
    """A submission whose changes are relative to a release that is not stored."""

    code = "door.unknown_base"

    def __init__(self, *, version: str) -> None:
        super().__init__(
            f"A submission is based on {version}, which is not stored, so nobody can tell what its client holds. It is "
            "left out; the client's next one will be based on the release that it gets.",
            version=version,
        )


class Bases:
    """Rows of releases by version; those that were asked for last are kept.

    Args:
        workload: whose releases.
        seed: of the genesis, which clients without a release have changed.
    """

    def __init__(self, workload: Workload, *, seed: int) -> None:
        self.genesis: Row = workload.genesis(seed)
        self._workload = workload
        self._rows: dict[str, Row] = {}

    def row(self, storage: Storage, version: str | None) -> Row:
        """The row of a release; of the genesis for None. The same array while it is kept.

        Raises:
            UnknownBaseError: for a release that is not stored.
        """
        if version is None:
            return self.genesis
        row = self._rows.pop(version, None)
        if row is None:
            record = storage.releases.get(version)
            if record is not None:
                row = self._workload.unpack(record.row)
            elif version == GENESIS_VERSION:
                row = self.genesis
            else:
                raise UnknownBaseError(version=version)
        self._rows[version] = row  # the newest use last
        while len(self._rows) > KEPT:
            del self._rows[next(iter(self._rows))]
        return row
