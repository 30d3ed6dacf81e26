"""Learning in the background: round after round, until stopped, converged or counted out."""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import Awaitable, Callable
from typing import Any

from federation.errors import SwarmError
from federation.privacy import PrivacyBudgetError

PAUSE_S = 60.0
"""Between two looks at a privacy budget that is spent."""


class Learning:
    """The background task of a coordinator, and the agents that wish for one.

    Args:
        run_round: runs one round, and answers with its record.
        told: called with (whether rounds are being run, seconds between them) when either changes.
    """

    def __init__(self, run_round: Callable[[], Awaitable[dict[str, Any]]], told: Callable[[bool, float], None]) -> None:
        self.interval_s = 0.0
        self.wishes: dict[str, str] = {}
        self._run_round = run_round
        self._told = told
        self._enough = asyncio.Event()
        self._task: asyncio.Task[None] | None = None

    @property
    def active(self) -> bool:
        """Whether rounds are being run."""
        return self._task is not None and not self._task.done()

    def start(self, interval_s: float, *, rounds: int | None, until_converged: bool) -> None:
        """Begin; `stop` must have been waited for since the last time."""
        self.interval_s = interval_s
        self._enough.clear()
        self._task = asyncio.create_task(self._learn_on(rounds, until_converged))

    async def stop(self) -> None:
        """Stop after the round that is under way, and wait for it."""
        self._enough.set()
        await self.finished()

    async def finished(self) -> None:
        """Wait until no more rounds are run."""
        if self._task is not None:
            await asyncio.gather(self._task, return_exceptions=True)

    def lengthen(self, factor: float) -> str:
        """Make the pause between rounds longer; says how long it is now."""
        self.interval_s *= factor
        self._told(self.active, self.interval_s)
        return f"{self.interval_s:.3f} s between rounds"

    async def _learn_on(self, rounds: int | None, until_converged: bool) -> None:
        self._told(True, self.interval_s)
        try:
            await self._rounds(rounds, until_converged)
        finally:
            self._told(False, self.interval_s)

    async def _rounds(self, rounds: int | None, until_converged: bool) -> None:
        count = 0
        while not self._enough.is_set() and (rounds is None or count < rounds):
            begun, least = time.perf_counter(), 0.0
            try:
                done = await self._run_round()
            except PrivacyBudgetError:
                done, least = {"converged": False}, PAUSE_S  # no round was begun, nor will one be until the renewal
                count -= 1
            except SwarmError:
                done = {"converged": False}  # it is in the journal with its reason; the next one may do better
            count += 1
            if until_converged and done["converged"]:
                return
            pause = max(self.interval_s, least) - (time.perf_counter() - begun)
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(max(pause, 0.0)):
                    await self._enough.wait()
