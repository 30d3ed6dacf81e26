"""The event stream: over a real port where it matters that it streams, and through the feed itself elsewhere."""

from __future__ import annotations

import asyncio
import json
import threading
import urllib.error
import urllib.request
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import aclosing
from pathlib import Path
from typing import Any

import pytest

from actors import Swarm, SwarmConfig
from actors.config import COORDINATOR
from gateway import feed as feed_module
from gateway.feed import BATCH, Feed
from tests.actors.conftest import Stage
from tests.gateway.served import Served, serving
from workloads.null import NullWorkload

AGENTS = tuple(f"agent-{number:03d}" for number in range(4))


def config(folder: Path, **settings: Any) -> SwarmConfig:
    made: dict[str, Any] = {"workload": NullWorkload(dimension=8), "deadline_s": 30.0, "linger_s": 0.5}
    return SwarmConfig(**{"agents": AGENTS, "state_dir": folder, **made, **settings})


@pytest.fixture
def swarm(tmp_path: Path) -> Swarm:
    return Swarm({}, owns_cluster=False, find=Stage(config(tmp_path)).find)


@pytest.fixture
def served(tmp_path: Path) -> Iterator[Served]:
    with serving(config(tmp_path), pulse_s=0.05) as found:
        yield found


def parsed(event: bytes) -> tuple[str, str | None, dict[str, Any]]:
    fields = dict(line.split(": ", 1) for line in event.decode().strip().splitlines())
    return fields["event"], fields.get("id"), json.loads(fields["data"])


async def rounds_of(stream: AsyncIterator[bytes], count: int) -> list[int]:
    """The numbers of the next rounds in a stream."""
    found: list[int] = []
    async with asyncio.timeout(60):
        async for event in stream:
            if event.startswith(b"event: round"):
                _, number, document = parsed(event)
                assert number == str(document["round"])
                assert len(document["column"]) == len(AGENTS)
                found.append(document["round"])
            if len(found) == count:
                break
    return found


async def test_a_listener_gets_each_round_once_and_in_order_from_where_it_left(swarm: Swarm) -> None:
    feed = Feed(swarm, pulse_s=0.05)
    for _ in range(3):
        await swarm.run_round()
    await feed.start()
    try:
        async with aclosing(feed.stream(after=0)) as stream:
            assert await rounds_of(stream, 3) == [1, 2, 3]
            await swarm.run_round()
            assert await rounds_of(stream, 1) == [4]
        async with aclosing(feed.stream(after=2)) as stream:
            assert await rounds_of(stream, 2) == [3, 4]
    finally:
        await feed.close()
    assert feed.listeners == 0


