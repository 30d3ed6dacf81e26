"""Which release is on its way to whom: rollouts are begun, judged and taken back here, one at a time."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from actors.storage import ReleaseRecord, Storage, UnknownReleaseError
from federation.rollout import Decision, Rollout
from gateway.federation.clerk_state import ClerkSettings, Recall
from gateway.federation.publisher import WITHDRAWN

SERVED = "served"
"""Fact with the versions that clients may have, the newest first."""

SKIPPED = "skipped"
"""State of a release that a newer one overtook while it waited."""

_PAGE = 100


def everybodys(rollout: Rollout) -> str:
    """The version that everybody gets, or who is not chosen for a newer one."""
    return rollout.version if rollout.is_full or rollout.parent is None else rollout.parent


class Launching:
    """The rollouts of a federation.

    Args:
        storage: that they are in.
        settings: with the stages, and how many served versions are kept in mind.
    """

    def __init__(self, storage: Storage, settings: ClerkSettings) -> None:
        self._storage, self._settings = storage, settings

    def begin(self, now: float) -> Rollout:
        """The rollout that there is; the genesis is everybody's from the beginning."""
        found = self._storage.rollouts.get()
        if found is not None:
            return found
        genesis = self._storage.releases.by_number(0)
        if genesis is None:
            raise UnknownReleaseError(version="genesis")
        return self._give_everybody(genesis.version, parent=None, now=now)

    def current(self) -> Rollout:
        """The rollout that was begun last."""
        found = self._storage.rollouts.get()
        if found is None:
            raise UnknownReleaseError(version="genesis")
        return found

    def waiting(self, rollout: Rollout) -> str | None:
        """The newest release, unless it is the one that this rollout is about, or was taken back."""
        newest = next(iter(self._storage.releases.list(1)), None)
        if newest is None or newest.version == rollout.version or newest.state == WITHDRAWN:
            return None
        return newest.version

    def launch(self, version: str, before: Rollout, now: float) -> Rollout:
        """The rollout of a release, begun. Releases that waited with it are skipped: it holds their changes."""
        for record in self._above(before.version):
            if record.version != version and record.state != WITHDRAWN:
                self._storage.releases.set_state(record.version, SKIPPED)
        begun = Rollout(
            version=version,
            parent=before.version,
            entered_at=now,
            stage=self._settings.stages[0].name,
            stages=self._settings.stages,
        )
        self._serve(version)
        self._storage.rollouts.put(begun)
        return begun

    def judged(self, rollout: Rollout, now: float) -> tuple[Rollout, Decision]:
        """The rollout after a look at the error rates, and what was decided. What was approved meanwhile counts."""
        reports = self._storage.reports
        before = {} if rollout.parent is None else reports.figures(rollout.parent)
        after = reports.figures(rollout.version)
        decisions: list[Decision] = []

        def step(stored: Rollout) -> Rollout:
            stepped, decision = stored.step(now, before, after)
            decisions.append(decision)
            return stepped

        return self._storage.rollouts.change(rollout.version, step), decisions[-1]

    def withdraw(self, recall: Recall, now: float) -> Rollout:
        """The rollout that gives everybody what was restored, once all between was marked as withdrawn."""
        assert recall.restored is not None
        restored = self._storage.releases.by_number(recall.restored)
        target = self._storage.releases.by_number(recall.target)
        if restored is None or target is None:
            raise UnknownReleaseError(version=f"number {recall.restored}")
        gone: list[str] = []
        for record in self._below(recall.restored, down_to=recall.target):
            self._storage.releases.set_state(record.version, WITHDRAWN)
            if self._storage.rollouts.get(record.version) is not None:
                self._storage.rollouts.change(record.version, Rollout.roll_back)
            gone.append(record.version)
        return self._give_everybody(restored.version, parent=target.version, now=now, without=gone)

    def _give_everybody(self, version: str, *, parent: str | None, now: float, without: Iterable[str] = ()) -> Rollout:
        whole = Rollout(
            version=version,
            parent=parent,
            entered_at=now,
            stage=self._settings.stages[-1].name,
            stages=self._settings.stages,
        )
        self._serve(version, without=without)
        self._storage.rollouts.put(whole)
        return whole

    def _serve(self, version: str, *, without: Iterable[str] = ()) -> None:
        """Note that clients may have a version, before any of them is given it."""
        known: list[str] = (self._storage.facts.get(SERVED) or {}).get("versions", [])
        gone = {version, *without}
        versions = [version, *(one for one in known if one not in gone)][: self._settings.keep_served]
        self._storage.facts.put(SERVED, {"versions": versions})

    def _above(self, version: str) -> Iterator[ReleaseRecord]:
        for record in self._below(None):
            if record.version == version:
                return
            yield record

    def _below(self, number: int | None, *, down_to: int = -1) -> Iterator[ReleaseRecord]:
        """Releases with a number below one and above another, newest first."""
        while True:
            page = self._storage.releases.list(_PAGE, below=number)
            for record in page:
                if record.number <= down_to:
                    return
                yield record
            if len(page) < _PAGE:
                return
            number = page[-1].number
