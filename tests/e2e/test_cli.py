"""The command as a process of its own: a demo on its own Ray, a swarm on a cluster, a swarm in the foreground."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest


def test_the_demo_learns_compares_and_saves(tmp_path: Path, swarmlore: Any) -> None:
    pytest.importorskip("sklearn")
    pytest.importorskip("matplotlib")
    found = swarmlore.lines(tmp_path, "demo", "--agents", 8, "--byzantine", 2, "--rounds", 3, "--out", "out")
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


def _experiences(path: Path) -> Path:
    """Thirty experiences of each agent, and a line that is none."""
    found: list[str] = []
    for agent in range(9):
        for step in range(30):
            good = (agent + step) % 2
            state = [float(good), 1.0 - good, step / 30]
            line = {"agent": f"support-{agent}", "state": state, "action": step % 3, "reward": float(step % 3 == good)}
            found.append(json.dumps(line | {"next_state": state, "done": step % 10 == 9}))
    path.write_text("\n".join([*found, "not an experience"]) + "\n")
    return path


def test_a_swarm_on_a_cluster_stays_between_commands(tmp_path: Path, swarmlore: Any, head: str, home: Path) -> None:
    at = ("--address", head)
    mine = {"HOME": str(home)}
    checks = swarmlore.document(tmp_path, "doctor", *at, **mine)
    states = {check["name"]: check["state"] for check in checks["checks"]}
    assert checks["healthy"]
    assert (states["ray auth"], states["ray"], states["workers"]) == ("ok", "ok", "ok")
    file = _experiences(tmp_path / "day.jsonl")
    started = swarmlore.document(tmp_path, "up", "--experiences", file, *at, **mine)
    assert (started["kind"], started["lines_read"], started["lines_skipped"]) == ("gradients", 30 * 9, 1)
    assert (started["agents"], started["release"]["version"]) == (9, 0)
    error = swarmlore.error(tmp_path, "up", "--workload", "null", *at, code=8, **mine)
    assert error["code"] == "cluster.swarm_running"
    rounds = swarmlore.lines(tmp_path, "round", "--count", 2, *at, **mine)
    assert [(line["event"], line["round"], line["release"]["version"]) for line in rounds] == [
        ("round", 1, 1),
        ("round", 2, 2),
    ]
    status = swarmlore.document(tmp_path, "status", *at, **mine)
    assert (status["rounds"], status["agents"], status["phase"]) == (2, 9, "idle")
    assert all(answer is not None for answer in status["actors"].values())
    back = swarmlore.document(tmp_path, "rollback", 1, *at, **mine)
    assert (back["version"], back["restores"]) == (3, 1)
    assert swarmlore.error(tmp_path, "rollback", 99, *at, code=10, **mine)["code"] == "release.unknown"
    releases = swarmlore.document(tmp_path, "releases", *at, **mine)["releases"]
    assert [one["version"] for one in releases] == [3, 2, 1, 0]
    seen = swarmlore.lines(tmp_path, "watch", "--after", 0, "--count", 2, *at, **mine)
    assert [line["round"] for line in seen] == [1, 2]
    assert swarmlore.document(tmp_path, "down", *at, **mine)["ended"] == 4
    assert swarmlore.error(tmp_path, "status", *at, code=4, **mine)["code"] == "cluster.no_swarm"


def test_a_swarm_in_the_foreground_is_found_by_the_others_and_ends_by_a_signal(tmp_path: Path, swarmlore: Any) -> None:
    process = subprocess.Popen(
        [sys.executable, "-m", "gateway.cli", "up", "--workload", "null", "--agents", "6", "--hosts", "1", "--json"],
        cwd=tmp_path,
        env=swarmlore.environment(),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    try:
        assert process.stdout is not None
        facts = json.loads(process.stdout.readline())
        assert (facts["event"], facts["agents"]) == ("swarm", 6)
        assert json.loads((tmp_path / ".swarmlore" / "cluster.json").read_text())["address"] == facts["address"]
        own = swarmlore.lines(tmp_path, "round")[0]
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


def test_where_no_cluster_is_there_is_none(tmp_path: Path, swarmlore: Any, unused_port: int) -> None:
    done = swarmlore(tmp_path, "status", "--address", f"127.0.0.1:{unused_port}", code=3)
    assert done.stdout == ""
    assert done.stderr.startswith("cluster.unreachable: ")
