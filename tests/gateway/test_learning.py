"""From the words of a command to agents, liars, rules and workloads."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from federation.errors import ExperienceLineError, SettingError
from federation.rules import Median, NearestNeighborMixing, Pipeline
from federation.screening import Unscreened
from gateway.learning import adversary, agent_names, digits, experiences, liars_among, rule_of


def test_names_sort_as_they_count() -> None:
    assert agent_names(2) == ("agent-000", "agent-001")
    many = agent_names(1001)
    assert (many[0], many[-1]) == ("agent-0000", "agent-1000")
    assert list(many) == sorted(many)


def test_liars_follow_the_seed_and_are_not_simply_the_last_ones() -> None:
    names = agent_names(100)
    chosen = liars_among(names, 33, seed=0)
    assert len(set(chosen)) == 33
    assert chosen == liars_among(names, 33, seed=0) != liars_among(names, 33, seed=1)
    assert set(chosen) != set(names[-33:])
    assert liars_among(names, 0, seed=0) == ()
    assert liars_among(names, 100, seed=0) == names
    with pytest.raises(SettingError):
        liars_among(names, 101, seed=0)


def test_rules_by_name() -> None:
    assert rule_of("median") == Median()
    assert rule_of("nearest_neighbor_mixing, median") == Pipeline(steps=(NearestNeighborMixing(),), rule=Median())
    with pytest.raises(SettingError):
        rule_of("")


def test_an_adversary_marks_the_liars_or_is_none() -> None:
    assert adversary("alie", (), seed=0) is None
    found = adversary("alie", ("a", "b"), seed=0)
    assert found is not None
    assert found.agents == {"a", "b"}


def test_a_policy_comes_near_to_the_dimension_asked_for() -> None:
    names = agent_names(3)
    assert digits(names, alpha=0.5, seed=0).dimension == 985
    assert digits(names, alpha=0.5, seed=0, dimension=10_000).dimension == 75 * 133 + 10
    assert digits(names, alpha=0.5, seed=0, dimension=1).dimension == 85


def test_experiences_name_their_agents_and_what_was_skipped(tmp_path: Path) -> None:
    lines = [
        json.dumps({"agent": f"a{number % 3}", "state": [0.1 * number, 1.0], "action": number % 2, "reward": 1.0})
        for number in range(30)
    ]
    path = tmp_path / "day.jsonl"
    path.write_text("\n".join([*lines[:4], "{broken", *lines[4:]]))
    workload, source = experiences([path], strict=False)
    assert source.agents == ("a0", "a1", "a2")
    assert (source.report.read, source.report.skipped) == (30, 1)
    assert source.report.bad[0].line == 5
    assert workload.kind == "gradients"
    with pytest.raises(ExperienceLineError, match="line 5"):
        _ = experiences([path], strict=True)[1].agents


def test_unscreened_accepts_everything() -> None:
    found = Unscreened().screen(np.full((3, 2), 1e9, np.float32), centre=np.zeros(2, np.float32), f=1)
    assert not found.rejected.any()
