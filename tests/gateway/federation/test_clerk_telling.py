"""What the clerk tells: every name and attribute is the registry's, and what matters is told."""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path

import pytest

from actors.storage import StorageUnavailableError
from federation.errors import ReviewError
from federation.rollout import Stage
from gateway.federation.clerk import Clerk
from gateway.federation.clerk_state import ClerkSettings
from gateway.federation.tenure import Tenure
from telemetry import semconv
from telemetry.testing import Captured, captured
from tests.gateway.federation.office_hours import KEY, SPACE, OfficeHours

STAGES = (Stage(name="canary", share=0.98, lasts_s=20.0), Stage(name="full", share=1.0, lasts_s=0.0))


class Told(OfficeHours):
    """Office hours that are listened to."""

    capture: Captured

    def hired(self, tenure: Tenure | None = None) -> Clerk:
        return Clerk(
            self.swarm,  # pyright: ignore[reportArgumentType]
            self.storage,
            self.files,
            KEY,
            space=SPACE,
            settings=self.settings,
            telemetry=self.capture.telemetry,
            clock=lambda: self.now,
            sleep=self.sleep,
            tenure=tenure,
        )


@pytest.fixture
async def office(tmp_path: Path) -> AsyncIterator[Told]:
    with captured(actor_kind=semconv.ActorKind.CLERK) as capture:
        Told.capture = capture
        found = Told(tmp_path, settings=ClerkSettings(interval_s=100.0, stages=STAGES, tidy_s=50.0))
        with found.storage:
            await found.start()
            await found.work()
            yield found
        assert capture.problems() == []


async def over(office: Told) -> None:
    office.now = office.clerk.state.window.closes_at
    await office.work()


async def test_a_window_a_release_its_rollout_and_its_rollback(office: Told) -> None:
    office.submit(9)
    await over(office)
    names = office.submit(12)
    office.swarm.quarantined = {names[0]}
    await over(office)
    office.report(v1_0_0=0.02, v1_0_1=0.3)
    await office.work(until=office.now + 10)
    office.storage.clients.deregister(names[1], office.now)
    await office.work(until=office.now + 60)
    events = [event.name for event in office.capture.events]
    for name in (
        semconv.EVENT_WINDOW_OPENED,
        semconv.EVENT_WINDOW_EXTENDED,
        semconv.EVENT_WINDOW_CLOSED,
        semconv.EVENT_VERSION_PUBLISHED,
        semconv.EVENT_ROLLOUT_DECIDED,
    ):
        assert name in events, name
    steps = {str((span.attributes or {})[semconv.ATTR_CLERK_STEP]) for span in office.capture.spans}
    assert steps == {"count", "round", "publish", "rollout", "standings", "erase"}


async def test_pauses_and_failed_writes(office: Told) -> None:
    office.swarm.script = [ReviewError(round=1, flagged=5, received=12, share=0.3, bound=3, agents=("a",))]
    office.submit(12)
    await over(office)
    office.ask("go", "resume")
    await office.work()
    put = office.files.put_once

    def failing(name: str, data: bytes) -> bool:
        raise StorageUnavailableError(url="memory:///", found="disk full")

    office.files.put_once = failing
    office.clerk.settings = replace(office.settings, write_again_s=(1.0,))
    await over(office)
    office.files.put_once = put
    events = [event.name for event in office.capture.events]
    assert events.count(semconv.EVENT_FEDERATION_PAUSED) == 2
    assert events.count(semconv.EVENT_FEDERATION_RESUMED) == 1
    assert events.count(semconv.EVENT_STORAGE_FAILED) == 2
    told = [span.attributes or {} for span in office.capture.spans]
    failed = {str(one[semconv.ATTR_CLERK_STEP]) for one in told if one[semconv.ATTR_OUTCOME] == "failure"}
    assert failed == {"round", "publish"}
