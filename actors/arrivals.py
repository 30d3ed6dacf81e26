"""What has come in at a door, as rows of rounds: what a door asks for, and the exact way, a row for each client.

Another way, such as sums of many clients' changes, is another object with the same methods. A door calls them from one
thread, one after the other.
"""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np

from actors.bases import Bases
from actors.config import FederationConfig
from actors.storage import Storage, StorageFailedError, StorageUnavailableError, Submission
from federation.errors import SwarmError
from federation.terms import Terms
from federation.workload import Admitted, AdmittedRows, Admitting, Learned, Row

ROUND = "round"
"""The fact that holds which window the next round takes, and of how many clients: ``{"window": n, "limit": m}``."""

WITHDRAWN = ("withdrawn", "rolled_back")
"""States of a release whose clients' changes are left out."""

RELEASES_LOOKED_AT = 1000
CHUNK = 256


@dataclass(frozen=True, slots=True, kw_only=True)
class Taken:
    """What was taken for a round.

    Attributes:
        agents: the ids that rows are of, sorted.
        clients: how many clients are behind these.
        window: the last window that counts; None when that was not said.
        left_out: clients with a submission that was not taken.
    """

    agents: tuple[str, ...]
    clients: int
    window: int | None = None
    left_out: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Brought:
    """Rows for a round.

    Attributes:
        agents: the ids that they are of, sorted.
        learned: their rows, in that order.
        left_out: why others have none -> how many.
        clients: how many clients are behind these; None for one each.
    """

    agents: tuple[str, ...]
    learned: Learned
    left_out: Mapping[str, int]
    clients: int | None = None


