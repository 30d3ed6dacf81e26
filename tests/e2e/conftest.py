"""A real Ray, in this process or as ``ray start --head``, and the command as a process of its own."""

from __future__ import annotations

import contextlib
import json
import logging
import os
import secrets
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import AsyncIterator, Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio

from actors import cluster

if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    # As a shell without job control sets it for what it starts with `&`; commands started here would inherit it.
    signal.signal(signal.SIGINT, signal.default_int_handler)
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

BUDGET_S = 180.0
ROOT = Path(__file__).parents[2]


class Command:
    """``swarmlore`` as a process of its own, which inherits no setting of Ray's or ours."""

    def environment(self, **further: str) -> dict[str, str]:
        own = {"RAY_USAGE_STATS_ENABLED": "0", "RAY_memory_monitor_refresh_ms": "0", "PYTHONPATH": str(ROOT)}
        mine = {
            name: value for name, value in os.environ.items() if not name.startswith(("RAY_", "SWARMLORE_", "OTEL_"))
        }
        return mine | own | further

    def __call__(
        self, folder: Path, *arguments: object, code: int = 0, **environment: str
    ) -> subprocess.CompletedProcess[str]:
        done = subprocess.run(
            [sys.executable, "-m", "gateway.cli", *map(str, arguments)],
            cwd=folder,
            env=self.environment(**environment),
            capture_output=True,
            text=True,
            timeout=BUDGET_S,
            check=False,
        )
        assert done.returncode == code, done.stdout[-2000:] + done.stderr[-2000:]
        return done

    def document(self, folder: Path, *arguments: object, **environment: str) -> dict[str, Any]:
        return json.loads(self(folder, *arguments, "--json", code=0, **environment).stdout)

    def lines(self, folder: Path, *arguments: object, **environment: str) -> list[dict[str, Any]]:
        return [
            json.loads(line) for line in self(folder, *arguments, "--json", code=0, **environment).stdout.splitlines()
        ]

    def error(self, folder: Path, *arguments: object, code: int, **environment: str) -> dict[str, Any]:
        """The error on the last line; Ray's own lines may come before it."""
        done = self(folder, *arguments, "--json", code=code, **environment)
        assert done.stdout == ""
        return json.loads(done.stderr.splitlines()[-1])["error"]


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as server:
        return server.getsockname()[1]


@contextlib.contextmanager
def head_node(command: Command, home: Path, **environment: str) -> Iterator[str]:
    """The address of a ``ray start --head`` on free ports, in a home folder of its own, ended by its process id."""
    port = free_port()
    start = [str(Path(sys.executable).with_name("ray")), "start", "--head", "--block", "--num-cpus=2"]
    start += ["--include-dashboard=false", "--disable-usage-stats", "--node-ip-address=127.0.0.1"]
    start += [f"--port={port}", f"--temp-dir={home}/ray", f"--object-store-memory={100 * 2**20}"]
    start += [f"--ray-client-server-port={free_port()}", f"--metrics-export-port={free_port()}"]
    start += [f"--dashboard-agent-listen-port={free_port()}"]
    log = home / "head.log"
    with log.open("wb") as output:
        settings = command.environment(HOME=str(home), **environment)
        process = subprocess.Popen(start, env=settings, stdout=output, stderr=subprocess.STDOUT)
    try:
        deadline = time.monotonic() + 90
        while "Ray runtime started" not in log.read_text():
            assert process.poll() is None, log.read_text()
            assert time.monotonic() < deadline, log.read_text()
            time.sleep(0.2)
        yield f"127.0.0.1:{port}"
    finally:
        process.terminate()
        try:
            process.wait(30)
        except subprocess.TimeoutExpired:
            process.kill()


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        if "/e2e/" in str(item.path):
            item.add_marker(pytest.mark.e2e)


@pytest.fixture(scope="session")
def ray_folder() -> Iterator[str]:
    """A folder with a short path: Ray's sockets live below it, and a socket's path may have 107 bytes."""
    with tempfile.TemporaryDirectory(prefix="lore", dir="/tmp", ignore_cleanup_errors=True) as folder:
        yield folder


@pytest.fixture(scope="session")
def swarmlore() -> Command:
    """The command."""
    return Command()


@pytest.fixture(scope="session")
def home(ray_folder: str) -> Path:
    """A fresh home folder."""
    folder = Path(ray_folder) / "home"
    folder.mkdir()
    return folder


@pytest.fixture(scope="session")
def head(swarmlore: Command, home: Path) -> Iterator[str]:
    """The address of a bare ``ray start --head`` in that home, one for all tests."""
    with head_node(swarmlore, home) as address:
        yield address


@pytest.fixture(scope="module")
def token_home(ray_folder: str) -> Path:
    """A home folder with a token where Ray keeps it."""
    folder = Path(ray_folder) / "token"
    (folder / ".ray").mkdir(parents=True)
    (folder / ".ray" / "auth_token").write_text(secrets.token_hex(32))
    return folder


@pytest.fixture(scope="module")
def token_head(swarmlore: Command, token_home: Path) -> Iterator[str]:
    """The address of a head node that asks for that token."""
    with head_node(swarmlore, token_home, RAY_AUTH_MODE="token") as address:
        yield address


@pytest.fixture
def unused_port() -> int:
    return free_port()


@pytest.fixture(scope="session")
def ray_ends() -> Iterator[None]:
    """At the end of all tests the cluster of this process is shut down."""
    yield
    import ray

    ray.shutdown()


@pytest.fixture(scope="module")
def local_ray(ray_folder: str, ray_ends: None) -> None:
    """A cluster of one node, in which no swarm is running; the modules that use it share it."""
    import ray

    if ray.is_initialized():
        cluster.dismiss()  # what a module that failed has left
    else:
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


def configured(folder: Path, n: int = 12, **settings: Any) -> SwarmConfig:
    """The configuration of a swarm that learns nothing, with its state below a folder."""
    defaults: dict[str, Any] = {
        "workload": NullWorkload(dimension=64),
        "state_dir": folder / "state",
        "hosts": 2,
        "deadline_s": 20.0,
        "linger_s": 10.0,
    }
    return SwarmConfig(agents=tuple(f"agent-{number:03d}" for number in range(n)), **(defaults | settings))


@pytest.fixture
def config(tmp_path: Path) -> Callable[..., SwarmConfig]:
    """A maker of configurations of swarms that learn nothing."""
    return partial(configured, tmp_path)


@pytest_asyncio.fixture
async def swarm(local_ray: None, config: Callable[..., SwarmConfig]) -> AsyncIterator[Swarm]:
    """A running swarm of 12 agents on 2 hosts."""
    running = await Swarm.start(config(), address="local")
    yield running
    await running.stop()
