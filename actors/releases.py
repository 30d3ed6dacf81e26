"""The releases of a run: which one is in force, what the next one is, and which ones can be brought back.

A candidate is unpacked before it is signed, so that nothing is ever written down that a host, or this
swarm after a restart, could not take.
"""

from __future__ import annotations

import math
import time
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from actors.journal import Journal, VerdictRow
from actors.messages import Aggregation
from actors.privacy import MEASURES, Protected
from federation.errors import RoundAbortedError, SwarmError
from federation.identity import SigningKey
from federation.release import GENESIS, Release, artefact_digest
from federation.terms import Terms
from federation.verdict import Decision
from federation.workload import Workload


class UnknownReleaseError(SwarmError):
    """A version that was never released, or whose artefact is no longer kept."""

    code = "release.unknown"

    def __init__(self, *, version: int, current: int) -> None:
        super().__init__(
            f"There is no release {version}; the current one is {current}. `releases` lists those that are kept.",
            version=version,
            current=current,
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Published:
    """A release with its artefact and the value in it."""

    release: Release
    artefact: bytes
    value: NDArray[np.float32]


class Releases:
    """What was released, and the key that signs it.

    Args:
        run: id of the run.
        workload: whose values they are.
        key: the coordinator's.
        journal: where they are kept.
    """

    def __init__(self, run: str, workload: Workload, key: SigningKey, journal: Journal) -> None:
        self._run, self._workload, self._key, self._journal = run, workload, key, journal
        self._current: Published | None = None

    @property
    def public(self) -> bytes:
        """The key to verify them with."""
        return self._key.public

    @property
    def started(self) -> bool:
        return self._current is not None

    @property
    def current(self) -> Published:
        """The release in force.

        Raises:
            RoundAbortedError: before `begin`.
        """
        if self._current is None:
            raise RoundAbortedError(round=0, reason="the coordinator has not been started")
        return self._current

    def begin(self, seed: int) -> Published:
        """Take the newest release from the journal, or make and write the genesis."""
        found = self._journal.release()
        if found is None:
            artefact = self._workload.pack(self._workload.genesis(seed))
            genesis = self._signed(self._blank(0, 0, GENESIS, artefact), artefact)
            self._journal.publish(genesis.release, genesis.artefact)
            return self.take(genesis)
        return self.take(self._checked(*found))

    def take(self, published: Published) -> Published:
        """Put a release into force that is in the journal."""
        self._current = published
        return published

    def stored(self, version: int | None) -> tuple[Release, bytes]:
        """A release with its artefact; the current one when no version is named.

        Raises:
            UnknownReleaseError: when there is none, or its artefact is no longer kept.
        """
        found = self._journal.release(version)
        if found is None or not found[1]:
            raise UnknownReleaseError(version=-1 if version is None else version, current=self.current.release.version)
        return found

    def successor(
        self,
        terms: Terms,
        found: Aggregation,
        value: NDArray[np.float32],
        *,
        rows: Sequence[VerdictRow],
        measures: Mapping[str, float],
        protected: Protected | None = None,
    ) -> Published:
        """The signed release of a round's value.

        That of a private round says how many updates were counted, and of what became of them nothing.

        Raises:
            RoundAbortedError: when another release came into force since the round was opened.
            ArtefactError: when the value is none that a host would take, as one that is not finite.
        """
        parent = self.current.release
        if parent.digest != terms.base:
            raise RoundAbortedError(round=terms.round, reason=f"release {parent.version} came between")
        artefact = self._workload.pack(value)
        decisions = Counter(row[1] for row in rows)
        release = replace(
            self._blank(parent.version + 1, terms.round, parent.digest, artefact),
            rule=found.rule,
            agents=found.counted,
            fault_bound=found.fault_bound,
            accepted=decisions[Decision.ACCEPTED.word],
            clipped=decisions[Decision.CLIPPED.word],
            rejected=decisions[Decision.REJECTED.word],
            refused=dict(sorted(Counter(found.refused.values()).items())),
            late=found.stale,
            flagged=found.flagged,
            measures={name: _finite(figure) for name, figure in measures.items()},
        )
        if protected is not None:
            release = replace(
                release,
                accepted=found.counted,
                clipped=0,
                rejected=0,
                refused={},
                late=0,
                flagged=(),
                measures={**release.measures, **protected.measures()},
                epsilon=protected.epsilon,
            )
        return self._signed(release, artefact)

    def restoring(self, version: int) -> Published:
        """A new signed release with the value of an earlier one.

        Raises:
            UnknownReleaseError: when that one is not kept.
        """
        wanted, artefact = self.stored(version)
        parent = self.current.release
        blank = self._blank(parent.version + 1, 0, parent.digest, artefact)
        # What privacy had cost until then is not what it has cost by now.
        measures = {name: figure for name, figure in wanted.measures.items() if name not in MEASURES}
        release = replace(blank, rule="rollback", measures=measures, restores=version)
        return self._signed(release, artefact)

    def _blank(self, version: int, round_number: int, parent: bytes, artefact: bytes) -> Release:
        return Release(
            run=self._run,
            kind=self._workload.kind,
            version=version,
            round=round_number,
            parent=parent,
            artefact=artefact_digest(artefact),
            artefact_bytes=len(artefact),
        )

    def _signed(self, release: Release, artefact: bytes) -> Published:
        return self._checked(release.signed(self._key, created=time.time()), artefact)

    def _checked(self, release: Release, artefact: bytes) -> Published:
        release.check(public=self._key.public, artefact=artefact)
        return Published(release=release, artefact=artefact, value=self._workload.unpack(artefact))


def _finite(value: float) -> float:
    """The value as the release's canonical JSON takes it: Inf and NaN become the largest float."""
    return float(value) if math.isfinite(value) else 1.7976931348623157e308
