"""A federation on the stage: installations, a swarm with doors, and what a clerk would do."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

from ray.exceptions import ActorDiedError

from actors.config import FederationConfig, SwarmConfig, host_name
from tests.actors.conftest import Stage
from tests.actors.installations import WORKLOAD, Installations, confidences

DOOR = host_name(0)


class Outside(Installations):
    """A federation on the stage, and what a clerk would do."""

    def __init__(self, folder: Path, regions: tuple[str, ...] = ("global",), **settings: Any) -> None:
        super().__init__(folder)
        self.state = folder / "state"
        federation = FederationConfig(storage=self.url, regions=regions)
        given = {"workload": WORKLOAD, "deadline_s": 5.0, "linger_s": 0.05, **settings}
        self.play = Stage(SwarmConfig(federation=federation, state_dir=self.state, **given))
        self.play.now = self.now

    async def round(self) -> dict[str, Any]:
        """What the clerk does: close the window, have a round run, publish what comes of it."""
        request = f"window-{self.close()}"
        while True:
            try:
                record = await self.play.coordinator.run_round.remote(request)
                break
            except ActorDiedError:
                await asyncio.sleep(0)
        await self.released()
        return record

    async def released(self) -> None:
        self.publish(await self.play.coordinator.release.remote())

    async def known(self) -> dict[str, float]:
        return confidences(await self.play.coordinator.release.remote())

    async def standings(self) -> dict[str, str]:
        return {one["agent"]: one["standing"] for one in await self.play.coordinator.agents.remote()}
