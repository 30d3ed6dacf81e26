"""The scripts: nodes in containers, secrets and certificates, TLS before the gateway."""

from __future__ import annotations

import re
import subprocess
import time
from pathlib import Path

import pytest
import yaml

from tests.deploy.tools import DEPLOY, needed, ran


@pytest.mark.parametrize("name", ["entrypoint.sh", "secrets.sh"])
def test_scripts_are_sh(name: str) -> None:
    assert ran("sh", "-n", DEPLOY / name).returncode == 0
    assert (DEPLOY / name).stat().st_mode & 0o111
    done = ran(needed("shellcheck", "shellcheck"), DEPLOY / name)
    assert done.returncode == 0, done.stdout


def test_secrets_are_made_once_and_verify(tmp_path: Path) -> None:
    needed("openssl", "openssl")
    environment = {"PATH": "/usr/bin:/bin", "SWARMLORE_SECRETS": str(tmp_path / "secrets")}
    assert ran("sh", DEPLOY / "secrets.sh", "swarm.example", "10.0.0.7", env=environment).returncode == 0
    folder = tmp_path / "secrets"
    assert folder.stat().st_mode & 0o077 == 0
    tokens = {name: (folder / name).read_text() for name in ("ray_token", "gateway_token", "grafana_password")}
    assert len({*tokens.values()}) == 3
    assert all(re.fullmatch(r"[0-9a-f]{64}", token) for token in tokens.values())
    compose = yaml.safe_load((DEPLOY / "compose.yaml").read_text("utf-8"))
    assert set(compose["secrets"]) == set(tokens)
    tls = folder / "tls"
    done = ran("openssl", "verify", "-x509_strict", "-CAfile", tls / "ca.pem", tls / "node.pem")
    assert done.returncode == 0, done.stdout + done.stderr
    text = ran("openssl", "x509", "-in", tls / "node.pem", "-noout", "-ext", "subjectAltName").stdout
    assert "DNS:swarm.example" in text
    assert "IP Address:10.0.0.7" in text
    authority = (tls / "ca.pem").read_text()
    assert ran("sh", DEPLOY / "secrets.sh", "other.example", env=environment).returncode == 0
    assert {name: (folder / name).read_text() for name in tokens} == tokens
    assert (tls / "ca.pem").read_text() == authority


def test_nginx_takes_its_configuration(tmp_path: Path) -> None:
    nginx = needed("nginx", "nginx-light")
    environment = {"PATH": "/usr/bin:/bin", "SWARMLORE_SECRETS": str(tmp_path)}
    assert ran("sh", DEPLOY / "secrets.sh", "localhost", env=environment).returncode == 0
    site = (DEPLOY / "nginx" / "gateway.conf").read_text("utf-8")
    site = site.replace("/etc/swarmlore/tls", str(tmp_path / "tls")).replace("swarmlore:8080", "127.0.0.1:8080")
    (tmp_path / "nginx.conf").write_text(
        f"pid {tmp_path}/pid; error_log {tmp_path}/log; events {{}} http {{ access_log off; {site} }}"
    )
    done = ran(nginx, "-t", "-c", tmp_path / "nginx.conf")
    assert done.returncode == 0, done.stderr


@pytest.fixture
def recorded(tmp_path: Path) -> dict[str, str]:
    """An environment in which ``ray`` and ``swarmlore`` write down how they were called: `ray stop` stops every Ray."""
    folder = tmp_path / "bin"
    folder.mkdir()
    for name, then in (("ray", ""), ("swarmlore", '[ "$1" != serve ] || exec sleep 30\n')):
        script = folder / name
        script.write_text(f'#!/bin/sh\necho "{name} $*" >>{tmp_path}/calls\n{then}')
        script.chmod(0o755)
    return {"PATH": f"{folder}:/usr/bin:/bin", "OTEL_SERVICE_NAME": "x"}


def test_the_head_ends_its_swarm_when_the_container_is_stopped(recorded: dict[str, str], tmp_path: Path) -> None:
    calls = tmp_path / "calls"
    process = subprocess.Popen(["sh", str(DEPLOY / "entrypoint.sh"), "head", "--agents=3"], env=recorded)
    try:
        while not (calls.exists() and "serve" in calls.read_text()):
            assert process.poll() is None
            time.sleep(0.02)
    finally:
        process.terminate()
        code = process.wait(20)
    assert code == 0
    start, serve, down, stop = calls.read_text().splitlines()
    assert start.startswith("ray start --head ")
    address = re.search(r"--node-ip-address=(\S+)", start)
    assert address is not None
    assert serve == f"swarmlore serve --start --address {address[1]}:6379 --agents=3"
    assert down == f"swarmlore down --address {address[1]}:6379"
    assert stop == "ray stop"


def test_a_worker_joins_the_head(recorded: dict[str, str], tmp_path: Path) -> None:
    assert ran("sh", DEPLOY / "entrypoint.sh", "worker", "head:6379", env=recorded).returncode == 0
    assert (tmp_path / "calls").read_text() == "ray start --address=head:6379 --disable-usage-stats --block\n"


@pytest.mark.parametrize(("code", "served"), [(0, True), (8, True), (3, False)])
def test_a_job_starts_the_swarm_or_finds_it(code: int, served: bool, tmp_path: Path) -> None:
    script = tmp_path / "swarmlore"
    script.write_text(f'#!/bin/sh\necho "$*" >>{tmp_path}/calls\n[ "$1" != up ] || exit {code}\n')
    script.chmod(0o755)
    environment = {
        "PATH": f"{tmp_path}:/usr/bin:/bin",
        "RAY_ADDRESS": "10.0.0.1:6379",
        "SWARMLORE_TOKEN_FILE": "/token",
    }
    done = ran("sh", DEPLOY / "entrypoint.sh", "job", "--agents", "3", env=environment)
    assert done.returncode == (0 if served else code)
    calls = (tmp_path / "calls").read_text().splitlines()
    assert calls[0] == "up --address 10.0.0.1:6379 --agents 3"
    serve = "serve --address 10.0.0.1:6379 --host 0.0.0.0 --port 8080 --token-file /token"
    assert calls[1:] == ([serve] if served else [])
