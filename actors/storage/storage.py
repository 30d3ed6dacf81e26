"""Storage: everything that the doors, the clerk and the REST processes of a federation share."""

from __future__ import annotations

from types import TracebackType
from typing import Self

from actors.storage.appeals import Appeals
from actors.storage.audit import Audit
from actors.storage.claims import Claims
from actors.storage.clients import Clients
from actors.storage.database import Database
from actors.storage.facts import Facts
from actors.storage.leases import Leases
from actors.storage.mail import Mail
from actors.storage.releases import Releases
from actors.storage.reports import Reports
from actors.storage.rollouts import Rollouts
from actors.storage.submissions import Submissions
from actors.storage.windows import Windows


class Storage:
    """One database with everything in it. Safe to use from several threads; each process opens its own.

    Every call is a transaction by itself and is done when it returns. A database that is down is a
    `StorageUnavailableError`; whether to ask again is the caller's to say.

    Attributes:
        clients, submissions, claims, windows, mail, releases, rollouts, reports, appeals, audit, facts, leases: what is
            stored, by kind.
    """

    def __init__(self, database: Database) -> None:
        self._database = database
        self.clients = Clients(database)
        self.submissions = Submissions(database)
        self.claims = Claims(database)
        self.windows = Windows(database)
        self.mail = Mail(database)
        self.releases = Releases(database)
        self.rollouts = Rollouts(database)
        self.reports = Reports(database)
        self.appeals = Appeals(database)
        self.audit = Audit(database)
        self.facts = Facts(database)
        self.leases = Leases(database)

    @classmethod
    def open(cls, url: str) -> Self:
        """The storage behind a URL; its tables are made if there are none.

        Args:
            url: ``sqlite:///relative/path``, ``sqlite:////absolute/path`` or
                ``postgresql://user:password@host:port/database``.

        Raises:
            StorageUrlError: when the URL names no database of these kinds.
            StorageUnavailableError: when it cannot be reached.
            StorageFormError: when it was written by a version of another form.
            StorageDamagedError: when one of its tables is gone.
        """
        return cls(Database(url))

    def close(self) -> None:
        """Give the connections back."""
        self._database.close()

    def check(self) -> None:
        """Return if the database answers.

        Raises:
            StorageUnavailableError: when it does not.
        """
        self.facts.get("")

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def __repr__(self) -> str:
        return f"Storage({self._database.shown!r})"
