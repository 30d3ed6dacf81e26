"""A cluster that asks for a token; the bare ones of `test_cli` ask for none."""

from __future__ import annotations

import json
import time
from pathlib import Path
from typing import Any

import pytest

AGENTS = 8
OTHER_TOKEN = "0123456789abcdef" * 4
REFUSED_S = 15.0
"""Where Ray itself takes more than 20 s; a process of Python and Ray's import are most of ours."""


def test_a_cluster_with_a_token_is_joined_with_the_one_at_home(
    tmp_path: Path, swarmlore: Any, token_head: str, token_home: Path
) -> None:
    at, user = ("--address", token_head), {"HOME": str(token_home)}
    checks = swarmlore.document(tmp_path, "doctor", *at, **user)
    states = {check["name"]: check["state"] for check in checks["checks"]}
    assert checks["healthy"]
    assert (states["ray auth"], states["ray"], states["workers"]) == ("ok", "ok", "ok")
    started = swarmlore.document(tmp_path, "up", "--workload", "null", "--agents", AGENTS, *at, **user)
    assert (started["agents"], started["release"]["version"]) == (AGENTS, 0)
    rounds = swarmlore.lines(tmp_path, "round", "--count", 2, *at, **user)
    assert [(one["round"], one["agents_count"], one["release"]["version"]) for one in rounds] == [
        (1, AGENTS, 1),
        (2, AGENTS, 2),
    ]
    status = swarmlore.document(tmp_path, "status", *at, **user)
    assert (status["rounds"], status["agents"], status["phase"]) == (2, AGENTS, "idle")
    assert all(answer is not None for answer in status["actors"].values())
    assert swarmlore.document(tmp_path, "down", *at, **user)["ended"] == len(status["actors"]) + 1  # the coordinator


def test_the_doctor_says_that_the_token_is_missing(tmp_path: Path, swarmlore: Any, token_head: str) -> None:
    done = swarmlore(tmp_path, "doctor", "--address", token_head, "--json", code=7, HOME=str(tmp_path))
    found = json.loads(done.stdout)
    states = {check["name"]: check["state"] for check in found["checks"]}
    assert (states["ray auth"], states["ray"], found["healthy"]) == ("fail", "fail", False)


@pytest.mark.parametrize("case", ["nothing", "disabled", "no token", "another token"])
def test_who_does_not_show_the_token_hears_so_in_seconds(
    tmp_path: Path, swarmlore: Any, token_head: str, token_home: Path, case: str
) -> None:
    environment, reason = {
        "nothing": ({}, "InvalidAuthToken"),
        "disabled": ({"RAY_AUTH_MODE": "disabled", "HOME": str(token_home)}, "InvalidAuthToken"),
        "no token": ({"RAY_AUTH_MODE": "token"}, "there is no token here"),
        "another token": ({"RAY_AUTH_TOKEN": OTHER_TOKEN}, "InvalidAuthToken"),
    }[case]
    began = time.monotonic()
    user = {"HOME": str(tmp_path)} | environment
    error = swarmlore.error(tmp_path, "status", "--address", token_head, code=3, **user)
    assert time.monotonic() - began < REFUSED_S
    assert error["code"] == "cluster.unreachable"
    assert reason in error["found"]
    assert "RAY_AUTH_MODE" in error["message"]
    assert "RAY_AUTH_TOKEN_PATH" in error["message"]
