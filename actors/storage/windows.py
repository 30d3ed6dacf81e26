"""Windows that are folded as submissions come: a state in the place of documents, each of which goes in once.

The state is written in the transaction that erases the documents that went into it, and only when all of these are
still there and nobody else has written since. So whoever is killed leaves a document unfolded or folded, never both.
Who was folded is listed until the window is over: what such a client sends meanwhile waits for the next one. That list,
a line a client, is all that grows with their number.

Clients that are flagged in three windows in a row are put in quarantine, for ten windows the first time and twice as
long each further time, as the swarm's trust ledger does for clients with rows of their own.
"""

from __future__ import annotations

import json
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Final

from sqlalchemy import Connection, and_, bindparam, delete, exists, func, insert, or_, select, tuple_, update

from actors.storage import tables
from actors.storage.database import Database
from actors.storage.records import ClientState, Submission
from actors.storage.submissions import waiting
from federation.trust import TrustPolicy

MOST_DOUBLINGS: Final = 10
ROUNDS_KEPT: Final = 64
_AT_ONCE: Final = 300  # a statement takes a bounded number of parameters

_WINDOWS, _FOLDED, _CONDUCT = tables.windows, tables.folded, tables.conduct
_DOCUMENTS, _CLIENTS = tables.documents, tables.clients


@dataclass(frozen=True, slots=True, kw_only=True)
class StoredWindow:
    """A region's window as it is stored.

    Attributes:
        region, number: which one.
        revision: counts its changes.
        through: the last window whose documents it takes; None for all.
        round: that it was taken for; None while it is being folded.
        base: the artefact of the release that it is folded against.
        state: `workloads.patterns.Window` as bytes.
        facts: small JSON values.
    """

    region: str
    number: int
    revision: int = 0
    through: int | None = None
    round: int | None = None
    base: bytes = field(repr=False)
    state: bytes = field(repr=False)
    facts: Mapping[str, Any] = field(default_factory=dict[str, Any])


class _ChangedError(Exception):
    """What was written on has changed; ends a transaction, and is not seen outside."""


