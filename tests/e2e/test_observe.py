"""`make observe` as a user runs it: a swarm and Prometheus come up, a healthy swarm is silent, Ctrl-C ends both."""

from __future__ import annotations

import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).parents[2]
BUDGET_S = 150.0


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as server:
        return server.getsockname()[1]


def document(url: str) -> Any:
    with urllib.request.urlopen(url, timeout=10) as answer:
        return json.load(answer)["data"]


def answers(port: int) -> bool:
    with socket.socket() as client:
        return client.connect_ex(("127.0.0.1", port)) == 0


def test_both_come_up_and_both_end(tmp_path: Path, swarmlore: Any) -> None:
    if shutil.which("prometheus") is None:
        assert not os.environ.get("CI"), "prometheus is not installed; apt-get install prometheus brings it"
        pytest.skip("prometheus is not installed; apt-get install prometheus brings it")
    port, other = free_port(), free_port()
    command = [sys.executable, "-m", "deploy.observe", f"--port={port}", f"--prometheus-port={other}"]
    command += ["--interval=0.5", "--agents=6", "--workload=null", f"--state-dir={tmp_path / 'state'}"]
    log = tmp_path / "log"
    with log.open("wb") as output:
        process = subprocess.Popen(
            command, cwd=ROOT, env=swarmlore.environment(), stdout=output, stderr=subprocess.STDOUT
        )
    try:
        _wait(lambda: "Ctrl-C ends both" in log.read_text(), process, log)
        api = f"http://127.0.0.1:{other}/api/v1"
        _wait(lambda: _rounds(api) >= 3, process, log)
        alerts = document(f"{api}/alerts")["alerts"]
        assert [alert for alert in alerts if alert["state"] == "firing"] == []
        for word in (f"http://127.0.0.1:{port}/", f"http://127.0.0.1:{other}"):
            assert word in log.read_text()
    finally:
        process.send_signal(signal.SIGINT)
        try:
            code = process.wait(90)
        except subprocess.TimeoutExpired:
            process.kill()
            raise
    assert code == 0, log.read_text()
    assert not answers(port)
    assert not answers(other)


def _rounds(api: str) -> float:
    found = document(f"{api}/query?query=sum(federated_learning_rounds_total)")["result"]
    return float(found[0]["value"][1]) if found else 0.0


def _wait(holds: Any, process: subprocess.Popen[bytes], log: Path) -> None:
    deadline = time.monotonic() + BUDGET_S
    while not holds():
        assert process.poll() is None, log.read_text()
        assert time.monotonic() < deadline, log.read_text()
        time.sleep(0.3)