class Arrivals(Protocol):
    """What has come in at one door."""

    def take(self, round_number: int) -> Taken:
        """Take what is there for a round, in the place of what was taken for another one.

        What is taken stays the same, whatever comes in, until it is settled or another round takes.
        """
        ...

    def taken(self) -> int | None:
        """The round that something is taken for, and that is not settled."""
        ...

    def brought(self, terms: Terms, current: Row) -> Brought:
        """The rows of those of the roster that were taken for this round; the same ones whenever it is asked.

        Args:
            terms: of the round.
            current: the value that it learns from.
        """
        ...

    def settle(self, round_number: int, *, counted: bool) -> None:
        """Erase what was taken for a round in which it has counted; leave it for the next one if it has not."""
        ...

    def adopt(self, version: int, value: Row) -> None:
        """Another release is in force."""
        ...

    def summary(self) -> dict[str, Any]:
        """What there is, for `status`; never a client's words."""
        ...

    def close(self) -> None:
        """Give free what is held."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class _Read:
    """What was read: client -> its update, and client -> why it has none; both by id."""

    admitted: Mapping[str, Admitted]
    refused: Mapping[str, str]


@dataclass(frozen=True, slots=True, kw_only=True)
class _Made:
    """Updates that were made when they were taken, against the release that was in force then."""

    round: int
    base: Row
    read: _Read


class StoredArrivals:
    """The storage that arrivals are in. It is opened when it is first needed, and again after it was closed.

    One that is down must not keep the door from being made.

    Args:
        url: of the storage.
    """

    def __init__(self, url: str) -> None:
        self._url = url
        self._opened: Storage | None = None

    @property
    def _storage(self) -> Storage:
        if self._opened is None:
            self._opened = Storage.open(self._url)
        return self._opened

    def close(self) -> None:
        """Give the connections back."""
        if self._opened is not None:
            self._opened.close()
            self._opened = None


class ClientRows(StoredArrivals):
    """A row for each client: its last submission, as its distance from the newest release.

    Args:
        region: whose clients.
        federation: where submissions are.
        workload: that makes rows of them.
        seed: of the genesis, which clients without a release have changed.
        clock: unix seconds.
    """

    def __init__(
        self,
        region: str,
        federation: FederationConfig,
        workload: Admitting,
        *,
        seed: int,
        clock: Callable[[], float] = time.time,
    ) -> None:
        super().__init__(federation.storage)
        self._region, self._workload, self._clock = region, workload, clock
        self._bases = Bases(workload, seed=seed)
        self._current: Row | None = None
        self._made: _Made | None = None
        self._told: dict[str, Any] = {"clients": 0, "window": None, "waiting": 0, "left_out": {}, "unknown_keys": 0}

    def take(self, round_number: int) -> Taken:
        """Take the last submission of every client that has one, that is not stale, and whose base still stands.

        One that cannot be read, or says nothing that is known here, is not taken: a client that is expected and then
        has no row would count as silent.
        """
        storage = self._storage
        wanted: dict[str, Any] = storage.facts.get(ROUND) or {}
        window = wanted.get("window")
        withdrawn = [one.version for one in storage.releases.list(RELEASES_LOOKED_AT) if one.state in WITHDRAWN]
        pending = storage.submissions.count_pending(self._region, window)
        storage.claims.take(
            self._region,
            round_number,
            since=self._clock() - self._workload.staleness_s,
            window=window,
            without=withdrawn,
            limit=wanted.get("limit"),
        )
        current = self._bases.genesis if self._current is None else self._current
        found = self._read(round_number, current)
        if found.refused:
            storage.claims.give_back(self._region, found.refused)
        self._made = _Made(round=round_number, base=current, read=found)
        self._told = {
            "clients": len(found.admitted),
            "window": window,
            "waiting": max(pending - len(found.admitted), 0),
            "left_out": dict(Counter(found.refused.values())),
            "unknown_keys": sum(one.unknown for one in found.admitted.values()),
        }
        agents = tuple(found.admitted)
        left_out = max(pending - len(agents), 0)
        return Taken(agents=agents, clients=len(agents), window=window, left_out=left_out)

    def taken(self) -> int | None:
        return self._storage.claims.round_of(self._region)

    def brought(self, terms: Terms, current: Row) -> Brought:
        """Rows of the clients on the roster. What was taken of others is given back."""
        made, self._made = self._made, None  # the rows go on in a batch
        if made is None or made.round != terms.round or not np.array_equal(made.base, current):
            made = _Made(round=terms.round, base=current, read=self._read(terms.round, current))
        asked = frozenset(terms.roster)
        strangers = made.read.admitted.keys() - asked
        if strangers:
            self._storage.claims.give_back(self._region, strangers)
        found = {client: one for client, one in made.read.admitted.items() if client in asked}
        return Brought(
            agents=tuple(found),
            learned=_learned(list(found.values()), terms),
            left_out=dict(Counter(code for client, code in made.read.refused.items() if client in asked)),
        )

    def settle(self, round_number: int, *, counted: bool) -> None:
        if counted:
            self._storage.claims.consume(self._region, round_number)
        else:
            self._storage.claims.give_back(self._region)
        self._made = None

    def adopt(self, version: int, value: Row) -> None:
        del version
        self._current = value

    def summary(self) -> dict[str, Any]:
        return {"region": self._region, **self._told}

    def _read(self, round_number: int, current: Row) -> _Read:
        """What was taken for a round, as updates, in the order of the clients' ids.

        Raises:
            StorageUnavailableError, StorageFailedError: when the storage fails; who sent what is not to blame for that.
        """
        admitted: dict[str, Admitted] = {}
        refused: dict[str, str] = {}
        after = ""
        while chunk := self._storage.claims.documents(self._region, round_number, after, CHUNK):
            known: list[Submission] = []
            bases: list[Row] = []
            for one in chunk:
                try:
                    bases.append(self._bases.row(self._storage, one.base_version))
                except (StorageUnavailableError, StorageFailedError):
                    raise
                except SwarmError as error:
                    refused[one.client] = error.code
                else:
                    known.append(one)
            documents = [one.document for one in known]
            found = self._workload.admitted_all(documents, bases=bases, current=current, round_number=round_number)
            for place, one in enumerate(known):
                made = _of(found, place)
                if isinstance(made, Admitted):
                    admitted[one.client] = made
                else:
                    refused[one.client] = made.code
            after = chunk[-1].client
        return _Read(admitted=admitted, refused=dict(sorted(refused.items())))


class NothingKnownError(SwarmError):
    """A submission of which nothing belongs to this workload."""

    code = "door.nothing_known"

    def __init__(self, *, unknown: int) -> None:
        super().__init__(
            f"Of a submission {unknown} parts are unknown here and none is known, so it is left out. Its client may "
            "have a newer schema than this server.",
            unknown=unknown,
        )


def _of(found: AdmittedRows, place: int) -> Admitted | SwarmError:
    """The update of one of the documents, or why it has none."""
    fault, unknown = found.faults.get(place), int(found.unknown[place])
    if fault is not None:
        return fault
    if not found.known[place]:
        return NothingKnownError(unknown=unknown)
    weight, known = float(found.weights[place]), int(found.known[place])
    return Admitted(row=found.rows[place], weight=weight, known=known, unknown=unknown)


def _learned(found: list[Admitted], terms: Terms) -> Learned:
    k = len(found)
    rows = np.empty((k, terms.dimension), np.float32)
    for place, one in enumerate(found):
        rows[place] = one.row
    weights = np.array([one.weight for one in found], np.float64)
    return Learned(
        rows=rows,
        weights=np.clip(weights, 1.0, terms.weight_cap),
        losses=np.full(k, np.nan),
        idle=np.zeros(k, np.bool_),
        epochs=0,
        batch_size=0,
    )
