"""What the doors have taken for the rounds that are open: which documents count, whatever comes in meanwhile.

A door keeps nothing of its own. Which documents it has taken for a round stands here before anybody hears of them, so
that the next process says the same, and so that what has counted is erased, and nothing else.
"""

from __future__ import annotations

from collections.abc import Collection

from sqlalchemy import and_, cast, delete, exists, func, insert, literal, or_, select

from actors.storage import tables
from actors.storage.database import Database
from actors.storage.records import Submission
from actors.storage.submissions import erase, waiting

_CLAIMS, _DOCUMENTS = tables.claims, tables.documents

_TAKEN = and_(
    _DOCUMENTS.c.client == _CLAIMS.c.client,
    _DOCUMENTS.c.window == _CLAIMS.c.window,
    _DOCUMENTS.c.nonce == _CLAIMS.c.nonce,
)


class Claims:
    """The claims of all regions, those of one round each."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def take(
        self,
        region: str,
        round_number: int,
        *,
        since: float,
        window: int | None = None,
        without: Collection[str] = (),
        limit: int | None = None,
    ) -> int:
        """Take what is pending for a round, in the place of what the region had taken before. How many clients.

        Args:
            region: whose door asks.
            round_number: the round.
            since: what came before is too old.
            window: the last window that counts; None for all.
            without: versions of releases; what is based on one of them is left where it is.
            limit: at most so many clients, by their ids; the others wait.
        """
        found = select(
            literal(region),
            _DOCUMENTS.c.client,
            cast(literal(round_number), tables.Count),
            _DOCUMENTS.c.window,
            _DOCUMENTS.c.nonce,
        ).where(*waiting(region, window), _DOCUMENTS.c.received_at >= since)
        if without:
            base = _DOCUMENTS.c.base_version
            found = found.where(or_(base.is_(None), base.not_in(sorted(without))))
        found = found.order_by(_DOCUMENTS.c.client).limit(limit)
        with self._database.write() as connection:
            connection.execute(delete(_CLAIMS).where(_CLAIMS.c.region == region))
            connection.execute(insert(_CLAIMS).from_select(["region", "client", "round", "window", "nonce"], found))
            query = select(func.count()).select_from(_CLAIMS).where(_CLAIMS.c.region == region)
            return connection.execute(query).scalar_one()

    def round_of(self, region: str) -> int | None:
        """The round that a region has taken something for; None when there is none."""
        query = select(_CLAIMS.c.round).where(_CLAIMS.c.region == region).limit(1)
        with self._database.read() as connection:
            return connection.execute(query).scalar()

    def clients(self, region: str, round_number: int) -> list[str]:
        """Whose submissions a region has taken for a round, by id."""
        query = select(_CLAIMS.c.client).where(_CLAIMS.c.region == region, _CLAIMS.c.round == round_number)
        with self._database.read() as connection:
            return list(connection.execute(query.order_by(_CLAIMS.c.client)).scalars())

    def documents(self, region: str, round_number: int, after: str = "", limit: int = 256) -> list[Submission]:
        """What a region has taken for a round, by the clients' ids, a chunk at a time.

        One that was erased meanwhile, because its client left or it grew stale, is missing. Nothing takes its place.
        """
        query = (
            select(_DOCUMENTS)
            .join(_CLAIMS, _TAKEN)
            .where(_CLAIMS.c.region == region, _CLAIMS.c.round == round_number, _CLAIMS.c.client > after)
            .order_by(_CLAIMS.c.client)
            .limit(limit)
        )
        with self._database.read() as connection:
            return [Submission(**row) for row in connection.execute(query).mappings()]

    def give_back(self, region: str, clients: Collection[str] | None = None) -> None:
        """Leave what these clients sent, or all that the region has taken, for another round."""
        drop = delete(_CLAIMS).where(_CLAIMS.c.region == region)
        names = None if clients is None else sorted(clients)
        with self._database.write() as connection:
            if names is None:
                connection.execute(drop)
                return
            for start in range(0, len(names), 500):
                connection.execute(drop.where(_CLAIMS.c.client.in_(names[start : start + 500])))

    def consume(self, region: str, round_number: int) -> int:
        """Erase what was taken for a round, and what the same clients sent for windows before. How many documents went.

        What a client has sent since stays. `Submissions.consume` says what is left of the bytes.
        """
        ours = [_CLAIMS.c.region == region, _CLAIMS.c.round == round_number]
        before = and_(_DOCUMENTS.c.client == _CLAIMS.c.client, _DOCUMENTS.c.window < _CLAIMS.c.window)
        counted = exists().where(or_(_TAKEN, before), *ours)
        return erase(self._database, counted, delete(_CLAIMS).where(*ours))
