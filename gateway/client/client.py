"""The federation client of a plugin: learns at home, shares numbers with consent, and goes by what the fleet knows.

Importing this is cheap: numpy, pydantic and the network come when they are first needed.
"""

from __future__ import annotations

import json
import secrets
import time
from collections.abc import Callable, Iterable, Mapping
from contextlib import AbstractContextManager
from functools import cached_property
from typing import TYPE_CHECKING, Any

from federation.errors import SwarmError
from gateway.client.account import STATE, WAIT_S, Account
from gateway.client.errors import DamagedError, RefusedError, UntrustedError
from gateway.client.folder import Folder
from gateway.client.outbox import STALE, Outbox, Pushed
from gateway.client.settings import ClientSettings
from gateway.client.standing import Consent, Standing
from gateway.client.telling import ClientTelling

if TYPE_CHECKING:
    from gateway.client.delta import Delta
    from gateway.client.diary import Diary, Learned
    from gateway.client.memory import Memory, State, Swapped
    from gateway.client.participation import Participated, ParticipationSettings
    from gateway.client.protocol import Protocol
    from gateway.client.releases import Pulled, Releases
    from gateway.client.reporting import Reported, Reporting
    from gateway.client.sync import OnProgress, Synced
    from telemetry import Telemetry
    from workloads.patterns import Installed, KeySpace

LOG = "sync-log.jsonl"
_MOST_LOGGED = 200
_NETWORK = "network"
_MOST_STATEMENT = 1000


