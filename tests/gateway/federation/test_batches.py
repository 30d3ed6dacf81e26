"""Group commit: what is asked together is answered together, and nobody waits for nothing."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

import pytest

from actors.storage import StorageUnavailableError
from gateway.federation.archive import Archive
from gateway.federation.batches import Batches
from gateway.federation.errors import AwayError, OverloadError
from telemetry import semconv
from telemetry.semconv import StoragePart
from telemetry.testing import captured


def batches(archive: Archive, work: object, *, most: int = 100, waiting: int = 1000) -> Batches[int, int]:
    return Batches(work, archive, StoragePart.SUBMISSIONS, most=most, waiting=waiting, pace_s=0.0)  # type: ignore[arg-type]


async def test_what_is_asked_together_is_answered_in_few_batches_and_in_order() -> None:
    sizes: list[int] = []

    def work(items: Sequence[int]) -> Sequence[int]:
        sizes.append(len(items))
        return [item * 2 for item in items]

    with captured(actor_kind=semconv.ActorKind.GATEWAY) as capture:
        asked = batches(Archive(capture.telemetry), work, most=30)
        assert await asyncio.gather(*(asked.ask(number) for number in range(100))) == list(range(0, 200, 2))
        assert sizes == [30, 30, 30, 10]
        assert await asked.ask(4) == 8
        await asked.close()


async def test_an_error_is_everybodys_and_the_next_batch_is_another() -> None:
    failing = [True]

    def work(items: Sequence[int]) -> Sequence[int]:
        if failing.pop():
            raise StorageUnavailableError(url="sqlite:///x", found="away")
        return items

    failing.insert(0, False)
    with captured(actor_kind=semconv.ActorKind.GATEWAY) as capture:
        asked = batches(Archive(capture.telemetry), work)
        found = await asyncio.gather(*(asked.ask(number) for number in range(3)), return_exceptions=True)
        assert [type(one) for one in found] == [AwayError] * 3
        assert await asked.ask(1) == 1
        assert capture.total(semconv.METRIC_STORAGE_FAILURES) == 1


async def test_more_than_may_wait_are_sent_away() -> None:
    with captured(actor_kind=semconv.ActorKind.GATEWAY) as capture:
        asked = batches(Archive(capture.telemetry), list, waiting=2)
        found = await asyncio.gather(*(asked.ask(number) for number in range(5)), return_exceptions=True)
        assert [type(one) for one in found] == [int, int, OverloadError, OverloadError, OverloadError]


async def test_a_storage_that_is_too_slow_is_not_waited_for() -> None:
    import threading

    free = threading.Event()

    def work(items: Sequence[int]) -> Sequence[int]:
        free.wait(10)
        return items

    with captured(actor_kind=semconv.ActorKind.GATEWAY) as capture:
        asked = batches(Archive(capture.telemetry, patience_s=0.01), work)
        with pytest.raises(AwayError):
            await asked.ask(1)
        free.set()


async def test_who_is_gone_is_left_out() -> None:
    seen: list[int] = []

    def work(items: Sequence[int]) -> Sequence[int]:
        seen.extend(items)
        return items

    with captured(actor_kind=semconv.ActorKind.GATEWAY) as capture:
        asked = batches(Archive(capture.telemetry), work, most=1)
        gone = asyncio.ensure_future(asked.ask(2))
        stays = asyncio.ensure_future(asked.ask(1))
        await asyncio.sleep(0)
        gone.cancel()
        assert await stays == 1
        assert 2 not in seen