async def test_who_was_away_longer_than_the_feed_remembers_is_read_the_rest_from_the_journal(
    swarm: Swarm, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(feed_module, "KEPT", 3)
    total = BATCH + 8
    for _ in range(total):
        await swarm.run_round()
    feed = Feed(swarm, pulse_s=0.05)
    feed._rounds = type(feed._rounds)(maxlen=3)
    await feed.start()
    try:
        assert len(await feed.rounds()) <= 3
        async with aclosing(feed.stream(after=1)) as stream:
            assert await rounds_of(stream, total - 1) == list(range(2, total + 1))
    finally:
        await feed.close()


async def test_nobody_is_asked_for_a_status_when_nobody_listens(swarm: Swarm, monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[bool] = []
    real = Swarm.status

    async def status(self: Swarm, *, actors: bool = True) -> dict[str, Any]:
        asked.append(actors)
        return await real(self, actors=actors)

    monkeypatch.setattr(Swarm, "status", status)
    await swarm.run_round()
    feed = Feed(swarm, pulse_s=0.01, actors_s=3600.0)
    await feed.start()
    try:
        await feed.rounds()
        quiet = len(asked)
        for _ in range(20):
            await asyncio.sleep(0)
        assert len(asked) == quiet
        async with aclosing(feed.stream()) as stream:
            seen = [event async for event in _some(stream, 4)]
        assert seen[0].startswith(b"retry:")
        name, number, first = parsed(seen[1])
        assert (name, number, first["reachable"]) == ("status", None, True)
        # Every actor is asked once; after that the beats ask the coordinator alone, and show what was heard.
        assert asked[quiet:].count(True) == 1
        assert parsed(seen[3])[2]["actors"].keys() == first["actors"].keys() != set()
    finally:
        await feed.close()


async def test_a_swarm_that_does_not_answer_is_said_to_be_out_of_reach(tmp_path: Path) -> None:
    stage = Stage(config(tmp_path))
    swarm = Swarm({}, owns_cluster=False, find=stage.find)
    await swarm.run_round()
    feed = Feed(swarm, pulse_s=0.01, patience_s=0.5)
    await feed.start()
    try:
        async with aclosing(feed.stream()) as stream, asyncio.timeout(60):
            await rounds_or_status(stream, reachable=True)
            stage.gone.add(COORDINATOR)
            lost = await rounds_or_status(stream, reachable=False)
            assert lost["error"]["code"] == "swarm.silent"
            assert lost["rounds"] == 1, "what was known stays on show"
            stage.gone.discard(COORDINATOR)
            back = await rounds_or_status(stream, reachable=True)
            assert "error" not in back
    finally:
        await feed.close()


async def rounds_or_status(stream: AsyncIterator[bytes], *, reachable: bool) -> dict[str, Any]:
    """The next status that says so."""
    async for event in stream:
        if event.startswith(b"event: status") and (document := parsed(event)[2])["reachable"] is reachable:
            return document
    raise AssertionError("the stream ended")


async def _some(stream: AsyncIterator[bytes], count: int) -> AsyncIterator[bytes]:
    async for event in stream:
        yield event
        count -= 1
        if not count:
            return


def test_a_round_is_streamed_as_it_ends_and_a_broken_stream_goes_on(served: Served) -> None:
    served.rounds(1)
    heard: list[int] = []
    both = threading.Event()

    def listen() -> None:
        request = urllib.request.Request(f"{served.url}/v1/events", headers={"Last-Event-ID": "0"})
        with urllib.request.urlopen(request, timeout=60) as answer:
            assert answer.headers["content-type"].startswith("text/event-stream")
            assert answer.headers["cache-control"] == "no-store"
            for line in answer:
                if line.startswith(b"id: "):
                    heard.append(int(line[4:]))
                if len(heard) == 2:
                    both.set()
                    return

    thread = threading.Thread(target=listen)
    thread.start()
    served.rounds(1)
    assert both.wait(60)
    thread.join()
    assert heard == [1, 2]


def test_the_gateway_ends_at_once_while_somebody_listens(served: Served) -> None:
    answer = urllib.request.urlopen(f"{served.url}/v1/events", timeout=60)
    assert answer.readline().startswith(b"retry:")
    served.stop()
    assert not served._thread.is_alive()
    answer.close()


def test_a_stream_too_many_is_refused_and_another_may_follow_when_one_has_ended(
    served: Served, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(feed_module, "MOST_LISTENERS", 1)
    with urllib.request.urlopen(f"{served.url}/v1/events", timeout=60) as first:
        first.readline()
        with pytest.raises(urllib.error.HTTPError) as refused:
            urllib.request.urlopen(f"{served.url}/v1/events", timeout=60)
        assert refused.value.code == 429
        assert json.loads(refused.value.read())["code"] == "request.listeners"
    served.do(lambda: _until(lambda: served.app.state.feed.listeners == 0))
    with urllib.request.urlopen(f"{served.url}/v1/events", timeout=60) as second:
        assert second.readline().startswith(b"retry:")


async def _until(holds: Callable[[], bool]) -> None:
    async with asyncio.timeout(60):
        while not holds():  # noqa: ASYNC110 - the feed says nothing when a listener has gone
            await asyncio.sleep(0.01)
