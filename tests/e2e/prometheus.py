"""A real Prometheus for tests, of Debian's package."""

from __future__ import annotations

import contextlib
import json
import math
import os
import shutil
import socket
import subprocess
import time
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import yaml

from deploy.observe import RULES, prometheus_command, prometheus_config

STEP_S, WINDOW_S = 1, 10
PATIENCE_S = 120.0


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as server:
        return server.getsockname()[1]


@dataclass(frozen=True)
class Prometheus:
    """A running Prometheus."""

    url: str

    def ask(self, path: str, **parameters: Any) -> Any:
        """What its API answers."""
        url = f"{self.url}/api/v1/{path}?{urllib.parse.urlencode(parameters)}"
        try:
            with urllib.request.urlopen(url, timeout=10) as answer:
                document = json.load(answer)
        except urllib.error.HTTPError as error:
            raise AssertionError(f"{parameters}: {error.read().decode()}") from error
        assert document["status"] == "success", document
        return document["data"]

    def values(self, expr: str, since: float) -> list[float]:
        """All finite values of a query since then, of all of its series."""
        found = self.ask("query_range", query=expr, start=since, end=time.time(), step=STEP_S)["result"]
        values = [float(value) for series in found for _, value in series["values"]]
        return [value for value in values if math.isfinite(value)]


@pytest.fixture(scope="module")
def prometheus_binary() -> str:
    found = shutil.which("prometheus")
    if found is None:
        reason = "prometheus is not installed; apt-get install prometheus brings it"
        assert not os.environ.get("CI"), reason
        pytest.skip(reason)
    return found


@contextlib.contextmanager
def scraping(binary: str, folder: Path, target: str, *, token: str | None = None) -> Iterator[Prometheus]:
    """Prometheus as `make observe` starts it, with a scrape and an evaluation of the committed rules a second; with a
    token where the target asks for one.
    """
    port, config = free_port(), prometheus_config(target, interval=f"{STEP_S}s", rules=_impatient(folder))
    if token is not None:
        config["scrape_configs"][0]["authorization"] = {"credentials": token}
    (folder / "prometheus.yml").write_text(yaml.safe_dump(config))
    with (folder / "log").open("wb") as log:
        process = subprocess.Popen(prometheus_command(binary, folder, port), stdout=log, stderr=log)
    try:
        deadline = time.monotonic() + PATIENCE_S
        while True:
            with contextlib.suppress(OSError), urllib.request.urlopen(f"http://127.0.0.1:{port}/-/ready", timeout=2):
                break
            assert process.poll() is None, (folder / "log").read_text()
            assert time.monotonic() < deadline, (folder / "log").read_text()
            time.sleep(0.1)
        yield Prometheus(f"http://127.0.0.1:{port}")
    finally:
        process.terminate()
        process.wait(30)


def _impatient(folder: Path) -> Path:
    """A folder with the committed rules, of which each group is evaluated as often as samples come."""
    found = folder / "rules"
    found.mkdir()
    for path in RULES.glob("*.yml"):
        document = yaml.safe_load(path.read_text("utf-8"))
        for group in document["groups"]:
            group["interval"] = f"{STEP_S}s"
        (found / path.name).write_text(yaml.safe_dump(document))
    return found


def asked(expr: str) -> str:
    """A dashboard's query as Grafana would ask it for this run."""
    return (
        expr.replace("$__rate_interval", f"{WINDOW_S}s")
        .replace("$__range", "2m")
        .replace("$job", ".*")
        .replace("$workload", ".*")
    )
