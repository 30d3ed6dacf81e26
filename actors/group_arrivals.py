"""What has come in at a door, folded into groups as it comes: a row for each group, however many clients there are.

The window that is being folded stands in the storage, in the place of the documents that went into it
(`actors.storage.windows`); nothing is kept here but a copy. When a round takes it, it is folded to its end and then
stays as it is until the round is settled. A round that ends without a release leaves it to be folded further.

A window is folded against one release. If a round learns from another one, the groups' means are moved by the
difference. If a release that some of its clients have changed is withdrawn, their changes cannot be taken out again:
the window is dropped, and so is one in which too many were flagged. What its clients send next counts in the next one.
"""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from actors.arrivals import (
    RELEASES_LOOKED_AT,
    ROUND,
    WITHDRAWN,
    Brought,
    NothingKnownError,
    StoredArrivals,
    Taken,
)
from actors.bases import GENESIS_VERSION, Bases
from actors.config import FederationConfig
from actors.fold_telling import FoldTelling
from actors.storage import (
    WINDOW,
    StorageFailedError,
    StorageUnavailableError,
    StoredWindow,
    Submission,
)
from federation.errors import SwarmError
from federation.identity import Secret
from federation.terms import Terms
from federation.workload import Learned, Row
from telemetry import Telemetry
from workloads.patterns import GroupedPatternsWorkload, MassAnomalyError, Window

CHUNK = 1024
"""Submissions that are folded at once, and that a door has in memory at most: 256 KiB each, and usually 25."""

REGIONAL_S = 3600.0
"""Seconds between two regional aggregates."""

REGIONAL = "region."
"""Before a region's name: the fact that holds what its window comes to by itself."""

NAMES_KEPT = 28
"""Windows whose groups stay known to the trust ledger, a week's."""


