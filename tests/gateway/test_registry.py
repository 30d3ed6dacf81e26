"""``swarmlore registry``: generate, check, and what is handed to Weaver's own binary."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from typer.testing import Result

from gateway.exits import Exit
from gateway.registry import weaver_arguments

Command = Callable[..., Result]

HOME = Path(__file__).resolve().parents[2]
OURS = HOME / "registry"
WARNS = "groups: [{id: registry.x, type: attribute_group, brief: B., attributes: [{id: x.y, type: int, brief: B.}]}]"
FAILS = WARNS.replace("brief: B.}]", "stability: stable}]")


def written(tmp_path: Path, text: str) -> Path:
    folder = tmp_path / "model"
    folder.mkdir()
    (folder / "a.yaml").write_text(text, "utf-8")
    return folder


@pytest.mark.parametrize(
    ("text", "options", "code"),
    [
        ("groups: []", (), 0),
        (WARNS, (), 0),
        (WARNS, ("--future",), 1),
        (FAILS, (), 1),
        ("groups: [", (), 1),
        (WARNS, ("--nonsense",), 2),
        (WARNS, ("--engine", "steam"), 2),
        (WARNS, ("--v2",), 1),
        (WARNS, ("--v2=false",), 0),
        (WARNS, ("-p", "x.rego"), 1),
        (WARNS, ("-p", "x.rego", "--skip-policies"), 0),
        (WARNS, ("-p", "x.rego", "--skip-policies=true"), 0),
        (WARNS, ("-p", "x.rego", "--skip-policies=false"), 1),
        (WARNS, ("--diagnostic-format", "poem"), 1),
        (WARNS, ("--allow-git-credentials", "--debug", "--debug", "-s"), 0),
    ],
)
def test_exit_codes_are_weavers(
    command: Command, tmp_path: Path, text: str, options: tuple[str, ...], code: int
) -> None:
    assert command("registry", "check", "-r", written(tmp_path, text), *options).exit_code == code


def test_the_report_goes_to_stderr_or_to_stdout(command: Command, tmp_path: Path) -> None:
    folder = written(tmp_path, WARNS)
    found = command("registry", "check", "-r", folder, "--diagnostic-format", "json", "--quiet")
    assert found.stdout == ""
    [diagnostic] = json.loads(found.stderr)
    assert diagnostic["diagnostic"]["severity"] == "Warning"
    found = command("registry", "check", "-r", folder, "--diagnostic-format=json", "--diagnostic-stdout", "--quiet")
    assert json.loads(found.stdout) == [diagnostic]
    assert found.stderr == ""
    assert "errors: 0, warnings: 1" in command("registry", "check", "-r", folder).stderr


def test_settings_come_from_the_file_of_the_project(command: Command, tmp_path: Path) -> None:
    written(tmp_path, WARNS)
    (tmp_path / ".weaver.toml").write_text('[registry]\npath = "model"\n[diagnostics]\nstdout = true\n', "utf-8")
    found = command("registry", "check", "--quiet")
    assert found.exit_code == 0
    assert "Missing stability field." in found.stdout
    assert "Missing stability field." not in command("registry", "check", "--diagnostic-stdout=false").stdout


def test_our_registry_passes_what_a_later_weaver_will_ask(command: Command) -> None:
    assert command("registry", "check", "-r", OURS, "--future", "--quiet").output == ""


def test_weaver_itself_is_asked_when_it_is_there(
    command: Command, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    found = command("registry", "check", "--engine", "weaver")
    assert found.exit_code == Exit.MISSING_EXTRA
    assert "otel/weaver" in found.stderr
    said = tmp_path / "said"
    binary = tmp_path / "weaver"
    binary.write_text(
        f"#!{sys.executable}\nimport sys\nopen({str(said)!r}, 'w').write(' '.join(sys.argv[1:]))\nsys.exit(7)\n"
    )
    binary.chmod(0o755)
    found = command(
        "registry", "check", "--engine", "weaver", "--future", "--v2", "-p", "a", "-p", "b", "--skip-policies=false"
    )
    assert found.exit_code == 7
    first, *rest = said.read_text().split(" registry check ")
    assert first == "--future"
    assert sorted(" ".join(rest).split()) == [
        "--policy=a",
        "--policy=b",
        "--registry=registry",
        "--skip-policies=false",
        "--v2",
    ]


def test_nothing_is_said_to_weaver_that_was_not_asked() -> None:
    given = {
        "registry": "m",
        "policy": None,
        "v2": None,
        "future": False,
        "debug": 2,
        "config": Path("c"),
        "engine": "weaver",
    }
    assert weaver_arguments(given) == ["--debug", "--debug", "--config=c", "registry", "check", "--registry=m"]


def test_generating_and_checking_what_was_generated(command: Command, tmp_path: Path) -> None:
    shutil.copytree(OURS, tmp_path / "registry")
    assert command("registry", "generate", "--check", "--home", tmp_path).exit_code == 1
    assert "wrote telemetry/semconv.py" in command("registry", "generate", "--home", tmp_path).stdout
    assert (tmp_path / "telemetry/semconv.py").read_bytes() == (HOME / "telemetry/semconv.py").read_bytes()
    assert (tmp_path / "docs/telemetry.md").read_bytes() == (HOME / "docs/telemetry.md").read_bytes()
    assert command("registry", "generate", "--check", "--home", tmp_path).exit_code == 0
    assert command("registry", "generate", "--check").exit_code == 0


def test_generating_from_a_faulty_registry(command: Command, tmp_path: Path) -> None:
    found = command("registry", "generate", "--home", tmp_path)
    assert found.exit_code == 1
    assert "No such file or directory" in found.stderr


def test_checking_loads_neither_ray_nor_numpy() -> None:
    code = (
        "import sys, typer.testing, gateway.cli as cli; "
        f"found = typer.testing.CliRunner().invoke(cli.app, ['registry', 'check', '-r', {str(OURS)!r}]); "
        "print(found.exit_code, [n for n in ('ray', 'numpy', 'actors') if n in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "0 []"
