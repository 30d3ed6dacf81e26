"""What the clerk has the swarm do: a round, which is ended when it takes too long, or a rollback; each of them once."""

from __future__ import annotations

import asyncio
from contextlib import suppress
from typing import Any

from actors import Swarm
from federation.errors import RoundAbortedError, SwarmError
from gateway.federation.clerk_state import MASS_ANOMALY, TOO_SLOW, Recall
from workloads.patterns import MassAnomalyError

PATIENCE_S = 60.0
"""How long a round that was ended may take to say so."""


async def run_within(swarm: Swarm, request: str, *, limit_s: float, patience_s: float = PATIENCE_S) -> dict[str, Any]:
    """The record of the round of this request id. One that has its release when the time is up still counts.

    Raises:
        RoundAbortedError: with `TOO_SLOW` as its reason, when it takes too long.
        SwarmError: as `Swarm.run_round` does.
    """
    asked = asyncio.ensure_future(swarm.run_round(request))
    try:
        done, _ = await asyncio.wait((asked,), timeout=limit_s)
        if not done:
            await swarm.abort_round(TOO_SLOW)
            done, _ = await asyncio.wait((asked,), timeout=patience_s)
        if not done:
            raise RoundAbortedError(round=0, reason=TOO_SLOW)
        return asked.result()
    finally:
        if not asked.done():
            asked.cancel()
            with suppress(asyncio.CancelledError, SwarmError):
                await asked


async def budget_of(swarm: Swarm) -> dict[str, Any]:
    """What is left of the privacy budget, as a fact for `status`: None without a budget."""
    try:
        return {"privacy": (await swarm.status(actors=False)).get("privacy")}
    except SwarmError:
        return {}  # what was said before stands


async def restored(swarm: Swarm, recall: Recall) -> int:
    """The number of the release that brings a value back: one that is there already, or a new one."""
    for release in await swarm.releases():
        if release["version"] > recall.newest and release["restores"] == recall.target:
            return int(release["version"])
    return int((await swarm.rollback(recall.target))["version"])


def code_of(error: SwarmError) -> str:
    """The code that the schedule goes by: the error's own, but for a round that we ended, and a region's anomaly."""
    if isinstance(error, RoundAbortedError) and TOO_SLOW in str(error.fields.get("reason", "")):
        return TOO_SLOW
    return MASS_ANOMALY if isinstance(error, MassAnomalyError) else error.code
