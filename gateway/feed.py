"""What happens in the swarm, read once and given to everybody who listens.

One `Feed` asks the coordinator for rounds as they end, and for its status while anybody listens. Each
round is encoded once; the last ones are kept, so a listener that comes back gets what it missed. A
listener that is slow misses statuses, never rounds, and holds nothing but its own place.
"""

from __future__ import annotations

import asyncio
import json
import logging
import time
from collections import deque
from collections.abc import AsyncGenerator, Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from actors import Swarm
from actors.faults import LOST
from federation.errors import SwarmError
from gateway.output import plain
from gateway.problems import SilentError

KEPT = 200
"""Rounds that are kept for listeners and for the page."""
BATCH = 25
"""Rounds that are asked for at once when there is something to catch up with."""
LONG_POLL_S = 20.0
PING_S = 15.0
MOST_LISTENERS = 256
"""Streams that may be open at the same time."""
_FAULTS: tuple[type[BaseException], ...] = (SwarmError, TimeoutError, *LOST)
_log = logging.getLogger("swarmlore.gateway")


class ListenersError(SwarmError):
    """More listeners than a gateway streams to at the same time."""

    code = "request.listeners"

    def __init__(self, *, listeners: int) -> None:
        super().__init__(
            f"{listeners} listen already. Close a stream that nobody reads, or start another gateway beside this one.",
            listeners=listeners,
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class RoundNews:
    """One round that has ended.

    Attributes:
        number: of the round.
        record: its record without the agents' verdicts, and ``column``: one letter an agent (`actors.columns`).
        event: the same as a server-sent event.
    """

    number: int
    record: Mapping[str, Any]
    event: bytes


class Feed:
    """See the module.

    Args:
        swarm: that is read.
        pulse_s: pause between statuses.
        actors_s: pause between statuses that ask every actor how it is.
        patience_s: how long the coordinator may take to answer.
        clock: seconds, monotonic.
    """

    def __init__(
        self,
        swarm: Swarm,
        *,
        pulse_s: float = 1.0,
        actors_s: float = 5.0,
        patience_s: float = 4.0,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._swarm = swarm
        self._pulse_s, self._actors_s, self._patience_s, self._clock = pulse_s, actors_s, patience_s, clock
        self._rounds: deque[RoundNews] = deque(maxlen=KEPT)
        self._status: dict[str, Any] = {}
        self._asked_actors, self._cost_s = -float("inf"), 0.0
        self._beats = 0
        self._listeners = 0
        self._news = asyncio.Condition()
        self._heard = asyncio.Event()
        self._asking = asyncio.Lock()
        self._closed = False
        self._tasks: list[asyncio.Task[None]] = []

    async def start(self) -> None:
        """Begin to read."""
        self._tasks = [asyncio.create_task(self._follow()), asyncio.create_task(self._beat())]

    async def close(self) -> None:
        """End every listener's stream, and stop to read."""
        self._closed = True
        self._heard.set()
        await self._tell()
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    @property
    def listeners(self) -> int:
        """Streams that are open."""
        return self._listeners

    def admit(self) -> None:
        """Return when there is room for one more listener.

        Raises:
            ListenersError: when there is none.
        """
        if self._listeners >= MOST_LISTENERS:
            raise ListenersError(listeners=self._listeners)

    async def status(self, *, fresh_s: float = 0.0) -> dict[str, Any]:
        """The swarm's status with every actor's word, no older than ``fresh_s``.

        Raises:
            SilentError: when the coordinator does not answer in time.
        """
        async with self._asking:
            if self._clock() - self._asked_actors > fresh_s:
                await self._ask(actors=True)
            return self._status

    async def rounds(self, count: int = KEPT) -> list[RoundNews]:
        """The last rounds, oldest first, at most ``count`` and at most those kept."""
        if not self._rounds:
            await self._catch_up(wait_s=0.0)
        return list(self._rounds)[-count:] if count else []

    async def stream(self, after: int | None = None) -> AsyncGenerator[bytes, None]:
        """Server-sent events: a ``status`` now and then, and each ``round`` above ``after`` as it ends.

        A round's event id is its number, so that ``after`` is what `Last-Event-ID` says; None begins with the next.
        """
        last = self._last if after is None else after
        self._listeners += 1
        self._heard.set()
        beat = self._beats  # a status from when nobody listened is old; the next one is on its way
        yield b"retry: 1000\n\n"
        try:
            while not self._closed:
                for news in await self._since(last):
                    last = news.number
                    yield news.event
                if beat != self._beats:
                    beat = self._beats
                    yield _event("status", self._status)
                try:
                    async with asyncio.timeout(PING_S), self._news:
                        seen = (last, beat)
                        await self._news.wait_for(lambda seen=seen: self._differs(*seen))
                except TimeoutError:
                    yield b": still here\n\n"
        finally:
            self._listeners -= 1

    @property
    def _last(self) -> int:
        return self._rounds[-1].number if self._rounds else 0

    def _differs(self, last: int, beat: int) -> bool:
        return self._closed or self._last > last or self._beats != beat

    async def _since(self, last: int) -> Sequence[RoundNews]:
        """Rounds above ``last``: those that are kept, or the next few from the journal for one who was away long."""
        kept = [news for news in self._rounds if news.number > last]
        if not kept or last + 1 >= self._rounds[0].number:
            return kept
        return await self._read(last)

    async def _follow(self) -> None:
        """Read rounds as they end, for ever; a coordinator that is down is asked again."""
        pause = 0.25
        while True:
            try:
                await self._catch_up(wait_s=LONG_POLL_S)
                pause = 0.25
            except _FAULTS as error:
                _log.info("rounds cannot be read: %s", error)
                await asyncio.sleep(pause)
                pause = min(2 * pause, 5.0)

    async def _catch_up(self, *, wait_s: float) -> None:
        if not self._rounds:
            async with asyncio.timeout(self._patience_s):
                newest = int((await self._swarm.status(actors=False))["rounds"])
            after = max(newest - KEPT, 0)
        else:
            after = self._last
        while True:
            found = await self._read(after, wait_s=wait_s)
            fresh = [news for news in found if news.number > self._last]
            self._rounds.extend(fresh)
            if fresh:
                await self._tell()
            if len(found) < BATCH:
                return
            after = found[-1].number

    async def _read(self, after: int, *, wait_s: float = 0.0) -> list[RoundNews]:
        records = await self._swarm.records(after, wait_s=wait_s, limit=BATCH, brief=True)
        columns = await self._swarm.columns([record["round"] for record in records]) if records else {}
        return [_news(record, columns[record["round"]]) for record in records]

    async def _beat(self) -> None:
        """Ask for the status while anybody listens, and say so when there is none to be had."""
        while True:
            if not self._listeners:
                self._heard.clear()
                await self._heard.wait()
            async with self._asking:
                due = self._clock() - self._asked_actors >= max(self._actors_s, 10 * self._cost_s)
                try:
                    await self._ask(actors=due)
                except SwarmError as error:
                    self._status = {**self._status, "reachable": False, "error": error.to_dict()}
            self._beats += 1
            await self._tell()
            await asyncio.sleep(self._pulse_s)

    async def _ask(self, *, actors: bool) -> None:
        started = self._clock()
        try:
            async with asyncio.timeout(self._patience_s):
                found = await self._swarm.status(actors=actors)
        except (TimeoutError, *LOST) as error:
            raise SilentError(waited_s=self._patience_s) from error
        if found["rounds"] < self._last:
            self._rounds.clear()  # another swarm has taken the place of the one that was read
        if actors:
            self._asked_actors = self._clock()
            self._cost_s = self._asked_actors - started
            found["actors"] = {name: _short(word) for name, word in found["actors"].items()}
        else:
            found["actors"] = self._status.get("actors", {})
        self._status = {**plain(found), "reachable": True}

    async def _tell(self) -> None:
        async with self._news:
            self._news.notify_all()


def _short(word: Mapping[str, Any] | None) -> dict[str, Any] | None:
    """What an actor says about itself, with agents counted instead of named."""
    if word is None:
        return None
    return {name: len(value) if name == "idle" else value for name, value in word.items()}


def _news(record: Mapping[str, Any], column: str) -> RoundNews:
    document = {**plain(record), "column": column}
    number = int(record["round"])
    return RoundNews(number=number, record=document, event=_event("round", document, number))


def _event(name: str, document: Mapping[str, Any], number: int | None = None) -> bytes:
    identity = "" if number is None else f"id: {number}\n"
    return f"event: {name}\n{identity}data: {json.dumps(document, separators=(',', ':'))}\n\n".encode()
