from __future__ import annotations

import json
import pickle
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from federation.errors import ExperienceError, ExperienceLineError, ExtraError, SettingError
from workloads.gradients import ExperienceFiles, GradientsWorkload
from workloads.gradients.source import ExperienceSource
from workloads.simulation import Simulation


def line(agent: str = "a", **changes: Any) -> dict[str, Any]:
    return {"agent": agent, "state": [0.5, -1.0], "action": 0, "reward": 1.0, **changes}


def written(path: Path, lines: list[Any]) -> str:
    path.write_text("".join((text if isinstance(text, str) else json.dumps(text)) + "\n" for text in lines))
    return str(path)


def fleet(count: int = 300, seed: int = 0) -> list[dict[str, Any]]:
    """The sign of the first feature is the right action; rewards are on a scale of their own."""
    rng = np.random.default_rng(seed)
    lines = []
    for number in range(count):
        state = [float(100 + 5 * rng.standard_normal()), float(rng.standard_normal()), 7.0]
        action = int(rng.integers(0, 2))
        reward = 50.0 if (state[0] > 100) == (action == 1) else -20.0
        lines.append(
            {"agent_id": f"agent-{number % 6}", "state": state, "action": action, "reward": reward, "done": True}
        )
    return lines


def test_the_survey_infers_what_the_policy_needs(tmp_path: Path) -> None:
    source = ExperienceFiles(paths=(written(tmp_path / "a.jsonl", fleet()),))
    assert isinstance(source, ExperienceSource)
    assert source.agents == tuple(f"agent-{number}" for number in range(6))
    assert (source.features, source.actions, source.rewards, source.episodic) == (3, 2, (-20.0, 50.0), False)
    assert (source.report.read, source.report.skipped) == (300, 0)
    shares = source.shares(source.agents)
    held = source.held_out()
    assert sum(len(share) for share in shares) + len(held.states) == 300
    assert 30 < len(held.states) < 90
    states = np.concatenate([share.states for share in shares]).astype(np.float64)
    shift, scale = source.scaling()
    assert shift == pytest.approx(states.mean(axis=0), rel=1e-4)
    assert scale[:2] == pytest.approx(states.std(axis=0)[:2], rel=1e-3)
    assert scale[2] == 1.0
    known = {state.tobytes() for state in np.concatenate([share.states for share in shares])}
    assert {state.tobytes() for state in source.probes()} <= known


def test_the_split_follows_content_not_place(tmp_path: Path) -> None:
    lines = fleet(100)
    one = ExperienceFiles(paths=(written(tmp_path / "one.jsonl", lines),))
    two = ExperienceFiles(
        paths=(written(tmp_path / "b.jsonl", lines[60:][::-1]), written(tmp_path / "c.jsonl", lines[:60]))
    )
    first, second = one.held_out(), two.held_out()
    assert {state.tobytes() for state in first.states} == {state.tobytes() for state in second.states}


@pytest.mark.parametrize(
    ("bad", "reason"),
    [
        ("{not json", "not JSON"),
        ("[1, 2]", "not an object"),
        (line(agent=""), "agent is missing"),
        ({"state": [1.0, 2.0], "action": 0, "reward": 0.0}, "agent is missing"),
        ({"agent": "a", "action": 0, "reward": 0.0}, "state missing"),
        (line(state=[1.0, 2.0, 3.0]), "state has 3 numbers, the first good line has 2"),
        (line(state=[1.0, "x"]), "state is not a list"),
        (line(state=[]), "state is not a list"),
        ('{"agent": "a", "state": [NaN, 1.0], "action": 0, "reward": 0}', "state is not a list"),
        (line(state=[1e300, 0.0]), "state is not a list"),
        (line(action=-1), "action"),
        (line(action=1.5), "action"),
        (line(action=True), "action"),
        (line(action=4), "action 4 is unknown: there are 4"),
        ('{"agent": "a", "state": [0.0, 1.0], "action": 0, "reward": Infinity}', "reward is not a finite"),
        (line(done="yes"), "done is neither"),
        (line(done=False), "next_state"),
        (line(done=False, next_state=[1.0]), "next_state"),
        (line(propensity=0.0), "propensity"),
    ],
)
def test_a_bad_line_is_named_skipped_and_counted_or_fatal(tmp_path: Path, bad: Any, reason: str) -> None:
    good = [line(reward=float(number)) for number in range(20)]
    path = written(tmp_path / "mixed.jsonl", [*good[:2], "", bad, *good[2:]])
    source = ExperienceFiles(paths=(path,), number_of_actions=4)
    assert (source.report.read, source.report.skipped) == (20, 1)
    found = source.report.bad[0]
    assert (found.file, found.line) == (path, 4)
    assert reason in found.reason
    total = sum(len(share) for share in source.shares(("a",))) + len(source.held_out().states)
    assert total == 20
    with pytest.raises(ExperienceLineError, match="line 4") as raised:
        _ = ExperienceFiles(paths=(path,), strict=True, number_of_actions=4).agents
    assert raised.value.line == 4


