"""The whole cycle of an installation with its federation. What goes wrong in it is told, and stops nothing else."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING, Any

from federation.errors import SwarmError
from gateway.client.errors import (
    BusyError,
    ClientError,
    ConsentError,
    QuarantinedError,
    RefusedError,
    UnreachableError,
    WriteError,
)
from gateway.client.outbox import STALE, Pushed, Sent

if TYPE_CHECKING:
    from gateway.client.client import FederationClient
    from gateway.client.diary import Learned
    from gateway.client.memory import Swapped
    from gateway.client.releases import Pulled
    from gateway.client.reporting import Reported

_LITTER_S = 3600.0


class Step(StrEnum):
    """What the cycle is at, in order."""

    LEARN = "learn"
    REGISTER = "register"
    FLUSH = "flush"
    PULL = "pull"
    APPLY = "apply"
    PUSH = "push"
    REPORT = "report"
    DONE = "done"


@dataclass(frozen=True, slots=True, kw_only=True)
class Progress:
    """How far the cycle is.

    Attributes:
        step: that begins, or goes on.
        done, total: bytes of a download; 0 and None for steps that have none.
    """

    step: Step
    done: int = 0
    total: int | None = None


OnProgress = Callable[[Progress], None]


@dataclass(frozen=True, slots=True, kw_only=True)
class Synced:
    """What a cycle did. None for what it did not come to.

    Attributes:
        learned, flushed, pulled, swapped, pushed, reported: of the steps.
        problems: what went wrong, in order; empty when all went well.
        skipped: why nothing was exchanged: no consent, another process at it, no room.
    """

    learned: Learned | None = None
    flushed: tuple[Pushed, ...] = ()
    pulled: Pulled | None = None
    swapped: Swapped | None = None
    pushed: Pushed | None = None
    reported: Reported | None = None
    problems: tuple[SwarmError, ...] = ()
    skipped: SwarmError | None = None

    @property
    def ok(self) -> bool:
        """Whether the whole cycle was gone through."""
        return not self.problems and self.skipped is None

    @property
    def quarantined(self) -> bool:
        """Whether the server takes nothing from here until it has looked into an appeal."""
        return any(isinstance(one, QuarantinedError) for one in self.problems)


def cycle(client: FederationClient, progress: OnProgress | None = None) -> Synced:
    """One cycle; see `FederationClient.sync`."""
    made = _Cycle(client, progress or (lambda _: None)).run()
    words: dict[str, Any] = {"version": client.version}
    if made.skipped is not None:
        words["skipped"] = made.skipped.code
    if made.problems:
        words["problems"] = [one.code for one in made.problems]
    if made.pushed is not None:
        words["pushed"] = made.pushed.status.value
    client.log("sync", **words)
    return made


class _Cycle:
    """One cycle, with what it has come to so far."""

    def __init__(self, client: FederationClient, progress: OnProgress) -> None:
        self._client, self._progress = client, progress
        self._found: dict[str, Any] = {}
        self._problems: list[SwarmError] = []
        self._away = False

    def run(self) -> Synced:
        try:
            self._run()
        except (ConsentError, BusyError, WriteError) as error:
            # Without room nothing is exchanged: what came could not be kept, and what is sent could not be noted.
            return self._synced(skipped=error)
        return self._synced()

    def _run(self) -> None:
        client = self._client
        self._progress(Progress(step=Step.LEARN))
        self._try("learned", client.learn)
        standing = client.standing
        with client.exclusive(wait_s=0):
            if standing.consent is None:
                if standing.leaving:
                    self._try("left", client.left)
                client.account.agreed("a sync")
            client.account.agreed("a sync")
            client.folder.sweep(client.now() - _LITTER_S)
            if standing.client is None or client.account.renews():
                self._progress(Progress(step=Step.REGISTER))
                self._try("registered", client.account.register)
                if client.standing.client is None:
                    return
            self._exchange()
        if not self._problems:
            client.account.update(synced_at=client.now())
        self._progress(Progress(step=Step.DONE))

    def _exchange(self) -> None:
        client = self._client
        self._progress(Progress(step=Step.FLUSH))
        self._try("flushed", client.outbox.flush)
        for one in self._found.get("flushed", ()):
            if one.error is not None and not _is_stale(one.error):
                self._trouble(one.error)
        self._pull()
        self._progress(Progress(step=Step.PUSH))
        self._push()
        self._progress(Progress(step=Step.REPORT))
        if not self._away:
            self._try("reported", client.reporting.send)

    def _pull(self, *, anew: bool = False) -> None:
        client = self._client
        self._progress(Progress(step=Step.PULL))
        if not self._away:
            self._try("pulled", lambda: client.releases.pull(anew=anew, arrived=self._arrived))
        self._progress(Progress(step=Step.APPLY))
        swapped = self._found.get("swapped")
        self._try("swapped", client.hot_swap)
        if swapped is not None and swapped.anything:
            self._found["swapped"] = swapped  # the first of two says what changed

    def _push(self) -> None:
        client = self._client
        try:
            pushed = client.outbox.push(client.extract_delta(), client.space, again=False)
        except RefusedError as error:
            if not _is_stale(error):
                self._trouble(error)
                return
            # The server has moved on since the pull, or a delta of another day came first: once more, anew.
            self._found.pop("pulled", None)
            self._pull(anew=True)
            if "pulled" in self._found:
                self._try("pushed", lambda: client.outbox.push(client.extract_delta(), client.space, again=False))
            return
        except SwarmError as error:
            self._raise_or_note(error)
            return
        self._found["pushed"] = pushed
        if pushed.status is Sent.QUEUED and pushed.error is not None:
            self._trouble(pushed.error)

    def _try(self, name: str, step: Callable[[], Any]) -> None:
        try:
            self._found[name] = step()
        except SwarmError as error:
            self._raise_or_note(error)

    def _raise_or_note(self, error: SwarmError) -> None:
        if isinstance(error, ConsentError | BusyError | WriteError):
            raise error
        self._trouble(error)

    def _trouble(self, error: SwarmError) -> None:
        # Where the server is away, waiting once for a time limit is enough.
        self._away = self._away or isinstance(error, UnreachableError)
        if isinstance(error, QuarantinedError):
            self._client.account.update(quarantined=True)
        if all(type(one) is not type(error) for one in self._problems):
            self._problems.append(error)
            if isinstance(error, ClientError) and error.code.startswith("client.untrusted"):
                self._client.log("release refused", error=error.code)

    def _arrived(self, done: int, total: int | None) -> None:
        self._progress(Progress(step=Step.PULL, done=done, total=total))

    def _synced(self, skipped: SwarmError | None = None) -> Synced:
        known = {name: value for name, value in self._found.items() if name in Synced.__dataclass_fields__}
        return Synced(**known, problems=tuple(self._problems), skipped=skipped)


def _is_stale(error: SwarmError) -> bool:
    return isinstance(error, RefusedError) and error.reason in STALE
