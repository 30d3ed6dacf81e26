"""The screen of `swarmlore watch`: `gateway.terminal`, kept fresh."""

from __future__ import annotations

import asyncio
from collections import deque
from typing import TYPE_CHECKING, Any

from federation.errors import SwarmError

if TYPE_CHECKING:
    from actors import Swarm

KEPT = 200
PULSE_S = 1.0


async def watch_screen(swarm: Swarm, after: int | None, count: int | None) -> None:
    """Draw the swarm until cancelled, or until ``count`` rounds have ended.

    Without ``after`` it begins with the last ones.
    """
    from rich.console import Console
    from rich.live import Live

    from gateway.terminal import screen

    console = Console(highlight=False)
    status: dict[str, Any] = await swarm.status()
    last: int = status["rounds"]
    rounds: deque[dict[str, Any]] = deque(maxlen=KEPT)
    if after is None:
        rounds.extend(await swarm.records(max(last - KEPT, 0), limit=KEPT, brief=True))
        last = rounds[-1]["round"] if rounds else last

    def drawn() -> Any:
        return screen(status, list(rounds), width=console.width, height=console.height)

    with Live(drawn(), console=console, screen=True, auto_refresh=False) as live:

        async def beat() -> None:
            while True:
                await asyncio.sleep(PULSE_S)
                try:
                    status.update(await swarm.status(), error=None)
                except SwarmError as error:
                    status["error"] = str(error)
                live.update(drawn(), refresh=True)

        beating = asyncio.create_task(beat())
        try:
            seen = 0
            async for record in swarm.watch(last if after is None else after):
                rounds.append(record)
                live.update(drawn(), refresh=True)
                seen += 1
                if seen == count:
                    return
        finally:
            beating.cancel()
