"""Experiences out of JSON lines and trajectories."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from federation.errors import ExperienceLineError, SettingError
from federation.terms import Tuning
from workloads.patterns import (
    BatchLearning,
    KeySpace,
    PatternSource,
    PatternsWorkload,
    extracted,
    of_trajectories,
    of_trajectory,
    read_lines,
)
from workloads.patterns.schema import PatternWeight
from workloads.trajectories import Ending, Outcome, Step, Trajectory


def step(tool: str, outcome: Outcome = Outcome.SUCCESS, **fields: Any) -> Step:
    return Step(tool=tool, outcome=outcome, start_ns=0, latency_s=0.5, **fields)


def test_lines_are_read_and_bad_ones_counted(tmp_path: Path) -> None:
    path = tmp_path / "a.jsonl"
    good = {"agent": "a", "type": "tool", "category": "Read", "success": 1.0}
    lines = [
        json.dumps(good),
        "",
        "{",
        "[]",
        json.dumps({**good, "agent": 3}),
        json.dumps({**good, "success": 7}),
        "x" * (1 << 21),
    ]
    path.write_text("\n".join([*lines, json.dumps({**good, "agent": "b"})]) + "\n")
    found = read_lines([str(path)])
    assert isinstance(found.given, PatternSource)
    assert found.given.agents == ("a", "b")
    assert (found.lines, found.skipped) == (7, 5)
    assert read_lines([str(path)], most=0).given.shares(["a"])[0] == ()
    with pytest.raises(ExperienceLineError):
        read_lines([str(path)], strict=True)
    with pytest.raises(SettingError):
        read_lines([str(tmp_path / "none")])


def test_a_run_tells_tools_errors_and_its_end(space: KeySpace) -> None:
    failed = step("Edit", Outcome.FAILURE, error_type="TypeError")
    run = Trajectory(key="k", agent="a", reward=1.0, steps=(step("Read"), failed, step("Edit"), step("secret")))
    found = {one.key: one for one in of_trajectory(run, space=space, task_type="bugfix")}
    assert set(found) == {"tool::Read", "tool::Edit", "tool::other", "error::TypeError", "success::bugfix"}
    assert (found["tool::Edit"].success, found["tool::Edit"].count) == (0.5, 2)
    assert found["error::TypeError"].success == 1.0
    assert found["success::bugfix"].success == 1.0
    half = Trajectory(key="k", agent="a", ending=Ending.INCOMPLETE, steps=(step("Read"),))
    assert of_trajectory(half, space=space) == ()
    assert of_trajectories([run, Trajectory(key="n", agent=None, steps=run.steps)], space=space).agents == ("a",)


@pytest.mark.skipif("SWARMLORE_DATA" not in os.environ, reason="needs the trajectories")
def test_real_runs_become_patterns_that_hold_no_private_word() -> None:
    lines = (Path(os.environ["SWARMLORE_DATA"]) / "airline_trajectories.jsonl").read_text().splitlines()
    runs, private = [], set()
    for number, line in enumerate(lines):
        run = json.loads(line)
        calls = [one for one in run["steps"] if one["role"] == "tool_call"]
        for call in calls:
            private |= {str(value) for value in call["arguments"].values()}
        steps = tuple(
            Step(
                tool=call["tool"],
                outcome=Outcome.FAILURE if call["output"].startswith("Error") else Outcome.SUCCESS,
                start_ns=place,
                latency_s=None,
                error_type=call["output"][:60] if call["output"].startswith("Error") else None,
            )
            for place, call in enumerate(calls)
        )
        runs.append(
            Trajectory(key=str(number), agent=f"a{number % 10}", reward=run["reward"], steps=steps, start_ns=number)
        )
    tools = {one.tool for run in runs for one in run.steps} - {"think"}
    space = KeySpace.of(tools=tools)
    given = of_trajectories(runs, space=space)
    allowed = set(space.keys) | {"tool", "error", "success", "team", "general", "fast", "medium", "slow"}
    allowed |= {key.partition("::")[2] for key in space.keys}
    sent = 0
    for share in given.shares(given.agents):
        weights = extracted(BatchLearning().learn(share), space=space).weights
        for key, weight in weights.items():
            sent += 1
            plain = weight.plain()
            assert set(plain) <= {field.alias for field in PatternWeight.model_fields.values()}
            words = {key, *(value for value in plain.values() if isinstance(value, str))}
            assert words <= allowed
            assert not words & private
    assert sent >= 10
    workload = PatternsWorkload(data=given, space=space)
    learner, base = workload.learner(given.agents, seed=0), workload.genesis(0)
    for number in range(1, 4):  # honest ones: nobody is rejected, at rest neither
        rows = learner.learn(base, round_number=number, seeds=np.zeros(10, np.uint64), tuning=Tuning()).rows
        assert not workload.screen.screen(rows, centre=np.median(rows, axis=0), f=10).rejected.any()
        base = workload.fold(base, workload.rule(rows, f=0).value)  # pyright: ignore[reportArgumentType]
