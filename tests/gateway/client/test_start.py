"""A plugin's process starts fast: what its import brings along, and what it does not."""

from __future__ import annotations

import subprocess
import sys

HEAVY = ("ray", "numpy", "pydantic", "telemetry", "opentelemetry", "fastapi", "uvicorn", "actors", "workloads", "ssl")


def modules_after(code: str) -> set[str]:
    done = subprocess.run(
        [sys.executable, "-c", f"{code}\nimport sys; print('\\n'.join(sys.modules))"],
        capture_output=True,
        text=True,
        check=True,
    )
    return {name.partition(".")[0] for name in done.stdout.split()}


def test_the_import_brings_nothing_heavy() -> None:
    found = modules_after("from gateway.client import FederationClient")
    assert not found & set(HEAVY)


def test_nor_does_a_client_that_only_looks_into_its_cache(tmp_path: object) -> None:
    found = modules_after(
        "from gateway.client import ClientSettings, FederationClient\n"
        f"client = FederationClient(ClientSettings(server='https://f.example', state_dir={str(tmp_path)!r}))\n"
        "assert client.consent is None and client.fast == {} and client.version == '0.0.0'"
    )
    assert not found & set(HEAVY)


def test_ray_and_the_servers_are_never_needed() -> None:
    found = modules_after(
        "import gateway.client.sync, gateway.client.releases, gateway.client.outbox, gateway.client.delta\n"
        "import gateway.client.transport, gateway.client.diary, gateway.client.reporting, gateway.client.commands"
    )
    assert not found & {"ray", "telemetry", "opentelemetry", "fastapi", "uvicorn", "actors", "sqlalchemy"}


def test_the_commands_need_no_ray(tmp_path: object) -> None:
    code = (
        "import sys, typer.testing, gateway.cli as cli\n"
        f"arguments = ['client', '--state-dir', {str(tmp_path)!r}, 'status', '--json']\n"
        "done = typer.testing.CliRunner().invoke(cli.app, arguments)\n"
        "assert done.exit_code == 0, done.output"
    )
    found = modules_after(code)
    assert not found & {"ray", "telemetry", "opentelemetry", "fastapi", "uvicorn", "actors"}
