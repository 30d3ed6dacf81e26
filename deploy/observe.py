"""A swarm with its gateway, and Prometheus beside it, on this machine and without containers.

``python -m deploy.observe`` starts both, prints where they are, and ends both at Ctrl-C. Options it does not know
are those of ``swarmlore serve``. Prometheus reads the same configuration as in `compose.yaml`, and the same rules.
"""

from __future__ import annotations

import argparse
import contextlib
import os
import shutil
import signal
import subprocess
import sys
import threading
import time
import urllib.error
import urllib.request
from collections.abc import Sequence
from pathlib import Path
from types import FrameType
from typing import Any

import yaml

from telemetry import semconv
from telemetry.promnames import metric_name

HERE = Path(__file__).resolve().parent
RULES = HERE.parent / "dashboards" / "generated" / "prometheus"
PATIENCE_S = 120.0
"""How long the two may take until they answer."""
GRACE_S = 45.0
"""How long the swarm may take to end: telemetry is drained, then actors and cluster end."""


def prometheus_config(target: str, *, interval: str = "5s", rules: Path = RULES) -> dict[str, Any]:
    """The configuration of `prometheus/prometheus.yml` for one gateway without a token.

    Args:
        target: ``host:port`` of the gateway.
        interval: between two scrapes, and between two evaluations of rules.
        rules: folder of rule files.
    """
    config = yaml.safe_load((HERE / "prometheus" / "prometheus.yml").read_text("utf-8"))
    swarm = config["scrape_configs"][0]
    del swarm["authorization"]
    swarm["static_configs"] = [{"targets": [target]}]
    return {
        **config,
        "global": {"scrape_interval": interval, "scrape_timeout": interval, "evaluation_interval": interval},
        "rule_files": [str(rules / "*.yml")],
        "scrape_configs": [swarm],
    }


def prometheus_command(binary: str, folder: Path, port: int) -> list[str]:
    """The command line of a Prometheus that keeps everything in a folder, which holds its ``prometheus.yml``."""
    return [
        binary,
        f"--config.file={folder / 'prometheus.yml'}",
        f"--storage.tsdb.path={folder / 'data'}",
        "--storage.tsdb.retention.time=2d",
        f"--web.listen-address=127.0.0.1:{port}",
        "--enable-feature=exemplar-storage",
        "--log.level=warn",
    ]


def main(arguments: Sequence[str] | None = None) -> int:
    """Run both until Ctrl-C; the exit code is 0 then, and another when one of them could not start or ended."""
    parser = argparse.ArgumentParser(prog="python -m deploy.observe", description=__doc__)
    parser.add_argument("--port", type=int, default=8080, help="of the gateway")
    parser.add_argument("--prometheus-port", type=int, default=9090)
    parser.add_argument("--interval", default="2", help="seconds between rounds")
    parser.add_argument("--state-dir", type=Path, default=Path(".swarmlore"))
    options, further = parser.parse_known_args(arguments)
    binary = shutil.which("prometheus")
    if binary is None:
        print("prometheus is not installed; `apt-get install prometheus` brings it", file=sys.stderr)
        return 1
    folder = options.state_dir.resolve() / "prometheus"
    folder.mkdir(parents=True, exist_ok=True)
    config = prometheus_config(f"127.0.0.1:{options.port}")
    (folder / "prometheus.yml").write_text(yaml.safe_dump(config, sort_keys=False), "utf-8")
    serve = [sys.executable, "-m", "gateway.cli", "serve", "--start", f"--port={options.port}"]
    serve += [f"--interval={options.interval}", f"--state-dir={options.state_dir}", *further]
    gateway, prometheus = f"http://127.0.0.1:{options.port}", f"http://127.0.0.1:{options.prometheus_port}"
    with _Children() as children:
        children.start("swarmlore", serve)
        if not children.answers("swarmlore", f"{gateway}/healthz"):
            return 1
        children.start("prometheus", prometheus_command(binary, folder, options.prometheus_port))
        if not children.answers("prometheus", f"{prometheus}/-/ready"):
            return 1
        print(_places(gateway, prometheus), flush=True)
        children.wait()
        return 0 if children.asked else 1


def _places(gateway: str, prometheus: str) -> str:
    rounds = semconv.METRICS[semconv.METRIC_ROUNDS]
    query = f"query?query={metric_name(rounds.name, unit=rounds.unit, instrument=rounds.instrument)}"
    rows = [
        ("page", f"{gateway}/"),
        ("metrics", f"{gateway}/metrics"),
        ("Prometheus", prometheus),
        ("alerts", f"{prometheus}/api/v1/alerts"),
        ("a query", f"{prometheus}/api/v1/{query}"),
        ("for Grafana", f"data source {prometheus}; dashboards in dashboards/generated/grafana"),
    ]
    return "\n".join(["", *(f"{name:>12}  {place}" for name, place in rows), "", "Ctrl-C ends both."])


class _Children:
    """Processes that are ended with us, last first, each in a session of its own so that Ctrl-C is ours to pass on."""

    def __init__(self) -> None:
        self.asked = False
        self._running: dict[str, subprocess.Popen[bytes]] = {}
        self._stop = threading.Event()
        self._former: dict[int, Any] = {}

    def __enter__(self) -> _Children:
        for number in (signal.SIGINT, signal.SIGTERM):
            self._former[number] = signal.signal(number, self._ask)
        return self

    def __exit__(self, *_: object) -> None:
        for name, process in reversed(self._running.items()):
            if process.poll() is None:
                process.send_signal(signal.SIGINT if name == "swarmlore" else signal.SIGTERM)
                try:
                    process.wait(GRACE_S)
                except subprocess.TimeoutExpired:
                    process.kill()
                    process.wait()
        for number, handler in self._former.items():
            signal.signal(number, handler)

    def start(self, name: str, command: Sequence[str]) -> None:
        """Start a process, unless we were asked to end."""
        if not self._stop.is_set():
            environment = {"RAY_AUTH_MODE": "disabled", "RAY_USAGE_STATS_ENABLED": "0"} | dict(os.environ)
            self._running[name] = subprocess.Popen(command, start_new_session=True, env=environment)  # noqa: S603

    def answers(self, name: str, url: str) -> bool:
        """Wait until a URL of a process answers; False when the process ends, or takes too long, or we are to end."""
        deadline = time.monotonic() + PATIENCE_S
        while not self._stop.is_set() and time.monotonic() < deadline:
            if self._running[name].poll() is not None:
                print(f"{name} ended before it answered at {url}", file=sys.stderr)
                return False
            with contextlib.suppress(urllib.error.URLError, OSError), urllib.request.urlopen(url, timeout=2):  # noqa: S310 - our own http
                return True
            self._stop.wait(0.25)
        if not self.asked:
            print(f"{name} did not answer at {url} within {PATIENCE_S:.0f} s", file=sys.stderr)
        return False

    def wait(self) -> None:
        """Wait until we are asked to end, or one of the processes has ended."""
        while not self._stop.wait(0.5):
            for name, process in self._running.items():
                if process.poll() is not None:
                    print(f"{name} ended with {process.returncode}", file=sys.stderr)
                    return

    def _ask(self, number: int, frame: FrameType | None) -> None:
        del number, frame
        self.asked = True
        self._stop.set()


if __name__ == "__main__":
    sys.exit(main())
