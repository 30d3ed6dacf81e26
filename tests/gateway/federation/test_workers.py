"""Processes that share an address: they come up, one that ends comes back, and all go when they are told."""

from __future__ import annotations

import asyncio
import os
import shutil
import signal
from pathlib import Path

import httpx2
import pytest

from gateway.federation.settings import DoorSettings
from gateway.federation.transport import reserved
from gateway.federation.workers import WorkerError, Workers, WorkerSettings
from telemetry import TelemetryConfig
from tests.gateway.federation.stand import OPERATOR, SECRET, SERVER, hashed, prepared

pytestmark = pytest.mark.e2e


def settings(folder: Path, port: int, storage: str) -> WorkerSettings:
    door = DoorSettings(
        storage=storage,
        releases=f"file://{folder}/releases",
        secret=SECRET,
        public_key=SERVER.public,
        operator_token=hashed(OPERATOR),
        scrapes=folder / "scrapes",
        telemetry=TelemetryConfig(prometheus=True),
    )
    return WorkerSettings(number=0, host="127.0.0.1", port=port, door=door)


async def test_a_worker_that_ends_comes_back_and_all_end_together(tmp_path: Path) -> None:
    shutil.copytree(prepared(), tmp_path, dirs_exist_ok=True)
    noted: list[str] = []
    with reserved("127.0.0.1", 0) as held:
        port = held.getsockname()[1]
        made = settings(tmp_path, port, f"sqlite:///{tmp_path}/federation.db")
        workers = Workers(lambda _: made, 1, noted=noted.append)
        await workers.start()
        watching = asyncio.ensure_future(workers.watch())
        try:
            first = workers.processes[0]
            assert (await _health(port)).json()["latestVersion"] == "1.0.2"
            os.kill(first, signal.SIGKILL)
            while workers.processes.get(0) in (None, first):  # noqa: ASYNC110 - another process says nothing
                await asyncio.sleep(0.1)
            while not await _answers(port):  # noqa: ASYNC110
                await asyncio.sleep(0.1)
            assert len(noted) == 1
        finally:
            watching.cancel()
            second = workers.processes[0]
            await workers.close()
        with pytest.raises(ProcessLookupError):
            os.kill(second, 0)
        assert not await _answers(port)


async def test_a_worker_that_cannot_serve_is_an_error(tmp_path: Path) -> None:
    (tmp_path / "federation.db").write_text("no database at all, but long enough to look like one " * 20)
    with reserved("127.0.0.1", 0) as held:
        made = settings(tmp_path, held.getsockname()[1], f"sqlite:///{tmp_path}/federation.db")
        workers = Workers(lambda _: made, 1)
        with pytest.raises(WorkerError):
            await workers.start()
        await workers.close()


async def _health(port: int) -> httpx2.Response:
    async with httpx2.AsyncClient(base_url=f"http://127.0.0.1:{port}") as client:
        return await client.get("/federation/v1/health")


async def _answers(port: int) -> bool:
    try:
        return (await _health(port)).status_code == 200
    except httpx2.TransportError:
        return False
