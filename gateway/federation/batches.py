"""Many small questions to the storage as few large ones: group commit, and its like for reading.

A batch costs the storage far more than one more item in it. So batches begin no sooner after each other than at a pace:
what is asked meanwhile goes into the next, batches grow with the load, and a lone question does not wait.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable, Sequence
from functools import partial
from typing import Generic, TypeVar

from gateway.federation.archive import Archive
from gateway.federation.errors import OverloadError
from telemetry.semconv import StoragePart

Item = TypeVar("Item")
Result = TypeVar("Result")


class Batches(Generic[Item, Result]):
    """Answers items by batches, one at a time.

    Args:
        work: a batch's results, in its order; called in a thread. An error of it is everybody's.
        archive: that the storage is asked through.
        part: of the storage, which is asked.
        most: items in a batch.
        waiting: items that may wait; beyond, `OverloadError`.
        pace_s: between the beginnings of two batches, at least.
    """

    def __init__(
        self,
        work: Callable[[Sequence[Item]], Sequence[Result]],
        archive: Archive,
        part: StoragePart,
        *,
        most: int,
        waiting: int,
        pace_s: float,
    ) -> None:
        self._work, self._archive, self._part = work, archive, part
        self._most, self._limit, self._pace_s = most, waiting, pace_s
        self._begun = float("-inf")
        self._waiting: deque[tuple[Item, asyncio.Future[Result]]] = deque()
        self._task: asyncio.Task[None] | None = None

    async def ask(self, item: Item) -> Result:
        """The item's result.

        Raises:
            OverloadError: when too many wait.
            AwayError: when the storage does not answer.
        """
        if len(self._waiting) >= self._limit:
            raise OverloadError
        future: asyncio.Future[Result] = asyncio.get_running_loop().create_future()
        self._waiting.append((item, future))
        if self._task is None:
            self._task = asyncio.create_task(self._run())
        return await future

    async def close(self) -> None:
        """Finish what waits."""
        if self._task is not None:
            await asyncio.shield(self._task)

    async def _run(self) -> None:
        loop = asyncio.get_running_loop()
        try:
            while self._waiting:
                early = self._begun + self._pace_s - loop.time()
                if early > 0 and len(self._waiting) < self._most:
                    await asyncio.sleep(early)
                self._begun = loop.time()
                taken = [self._waiting.popleft() for _ in range(min(self._most, len(self._waiting)))]
                batch = [(item, future) for item, future in taken if not future.done()]  # its client may be gone
                if not batch:
                    continue
                try:
                    work = partial(self._work, [item for item, _ in batch])
                    results = await self._archive.ask(self._part, work)
                except Exception as error:  # noqa: BLE001 - it is told to whoever asked
                    for _, future in batch:
                        if not future.done():
                            future.set_exception(error)
                    continue
                for (_, future), result in zip(batch, results, strict=True):
                    if not future.done():
                        future.set_result(result)
        finally:
            self._task = None
