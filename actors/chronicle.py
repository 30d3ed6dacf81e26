"""What is asked of the journal while rounds run, answered beside them."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import Any

from actors import record
from actors.columns import columns
from actors.journal import Journal


class Chronicle:
    """Rounds, verdicts and proofs of the past, and news of each round that ends.

    Args:
        journal: that they are read from.
        most: verdicts that one answer holds at most; None for no bound.
    """

    def __init__(self, journal: Journal, *, most: int | None = None) -> None:
        self._journal, self._most = journal, most
        self._news = asyncio.Condition()
        self._last_told = 0

    async def records(
        self, after: int = 0, *, wait_s: float = 0.0, limit: int = 1000, brief: bool = False
    ) -> list[dict[str, Any]]:
        """Records of rounds numbered above ``after``; waits for one when there is none. Brief ones name no agents."""
        if wait_s > 0:
            try:
                async with asyncio.timeout(wait_s), self._news:
                    await self._news.wait_for(lambda: self._last_told > after)
            except TimeoutError:
                pass
        return await asyncio.to_thread(record.read, self._journal, after=after, limit=limit, brief=brief)

    async def verdicts(
        self, round_number: int | None = None, agent: str | None = None, *, after: int = 0, limit: int | None = None
    ) -> list[dict[str, Any]]:
        """Verdicts of a round, of an agent, or of both; those of rounds above ``after``, at most ``limit``."""
        least = min((found for found in (limit, self._most) if found is not None), default=None)
        return await asyncio.to_thread(
            self._journal.verdicts, round_number=round_number, agent=agent, after=after, limit=least
        )

    async def columns(self, rounds: Sequence[int]) -> dict[int, str]:
        """round -> its verdicts, one letter an agent (`actors.columns`)."""
        return await asyncio.to_thread(columns, self._journal, self._listed(), rounds)

    async def round_of(self, request: str) -> int | None:
        """The round that answers a request id; None for one that is not known, or not any more."""
        return await asyncio.to_thread(self._journal.round_of, request)

    async def proofs(self) -> list[dict[str, Any]]:
        """Every proof of equivocation, with the key that it can be checked against."""
        found, keys = await asyncio.to_thread(lambda: (self._journal.proofs(), self._journal.keys()))
        return [{**proof, "public_key": keys[proof["agent"]].hex()} for proof in found]

    def _listed(self) -> tuple[str, ...]:
        """The agents that a column has letters for, sorted."""
        raise TypeError(f"{type(self).__name__} does not say whose verdicts it has")

    async def _announce(self, round_number: int) -> None:
        async with self._news:
            self._last_told = max(self._last_told, round_number)
            self._news.notify_all()