class Windows:
    """The windows of all regions, one each."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def get(self, region: str) -> StoredWindow | None:
        """The window of a region; None when none was begun."""
        with self._database.read() as connection:
            row = connection.execute(select(_WINDOWS).where(_WINDOWS.c.region == region)).mappings().first()
        return None if row is None else StoredWindow(**{**row, "facts": json.loads(row["facts"])})

    def next_number(self, region: str) -> int:
        """The number of the window that a region begins next: one more than that of its last one."""
        with self._database.read() as connection:
            found = connection.execute(
                select(tables.facts.c.value).where(tables.facts.c.name == _last(region))
            ).scalar()
        return 1 + (0 if found is None else int(json.loads(found)["number"]))

    def begin(self, window: StoredWindow) -> StoredWindow:
        """Begin a window, unless the region has one already. The one that it has."""
        with self._database.write() as connection:
            row = self._database.insert(_WINDOWS).values(**_values(window))
            connection.execute(row.on_conflict_do_nothing(index_elements=[_WINDOWS.c.region]))
        found = self.get(window.region)
        assert found is not None
        return found

    def waiting(
        self, window: StoredWindow, *, since: float, without: Collection[str] = (), limit: int = 1024
    ) -> list[Submission]:
        """Submissions that may go into the window, by the clients' ids.

        Args:
            window: of the region.
            since: what came before is too old.
            without: versions of releases; what is based on one of them is left where it is.
            limit: at most so many.
        """
        # In any region's window: who moves from one to another meanwhile is in one of them only.
        already = exists().where(_FOLDED.c.client == _DOCUMENTS.c.client)
        conditions = [*waiting(window.region, window.through), ~already, _DOCUMENTS.c.received_at >= since]
        if without:
            base = _DOCUMENTS.c.base_version
            conditions.append(or_(base.is_(None), base.not_in(sorted(without))))
        query = select(_DOCUMENTS).where(*conditions).order_by(_DOCUMENTS.c.client).limit(limit)
        with self._database.read() as connection:
            return [Submission(**row) for row in connection.execute(query).mappings()]

    def fold(
        self,
        after: StoredWindow,
        submissions: Sequence[Submission],
        *,
        flagged: Collection[str],
        unread: Collection[str],
    ) -> StoredWindow | None:
        """Write a window as it is after these submissions, and erase them: both or neither.

        Args:
            after: with the revision of the window that it was made from.
            submissions: that went into it.
            flagged: their clients that the screen rejected.
            unread: their clients whose documents said nothing; erased as well, and these may send another.

        Returns:
            The window with its new revision; None when it has changed since, or one of the submissions is gone. Then
            nothing was written, and what it was made from is to be read anew.
        """
        clients = {submission.client for submission in submissions}
        listed = [
            {"region": after.region, "client": client, "flagged": client in flagged}
            for client in sorted(clients.difference(unread))
        ]
        try:
            with self._database.write() as connection:
                self._replace(connection, after)
                self._erase(connection, submissions)
                if listed:
                    connection.execute(insert(_FOLDED), listed)
        except _ChangedError:
            return None
        if submissions:
            self._database.forget(_DOCUMENTS)
        return replace(after, revision=after.revision + 1)

    def take(self, window: StoredWindow, round_number: int | None) -> StoredWindow | None:
        """Fix a window for a round, or release it for more. None when it has changed since."""
        given = replace(window, round=round_number)
        try:
            with self._database.write() as connection:
                self._replace(connection, given)
        except _ChangedError:
            return None
        return replace(given, revision=given.revision + 1)

    def close(self, region: str, *, counted: bool, now: float, policy: TrustPolicy | None = None) -> tuple[int, int]:
        """End a window. How many clients are in quarantine from now on, and how many are out of it again.

        Args:
            region: whose.
            counted: whether its clients' conduct counts. It does not when somebody has to look at it first.
            now: unix seconds.
            policy: how many flagged windows in a row lead to quarantine, and how long the first one is.
        """
        with self._database.write() as connection:
            moved = self._judge(connection, region, now, policy or TrustPolicy()) if counted else (0, 0)
            query = select(_WINDOWS.c.number, _WINDOWS.c.round, _WINDOWS.c.facts).where(_WINDOWS.c.region == region)
            ended = connection.execute(query).first()
            if ended is not None:
                found = connection.execute(select(tables.facts.c.value).where(tables.facts.c.name == _last(region)))
                before = json.loads(found.scalar() or "{}").get("rounds", [])
                rounds = [[ended.round, json.loads(ended.facts).get("clients", 0)]] if counted else []
                told = json.dumps({"number": ended.number, "rounds": [*before, *rounds][-ROUNDS_KEPT:]})
                row = self._database.insert(tables.facts).values(name=_last(region), value=told)
                connection.execute(
                    row.on_conflict_do_update(index_elements=["name"], set_={"value": row.excluded.value})
                )
            connection.execute(delete(_FOLDED).where(_FOLDED.c.region == region))
            connection.execute(delete(_WINDOWS).where(_WINDOWS.c.region == region))
        self._database.forget(_WINDOWS, _FOLDED)
        return moved

    def discard(self, now: float) -> int:
        """How many regions' windows were ended without counting, with all that was folded into them."""
        with self._database.read() as connection:
            regions = list(connection.execute(select(_WINDOWS.c.region).order_by(_WINDOWS.c.region)).scalars())
        for region in regions:
            self.close(region, counted=False, now=now)
        return len(regions)

    def count(self, region: str | None = None) -> int:
        """How many clients are folded into the windows of a region, or of all, and were not flagged."""
        query = select(func.count()).select_from(_FOLDED).where(_FOLDED.c.flagged.is_(False))
        with self._database.read() as connection:
            return connection.execute(query if region is None else query.where(_FOLDED.c.region == region)).scalar_one()

    def participants(self, round_number: int) -> int | None:
        """How many clients were behind the groups of a round, one of the last ones; None when no window was taken."""
        with self._database.read() as connection:
            open_ones = connection.execute(select(_WINDOWS.c.facts).where(_WINDOWS.c.round == round_number)).scalars()
            counts = [int(json.loads(facts).get("clients", 0)) for facts in open_ones]
            ended = connection.execute(
                select(tables.facts.c.value).where(tables.facts.c.name.like("region.%.last"))
            ).scalars()
            counts += [
                clients for last in ended for number, clients in json.loads(last)["rounds"] if number == round_number
            ]
        return sum(counts) if counts else None

    def keep_out(self, client: str, region: str, policy: TrustPolicy | None = None) -> None:
        """Put a client into quarantine because somebody says so; as many windows as for its conduct."""
        chosen = policy or TrustPolicy()
        with self._database.write() as connection:
            query = select(_CONDUCT.c.quarantines).where(_CONDUCT.c.client == client)
            before = connection.execute(query).scalar() or 0
            values = {
                "region": region,
                "streak": chosen.quarantine_after,
                "quarantines": before + 1,
                "wait": chosen.probation_rounds * 2 ** min(before, MOST_DOUBLINGS),
            }
            row = self._database.insert(_CONDUCT).values(client=client, **values)
            connection.execute(row.on_conflict_do_update(index_elements=["client"], set_=values))

    def kept_out(self) -> frozenset[str]:
        """Clients in quarantine for their conduct in windows."""
        with self._database.read() as connection:
            return frozenset(connection.execute(select(_CONDUCT.c.client).where(_CONDUCT.c.wait > 0)).scalars())

    def pardon(self, client: str) -> None:
        """Forget how a client behaved, because somebody trusts it again."""
        with self._database.write() as connection:
            connection.execute(delete(_CONDUCT).where(_CONDUCT.c.client == client))

    @staticmethod
    def _erase(connection: Connection, submissions: Sequence[Submission]) -> None:
        """Erase these documents, and what the same clients sent for windows before; all of them must be there."""
        names = [(one.client, one.window, one.nonce) for one in submissions]
        gone = 0
        for start in range(0, len(names), _AT_ONCE):
            there = tuple_(_DOCUMENTS.c.client, _DOCUMENTS.c.window, _DOCUMENTS.c.nonce)
            chunk = names[start : start + _AT_ONCE]
            gone += connection.execute(delete(_DOCUMENTS).where(there.in_(chunk))).rowcount
        if gone != len(names):
            raise _ChangedError
        if submissions:
            earlier = and_(_DOCUMENTS.c.client == bindparam("whose"), _DOCUMENTS.c.window < bindparam("of"))
            connection.execute(
                delete(_DOCUMENTS).where(earlier), [{"whose": client, "of": window} for client, window, _ in names]
            )

    @staticmethod
    def _replace(connection: Connection, window: StoredWindow) -> None:
        values = _values(window) | {"revision": window.revision + 1}
        same = [
            _WINDOWS.c.region == window.region,
            _WINDOWS.c.number == window.number,
            _WINDOWS.c.revision == window.revision,
        ]
        if connection.execute(update(_WINDOWS).where(*same).values(**values)).rowcount != 1:
            raise _ChangedError

    @staticmethod
    def _judge(connection: Connection, region: str, now: float, policy: TrustPolicy) -> tuple[int, int]:
        """Bring conduct up to date with who was flagged; the clients' states with it."""
        here = _FOLDED.c.region == region
        clean = select(_FOLDED.c.client).where(here, _FOLDED.c.flagged.is_(False))
        # A clean window ends a streak; how often a client was out is remembered while it is known.
        connection.execute(update(_CONDUCT).where(_CONDUCT.c.client.in_(clean)).values(streak=0))
        waits = [_CONDUCT.c.region == region, _CONDUCT.c.wait > 0]
        connection.execute(update(_CONDUCT).where(*waits).values(wait=_CONDUCT.c.wait - 1))
        over = list(
            connection.execute(
                select(_CONDUCT.c.client)
                .where(_CONDUCT.c.region == region, _CONDUCT.c.wait == 0, _CONDUCT.c.streak >= policy.quarantine_after)
                .order_by(_CONDUCT.c.client)
            ).scalars()
        )
        # One more flagged window, and it is out again.
        _each(connection, _CONDUCT, over, streak=policy.quarantine_after - 1)
        back = _move(connection, over, ClientState.QUARANTINED, ClientState.ACTIVE, now)
        flagged = select(_FOLDED.c.client).where(here, _FOLDED.c.flagged)
        theirs = _CONDUCT.c.client.in_(flagged)
        asked = select(_CONDUCT.c.client, _CONDUCT.c.streak, _CONDUCT.c.quarantines).where(theirs)
        known = {client: (streak, quarantines) for client, streak, quarantines in connection.execute(asked)}
        out: list[str] = []
        rows: list[dict[str, Any]] = []
        for client in connection.execute(flagged.order_by(_FOLDED.c.client)).scalars().all():
            streak, quarantines = known.get(client, (0, 0))
            wait, streak = 0, streak + 1
            if streak >= policy.quarantine_after:
                wait = policy.probation_rounds * 2 ** min(quarantines, MOST_DOUBLINGS)
                quarantines += 1
                out.append(client)
            rows.append(
                {"client": client, "region": region, "streak": streak, "quarantines": quarantines, "wait": wait}
            )
        connection.execute(delete(_CONDUCT).where(theirs))
        if rows:
            connection.execute(insert(_CONDUCT), rows)
        return _move(connection, out, ClientState.ACTIVE, ClientState.QUARANTINED, now), back


