"""The airline example: what its spans carry, what is learned from them, and what must not leak."""

from __future__ import annotations

import json
import os
from pathlib import Path

import numpy as np
import pytest

from examples.airline.comparison import (
    CENTRAL,
    FEDERATED,
    HABIT,
    ISOLATED,
    MAJORITY,
    Comparison,
    Plan,
    attacked,
    compare,
    mean_attacked,
)
from examples.airline.figures import Exam, Figures
from examples.airline.pattern_report import pattern_findings, pattern_tables, save_patterns
from examples.airline.patterns import FEDERATED as CLEAN
from examples.airline.patterns import PatternsPlan, compare_patterns, compare_private, private_name
from examples.airline.runs import FILE, VARIABLE, Run, data_file, runs_in
from examples.airline.source import POOL, AirlineExperiences, trajectories_of
from examples.airline.spans import bodies_of, requests_of
from federation.errors import SettingError
from gateway.otlp import Encoding, Signal, decoded
from workloads.gradients import ExperienceSource
from workloads.trajectories import Admission, Layout, Outcome, Trajectory

RECORDED = Path(os.environ.get(VARIABLE, "/nowhere")) / FILE
needs_data = pytest.mark.skipif(not RECORDED.is_file(), reason=f"{VARIABLE} names no folder with {FILE}")
SECRET = "mia.li3818@example.com"


def made(task: int, trial: int, tools: str, reward: float) -> Run:
    steps: list[dict[str, object]] = [{"role": "user", "content": f"I am {SECRET}"}]
    for tool in tools.split():
        output = f"Error: no {SECRET}" if tool.startswith("!") else f"found {SECRET}"
        name = tool.removeprefix("!")
        steps.append({"role": "tool_call", "tool": name, "arguments": {"who": SECRET}, "output": output})
    steps.append({"role": "assistant", "content": f"Bye, {SECRET}"})
    return Run(task=task, trial=trial, reward=reward, steps=tuple(steps))


@pytest.fixture
def recorded(tmp_path: Path) -> Path:
    """A made-up recording: eight tasks, three tries each; look, look, book succeeds."""
    path = tmp_path / FILE
    with path.open("w") as file:
        for task in range(8):
            for trial, (tools, reward) in enumerate((("look look book", 1.0), ("look !book", 0.0), ("look pay", 0.0))):
                run = made(task, trial, tools, reward)
                record = {"task_id": task, "trial": trial, "reward": reward, "steps": run.steps}
                file.write(json.dumps(record) + "\n")
    return path


def test_a_run_becomes_spans_with_contents_that_the_door_leaves_out() -> None:
    run = made(3, 1, "look !book", 1.0)
    traces, logs = requests_of(run, agent="a")
    body = traces.SerializeToString()
    assert body.count(SECRET.encode()) > 5
    found = decoded(body, Signal.TRACES, Encoding.PROTOBUF, Admission())
    assert SECRET not in repr(found)
    assert (len(found.spans), found.rejected, found.not_agent) == (6, 0, 0)
    assert requests_of(run, agent="a") == (traces, logs)


def test_spans_become_the_runs_again(recorded: Path) -> None:
    runs, found = runs_in(recorded), trajectories_of(str(recorded))
    assert len(found) == len(runs) == 24
    for run, trajectory in zip(runs, sorted(found, key=lambda one: one.start_ns), strict=True):
        tools = [step["tool"] for step in run.steps if step["role"] == "tool_call"]
        assert [step.tool for step in trajectory.steps] == tools
        assert (trajectory.reward, trajectory.task) == (run.reward, f"airline-{run.task}")
        # Made-up latencies are all the same, so that they tell nothing.
        assert {step.latency_s for step in trajectory.steps} == {0.5}


def test_held_out_tasks_are_on_one_side_only(recorded: Path) -> None:
    data = AirlineExperiences(path=str(recorded), agents=("a", "b"), seed=1, held_out_tasks=3)
    assert isinstance(data, ExperienceSource)
    split = data.split
    ours, theirs = {run.task for run in split.training}, {run.task for run in split.held_out}
    assert (len(ours), len(theirs), ours & theirs) == (5, 3, set())
    assert {run.agent for run in split.training} == {"a", "b"}
    shares = data.shares(["a", "b", "nobody"])
    assert [len(share) for share in shares[2:]] == [0]
    assert len(data.shares([POOL])[0]) == len(shares[0]) + len(shares[1])
    assert len(data.held_out().states) == 3 * 7
    with pytest.raises(SettingError):
        _ = AirlineExperiences(path=str(recorded), agents=("a", "b"), held_out_tasks=7).split


def test_the_comparison_finds_what_there_is_to_find(recorded: Path) -> None:
    plan = Plan(
        path=str(recorded), agents=4, liars=1, held_out_tasks=3, rounds=25, seeds=(0, 1), attacks=("sign_flip",)
    )
    comparison = compare(plan)
    names = {MAJORITY, HABIT, ISOLATED, FEDERATED, CENTRAL, attacked("sign_flip"), mean_attacked("sign_flip")}
    assert names <= comparison.figures.keys()
    # Seven steps a task: four of them look; those and book after look look are what the best can know.
    assert comparison.mean(MAJORITY, "accuracy")[0] == pytest.approx(4 / 7)
    for contender in (FEDERATED, CENTRAL):
        assert comparison.mean(contender, "solved_accuracy")[0] == 1.0
    again = compare(plan)
    assert again.figures == comparison.figures


