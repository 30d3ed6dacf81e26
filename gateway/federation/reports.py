"""POST reports, POST appeal and GET health: what clients say besides deltas, and what anybody may know."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, date, datetime
from typing import TYPE_CHECKING, Annotated, Any

from pydantic import BaseModel, ConfigDict, Field, model_validator

from gateway.federation.access import Access
from gateway.federation.archive import Archive
from gateway.federation.errors import StaleSubmissionError, UnknownVersionError
from gateway.federation.exchange import Answer, Exchange, parsed, told
from gateway.federation.registration import key_text, moment
from gateway.federation.settings import DAY_S, DoorSettings
from gateway.federation.view import Viewer
from telemetry import Telemetry, semconv
from telemetry.semconv import ClientTransition, StoragePart
from workloads.patterns.schema import Version

if TYPE_CHECKING:
    from actors.storage import Storage

MOST_CALLS = 10**6
"""Calls of a day that a client may report."""
_BODY_LIMIT = 8 * 1024
_REPORTED_DAYS = 3
_LONGEST_APPEAL = 1000


class _Body(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class Report(_Body):
    """How a release does with a client on one day. A later one for the same day takes its place."""

    version: Version
    day: date
    calls: Annotated[int, Field(ge=1, le=MOST_CALLS)]
    errors: Annotated[int, Field(ge=0, le=MOST_CALLS)]

    @model_validator(mode="after")
    def _errors_are_calls(self) -> Report:
        if self.errors > self.calls:
            raise ValueError("there are more errors than calls")
        return self


class AppealText(_Body):
    """Why a client should take part again, for an operator to read."""

    text: Annotated[str, Field(min_length=1, max_length=_LONGEST_APPEAL, pattern=r"^[^\x00]*$")]


class Reception:
    """Takes reports and appeals, and says how the federation is.

    Args:
        settings: of the door.
        storage: that is written to.
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
        self._settings, self._storage, self._archive = settings, storage, archive
        self._access, self._viewer, self._telemetry, self._clock = access, viewer, telemetry, clock
        appealed = {semconv.ATTR_CLIENT_TRANSITION: ClientTransition.APPEALED}
        telemetry.count(semconv.METRIC_CLIENT_TRANSITIONS, 0, appealed)

    async def report(self, exchange: Exchange) -> Answer:
        """Keep how a release does with a client."""
        client = await self._access.client(exchange.headers)
        self._access.count(client.id)
        report = parsed(Report, await exchange.body(_BODY_LIMIT))
        if report.version not in self._viewer.view.served:
            raise UnknownVersionError(version=report.version)
        day = int(datetime.combine(report.day, datetime.min.time(), UTC).timestamp() // DAY_S)
        today = int(self._clock() // DAY_S)
        if not today - _REPORTED_DAYS < day <= today + 1:
            raise StaleSubmissionError(member="day", found=str(report.day), needed="a day of the last three")
        await self._archive.ask(
            StoragePart.REPORTS,
            lambda: self._storage.reports.add(client.id, report.version, day, report.calls, report.errors),
        )
        return Answer(204)

    async def appeal(self, exchange: Exchange) -> Answer:
        """Keep what a client says for itself; the one before is replaced."""
        client = await self._access.client(exchange.headers, quarantined_too=True)
        self._access.count(client.id)
        said = parsed(AppealText, await exchange.body(_BODY_LIMIT))
        now = self._clock()

        def keep() -> None:
            from actors.storage import Appeal

            self._storage.appeals.add(Appeal(client=client.id, at=now, statement=said.text))
            self._storage.audit.add("appeal", code="ok", now=now, client=client.id)

        await self._archive.ask(StoragePart.CLIENTS, keep)
        appealed = {semconv.ATTR_CLIENT_TRANSITION: ClientTransition.APPEALED}
        self._telemetry.count(semconv.METRIC_CLIENT_TRANSITIONS, 1, appealed)
        who = {semconv.ATTR_CLIENT_ID: client.id, semconv.ATTR_REGION: client.region}
        self._telemetry.event(semconv.EVENT_CLIENT_APPEALED, who)
        return told({"status": "recorded"}, 202)

    async def health(self, exchange: Exchange) -> Answer:
        """How the federation is. Needs no token."""
        del exchange
        view = self._viewer.view
        status = "healthy"
        if view.paused is not None:
            status = "paused"
        if view.degraded or view.publishing is not None or view.rollout is None:
            status = "degraded"
        document: dict[str, Any] = {
            "status": status,
            "currentRound": view.window,
            "activeClients": view.clients,
            "latestVersion": view.current,
            "nextAggregation": moment(view.closes_at),
            "schemaVersion": self._settings.space.version,
            "serverPublicKey": key_text(self._settings.public_key),
        }
        if view.paused is not None:
            document["pause"] = {
                "code": str(view.paused.get("code", "")),
                "since": moment(float(view.paused.get("since", 0))),
            }
        return told(document)