def _last(region: str) -> str:
    """The fact that holds the number of a region's last window."""
    return f"region.{region}.last"


def _each(connection: Connection, table: Any, clients: list[str], **values: Any) -> None:
    if clients:
        change = update(table).where(table.c.client == bindparam("whose")).values(**values)
        connection.execute(change, [{"whose": client} for client in clients])


def _move(connection: Connection, clients: list[str], before: ClientState, after: ClientState, now: float) -> int:
    """How many of these clients had one state and have the other one now; each change is in the audit log."""
    moved = 0
    action = "quarantine" if after is ClientState.QUARANTINED else "reinstate"
    for client in clients:
        change = update(_CLIENTS).where(_CLIENTS.c.id == client, _CLIENTS.c.state == before.value)
        out = after is ClientState.QUARANTINED
        if connection.execute(change.values(state=after.value, quarantined=out)).rowcount:
            moved += 1
            entry = {"at": now, "action": action, "actor": "door", "name": client, "code": "conduct"}
            connection.execute(insert(tables.audit), entry)
    return moved


def _values(window: StoredWindow) -> dict[str, Any]:
    return {**_fields(window), "facts": json.dumps(dict(window.facts), sort_keys=True)}


def _fields(window: StoredWindow) -> dict[str, Any]:
    return {name: getattr(window, name) for name in StoredWindow.__slots__}
