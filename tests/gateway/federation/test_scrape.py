"""Whichever process is scraped, the metrics of all of them are served."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Callable
from pathlib import Path

import pytest

from actors.cluster import NoSwarmError
from gateway.federation import scrape
from gateway.federation.scrape import LARGEST, STALE_S, Snapshots
from telemetry import Telemetry, semconv
from telemetry.prometheus import rendered
from telemetry.semconv import ActorKind
from telemetry.testing import captured

ANSWERED = {semconv.ATTR_REGION: "eu", semconv.ATTR_ANSWER_CODE: "accepted"}


class Clock:
    now = 1_000_000.0

    def __call__(self) -> float:
        return self.now


def test_what_was_left_last_counts_and_nothing_else_is_there(tmp_path: Path) -> None:
    snapshots = Snapshots(tmp_path / "metrics")
    snapshots.leave("federation-0", b"old")
    snapshots.leave("federation-0", b"a", b"b")
    snapshots.leave("federation-1", b"c")
    assert snapshots.found() == [b"ab", b"c"]
    assert snapshots.found(besides="federation-0") == [b"c"]
    assert sorted(path.name for path in (tmp_path / "metrics").iterdir()) == ["federation-0.otlp", "federation-1.otlp"]


def test_what_an_ended_process_has_left_is_served_no_longer(tmp_path: Path) -> None:
    clock = Clock()
    snapshots = Snapshots(tmp_path, clock=clock)
    snapshots.leave("federation-0", b"a")
    clock.now += STALE_S / 2
    snapshots.leave("federation-1", b"b")
    clock.now += STALE_S / 2 + 1
    assert snapshots.found() == [b"b"]


def test_what_is_too_large_is_not_read(tmp_path: Path) -> None:
    snapshots = Snapshots(tmp_path)
    snapshots.leave("federation-0", bytes(LARGEST + 1))
    assert snapshots.found() == []


@pytest.mark.parametrize("name", ["", "../x", "a/b", ".hidden", "a" * 101])
def test_a_name_stays_in_the_folder(tmp_path: Path, name: str) -> None:
    with pytest.raises(ValueError, match="no name of a process"):
        Snapshots(tmp_path).leave(name, b"a")
    assert list(tmp_path.iterdir()) == []


async def until(holds: Callable[[], object]) -> None:
    async with asyncio.timeout(5):
        while not holds():  # noqa: ASYNC110 - what is waited for is a file
            await asyncio.sleep(0)


def told(telemetry: Telemetry, count: int) -> None:
    telemetry.count(semconv.METRIC_SUBMISSIONS, count, ANSWERED)


def test_any_process_serves_all(tmp_path: Path) -> None:
    snapshots = Snapshots(tmp_path)
    with (
        captured(actor_kind=ActorKind.GATEWAY, instance="federation-0") as first,
        captured(actor_kind=ActorKind.GATEWAY, instance="federation-1") as second,
        captured(actor_kind=ActorKind.CLERK, instance="federation-clerk") as clerk,
        captured(actor_kind=ActorKind.DOOR, instance="swarmlore-host-0") as door,
    ):
        told(first.telemetry, 2)
        told(second.telemetry, 3)
        clerk.telemetry.gauge(semconv.METRIC_WINDOW_DURATION, 21_600.0)
        door.telemetry.count(semconv.METRIC_SUBMISSIONS_FOLDED, 5, {semconv.ATTR_REGION: "eu"})
        snapshots.leave("federation-0", first.telemetry.metrics())
        snapshots.leave("federation-clerk", clerk.telemetry.metrics(), door.telemetry.metrics())
        told(second.telemetry, 1)
        page, _ = rendered([second.telemetry.metrics(), *snapshots.found(besides="federation-1")])
    lines = [line for line in page.decode().splitlines() if not line.startswith("#")]
    found = {line.split('instance="')[1].split('"')[0]: line for line in lines if "submissions_total" in line}
    assert found["federation-0"].endswith(" 2.0")
    assert found["federation-1"].endswith(" 4.0")
    assert any(line.startswith("federated_learning_window_duration_seconds") for line in lines)
    [folded] = [line for line in lines if "submissions_folded" in line]
    assert 'instance="swarmlore-host-0"' in folded
    assert len([line for line in lines if line.startswith("target_info")]) == 4


def test_a_process_leaves_its_metrics_until_it_is_told_to_stop(tmp_path: Path) -> None:
    snapshots = Snapshots(tmp_path)

    asked = 0

    async def actors() -> list[bytes]:
        nonlocal asked
        asked += 1
        if asked == 1:
            raise NoSwarmError(namespace="north")
        return [b"", b""]

    async def course(telemetry: Telemetry) -> None:
        task = asyncio.ensure_future(
            scrape.leaving(snapshots, "federation-clerk", telemetry, others=actors, every_s=0.001)
        )
        await until(snapshots.found)
        told(telemetry, 7)
        await until(lambda: b"submissions" in snapshots.found()[0])
        task.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await task

    with captured(actor_kind=ActorKind.CLERK, instance="federation-clerk") as clerk:
        asyncio.run(course(clerk.telemetry))


def test_a_folder_that_cannot_be_written_stops_nothing(tmp_path: Path) -> None:
    class Full(Snapshots):
        tried = 0

        def leave(self, instance: str, *snapshots: bytes) -> None:
            self.tried += 1
            raise OSError(28, "No space left on device")

    full = Full(tmp_path)

    async def course(telemetry: Telemetry) -> None:
        task = asyncio.ensure_future(scrape.leaving(full, "federation-0", telemetry, every_s=0.0))
        await until(lambda: full.tried >= 3)
        assert not task.done()
        task.cancel()

    with captured() as worker:
        asyncio.run(course(worker.telemetry))
