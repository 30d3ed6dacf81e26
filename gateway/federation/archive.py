"""The storage as the door's coroutines ask it: in threads, for a limited time, and with its failures counted."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

from actors.storage import StorageUnavailableError
from federation.errors import SwarmError
from gateway.federation.errors import AwayError
from telemetry import Severity, Telemetry, semconv
from telemetry.semconv import StoragePart

T = TypeVar("T")
PATIENCE_S = 5.0
"""How long a client waits for the storage."""


class Archive:
    """Asks the storage.

    Args:
        telemetry: that is told of failures.
        threads: questions that are asked at the same time.
        patience_s: how long an answer may take.
    """

    def __init__(self, telemetry: Telemetry, *, threads: int = 4, patience_s: float = PATIENCE_S) -> None:
        self._telemetry, self._patience_s = telemetry, patience_s
        self._threads = ThreadPoolExecutor(threads, thread_name_prefix="federation-storage")
        for part in StoragePart:
            telemetry.count(semconv.METRIC_STORAGE_FAILURES, 0, {semconv.ATTR_STORAGE_PART: part})

    async def ask(self, part: StoragePart, question: Callable[[], T]) -> T:
        """The answer to a question of the storage.

        Raises:
            AwayError: when it does not answer, or not in time.
            SwarmError: what the storage says otherwise.
        """
        found = asyncio.get_running_loop().run_in_executor(self._threads, question)
        try:
            async with asyncio.timeout(self._patience_s):
                return await asyncio.shield(found)
        except (TimeoutError, StorageUnavailableError, OSError) as error:
            # What comes of it after that is for nobody.
            found.add_done_callback(lambda late: late.cancelled() or late.exception())
            self.failed(part, error)
            raise AwayError from error

    def failed(self, part: StoragePart, error: BaseException) -> None:
        """Count and tell a failure of the storage."""
        code = error.code if isinstance(error, SwarmError) else type(error).__name__
        which = {semconv.ATTR_STORAGE_PART: part}
        self._telemetry.count(semconv.METRIC_STORAGE_FAILURES, 1, which)
        self._telemetry.event(
            semconv.EVENT_STORAGE_FAILED, {**which, semconv.ATTR_ERROR_TYPE: code}, severity=Severity.ERROR
        )

    def close(self) -> None:
        """End the threads."""
        self._threads.shutdown(wait=False, cancel_futures=True)
