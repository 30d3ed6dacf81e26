"""How the other commands find a swarm that runs in the foreground, and how a command ends."""

from __future__ import annotations

import json
import os
from pathlib import Path

import click
import pytest
import typer

from federation.errors import RoundAbortedError
from gateway.connection import marked, resolved, run
from gateway.exits import Exit
from gateway.machine import described, machine
from gateway.measuring import spread, timed
from gateway.output import Output


def test_a_swarm_in_the_foreground_is_found_while_it_runs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("RAY_ADDRESS", raising=False)
    monkeypatch.setenv("RAY_AUTH_MODE", "token")
    assert resolved("auto", tmp_path) == "auto"
    with marked("1.2.3.4:5", tmp_path):
        assert resolved("auto", tmp_path) == "1.2.3.4:5"
        assert os.environ["RAY_AUTH_MODE"] == "disabled"
        assert resolved("6.7.8.9:10", tmp_path) == "6.7.8.9:10"
        monkeypatch.setenv("RAY_ADDRESS", "9.9.9.9:9")
        assert resolved("auto", tmp_path) == "auto"
        monkeypatch.delenv("RAY_ADDRESS")
    assert resolved("auto", tmp_path) == "auto"


@pytest.mark.parametrize(
    "text", ["", "[]", "{}", '{"address": "1.2.3.4:5"}', json.dumps({"address": "a:1", "pid": 2**22 + 1})]
)
def test_a_mark_that_nobody_stands_behind_is_passed_over(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, text: str
) -> None:
    monkeypatch.delenv("RAY_ADDRESS", raising=False)
    (tmp_path / "cluster.json").write_text(text)
    assert resolved("auto", tmp_path) == "auto"


@pytest.mark.parametrize(
    ("error", "code"), [(None, Exit.OK), (RoundAbortedError(round=1, reason="a"), Exit.NO_RELEASE), (OSError(), 1)]
)
def test_a_command_ends_with_its_code(error: Exception | None, code: int) -> None:
    async def work() -> None:
        if error is not None:
            raise error

    with pytest.raises((typer.Exit, click.exceptions.Exit)) as ended:
        run(work, Output())
    assert ended.value.exit_code == code


def test_spread_and_timed() -> None:
    found = spread([float(number) for number in range(1, 101)])
    assert (found["median_ms"], found["p95_ms"], found["min_ms"], found["max_ms"], found["count"]) == (
        50.5,
        95,
        1,
        100,
        100,
    )
    assert found["iqr_ms"] == 49.5
    assert spread([2.0])["stdev_ms"] == spread([2.0])["iqr_ms"] == 0.0
    calls: list[int] = []
    assert len(timed(lambda: calls.append(1), repeat=4, warm_up=2)) == 4
    assert len(calls) == 6


def test_a_figure_names_machine_and_versions() -> None:
    found = machine()
    assert found["cores"] >= 1
    assert found["packages"]["numpy"] in described(found)
    assert found["date"] in described(found)
    json.dumps(found)
