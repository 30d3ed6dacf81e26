"""POST weights/submit: a delta is checked once, in bytes, and written together with others.

In this order: who asks; the size; the signature, over the very bytes that are then read and kept; the schema; whose,
which round, which base. A body that is refused is never kept.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable, Sequence
from contextlib import suppress
from datetime import UTC, datetime
from time import perf_counter
from typing import TYPE_CHECKING

from federation.identity import verify
from gateway.federation import canonical
from gateway.federation.access import Access
from gateway.federation.archive import Archive
from gateway.federation.batches import Batches
from gateway.federation.errors import (
    AwayError,
    InvalidSchemaError,
    NonceError,
    RateError,
    RefusalError,
    SecureOnlyError,
    SignatureError,
    StaleBaseError,
    StaleSubmissionError,
    UnauthorizedError,
)
from gateway.federation.exchange import Answer, Exchange, parsed
from gateway.federation.registration import key_bytes, moment
from gateway.federation.settings import DAY_S, DoorSettings
from gateway.federation.view import View, Viewer
from telemetry import Telemetry, semconv
from telemetry.semconv import Outcome, StoragePart
from workloads.patterns import DeltaWeightVector

if TYPE_CHECKING:
    from actors.storage import Added, Client, Storage, Submission

_BATCH = 256
_PACE_S = 0.015
"""Between two commits: 0.1 ms a submission by twenties, 2 ms each by ones."""
_NOTE_EVERY_S = 1.0
_MOST_NOTES = 65_536
_NO_STORE = ((b"cache-control", b"no-store"),)


def authentic(body: bytes, public_key: bytes) -> tuple[DeltaWeightVector, bytes, bytes]:
    """The delta that was signed, its bytes, and their signature.

    Raises:
        InvalidSchemaError: for a body that has no canonical form, or is no delta.
        SignatureError: when there is no signature of this key.
    """
    found = canonical.cut(body)
    if found is not None:
        signature = key_bytes(found[1])
        if len(signature) == 64 and verify(public_key, found[0], signature):
            return parsed(DeltaWeightVector, found[0]), found[0], signature
    signed, text = canonical.without(body, "signature")
    delta = parsed(DeltaWeightVector, signed)
    if not isinstance(text, str):
        raise InvalidSchemaError(found="The body has no signature.")
    signature = key_bytes(text) if text.startswith("ed25519:") else b""
    if len(signature) != 64 or not verify(public_key, signed, signature):
        raise SignatureError(what="signature")
    return delta, signed, signature


class Counter:
    """Where deltas are handed in.

    Args:
        settings: of the door.
        storage: of submissions.
        archive: that it is asked through.
        access: tells clients.
        viewer: of the federation.
        telemetry: of the process.
        clock: seconds since 1970.
    """

    def __init__(
        self,
        settings: DoorSettings,
        storage: Storage,
        archive: Archive,
        access: Access,
        viewer: Viewer,
        telemetry: Telemetry,
        clock: Callable[[], float],
    ) -> None:
        self._settings, self._limits = settings, settings.limits
        self._storage, self._archive, self._access, self._viewer = storage, archive, access, viewer
        self._telemetry, self._clock = telemetry, clock
        self._major = settings.space.version.partition(".")[0]
        self._writer: Batches[Submission, Added] = Batches(
            self._written, archive, StoragePart.SUBMISSIONS, most=_BATCH, waiting=self._limits.waiting, pace_s=_PACE_S
        )
        self._notes: list[tuple[str, str]] = []
        self._task: asyncio.Task[None] | None = None

    def start(self) -> None:
        """Keep the audit log, a second late at most."""
        self._task = asyncio.create_task(self._noting())

    async def close(self) -> None:
        """Write what waits."""
        await self._writer.close()
        if self._task is not None:
            self._task.cancel()
            with suppress(asyncio.CancelledError):
                await self._task
            with suppress(RefusalError):
                await self._note()

    async def submit(self, exchange: Exchange) -> Answer:
        """Take a delta."""
        exchange.attributes[semconv.ATTR_REGION] = "unknown"
        exchange.check_size(self._limits.body)
        client = await self._access.client(exchange.headers)
        if self._settings.secure is not None:
            raise SecureOnlyError
        exchange.attributes[semconv.ATTR_CLIENT_ID] = client.id
        exchange.attributes[semconv.ATTR_REGION] = client.region
        self._access.count(client.id)
        body = await exchange.body(self._limits.body)
        exchange.attributes[semconv.ATTR_PAYLOAD_SIZE] = len(body)
        if self._viewer.view.degraded:
            await self._viewer.refresh()
        submission = self._checked(body, client, exchange.headers)
        exchange.attributes[semconv.ATTR_WINDOW] = submission.window
        added = await self._writer.ask(submission)
        return self._answered(added, exchange, client, submission.received_at)

    def _checked(self, body: bytes, client: Client, headers: dict[bytes, bytes]) -> Submission:
        """What is to be written."""
        # The delta's hundreds of objects go when this returns. Held while it is written, they would have each of the
        # next deltas built in memory that is not in the processor's caches, which takes twice as long.
        delta, signed, signature = authentic(body, client.public_key)
        view, now = self._viewer.view, self._clock()
        self._check(delta, client, headers, view, now)
        return _submission(delta, client, view.window, now, signed, signature)

    def _check(
        self, delta: DeltaWeightVector, client: Client, headers: dict[bytes, bytes], view: View, now: float
    ) -> None:
        """Refuse what is of another client, another schema, or too old."""
        if delta.client_id != client.id:
            raise UnauthorizedError(found="clientId is not the client that the token was given to.")
        if delta.signature is not None:
            raise InvalidSchemaError(found="The body has two signatures.")
        if headers.get(b"x-schema-version", b"").decode("latin-1") != delta.schema_version:
            raise InvalidSchemaError(found="X-Schema-Version is not the body's schemaVersion.")
        if delta.schema_version.partition(".")[0] != self._major:
            raise InvalidSchemaError(
                found=f"schemaVersion is {delta.schema_version}; this federation has major {self._major}."
            )
        if self._settings.space.places.keys().isdisjoint(delta.weights):
            # It would wait for a round in which it cannot count, and be counted among those who wait.
            raise InvalidSchemaError(found=f"None of {len(delta.weights)} weights is of this federation's key space.")
        if view.degraded or not view.window:
            raise AwayError
        oldest = max(view.window - self._limits.windows, 0)
        if not oldest <= delta.round <= view.window:
            raise StaleSubmissionError(member="round", found=str(delta.round), needed=f"from {oldest} to {view.window}")
        began = datetime.combine(delta.timestamp, datetime.min.time(), UTC).timestamp()
        if not now - self._limits.staleness_s < began <= now + DAY_S:
            raise StaleSubmissionError(member="timestamp", found=str(delta.timestamp), needed="a day of the last three")
        behind = self._limits.behind
        if delta.base_version not in view.served[: behind + 1]:
            raise StaleBaseError(
                base=delta.base_version or "no version",
                current=view.served[0] if view.served else "none",
                behind=behind,
            )

    def _answered(self, added: Added, exchange: Exchange, client: Client, now: float) -> Answer:
        exchange.attributes[semconv.ATTR_WINDOW] = added.window
        self._notes.append((client.id, added.outcome.value))
        match added.outcome:
            case "conflict":
                raise NonceError
            case "rate_limited":
                wait = max(1, int(added.resets_at - now) + 1)
                raise RateError(limit=f"{self._limits.submissions} submissions a day", retry_after_s=wait)
        view = self._viewer.view
        answer = {
            "status": "accepted",
            "round": added.window,
            "estimatedAggregation": moment(view.closes_at),
            "currentVersion": view.version_for(client.id),
        }
        return Answer(202, json.dumps(answer, separators=(",", ":")).encode(), _NO_STORE, code=added.outcome.value)

    def _written(self, submissions: Sequence[Submission]) -> Sequence[Added]:
        """What became of a batch, written in one transaction. Called in a thread."""
        began, now = perf_counter(), self._clock()
        outcome = Outcome.FAILURE
        try:
            added = self._storage.submissions.add_many(submissions, now=now, per_day=self._limits.submissions)
            outcome = Outcome.SUCCESS
        finally:
            took = perf_counter() - began
            self._telemetry.observe(semconv.METRIC_SUBMISSIONS_WRITE_DURATION, took, {semconv.ATTR_OUTCOME: outcome})
        duplicates = sum(result.outcome == "duplicate" for result in added)
        self._telemetry.event(
            semconv.EVENT_SUBMISSIONS_RECEIVED,
            {
                semconv.ATTR_SUBMISSIONS_COUNT: len(added),
                semconv.ATTR_DUPLICATES_COUNT: duplicates,
                semconv.ATTR_DURATION: took,
                semconv.ATTR_WINDOW: added[-1].window,
            },
        )
        return added

    async def _noting(self) -> None:
        while True:
            await asyncio.sleep(_NOTE_EVERY_S)
            with suppress(RefusalError):  # counted already
                await self._note()

    async def _note(self) -> None:
        """Write down who submitted, for the audit log, and that they were heard of."""
        if not self._notes:
            return
        notes, self._notes = self._notes, []
        now = self._clock()

        def written() -> None:
            self._storage.audit.add_many([("submit", client, "", code) for client, code in notes], now=now)
            self._storage.clients.seen({client for client, _ in notes}, now)

        try:
            await self._archive.ask(StoragePart.AUDIT, written)
        except AwayError:
            self._notes = [*notes, *self._notes][-_MOST_NOTES:]
            raise


def _submission(
    delta: DeltaWeightVector, client: Client, window: int, now: float, signed: bytes, signature: bytes
) -> Submission:
    from actors.storage import Submission

    return Submission(
        client=client.id,
        region=client.region,
        nonce=delta.nonce,
        window=window,
        base_version=delta.base_version,
        received_at=now,
        document=signed,
        signature=signature,
        experiences=delta.total_experiences,
    )
