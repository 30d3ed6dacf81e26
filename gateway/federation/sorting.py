"""The sorter: closes a window's roster, has its buckets summed, and leaves the sums for the round.

It works beside the clerk, between the end of a window and its round. Members' answers lie in the storage until it
takes them in; what it does is `gateway.federation.sorter`'s decision. Each step is one transaction, so it may be killed
anywhere, and the next one goes on.
"""

from __future__ import annotations

import asyncio
import secrets
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any

from actors.secure import SecureConfig
from actors.storage import Storage
from federation.identity import Secret
from gateway.federation.secure_telling import SecureTelling
from gateway.federation.sorter import Session, drawn, moved
from telemetry import Telemetry


@dataclass(frozen=True, slots=True, kw_only=True)
class Sorted:
    """What a window's buckets came to.

    Attributes:
        window: its number.
        buckets, failed: how many gave a sum, and how many gave none.
        members: whose rows are in the sums.
        joined: how many took part.
    """

    window: int
    buckets: int
    failed: int
    members: int
    joined: int


class Sorter:
    """See the module.

    Args:
        storage: with the roster and the mail.
        settings: of the sums.
        run: of the swarm.
        keys: how many there are.
        regions: of the federation's doors.
        telemetry: of this process; None for silence.
        clock: seconds since 1970.
        sleep: waits for so many seconds.
        draw: makes so many random bytes.
        pulse_s: between two looks for answers.
    """

    def __init__(
        self,
        storage: Storage,
        settings: SecureConfig,
        *,
        run: str,
        keys: int,
        regions: tuple[str, ...] = ("global",),
        telemetry: Telemetry | None = None,
        clock: Callable[[], float] = time.time,
        sleep: Callable[[float], Awaitable[Any]] = asyncio.sleep,
        draw: Callable[[int], bytes] = secrets.token_bytes,
        pulse_s: float = 0.1,
    ) -> None:
        self._mail, self.settings, self._run = storage.mail, settings, run
        self._plan = settings.plan(keys)
        self._clock, self._sleep, self._draw, self._pulse_s = clock, sleep, draw, pulse_s
        self._tell = SecureTelling(telemetry, regions)

    async def sort(self, window: int) -> Sorted:
        """Have a closed window's buckets summed, or go on where it was left; what was done already is not done again.

        Raises:
            StorageUnavailableError: when the storage is away; asked again, it goes on.
        """
        with self._tell.sums(window) as span:
            secret = await asyncio.to_thread(self._begun, window)
            sessions = await asyncio.to_thread(self._sessions, window)
            while sessions:
                stepped = await asyncio.to_thread(self._step, sessions, secret)
                if not stepped and sessions:
                    await self._sleep(self._pulse_s)
            found = await asyncio.to_thread(self._result, window)
            self._tell.summed(span, buckets=found.buckets, members=found.members)
        return found

    def _begun(self, window: int) -> Secret:
        """The secret of the window's draw, which is made now if it was not."""
        found = self._mail.draw(window)
        if found is None:
            secret = Secret(self._draw(32))
            deadline = self._clock() + self.settings.stage_s
            made = drawn(
                self._mail.joined(window),
                window=window,
                run=self._run,
                plan=self._plan,
                secret=secret,
                deadline=deadline,
            )
            if self._mail.begin(
                window, secret=secret.reveal(), facts=made.facts, buckets=made.buckets, letters=made.letters
            ):
                self._tell.drawn(window, made.facts)
            found = self._mail.draw(window)
        assert found is not None
        return Secret(found[0])

    def _sessions(self, window: int) -> dict[str, Session]:
        """The sessions that are under way, as far as they have come."""
        return {
            bucket.id: Session.of(bucket, self._mail.taken_in(bucket.id))
            for bucket in self._mail.buckets(window)
            if bucket.state == "open"
        }

    def _step(self, sessions: dict[str, Session], secret: Secret) -> bool:
        """Take in what waits, and end the stages whose time is up. Whether anything was done."""
        waiting = self._mail.waiting(sessions)
        now, done = self._clock(), False
        for name in sorted(sessions):
            session = sessions[name]
            answers = [answer for answer in waiting if answer.bucket == name]
            found = moved(session, answers, now=now, settings=self.settings, secret=secret)
            if not found.anything:
                continue
            done = True
            refused = [answer for answer, _ in found.refused]
            self._mail.advance(found.session.bucket, taken=found.taken, refused=refused, letters=found.letters)
            self._tell.moved(found)
            if found.session.bucket.state == "open":
                sessions[name] = found.session
            else:
                del sessions[name]
        return done

    def _result(self, window: int) -> Sorted:
        buckets = self._mail.buckets(window)
        found = self._mail.draw(window)
        assert found is not None
        good = [one for one in buckets if one.state != "failed"]
        return Sorted(
            window=window,
            buckets=len(good),
            failed=len(buckets) - len(good),
            members=sum(one.members for one in good),
            joined=int(found[1]["joined"]),
        )
