"""Telling the federation how often tools failed under each version: by this a bad release is rolled back."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from datetime import date
from typing import TYPE_CHECKING

from gateway.client.account import STATE, WAIT_S, Account
from gateway.client.errors import RefusedError
from gateway.client.folder import Folder
from gateway.client.memory import NO_VERSION, Memory
from gateway.client.tally import Count, Tally

if TYPE_CHECKING:
    from gateway.client.protocol import Protocol, Session

MOST_TOLD = 8
"""Reports in one go."""
MOST_CALLS = 10**6
"""The server takes no more for a day."""
_DAYS = 3
"""It takes no older days, nor versions that it does not serve any more."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Reported:
    """Error rates of tools, by version.

    Attributes:
        rates: version -> (calls, errors), in the order in which the versions came into force.
        version: in force.
        before, after: error rate under the version before the one in force, and under that; None without calls.
        told: reports that the server has taken now.
    """

    rates: Mapping[str, tuple[int, int]]
    version: str
    before: float | None
    after: float | None
    told: int = 0


class Reporting:
    """Tells error rates.

    Args:
        folder: of the state.
        memory: that holds the counts.
        account: that they are told with.
        protocol: to the server.
    """

    def __init__(self, folder: Folder, memory: Memory, account: Account, protocol: Callable[[], Protocol]) -> None:
        self._folder, self._memory, self._account, self._protocol = folder, memory, account, protocol

    def rates(self) -> Reported:
        """The error rates as they are known here."""
        state = self._memory.load()
        found = state.own.tally.rates()
        others = [version for version in found if version != state.version]
        return Reported(
            rates=found,
            version=state.version,
            before=_rate(found.get(others[-1])) if others else None,
            after=_rate(found.get(state.version)),
        )

    def send(self) -> Reported:
        """Tell the server what it has not been told; what it refuses for good is not told again.

        Raises:
            ConsentError, NotRegisteredError: before anything is sent.
            ClientError: as the server answers.
        """
        oldest = date.fromisoformat(self._account.day()).toordinal() - _DAYS
        untold = self._memory.load().own.tally.untold()
        done: list[Count] = []
        told = 0
        try:
            for count in untold[-MOST_TOLD:]:
                if count.version != NO_VERSION and date.fromisoformat(count.day).toordinal() > oldest:
                    told += self._told(count)
                done.append(count)
        finally:
            self._keep(done)
        return replace(self.rates(), told=told)

    def _told(self, count: Count) -> bool:
        calls = min(count.calls, MOST_CALLS)
        errors = min(round(count.errors * calls / count.calls), calls)
        document = {"version": count.version, "day": count.day, "calls": calls, "errors": errors}

        def request(session: Session) -> None:
            self._protocol().report(session, document)

        try:
            self._account.call("a report", request)
        except RefusedError:
            return False  # a version that is not served any more, most likely
        return True

    def _keep(self, done: list[Count]) -> None:
        if not done:
            return
        with self._folder.locked(STATE, wait_s=WAIT_S):
            own = self._memory.load().own
            tally: Tally = own.tally.with_told(done)
            if tally != own.tally:
                self._memory.keep_own(replace(own, tally=tally))


def _rate(found: tuple[int, int] | None) -> float | None:
    return found[1] / found[0] if found and found[0] else None
