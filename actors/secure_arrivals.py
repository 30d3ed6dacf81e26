"""What has come in at a door that sees no single update: a row for each bucket of clients whose sum is there.

The sums were made before the round (`gateway.federation.sorting`), each of changes to one release. A bucket that
failed, or whose sum no rows add up to, is left out and counted. When a round has counted, its sums are erased.
"""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable
from typing import Any

import numpy as np

from actors.arrivals import RELEASES_LOOKED_AT, ROUND, WITHDRAWN, Brought, StoredArrivals, Taken
from actors.bases import GENESIS_VERSION, Bases
from actors.config import FederationConfig
from actors.storage import StorageFailedError, StorageUnavailableError, StoredBucket
from federation.errors import SwarmError
from federation.terms import Terms
from federation.workload import Learned, Row
from workloads.patterns import GroupedPatternsWorkload
from workloads.patterns.buckets import sum_row

NAMES_KEPT = 28
"""Windows whose buckets stay known to the trust ledger, a week's."""


class BucketRows(StoredArrivals):
    """A row for each bucket of a region's clients.

    Args:
        region: whose clients.
        federation: where sums are.
        workload: whose rows are of groups.
        seed: of the genesis.
        clock: unix seconds; not asked here, as a sum is of the window that it was made for.
    """

    def __init__(
        self,
        region: str,
        federation: FederationConfig,
        workload: GroupedPatternsWorkload,
        *,
        seed: int,
        clock: Callable[[], float] = time.time,
    ) -> None:
        del clock
        super().__init__(federation.storage)
        self._region, self._workload = region, workload
        self._bases = Bases(workload, seed=seed)
        self._told: dict[str, Any] = {"clients": 0, "buckets": 0, "window": None, "waiting": 0, "left_out": {}}

    def take(self, round_number: int) -> Taken:
        """Take the sums of the window that the clerk has sealed."""
        wanted: dict[str, Any] = self._storage.facts.get(ROUND) or {}
        window = wanted.get("window")
        good: list[StoredBucket] = []
        left_out = Counter[str]()
        if window is not None:
            good, faults = self._judged(self._storage.mail.take(self._region, window, round_number))
            self._storage.mail.leave_out(faults)
            known = self._storage.mail.buckets(window, region=self._region)
            left_out.update(one.code for one in known if one.state == "failed")
        names = tuple(one.id for one in good)
        clients = sum(one.members for one in good)
        self._told = {
            "clients": clients,
            "buckets": len(good),
            "window": window,
            "waiting": self._storage.mail.count_joined(self._region),
            "left_out": dict(sorted(left_out.items())),
        }
        return Taken(agents=names, clients=clients, window=window, left_out=sum(left_out.values()))

    def taken(self) -> int | None:
        return next((one.round for one in self._storage.mail.taken(self._region)), None)

    def brought(self, terms: Terms, current: Row) -> Brought:
        """The rows of the buckets on the roster. Their weights are how many clients they have."""
        asked = frozenset(terms.roster)
        good, faults = self._judged(self._storage.mail.taken(self._region))
        mine = [one for one in good if one.id in asked]
        rows = [self._row(one, round_number=terms.round, current=current) for one in mine]
        k = len(mine)
        learned = Learned(
            rows=np.stack(rows) if k else np.empty((0, terms.dimension), np.float32),
            weights=np.array([min(one.members, terms.weight_cap) for one in mine], np.float64),
            losses=np.full(k, np.nan),
            idle=np.zeros(k, np.bool_),
            epochs=0,
            batch_size=0,
        )
        return Brought(
            agents=tuple(one.id for one in mine),
            learned=learned,
            left_out=dict(Counter(faults.values())),
            clients=sum(one.members for one in mine),
        )

    def settle(self, round_number: int, *, counted: bool) -> None:
        self._storage.mail.settle(self._region, round_number, counted=counted)

    def outdated(self) -> tuple[str, ...]:
        """Names of the buckets of a window so long ago that nobody asks how they stood."""
        window = self._told["window"]
        if window is None:
            return ()
        return tuple(one.id for one in self._storage.mail.buckets(window - NAMES_KEPT, region=self._region))

    def adopt(self, version: int, value: Row) -> None:
        """Nothing: a sum goes by the release that its members changed."""

    def summary(self) -> dict[str, Any]:
        return {"region": self._region, **self._told}

    def _judged(self, found: list[StoredBucket]) -> tuple[list[StoredBucket], dict[str, str]]:
        """The buckets that a row can be made of, by name; and of the others, why not."""
        releases = self._storage.releases.list(RELEASES_LOOKED_AT)
        withdrawn = {one.version for one in releases if one.state in WITHDRAWN}
        good: list[StoredBucket] = []
        faults: dict[str, str] = {}
        for one in found:
            if (one.base_version or GENESIS_VERSION) in withdrawn:
                faults[one.id] = "door.withdrawn_base"
                continue
            try:
                self._row(one, round_number=0, current=None)
            except (StorageUnavailableError, StorageFailedError):
                raise
            except SwarmError as error:
                faults[one.id] = error.code
            else:
                good.append(one)
        return sorted(good, key=lambda one: one.id), faults

    def _row(self, one: StoredBucket, *, round_number: int, current: Row | None) -> Row:
        base = self._bases.row(self._storage, one.base_version)
        shift = None if current is None or np.array_equal(base, current) else base - current
        assert one.total is not None
        return sum_row(one.total, members=one.members, keys=self._workload.keys, round_number=round_number, shift=shift)
