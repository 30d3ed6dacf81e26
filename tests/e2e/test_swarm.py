"""The handle, the actor API and what survives, on a real Ray."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import pytest_asyncio

from actors import Swarm, SwarmConfig, cluster
from actors.config import AGGREGATOR, COORDINATOR, host_name, validator_name
from federation.compression import TopKCodec
from federation.errors import QuorumError, SettingError
from tests.e2e.conftest import configured
from workloads.gradients import DigitsBandit, GradientsWorkload

SPECIFIED = {
    "round", "total_duration_ms", "local_training_ms", "aggregation_ms", "convergence_ms", "distribution_ms",
    "agents_count", "byzantine_count", "kl_divergence", "avg_local_loss", "converged",
}  # fmt: skip


async def digests(swarm: Swarm, count: int) -> list[str]:
    return [(await swarm.run_round())["release"]["digest"] for _ in range(count)]


async def test_a_plain_ray_call_runs_a_round(swarm: Swarm) -> None:
    import ray

    coordinator: Any = ray.get_actor("swarmlore-coordinator", namespace="swarmlore")
    record = await coordinator.run_round.remote()
    assert type(record) is dict
    assert record.keys() >= {*SPECIFIED, "verdicts", "release"}
    assert record["agents_count"] == 12
    assert all(isinstance(record[name], int | float | bool) for name in SPECIFIED if record[name] is not None)


async def test_the_handle_does_what_it_says(swarm: Swarm) -> None:
    records = [record async for record in swarm.rounds(3)]
    assert [record["round"] for record in records] == [1, 2, 3]
    status = await swarm.status()
    assert (status["agents"], status["rounds"], status["phase"]) == (12, 3, "idle")
    assert all(answer is not None for answer in status["actors"].values())
    assert [release["version"] for release in await swarm.releases()] == [3, 2, 1, 0]
    back = await swarm.rollback(1)
    assert (back["version"], back["restores"], back["hosts_applied"]) == (4, 1, 2)
    assert back["artefact"] == records[0]["release"]["artefact"]
    assert await swarm.predict("agent-003", np.zeros(4)) == 0
    with pytest.raises(SettingError, match="agent-999"):
        await swarm.predict("agent-999", np.zeros(4))
    assert len(await swarm.verdicts(round_number=2)) == 12
    joined = await Swarm.connect()
    assert joined.facts["public_key"] == swarm.facts["public_key"]
    with pytest.raises(cluster.SwarmRunningError):
        await Swarm.start(SwarmConfig(workload=swarm_workload(), agents=("a",)), address="local")


def swarm_workload() -> Any:
    from workloads.null import NullWorkload

    return NullWorkload(dimension=8)


async def test_learning_in_the_background_is_watched_and_stopped(swarm: Swarm) -> None:
    await swarm.start_learning(0.0)
    seen: list[int] = []
    async with asyncio.timeout(20):
        async for record in swarm.watch(after=0):
            seen.append(record["round"])
            if len(seen) >= 5:
                break
    assert seen == [1, 2, 3, 4, 5]
    await swarm.stop_learning()
    assert not (await swarm.status())["learning"]


@pytest_asyncio.fixture(scope="module")
async def undisturbed(local_ray: None, tmp_path_factory: pytest.TempPathFactory) -> list[str]:
    """The releases of three rounds in which nobody dies."""
    swarm = await Swarm.start(configured(tmp_path_factory.mktemp("calm")), address="local")
    try:
        return await digests(swarm, 3)
    finally:
        await swarm.stop()


@pytest.mark.parametrize("name", [AGGREGATOR, COORDINATOR, host_name(0), validator_name(0)])
async def test_an_actor_killed_in_mid_round_changes_no_release(
    undisturbed: list[str], config: Callable[..., SwarmConfig], name: str
) -> None:
    import ray

    swarm = await Swarm.start(config(), address="local")
    try:
        found = await digests(swarm, 1)
        under_way = asyncio.create_task(swarm.run_round())
        await asyncio.sleep(0.004)
        ray.kill(cluster.find(name), no_restart=False)
        async with asyncio.timeout(60):
            found.append((await under_way)["release"]["digest"])
            found += await digests(swarm, 1)
        assert found == undisturbed
        assert len(await swarm.verdicts(round_number=2)) == 12
    finally:
        await swarm.stop()


async def test_residuals_and_pushed_experiences_survive_a_host(
    local_ray: None, config: Callable[..., SwarmConfig], tmp_path: Any
) -> None:
    import ray

    agents = tuple(f"agent-{number:03d}" for number in range(12))
    data = DigitsBandit(agents=agents, contexts=16, experiences=32)
    workload = GradientsWorkload(data=data, codec=TopKCodec(fraction=0.1))
    state = np.linspace(0, 1, 64).tolist()
    found: list[list[str]] = []
    for killed in (False, True):
        folder = tmp_path / f"killed-{killed}"
        settings = config(workload=workload, error_feedback=True, state_dir=folder)
        swarm = await Swarm.start(settings, address="local")
        try:
            releases = await digests(swarm, 1)
            held = await swarm.observe("agent-001", [{"state": state, "action": 3, "reward": 1.0}])
            assert held == 33
            under_way = asyncio.create_task(swarm.run_round())
            if killed:
                await asyncio.sleep(0.004)
                ray.kill(cluster.find(host_name(0)), no_restart=False)
            async with asyncio.timeout(60):
                releases.append((await under_way)["release"]["digest"])
                releases += await digests(swarm, 1)
            assert await swarm.proofs() == []
            assert (await cluster.find(host_name(0)).status.remote())["journal"]
            found.append(releases)
        finally:
            await swarm.stop()
    assert found[0] == found[1]


async def test_too_few_replies_are_refused_with_the_numbers(
    local_ray: None, config: Callable[..., SwarmConfig]
) -> None:
    import ray

    swarm = await Swarm.start(config(deadline_s=2.0, hosts=3), address="local")
    try:
        await swarm.run_round()
        for number in (0, 1):
            ray.kill(cluster.find(host_name(number)), no_restart=True)
        with pytest.raises(QuorumError) as caught:
            await swarm.run_round()
        assert (caught.value.valid, caught.value.quorum) == (4, 9)
        # The coordinator's loop has made them again; the swarm goes on.
        async with asyncio.timeout(30):
            while True:
                try:
                    record = await swarm.run_round()
                    break
                except QuorumError:
                    continue
        assert record["agents_count"] >= 9
    finally:
        await swarm.stop()