class FederationClient:
    """An installation's side of the federation.

    Until `give_consent` was called nothing is sent, not even to see whether the server is there. Several processes
    and threads may use the same state folder.

    Args:
        settings: or just the server's URL.
        clock: Unix time.
        draw: makes so many random bytes.
        on_change: told of every change of the weights in force, after it is written. It may look at the client, and
            must not have it push, pull or sync, as it may be called in the middle of that.
        telemetry: of the process, which is told of pushes and pulls; None for silence.
    """

    def __init__(
        self,
        settings: ClientSettings | str,
        *,
        clock: Callable[[], float] = time.time,
        draw: Callable[[int], bytes] = secrets.token_bytes,
        on_change: Callable[[Swapped], None] | None = None,
        telemetry: Telemetry | None = None,
    ) -> None:
        self.settings = ClientSettings(server=settings) if isinstance(settings, str) else settings
        self._clock, self._draw, self._on_change = clock, draw, on_change
        self._telling = ClientTelling(telemetry)
        self.folder = Folder(self.settings.state_dir)
        self.account = Account(
            self.settings,
            self.folder,
            lambda: self.protocol,
            schema_version=lambda: self.space.version,
            clock=clock,
            draw=draw,
        )
        self.outbox = Outbox(
            self.folder, self.account, lambda: self.protocol, clock=clock, draw=draw, telling=self._telling
        )

    # What needs the workload, or the network, is imported here.

    @cached_property
    def space(self) -> KeySpace:
        """The patterns that there are."""
        from workloads.patterns import STANDARD

        return self.settings.space or STANDARD

    @cached_property
    def memory(self) -> Memory:
        """What is kept of patterns and releases."""
        from gateway.client.memory import Memory

        return Memory(self.folder, self.settings.cache)

    @cached_property
    def protocol(self) -> Protocol:
        """The server's endpoints."""
        from gateway.client.protocol import Protocol
        from gateway.client.transport import Transport

        return Protocol(
            Transport(self.settings),
            schema_version=self.space.version,
            agent=f"swarmlore-client/{self.settings.plugin_version}",
            most_bytes=self.settings.most_bytes,
        )

    @cached_property
    def releases(self) -> Releases:
        """Fetches releases."""
        from gateway.client.releases import Releases

        return Releases(
            self.folder, self.memory, self.account, lambda: self.protocol, self.space, telling=self._telling
        )

    @cached_property
    def diary(self) -> Diary:
        """Keeps experiences, and learns from them."""
        from gateway.client.diary import Diary

        return Diary(self.folder, self.memory, self.space, clock=self._clock, draw=self._draw)

    @cached_property
    def reporting(self) -> Reporting:
        """Tells error rates."""
        from gateway.client.reporting import Reporting

        return Reporting(self.folder, self.memory, self.account, lambda: self.protocol)

    # Consent and registration.

    @property
    def consent(self) -> Consent | None:
        """What the user agreed to; None is how it begins."""
        return self.account.standing.consent

    @property
    def standing(self) -> Standing:
        """How the installation stands to the federation."""
        return self.account.standing

    def give_consent(self, *, analytics: bool = False) -> Consent:
        """Note that the user agrees to take part in this server's federation, and no other. Nothing is sent by this."""
        return self.account.agree(analytics=analytics)

    def revoke_consent(self) -> bool:
        """Stop at once, and ask the server to forget this installation; whether it could be told.

        What waits to be sent is dropped. While the server cannot be told, `sync` and `deregister` try again; that
        request is the only one that is still sent.
        """
        standing = self.account.stop()
        self.outbox.clear()
        if not standing.leaving:
            return True
        try:
            self.deregister()
        except SwarmError as error:
            self.log("deregistration", error=error.code)
            return False
        return True

    def register(self, enrolment_code: str | None = None) -> Standing:
        """Register this installation, or renew its token. The server's key is pinned at the first time.

        Raises:
            ConsentError: without consent.
            PinnedKeyError: when the server shows another key than the pinned one.
            ClientError: as the server answers.
        """
        with self.exclusive():
            return self.account.register(enrolment_code)

    def deregister(self) -> None:
        """Leave the federation: the server forgets this installation within a day, and all that came from it goes.

        Consent is withdrawn with it. What was learned here stays, and is what the installation goes by.

        Raises:
            ClientError: when the server cannot be told. Nothing is sent any more but this; call it again.
        """
        self.account.stop()
        self.outbox.clear()
        with self.exclusive():
            self.left()

    def left(self) -> None:
        """`deregister` for who has the lock already."""
        self.account.leave()
        with self.folder.locked(STATE, wait_s=WAIT_S):
            self.memory.forget()
        self.log("deregistered")
        self.hot_swap()

    def appeal(self, statement: str) -> None:
        """Ask who runs the federation to review a quarantine. The statement is sent as it is.

        Raises:
            ClientError: as the server answers.
        """
        with self.exclusive():
            text = statement[:_MOST_STATEMENT]
            self.account.call("an appeal", lambda session: self.protocol.appeal(session, {"text": text}))
        self.log("appealed")

    # Learning at home.

    def record(self, experiences: Iterable[Any]) -> int:
        """Keep experiences for the next `learn`, and say how many.

        Each is a `workloads.patterns.PatternExperience` or a mapping that `experience_of` takes. Of a mapping only
        the fields of an experience are kept: no message, path, name or id reaches the disk.

        Raises:
            PatternError: for what is none; nothing is kept then.
            WriteError: when there is no room.
        """
        return self.diary.record(experiences, version=self.version)

    def learn(self, experiences: Iterable[Any] = ()) -> Learned:
        """Learn from what was recorded, and from these experiences; and put the result into force.

        Raises:
            PatternError: for what is no experience; nothing is learned then.
            WriteError: when there is no room; what was recorded stays recorded.
        """
        learned = self.diary.learn(experiences)
        self.hot_swap()
        return learned

    def scrub(self, record: Mapping[str, Any]) -> dict[str, Any]:
        """What of a record may leave this machine: allowed fields with allowed values."""
        from workloads.patterns import Scrubber

        return Scrubber(space=self.space, salt=self.account.identity.salt).scrub(record)

    def extract_delta(self) -> Delta:
        """What would be told the federation now: how own patterns differ from the installed release."""
        from gateway.client.delta import delta_of

        return delta_of(self.load(), self.space)

    # The exchange.

    def push(self, delta: Delta | None = None, *, again: bool = True) -> Pushed:
        """Try once to send a delta; what cannot be sent now waits, and `flush` tries again.

        Args:
            delta: by default what `extract_delta` gives; where that is to a release that the server does not take any
                more, the newest is put into force first.
            again: also where the open round has been told already.

        Raises:
            ConsentError, NotRegisteredError: before anything is sent.
            QuarantinedError: see `appeal`.
            ClientError: what else the user must know of: refused, untrusted, disk full.
        """
        self.account.agreed("a submission")
        with self.exclusive():
            if delta is not None:
                return self.outbox.push(delta, self.space, again=again)
            try:
                return self.outbox.push(self.extract_delta(), self.space, again=again)
            except RefusedError as error:
                if error.reason not in STALE:
                    raise
            # The server goes by another release than the one that is held, if any is: once more, against that one.
            self.releases.pull(anew=True)
            self.hot_swap()
            return self.outbox.push(self.extract_delta(), self.space, again=again)

    def participate(self, settings: ParticipationSettings | None = None) -> Participated:
        """Take part in the secret sums of the open round, until they are done: `participation.take_part`."""
        from gateway.client.participation import take_part

        return take_part(self, settings, clock=self._clock, draw=self._draw)

    def flush(self, now: float | None = None) -> tuple[Pushed, ...]:
        """Try again the deltas that are due; what became of each is in the answer.

        Raises:
            ConsentError: without consent.
        """
        with self.exclusive():
            return self.outbox.flush(now)

    def pull(self, *, anew: bool = False, progress: Callable[[int, int | None], None] | None = None) -> Pulled:
        """Look for a release, verify it, and keep it if it is newer. `hot_swap` applies it.

        Raises:
            UntrustedError: when it does not verify. Nothing of it was kept.
            ClientError: as the server answers.
        """
        with self.exclusive():
            try:
                return self.releases.pull(anew=anew, arrived=progress)
            except UntrustedError as error:
                self.log("release refused", error=error.code)
                raise

    def hot_swap(self) -> Swapped:
        """Put the newest release and own patterns into force, without a restart; twice is once.

        A release that is older than the one in force is left alone, and the newest is fetched at the next pull.

        Raises:
            WriteError: when there is no room; the weights in force stay.
        """
        with self.folder.locked(STATE, wait_s=WAIT_S):
            state = self.memory.load()
            made, told = self.memory.swapped(state, local_priority=self.settings.local_priority)
            if state.reset:
                self.memory.heal(state)
            if told.anything or state.reset or state.installed != made.installed:
                self.memory.keep_swapped(made)
        changes: dict[str, Any] = {"damaged": True} if state.reset else {}
        if told.previous != told.version:
            changes["version"] = told.version
        if changes:
            self.account.update(**changes)
        if told.anything and self._on_change is not None:
            self._on_change(told)
        return told

    def report(self, *, send: bool = True) -> Reported:
        """Error rates of tools before and after the newest release, told to the server where ``send``.

        Raises:
            ClientError: as the server answers. It is told next time.
        """
        if not send:
            return self.reporting.rates()
        self.account.agreed("a report")
        with self.exclusive():
            return self.reporting.send()

    def sync(self, progress: OnProgress | None = None) -> Synced:
        """The whole cycle: learn, send what waits, pull, apply, send what is new, report.

        It raises nothing that the federation or the disk can do to it; what went wrong is in the answer, and the
        weights in force stay in force.
        """
        from gateway.client.sync import cycle

        return cycle(self, progress)

    # What is in force.

    def load(self) -> State:
        """The state as it is in the folder."""
        return self.memory.load()

    @property
    def version(self) -> str:
        """Of the newest release that was applied; ``0.0.0`` before the first."""
        return self.account.standing.version or "0.0.0"

    @property
    def weights(self) -> Installed | None:
        """The weights in force; None before anything was learned or pulled."""
        return self.load().installed

    @property
    def fast(self) -> Mapping[str, Mapping[str, float]]:
        """The patterns to act on without thinking, key -> scores. Read without numpy or pydantic."""
        from_cache, _ = self.folder.get("cache.json")
        found = from_cache.get("keys") if isinstance(from_cache, dict) else None
        return found if isinstance(found, dict) else {}

    def status(self) -> dict[str, Any]:
        """Where the installation stands, as plain data without secrets."""
        from gateway.client.overview import overview

        return overview(self)

    # The time, the log and the lock.

    def now(self) -> float:
        """Unix time."""
        return self._clock()

    def log(self, event: str, **words: Any) -> None:
        """Note an event in the log of the folder, which keeps the newest 200. No room for it is no error."""
        from gateway.client.errors import FolderError, WriteError

        entry = json.dumps({"at": round(self._clock(), 3), "event": event, **words}, sort_keys=True).encode()
        try:
            with self.folder.locked(STATE, wait_s=WAIT_S):
                lines = (self.folder.read(LOG) or b"").splitlines()[-_MOST_LOGGED + 1 :]
                self.folder.write(LOG, b"\n".join([*lines, entry]) + b"\n")
        except DamagedError:
            self.folder.delete(LOG)
        except (WriteError, FolderError):
            return

    def exclusive(self, wait_s: float = 90.0) -> AbstractContextManager[None]:
        """Hold the lock of who talks to the server: one process at a time."""
        return self.folder.locked(_NETWORK, wait_s=wait_s)
