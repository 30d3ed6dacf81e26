"""A real Ray, started once for all end-to-end tests."""

from __future__ import annotations

import logging
import os
import tempfile
from collections.abc import AsyncIterator, Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio

from actors import cluster

cluster.prepare("local")
os.environ.update(
    RAY_memory_monitor_refresh_ms="0",
    # A node that has gone is noticed in about 1.5 s instead of 15.
    RAY_health_check_initial_delay_ms="0",
    RAY_health_check_period_ms="500",
    RAY_health_check_failure_threshold="3",
)

from actors import Swarm, SwarmConfig  # noqa: E402 - Ray reads the environment when it is imported
from workloads.null import NullWorkload  # noqa: E402


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        if "/e2e/" in str(item.path):
            item.add_marker(pytest.mark.e2e)


@pytest.fixture(scope="session")
def ray_folder() -> Iterator[str]:
    """A folder with a short path: Ray's sockets live below it, and a socket's path may have 107 bytes."""
    with tempfile.TemporaryDirectory(prefix="lore", dir="/tmp", ignore_cleanup_errors=True) as folder:
        yield folder


@pytest.fixture(scope="module")
def local_ray(ray_folder: str) -> Iterator[None]:
    """A cluster of one node."""
    import ray

    ray.init(
        address="local",
        num_cpus=2,
        include_dashboard=False,
        namespace="swarmlore",
        log_to_driver=False,
        logging_level=logging.ERROR,
        object_store_memory=cluster.OBJECT_STORE_BYTES,
        _temp_dir=ray_folder,
    )
    yield
    ray.shutdown()


@pytest.fixture
def config(tmp_path: Path) -> Callable[..., SwarmConfig]:
    """A maker of configurations of swarms that learn nothing."""

    def make(n: int = 12, **settings: Any) -> SwarmConfig:
        defaults: dict[str, Any] = {
            "workload": NullWorkload(dimension=64),
            "state_dir": tmp_path / "state",
            "hosts": 2,
            "deadline_s": 20.0,
            "linger_s": 10.0,
        }
        return SwarmConfig(agents=tuple(f"agent-{number:03d}" for number in range(n)), **(defaults | settings))

    return make


@pytest_asyncio.fixture
async def swarm(local_ray: None, config: Callable[..., SwarmConfig]) -> AsyncIterator[Swarm]:
    """A running swarm of 12 agents on 2 hosts."""
    running = await Swarm.start(config(), address="local")
    yield running
    await running.stop()
