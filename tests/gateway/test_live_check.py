"""``swarmlore registry live-check`` as a command."""

from __future__ import annotations

import json
import os
import signal
import stat
import subprocess
import sys
import urllib.request
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from gateway.cli import app
from gateway.live_check import weaver_arguments

ROOT = Path(__file__).parents[2]
LIVE = ("registry", "live-check", "--registry", str(ROOT / "registry"))
GOOD = json.dumps([{"attribute": {"name": "service.name", "value": "s"}}])
BAD = json.dumps([{"attribute": {"name": "other.thing", "value": "s"}}])


def run(*arguments: str, text: str = GOOD, code: int = 0) -> Any:
    done = CliRunner().invoke(app, [*LIVE, *arguments], input=text)
    assert done.exit_code == code, done.output
    return done


STDIN = ("--input-source", "stdin", "--format", "json", "--no-stream")


def test_exit_codes_and_reports(tmp_path: Path) -> None:
    report = json.loads(run(*STDIN).stdout)
    assert report["statistics"]["total_entities"] == 1
    assert "extensions" not in report["statistics"]
    run(*STDIN, text=BAD, code=1)
    run(*STDIN, "--fail-on", "none", text=BAD)
    run(*STDIN, "--fail-on=none", "--no-stats=true", text=BAD)
    run(*STDIN, text="[]", code=1)
    run(*STDIN, text="[", code=1)
    run(*STDIN, "-o", str(tmp_path / "out"))
    assert json.loads((tmp_path / "out" / "live_check.json").read_text())["samples"]
    quiet = run(*STDIN, "-o", str(tmp_path / "out"), "--quiet")
    assert (quiet.stdout, quiet.stderr) == ("", "")
    extended = json.loads(run(*STDIN, "--spans", "--max-cardinality", "3").stdout)
    assert set(extended["statistics"]["extensions"]) >= {"span_coverage", "metric_cardinality"}


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("--fail-on", "sometimes"), "--fail-on is sometimes"),
        (("--format", "my_template"), "Templates need --engine weaver"),
        (("--output", "http"), "only valid with"),
        (("--engine", "other"), "--engine is other"),
        (("--weaver-compat", "1.0"), "--weaver-compat is 1.0"),
        (("--v2",), "--v2: this checker does not have it"),
        (("--advice-policies", "p"), "--advice-policies"),
        (("--emit-otlp-logs",), "--emit-otlp-logs"),
        (("-p", "a", "-p", "b"), "--policy"),
        (("--diagnostic-format", "html"), "diagnostic format"),
        (("--unknown",), "No such option"),
    ],
)
def test_options_that_cannot_be(arguments: tuple[str, ...], said: str) -> None:
    assert said in run("--input-source", "stdin", *arguments, code=2).stderr


def test_a_registry_with_faults(tmp_path: Path) -> None:
    (tmp_path / "a.yaml").write_text("groups:\n  - {id: a, brief: A., attributes: [{ref: not.there}]}\n")
    done = run(*STDIN, "--registry", str(tmp_path), "--diagnostic-format", "json", code=1)
    assert "not.there" in json.dumps(json.loads(done.stderr))
    (tmp_path / "a.yaml").write_text(
        "groups:\n  - {id: a, type: attribute_group, brief: A., attributes:"
        " [{id: service.name, type: string, brief: S., stability: stable}]}\n"
    )
    warned = run(*STDIN, "--registry", str(tmp_path))  # there are no examples, which is a warning
    assert warned.stderr
    run(*STDIN, "--registry", str(tmp_path), "--future", code=1)


def test_configuration_from_the_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    config = tmp_path / ".weaver.toml"
    config.write_text("[live-check]\ninput_source = 'stdin'\nfail_on = 'none'\nformat = 'mute'\n")
    assert run(text=BAD).stdout == ""
    run("--fail-on", "violation", text=BAD, code=1)
    config.write_text("[live-check]\ninput_sauce = 'stdin'\n")
    assert "input_sauce" in run(code=2).stderr
    run("--config", os.devnull, *STDIN)


def test_weavers_own_binary(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    done = run("--engine", "weaver", code=9)
    assert "otel/weaver" in done.stderr
    assert "--spans: Weaver does not have it" in run("--engine", "weaver", "--spans", code=2).stderr
    binary = tmp_path / "weaver"
    binary.write_text('#!/bin/sh\nfor word in "$@"; do echo "$word"; done > "$0.said"\nexit 7\n')
    binary.chmod(binary.stat().st_mode | stat.S_IXUSR)
    run("--engine", "weaver", "--fail-on", "none", "--no-stats", "--admin-port", "0", "--quiet", "-p", "a", code=7)
    said = (tmp_path / "weaver.said").read_text().split()
    assert said[:3] == ["--quiet", "registry", "live-check"]
    registry = f"--registry={ROOT / 'registry'}"
    assert set(said[3:]) == {registry, "--no-stats", "--fail-on=none", "--admin-port=0", "--policy=a"}
    assert weaver_arguments({"registry": "r"}) == ["registry", "live-check", "--registry=r"]


@pytest.mark.parametrize("way", [signal.SIGINT, signal.SIGHUP, None])
def test_a_process_that_listens_and_is_stopped(way: signal.Signals | None) -> None:
    command = [sys.executable, "-m", "gateway.cli", *LIVE, "--otlp-grpc-port=0", "--admin-port=0", "--otlp-http-port=0"]
    command += ["--format", "json", "--output", "http", "--inactivity-timeout", "0"]
    with subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
        assert process.stderr is not None
        line = process.stderr.readline()
        ports = {what: int(line.split(f"{what} ")[1].split(",")[0].split(";")[0]) for what in ("http", "admin")}
        logs = b'{"resourceLogs": [{"resource": {"attributes": []}, "scopeLogs": []}]}'
        request = urllib.request.Request(
            f"http://127.0.0.1:{ports['http']}/v1/logs", data=logs, headers={"Content-Type": "application/json"}
        )
        with urllib.request.urlopen(request, timeout=20) as answer:
            assert answer.status == 200
        if way is None:
            stop = urllib.request.Request(f"http://127.0.0.1:{ports['admin']}/stop", method="POST")
            with urllib.request.urlopen(stop, timeout=20) as answer:
                report = json.load(answer)
            out, _ = process.communicate(timeout=20)
            assert out == ""
        else:
            process.send_signal(way)
            out, _ = process.communicate(timeout=20)
            report = json.loads(out)
        assert report["statistics"]["total_entities_by_type"] == {"resource": 1}
        assert process.returncode == 0
