"""The command as a process of its own: a demo on its own Ray, a swarm on a cluster, a swarm in the foreground."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

BUDGET_S = 180.0
ENVIRONMENT = {
    name: value for name, value in os.environ.items() if not name.startswith(("RAY_", "SWARMLORE_", "OTEL_"))
} | {"RAY_USAGE_STATS_ENABLED": "0", "RAY_memory_monitor_refresh_ms": "0"}


def swarmlore(folder: Path, *arguments: object, code: int = 0, **environment: str) -> subprocess.CompletedProcess[str]:
    done = subprocess.run(
        [sys.executable, "-m", "gateway.cli", *map(str, arguments)],
        cwd=folder,
        env=_environment(environment),
        capture_output=True,
        text=True,
        timeout=BUDGET_S,
        check=False,
    )
    assert done.returncode == code, done.stdout[-2000:] + done.stderr[-2000:]
    return done


def _environment(further: dict[str, str]) -> dict[str, str]:
    root = str(Path(__file__).parents[2])
    return {**ENVIRONMENT, "PYTHONPATH": root, **further}


def lines(done: subprocess.CompletedProcess[str]) -> list[dict[str, Any]]:
    return [json.loads(line) for line in done.stdout.splitlines()]


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as server:
        return server.getsockname()[1]


def test_the_demo_learns_compares_and_saves(tmp_path: Path) -> None:
    pytest.importorskip("sklearn")
    pytest.importorskip("matplotlib")
    done = swarmlore(tmp_path, "demo", "--agents", 8, "--byzantine", 2, "--rounds", 3, "--out", "out", "--json")
    found = lines(done)
    assert [line["event"] for line in found] == ["swarm", "round", "round", "round", "summary"]
    summary = found[-1]
    assert (summary["agents"], summary["byzantine"], summary["rounds"], summary["attack"]) == (8, 2, 3, "alie")
    assert summary["compared_by"]
    for run in (summary, summary["clean"], summary["mean"]):
        assert 0.0 < run["accuracy"] <= 1.0
    assert summary["points_lost"] == pytest.approx(100 * (summary["clean"]["accuracy"] - summary["accuracy"]))
    assert summary["phases_ms"]["total_duration_ms"] > summary["phases_ms"]["gate_ms"] > 0
    assert sorted(path.name for path in (tmp_path / "out").iterdir()) == [
        "accuracy.png", "kl.png", "records.jsonl", "summary.json", "verdicts.png",
    ]  # fmt: skip
    saved = [json.loads(line) for line in (tmp_path / "out" / "records.jsonl").read_text().splitlines()]
    assert {line["run"] for line in saved} == {"attacked", "clean", "mean"}


@pytest.fixture
def head(ray_folder: str) -> Iterator[str]:
    """A bare ``ray start --head`` on free ports, ended by its process id."""
    address = f"127.0.0.1:{free_port()}"
    ray = Path(sys.executable).with_name("ray")
    command = [ray, "start", "--head", "--block", "--num-cpus=2", "--include-dashboard=false", "--disable-usage-stats"]
    command += ["--node-ip-address=127.0.0.1", f"--port={address.rpartition(':')[2]}", f"--temp-dir={ray_folder}/head"]
    command += [f"--object-store-memory={100 * 2**20}", f"--ray-client-server-port={free_port()}"]
    command += [f"--dashboard-agent-listen-port={free_port()}", f"--metrics-export-port={free_port()}"]
    process = subprocess.Popen(
        [str(part) for part in command],
        env=_environment({"RAY_AUTH_MODE": "disabled"}),
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    try:
        deadline = time.monotonic() + 60
        while time.monotonic() < deadline and process.poll() is None:
            with socket.socket() as probe:
                if probe.connect_ex(("127.0.0.1", int(address.rpartition(":")[2]))) == 0:
                    break
            time.sleep(0.2)
        yield address
    finally:
        process.terminate()
        try:
            process.wait(30)
        except subprocess.TimeoutExpired:
            process.kill()


def test_a_swarm_on_a_cluster_stays_between_commands(tmp_path: Path, head: str) -> None:
    at = ("--address", head, "--json")
    error = json.loads(swarmlore(tmp_path, "status", *at, code=4).stderr)["error"]
    assert error["code"] == "cluster.no_swarm"
    started = json.loads(swarmlore(tmp_path, "up", "--workload", "null", "--agents", 9, *at).stdout)
    assert (started["agents"], started["release"]["version"]) == (9, 0)
    assert swarmlore(tmp_path, "up", "--workload", "null", *at, code=8).stdout == ""
    rounds = lines(swarmlore(tmp_path, "round", "--count", 2, *at))
    assert [(line["event"], line["round"], line["release"]["version"]) for line in rounds] == [
        ("round", 1, 1),
        ("round", 2, 2),
    ]
    status = json.loads(swarmlore(tmp_path, "status", *at).stdout)
    assert (status["rounds"], status["agents"], status["phase"]) == (2, 9, "idle")
    assert all(answer is not None for answer in status["actors"].values())
    back = json.loads(swarmlore(tmp_path, "rollback", 1, *at).stdout)
    assert (back["version"], back["restores"]) == (3, 1)
    assert json.loads(swarmlore(tmp_path, "rollback", 99, *at, code=10).stderr)["error"]["code"] == "release.unknown"
    versions = [one["version"] for one in json.loads(swarmlore(tmp_path, "releases", *at).stdout)["releases"]]
    assert versions == [3, 2, 1, 0]
    seen = lines(swarmlore(tmp_path, "watch", "--after", 0, "--count", 2, *at))
    assert [line["round"] for line in seen] == [1, 2]
    checks = json.loads(swarmlore(tmp_path, "doctor", *at).stdout)
    assert checks["healthy"]
    assert json.loads(swarmlore(tmp_path, "down", *at).stdout)["ended"] == 5
    swarmlore(tmp_path, "status", *at, code=4)


def test_a_swarm_in_the_foreground_is_found_by_the_others_and_ends_by_a_signal(tmp_path: Path) -> None:
    process = subprocess.Popen(
        [sys.executable, "-m", "gateway.cli", "up", "--workload", "null", "--agents", "6", "--hosts", "1", "--json"],
        cwd=tmp_path,
        env=_environment({}),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    try:
        assert process.stdout is not None
        facts = json.loads(process.stdout.readline())
        assert (facts["event"], facts["agents"]) == ("swarm", 6)
        assert json.loads((tmp_path / ".swarmlore" / "cluster.json").read_text())["address"] == facts["address"]
        own = lines(swarmlore(tmp_path, "round", "--json"))[0]
        assert json.loads(process.stdout.readline())["release"]["digest"] == own["release"]["digest"]
        process.send_signal(signal.SIGINT)
        _, error = process.communicate(timeout=60)
        assert process.returncode == 130, error
        assert "Traceback" not in error
        assert not (tmp_path / ".swarmlore" / "cluster.json").exists()
        assert (tmp_path / ".swarmlore" / "journal.sqlite").exists()
    finally:
        if process.poll() is None:
            process.kill()
            process.communicate()


def test_where_no_cluster_is_there_is_none(tmp_path: Path) -> None:
    done = swarmlore(tmp_path, "status", "--address", f"127.0.0.1:{free_port()}", code=3)
    assert done.stdout == ""
    assert done.stderr.startswith("cluster.unreachable: ")