def test_parquet_reads_like_json_lines(tmp_path: Path) -> None:
    arrow = pytest.importorskip("pyarrow")
    from pyarrow import parquet

    lines = fleet(80)
    parquet.write_table(arrow.Table.from_pylist(lines), tmp_path / "lines.parquet")
    by_json = ExperienceFiles(paths=(written(tmp_path / "lines.jsonl", lines),))
    by_arrow = ExperienceFiles(paths=(str(tmp_path / "lines.parquet"),))
    assert by_arrow.agents == by_json.agents
    for one, other in zip(by_arrow.shares(by_arrow.agents), by_json.shares(by_json.agents), strict=True):
        assert np.array_equal(one.states, other.states)
        assert np.array_equal(one.rewards, other.rewards)
    (tmp_path / "broken.parquet").write_bytes(b"PAR1 no")
    with pytest.raises(SettingError, match="Parquet"):
        _ = ExperienceFiles(paths=(str(tmp_path / "broken.parquet"),)).agents


def test_parquet_without_pyarrow_names_the_extra(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "a.parquet").write_bytes(b"")
    monkeypatch.setitem(sys.modules, "pyarrow", None)
    with pytest.raises(ExtraError, match=r"swarmlore\[parquet\]"):
        _ = ExperienceFiles(paths=(str(tmp_path / "a.parquet"),)).agents


def test_missing_and_empty_files_are_errors(tmp_path: Path) -> None:
    with pytest.raises(SettingError, match="nowhere"):
        _ = ExperienceFiles(paths=(str(tmp_path / "nowhere.jsonl"),)).agents
    with pytest.raises(ExperienceError, match="no experience"):
        _ = ExperienceFiles(paths=(written(tmp_path / "empty.jsonl", []),)).agents
    with pytest.raises(SettingError):
        ExperienceFiles(paths=())


def test_a_fleet_learns_from_its_files_and_is_judged_on_what_was_held_out(tmp_path: Path) -> None:
    source = ExperienceFiles(paths=(written(tmp_path / "fleet.jsonl", fleet(900)),))
    workload = GradientsWorkload(data=source, hidden=4)
    assert pickle.loads(pickle.dumps(workload)) == workload
    run = Simulation(workload, source.agents)
    before = workload.evaluate(run.value)
    for _ in run.steps(15):
        pass
    after = workload.evaluate(run.value)
    assert after["loss"] < before["loss"]
    # The best there is pays 50; acting at random pays 15.
    assert after["reward"] > 40
    assert 0.3 < after["agreement"] < 0.7
    assert workload.predict(run.value, np.array([[112.0, 0.0, 7.0], [88.0, 0.0, 7.0]], np.float32)).tolist() == [1, 0]


def test_experiences_that_go_on_widen_the_range_of_values(tmp_path: Path) -> None:
    lines = [
        line(state=[float(number), 1.0], reward=float(number % 3), done=False, next_state=[0.0, 1.0])
        for number in range(60)
    ]
    workload = GradientsWorkload(data=ExperienceFiles(paths=(written(tmp_path / "on.jsonl", lines),)))
    assert workload.data.episodic
    assert workload.values == pytest.approx((0.0, 20.0))
    figures = workload.evaluate(workload.genesis(0))
    assert set(figures) == {"reward", "agreement", "loss"}
