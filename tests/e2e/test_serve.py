"""``swarmlore serve`` on a real Ray, with uvicorn: a swarm of its own, and one that runs already."""

from __future__ import annotations

import json
import os
import pty
import select
import signal
import subprocess
import sys
import time
import urllib.error
import urllib.request
from pathlib import Path
from typing import Any

import pytest

from tests.e2e.conftest import Command

TOKEN = "a-token-that-is-long-enough"


def begin(swarmlore: Command, folder: Path, *arguments: str, **environment: str) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-m", "gateway.cli", "serve", "--port", "0", "--json", *arguments],
        cwd=folder,
        env=swarmlore.environment(**environment),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def facts_of(process: subprocess.Popen[str]) -> dict[str, Any]:
    assert process.stdout is not None
    line = process.stdout.readline()
    if not line:
        pytest.fail(process.communicate()[1])
    return json.loads(line)


def ask(url: str, method: str = "GET", **headers: str) -> tuple[int, Any]:
    request = urllib.request.Request(
        url, method=method, headers={name.replace("_", "-"): h for name, h in headers.items()}
    )
    try:
        with urllib.request.urlopen(request, timeout=60) as answer:
            return answer.status, json.loads(answer.read())
    except urllib.error.HTTPError as error:
        return error.code, json.loads(error.read())


def on_a_terminal(swarmlore: Command, folder: Path, *arguments: str) -> str:
    """What a command draws on a terminal of 100 columns."""
    ours, theirs = pty.openpty()
    process = subprocess.Popen(
        [sys.executable, "-m", "gateway.cli", *arguments],
        cwd=folder,
        env=swarmlore.environment(TERM="xterm", COLUMNS="100", LINES="40"),
        stdin=theirs,
        stdout=theirs,
        stderr=theirs,
    )
    os.close(theirs)
    found, deadline = bytearray(), time.monotonic() + 60
    try:
        while time.monotonic() < deadline:
            if select.select([ours], [], [], 1.0)[0]:
                found += os.read(ours, 65536)
    except OSError:
        pass  # Linux says EIO when the other side is closed
    finally:
        os.close(ours)
        if process.poll() is None:
            process.terminate()
        assert process.wait(60) == 0, found.decode(errors="replace")
    return found.decode(errors="replace")


def ended(process: subprocess.Popen[str], with_signal: int) -> str:
    process.send_signal(with_signal)
    try:
        return process.communicate(timeout=60)[1]
    finally:
        if process.poll() is None:
            process.kill()
            process.communicate()


def test_serve_starts_a_swarm_and_another_gateway_joins_it(swarmlore: Command, tmp_path: Path) -> None:
    first = begin(swarmlore, tmp_path, "--start", "--workload", "null", "--agents", "6", "--hosts", "2")
    second = None
    try:
        facts = facts_of(first)
        url = facts["url"].rstrip("/")
        assert (facts["event"], facts["agents"], facts["token"]) == ("serving", 6, False)
        status, record = ask(f"{url}/v1/rounds", "POST", Idempotency_Key="one")
        assert (status, record["round"], record["release"]["version"]) == (200, 1, 1)
        assert ask(f"{url}/readyz")[1]["checks"]["quorum"]["reached"] == 6
        with urllib.request.urlopen(f"{url}/", timeout=30) as page:
            assert b"<title>swarmlore</title>" in page.read()

        second = begin(swarmlore, tmp_path, SWARMLORE_TOKEN=TOKEN)
        joined = facts_of(second)
        other = joined["url"].rstrip("/")
        assert joined["token"] is True
        assert ask(f"{other}/v1/rounds")[0] == 401
        assert ask(f"{other}/healthz") == (200, {"alive": True})
        right = {"Authorization": f"Bearer {TOKEN}"}
        # A round that one gateway runs is streamed by the other, and the key holds for both.
        stream = urllib.request.urlopen(f"{url}/v1/events?after=1", timeout=60)
        assert ask(f"{other}/v1/rounds", "POST", **right)[1]["round"] == 2
        assert ask(f"{other}/v1/rounds", "POST", Idempotency_Key="one", **right)[1]["round"] == 1
        seen = next(line for line in stream if line.startswith(b"id: "))
        assert seen.strip() == b"id: 2"
        assert ask(f"{other}/v1/releases/9/rollback", "POST", **right)[1]["code"] == "release.unknown"

        shown = on_a_terminal(swarmlore, tmp_path, "watch", "--after", "0", "--count", "2")
        assert "Healthy: 6 agents" in shown
        assert "validator-0" in shown

        error = ended(second, signal.SIGINT)
        assert second.returncode == 130, error
        assert "Traceback" not in error
        assert ask(f"{url}/readyz")[0] == 200, "the swarm stays when a gateway that joined it ends"
        error = ended(first, signal.SIGTERM)  # while the stream is open
        assert first.returncode == 143, error
        assert "Traceback" not in error
        stream.close()
        assert not (tmp_path / ".swarmlore" / "cluster.json").exists()
    finally:
        for process in (first, second):
            if process is not None and process.poll() is None:
                process.kill()
                process.communicate()


def test_down_ends_a_swarm_that_serve_started_and_serve_with_it(swarmlore: Command, tmp_path: Path) -> None:
    process = begin(swarmlore, tmp_path, "--start", "--workload", "null", "--agents", "4", "--hosts", "1")
    try:
        url = facts_of(process)["url"].rstrip("/")
        assert ask(f"{url}/v1/rounds", "POST")[0] == 200
        assert swarmlore.document(tmp_path, "down")["ended"] > 0
        _, error = process.communicate(timeout=60)
        assert process.returncode == 0, error
        assert "ended by `swarmlore down`" in error
        assert "Traceback" not in error
    finally:
        if process.poll() is None:
            process.kill()
            process.communicate()


@pytest.mark.parametrize(
    ("arguments", "token"),
    [
        (("--host", "0.0.0.0"), ""),
        (("--token-file", "missing"), ""),
        ((), "short"),
    ],
)
def test_serve_refuses_to_be_open_to_all_or_half_locked(
    swarmlore: Command, tmp_path: Path, arguments: tuple[str, ...], token: str
) -> None:
    error = swarmlore.error(tmp_path, "serve", *arguments, code=2, **({"SWARMLORE_TOKEN": token} if token else {}))
    assert error["code"] == "config.setting"
    if token:
        assert token not in error["message"]
    assert os.environ.get("SWARMLORE_TOKEN") is None
