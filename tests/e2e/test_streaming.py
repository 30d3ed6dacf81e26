"""Two regions whose doors fold what comes in while it comes in, on a real Ray, with liars and a door that is killed."""

from __future__ import annotations

import asyncio
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from actors import Swarm, SwarmConfig, cluster
from actors.config import FederationConfig, host_name
from federation.rules import Median
from tests.actors.installations import TOOLS, WORKLOAD, Installations, confidences
from workloads.patterns import GroupedPatternsWorkload

PATIENCE_S = 20.0


async def test_two_regions_stream(local_ray: None, tmp_path: Path) -> None:
    import ray

    outside = Installations(tmp_path, now=time.time())
    federation = FederationConfig(storage=outside.url, regions=("eu", "us"), streaming=True, groups=8, fold_every_s=0.2)
    workload = GroupedPatternsWorkload.of(replace(WORKLOAD, inner=Median()))
    config = SwarmConfig(workload=workload, federation=federation, state_dir=tmp_path / "state", linger_s=2.0)
    swarm = await Swarm.start(config, address="local")

    async def folded(clients: int) -> None:
        """Wait until the doors have so many in their windows."""
        deadline = time.monotonic() + PATIENCE_S
        while outside.storage.windows.count() < clients:
            assert time.monotonic() < deadline, outside.storage.windows.count()
            await asyncio.sleep(0.05)

    async def done() -> dict[str, Any]:
        record = await swarm.run_round(f"window-{outside.close()}")
        outside.publish(await swarm.release())
        return record

    try:
        outside.submit(range(40), region="eu", lies=(3, 11))
        outside.submit(range(40, 80), region="us", lies=(60,))
        await folded(77)
        assert outside.pending() == 0
        ray.kill(cluster.find(host_name(1)), no_restart=False)  # what it has folded is in the storage
        outside.submit([1, 2], region="eu")  # for the next window: theirs are in this one
        outside.submit(range(80, 90), region="us")
        first = await done()
        assert 14 <= first["agents_count"] <= 16
        assert outside.storage.windows.participants(1) == 87
        assert confidences(await swarm.release()) == pytest.approx(TOOLS, abs=0.011)
        assert outside.pending() == 2

        outside.submit(range(3, 40), region="eu", lies=(3, 11))
        outside.submit(range(40, 80), region="us", lies=(60,))
        rounds = asyncio.ensure_future(done())
        await asyncio.sleep(0.02)
        ray.kill(cluster.find(host_name(0)), no_restart=False)
        second = await rounds
        assert second["release"]["parent"] == first["release"]["digest"]
        assert confidences(await swarm.release()) == pytest.approx(TOOLS, abs=0.011)
        told = outside.storage.facts.get("region.us")
        assert (told["window"], told["clients"], told["flagged"]) == (2, 39, 1)
        status = await swarm.status()
        assert status["actors"][host_name(1)]["region"] == "us"
        assert all((await swarm.drain()).values())
    finally:
        await swarm.stop()