class GroupRows(StoredArrivals):
    """A row for each group of clients of a region.

    Args:
        region: whose clients.
        federation: where submissions are, and how many groups there are.
        workload: that makes rows of submissions, and groups of rows.
        run: id of the swarm's run.
        seed: of the genesis.
        secret: of the door; who is in which group is a hash under it.
        clock: unix seconds.
        telemetry: of the door; None for silence.
    """

    def __init__(
        self,
        region: str,
        federation: FederationConfig,
        workload: GroupedPatternsWorkload,
        *,
        run: str,
        seed: int,
        secret: Secret,
        clock: Callable[[], float] = time.time,
        telemetry: Telemetry | None = None,
    ) -> None:
        super().__init__(federation.storage)
        self._region, self._workload, self._run, self._clock = region, workload, run, clock
        self._tell = FoldTelling(region, federation.groups, telemetry)
        self._secret = secret.derive("groups", region)
        self._streaming = workload.streaming(federation.groups)
        self._bases = Bases(workload, seed=seed)
        self._taken: Taken | None = None
        self._held: StoredWindow | None = None
        self._window: Window | None = None
        self._base_row: Row | None = None
        self._regional_at = float("-inf")
        self._forgotten: int | None = None

    def take(self, round_number: int) -> Taken:
        """Fold what there is, and fix the window for a round.

        Raises:
            MassAnomalyError: when too many of its submissions were flagged. The window is gone then.
        """
        storage = self._storage
        wanted: dict[str, Any] = storage.facts.get(ROUND) or {}
        through, limit = wanted.get("window"), wanted.get("limit")
        while True:
            stored = self._stored(through)
            if self._withdrawn.intersection(stored.facts["bases"]):
                storage.windows.close(self._region, counted=False, now=self._clock())
                continue
            if stored.round is not None or stored.through != through:
                released = storage.windows.take(replace(stored, through=through), None)
                if released is None:
                    continue
                self._hold(released)
            self._fold_all(limit=limit, closing=True)
            stored, window = self._stored(through), self._of_current()
            if window.flagged > self._streaming.most_flagged * max(window.judged, 1):
                storage.windows.close(self._region, counted=False, now=self._clock())
                raise MassAnomalyError(flagged=window.flagged, judged=window.judged, most=self._streaming.most_flagged)
            fixed = storage.windows.take(stored, round_number)
            if fixed is not None:
                break
        self._hold(fixed)
        self._aggregate_region(fixed, window)
        pending = storage.submissions.count_pending(self._region, through)
        agents = tuple(self._name(fixed.number, number) for number in np.flatnonzero(window.members).tolist())
        self._taken = Taken(agents=agents, clients=window.clients, window=through, left_out=pending)
        return self._taken

    def taken(self) -> int | None:
        stored = self._storage.windows.get(self._region)
        return None if stored is None else stored.round

    def brought(self, terms: Terms, current: Row) -> Brought:
        """The rows of the groups on the roster. Their weights are how many clients they have."""
        stored = self._stored(None)
        window = self._of_current()
        base = self._base_of(stored)
        shift = None if np.array_equal(base, current) else base - current
        asked = frozenset(terms.roster)
        groups = [
            group
            for group in self._streaming.closed(window, round_number=terms.round, shift=shift)
            if self._name(stored.number, group.number) in asked
        ]
        k = len(groups)
        learned = Learned(
            rows=np.stack([group.row for group in groups]) if k else np.empty((0, terms.dimension), np.float32),
            weights=np.array([min(group.members, terms.weight_cap) for group in groups], np.float64),
            losses=np.full(k, np.nan),
            idle=np.zeros(k, np.bool_),
            epochs=0,
            batch_size=0,
        )
        return Brought(
            agents=tuple(self._name(stored.number, group.number) for group in groups),
            learned=learned,
            left_out=_left_out(stored, window),
            clients=sum(group.members for group in groups),
        )

    def settle(self, round_number: int, *, counted: bool) -> None:
        """End the window that has counted, with its clients' conduct; fold one that has not further."""
        if counted:
            self._storage.windows.close(self._region, counted=True, now=self._clock())
        else:
            stored = self._storage.windows.get(self._region)
            if stored is not None and stored.round == round_number:
                self._storage.windows.take(stored, None)
        self._held = self._window = self._taken = None

    def fold(self) -> int:
        """Fold what has come in, if there is enough to screen by. How many submissions; none while a round runs."""
        facts: Any = self._storage.facts.get(WINDOW)
        number = facts.get("number") if isinstance(facts, dict) else facts
        stored = self._stored(number if isinstance(number, int) else None)
        if stored.round is not None:
            return 0
        folded = self._fold_all(limit=None, closing=False)
        if folded and self._clock() >= self._regional_at + REGIONAL_S:
            self._aggregate_region(self._stored(None), self._of_current())
        return folded

    def outdated(self) -> tuple[str, ...]:
        """Names of the groups of windows so long ago that nobody asks how they stood; each is told once a process."""
        last = self._storage.windows.next_number(self._region) - 1 - NAMES_KEPT
        first = max(last - NAMES_KEPT if self._forgotten is None else self._forgotten, 0) + 1
        if last < first:
            return ()
        self._forgotten = last
        groups = range(self._streaming.groups)
        return tuple(self._name(number, group) for number in range(first, last + 1) for group in groups)

    def adopt(self, version: int, value: Row) -> None:
        """Nothing: a window goes by the release that it was begun with."""

    def summary(self) -> dict[str, Any]:
        stored, window, taken = self._held, self._window, self._taken
        told: dict[str, Any] = {
            "region": self._region,
            "groups": self._streaming.groups,
            "window": None if taken is None else taken.window,
            "waiting": 0 if taken is None else taken.left_out,
        }
        if stored is None or window is None:
            return {**told, "clients": 0, "left_out": {}, "unknown_keys": 0}
        return {
            **told,
            "clients": window.clients,
            "left_out": _left_out(stored, window),
            "unknown_keys": stored.facts["unknown_keys"],
            "window_bytes": window.nbytes,
        }

    @property
    def _withdrawn(self) -> frozenset[str]:
        releases = self._storage.releases.list(RELEASES_LOOKED_AT)
        return frozenset(one.version for one in releases if one.state in WITHDRAWN)

    def _stored(self, through: int | None) -> StoredWindow:
        """The region's window as it is stored; a new one, for documents up to window ``through``, if it has none."""
        stored = self._storage.windows.get(self._region)
        if stored is None:
            stored = self._begin(through)
        self._hold(stored)
        return stored

    def _begin(self, through: int | None) -> StoredWindow:
        storage = self._storage
        released = storage.releases.list(1)
        newest = storage.releases.get(released[0].version) if released else None
        artefact = self._workload.pack(self._bases.genesis) if newest is None else newest.row
        number = storage.windows.next_number(self._region)
        window = self._streaming.start(
            run=self._run, region=self._region, number=number, base=0 if newest is None else newest.number
        )
        return storage.windows.begin(
            StoredWindow(
                region=self._region,
                number=number,
                through=through,
                base=artefact,
                state=window.to_bytes(),
                facts={"bases": [], "left_out": {}, "unknown_keys": 0, "clients": 0},
            )
        )

    def _hold(self, stored: StoredWindow, window: Window | None = None) -> None:
        held = self._held
        if held is None or held.number != stored.number:
            self._base_row = None
        if window is not None:
            self._window = window
        elif held is None or (held.number, held.state) != (stored.number, stored.state):
            self._window = None
        self._held = stored

    def _of_current(self) -> Window:
        assert self._held is not None
        if self._window is None:
            self._window = Window.from_bytes(self._held.state)
        return self._window

    def _base_of(self, stored: StoredWindow) -> Row:
        if self._base_row is None:
            self._base_row = self._workload.unpack(stored.base)
        return self._base_row

    def _fold_all(self, *, limit: int | None, closing: bool) -> int:
        total = 0
        while True:
            stored, window = self._stored(None), self._of_current()
            most = CHUNK if limit is None else min(CHUNK, limit - window.judged)
            since = self._clock() - self._workload.staleness_s
            chunk = (
                self._storage.windows.waiting(stored, since=since, without=self._withdrawn, limit=most)
                if most > 0
                else []
            )
            if not chunk or not (closing or self._streaming.ready(window, len(chunk))):
                return total
            with self._tell.fold(len(chunk), stored.through) as folded:
                folded.submissions = self._fold_chunk(stored, window, chunk)
            total += folded.submissions

    def _fold_chunk(self, stored: StoredWindow, window: Window, chunk: Sequence[Submission]) -> int:
        """Fold a chunk. How many submissions went in; none when the window has changed meanwhile."""
        base = self._base_of(stored)
        bases: list[Row] = []
        faults: dict[int, SwarmError] = {}
        for place, one in enumerate(chunk):
            try:
                bases.append(self._bases.row(self._storage, one.base_version))
            except (StorageUnavailableError, StorageFailedError):
                raise
            except SwarmError as error:
                faults[place] = error
                bases.append(base)
        found = self._workload.admitted_all(
            [one.document for one in chunk], bases=bases, current=base, round_number=stored.number
        )
        faults = {**found.faults, **faults}
        for place in np.flatnonzero(found.known == 0).tolist():
            faults.setdefault(place, NothingKnownError(unknown=int(found.unknown[place])))
        good = [place for place in range(len(chunk)) if place not in faults]
        folded = self._streaming.fold(
            window,
            found.rows[good],
            clients=[chunk[place].client for place in good],
            weights=np.maximum(found.weights[good], 1.0),
            secret=self._secret,
        )
        rejected = np.flatnonzero(folded.verdicts.rejected).tolist()
        after = self._storage.windows.fold(
            replace(
                stored,
                state=folded.window.to_bytes(),
                facts=self._facts(stored, chunk, faults, found.unknown, folded.window),
            ),
            chunk,
            flagged={chunk[good[row]].client for row in rejected},
            unread={chunk[place].client for place in faults},
        )
        if after is None:
            return 0
        self._hold(after, folded.window)
        return len(chunk)

    @staticmethod
    def _facts(
        stored: StoredWindow,
        chunk: Sequence[Submission],
        faults: Mapping[int, SwarmError],
        unknown: NDArray[np.int64],
        window: Window,
    ) -> dict[str, Any]:
        good = [one for place, one in enumerate(chunk) if place not in faults]
        left_out = Counter[str](stored.facts["left_out"])
        left_out.update(error.code for error in faults.values())
        return {
            "bases": sorted({*stored.facts["bases"], *(one.base_version or GENESIS_VERSION for one in good)}),
            "left_out": dict(sorted(left_out.items())),
            "unknown_keys": stored.facts["unknown_keys"] + int(unknown.sum()),
            "clients": window.clients,
        }

    def _aggregate_region(self, stored: StoredWindow, window: Window) -> None:
        """Write down what the region's clients come to by themselves: figures, for who watches."""
        now, base = self._clock(), self._base_of(stored)
        told: dict[str, Any] = {"at": now, "window": stored.number, "clients": window.clients}
        told |= {"flagged": window.flagged, "unknown_keys": stored.facts["unknown_keys"]}
        try:
            groups = self._streaming.closed(window, round_number=0)
            rows = np.stack([group.row for group in groups]) if groups else np.empty((0, len(base)), np.float32)
            members = np.array([group.members for group in groups], np.float64)
            aggregate = self._workload.rule(rows, f=0, weights=members).value
            told |= self._workload.evaluate(self._workload.fold(base, aggregate.astype(np.float32)))
        except SwarmError as error:
            told["code"] = error.code  # too few as yet
        self._storage.facts.put(f"{REGIONAL}{self._region}", told)
        self._regional_at = now
        self._tell.aggregated(window.clients, stored.through)

    def _name(self, window: int, group: int) -> str:
        """Of a group in a window: every window's are others, so no group is judged by what another one was."""
        return f"{self._region}.{window}.{group:04d}"


def _left_out(stored: StoredWindow, window: Window) -> dict[str, int]:
    found = dict(stored.facts["left_out"])
    return {**found, "patterns.flagged": window.flagged} if window.flagged else found
