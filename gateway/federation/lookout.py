"""What the clerk sees before he decides. Nothing is counted that does not matter now."""

from __future__ import annotations

from actors.storage import ClientState, Storage
from federation.rollout import Rollout
from gateway.federation.clerk_state import ClerkSettings, State
from gateway.federation.clerk_telling import Census, ClerkTelling
from gateway.federation.desk import Desk
from gateway.federation.launching import Launching, everybodys
from gateway.federation.publisher import Publisher
from gateway.federation.schedule import Seen, is_due

CENSUS_S = 10.0
"""Between two countings for those who watch."""


class Lookout:
    """Looks at storage and files.

    Args:
        storage: of everything.
        desk: with the operators' requests.
        publisher: that knows what is published.
        launching: that knows what is rolled out.
        tell: whoever watches.
        regions: of the federation's doors.
        settings: the figures.

    Attributes:
        judged, tidied: when error rates were last looked at, and what is stale was last cleared away.
    """

    def __init__(
        self,
        storage: Storage,
        desk: Desk,
        publisher: Publisher,
        launching: Launching,
        tell: ClerkTelling,
        *,
        regions: tuple[str, ...],
        settings: ClerkSettings,
    ) -> None:
        self._storage, self._desk, self._publisher = storage, desk, publisher
        self._launching, self._tell = launching, tell
        self._regions, self._settings = regions, settings
        self.judged = self.tidied = self._counted = float("-inf")

    def look(self, state: State, now: float) -> tuple[Seen, Rollout]:
        """What there is, and the rollout that was begun last."""
        rollout, newest = self._launching.current(), self._publisher.newest()
        requests = self._desk.waiting()
        seen = Seen(
            pending=self.participants() if is_due(state, now) else 0,
            published=-1 if newest is None else newest.number,
            rolled_out=rollout.is_full,
            listed=self._publisher.is_listed(everybodys(rollout), newest),
            waiting=self._launching.waiting(rollout) if rollout.is_full else None,
            judge=now >= self.judged + self._settings.judge_s,
            tidy=now >= self.tidied + self._settings.tidy_s,
            requests=requests,
        )
        if self._tell.enabled and now >= self._counted + CENSUS_S:
            self._counted = now
            census = Census(
                clients={standing: self._storage.clients.count(standing) for standing in ClientState},
                participants={region: self.participants(region) for region in self._regions},
                published_at=None if newest is None else newest.created_at,
            )
            self._tell.seen(state, rollout, census, now=now, settings=self._settings)
        return seen, rollout

    def participants(self, region: str | None = None) -> int:
        """Clients with a submission that waits, or that a door which streams has folded already, or who take part."""
        storage = self._storage
        waiting = storage.submissions.count_pending(region) + storage.windows.count(region)
        return waiting + storage.mail.count_joined(region)
