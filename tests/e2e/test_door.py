"""Clients outside of Ray, on a real Ray: doors, rosters that change, and processes that are killed."""

from __future__ import annotations

import asyncio
import time
from pathlib import Path
from typing import Any

import pytest

from actors import Swarm, SwarmConfig, cluster
from actors.clientele import ParticipantsError
from actors.config import COORDINATOR, FederationConfig, host_name
from actors.door import OutsideError
from tests.actors.installations import TOOLS, WORKLOAD, Installations, client, confidences


def kill(name: str) -> None:
    """As the kernel would; Ray makes it again."""
    import ray

    ray.kill(cluster.find(name), no_restart=False)


async def test_clients_outside_of_ray_take_part(local_ray: None, tmp_path: Path) -> None:
    outside = Installations(tmp_path, now=time.time())
    federation = FederationConfig(storage=outside.url, regions=("eu", "global"))
    config = SwarmConfig(workload=WORKLOAD, federation=federation, state_dir=tmp_path / "state", linger_s=2.0)
    swarm = await Swarm.start(config, address="local")

    async def done(request: str) -> dict[str, Any]:
        record = await swarm.run_round(request)
        outside.publish(await swarm.release())
        return record

    try:
        assert (swarm.facts["hosts"], swarm.facts["agents"]) == (2, 0)
        outside.submit(range(4), region="eu")
        outside.submit(range(4, 9))
        with pytest.raises(ParticipantsError) as caught:
            await done(f"window-{outside.close()}")
        assert (caught.value.found, caught.value.needed) == (9, 10)
        assert outside.pending() == 9

        outside.submit(range(9, 14), lies=(12,))
        kill(host_name(1))
        first = await done(f"window-{outside.close()}")
        assert (first["agents_count"], first["fault_bound"]) == (14, 4)
        assert list(first["verdicts"]["agents"]) == [client(12)]
        assert confidences(await swarm.release()) == pytest.approx(TOOLS, abs=0.02)
        assert outside.pending() == 0

        outside.submit(range(2, 4), region="eu")
        outside.submit(range(4, 16))
        rounds = asyncio.ensure_future(done(f"window-{outside.close()}"))
        await asyncio.sleep(0.02)
        kill(COORDINATOR)
        second = await rounds
        assert (second["agents_count"], second["release"]["parent"]) == (14, first["release"]["digest"])

        listed = await swarm.agents()
        assert [one["agent"] for one in listed] == sorted(client(number) for number in range(16))
        assert {one["host"] for one in listed} == {host_name(0), host_name(1)}
        assert len(await swarm.verdicts(agent=client(0))) == 1
        assert (await swarm.quarantine(client(0)))["standing"] == "quarantined"
        status = await swarm.status()
        assert (status["agents"], status["kept_out"]["quarantined"]) == (16, 1)
        assert all(answer is not None for answer in status["actors"].values())
        assert all((await swarm.drain()).values())
        with pytest.raises(OutsideError):
            await swarm.observe(client(0), [])
    finally:
        await swarm.stop()
