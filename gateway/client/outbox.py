"""Sending deltas: tried once, kept when that fails, and tried again when they are due."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import date
from enum import StrEnum
from typing import TYPE_CHECKING, Any

from gateway.client.account import STATE, WAIT_S, Account
from gateway.client.errors import (
    AnswerError,
    ClientError,
    NotRegisteredError,
    QuarantinedError,
    RateLimitedError,
    RedirectError,
    RefusedError,
    ServerFailedError,
    TokenError,
    UnreachableError,
    UntrustedError,
)
from gateway.client.folder import Folder
from gateway.client.pending import Pending, Queue
from gateway.client.telling import ClientTelling

if TYPE_CHECKING:
    from gateway.client.delta import Delta
    from gateway.client.protocol import Protocol
    from workloads.patterns import KeySpace

FILE = "queue.json"
WINDOW_S = 6 * 3600.0
"""How often a delta is worth sending within one round: the day has four submissions."""
REPEAT_S = 48 * 3600.0
"""When the same delta is sent again for a round that is put off: the server drops it after 72 h."""

STALE = frozenset({"STALE_BASE_VERSION", "STALE_SUBMISSION"})
"""Refusals of a delta whose place another one can take, made anew."""

LATER = (UnreachableError, ServerFailedError, RateLimitedError, AnswerError, RedirectError, TokenError, UntrustedError)
"""Failures after which a delta waits for another attempt."""


class Sent(StrEnum):
    """What became of a delta."""

    ACCEPTED = "accepted"
    QUEUED = "queued"
    NOTHING = "nothing"
    REFUSED = "refused"


@dataclass(frozen=True, slots=True, kw_only=True)
class Pushed:
    """What became of a delta.

    Attributes:
        status: see `Sent`; nothing when there was nothing new to say.
        nonce: of the delta; None for nothing.
        keys: patterns in it.
        round: that it is for.
        due_at: Unix time of the next attempt, for a queued one.
        dropped: older deltas that were dropped: superseded by an accepted one, or by the sixth.
        error: why it is queued or refused.
        answer: the server's.
    """

    status: Sent
    nonce: str | None = None
    keys: int = 0
    round: int | None = None
    due_at: float | None = None
    dropped: int = 0
    error: ClientError | None = None
    answer: dict[str, Any] | None = None


class Outbox:
    """The deltas of an installation on their way.

    Args:
        folder: of the queue.
        account: that they are sent from.
        protocol: to the server.
        clock: Unix time.
        draw: makes so many random bytes.
        telling: told of each attempt.
    """

    def __init__(
        self,
        folder: Folder,
        account: Account,
        protocol: Callable[[], Protocol],
        *,
        clock: Callable[[], float],
        draw: Callable[[int], bytes],
        telling: ClientTelling,
    ) -> None:
        self._folder, self._account, self._protocol = folder, account, protocol
        self._clock, self._draw, self._telling = clock, draw, telling

    @property
    def queue(self) -> Queue:
        """What waits; a damaged file is an empty queue, as the next delta says the same again."""
        return Queue.of(self._folder.get(FILE)[0])

    def clear(self) -> int:
        """Drop all that waits, and say how many that were."""
        with self._folder.locked(STATE, wait_s=WAIT_S):
            found = len(self.queue.items)
            self._folder.drop(FILE)
        return found

    def push(self, delta: Delta, space: KeySpace, *, again: bool = True) -> Pushed:
        """Try once to send a delta; what cannot be sent now waits in the queue.

        With ``again`` false it is not sent where the open round has been told already.

        Raises:
            QuarantinedError, RefusedError: as the server answers; the delta is dropped.
            UntrustedError, TokenError, RedirectError: the delta waits.
            WriteError: when the queue cannot be written. Nothing was sent then.
        """
        standing = self._account.agreed("a submission")
        if not delta.says_anything:
            return Pushed(status=Sent.NOTHING)
        waiting = next((one for one in reversed(self.queue.items) if one.marks.get("digest") == delta.digest), None)
        if waiting is not None:
            return self._raised(self._sent(waiting))
        number, failure = self._round()
        if not again and failure is None and self._told(standing.sent_round, number, delta.digest):
            return Pushed(status=Sent.NOTHING, round=number)
        item, dropped = self._queued(delta, space, number)
        if failure is not None:
            return self._failed(item, failure, dropped=dropped)
        return self._raised(self._sent(item, dropped=dropped))

    def flush(self, now: float | None = None) -> tuple[Pushed, ...]:
        """Try again what is due, newest first; an accepted delta makes the older ones superfluous.

        Nothing but a missing consent is raised: what became of each delta is in the answer.
        """
        self._account.agreed("a submission")
        at = self._clock() if now is None else now
        self._edit(lambda queue: queue.fresh(at)[0])
        results: list[Pushed] = []
        for item in self.queue.due(at):
            last = results[-1].error if results else None
            if isinstance(last, UnreachableError | RateLimitedError):
                # One time limit is enough to wait for, and one refusal for the whole day.
                results.append(self._failed(item, last, now=at))
                continue
            results.append(self._sent(item, now=at))
            if results[-1].status is Sent.ACCEPTED or isinstance(results[-1].error, QuarantinedError):
                break
        return tuple(results)

    def _round(self) -> tuple[int, ClientError | None]:
        """The number of the open round; the newest that is known of, and why, where the server cannot be asked."""
        known = self._account.standing.round or 0
        try:
            found = self._protocol().health().get("currentRound")
        except (UnreachableError, ServerFailedError, RateLimitedError, AnswerError) as error:
            return known, error
        if not isinstance(found, int) or isinstance(found, bool) or not 0 <= found < 2**53:
            return known, AnswerError(found="no currentRound", needed="the number of the open round")
        if found != known:
            self._account.update(round=found)
        return found, None

    def _told(self, sent_round: int | None, number: int, digest: str) -> bool:
        standing = self._account.standing
        if sent_round != number or standing.sent_at is None:
            return False
        since = self._clock() - standing.sent_at
        return 0 <= since < (REPEAT_S if standing.sent_digest == digest else WINDOW_S)

    def _queued(self, delta: Delta, space: KeySpace, number: int) -> tuple[Pending, int]:
        """The signed delta, in the queue before it is sent, so that it keeps its nonce whatever happens."""
        from gateway.client.delta import wire

        account, now = self._account, self._clock()
        client = account.standing.client
        if client is None:
            raise NotRegisteredError(doing="a submission")
        nonce = self._draw(16).hex()
        made = delta.signed(
            account.identity, client=client, space=space, round_number=number, nonce=nonce,
            day=date.fromisoformat(account.day()),
        )  # fmt: skip
        marks = {"digest": delta.digest, "round": number, "keys": len(delta.weights)}
        item = Pending(nonce=nonce, document=wire(made), made_at=now, due_at=now, marks=marks)
        dropped: list[Pending] = []

        def change(queue: Queue) -> Queue:
            kept, lost = queue.with_(item)
            dropped.extend(lost)
            return kept

        self._edit(change)
        return item, len(dropped)

    def _sent(self, item: Pending, *, dropped: int = 0, now: float | None = None) -> Pushed:
        from gateway.client.protocol import clean

        try:
            with self._telling.push() as told:
                answer = self._account.call(
                    "a submission", lambda session: self._protocol().submit(session, item.document)
                )
                told.code = clean(answer.get("status"), 40)
        except LATER as error:
            return self._failed(item, error, dropped=dropped, now=now)
        except (QuarantinedError, RefusedError) as error:
            self._edit(lambda queue: queue.without(item.nonce))
            if isinstance(error, QuarantinedError):
                self._account.update(quarantined=True)
            return self._told_of(item, Sent.REFUSED, dropped=dropped, error=error)
        older: list[int] = []

        def change(queue: Queue) -> Queue:
            kept, count = queue.after(item.nonce)
            older.append(count)
            return kept

        self._edit(change)
        self._account.update(
            sent_round=item.marks.get("round"),
            sent_digest=item.marks.get("digest"),
            sent_at=self._clock(),
            quarantined=False,
        )
        return self._told_of(item, Sent.ACCEPTED, dropped=dropped + sum(older), answer=dict(answer))

    def _failed(self, item: Pending, error: ClientError, *, dropped: int = 0, now: float | None = None) -> Pushed:
        wait = error.fields.get("retry_after_s")
        later = item.failed(self._clock() if now is None else now, wait)
        self._edit(lambda queue: queue.replaced(later))
        return self._told_of(later, Sent.QUEUED, dropped=dropped, error=error)

    def _raised(self, pushed: Pushed) -> Pushed:
        """The result of an attempt that the caller waits for: what he must know of is raised."""
        error = pushed.error
        if error is not None and not isinstance(
            error, UnreachableError | ServerFailedError | RateLimitedError | AnswerError
        ):
            raise error
        return pushed

    def _told_of(self, item: Pending, status: Sent, **fields: Any) -> Pushed:
        due = item.due_at if status is Sent.QUEUED else None
        keys, number = item.marks.get("keys", 0), item.marks.get("round")
        return Pushed(status=status, nonce=item.nonce, keys=keys, round=number, due_at=due, **fields)

    def _edit(self, change: Callable[[Queue], Queue]) -> None:
        with self._folder.locked(STATE, wait_s=WAIT_S):
            before = self.queue
            after = change(before)
            if after != before:
                self._folder.put(FILE, after.plain(), copied=False)  # a lost one is made up for by the next delta
