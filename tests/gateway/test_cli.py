"""What the command line refuses, and how it says so. None of this reaches a cluster."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from typer.testing import Result

from gateway.exits import MEANINGS, Exit

Command = Callable[..., Result]

COMMANDS = ("demo", "up", "down", "status", "round", "watch", "releases", "rollback", "doctor", "bench")


def test_help_names_every_command_and_exit_code(command: Command) -> None:
    found = command("--help")
    assert found.exit_code == 0
    assert all(name in found.stdout for name in COMMANDS)
    assert all(f"{code.value}: {meaning[:30]}" in found.stdout for code, meaning in MEANINGS.items())


@pytest.mark.parametrize("name", COMMANDS)
def test_every_command_has_help_and_all_but_groups_print_json(command: Command, name: str) -> None:
    found = command(name, "--help")
    assert found.exit_code == 0
    if name != "bench":
        assert "--json" in found.stdout


def test_help_needs_neither_ray_nor_numpy_nor_actors() -> None:
    code = (
        "import sys, typer.testing, gateway.cli as cli; "
        "typer.testing.CliRunner().invoke(cli.app, ['--help']); "
        "print([name for name in ('ray', 'numpy', 'actors', 'sklearn', 'opentelemetry') if name in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


@pytest.mark.parametrize(
    "arguments",
    [
        ("nonsense",),
        ("round", "--count", "0"),
        ("round", "--count", "many"),
        ("demo", "--agents", "0"),
        ("demo", "--nonsense"),
        ("rollback",),
        ("rollback", "-1"),
        ("up", "--deadline", "0"),
        ("bench", "rules", "--n", "2"),
    ],
)
def test_what_no_option_may_be_is_a_usage_error(command: Command, arguments: tuple[str, ...]) -> None:
    found = command(*arguments)
    assert found.exit_code == Exit.USAGE
    assert found.stdout == ""


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("demo", "--agents", "4", "--byzantine", "5"), "between 0 and the 4 agents"),
        (("demo", "--attack", "sign_flop"), "nearest: 'sign_flip'"),
        (("demo", "--rule", "medean"), "median"),
        (("demo", "--rule", "median,nearest_neighbor_mixing"), "last in its list"),
        (("up", "--workload", "nothing"), "digits, patterns or null"),
        (("up", "--workload", "null", "--agents", "9", "--fault-bound", "3"), "fault bound"),
        (("up", "--workload", "null", "--otlp", "collector:4318"), "OTLP/HTTP"),
        (("up", "--experiences", "nowhere.jsonl"), "nowhere.jsonl"),
        (("up", "--workload", "patterns"), "--experiences FILE"),
        (("up", "--workload", "patterns", "--experiences", "nowhere.jsonl"), "nowhere.jsonl"),
        (("up", "--workload", "null", "--keys", "keys.txt"), "--workload patterns"),
        (("up", "--workload", "null", "--epsilon-year", "4"), "--epsilon with"),
        (("up", "--workload", "null", "--epsilon", "1"), "null does not say how"),
        (("serve", "--start", "--workload", "null", "--epsilon", "1"), "null does not say how"),
        (("bench", "rules", "--rule", "medean"), "median"),
    ],
)
def test_a_setting_that_cannot_be_is_named_with_what_can(
    command: Command, arguments: tuple[str, ...], words: str
) -> None:
    found = command(*arguments)
    assert found.exit_code == Exit.USAGE, found.stderr
    assert found.stdout == ""
    assert "config.setting: " in found.stderr
    assert words in found.stderr
    assert "Traceback" not in found.stderr


def test_with_json_an_error_is_one_object_on_stderr(command: Command) -> None:
    found = command("up", "--workload", "nothing", "--json")
    assert found.exit_code == Exit.USAGE
    assert found.stdout == ""
    error = json.loads(found.stderr)["error"]
    assert error["code"] == "config.setting"
    assert error["name"] == "workload"


def test_a_bad_line_is_fatal_with_strict(command: Command, tmp_path: Path) -> None:
    good = {"agent": "a", "state": [0.1, 0.2], "action": 0, "reward": 1.0}
    (tmp_path / "day.jsonl").write_text(json.dumps(good) + "\n{broken\n")
    found = command("up", "--experiences", "day.jsonl", "--strict", "--json")
    assert found.exit_code == Exit.BAD_DATA
    error = json.loads(found.stderr)["error"]
    assert (error["code"], error["line"]) == ("gradients.line", 2)


def test_a_folder_is_no_file_of_experiences(command: Command, tmp_path: Path) -> None:
    assert command("up", "--experiences", tmp_path).exit_code == Exit.USAGE


def test_bench_rules_measures_every_rule_beside_numpy(command: Command) -> None:
    found = command("bench", "rules", "--n", "7", "--dim", "16", "--repeat", "2", "--json")
    assert found.exit_code == 0, found.stderr
    document = json.loads(found.stdout)
    assert {"mean", "median", "krum", "numpy.median"} <= {part["rule"] for part in document["rules"]}
    assert all(0 < part["min_ms"] <= part["median_ms"] <= part["p95_ms"] for part in document["rules"])
    assert {part["rule"]: part["f"] for part in document["rules"]}["bulyan"] == 1
    assert document["command"] == "swarmlore bench rules --n 7 --dim 16 --repeat 2 --json"
    assert {"cpu", "packages", "date"} <= document["machine"].keys()


def test_doctor_without_ray_reports_each_check(command: Command, tmp_path: Path) -> None:
    found = command("doctor", "--no-ray", "--json")
    document = json.loads(found.stdout)
    assert found.exit_code == (Exit.OK if document["healthy"] else Exit.FAULT_FOUND)
    names = {check["name"] for check in document["checks"]}
    assert {"python", "ray auth", "uv hook", "temporary path", "state directory", "ports", "niceness"} <= names
    assert not (tmp_path / ".swarmlore").exists()


def test_doctor_finds_a_secret_that_others_can_read_and_a_collector_that_is_not_there(
    command: Command, tmp_path: Path
) -> None:
    (tmp_path / ".swarmlore").mkdir()
    (tmp_path / ".swarmlore" / "secret").write_bytes(bytes(32))
    (tmp_path / ".swarmlore" / "secret").chmod(0o644)
    found = command("doctor", "--no-ray", "--json", "--otlp", "http://127.0.0.1:9")
    assert found.exit_code == Exit.FAULT_FOUND
    states = {check["name"]: check for check in json.loads(found.stdout)["checks"]}
    assert states["secret"]["state"] == "fail"
    assert "chmod 600" in states["secret"]["advice"]
    assert states["otlp"]["state"] == "fail"