def test_figures_are_those_of_the_definitions() -> None:
    from workloads.trajectories import Step

    def run(tools: str, reward: float) -> Trajectory:
        steps = tuple(Step(tool=t, outcome=Outcome.SUCCESS, start_ns=0, latency_s=1.0) for t in tools.split())
        return Trajectory(key="k", agent="a", steps=steps, reward=reward)

    layout = Layout(tools=("x", "y"), last=1)
    exam = Exam(layout, [run("x y", 1.0), run("x x", 0.0)], [run("x y", 1.0), run("x x", 0.0), run("", 1.0)])
    assert exam.taken.tolist() == [0, 1, 0, 0]
    first, after = 2.1 / 2.3, 1.1 / 2.3
    np.testing.assert_allclose(exam.propensities, [first, after, first, after])
    found = exam.figures(np.array([0, 1, 0, 1]))
    reward = (1 / first + 1 / after) / (2 / first + 1 / after)
    assert (found.accuracy, found.solved_accuracy) == (0.75, 1.0)
    assert found.reward == pytest.approx(reward)
    assert np.isnan(exam.figures(np.full(4, 2)).reward)
    assert exam.logged_reward == 0.5


def test_differences_within_noise_are_not_told_apart() -> None:
    def figures(values: list[float]) -> list[Figures]:
        return [Figures(accuracy=value, solved_accuracy=0.0, reward=0.0) for value in values]

    found = Comparison(
        figures={"a": figures([0.5, 0.6, 0.7]), "b": figures([0.4, 0.7, 0.6]), "c": figures([0.1, 0.2, 0.3])}
    )
    assert not found.apart("a", "b", "accuracy")
    assert found.apart("a", "c", "accuracy")
    assert found.gap("a", "c", "accuracy")[0] == pytest.approx(0.4)


def test_without_data_it_says_where_to_put_it(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.delenv(VARIABLE, raising=False)
    with pytest.raises(SettingError, match=VARIABLE):
        data_file()
    with pytest.raises(SettingError):
        data_file(tmp_path)
    bad = tmp_path / FILE
    bad.write_text("{}\n")
    assert data_file(tmp_path) == bad
    with pytest.raises(SettingError, match="line 1"):
        runs_in(bad)


@needs_data
def test_nothing_of_the_recording_leaks() -> None:
    """Every text of the recording, and every name and number in it, stays outside of the trajectories."""
    runs = runs_in(RECORDED)
    texts: set[str] = set()
    for run in runs:
        for step in run.steps:
            texts |= {str(step["content"])} if "content" in step else {step["output"], json.dumps(step["arguments"])}
    words = {text[:40] for text in texts if len(text) >= 12}
    words |= {part for text in texts for part in text.replace('"', " ").split() if "@" in part or "_" in part}
    tools = {step["tool"] for run in runs for step in run.steps if "tool" in step}
    found = repr(trajectories_of(str(RECORDED)))
    assert len(words) > 1000
    known = tools | {"Outcome.SUCCESS"}
    assert [word for word in words - known if word in found and not any(word in name for name in known)] == []


@needs_data
def test_the_recording_is_read_whole() -> None:
    runs, found = runs_in(RECORDED), trajectories_of(str(RECORDED))
    assert (len(runs), len(found)) == (140, 140)
    assert sum(len(run.steps) for run in found) == 772
    assert sum(step.outcome is Outcome.FAILURE for run in found for step in run.steps) == 30
    assert sum(run.reward or 0 for run in found) == sum(run.reward for run in runs) == 65
    assert len(list(bodies_of(runs[:2], {runs[0].task: "a", runs[1].task: "a"}))) == 2


@needs_data
def test_the_federation_beats_agents_on_their_own() -> None:
    plan = Plan(path=str(RECORDED), seeds=(0,), rounds=40, liars=0)
    found = compare(plan)
    assert found.mean(FEDERATED, "accuracy")[0] > found.mean(ISOLATED, "accuracy")[0]


def test_pattern_weights_come_near_what_all_runs_say(recorded: Path, tmp_path: Path) -> None:
    with pytest.raises(SettingError):
        PatternsPlan(path=str(recorded), installations=8, liars=3)
    plan = PatternsPlan(path=str(recorded), installations=8, liars=2, seeds=(0, 1), fleets=(8, 60), epsilons=(8.0,))
    found = compare_patterns(plan)
    assert found.mean(CLEAN, "success")[0] < 0.02
    for lie in ("inverted", "promoted"):
        assert found.mean(f"unguarded mean, {lie}", "success")[0] > 0.1
        assert found.mean(f"{CLEAN}, {lie}", "success")[0] < 0.02
        assert found.mean(f"{CLEAN}, {lie}", "flagged") == (1.0, 0.0)
    private = compare_private(plan)
    assert private.mean(private_name(60), "success")[0] < private.mean(private_name(60, 8.0), "success")[0]
    assert private.mean(private_name(60, 8.0), "success")[0] < private.mean(private_name(8, 8.0), "success")[0]
    assert "100% of the liars" in pattern_findings(found, private, plan)
    assert [table.row_count for table in pattern_tables(found, private, plan)] == [9, 4]
    assert save_patterns(found, private, plan, tmp_path / "out" / "plot.png").stat().st_size > 10_000


@needs_data
def test_the_recordings_rates_survive_three_liars_of_ten() -> None:
    plan = PatternsPlan(path=str(RECORDED), seeds=(0, 1, 2))
    found = compare_patterns(plan)
    assert found.mean(CLEAN, "success")[0] < found.mean("installations alone", "success")[0]
    assert found.mean(f"{CLEAN}, inverted", "success")[0] < 0.05 < found.mean("unguarded mean, inverted", "success")[0]
